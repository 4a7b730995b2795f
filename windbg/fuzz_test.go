package windbg

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"dap-windbg/arch"
)

// FuzzLine runs any line over the stage: it must not panic, and end when its context does.
func FuzzLine(f *testing.F) {
	for _, fam := range families() {
		for _, c := range fam.Commands {
			f.Add(c.Name)
			f.Add(c.Name + " orders!Submit L3")
			f.Add(c.Name + ` 0 "x" /1`)
		}
	}
	for _, s := range []string{
		"db @rsp L20;k", "bp main \"k;g\"", ".if (1) {k} .else {g}", "~*e k", "|0s", "dx -r2 order,x", "s -[1]sa 0 L1000000", "j 1 'k';'g'",
		".foreach (a {k}) {.echo ${a}}", "as a b;.echo a", "dt Order Id 7fffffffe300", "r rax=5,rbx", ".while (1) {}", ".printf \"%*d%9999999d\",1", "f 0 L1000 1",
	} {
		f.Add(s)
	}
	h := &stageHost{}
	end := h.begin()
	f.Cleanup(func() { end() })
	f.Fuzz(func(t *testing.T, line string) {
		low := strings.ToLower(line)
		if strings.Contains(low, ".sleep") {
			return
		}
		if _, err := h.session.Wait(context.Background()); err != nil { // the line before ended it
			end()
			end = h.begin()
		}
		h.parted = false
		i := New(Options{Host: h, Secure: true})
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		done := make(chan struct{})
		go func() {
			defer close(done)
			i.Exec(ctx, line, io.Discard)
			i.Complete(ctx, line)
			i.IsCommand(line)
		}()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatalf("%q does not end", line)
		}
	})
}

// FuzzStatements: the line reader goes forward and loses nothing but separators.
func FuzzStatements(f *testing.F) {
	for _, s := range []string{"g;k", `bp x "a;b"`, ".if (1) {a;b} ;c", "~*e k;g", "j 'a;b'", ".echo \"", "as a;b", ".sympath a;b;.reload"} {
		f.Add(s)
	}
	r := newRegistry(families())
	f.Fuzz(func(t *testing.T, text string) {
		for pos := 0; ; {
			s, ok := r.next(text, pos)
			if !ok {
				return
			}
			if s.next <= pos || s.next > len(text) || s.pos < pos || !strings.HasPrefix(s.text, s.name) || !strings.Contains(text, s.text) {
				t.Fatalf("%q: %+v after %d", text, s, pos)
			}
			pos = s.next
		}
	})
}

func FuzzExpressionEnd(f *testing.F) {
	for _, s := range []string{"a + b L1", "poi(`x", "7fff`0 1", "mod!f::~g", "\"", "not a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n := expressionEnd(s); n < 0 || n > len(s) {
			t.Fatal(n)
		}
		isLength(s)
	})
}

func FuzzPrintf(f *testing.F) {
	for _, s := range []string{"%d %x", "%-08I64x", "%ma%mu%y%ly", "%%", "%", "%9999d", "%.99999x", "%+# 0c"} {
		f.Add(s, uint64(65))
	}
	f.Fuzz(func(t *testing.T, format string, n uint64) {
		size := 0
		for _, v := range parsePrintf(format) {
			text, ok := v.number(n, 8)
			if v.verb == "" && v.literal == "" {
				t.Fatal("an empty part")
			}
			if ok {
				size += len(text)
			}
		}
		if size > 20000*(len(format)+1) {
			t.Fatalf("%q makes %d bytes", format, size)
		}
	})
}

func FuzzAliases(f *testing.F) {
	f.Add("a ${b} ${/d:c} $u0 \"a\"", "a", "x")
	f.Fuzz(func(t *testing.T, line, name, value string) {
		a := aliases{user: map[string]string{name: value}}
		a.expand(line)
	})
}

func FuzzRegions(f *testing.F) {
	f.Add(uint64(0x555555554000), uint64(0x1000), "r--p", "/bin/x y")
	f.Fuzz(func(t *testing.T, start, size uint64, perms, path string) {
		if len(perms) < 3 {
			return // no line of a map
		}
		g := region{arch.Addr(start), arch.Addr(start + size), perms, path, arch.Addr(start)}
		g.text(false, "", arch.Addr(0), 8)
		g.vprot(true, 4)
	})
}
