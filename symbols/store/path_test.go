package store

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []Element
		text string // "" the same as in
	}{
		{in: ""},
		{in: " ; ;", text: "-"},
		{in: "/sym", want: []Element{{Path: "/sym"}}},
		{in: `c:\sym; /a b ;`, want: []Element{{Path: `c:\sym`}, {Path: "/a b"}}, text: `c:\sym;/a b`},
		{in: "cache*/var/sym", want: []Element{{Kind: CacheDir, Path: "/var/sym"}}},
		{in: "cache*", want: []Element{{Kind: CacheDir}}},
		{in: "srv*", want: []Element{{Kind: Server}}},
		{in: "SRV*https://s.example/dl", want: []Element{{Kind: Server, Stores: []string{"https://s.example/dl"}}}, text: "srv*https://s.example/dl"},
		{in: "srv*/near*/far*https://s.example", want: []Element{{Kind: Server, Stores: []string{"/near", "/far", "https://s.example"}}}},
		{in: "srv**https://s.example", want: []Element{{Kind: Server, Stores: []string{"", "https://s.example"}}}},
		{in: "symsrv*symsrv.dll*/c*https://s.example", want: []Element{{Kind: Server, Library: "symsrv.dll", Stores: []string{"/c", "https://s.example"}}}},
		{in: "debuginfod*http://a*https://b:8002/x", want: []Element{{Kind: DebugInfoD, URLs: []string{"http://a", "https://b:8002/x"}}},
			text: "DebugInfoD*http://a*https://b:8002/x"},
		{in: "DebugInfoD*", want: []Element{{Kind: DebugInfoD}}},
		{in: "DebugInfoD*/c*https://a*file:///b", want: []Element{{Kind: DebugInfoD, Stores: []string{"/c"}, URLs: []string{"https://a", "file:///b"}}}},
		{in: "/sym;cache*;DebugInfoD*https://a", want: []Element{{Path: "/sym"}, {Kind: CacheDir}, {Kind: DebugInfoD, URLs: []string{"https://a"}}}},
	} {
		got, err := Parse(c.in)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %+v, %v", c.in, got, err)
		}
		want := c.text
		if want == "" {
			want = c.in
		} else if want == "-" {
			want = ""
		}
		if Join(got) != want {
			t.Errorf("%q is written %q", c.in, Join(got))
		}
	}
	for _, in := range []string{"ftp*x", "cache*a*b", "DebugInfoD*/dir", "DebugInfoD*/a*/b*http://c", "DebugInfoD**http://a", "DebugInfoD*http://a*", "symsrv*x.dll", "symsrv*", "*"} {
		_, err := Parse("/ok;" + in)
		var bad *PathError
		if !errors.As(err, &bad) || bad.Element != in || bad.Hint() == "" {
			t.Errorf("%q: %v", in, err)
		}
	}
	e, _ := Parse("/sym;DebugInfoD*https://debuginfod.example.org")
	if got := Expand(e); got != "/sym;debuginfod*https://debuginfod.example.org" {
		t.Errorf("expanded %q", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"/a;cache*b", "srv*a*https://b", "symsrv*x*y", "DebugInfoD*http://a*http://b", "***", ";*;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		one, err := Parse(path)
		if err != nil {
			return
		}
		two, err := Parse(Join(one))
		if err != nil || !reflect.DeepEqual(one, two) {
			t.Fatalf("%q is %+v, written %q is %+v, %v", path, one, Join(one), two, err)
		}
		_ = Expand(one)
		_ = Clear(one)
		if Redact(Redact(path)) != Redact(path) {
			t.Fatalf("%q hidden is %q, again %q", path, Redact(path), Redact(Redact(path)))
		}
	})
}

// TestNames: no name of the far end leads out of the folder it is put in.
func TestNames(t *testing.T) {
	for in, want := range map[string]string{"/usr/lib/libc.so.6": "libc.so.6", "": "", "/": "", "/a/..": "", ".": "", `C:\dir\a.dll`: "a.dll"} {
		if got := baseName(in); got != want {
			t.Errorf("%q is called %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{`..\..\evil.exe`: ".._.._evil.exe", "C:evil": "C_evil", "libc.so.6": "libc.so.6"} {
		if got := hostName(in, '\\'); got != want {
			t.Errorf("on Windows %q is called %q, want %q", in, got, want)
		}
	}
	if got := hostName("a:b", '/'); got != "a:b" {
		t.Errorf("a name was changed without need: %q", got)
	}
}

// TestSecrets: passwords and tokens of URLs are not shown, and open connections are told.
func TestSecrets(t *testing.T) {
	for in, want := range map[string]string{
		"/sym;srv*/c*https://me:word@host:8/x;DebugInfoD*https://tok@h/p?key=1*http://b": "/sym;srv*/c*https://xxxxx@host:8/x;DebugInfoD*https://xxxxx@h/p?xxxxx",
		"https://host/a@b/c":            "https://host/a@b/c",
		"https://host":                  "https://host",
		"https://u:p@@host/":            "https://xxxxx@host/",
		`Get "https://u:p@host/x": EOF`: `Get "https://xxxxx@host/x": EOF`,
		"nothing":                       "nothing",
	} {
		if got := Redact(in); !strings.HasPrefix(got, want) || strings.Contains(got, "word") {
			t.Errorf("%q is shown %q", in, got)
		}
	}
	e, err := Parse("srv*/c*http://a.example/x;DebugInfoD*http://localhost:1*http://127.0.0.1*http://[::1]:2*https://b*http://u:p@c")
	if got := Clear(e); err != nil || !reflect.DeepEqual(got, []string{"http://a.example/x", "http://xxxxx@c"}) {
		t.Errorf("open are %q, %v", got, err)
	}
}
