package elf

import (
	"strings"

	"github.com/ianlancetaylor/demangle"
)

// parsedName is a symbol's name as people write it.
type parsedName struct {
	name   string // qualified, without parameters
	params string
}

// parse demangles a name, once.
func (t *table) parse(name uint32) parsedName {
	link := t.linkage(name)
	if !mangled(link) {
		return parsedName{name: link}
	}
	t.mu.Lock()
	p, ok := t.parsed[name]
	t.mu.Unlock()
	if ok {
		return p
	}
	p = demangled(link)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.parsed[name] = p
	return p
}

func mangled[T string | []byte](link T) bool {
	return len(link) > 2 && link[0] == '_' && (link[1] == 'Z' || link[1] == 'R')
}

// maxMangled bounds the names given to the demangler, and shownPower the names it
// makes, as a power of two: a name of 200 letters can stand for one of gigabytes.
const (
	maxMangled = 1 << 14
	shownPower = 15
)

// shown renders ast; false when that is too long to be a name anybody wrote.
func shown(ast demangle.AST) (string, bool) {
	s := demangle.ASTToString(ast, demangle.MaxLength(shownPower))
	return s, len(s) < 1<<shownPower
}

func demangled(link string) parsedName {
	if len(link) > maxMangled {
		return parsedName{name: link}
	}
	if of, ok := strings.CutSuffix(link, "@plt"); ok {
		return parsedName{name: demangled(of).name + "@plt"}
	}
	if isRust(link) {
		if s, err := demangle.ToString(link, demangle.NoParams, demangle.MaxLength(shownPower)); err == nil && len(s) < 1<<shownPower {
			return parsedName{name: s}
		}
		return parsedName{name: link}
	}
	ast, err := demangle.ToAST(link)
	if err != nil {
		return parsedName{name: link}
	}
	suffix := ""
	if c, ok := ast.(*demangle.Clone); ok {
		ast, suffix = c.Base, " [clone "+c.Suffix+"]"
	}
	params, ok := parameters(ast)
	if t, typed := ast.(*demangle.Typed); typed {
		ast = t.Name
	}
	name, fits := shown(ast)
	if !ok || !fits {
		return parsedName{name: link}
	}
	return parsedName{name + suffix, params}
}

// isRust knows Rust's own mangling, and its older one: C++'s, with a hash of 16
// digits for last component.
func isRust(link string) bool {
	link, _, _ = strings.Cut(link, ".llvm.")
	n := len(link)
	return strings.HasPrefix(link, "_R") || n > 24 && link[n-1] == 'E' && link[n-20:n-17] == "17h" && strings.Trim(link[n-17:n-1], "0123456789abcdef") == ""
}

// parameters renders the parameter types of a function's name; false when they are
// too long.
func parameters(ast demangle.AST) (string, bool) {
	typed, ok := ast.(*demangle.Typed)
	if !ok {
		return "", true
	}
	t := typed.Type
	if q, ok := t.(*demangle.MethodWithQualifiers); ok {
		t = q.Method
	}
	f, ok := t.(*demangle.FunctionType)
	if !ok {
		return "", true
	}
	args, length := make([]string, len(f.Args)), 0
	for i, a := range f.Args {
		var ok bool
		args[i], ok = shown(a)
		if length += len(args[i]); !ok || length >= 1<<shownPower {
			return "", false
		}
	}
	if len(args) == 0 {
		return "void", true
	}
	return strings.Join(args, ", "), true
}

// withoutTemplates removes template arguments and ABI tags: "a<b>::c[abi:x]" is
// "a::c". Operators keep their signs.
func withoutTemplates(name string) string {
	if !strings.ContainsAny(name, "<[") {
		return name
	}
	var b strings.Builder
	depth := 0
	for i := 0; i < len(name); i++ {
		if depth == 0 && strings.HasPrefix(name[i:], "operator") {
			n := len("operator")
			for i+n < len(name) && strings.IndexByte("<>=-!()[]", name[i+n]) >= 0 && n < len("operator")+3 {
				n++
			}
			b.WriteString(name[i : i+n])
			i += n - 1
			continue
		}
		switch c := name[i]; {
		case c == '<', c == '[' && (depth > 0 || strings.HasPrefix(name[i:], "[abi:")):
			depth++
		case depth > 0 && (c == '>' || c == ']'):
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// spellings are the ways to write a qualified name: in full, without template
// arguments, without what may be left out.
func spellings(name string) []string {
	out := []string{name}
	for _, s := range []string{withoutTemplates(name), strings.ReplaceAll(strings.ReplaceAll(name, "(anonymous namespace)::", ""), "__cxx11::", "")} {
		if s != name && s != "" {
			out = append(out, s)
		}
	}
	return out
}
