package rsp

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"dap-windbg/targets"
)

const hexDigits = "0123456789abcdef"

func nibble(b byte) (byte, bool) {
	switch {
	case b >= '0' && b <= '9':
		return b - '0', true
	case b >= 'a' && b <= 'f':
		return b - 'a' + 10, true
	case b >= 'A' && b <= 'F':
		return b - 'A' + 10, true
	}
	return 0, false
}

// unhex decodes pairs of digits; false when s is not that.
func unhex(s []byte) ([]byte, bool) {
	out := make([]byte, len(s)/2)
	if _, err := hex.Decode(out, s); err != nil || len(s)%2 != 0 {
		return nil, false
	}
	return out, true
}

func toHex(s string) string { return hex.EncodeToString([]byte(s)) }

func hexUint(v uint64) string { return strconv.FormatUint(v, 16) }

func parseHex(s string) (uint64, bool) {
	v, err := strconv.ParseUint(s, 16, 64)
	return v, err == nil
}

// threadID is a thread as the wire spells it. Process is 0 where the far end
// does not name processes; -1 means all, Thread 0 any.
type threadID struct{ process, thread int64 }

// unknownThread is the general thread when nobody knows it. The zero threadID
// stands for the one that stopped, which is where a stop leaves every far end.
var unknownThread = threadID{-2, -2}

// parseThread reads "p1.2", "p1", "1" or "-1" (GDB manual, "thread-id syntax").
func parseThread(s string) (threadID, bool) {
	number := func(s string) (int64, bool) {
		if s == "-1" {
			return -1, true
		}
		v, ok := parseHex(s)
		return int64(v), ok && len(s) > 0
	}
	rest, multi := strings.CutPrefix(s, "p")
	if !multi {
		t, ok := number(s)
		return threadID{0, t}, ok
	}
	ps, ts, dot := strings.Cut(rest, ".")
	p, ok := number(ps)
	if !ok || !dot {
		return threadID{p, -1}, ok
	}
	t, ok := number(ts)
	return threadID{p, t}, ok
}

func hexSigned(v int64) string {
	if v == -1 {
		return "-1"
	}
	return hexUint(uint64(v))
}

func (id threadID) String() string {
	if id.process == 0 {
		return hexSigned(id.thread)
	}
	return "p" + hexSigned(id.process) + "." + hexSigned(id.thread)
}

// isError reports whether an answer is Exx or E.text.
func isError(p []byte) bool {
	if len(p) == 3 && p[0] == 'E' {
		_, a := nibble(p[1])
		_, b := nibble(p[2])
		return a && b
	}
	return len(p) > 2 && p[0] == 'E' && p[1] == '.'
}

// refusal makes an error of an answer that isError.
func refusal(op string, p []byte) *targets.RefusedError {
	if p[1] == '.' {
		return &targets.RefusedError{Op: op, Text: string(p[2:])}
	}
	code, _ := parseHex(string(p[1:]))
	return &targets.RefusedError{Op: op, Code: int(code)}
}

// pairs walks "key:value;key:value;" lists. An entry without a colon has an
// empty value.
func pairs(s string, each func(key, value string)) {
	for len(s) > 0 {
		var entry string
		entry, s, _ = strings.Cut(s, ";")
		if entry == "" {
			continue
		}
		k, v, _ := strings.Cut(entry, ":")
		each(k, v)
	}
}

func littleUint(p []byte) uint64 {
	var b [8]byte
	copy(b[:], p)
	return binary.LittleEndian.Uint64(b[:])
}
