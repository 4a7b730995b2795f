package windbg

import (
	"context"
	"errors"
	"slices"
	"strings"

	"dap-windbg/systems"
)

// This file is !handle: the open files of the process.

// kindOfFile is what !handle calls its type.
func kindOfFile(f systems.OpenFile) string {
	prefix, _, ok := strings.Cut(f.Name, ":")
	switch {
	case strings.HasPrefix(f.Name, "/dev/"):
		return "Device"
	case ok && !strings.HasPrefix(f.Name, "/"):
		return strings.ToUpper(prefix[:min(1, len(prefix))]) + prefix[min(1, len(prefix)):]
	}
	return "File"
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
	list, err := c.v.OpenFiles(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		return &Error{Text: "The far end does not list open files", Err: err}
	} else if err != nil {
		return err
	}
	count := map[string]int{}
	shown := 0
	for _, f := range list {
		if int64(which) > 0 && uint64(f.Number) != which || kind != "" && !strings.EqualFold(kind, kindOfFile(f)) {
			continue
		}
		shown++
		count[kindOfFile(f)]++
		c.printf("Handle %x\n", f.Number)
		if flags&typed != 0 {
			c.printf("  Type         \t%s\n", kindOfFile(f))
		}
		if flags&titled != 0 {
			c.printf("  Name         \t%s\n", f.Name)
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
