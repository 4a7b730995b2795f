//go:build unix

package launch

import (
	"context"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// streams are a debuggee's standard input and output.
type streams struct {
	childIn, childOut *os.File
	output            *os.File
	input             io.WriteCloser
}

// openStreams makes a raw pseudo terminal, so that the program writes line by
// line as it would for a person. With a file name, its input is that file.
func openStreams(ctx context.Context, stdin string) (*streams, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, &ReachError{What: "no pseudo terminal for the program", Err: err}
	}
	if _, err := term.MakeRaw(int(slave.Fd())); err != nil {
		master.Close()
		slave.Close()
		return nil, &ReachError{What: "no pseudo terminal for the program", Err: err}
	}
	if master, err = polled(master); err != nil {
		slave.Close()
		return nil, &ReachError{What: "no pseudo terminal for the program", Err: err}
	}
	s := &streams{childIn: slave, childOut: slave, output: master, input: master}
	if stdin != "" {
		f, err := openInput(ctx, stdin)
		if err != nil {
			s.closeChild()
			s.close()
			return nil, &ConfigError{Field: "stdin", Value: stdin, Want: reason(err)}
		}
		s.childIn, s.input = f, nil
	}
	return s, nil
}

// openPipes gives a program what it has where nobody is there: a pipe for its output,
// and for its input a file, or nothing.
func openPipes(ctx context.Context, stdin string) (*streams, error) {
	if stdin == "" {
		stdin = os.DevNull
	}
	in, err := openInput(ctx, stdin)
	if err != nil {
		return nil, &ConfigError{Field: "stdin", Value: stdin, Want: reason(err)}
	}
	r, w, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, err
	}
	return &streams{childIn: in, childOut: w, output: r}, nil
}

// polled makes a file whose Close ends reads under way: a program that was left
// running keeps its side of the terminal open.
func polled(f *os.File) (*os.File, error) {
	defer f.Close()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

func (s *streams) closeChild() {
	s.childIn.Close()
	s.childOut.Close()
}

func (s *streams) close() { s.output.Close() }

// isolate keeps our terminal's signals from a program we run.
func isolate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
