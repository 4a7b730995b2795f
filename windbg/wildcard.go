package windbg

import (
	"regexp"
	"strings"
)

// wildcard makes a test for names by WinDbg's string wildcards, whatever their case:
// * any run, ? a character, [a-f] a set, # none or more of the character before it, + one
// or more of it, \ takes the next character as it is. A pattern that is none equals itself.
func wildcard(pattern string) func(string) bool {
	var b strings.Builder
	b.WriteString("(?is)^")
	for k := 0; k < len(pattern); k++ {
		switch ch := pattern[k]; {
		case ch == '*':
			b.WriteString(".*")
		case ch == '?':
			b.WriteByte('.')
		case ch == '[' && strings.IndexByte(pattern[k:], ']') > 1:
			end := k + strings.IndexByte(pattern[k:], ']')
			b.WriteString("[" + strings.NewReplacer(`\`, `\\`, "[", `\[`, "^", `\^`).Replace(pattern[k+1:end]) + "]")
			k = end
		case (ch == '#' || ch == '+') && k > 0 && strings.IndexByte("*#+", pattern[k-1]) < 0:
			b.WriteByte(map[byte]byte{'#': '*', '+': '+'}[ch])
		case ch == '\\' && k+1 < len(pattern):
			k++
			b.WriteString(regexp.QuoteMeta(pattern[k : k+1]))
		default:
			b.WriteString(regexp.QuoteMeta(pattern[k : k+1]))
		}
	}
	re, err := regexp.Compile(b.String() + "$")
	if err != nil {
		return func(s string) bool { return strings.EqualFold(s, pattern) }
	}
	return re.MatchString
}
