package adapter

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadMessage(t *testing.T) {
	for _, x := range []struct {
		name, in string
		want     []string // contents; "!" a framing error
	}{
		{"plain", "Content-Length: 2\r\n\r\n{}", []string{"{}"}},
		{"two", "Content-Length: 1\r\n\r\naContent-Length: 1\r\n\r\nb", []string{"a", "b"}},
		{"other headers", "Content-Type: x\r\nCONTENT-LENGTH:2\r\nX: y\r\n\r\n{}", []string{"{}"}},
		{"bare line ends", "Content-Length: 2\n\n{}", []string{"{}"}},
		{"leading empty lines", "\r\n\r\nContent-Length: 2\r\n\r\n{}", []string{"{}"}},
		{"garbage first", "hello\r\nContent-Length: 2\r\n\r\n{}", []string{"!", "{}"}},
		{"too long, then good", "Content-Length: 67108865\r\n\r\n{\"a\":1}Content-Length: 2\r\n\r\n{}", []string{"!", "{}"}},
		{"negative", "Content-Length: -1\r\n\r\n", []string{"!"}},
		{"long line", strings.Repeat("x", 100_000) + "\nContent-Length: 2\r\n\r\n{}", []string{"!", "{}"}},
		{"cut off", "Content-Length: 20\r\n\r\n{}", nil},
		{"empty", "", nil},
		{"none", "Content-Length: 0\r\n\r\n", []string{""}},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := bufio.NewReader(strings.NewReader(x.in))
			var got []string
			for {
				content, err := readMessage(r)
				var bad *framingError
				if errors.As(err, &bad) {
					got = append(got, "!")
					continue
				}
				if err != nil {
					if err != io.EOF && err != io.ErrUnexpectedEOF {
						t.Error(err)
					}
					break
				}
				got = append(got, string(content))
			}
			if strings.Join(got, "|") != strings.Join(x.want, "|") || len(got) != len(x.want) {
				t.Errorf("got %q, want %q", got, x.want)
			}
		})
	}
}

// TestForeignClients: what a web page can make a browser send is not searched for
// messages.
func TestForeignClients(t *testing.T) {
	const inside = "Content-Length: 2\r\n\r\n{}"
	for name, in := range map[string]string{
		"post":     "POST / HTTP/1.1\r\nHost: 127.0.0.1:4711\r\nContent-Length: 30\r\nReferer: http://a/?content-length:0\r\n\r\n" + inside,
		"long url": "GET /" + strings.Repeat("x", 10_000) + " HTTP/1.1\r\n\r\n" + inside,
		"tls":      "\x16\x03\x01\x02\x00\x01\n" + inside,
	} {
		content, err := readMessage(bufio.NewReader(strings.NewReader(in)))
		if !errors.Is(err, errForeign) {
			t.Errorf("%s: got %q, %v", name, content, err)
		}
	}
}

func TestWholeRunes(t *testing.T) {
	for in, want := range map[string]int{"": 0, "a": 1, "ä": 2, "a\xc3": 1, "\xf0\x9f\x98": 0, "x\xf0\x9f\x98\x80": 5, "\xff": 1, "\x80\x80\x80\x80": 4} {
		if got := wholeRunes([]byte(in)); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
}

func TestColumnsOfText(t *testing.T) {
	if got := cutUTF16("a😀b", 3); got != "a😀" {
		t.Errorf("%q", got)
	}
	if got := lenUTF16("a😀ä"); got != 4 {
		t.Error(got)
	}
	line, before := lineOf("one\ntwo\nthree", 2, true)
	if line != "two" || before != "one\n" {
		t.Errorf("%q after %q", line, before)
	}
}

func TestSourcePaths(t *testing.T) {
	u := sources{uri: true}
	for _, p := range []string{"/home/x/a b.c", "/tmp/ä#%.c"} {
		if got := u.read(u.spell(p)); got != p {
			t.Errorf("%q came back as %q", p, got)
		}
	}
	for _, x := range []struct{ file, dir, rest string }{
		{"/build/src/a.c", "/build", "src/a.c"},
		{"/build/src/a.c", "/build/", "src/a.c"},
		{"/building/a.c", "/build", "-"},
		{`C:\src\a.c`, `C:\src`, "a.c"},
	} {
		rest, ok := below(x.file, x.dir)
		if ok != (x.rest != "-") || ok && rest != x.rest {
			t.Errorf("%s below %s: %q %v", x.file, x.dir, rest, ok)
		}
	}
}
