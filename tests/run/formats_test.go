package run

import (
	"bytes"
	"dap-windbg/tests/built"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schema is the documented form of the JSON report.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(built.Read(t, "../../docs/report.schema.json")))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("report.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkJSON is nil for a report that the schema allows.
func checkJSON(s *jsonschema.Schema, text string) error {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

// node is an element of an XML document.
type node struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []node     `xml:",any"`
	Text     string     `xml:",chardata"`
}

func (n *node) attr(name string) (string, bool) {
	for _, a := range n.Attrs {
		if a.Name.Local == name {
			return a.Value, true
		}
	}
	return "", false
}

// junitForm is what Jenkins' junit plugin (its jenkins-junit.xsd) and GitLab read: for each
// element the attributes it must have, those it may, and the elements within.
var junitForm = map[string]struct{ must, may, within []string }{
	"testsuites": {nil, []string{"name", "tests", "failures", "errors", "time", "disabled"}, []string{"testsuite"}},
	"testsuite":  {[]string{"name", "tests"}, []string{"failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package", "file"}, []string{"properties", "testcase", "system-out", "system-err"}},
	"testcase":   {[]string{"name", "classname"}, []string{"time", "file", "line", "assertions", "status", "class"}, []string{"skipped", "error", "failure", "system-out", "system-err"}},
	"failure":    {nil, []string{"message", "type"}, nil},
	"error":      {nil, []string{"message", "type"}, nil},
	"system-out": {},
	"system-err": {},
}

// checkJUnit is nil for a report that CI servers read: known elements and attributes,
// and counts that are those of the test cases.
func checkJUnit(text string) error {
	var root node
	d := xml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&root); err != nil {
		return err
	}
	if root.XMLName.Local != "testsuites" {
		return fmt.Errorf("the root is %s", root.XMLName.Local)
	}
	return root.check()
}

func (n *node) check() error {
	form, ok := junitForm[n.XMLName.Local]
	if !ok {
		return fmt.Errorf("unknown element %s", n.XMLName.Local)
	}
	has := func(list []string, name string) bool {
		return strings.Contains(" "+strings.Join(list, " ")+" ", " "+name+" ")
	}
	for _, name := range form.must {
		if _, ok := n.attr(name); !ok {
			return fmt.Errorf("%s lacks %s", n.XMLName.Local, name)
		}
	}
	for _, a := range n.Attrs {
		if !has(form.must, a.Name.Local) && !has(form.may, a.Name.Local) {
			return fmt.Errorf("%s has %s", n.XMLName.Local, a.Name.Local)
		}
	}
	counts := map[string]int{}
	for k := range n.Children {
		c := &n.Children[k]
		if !has(form.within, c.XMLName.Local) {
			return fmt.Errorf("%s within %s", c.XMLName.Local, n.XMLName.Local)
		}
		if err := c.check(); err != nil {
			return err
		}
		counts[c.XMLName.Local]++
		for _, g := range c.Children {
			counts[c.XMLName.Local+"/"+g.XMLName.Local]++
		}
	}
	if n.XMLName.Local == "testsuite" {
		for attr, of := range map[string]string{"tests": "testcase", "failures": "testcase/failure", "errors": "testcase/error"} {
			if v, _ := n.attr(attr); v != fmt.Sprint(counts[of]) {
				return fmt.Errorf("%s=%s, there are %d", attr, v, counts[of])
			}
		}
	}
	return nil
}

// annotation is a workflow command of GitHub Actions: one line, escaped.
var annotation = regexp.MustCompile(`^::error (?:file=[^,:]+,(?:line=\d+,)?)?title=[^,:]+::[^\r\n]+$`)

func checkAnnotations(text string) error {
	for line := range strings.Lines(text) {
		if !annotation.MatchString(strings.TrimSuffix(line, "\n")) {
			return fmt.Errorf("%q is no annotation", line)
		}
	}
	return nil
}

// plainText reports what is no text for people and logs.
func plainText(text string) error {
	for _, r := range text {
		if r < 0x20 && r != '\n' && r != '\t' || r == utf8.RuneError || r == 0x7f {
			return fmt.Errorf("it has %U", r)
		}
	}
	return nil
}

