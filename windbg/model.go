package windbg

import (
	"context"
	"strings"
)

// withCommands runs f, in which Debugger.Utility.Control.ExecuteCommand runs lines
// of this session.
func (c *call) withCommands(f func() error) error {
	return c.v.OnCommand(func(ctx context.Context, line string) ([]string, error) {
		var b strings.Builder
		inner := *c.exec
		inner.out, inner.wait, inner.tail = &b, false, false
		err := inner.program(ctx, line)
		text := strings.TrimRight(b.String(), "\n")
		if text == "" {
			return nil, err
		}
		return strings.Split(text, "\n"), err
	}, f)
}
