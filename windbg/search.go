package windbg

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"strings"

	"dap-windbg/arch"
)

// This file is s: search memory.

// search is one run of s.
type search struct {
	c        *call
	kind     string // b w d q a u, sa su, v
	bare     bool   // addresses only
	save     bool   // the hits are kept
	within   bool   // among those kept
	writable bool
	most     int // kept
	least    int // characters of a string
	hits     []arch.Addr
}

// mostHits is how many hits are kept unless a number is given.
const mostHits = 1024

// searchFlags reads "-[flags]type": s save, r within what was saved, n N the most to
// save, l N the shortest string, w writable memory only, 1 addresses only.
func (c *call) searchFlags() (*search, error) {
	f := &search{c: c, kind: "b", least: 3, most: mostHits}
	c.skip()
	if !strings.HasPrefix(c.line, "-") {
		return f, nil
	}
	at := c.base
	bad := &Error{Kind: "Syntax", Command: c.text, Pos: at, Fix: "write -[flags]type: flags s r w 1 nN lN, types b w d q a u sa su v"}
	c.drop(1)
	if strings.HasPrefix(c.line, "[") {
		end := strings.IndexByte(c.line, ']')
		if end < 0 || !f.flags(c.drop(end + 1)[1:end]) {
			return nil, bad
		}
	}
	f.kind = c.word()
	if !slices.Contains(strings.Fields("b w d q a u sa su v"), f.kind) {
		return nil, bad
	}
	return f, nil
}

// flags reads the letters between the brackets.
func (f *search) flags(s string) bool {
	number := func() (n int) {
		s = strings.TrimLeft(s, " ")
		k := 0
		for k < len(s) && k < 9 && s[k] >= '0' && s[k] <= '9' {
			k++
		}
		n, _ = strconv.Atoi(s[:k])
		s = s[k:]
		return n
	}
	for s != "" {
		b := s[0]
		s = s[1:]
		switch b {
		case 's':
			f.save = true
		case 'r':
			f.within = true
		case 'w':
			f.writable = true
		case '1':
			f.bare = true
		case 'n':
			if f.most = number(); f.most == 0 {
				return false
			}
		case 'l':
			f.least = max(1, number())
		case ' ':
		default:
			return false
		}
	}
	return true
}

// searchMemory is s.
func searchMemory(ctx context.Context, c *call) error {
	f, err := c.searchFlags()
	if err != nil {
		return err
	}
	if f.kind == "sa" || f.kind == "su" {
		err = f.strings(ctx)
	} else {
		err = f.pattern(ctx)
	}
	if f.save && err == nil {
		c.i.hits = f.hits
	}
	return err
}

// pattern is s for numbers, characters, and objects that begin with the pointer that
// another begins with (v).
func (f *search) pattern(ctx context.Context) error {
	c := f.c
	ptr := pointerSize(c.v)
	size := map[string]int{"b": 1, "w": 2, "d": 4, "q": 8, "a": 1, "u": 2, "v": ptr}[f.kind]
	r, err := c.needRange(ctx, 1)
	if err != nil {
		return err
	}
	var pattern []byte
	switch f.kind {
	case "a", "u":
		text, ok := c.quoted()
		if !ok {
			return c.syntax(0)
		}
		if pattern = []byte(text); f.kind == "u" {
			pattern = utf16Bytes(text)
		}
	case "v":
		at, err := c.address(ctx)
		if err != nil {
			return err
		}
		data, known, err := c.read(ctx, at, uint64(ptr))
		if err != nil || known < ptr {
			return fail("Unable to read the object at %s", at.Text(ptr))
		}
		pattern = data
	default:
		if pattern, err = c.values(ctx, size); err != nil {
			return err
		}
	}
	if err := c.end(); err != nil {
		return err
	}
	if len(pattern) == 0 {
		return c.syntax(0)
	}
	align := arch.Addr(size)
	if f.kind == "u" {
		align = 1
	}
	return f.ranges(ctx, r, len(pattern)-1, func(addr arch.Addr, p []byte) error {
		for o := 0; ; o++ {
			k := bytes.Index(p[o:], pattern)
			if k < 0 {
				return nil
			}
			o += k
			if at := addr + arch.Addr(o); at%align == 0 {
				if err := f.hit(ctx, at); err != nil {
					return err
				}
			}
		}
	})
}

// ranges scans the range, or its writable parts.
func (f *search) ranges(ctx context.Context, r span, overlap int, each func(arch.Addr, []byte) error) error {
	if !f.writable {
		return f.c.scan(ctx, r, overlap, each)
	}
	all, err := f.c.maps(ctx)
	if err != nil {
		return err
	}
	end := r.start + arch.Addr(r.bytes)
	for _, g := range all {
		lo, hi := max(g.start, r.start), min(g.end, end)
		if lo >= hi || !strings.Contains(g.perms, "w") {
			continue
		}
		if err := f.c.scan(ctx, span{start: lo, bytes: uint64(hi - lo)}, overlap, each); err != nil {
			return err
		}
	}
	return nil
}

// take decides whether a hit counts, and keeps it when hits are kept.
func (f *search) take(at arch.Addr) bool {
	if f.within && !slices.Contains(f.c.i.hits, at) {
		return false
	}
	if f.save && len(f.hits) < f.most {
		f.hits = append(f.hits, at)
	}
	return true
}

// hit shows one result.
func (f *search) hit(ctx context.Context, at arch.Addr) error {
	if !f.take(at) {
		return nil
	}
	c := f.c
	ptr := pointerSize(c.v)
	if f.bare {
		c.printf("0x%s\n", at.Text(ptr))
		return nil
	}
	name := map[string]string{"b": "db", "a": "db", "w": "dW", "u": "dW", "d": "dc", "q": "dq", "v": "dq"}[f.kind]
	if f.kind == "v" && ptr == 4 {
		name = "dc"
	}
	form := forms[name]
	data, known, err := c.read(ctx, at, 16)
	if err != nil {
		return err
	}
	c.printf("%s", dump{size: form.size, units: form.units, ascii: form.ascii, ptr: ptr, known: known}.rows(at, data))
	return nil
}

// strings is s -sa and s -su: runs of printable characters.
func (f *search) strings(ctx context.Context) error {
	c := f.c
	unit := 1
	if f.kind == "su" {
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
		if len(run) >= f.least && f.take(at) {
			if f.bare {
				c.printf("0x%s\n", at.Text(ptr))
			} else {
				c.printf("%s  \"%s\"\n", at.Text(ptr), run)
			}
		}
		run = ""
	}
	err = f.ranges(ctx, r, 0, func(addr arch.Addr, p []byte) error {
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
