package windbg

import (
	"context"
	"fmt"
	"io"
	"os"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// writeMemoryFile is .writemem.
func writeMemoryFile(ctx context.Context, c *call) error {
	name := c.fileName()
	if name == "" {
		return c.syntax(0)
	}
	r, err := c.needRange(ctx, 1)
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return &Error{Text: fmt.Sprintf("Unable to create %s, %v", name, err), Err: err}
	}
	c.printf("Writing %x bytes", r.bytes)
	err = c.copyOut(ctx, f, r)
	c.printf("\n")
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// copyOut writes a range of memory to a file, with a dot for each piece.
func (c *call) copyOut(ctx context.Context, w io.Writer, r span) error {
	const piece = 64 << 10
	for o := uint64(0); o < r.bytes; o += piece {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(r.bytes-o, piece)
		data, known, err := c.read(ctx, r.start+arch.Addr(o), n)
		if err != nil {
			return err
		}
		if _, err := w.Write(data[:known]); err != nil {
			return err
		}
		if uint64(known) < n {
			return expressionError(c.text, &targets.FaultError{Addr: r.start + arch.Addr(o) + arch.Addr(known)})
		}
		c.printf(".")
	}
	return nil
}

// readMemoryFile is .readmem.
func readMemoryFile(ctx context.Context, c *call) error {
	name := c.fileName()
	if name == "" {
		return c.syntax(0)
	}
	r, err := c.span(ctx, 1, 0)
	if err != nil {
		return err
	}
	if !r.given {
		return c.syntax(0)
	}
	if err := c.end(); err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return &Error{Text: fmt.Sprintf("Unable to open %s, %v", name, err), Err: err}
	}
	defer f.Close()
	most := int64(maxSpan)
	if r.length {
		most = int64(min(r.bytes, maxSpan))
	}
	data, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return err
	}
	c.printf("Reading %x bytes.\n", len(data))
	return c.write(ctx, r.start, data)
}

// fileName takes a file name, quoted when it holds blanks. Backslashes are its own.
func (c *call) fileName() string {
	c.skip()
	if len(c.line) > 1 && c.line[0] == '"' {
		for k := 1; k < len(c.line); k++ {
			if c.line[k] == '"' {
				return c.drop(k + 1)[1:k]
			}
		}
	}
	return c.word()
}
