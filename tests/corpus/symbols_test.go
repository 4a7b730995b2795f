package corpus

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

// nmSymbol is a line of nm.
type nmSymbol struct {
	addr, size uint64
	kind       byte
	name       string
}

func nm(tb testing.TB, path string, flags ...string) []nmSymbol {
	tb.Helper()
	out, err := exec.Command("nm", append(append([]string{"-S", "--defined-only", "--no-sort"}, flags...), path)...).Output()
	if err != nil {
		tb.Fatalf("nm %s: %v", path, err)
	}
	var all []nmSymbol
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(strings.TrimSuffix(line, "\n"))
		var s nmSymbol
		s.addr, err = strconv.ParseUint(f[0], 16, 64)
		if err != nil || len(f) < 3 {
			continue
		}
		f = f[1:]
		if n, err := strconv.ParseUint(f[0], 16, 64); err == nil && len(f) > 2 && len(f[0]) > 1 {
			s.size, f = n, f[1:]
		}
		s.kind = f[0][0]
		s.name = strings.Join(f[1:], " ")
		all = append(all, s)
	}
	return all
}

// where is what tells symbols apart.
type where struct {
	name string
	off  symbols.Offset
}

// symbols compares the symbol table: each name is found, with its address, size
// and kind, and each address has a name.
func (c *comparer) symbols(path string) {
	table := nm(c.tb, path)
	names := demangle(c.tb, table)
	versions := map[string]int{}
	for _, w := range table {
		link, _, _ := strings.Cut(w.name, "@")
		versions[link]++
	}
	byLinkage, byName := map[where]symbols.Symbol{}, map[where]symbols.Symbol{}
	for s := range c.img.Lookup("*") {
		link := s.Linkage
		if link == "" {
			link = s.Name
		}
		link, _, _ = strings.Cut(link, "@") // a symbol's version
		byLinkage[where{link, s.Offset}] = s
		byName[where{symbols.Canonical(s.Name), s.Offset}] = s
	}
	for _, w := range table {
		link, _, _ := strings.Cut(w.name, "@")
		if w.addr < c.img.LinkBase() || w.addr-c.img.LinkBase() > c.img.Size() || strings.ContainsRune("aNn", rune(w.kind)) || link == "" || assemblerLabel(link) || threadLocal(w, c) {
			continue
		}
		s, ok := byLinkage[where{link, c.off(w.addr)}]
		if !ok { // two of one name at one place are shown once: a constructor's variants
			s, ok = byName[where{symbols.Canonical(withoutEmpty(names[link])), c.off(w.addr)}]
		}
		if !ok && inheriting(link) {
			continue
		}
		if !fact(c, "symbol", w.name, ok, true) {
			continue
		}
		if versions[link] == 1 { // of several versions at one place one is shown
			fact(c, "symbol size", w.name, s.Size, w.size)
		}
		fact(c, "symbol is global", w.name, s.Global, w.kind >= 'A' && w.kind <= 'Z' || strings.ContainsRune("uvwi", rune(w.kind)) && s.Global)
		if w.kind == 'i' {
			fact(c, "symbol is indirect", w.name, s.Indirect, true)
		}
		if inheriting(link) {
			continue
		}
		if oddName(link) {
			continue
		}
		name, _, _ := strings.Cut(s.Name, " [clone ")
		name, _, _ = strings.Cut(name, "@")
		fact(c, "demangled name", link, symbols.Canonical(name), symbols.Canonical(withoutEmpty(names[link])))
		at, ok := c.img.At(c.off(w.addr))
		if fact(c, "symbol at address", w.name, ok, true) {
			fact(c, "symbol's address", w.name, at.Offset, c.off(w.addr))
		}
		if w.size > 1 {
			at, ok := c.img.At(c.off(w.addr + w.size - 1))
			fact(c, "symbol at last byte", w.name, ok && at.Offset >= c.off(w.addr), true)
		}
	}
}

// assemblerLabel tells marks between code and data, and labels that the assembler
// should have dropped.
func assemblerLabel(name string) bool { return name[0] == '$' || strings.HasPrefix(name, ".L") }

// threadLocal tells names of thread-local storage, whose values are no addresses.
func threadLocal(w nmSymbol, c *comparer) bool {
	return strings.ContainsRune("bBdDuV", rune(w.kind)) && w.addr < c.img.LinkBase()+0x100
}

// oddName tells the names on which the demangling library and c++filt differ: in
// Rust, closures right before a digit, constants' types, and underscores at the
// beginning of identifiers of the legacy scheme; frames of coroutines.
func oddName(link string) bool {
	return strings.HasPrefix(link, "_R") && oddRust.MatchString(link) || strings.Contains(link, ".Frame.actor") ||
		strings.HasPrefix(link, "_ZN") && rustSuffix.MatchString(link) && underscored.MatchString(link)
}

var (
	oddRust    = regexp.MustCompile(`[^0-9A-Za-z]0[0-9]|[a-z_]0[0-9su]|K[a-z][0-9a-f]+_`)
	rustSuffix = regexp.MustCompile(`17h[0-9a-f]{16}E`)
	// underscored also takes identifiers with a digit before an underscore.
	underscored = regexp.MustCompile(`[0-9]_`)
)

// inheriting tells inheriting constructors: c++filt names them after the base, LLVM
// after the class.
func inheriting(link string) bool {
	return strings.Contains(link, "CI1") || strings.Contains(link, "CI2")
}

// rustHash is what c++filt leaves of a legacy Rust name; it is no part of it.
var (
	rustHash  = regexp.MustCompile(`::h[0-9a-f]{16}$`)
	crateHash = regexp.MustCompile(`\[[0-9a-f]{13,16}\]`)
)

// withoutEmpty takes out what c++filt writes for empty packs of arguments.
func withoutEmpty(s string) string {
	for _, r := range [][2]string{{", , ", ", "}, {"<, ", "<"}, {", >", ">"}} {
		for strings.Contains(s, r[0]) {
			s = strings.ReplaceAll(s, r[0], r[1])
		}
	}
	return s
}

// demangle returns the names as c++filt writes them, without parameters, by the
// names without versions.
func demangle(tb testing.TB, table []nmSymbol) map[string]string {
	tb.Helper()
	var links []string
	for _, s := range table {
		link, _, _ := strings.Cut(s.name, "@")
		links = append(links, link)
	}
	cmd := exec.Command("c++filt", "-p")
	cmd.Stdin = strings.NewReader(strings.Join(links, "\n") + "\n")
	out, err := cmd.Output()
	if err != nil {
		tb.Fatal(err)
	}
	names := map[string]string{}
	for i, line := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		line, _, _ = strings.Cut(line, " [clone ")
		line = crateHash.ReplaceAllString(rustHash.ReplaceAllString(line, ""), "")
		names[links[i]] = line
	}
	return names
}
