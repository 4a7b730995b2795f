package windbg

import (
	"bytes"
	"context"
	"errors"
	"testing"
)

// TestHugeCounts: a count of steps that can only be a mistake is refused.
func TestHugeCounts(t *testing.T) {
	for _, line := range []string{"p -1", "t 80000000", `p ffffffffffffffff "k"`, "pc @rip"} {
		i, _ := play(t)
		var out bytes.Buffer
		var e *Error
		if err := i.Exec(context.Background(), line, &out); !errors.As(err, &e) || e.Kind != "Range" {
			t.Errorf("%s: %v\n%s", line, err, &out)
		}
	}
}
