package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

// autopsy is what is shown of a crashed or hung program.
var autopsy = []string{".lastevent", "r", "~*kn", "dv", "lm"}

// autopsyTime bounds it when the time limit has passed already.
const autopsyTime = 10 * time.Second

// Run is the debugger without anybody there: it runs the program to its end, or
// the commands, and returns the exit status. It never reads input.
func Run(ctx context.Context, o Options, out io.Writer, version string) int {
	if o.Limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Limit)
		defer cancel()
	}
	o.NoStdin = true
	var report bytes.Buffer
	if o.Report != "" {
		out = io.MultiWriter(out, &report)
	}
	w, err := open(ctx, o, out, version)
	if err != nil {
		PrintError(os.Stderr, err)
		return StatusOf(err)
	}
	defer w.scr.Close()
	crashed := w.batch(ctx)
	timedOut := ctx.Err() == context.DeadlineExceeded
	if timedOut || crashed {
		w.examine(timedOut)
	}
	status := terminated(ctx, w.finish(crashed, timedOut))
	if err := w.write(report.Bytes(), status); err != nil {
		fmt.Fprintln(os.Stderr, "error: writing the report:", err)
		return Usage
	}
	return status
}

// batch runs the commands, or the program to its end; true when it crashed.
func (w *window) batch(ctx context.Context) bool {
	w.start(ctx)
	if len(w.o.Commands) > 0 {
		return false
	}
	for !w.quitting() && ctx.Err() == nil {
		if s := w.dbg.Session(); s == nil {
			return false
		} else if stop, err := s.Wait(ctx); err != nil {
			return false
		} else if stop.Reason == targets.Exception {
			return true
		}
		w.exec(ctx, "g")
		if w.scr.Ended() != nil {
			return false
		}
	}
	return false
}

// examine shows the state of a program that crashed or hangs.
func (w *window) examine(hung bool) {
	ctx, cancel := context.WithTimeout(context.Background(), autopsyTime)
	defer cancel()
	if hung {
		fmt.Fprintf(w.scr, "The time limit of %v has passed.\n", w.o.Limit)
		w.breakIn(ctx)
		if s := w.dbg.Session(); s != nil {
			s.Wait(ctx)
		}
	}
	for _, line := range autopsy {
		w.scr.Prompt(w.prompt(ctx), line+"\n")
		w.in.Exec(ctx, line, w.scr)
	}
}

// finish ends the debuggee and returns the exit status.
func (w *window) finish(crashed, timedOut bool) int {
	if crashed || timedOut {
		w.parting = w.dbg.Parting()
	}
	status := w.leave()
	switch {
	case timedOut:
		return TimedOut
	case crashed:
		return Crashed
	case status == Done && w.failed:
		return Failed
	}
	return status
}

// summary is the JSON form of a run.
type summary struct {
	Program    string `json:"program,omitempty"`
	Status     int    `json:"status"`
	ExitCode   *int   `json:"exitCode,omitempty"`
	Signal     int    `json:"signal,omitempty"`
	Lost       string `json:"lost,omitempty"`
	Stops      int    `json:"stops"`
	Transcript string `json:"transcript,omitempty"`
}

// write puts the report where it was asked for.
func (w *window) write(transcript []byte, status int) error {
	sum := summary{Program: w.o.Plan.Program.Path, Status: status, Stops: w.scr.Stops()}
	if e := w.scr.Ended(); e != nil {
		sum.fill(e)
	}
	if w.o.JSON {
		if err := json.NewEncoder(os.Stdout).Encode(sum); err != nil {
			return err
		}
	}
	if w.o.Report == "" {
		return nil
	}
	if err := os.MkdirAll(w.o.Report, 0o755); err != nil {
		return err
	}
	sum.Transcript = "report.txt"
	if err := os.WriteFile(filepath.Join(w.o.Report, "report.txt"), transcript, 0o644); err != nil {
		return err
	}
	js, err := json.MarshalIndent(sum, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(w.o.Report, "report.json"), append(js, '\n'), 0o644)
}

func (s *summary) fill(e *engine.Ended) {
	s.Signal = e.Gone.Signal
	if e.Gone.Exited {
		s.ExitCode = &e.Gone.Code
	}
	if e.Gone.Err != nil {
		s.Lost = e.Gone.Err.Error()
	}
}
