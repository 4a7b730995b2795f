package windbg

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// This file is !handle: the open files of the process.

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
		if int64(which) > 0 && uint64(f.Number) != which || kind != "" && !strings.EqualFold(kind, f.Kind()) {
			continue
		}
		shown++
		count[f.Kind()]++
		c.printf("Handle %x\n", f.Number)
		if flags&typed != 0 {
			c.printf("  Type         \t%s\n", f.Kind())
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
