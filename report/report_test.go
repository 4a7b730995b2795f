package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// TestChains: the expressions of a line, with what follows each.
func TestChains(t *testing.T) {
	for line, want := range map[string]string{
		`return order->customer->name;`:       `return order-> order->customer-> order->customer->name`,
		`x = *p + table[i].size;`:             `x *p table[ table[i]. table[i].size`,
		`f("a->b", 'c', g(y)); // z->w`:       `f( g( y`,
		`std::string s = ns::all.front();`:    `std std::string s ns ns::all. ns::all.front(`,
		`*where = value;`:                     `*where value`,
		`a / b % c->d; /* e->f */ int x = 1;`: `a b c-> c->d int x`,
	} {
		var got []string
		for _, c := range chains(line) {
			text := c.text + c.follow
			if c.star {
				text = "*" + text
			}
			got = append(got, text)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %s, want %s", line, s, want)
		}
	}
	if got := divisors(`sum / count + x % (n->size) / 2 // a/b`); !cmp.Equal(got, []string{"count", "n->size"}) {
		t.Errorf("divisors are %q", got)
	}
}

// TestHandled: a handler takes a signal unless it is blocked; nobody takes an ignored one.
func TestHandled(t *testing.T) {
	status := "Name:\tx\nSigBlk:\t%016x\nSigIgn:\t%016x\nSigCgt:\t%016x\n"
	for _, row := range []struct {
		blocked, ignored, caught uint64
		want                     bool
	}{{0, 0, 0, false}, {0, 0, 1 << 10, true}, {1 << 10, 0, 1 << 10, false}, {0, 0, 1 << 11, false}, {0, 1 << 10, 0, true}, {0, 1 << 11, 0, false}} {
		if got := handled(fmt.Sprintf(status, row.blocked, row.ignored, row.caught), sigSEGV); got != row.want {
			t.Errorf("blocked %x, ignored %x, caught %x: %v", row.blocked, row.ignored, row.caught, got)
		}
	}
}

// TestClean: what is no text is spelled out, once.
func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain äöü 漢字\n\t": "plain äöü 漢字\n\t",
		"\xff\xc3\x28":     `\xff\xc3(`,
		"\x1b[31m\x00\r":   `\x1b[31m\x00\x0d`,
		"\u202egnp.exe":    `\u202egnp.exe`,
		"\u0085\ufffe":     `\x85\ufffe`,
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestTail: the end is kept, and the rest counted.
func TestTail(t *testing.T) {
	var tail Tail
	for k := range 40000 {
		fmt.Fprintf(&tail, "line %05d\n", k)
	}
	text, lost := tail.Text()
	if len(text) != maxCaptured || lost != 40000*11-maxCaptured || !strings.HasSuffix(text, "line 39999\n") {
		t.Errorf("%d bytes, %d lost", len(text), lost)
	}
}

// anything is a report with hostile text everywhere.
func anything(text string) *Run {
	a := Address(0x1234)
	v := Variable{Name: oneLine(text, maxValue), Type: oneLine(text, maxValue), Value: oneLine(text, maxValue)}
	f := Frame{Address: a, Module: "m", Function: oneLine(text, maxValue), File: clean(text), Line: 3, Variables: []Variable{v}}
	p := &Process{ID: 1, Program: clean(text), Command: oneLine(text, maxCommand), Kind: Abort, Headline: oneLine(text, maxValue), Message: clean(text), pointer: 8,
		Place: &f, Source: []Source{{Line: 1, Text: cut(clean(text), maxValue)}}, Threads: []Thread{{Frames: []Frame{f}}}}
	return &Run{Format: Format, Result: Crashed, Status: 1, Summary: oneLine(text, maxValue), Processes: []*Process{p},
		Failures: []Failure{Failure{Script: text, Command: text, Message: text, Expected: text, Actual: text}.Clean()}, Output: clean(text)}
}

// FuzzForms: whatever a program says, every form stays what it is.
func FuzzForms(f *testing.F) {
	for _, s := range []string{"", "plain", "]]>", "<a b='c'>&amp;", "\x00\x1b[0m\xff\xfe", "%0A::error::x\n::error::y", "\u202e\ufffe\U0010ffff", "a,b:c%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := anything(text)
		var b bytes.Buffer
		if err := WriteJSON(&b, r); err != nil || !json.Valid(b.Bytes()) {
			t.Errorf("JSON: %v", err)
		}
		b.Reset()
		if err := WriteJUnit(&b, r); err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Suite struct {
				Cases []struct {
					Failure struct {
						Text string `xml:",chardata"`
					} `xml:"failure"`
				} `xml:"testcase"`
			} `xml:"testsuite"`
		}
		if err := xml.Unmarshal(b.Bytes(), &doc); err != nil || len(doc.Suite.Cases) != 1 {
			t.Errorf("XML: %v\n%s", err, &b)
		}
		b.Reset()
		if err := WriteText(&b, r); err != nil || !utf8.Valid(b.Bytes()) || strings.ContainsFunc(b.String(), odd) {
			t.Errorf("text: %q %v", &b, err)
		}
		b.Reset()
		WriteAnnotations(&b, r, "/work")
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		for _, l := range lines {
			if !strings.HasPrefix(l, "::error ") {
				t.Errorf("annotation %q", l)
			}
		}
		if len(lines) != 2 {
			t.Errorf("%d annotations", len(lines))
		}
		b.Reset()
		WriteAnnotations(&b, &Run{Result: Lost, Program: text, Summary: text}, "")
		if strings.Count(b.String(), "\n") != 1 || strings.ContainsFunc(b.String(), odd) {
			t.Errorf("annotation %q", &b)
		}
	})
}

// FuzzChains: any line is taken apart within bounds.
func FuzzChains(f *testing.F) {
	f.Add("a->b[c].d(*e) / f % g; // h")
	f.Add(`"x\"y" 'z' /* w */ a::b`)
	f.Fuzz(func(t *testing.T, line string) {
		if n := len(chains(line)); n > maxChains+1 {
			t.Errorf("%d expressions", n)
		}
		divisors(line)
		commented := oneLine(line, 10)
		if utf8.RuneCountInString(commented) > 10+len("...")+10*5 {
			t.Errorf("%q is long", commented)
		}
	})
}
