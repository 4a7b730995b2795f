package symbols

import "strings"

// Pattern matches names as WinDbg's `x` does: * any run, ? any character,
// [a-b] a set. Everything else stands for itself, and so does a whole pattern.
type Pattern struct {
	text string
	tail string // what a match ends with, as far as it has no wildcard
	fold bool
}

// CompilePattern makes a Pattern; fold ignores the case of ASCII letters.
func CompilePattern(text string, fold bool) *Pattern {
	if fold {
		text = strings.ToLower(text)
	}
	p := &Pattern{text: text, fold: fold, tail: text}
	if i := strings.LastIndexAny(text, "*?]"); i >= 0 {
		p.tail = text[i+1:]
	}
	return p
}

// Wild reports whether text has wildcards.
func Wild(text string) bool {
	if strings.ContainsAny(text, "*?") {
		return true
	}
	i := strings.IndexByte(text, '[')
	return i >= 0 && strings.IndexByte(text[i:], ']') > 1
}

// Match reports whether the whole name matches. It takes at most
// len(name) * len(pattern) steps.
func (p *Pattern) Match(name string) bool {
	if p.fold {
		name = strings.ToLower(name)
	}
	if name == p.text { // "[...]" may be what it says: Go's type arguments
		return true
	}
	star, mark := -1, 0
	for i, k := 0, 0; ; {
		if k < len(p.text) && p.text[k] == '*' {
			star, mark = k, i
			k++
			continue
		}
		if i == len(name) {
			return k == len(p.text)
		}
		if n := p.one(k, name[i]); n > 0 {
			i, k = i+1, k+n
			continue
		}
		if star < 0 {
			return false
		}
		mark++
		i, k = mark, star+1
	}
}

// one matches c with the pattern's element at k and returns its length, 0 for no match.
func (p *Pattern) one(k int, c byte) int {
	if k >= len(p.text) {
		return 0
	}
	switch p.text[k] {
	case '?':
		return 1
	case '[':
		n := strings.IndexByte(p.text[k:], ']')
		if n <= 1 {
			break
		}
		set := p.text[k+1 : k+n]
		for i := 0; i < len(set); i++ {
			low, high := set[i], set[i]
			if i+2 < len(set) && set[i+1] == '-' {
				high = set[i+2]
				i += 2
			}
			if c >= low && c <= high {
				return n + 1
			}
		}
		return 0
	}
	if p.text[k] == c {
		return 1
	}
	return 0
}

// MayEnd reports whether a name that ends with last could match: a quick test
// before the rest of the name is put together.
func (p *Pattern) MayEnd(last string) bool {
	n := min(len(last), len(p.tail))
	a, b := last[len(last)-n:], p.tail[len(p.tail)-n:]
	return a == b || p.fold && strings.EqualFold(a, b)
}

// LongestWord is the longest run of letters, digits and underscores outside the
// wildcards of a pattern: every name that matches contains it.
func LongestWord(pattern string) string {
	word, in := "", false
	for i := 0; i < len(pattern); {
		switch n := wordLen(pattern[i:]); {
		case pattern[i] == '[' && strings.IndexByte(pattern[i:], ']') > 1:
			in = true
			i++
		case in:
			in = pattern[i] != ']'
			i++
		case n > 0:
			if n > len(word) {
				word = pattern[i : i+n]
			}
			i += n
		default:
			i++
		}
	}
	return word
}
