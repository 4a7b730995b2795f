package windbg

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dap-windbg/targets"
)

// This file is !handle: the open files of the process.

// openFile is a row of the far end's list of open files.
type openFile struct {
	number int
	name   string
}

// kind is what !handle calls its type.
func (f openFile) kind() string {
	prefix, _, ok := strings.Cut(f.name, ":")
	switch {
	case strings.HasPrefix(f.name, "/dev/"):
		return "Device"
	case ok && !strings.HasPrefix(f.name, "/"):
		return strings.ToUpper(prefix[:min(1, len(prefix))]) + prefix[min(1, len(prefix)):]
	}
	return "File"
}

// parseFiles reads the table of open files that gdbserver gives (osdata "files"), for
// one process.
func parseFiles(data []byte, pid int64) ([]openFile, error) {
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
	var out []openFile
	for _, item := range doc.Items {
		row := map[string]string{}
		for _, col := range item.Columns {
			row[col.Name] = col.Text
		}
		n, err := strconv.Atoi(row["file descriptor"])
		if row["pid"] == fmt.Sprint(pid) && err == nil {
			out = append(out, openFile{n, row["name"]})
		}
	}
	slices.SortFunc(out, func(a, b openFile) int { return a.number - b.number })
	return out, nil
}

// handles is !handle.
func handles(ctx context.Context, c *call) error {
	const typed, titled = 1, 4
	which, flags := ^uint64(0), uint64(typed|titled)
	var err error
	if c.more() {
		if which, err = c.number(ctx, 0); err != nil {
			return err
		}
		if flags, err = c.number(ctx, flags); err != nil {
			return err
		}
	}
	kind := c.all()
	q, ok := c.v.Target().(targets.Queryer)
	if !ok {
		return &Error{Text: "The far end does not list open files", Err: errors.ErrUnsupported}
	}
	data, err := q.Query(ctx, targets.OSData, "files")
	if err != nil {
		return fmt.Errorf("listing open files: %w", err)
	}
	list, err := parseFiles(data, c.v.Live().Info().Process)
	if err != nil {
		return fmt.Errorf("listing open files: %w", err)
	}
	count := map[string]int{}
	shown := 0
	for _, f := range list {
		if int64(which) > 0 && uint64(f.number) != which || kind != "" && !strings.EqualFold(kind, f.kind()) {
			continue
		}
		shown++
		count[f.kind()]++
		c.printf("Handle %x\n", f.number)
		if flags&typed != 0 {
			c.printf("  Type         \t%s\n", f.kind())
		}
		if flags&titled != 0 {
			c.printf("  Name         \t%s\n", f.name)
		}
	}
	if int64(which) > 0 {
		if shown == 0 {
			return fail("Could not duplicate handle %x, error 9: EBADF", which)
		}
		return nil
	}
	c.printf("%d Handles\nType           \tCount\n", shown)
	kinds := make([]string, 0, len(count))
	for k := range count {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	for _, k := range kinds {
		c.printf("%-15s\t%d\n", k, count[k])
	}
	return nil
}
