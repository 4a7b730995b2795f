package eval

import (
	"errors"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// masmCalls lists the functions of MASM: string arguments, then numbers.
var masmCalls = map[string]struct{ strings, numbers int }{
	"$scmp": {2, 0}, "$sicmp": {2, 0}, "$spat": {2, 0}, "$vvalid": {0, 2}, "$iment": {0, 1}, "$fnsucc": {0, 3},
}

// call reads the arguments of $name( ... ).
func (p *masmParser) call(name string, start int) (masmNode, error) {
	shape, ok := masmCalls[name]
	if !ok {
		return nil, p.failAt(start, "Syntax")
	}
	n := &masmCall{name: name}
	for i := range shape.strings + shape.numbers {
		p.blanks()
		if i > 0 {
			if p.i >= len(p.src) || p.src[p.i] != ',' {
				return nil, p.fail("Syntax")
			}
			p.i++
			p.blanks()
		}
		if i < shape.strings {
			s, err := p.text()
			if err != nil {
				return nil, err
			}
			n.text[i] = s
			continue
		}
		x, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		n.args = append(n.args, x)
	}
	p.blanks()
	if p.i >= len(p.src) || p.src[p.i] != ')' {
		return nil, p.fail("Syntax")
	}
	p.i++
	return n, nil
}

// text reads "..." with escapes or @"..." without.
func (p *masmParser) text() (string, error) {
	literal := strings.HasPrefix(p.src[p.i:], `@"`)
	if literal {
		p.i++
	}
	if p.i >= len(p.src) || p.src[p.i] != '"' {
		return "", p.fail("Syntax")
	}
	start := p.i + 1
	end := quoteEnd(p.src, p.i)
	if literal {
		end = strings.IndexByte(p.src[start:], '"') + start + 1
	}
	if end <= start {
		return "", p.fail("Syntax")
	}
	p.i = end
	s := p.src[start : end-1]
	if literal {
		return s, nil
	}
	units, ok := unescape(s, true)
	if !ok {
		return "", p.failAt(start, "Syntax")
	}
	return string(units), nil
}

func (n *masmCall) value(ev *evaluator) (uint64, error) {
	switch n.name {
	case "$scmp":
		return uint64(int64(strings.Compare(n.text[0], n.text[1]))), nil
	case "$sicmp":
		return uint64(int64(strings.Compare(strings.ToLower(n.text[0]), strings.ToLower(n.text[1])))), nil
	case "$spat":
		if MatchWild(n.text[1], n.text[0]) {
			return 1, nil
		}
		return 0, nil
	}
	x, err := n.args[0].value(ev)
	if err != nil {
		return 0, err
	}
	if n.name == "$iment" {
		return ev.entry(arch.Addr(x))
	}
	if n.name == "$fnsucc" {
		return n.succeeds(ev, arch.Addr(x))
	}
	size, err := n.args[1].value(ev)
	if err != nil {
		return 0, err
	}
	if size > maxValue {
		return 0, nil
	}
	err = readMemory(ev.ctx, ev.env, ev.address(x), make([]byte, size))
	switch {
	case err == nil:
		return 1, nil
	case retry(err):
		return 0, err
	}
	return 0, nil
}

// succeeds tells whether the function at fn reports success by what it returns: a bool
// that is true, a pointer that is not null, an HRESULT or NTSTATUS that is not negative;
// else by the flag: 0 anything but 0 is success, 1 zero is.
func (n *masmCall) succeeds(ev *evaluator, fn arch.Addr) (uint64, error) {
	ret, err := n.args[1].value(ev)
	if err != nil {
		return 0, err
	}
	flag, err := n.args[2].value(ev)
	if err != nil {
		return 0, err
	}
	ok := (ret != 0) == (flag == 0)
	if f, err := ev.env.Lookup(ev.ctx, ev.env.Symbol(ev.ctx, fn)); err != nil && retry(err) {
		return 0, err
	} else if t := f.Type; err == nil && strip(t).Kind == symbols.Func && strip(t).Elem != nil {
		switch back := strip(t).Elem; {
		case back.Name == "HRESULT", back.Name == "NTSTATUS":
			ok = int32(ret) >= 0
		case strip(back).Kind == symbols.Pointer, strip(back).Kind == symbols.Base && strip(back).Encoding == symbols.Bool:
			ok = ret != 0
		}
	}
	if ok {
		return 1, nil
	}
	return 0, nil
}

// entry reads e_entry of the ELF image at base (gABI, chapter 4).
func (ev *evaluator) entry(base arch.Addr) (uint64, error) {
	h := make([]byte, 0x20)
	if err := readMemory(ev.ctx, ev.env, base, h); err != nil {
		return 0, err
	}
	if string(h[:4]) != "\x7fELF" {
		return 0, &MemoryError{Addr: base, Masm: true, Err: errors.New("no ELF image")}
	}
	size, relocatable := 8, h[16] == 3 || h[17] == 3 // ET_DYN
	if h[4] == 1 {
		size = 4
	}
	n, err := decode(ev.l.named("unsigned long long"), lowOrder(h[0x18:0x18+size], 8, ev.env.Arch().BigEndian), 0, ev.env.Arch())
	if relocatable {
		n.lo += uint64(base)
	}
	return n.lo, err
}

// MatchWild matches text against WinDbg's string wildcards, ignoring case:
// * ? [a-f], # for zero or more and + for one or more of what precedes, \ escapes.
func MatchWild(pattern, text string) bool {
	budget := 1 << 16
	return matchWild(strings.ToLower(pattern), strings.ToLower(text), &budget)
}

func matchWild(p, s string, budget *int) bool {
	for p != "" {
		if *budget--; *budget < 0 {
			return false
		}
		if p[0] == '*' {
			for i := 0; i <= len(s); i++ {
				if matchWild(p[1:], s[i:], budget) {
					return true
				}
			}
			return false
		}
		n := atomLen(p)
		if n < len(p) && (p[n] == '#' || p[n] == '+') {
			least := 0
			if p[n] == '+' {
				least = 1
			}
			for i := 0; ; i++ {
				if i >= least && matchWild(p[n+1:], s[i:], budget) {
					return true
				}
				if i >= len(s) || !atomMatches(p[:n], s[i]) {
					return false
				}
			}
		}
		if s == "" || !atomMatches(p[:n], s[0]) {
			return false
		}
		p, s = p[n:], s[1:]
	}
	return s == ""
}

// atomLen is the length of the pattern's first element.
func atomLen(p string) int {
	switch {
	case p[0] == '\\' && len(p) > 1:
		return 2
	case p[0] == '[':
		if end := strings.IndexByte(p, ']'); end > 0 {
			return end + 1
		}
	}
	return 1
}

func atomMatches(a string, c byte) bool {
	switch {
	case a == "?":
		return true
	case len(a) == 2 && a[0] == '\\':
		return a[1] == c
	case len(a) > 2 && a[0] == '[':
		set := a[1 : len(a)-1]
		for i := 0; i < len(set); i++ {
			if i+2 < len(set) && set[i+1] == '-' {
				if c >= set[i] && c <= set[i+2] {
					return true
				}
				i += 2
			} else if set[i] == c {
				return true
			}
		}
		return false
	}
	return a[0] == c
}
