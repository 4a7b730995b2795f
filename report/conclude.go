package report

import (
	"fmt"
	"io"
	"strings"

	"dap-windbg/systems/linux"
)

// MaxProcesses is how many processes have a report of their own.
const MaxProcesses = maxProcesses

// Dumps reports whether an event code ("av", "sig31") is of a signal whose default is
// to end the process with a core dump: a crash.
func Dumps(code string) bool {
	for _, s := range linux.Signals {
		if strings.EqualFold(s.Code(), code) {
			return s.Default == linux.Dumps
		}
	}
	return false
}

// SignalName is "SIGSEGV", "" for none.
func SignalName(n int) string {
	if n == 0 {
		return ""
	}
	if s, ok := linux.SignalByNumber(n); ok {
		return s.Name
	}
	return fmt.Sprintf("signal %d", n)
}

// Clean makes the texts of f fit for every form.
func (f Failure) Clean() Failure {
	f.Script, f.Command, f.Message = clean(f.Script), clean(f.Command), clean(f.Message)
	f.Expected, f.Actual = cut(clean(f.Expected), 8*maxValue), cut(clean(f.Actual), 8*maxValue)
	return f
}

// Conclude words the summary, when there is none; end says how the program ended, ""
// when it did not.
func (r *Run) Conclude(crashes int, end string) {
	var parts []string
	if r.Summary != "" {
		parts = append(parts, r.Summary)
	}
	switch {
	case r.Result == Hung:
		parts = append(parts, "the time limit has passed")
	case crashes == 1:
		for _, p := range r.Processes {
			if p.Signal != nil || p.Kind != FailedCheck {
				parts = append(parts, p.Headline)
				break
			}
		}
	case crashes > 1:
		parts = append(parts, fmt.Sprintf("%d processes crashed", crashes))
	}
	if n := len(r.Failures); n > 0 {
		parts = append(parts, r.Failures[0].at()+strings.SplitN(r.Failures[0].Message, "\n", 2)[0])
	}
	if end != "" && (crashes != 1 || r.Signal == "") {
		parts = append(parts, end)
	}
	if r.Result == Crashed && crashes == 0 {
		r.Result = Failed
	}
	if r.Result == "" { // the program's own status was asked for
		r.Result = Failed
		if crashes > 0 {
			r.Result = Crashed
		}
	}
	r.Summary = orElse(strings.Join(parts, "; "), map[Result]string{Passed: "done", Ended: "ended from outside"}[r.Result])
	r.Summary = oneLine(orElse(r.Summary, string(r.Result)), 4*maxValue)
}

// WriteProcess shows one process that crashed or hangs, as the text form does.
func WriteProcess(w io.Writer, p *Process) error {
	_, err := io.WriteString(w, p.plain())
	return err
}

// WriteSummary shows what is said at the end: what failed, and the last line.
func WriteSummary(w io.Writer, r *Run) error {
	if r.Result == Passed {
		return nil
	}
	short := *r
	short.Processes = nil
	return WriteText(w, &short)
}
