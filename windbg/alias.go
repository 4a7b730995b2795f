package windbg

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// aliases are a session's text replacements.
type aliases struct {
	fixed [10]string        // $u0 .. $u9, replaced anywhere
	user  map[string]string // replaced where the name stands alone
}

// expand replaces the aliases of a line. A line that begins with as, aS, ad or
// al keeps user aliases as they are.
func (a *aliases) expand(line string) string {
	line = a.expandFixed(line)
	if strings.HasPrefix(line, "as") || strings.HasPrefix(line, "aS") || strings.HasPrefix(line, "ad") || strings.HasPrefix(line, "al") {
		return line
	}
	return replaceNames(line, a.user, true)
}

func (a *aliases) expandFixed(s string) string {
	if !strings.Contains(s, "$u") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '$' && i+2 < len(s) && s[i+1] == 'u' && s[i+2] >= '0' && s[i+2] <= '9' {
			b.WriteString(a.fixed[s[i+2]-'0'])
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// replaceNames replaces names of m where they stand alone and ${name} anywhere.
// With forms ${/d:x} ${/f:x} ${/n:x} ${/v:x} are understood too.
func replaceNames(s string, m map[string]string, forms bool) string {
	if len(m) == 0 && !strings.Contains(s, "${/") {
		return s
	}
	const before, after = " \t\r\n;\"{", " \t\r\n;\"}"
	var b strings.Builder
	for i := 0; i < len(s); {
		if strings.HasPrefix(s[i:], "${") {
			if text, n, ok := replaceForm(s[i:], m, forms); ok {
				b.WriteString(text)
				i += n
				continue
			}
		}
		if i == 0 || strings.IndexByte(before, s[i-1]) >= 0 {
			n := strings.IndexAny(s[i:], after)
			if n < 0 {
				n = len(s) - i
			}
			if text, ok := m[s[i:i+n]]; ok && n > 0 {
				b.WriteString(text)
				i += n
				continue
			}
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

// replaceForm expands the ${...} that s begins with; n is its length.
func replaceForm(s string, m map[string]string, forms bool) (text string, n int, ok bool) {
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return "", 0, false
	}
	inner := s[2:end]
	n = end + 1
	if !strings.HasPrefix(inner, "/") {
		text, ok = m[inner]
		return text, n, ok
	}
	if !forms || len(inner) < 3 || inner[2] != ':' {
		return "", 0, false
	}
	name := inner[3:]
	text, known := m[name]
	switch inner[1] {
	case 'd':
		if known {
			return "1", n, true
		}
		return "0", n, true
	case 'f':
		return text, n, true
	case 'n':
		if known {
			return name, n, true
		}
		return s[:n], n, true
	case 'v':
		return s[:n], n, true
	}
	return "", 0, false
}

// list writes the user aliases as `al` does.
func (a *aliases) list(out io.Writer) {
	if len(a.user) == 0 {
		fmt.Fprintln(out, "No aliases")
		return
	}
	fmt.Fprintln(out, "  Alias            Value  ")
	fmt.Fprintln(out, " -------          ------- ")
	names := make([]string, 0, len(a.user))
	for n := range a.user {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(out, " %-16s %s \n", n, a.user[n])
	}
}
