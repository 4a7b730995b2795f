package report

import (
	"fmt"
	"io"
	"path"
	"strings"
)

// WriteAnnotations writes a workflow command of GitHub Actions for each crash and each
// failure. root is what paths are shown relative to.
func WriteAnnotations(w io.Writer, r *Run, root string) error {
	var b strings.Builder
	left := maxAnnotation
	put := func(file string, line int, title, message string) {
		if left--; left < 0 {
			return
		}
		at := ""
		if file != "" {
			at = fmt.Sprintf("file=%s,", property(relative(file, root)))
			if line > 0 {
				at += fmt.Sprintf("line=%d,", line)
			}
		}
		fmt.Fprintf(&b, "::error %stitle=%s::%s\n", at, property(title), data(message))
	}
	for _, p := range r.Processes {
		file, line := "", 0
		if p.Place != nil {
			file, line = p.Place.File, p.Place.Line
		}
		put(file, line, fmt.Sprintf("%s: %s", p.name(), p.Kind), p.brief())
	}
	for _, f := range r.Failures {
		put(f.Script, f.Line, "debugger script", strings.TrimRight(f.text(), "\n"))
	}
	if r.Result != Passed && len(r.Processes) == 0 && len(r.Failures) == 0 {
		put("", 0, path.Base(orElse(r.Program, "dap-windbg run")), r.Summary)
	}
	if left < 0 {
		fmt.Fprintf(&b, "::error title=dap-windbg::%d more problems are in the report\n", -left)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// brief is the headline and the frames of the program's own code.
func (p *Process) brief() string {
	const most = 8
	out := p.Headline
	if len(p.Threads) == 0 {
		return out
	}
	n := 0
	for k := range p.Threads[0].Frames {
		if f := &p.Threads[0].Frames[k]; f.File != "" && !f.System && n < most {
			n++
			out += "\n  " + f.text()
		}
	}
	return out
}

func relative(file, root string) string {
	if root == "" {
		return file
	}
	return strings.TrimPrefix(file, strings.TrimSuffix(root, "/")+"/")
}

// data and property escape as GitHub's runner undoes it (actions/toolkit, command.ts
// tells the characters).
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(clean(s))
}

func property(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(clean(s))
}
