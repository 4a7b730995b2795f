package line

import (
	"context"
	"strings"

	"github.com/Microsoft/go-winio"
)

// path is the device behind the port's name: 1 is \\.\COM1.
func (s Spec) path() string {
	switch n := number(s.Port); {
	case n > 0:
		return `\\.\COM` + itoa(n)
	case s.Pipe && !strings.HasPrefix(s.Port, `\\`):
		return `\\.\pipe\` + s.Port
	case len(s.Port) > 3 && strings.EqualFold(s.Port[:3], "com") && number(s.Port[3:]) > 0:
		return `\\.\` + s.Port
	}
	return s.Port
}

func isPipe(path string) bool {
	low := strings.ToLower(path)
	return strings.HasPrefix(low, `\\`) && strings.Contains(low, `\pipe\`)
}

func openPipe(ctx context.Context, path string) (Line, error) {
	c, err := winio.DialPipeContext(ctx, path)
	if err != nil {
		return nil, err
	}
	return stream{c}, nil
}
