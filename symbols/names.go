package symbols

import (
	"slices"
	"strings"
)

// Shown is a symbol's name as people see it: one that a symbol table alone knows loses
// one leading underscore, as WinDbg's public symbols do.
func (s Symbol) Shown() string {
	if s.Public && len(s.Name) > 1 {
		return strings.TrimPrefix(s.Name, "_")
	}
	return s.Name
}

// Spell writes the integer types in a C or C++ name the short way: "Box<long
// unsigned int>" is "Box<unsigned long>". Compilers differ in this; demanglers
// and people write the short form.
func Spell(name string) string {
	if !strings.Contains(name, " ") || !strings.Contains(name, "int") && !strings.Contains(name, "unsigned") {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		run, n := integerWords(name[i:])
		if len(run) > 1 && (i == 0 || !isWord(name[i-1])) {
			b.WriteString(shortInteger(run))
			i += n
			continue
		}
		n = max(wordLen(name[i:]), 1)
		b.WriteString(name[i : i+n])
		i += n
	}
	return b.String()
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func wordLen(s string) int {
	n := 0
	for n < len(s) && isWord(s[n]) {
		n++
	}
	return n
}

// integerWords returns the words of an integer type at the start of s, and
// their length.
func integerWords(s string) (words []string, length int) {
	for at := 0; ; {
		n := wordLen(s[at:])
		switch s[at : at+n] {
		case "long", "short", "int", "unsigned", "signed", "char":
			words = append(words, s[at:at+n])
			length = at + n
		default:
			return words, length
		}
		if at += n; at >= len(s) || s[at] != ' ' {
			return words, length
		}
		at++
	}
}

func shortInteger(words []string) string {
	count := map[string]int{}
	for _, w := range words {
		count[w]++
	}
	var out []string
	if count["unsigned"] > 0 {
		out = append(out, "unsigned")
	}
	if count["signed"] > 0 && count["char"] > 0 {
		out = append(out, "signed")
	}
	size := "int"
	switch {
	case count["long"] > 1:
		size = "long long"
	case count["long"] > 0:
		size = "long"
	case count["short"] > 0:
		size = "short"
	case count["char"] > 0:
		size = "char"
	}
	return strings.Join(append(out, size), " ")
}

// WithoutTemplates removes template arguments of a name that is no operator's: "a<b>::c" is "a::c".
func WithoutTemplates(name string) string {
	if !strings.Contains(name, "<") || strings.Contains(name, "operator") {
		return name
	}
	var b strings.Builder
	depth := 0
	for k := range len(name) {
		switch c := name[k]; {
		case c == '<':
			depth++
		case c == '>' && depth > 0:
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Canonical brings the ways to write one name to one form, for comparing:
// integer types the short way, no blanks but between words, "const" after what
// it qualifies, no suffixes on numbers.
func Canonical(name string) string {
	if !strings.ContainsAny(name, " <") {
		return name
	}
	c := canonizer{s: Spell(name)}
	c.run(0, 0)
	return c.out.String()
}

type canonizer struct {
	s   string
	i   int
	out strings.Builder
	end byte // last byte written
}

func (c *canonizer) write(s string) {
	if s == "" {
		return
	}
	if isWord(c.end) && isWord(s[0]) {
		c.out.WriteByte(' ')
	}
	c.out.WriteString(s)
	c.end = s[len(s)-1]
}

// run copies up to the bracket that closes the list it is in.
func (c *canonizer) run(closing byte, depth int) {
	var pending []string
	flush := func() {
		slices.Sort(pending)
		for _, w := range pending {
			c.write(w)
		}
		pending = pending[:0]
	}
	for c.i < len(c.s) {
		ch := c.s[c.i]
		if n := wordLen(c.s[c.i:]); n > 0 {
			w := c.s[c.i : c.i+n]
			c.i += n
			if (w == "const" || w == "volatile") && !isWord(c.end) && c.end != '>' && c.end != '*' && c.end != '&' {
				pending = append(pending, w)
				continue
			}
			if w[0] >= '0' && w[0] <= '9' {
				w = strings.TrimRight(w, "uUlL")
			}
			c.write(w)
			continue
		}
		switch ch {
		case ' ':
			c.i++
			continue
		case '<', '(':
			c.i++
			c.write(string(ch))
			if depth < 100 {
				c.run(map[byte]byte{'<': '>', '(': ')'}[ch], depth+1)
			}
			continue
		case '*', '&', ',':
			flush()
		case ':':
		default:
			flush()
		}
		c.i++
		c.write(string(ch))
		if ch == closing && closing != 0 {
			return
		}
	}
	flush()
}
