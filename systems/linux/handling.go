package linux

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"dap-windbg/systems"
	"dap-windbg/targets"
)

var _ systems.Signaller = (*System)(nil)

// maxStatus bounds what is read of /proc/PID/status, bytes.
const maxStatus = 64 << 10

// Unhandled reads which signals the process handles and ignores, from /proc at the far
// end.
func (*System) Unhandled(ctx context.Context, t targets.Target, signal int) bool {
	s, ok := SignalByNumber(signal)
	if !ok || !s.Kills() {
		return false
	}
	files, ok := t.(targets.Files)
	if !ok {
		return true
	}
	f, err := files.Open(ctx, fmt.Sprintf("/proc/%d/status", t.Info().Process))
	if err != nil {
		return true
	}
	defer f.Close()
	return !takesCare(io.LimitReader(f, maxStatus), signal)
}

// takesCare reads SigIgn and SigCgt of /proc/PID/status (proc(5)): sets of signals in
// hexadecimal, signal 1 in the lowest bit.
func takesCare(status io.Reader, signal int) bool {
	if signal < 1 || signal > 64 {
		return false
	}
	for lines := bufio.NewScanner(status); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		if key != "SigIgn" && key != "SigCgt" {
			continue
		}
		if set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64); err == nil && set>>(signal-1)&1 != 0 {
			return true
		}
	}
	return false
}
