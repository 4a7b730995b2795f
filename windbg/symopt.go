package windbg

import (
	"context"
	"fmt"
	"math"
	"strings"
)

// The symbol options that change what we do; the others are remembered and shown.
const (
	deferredLoads = 0x4        // off: .reload loads everything
	loadLines     = 0x10       // as .lines
	loadAnything  = 0x40       // as .reload /i
	debugChatter  = 0x80000000 // as !sym noisy

	symoptDefault = 0x30237
)

// symbolOption is a bit of .symopt.
type symbolOption struct {
	bit  uint32
	name string
}

var symbolOptionNames = []symbolOption{
	{0x1, "CASE_INSENSITIVE"},
	{0x2, "UNDNAME"},
	{deferredLoads, "DEFERRED_LOADS"},
	{0x8, "NO_CPP"},
	{loadLines, "LOAD_LINES"},
	{0x20, "OMAP_FIND_NEAREST"},
	{loadAnything, "LOAD_ANYTHING"},
	{0x80, "IGNORE_CVREC"},
	{0x100, "NO_UNQUALIFIED_LOADS"},
	{0x200, "FAIL_CRITICAL_ERRORS"},
	{0x400, "EXACT_SYMBOLS"},
	{0x800, "ALLOW_ABSOLUTE_SYMBOLS"},
	{0x1000, "IGNORE_NT_SYMPATH"},
	{0x2000, "INCLUDE_32BIT_MODULES"},
	{0x4000, "PUBLICS_ONLY"},
	{0x8000, "NO_PUBLICS"},
	{0x10000, "AUTO_PUBLICS"},
	{0x20000, "NO_IMAGE_SEARCH"},
	{0x40000, "SECURE"},
	{0x80000, "NO_PROMPTS"},
	{debugChatter, "DEBUG"},
}

// symbolOptions is .symopt.
func symbolOptions(ctx context.Context, c *call) error {
	rest := c.all()
	sign := byte(0)
	if strings.HasPrefix(rest, "+") || strings.HasPrefix(rest, "-") {
		sign, rest = rest[0], strings.TrimSpace(rest[1:])
	}
	if rest == "" && sign != 0 {
		return c.syntax(0)
	}
	if rest != "" {
		n, err := c.value(ctx, rest)
		if err != nil {
			return err
		}
		if n > math.MaxUint32 {
			return c.caret("Range", -1)
		}
		old, set := c.i.symbolOptions(), uint32(n)
		switch sign {
		case '+':
			set = old | set
		case '-':
			set = old &^ set
		}
		c.i.symopt = set
		c.i.source.noLines = set&loadLines == 0
		if noisy := set&debugChatter != 0; noisy != c.i.noisy {
			c.i.noisy = noisy
			c.i.o.Host.Noisy(noisy)
		}
	}
	c.printf("%s", symoptText(c.i.symbolOptions()))
	return nil
}

// symbolOptions are the options in force: two of them are told by .lines and
// `!sym noisy` as well.
func (i *Interpreter) symbolOptions() uint32 {
	set := i.symopt &^ (loadLines | debugChatter)
	if !i.source.noLines {
		set |= loadLines
	}
	if i.noisy {
		set |= debugChatter
	}
	return set
}

func symoptText(flags uint32) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Symbol options are 0x%X:\n", flags)
	for _, o := range symbolOptionNames {
		if flags&o.bit != 0 {
			fmt.Fprintf(&b, "  0x%08X - SYMOPT_%s\n", o.bit, o.name)
		}
	}
	return b.String()
}
