package windbg

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// This file changes and compares memory: e*, s, f, m, c.

func enterAgain(ctx context.Context, c *call) error {
	name := c.i.cursor.enter
	if name == "" {
		name = "eb"
	}
	cmd, _ := c.i.registry.find(name)
	c.cmd = cmd
	return cmd.Run(ctx, c)
}

// enterMemory is eb, ew, ed, eq, ep, ef and eD.
func enterMemory(ctx context.Context, c *call) error {
	addr, err := c.address(ctx)
	if err != nil {
		return err
	}
	c.i.cursor.enter = c.cmd.Name
	if !c.more() {
		return &Error{Kind: "Syntax", Command: c.text, Pos: c.base, Fix: "give the values on the same line"}
	}
	p, err := c.values(ctx, enterSize(c.cmd.Name, pointerSize(c.v)))
	if err != nil {
		return err
	}
	return c.write(ctx, addr, p)
}

// enterSize is the size of a value; negative for floating-point ones.
func enterSize(name string, ptr int) int {
	switch name[1] {
	case 'w':
		return 2
	case 'd':
		return 4
	case 'q':
		return 8
	case 'p':
		return ptr
	case 'f':
		return -4
	case 'D':
		return -8
	}
	return 1
}

// values reads numbers, 'characters' and "strings" to the end of the line, as
// size-byte units in target order.
func (c *call) values(ctx context.Context, size int) ([]byte, error) {
	var p []byte
	for c.more() {
		if size < 0 {
			at := c.base
			f, err := strconv.ParseFloat(c.word(), 64)
			if err != nil {
				return nil, &Error{Kind: "Syntax", Command: c.text, Pos: at}
			}
			if size == -4 {
				p = binary.LittleEndian.AppendUint32(p, math.Float32bits(float32(f)))
			} else {
				p = binary.LittleEndian.AppendUint64(p, math.Float64bits(f))
			}
			continue
		}
		if q := c.line[0]; q == '"' || q == '\'' {
			end := strings.IndexByte(c.line[1:], q)
			if end < 0 {
				return nil, c.syntax(0)
			}
			for _, b := range []byte(c.drop(end + 2)[1 : end+1]) {
				p = appendUnit(p, uint64(b), size)
			}
			continue
		}
		at := c.base
		n, err := c.number(ctx, 0)
		if err != nil {
			return nil, err
		}
		if size < 8 && n>>(8*size) != 0 && int64(n)>>(8*size-1) != -1 {
			return nil, &Error{Kind: "Overflow", Command: c.text, Pos: at}
		}
		p = appendUnit(p, n, size)
	}
	return p, nil
}

func appendUnit(p []byte, n uint64, size int) []byte {
	for k := 0; k < size; k++ {
		p = append(p, byte(n>>(8*k)))
	}
	return p
}

// enterText is ea, eza, eu and ezu. Backslashes are ordinary characters.
func enterText(ctx context.Context, c *call) error {
	addr, err := c.address(ctx)
	if err != nil {
		return err
	}
	c.skip()
	end := strings.LastIndexByte(c.line, '"')
	if !strings.HasPrefix(c.line, `"`) || end < 1 {
		return c.syntax(0)
	}
	text := c.drop(end + 1)[1:end]
	if strings.Contains(c.cmd.Name, "z") {
		text += "\x00"
	}
	p := []byte(text)
	if strings.HasSuffix(c.cmd.Name, "u") {
		p = utf16Bytes(text)
	}
	if err := c.end(); err != nil {
		return err
	}
	return c.write(ctx, addr, p)
}

func utf16Bytes(text string) []byte {
	var p []byte
	for _, u := range utf16.Encode([]rune(text)) {
		p = binary.LittleEndian.AppendUint16(p, u)
	}
	return p
}

// needRange reads a range that must have an extent.
func (c *call) needRange(ctx context.Context, size uint64) (span, error) {
	r, err := c.span(ctx, size, 0)
	if err == nil && (!r.given || !r.length || r.bytes == 0) {
		err = c.syntax(0)
	}
	return r, err
}

// searchMemory is s.
func searchMemory(ctx context.Context, c *call) error {
	kind, bare, least := "b", false, 3
	if o, ok := c.option("-"); ok {
		kind = o
		if flags, tail, ok := strings.Cut(strings.TrimPrefix(o, "["), "]"); ok && o[0] == '[' {
			kind = tail
			bare = strings.Contains(flags, "1")
			if k := strings.IndexByte(flags, 'l'); k >= 0 {
				least, _ = strconv.Atoi(strings.TrimLeft(flags[k+1:], "0 "))
				least = max(least, 1)
			}
		}
	}
	if kind == "sa" || kind == "su" {
		return c.searchStrings(ctx, kind == "su", least, bare)
	}
	size, ok := map[string]int{"b": 1, "w": 2, "d": 4, "q": 8, "a": 1, "u": 2}[kind]
	if !ok {
		return c.syntax(-len(kind))
	}
	r, err := c.needRange(ctx, 1)
	if err != nil {
		return err
	}
	var pattern []byte
	if kind == "a" || kind == "u" {
		text, ok := c.quoted()
		if !ok {
			return c.syntax(0)
		}
		if pattern = []byte(text); kind == "u" {
			pattern = utf16Bytes(text)
		}
	} else if pattern, err = c.values(ctx, size); err != nil {
		return err
	}
	if len(pattern) == 0 {
		return c.syntax(0)
	}
	align := size
	if kind == "u" {
		align = 1
	}
	return c.scan(ctx, r, len(pattern)-1, func(addr arch.Addr, p []byte) error {
		for o := 0; ; {
			k := bytes.Index(p[o:], pattern)
			if k < 0 {
				return nil
			}
			o += k
			if o%align == 0 {
				if err := c.hit(ctx, addr+arch.Addr(o), kind, bare); err != nil {
					return err
				}
			}
			o++
		}
	})
}

