package windbg

import (
	"bytes"
	"context"
	"slices"

	"dap-windbg/arch"
)

// This file keeps copies of memory to compare with: .holdmem.

var holdCommands = []command{
	{".holdmem", ".holdmem -a Range | -d {Range | Addr} | -D | -o | -c {Range | Addr}", "keep a copy of memory (-a), compare with it (-c), show the copies (-o), drop one (-d) or all (-D)", stopped, holdMemory},
}

// heldRange is a copy of memory.
type heldRange struct {
	start arch.Addr
	data  []byte
}

// maxHeld bounds all copies together, bytes.
const maxHeld = 64 << 20

func holdMemory(ctx context.Context, c *call) error {
	o, ok := c.option("-")
	if !ok || !slices.Contains([]string{"a", "d", "D", "o", "c"}, o) {
		return c.syntax(0)
	}
	switch o {
	case "D":
		c.i.held = nil
		return c.end()
	case "o":
		if err := c.end(); err != nil {
			return err
		}
		ptr := pointerSize(c.v)
		for _, h := range c.i.held {
			c.printf("Range %s - %s:\n%s", h.start.Text(ptr), (h.start + arch.Addr(len(h.data)-1)).Text(ptr),
				dump{size: 1, units: 16, ascii: true, ptr: ptr, known: len(h.data)}.rows(h.start, h.data))
		}
		if len(c.i.held) == 0 {
			c.printf("No memory is held\n")
		}
		return nil
	}
	r, err := c.span(ctx, 1, 0)
	if err != nil {
		return err
	}
	if !r.given || o == "a" && r.bytes == 0 {
		return c.syntax(0)
	}
	if err := c.end(); err != nil {
		return err
	}
	if o == "a" {
		return c.copyMemory(ctx, r)
	}
	at := slices.IndexFunc(c.i.held, func(h heldRange) bool {
		return r.start >= h.start && r.start-h.start < arch.Addr(len(h.data)) && uint64(r.start-h.start)+r.bytes <= uint64(len(h.data))
	})
	if at < 0 {
		return fail("No held memory at %s", r.start.Text(pointerSize(c.v)))
	}
	if o == "d" {
		c.i.held = slices.Delete(c.i.held, at, at+1)
		return nil
	}
	return c.compareHeld(ctx, c.i.held[at], r)
}

// copyMemory keeps a copy of a range.
func (c *call) copyMemory(ctx context.Context, r span) error {
	total := r.bytes
	for _, h := range c.i.held {
		total += uint64(len(h.data))
	}
	if total > maxHeld {
		return &Error{Kind: "Range", Command: c.text, Pos: c.pos, Fix: "64 MB can be held; .holdmem -D drops all"}
	}
	data, known, err := c.read(ctx, r.start, r.bytes)
	if err != nil {
		return err
	}
	if uint64(known) < r.bytes {
		return fail("Unable to read memory at %s", (r.start + arch.Addr(known)).Text(pointerSize(c.v)))
	}
	c.i.held = append(c.i.held, heldRange{r.start, data})
	return nil
}

// compareHeld shows the rows of a copy that differ from what is there now.
func (c *call) compareHeld(ctx context.Context, h heldRange, r span) error {
	ptr := pointerSize(c.v)
	was := h.data
	start := h.start
	if r.bytes > 0 {
		o := uint64(r.start - h.start)
		was, start = h.data[o:o+r.bytes], r.start
	}
	now, known, err := c.read(ctx, start, uint64(len(was)))
	if err != nil {
		return err
	}
	const row = 16
	different := false
	for o := 0; o < len(was); o += row {
		end := min(o+row, len(was))
		if end <= known && bytes.Equal(was[o:end], now[o:end]) {
			continue
		}
		if !different {
			c.printf("Held memory and what is there now differ:\n")
		}
		different = true
		d := dump{size: 1, units: row, ascii: true, ptr: ptr}
		d.known = end - o
		c.printf("held %s", d.rows(start+arch.Addr(o), was[o:end]))
		d.known = known - o
		c.printf("now  %s", d.rows(start+arch.Addr(o), now[o:end]))
	}
	if !different {
		c.printf("No differences\n")
	}
	return nil
}
