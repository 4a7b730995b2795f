package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"dap-windbg/arch"
)

// clean makes text of any bytes fit for every form: what is no UTF-8 and what is no
// character of a text (XML 1.0, 2.2) is spelled out, "\xff". Escape sequences of
// terminals are among that.
func clean(s string) string {
	if !strings.ContainsFunc(s, odd) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case odd(r) && r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case odd(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// odd reports whether a rune is no part of a plain text. Marks that change the
// direction of what follows would let a value dress as another.
func odd(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < 0x20, r >= 0x7f && r < 0xa0, r == utf8.RuneError, r == 0xfffe, r == 0xffff:
		return true
	}
	return unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// oneLine is clean text without line ends, cut short.
func oneLine(s string, most int) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r", ""), "\n", " ")
	s = clean(strings.TrimSpace(s))
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "..."
}

func (a Address) String() string { return fmt.Sprintf("0x%x", uint64(a)) }

// MarshalJSON writes "0x5555555551a2".
func (a Address) MarshalJSON() ([]byte, error) { return json.Marshal(a.String()) }

// columns writes an address in as many digits as the process has.
func (a Address) columns(pointer int) string { return arch.Addr(a).Text(pointer) }

// counted is "1 thread", "3 threads".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "s") {
		return fmt.Sprintf("%d %ses", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Tail keeps the last bytes of a stream, for several goroutines. Its zero value is ready.
type Tail struct {
	mu   sync.Mutex
	kept []byte
	lost int64
}

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - 2*maxCaptured; over > 0 {
		t.trim()
	}
	return len(p), nil
}

// trim drops what is too much; t.mu is held.
func (t *Tail) trim() {
	if over := len(t.kept) - maxCaptured; over > 0 {
		t.lost += int64(over)
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
}

// Text is the end of the stream, and how many bytes came before it.
func (t *Tail) Text() (text string, lost int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trim()
	return clean(strings.ReplaceAll(string(t.kept), "\r\n", "\n")), t.lost
}
