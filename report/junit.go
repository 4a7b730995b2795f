package report

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

// JUnit's elements and attributes, in the form that Jenkins' junit plugin and GitLab
// read: testsuites, testsuite, testcase, failure, error, system-out, system-err.
type junitSuites struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Time     string     `xml:"time,attr"`
	Suite    junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr,omitempty"`
	Line    int           `xml:"line,attr,omitempty"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
	Out     *junitText    `xml:"system-out"`
	Err     *junitText    `xml:"system-err"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",cdata"`
}

type junitText struct {
	Text string `xml:",cdata"`
}

// textOf is nil for no text.
func textOf(s string) *junitText {
	if s == "" {
		return nil
	}
	return &junitText{s}
}

// WriteJUnit writes one test case for the program, and one for each of its processes
// that crashed.
func WriteJUnit(w io.Writer, r *Run) error {
	seconds := fmt.Sprintf("%.3f", r.Seconds)
	class := path.Base(orElse(r.Program, "program"))
	main := junitCase{Name: orElse(strings.Join(r.Arguments, " "), class), Class: class, Time: seconds, Out: textOf(orElse(r.Transcript, r.Output)), Err: textOf(r.Errors)}
	s := junitSuite{Name: "dap-windbg run", Time: seconds, Timestamp: r.Started.UTC().Format(time.DateOnly + "T" + time.TimeOnly)}
	for _, p := range r.Processes {
		problem := &junitProblem{Message: p.Headline, Type: string(p.Kind), Text: p.plain()}
		c := junitCase{Name: fmt.Sprintf("%s, child %d", orElse(p.Command, p.name()), p.Child), Class: class, Time: "0.000", Error: problem}
		if p.Place != nil {
			c.File, c.Line = p.Place.File, p.Place.Line
		}
		if p.Child == 0 && main.Error == nil {
			main.Error, main.File, main.Line = problem, c.File, c.Line
			continue
		}
		s.Cases = append(s.Cases, c)
	}
	main.judge(r)
	s.Cases = append([]junitCase{main}, s.Cases...)
	for _, c := range s.Cases {
		s.Tests++
		if c.Failure != nil {
			s.Failures++
		}
		if c.Error != nil {
			s.Errors++
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Name: s.Name, Tests: s.Tests, Failures: s.Failures, Errors: s.Errors, Time: seconds, Suite: s}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// judge says what is wrong with the program itself, unless it crashed.
func (c *junitCase) judge(r *Run) {
	switch {
	case len(r.Failures) > 0:
		var text strings.Builder
		for _, f := range r.Failures {
			text.WriteString(f.text())
		}
		f := r.Failures[0]
		c.Error = nil
		c.Failure = &junitProblem{Message: oneLine(f.at()+f.Message, 2*maxValue), Type: string(FailedCheck), Text: text.String()}
	case c.Error != nil, r.Result == Passed, r.Result == Crashed && len(r.Processes) > 0:
	case r.Result == Failed || r.Result == Crashed:
		c.Failure = &junitProblem{Message: r.Summary, Type: string(r.Result), Text: r.Summary}
	default:
		c.Error = &junitProblem{Message: r.Summary, Type: string(r.Result), Text: r.Summary}
	}
}

// plain is the text of one process.
func (p *Process) plain() string {
	var b strings.Builder
	p.text(&b)
	return b.String()
}

// WriteJSON writes the report as docs/report.schema.json describes it.
func WriteJSON(w io.Writer, r *Run) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}