// checkAll checks the four forms in a folder.
func checkAll(t *testing.T, dir string) {
	t.Helper()
	for name, check := range map[string]func(string) error{
		"report.txt":      func(s string) error { return nil },
		"report.json":     func(s string) error { return checkJSON(schema(t), s) },
		"junit.xml":       checkJUnit,
		"annotations.txt": checkAnnotations,
	} {
		text := built.Read(t, filepath.Join(dir, name))
		if err := check(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := plainText(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if (name == "report.txt" || name == "report.json") && text == "" {
			t.Errorf("%s is empty", name)
		}
	}
}

// TestForms: every form holds to its rules, whatever became of the program.
func TestForms(t *testing.T) {
	kinds, hostile := built.Program(t, "testdata/kinds.cpp", "-fstack-protector-all"), built.Program(t, "testdata/hostile.c")
	for name, args := range map[string][]string{
		"passed":  {"--", kinds, "none"},
		"failed":  {"--", built.Program(t, status), "3"},
		"crashed": {"--", kinds, "throw"},
		"hostile": {"--", hostile},
		"hung":    {"--timeout", "1s", "--", built.Program(t, spin)},
		"script":  {"-c", `.echo <b>]]>%0A::error::x; .expect "\"&<"`, "--", kinds},
		"lost":    {"--launch", built.Write(t, "l.json", `{"request": "attach", "connection": "gdb:server=127.0.0.1,port=1"}`)},
		"workers": {"--", built.Program(t, "testdata/workers.c"), "10"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "report")
			args := append([]string{"--report", dir}, args...)
			s := surroundings{env: []string{"GITHUB_ACTIONS=true", "GITHUB_WORKSPACE=/work"}}
			r := s.runRaw(t, args...)
			checkAll(t, dir)
			var rep struct {
				Status int
				Result string
			}
			if err := json.Unmarshal([]byte(built.Read(t, filepath.Join(dir, "report.json"))), &rep); err != nil || rep.Status != r.Status {
				t.Errorf("report of status %d, exit status %d (%v)", rep.Status, r.Status, err)
			}
			notes := built.Read(t, filepath.Join(dir, "annotations.txt"))
			if (notes == "") != (r.Status == 0) || !strings.Contains(r.Out, notes) {
				t.Errorf("status %d, annotations %q, output %q", r.Status, notes, r.Out)
			}
		})
	}
}

// TestFormsFail: the checks would see what is wrong.
func TestFormsFail(t *testing.T) {
	dir := t.TempDir()
	bare.run(t, "--report", dir, "--", built.Program(t, crash)).Must(t, 1)
	s := schema(t)
	for _, row := range []struct {
		file, from, to string
		check          func(string) error
	}{
		{"report.json", `"format": 1`, `"format": 2`, func(x string) error { return checkJSON(s, x) }},
		{"report.json", `"result": "crashed"`, `"result": "great"`, func(x string) error { return checkJSON(s, x) }},
		{"report.json", `"headline"`, `"headlines"`, func(x string) error { return checkJSON(s, x) }},
		{"report.json", `"address": "0x`, `"address": "`, func(x string) error { return checkJSON(s, x) }},
		{"report.json", `}`, ``, func(x string) error { return checkJSON(s, x) }},
		{"junit.xml", `errors="1" skipped`, `errors="0" skipped`, checkJUnit},
		{"junit.xml", `classname=`, `class-name=`, checkJUnit},
		{"junit.xml", `<error `, `<fault `, checkJUnit},
		{"junit.xml", `</testsuite>`, ``, checkJUnit},
		{"junit.xml", `sum 7`, "sum \x01", checkJUnit},
		{"annotations.txt", `line=`, "line=x", checkAnnotations},
		{"annotations.txt", `%0A`, "\n", checkAnnotations},
		{"report.txt", `CRASH`, "\x1b[31mCRASH", plainText},
		{"report.txt", `CRASH`, "\xff", plainText},
	} {
		text := built.Read(t, filepath.Join(dir, row.file))
		if err := row.check(text); err != nil {
			t.Fatalf("%s: %v", row.file, err)
		}
		spoilt := strings.Replace(text, row.from, row.to, 1)
		if spoilt == text {
			t.Fatalf("%s has no %q", row.file, row.from)
		}
		if row.check(spoilt) == nil {
			t.Errorf("%s: %q for %q was not seen", row.file, row.to, row.from)
		}
	}
}

// TestHostileText: what the program writes reaches the standard output byte by byte,
// and the report as text.
func TestHostileText(t *testing.T) {
	dir := t.TempDir()
	cmd := append([]string{"--report", dir}, "--", built.Program(t, "testdata/hostile.c"))
	r := bare.runRaw(t, cmd...)
	want := []byte("start \xff\xfe \x1b[31mred\x1b[0m \x00 ]]> <a&b> \r\n::error::injected\nend")
	if !bytes.Contains([]byte(r.Out), want) {
		t.Errorf("standard output is %q", r.Out)
	}
	if text := built.Read(t, filepath.Join(dir, "report.txt")); !strings.Contains(text, `\xff`) || !strings.Contains(text, `\x1b[31m`) || !strings.Contains(text, "\nThread 0 (") {
		t.Errorf("report.txt has\n%s", text)
	}
	var rep struct{ Output string }
	if err := json.Unmarshal([]byte(built.Read(t, filepath.Join(dir, "report.json"))), &rep); err != nil || !strings.Contains(rep.Output, `\xff\xfe \x1b[31mred`) {
		t.Errorf("%q %v", rep.Output, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "core.0")); err != nil {
		t.Error(err)
	}
}

// TestJSONAlone: with --json the standard output is one JSON document.
func TestJSONAlone(t *testing.T) {
	r := bare.run(t, "--json", "--", built.Program(t, crash))
	if err := checkJSON(schema(t), r.Out); err != nil {
		t.Errorf("%v\n%s", err, r.Out)
	}
	r.Must(t, 1, "^sum 7$", "^CRASH: ")
}