// scan hands the readable stretches of a range to f, with overlap bytes of the
// next piece at the end of each.
func (c *call) scan(ctx context.Context, r span, overlap int, f func(arch.Addr, []byte) error) error {
	const page, piece = 4096, 64 << 10
	for o := uint64(0); o < r.bytes; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(r.bytes-o, piece)
		want := min(r.bytes-o, n+uint64(overlap))
		data, known, err := c.read(ctx, r.start+arch.Addr(o), want)
		if err != nil {
			return err
		}
		if known > 0 {
			if err := f(r.start+arch.Addr(o), data[:known]); err != nil {
				return err
			}
		}
		if uint64(known) < n { // go on at the next page
			at := uint64(r.start) + o + uint64(known)
			o += uint64(known) + page - at%page
			continue
		}
		o += n
	}
	return nil
}

// hit shows one result of a search.
func (c *call) hit(ctx context.Context, addr arch.Addr, kind string, bare bool) error {
	ptr := pointerSize(c.v)
	if bare {
		c.printf("0x%s\n", addr.Text(ptr))
		return nil
	}
	name := map[string]string{"b": "db", "a": "db", "w": "dW", "u": "dW", "d": "dc", "q": "dq"}[kind]
	form := forms[name]
	data, known, err := c.read(ctx, addr, 16)
	if err != nil {
		return err
	}
	c.printf("%s", dump{size: form.size, units: form.units, ascii: form.ascii, ptr: ptr, known: known}.rows(addr, data))
	return nil
}

// searchStrings is s -sa and s -su: runs of printable characters.
func (c *call) searchStrings(ctx context.Context, wide bool, least int, bare bool) error {
	unit := 1
	if wide {
		unit = 2
	}
	r, err := c.needRange(ctx, 1)
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	ptr := pointerSize(c.v)
	run, at := "", arch.Addr(0)
	flush := func() {
		if len(run) >= least {
			if bare {
				c.printf("0x%s\n", at.Text(ptr))
			} else {
				c.printf("%s  %q\n", at.Text(ptr), run)
			}
		}
		run = ""
	}
	err = c.scan(ctx, r, 0, func(addr arch.Addr, p []byte) error {
		if run != "" && addr != at+arch.Addr(len(run)*unit) {
			flush()
		}
		for o := 0; o+unit <= len(p); o += unit {
			if n := littleEndian(p[o : o+unit]); n >= 0x20 && n <= 0x7e && len(run) < 4096 {
				if run == "" {
					at = addr + arch.Addr(o)
				}
				run += string(rune(n))
				continue
			}
			flush()
		}
		return nil
	})
	flush()
	return err
}

// fillMemory is f.
func fillMemory(ctx context.Context, c *call) error {
	r, err := c.needRange(ctx, 1)
	if err != nil {
		return err
	}
	pattern, err := c.values(ctx, 1)
	if err != nil {
		return err
	}
	if len(pattern) == 0 {
		return c.syntax(0)
	}
	p := bytes.Repeat(pattern, int(r.bytes)/len(pattern)+1)[:r.bytes]
	if err := c.write(ctx, r.start, p); err != nil {
		return err
	}
	c.printf("Filled 0x%x bytes\n", r.bytes)
	return nil
}

// moveMemory is m; the ranges may overlap.
func moveMemory(ctx context.Context, c *call) error {
	r, to, err := c.twoRanges(ctx)
	if err != nil {
		return err
	}
	data, known, err := c.read(ctx, r.start, r.bytes)
	if err != nil {
		return err
	}
	if uint64(known) < r.bytes {
		return expressionError(c.text, &targets.FaultError{Addr: r.start + arch.Addr(known)})
	}
	return c.write(ctx, to, data)
}

func (c *call) twoRanges(ctx context.Context) (span, arch.Addr, error) {
	r, err := c.needRange(ctx, 1)
	if err != nil {
		return r, 0, err
	}
	to, err := c.address(ctx)
	if err != nil {
		return r, 0, err
	}
	return r, to, c.end()
}

// compareMemory is c: the bytes that differ.
func compareMemory(ctx context.Context, c *call) error {
	r, to, err := c.twoRanges(ctx)
	if err != nil {
		return err
	}
	ptr := pointerSize(c.v)
	for o := uint64(0); o < r.bytes; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(r.bytes-o, chunk)
		a, ka, err := c.read(ctx, r.start+arch.Addr(o), n)
		if err != nil {
			return err
		}
		b, kb, err := c.read(ctx, to+arch.Addr(o), n)
		if err != nil {
			return err
		}
		for k := 0; k < min(ka, kb); k++ {
			if a[k] != b[k] {
				at := arch.Addr(o) + arch.Addr(k)
				c.printf("%s  %02x - %s  %02x\n", (r.start + at).Text(ptr), a[k], (to + at).Text(ptr), b[k])
			}
		}
		if k := min(ka, kb); uint64(k) < n {
			first := r.start
			if kb < ka {
				first = to
			}
			return expressionError(c.text, &targets.FaultError{Addr: first + arch.Addr(o) + arch.Addr(k)})
		}
		o += n
	}
	return nil
}
