package pdb

import "strings"

// decorated reports whether a name is one of Microsoft's C++ decorated names.
func decorated(name string) bool { return strings.HasPrefix(name, "?") }

// undecorated is a linkage name as people write it, without parameters; one that
// is not understood stays as it is.
func (f *File) undecorated(name string) string {
	if decorated(name) {
		return name
	}
	if f.dbi.machine != machineI386 || name == "" || name[0] != '_' && name[0] != '@' {
		return name
	}
	plain := name[1:]
	if k := strings.LastIndexByte(plain, '@'); k > 0 && k+1 < len(plain) && strings.Trim(plain[k+1:], "0123456789") == "" {
		plain = plain[:k]
	}
	if plain == "" {
		return name
	}
	return plain
}
