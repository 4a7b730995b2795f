package engine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// Regions is the memory map of the debuggee: what its system tells, else what the far
// end itself does. errors.ErrUnsupported: neither is known.
func (v *View) Regions(ctx context.Context) ([]systems.Region, error) { return v.l.regions(ctx) }

// OpenFiles lists what the process has open. errors.ErrUnsupported: nobody knows.
func (v *View) OpenFiles(ctx context.Context) ([]systems.OpenFile, error) { return v.l.openFiles(ctx) }

func (l *loop) regions(ctx context.Context) ([]systems.Region, error) {
	why := errors.ErrUnsupported
	if s, ok := l.o.System.(systems.Surveyor); ok {
		list, err := s.Regions(ctx, l.t)
		if err == nil || ctx.Err() != nil {
			return list, err
		}
		why = err
	}
	if q, ok := l.t.(targets.Queryer); ok {
		if data, err := q.Query(ctx, targets.MemoryMap, ""); err == nil {
			return parseMemoryMap(data)
		}
	}
	if !errors.Is(why, errors.ErrUnsupported) {
		return nil, fmt.Errorf("reading the memory map: %w", why)
	}
	return nil, fmt.Errorf("the memory map is not available: the far end serves neither files nor a map: %w", why)
}

func (l *loop) openFiles(ctx context.Context) ([]systems.OpenFile, error) {
	s, ok := l.o.System.(systems.Surveyor)
	if !ok {
		return nil, fmt.Errorf("listing open files: %w", errors.ErrUnsupported)
	}
	list, err := s.OpenFiles(ctx, l.t)
	if err != nil {
		err = fmt.Errorf("listing open files: %w", err)
	}
	return list, err
}

// parseMemoryMap reads a stub's memory-map document (GDB manual, Memory Map Format).
func parseMemoryMap(data []byte) ([]systems.Region, error) {
	var doc struct {
		Rows []struct {
			Type   string `xml:"type,attr"`
			Start  string `xml:"start,attr"`
			Length string `xml:"length,attr"`
		} `xml:"memory"`
	}
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict = false
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("reading the memory map: %w", err)
	}
	var out []systems.Region
	for _, r := range doc.Rows {
		a, err1 := strconv.ParseUint(r.Start, 0, 64)
		n, err2 := strconv.ParseUint(r.Length, 0, 64)
		if err1 != nil || err2 != nil || n == 0 || a+n < a {
			continue
		}
		perms := "rwxp"
		if r.Type == "rom" {
			perms = "r-xp"
		}
		out = append(out, systems.Region{Start: arch.Addr(a), End: arch.Addr(a + n), Perms: perms, Path: "[" + r.Type + "]", Base: arch.Addr(a)})
	}
	slices.SortFunc(out, func(a, b systems.Region) int { return cmp.Compare(a.Start, b.Start) })
	return out, nil
}
