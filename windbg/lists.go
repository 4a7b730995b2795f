package windbg

import (
	"context"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// This file walks and searches the debuggee: dl and #.

// displayList is dl: the words at each element of a linked list whose link comes first.
// dlb follows the second word, backwards.
func displayList(ctx context.Context, c *call) error {
	at, err := c.address(ctx)
	if err != nil {
		return err
	}
	most, err := c.number(ctx, 0x20)
	if err != nil {
		return err
	}
	words, err := c.lastNumber(ctx, 4)
	if err != nil {
		return err
	}
	if words < 2 || words > 256 {
		return &Error{Kind: "Range", Command: c.text, Pos: c.pos}
	}
	ptr := pointerSize(c.v)
	link := 0
	if c.cmd.Name == "dlb" {
		link = ptr
	}
	seen := map[arch.Addr]bool{}
	d := dump{size: ptr, units: 16 / ptr, ptr: ptr}
	for n := uint64(0); n < most && at != 0 && !seen[at]; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		seen[at] = true
		data, known, err := c.read(ctx, at, words*uint64(ptr))
		if err != nil {
			return err
		}
		d.known = known
		c.printf("%s", d.rows(at, data))
		if known < link+ptr {
			return expressionError(c.text, &targets.FaultError{Addr: at + arch.Addr(known)})
		}
		at = arch.Addr(littleEndian(data[link : link+ptr]))
	}
	return nil
}

// searchCode is #: the next instruction whose text holds the pattern.
func searchCode(ctx context.Context, c *call) error {
	const most = 100_000
	c.skip()
	pattern, ok := c.quoted()
	if !ok {
		pattern = c.word()
	}
	if pattern == "" {
		pattern = c.i.cursor.pattern
	}
	at, _, end, err := c.instructions(ctx, 0)
	if err != nil {
		return err
	}
	if pattern == "" {
		return c.syntax(0)
	}
	c.i.cursor.pattern = pattern
	ptr := pointerSize(c.v)
	for n := 0; n < most && (end == 0 || at <= end); {
		if err := ctx.Err(); err != nil {
			return err
		}
		insts, err := c.v.Disassemble(ctx, at, 64)
		if err != nil || len(insts) == 0 {
			return expressionError(c.text, err)
		}
		for _, inst := range insts {
			n++
			at = inst.Addr + arch.Addr(max(1, len(inst.Bytes)))
			c.i.cursor.code, c.i.cursor.codeSet = at, true
			if len(inst.Bytes) == 0 {
				return expressionError(c.text, &targets.FaultError{Addr: inst.Addr})
			}
			row := c.i.codeRow(c.v, inst, ptr)
			if strings.Contains(strings.ToLower(row), strings.ToLower(pattern)) {
				c.codeHeader(inst.Addr, "")
				c.printf("%s\n", row)
				return nil
			}
		}
	}
	return &Error{Text: "No match for '" + pattern + "'"}
}
