package engine

import "strings"

// spellings are the names a name may mean: in the frame's namespaces and
// classes, innermost first.
func (e *env) spellings(name string) []string {
	out := []string{}
	if e.f != nil && e.f.Scope != nil {
		for q := e.f.Scope.Name; ; {
			i := strings.LastIndex(q, "::")
			if i < 0 {
				break
			}
			q = q[:i]
			out = append(out, q+"::"+name)
		}
		if p, ok := goPackage(e.f.Scope.Name); ok && !strings.Contains(name, ".") {
			out = append(out, p+"."+name)
		}
	}
	return append(out, name)
}

// goPackage is the path of the package of a Go function: "a/b.c" of "a/b.c.(*T).M".
func goPackage(function string) (string, bool) {
	from := strings.LastIndexByte(function, '/') + 1
	i := strings.IndexByte(function[from:], '.')
	if i <= 0 || strings.Contains(function, "::") {
		return "", false
	}
	return function[:from+i], true
}
