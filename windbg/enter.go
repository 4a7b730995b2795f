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
	cmd, _ := c.i.commands().find(name)
	c.cmd = cmd
	return cmd.Run(ctx, c)
}

// enterMemory is eb, ew, ed, eq, ep, ef and eD.
func enterMemory(ctx context.Context, c *call) error {
	if err := c.physicalOption(); err != nil {
		return err
	}
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
