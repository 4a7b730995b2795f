package report

import (
	"regexp"
	"strings"
	"sync"

	"dap-windbg/arch"
)

// A source line tells which expression a bad pointer has: the chains of names in it
// ("order->customer->name") are evaluated, which reads memory and changes nothing.

// chain is such an expression and what stands around it.
type chain struct {
	text   string
	follow string // "->", ".", "[", "(" or ""
	star   bool   // a * before it
}

var (
	wholeChain = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`[A-Za-z_]\w*(?:\s*(?:->|\.|::)\s*[A-Za-z_]\w*|\[[^\[\]()]*\])*`)
	})
	firstName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_]\w*`) })
	chainLink = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:\s*(?:->|\.|::)\s*[A-Za-z_]\w*|\[[^\[\]()]*\])`) })
	literals  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|//.*|/\*.*?\*/`) })
	division  = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`[/%]=?\s*\(?\s*([A-Za-z_]\w*(?:(?:->|\.|::)[A-Za-z_]\w*|\[[^\[\]()]*\])*)`)
	})
)

// maxChains bounds what is evaluated of a line.
const maxChains = 40

// chains lists the expressions of a line, each with its beginnings: "a->b" and "a".
func chains(line string) []chain {
	line = literals().ReplaceAllString(line, `""`)
	var out []chain
	for _, at := range wholeChain().FindAllStringIndex(line, -1) {
		name := firstName().FindString(line[at[0]:at[1]])
		star := strings.HasSuffix(strings.TrimRight(line[:at[0]], " \t("), "*")
		end := at[0] + len(name)
		for {
			rest := line[end:]
			out = append(out, chain{text: line[at[0]:end], follow: follower(rest), star: star && end == at[1]})
			link := ""
			if end < at[1] {
				link = chainLink().FindString(rest)
			}
			if link == "" || len(out) >= maxChains {
				break
			}
			end += len(link)
		}
		if len(out) >= maxChains {
			break
		}
	}
	return out
}

func follower(rest string) string {
	rest = strings.TrimLeft(rest, " \t")
	for _, f := range []string{"->", ".", "[", "("} {
		if strings.HasPrefix(rest, f) {
			return f
		}
	}
	return ""
}

// divisors lists what a line divides by.
func divisors(line string) []string {
	var out []string
	for _, m := range division().FindAllStringSubmatch(literals().ReplaceAllString(line, `""`), maxChains) {
		out = append(out, m[1])
	}
	return out
}

// suspect finds the expression of the blamed line whose value is the pointer at base,
// which the access went at most reach beyond. Expressions that are followed come first.
func (s *scene) suspect(base arch.Addr, reach arch.Addr) (expr, typ string, ok bool) {
	all := chains(s.line())
	for _, followed := range []bool{true, false} {
		for _, c := range all {
			if (c.follow == "->" || c.follow == "[" || c.star) != followed {
				continue
			}
			n, t, pointer, good := s.number(s.blamed, c.text)
			if good && pointer && hits(arch.Addr(n), base, reach) {
				return c.text, t, true
			}
			if c.follow != "." && followed {
				continue
			}
			if n, t, _, good := s.number(s.blamed, "&("+c.text+")"); good && c.follow == "." && hits(arch.Addr(n), base, reach) {
				return c.text, strings.TrimSuffix(t, "*") + "&", true
			}
		}
	}
	if n, t, pointer, good := s.number(s.blamed, "this"); good && pointer && hits(arch.Addr(n), base, reach) {
		return "this", t, true
	}
	return "", "", false
}

// hits: a pointer is the one that was gone through. Null is it alone, for its
// neighbours are as good.
func hits(p, base, reach arch.Addr) bool {
	if base == 0 {
		return p < reach/16
	}
	return p == base
}
