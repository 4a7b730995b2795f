package linux

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

const (
	maxRegions  = 1 << 17  // of one process; Linux's own limit is 65,530 (vm.max_map_count)
	maxMapsText = 16 << 20 // bytes
)

var _ systems.Surveyor = (*System)(nil)

// Regions reads the memory map of the process, from /proc at the far end.
func (*System) Regions(ctx context.Context, t targets.Target) ([]systems.Region, error) {
	files, ok := t.(targets.Files)
	if !ok {
		return nil, fmt.Errorf("the far end serves no files: %w", errors.ErrUnsupported)
	}
	f, err := files.Open(ctx, fmt.Sprintf("/proc/%d/maps", t.Info().Process))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseMaps(io.LimitReader(f, maxMapsText))
}

// parseMaps reads the text of /proc/PID/maps (proc(5)); bad lines are skipped.
func parseMaps(r io.Reader) ([]systems.Region, error) {
	var out []systems.Region
	s := bufio.NewScanner(r)
	for s.Scan() && len(out) < maxRegions {
		f := strings.Fields(s.Text())
		if len(f) < 5 {
			continue
		}
		lo, hi, ok := strings.Cut(f[0], "-")
		a, err1 := strconv.ParseUint(lo, 16, 64)
		b, err2 := strconv.ParseUint(hi, 16, 64)
		if !ok || err1 != nil || err2 != nil || b < a || len(f[1]) < 3 {
			continue
		}
		g := systems.Region{Start: arch.Addr(a), End: arch.Addr(b), Perms: f[1], Base: arch.Addr(a)}
		if len(f) > 5 {
			g.Path = strings.Join(f[5:], " ")
		}
		if n := len(out); n > 0 && g.Path != "" && out[n-1].Path == g.Path {
			g.Base = out[n-1].Base
		}
		out = append(out, g)
	}
	return out, s.Err()
}

// OpenFiles asks for the table of open files that gdbserver keeps (osdata "files").
func (*System) OpenFiles(ctx context.Context, t targets.Target) ([]systems.OpenFile, error) {
	q, ok := t.(targets.Queryer)
	if !ok {
		return nil, fmt.Errorf("the far end does not list open files: %w", errors.ErrUnsupported)
	}
	data, err := q.Query(ctx, targets.OSData, "files")
	if err != nil {
		return nil, err
	}
	return parseFiles(data, t.Info().Process)
}

// parseFiles takes the open files of one process out of the table (GDB manual,
// Operating System Auxiliary Information).
func parseFiles(data []byte, pid int64) ([]systems.OpenFile, error) {
	var doc struct {
		Items []struct {
			Columns []struct {
				Name string `xml:"name,attr"`
				Text string `xml:",chardata"`
			} `xml:"column"`
		} `xml:"item"`
	}
	if err := xml.NewDecoder(bytes.NewReader(data)).Decode(&doc); err != nil {
		return nil, err
	}
	var out []systems.OpenFile
	for _, item := range doc.Items {
		row := map[string]string{}
		for _, col := range item.Columns {
			row[col.Name] = col.Text
		}
		n, err := strconv.Atoi(row["file descriptor"])
		if row["pid"] == fmt.Sprint(pid) && err == nil {
			out = append(out, systems.OpenFile{Number: n, Name: row["name"]})
		}
	}
	slices.SortFunc(out, func(a, b systems.OpenFile) int { return a.Number - b.Number })
	return out, nil
}
