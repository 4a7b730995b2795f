package rsp

import (
	"bytes"
	"encoding/xml"
	"io"
	"reflect"
	"strings"
	"testing"
)

// elements are the start tags of a document as the standard library reads them.
func elements(text string) (names []string, attrs []map[string]string) {
	dec := xml.NewDecoder(strings.NewReader(text))
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		tok, err := dec.Token()
		if err != nil {
			return names, attrs
		}
		if e, ok := tok.(xml.StartElement); ok {
			m := map[string]string{}
			for _, a := range e.Attr {
				m[a.Name.Local] = a.Value
			}
			names, attrs = append(names, e.Name.Local), append(attrs, m)
		}
	}
}

func FuzzMarkup(f *testing.F) {
	for _, s := range []string{
		`<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target><xi:include href="64bit-core.xml"/></target>`,
		`<!DOCTYPE feature [<!ELEMENT a (b)*> <!ATTLIST a name CDATA #IMPLIED>]><!-- <reg name="no"/> --><feature name="a&amp;b">` +
			"<reg\n name = 'rax' bitsize=\"64\"\ttype=\"a>b\" /><flags id=\"x\"><field name=\"\" start=\"0\" end=\"0\"/></flags></feature>",
		`<a><![CDATA[<reg name="no"/>]]><b>text</b><architecture> i386:x86-64 </architecture></a>`,
		`<a b="&#65;&#x42;&#0;&#x110000;&#;&amp;#65;"/>`, "<a>x<![CDATA[<&lt;]]>&lt;<b/>", "<a><![CDATA[", "<a>&&&#;",
		"<", "<a", "<a b", "<a b=", `<a b="`, "<!", "<!--", "<?", "</", "<>", "</a>", "<a:b c:d='1'/>", "<a =''/>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got []element
		for m := (markup{rest: text}); ; {
			e, ok := m.next()
			if !ok {
				break
			}
			if got = append(got, e); len(got) > len(text) {
				t.Fatal("more elements than bytes")
			}
		}
		if whole := new(struct{ XMLName xml.Name }); xml.NewDecoder(strings.NewReader(text)).Decode(whole) != nil {
			return // no sound document
		}
		names, attrs := elements(text)
		if len(got) < len(names) {
			t.Fatalf("%d elements, the standard library has %q", len(got), names)
		}
		for i, name := range names {
			if strings.Count(name, ":") > 0 {
				return // more than one, of which nothing is said
			}
			if got[i].name != name {
				t.Fatalf("element %d is %q, not %q", i, got[i].name, name)
			}
			for k, v := range attrs[i] {
				if have := got[i].attribute(k); have != v && !strings.ContainsAny(v, "\r\n") {
					t.Fatalf("%s of %s is %q, not %q", k, name, have, v)
				}
			}
		}
	})
}

// TestMarkupText: what stands behind a tag belongs to it.
func TestMarkupText(t *testing.T) {
	d := parseDescription([]byte(`<target><architecture> i386:x86-64 </architecture><osabi>GNU/Linux</osabi><reg name="RAX" bitsize="64" regnum="7" group="a&lt;b"/></target>`))
	want := document{architecture: "i386:x86-64", osabi: "GNU/Linux", parts: []part{{reg: describedReg{name: "rax", group: "a<b", bits: 64, number: 7, offset: -1}}}}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("%+v, want %+v", d, want)
	}
}

// TestCharacterData: sections that are taken as they are, and characters by number.
func TestCharacterData(t *testing.T) {
	for text, want := range map[string]string{
		"<a>plain": "plain",
		"<a> <![CDATA[i386:<x86&amp;-64>]]> </a>":  " i386:<x86&amp;-64> ",
		"<a>b<![CDATA[c]]><![CDATA[]]>&lt;d<e/>":   "bc<d",
		"<a>b<![CDATA[c":                           "b",
		"<a>&#65;&#x42;&#x1F600;":                  "AB\U0001F600",
		"<a>&#;&#x;&#0;&#xD800;&#99999999999;&no;": "&#;&#x;&#0;&#xD800;&#99999999999;&no;",
		"<a>a & b; &amp":                           "a & b; &amp",
	} {
		m := markup{rest: text}
		if e, ok := m.next(); !ok || e.text != want {
			t.Errorf("%s: %q, want %q", text, e.text, want)
		}
	}
	e := element{attrs: ` name="a&#38;&#x62;"`}
	if got := e.attribute("name"); got != "a&b" {
		t.Errorf("an attribute is %q", got)
	}
}

// BenchmarkDescription reads a description as long as a processor's with AVX-512.
func BenchmarkDescription(b *testing.B) {
	text := bytes.Repeat([]byte("  <reg name=\"zmm0h\" bitsize=\"256\" type=\"v2ui128\" regnum=\"120\"/>\n"), 150)
	for b.Loop() {
		if d := parseDescription(text); len(d.parts) != 150 {
			b.Fatal(len(d.parts))
		}
	}
}
