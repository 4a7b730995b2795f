package natvis

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"dap-windbg/symbols"
)

// module is a constraint to types of one module, perhaps of some versions.
type module struct {
	name     string
	min, max []int // nil: any
}

func (c *compiler) module(e *element, name, low, high string) module {
	m := module{name: stem(name)}
	for _, v := range []struct {
		text string
		into *[]int
	}{{low, &m.min}, {high, &m.max}} {
		if v.text == "" {
			continue
		}
		if *v.into = versionOf(v.text); *v.into == nil {
			c.fail(e, "%q is no version", v.text)
		}
	}
	return m
}

var libVersion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[.-](\d+(?:\.\d+)*)(?:\.so)?$`) })

// stem is a module's name without folder, "lib", extension and version:
// "libfoo.so.1.2" and "foo.dll" are both "foo".
func stem(name string) string {
	name = strings.ToLower(path.Base(strings.ReplaceAll(name, `\`, "/")))
	name = libVersion().ReplaceAllString(name, "")
	for _, ext := range []string{".so", ".dll", ".exe", ".dylib"} {
		name = strings.TrimSuffix(name, ext)
	}
	return strings.TrimPrefix(libVersion().ReplaceAllString(name, ""), "lib")
}

// versionOf reads "1.2.3.4".
func versionOf(s string) []int {
	var out []int
	for _, f := range strings.Split(strings.TrimSpace(s), ".") {
		n, err := strconv.Atoi(f)
		if err != nil || n < 0 {
			return nil
		}
		out = append(out, n)
	}
	return out
}

// less compares versions; what is left out is 0.
func less(a, b []int) bool {
	at := func(v []int, i int) int {
		if i < len(v) {
			return v[i]
		}
		return 0
	}
	for i := range max(len(a), len(b)) {
		if at(a, i) != at(b, i) {
			return at(a, i) < at(b, i)
		}
	}
	return false
}

// fits reports whether t comes from the module. ELF images tell their version in
// the name of their file only; one that tells none fits every version.
func (m module) fits(t *symbols.Type) bool {
	if t == nil || t.Image == nil {
		return false
	}
	for _, name := range []string{t.Image.Key().Name, t.Image.Key().Path, t.Image.Path()} {
		if name == "" || stem(name) != m.name {
			continue
		}
		v := libVersion().FindStringSubmatch(strings.ToLower(name))
		if v == nil {
			continue
		}
		have := versionOf(v[1])
		return have == nil || (m.min == nil || !less(have, m.min)) && (m.max == nil || !less(m.max, have))
	}
	return stem(t.Image.Key().Name) == m.name || stem(t.Image.Path()) == m.name
}

func anyFits(list []module, t *symbols.Type) bool {
	for _, m := range list {
		if m.fits(t) {
			return true
		}
	}
	return len(list) == 0
}
