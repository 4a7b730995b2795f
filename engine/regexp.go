package engine

import (
	"fmt"
	"regexp"
	"strings"

	"dap-windbg/symbols"
)

// This file is about breakpoints on functions that a regular expression matches,
// and about lines and names as they are written.

// quotedName unwraps @!"name", the way commands write a name that holds operators.
func quotedName(expr string) (name string, quoted bool) {
	if rest, ok := strings.CutPrefix(expr, `@!"`); ok {
		return strings.TrimSuffix(rest, `"`), true
	}
	return expr, false
}

// regexp is the regular expression of a wish, "" when it has none: a name between
// two slashes, which no function's name begins with.
func (b *breakpoint) regexp() string {
	text := b.Function
	if name, quoted := quotedName(b.Expr); quoted && text == "" {
		text = name
	}
	if len(text) > 2 && text[0] == '/' && text[len(text)-1] == '/' {
		return text[1 : len(text)-1]
	}
	return ""
}

// resolveRegexp takes every function whose name matches, alone or with its
// module's ("libx!^get_").
func (l *loop) resolveRegexp(b *breakpoint, in []*Module) {
	if b.match == nil {
		re, err := regexp.Compile(b.regexp())
		if err != nil {
			b.message = fmt.Sprintf("the regular expression is wrong: %v", err)
			return
		}
		b.match = re
	}
	for _, m := range in {
		if m.Image == nil {
			continue
		}
		l.lookup(m, "*", func(loc Location) bool {
			s := loc.Symbol
			if s.Kind == symbols.Function && !s.Indirect && s.Size > 0 && !strings.HasSuffix(s.Name, "@plt") &&
				(b.match.MatchString(s.Name) || b.match.MatchString(m.Name+"!"+s.Name)) {
				l.add(b, bodyOf(loc))
			}
			return len(b.addrs) < maxPlaces
		})
	}
	if len(b.addrs) == 0 {
		b.message = "no function that is loaded matches"
	}
}

// explainLine says why a breakpoint on a line has no place, or another one than
// was asked for.
func (l *loop) explainLine(b *breakpoint) {
	if b.File == "" {
		return
	}
	if len(b.places) > 0 {
		if at := b.places[0].Line.Line; at > b.Line && b.addrs[0] == b.places[0].addr() {
			b.moved = fmt.Sprintf("line %d has no code; the breakpoint is on line %d", b.Line, at)
		}
		return
	}
	file := b.File
	names := append([]string{b.File}, strings.Split(b.Aliases, "\n")...)
	for _, name := range names {
		first, last := l.linesOf(name, b.Line)
		if last > 0 {
			b.message = fmt.Sprintf("line %d of %s has no code: its lines with code are from %d to %d", b.Line, file, first, last)
			return
		}
	}
	if len(l.modules.rows) > 0 {
		b.message = fmt.Sprintf("no code of %s is loaded", file)
	}
}

// linesOf tells the first and the last line of a file that have code, below a line
// that has none and none behind it; 0 when no image has the file.
func (l *loop) linesOf(file string, below int) (first, last int) {
	at := func(line int) int {
		found := 0
		for _, p := range l.linePlaces("", file, line, nil) {
			if found == 0 || p.Line.Line < found {
				found = p.Line.Line
			}
		}
		return found
	}
	if first = at(1); first == 0 {
		return 0, 0
	}
	last = first
	for lo, hi := first, below; lo <= hi; { // a line without code means the next one: nothing lies behind the last
		mid := lo + (hi-lo)/2
		if n := at(mid); n > 0 {
			last = max(last, n)
			lo = max(mid, n) + 1
		} else {
			hi = mid - 1
		}
	}
	return first, last
}
