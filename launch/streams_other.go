//go:build !unix

package launch

import (
	"context"
	"io"
	"os"
	"os/exec"
)

// streams are a debuggee's standard input and output.
type streams struct {
	childIn, childOut *os.File
	output            *os.File
	input             io.WriteCloser
}

// openStreams makes pipes.
func openStreams(ctx context.Context, stdin string) (*streams, error) {
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s := &streams{childOut: outWrite, output: outRead}
	if stdin != "" {
		if s.childIn, err = openInput(ctx, stdin); err != nil {
			outRead.Close()
			outWrite.Close()
			return nil, &ConfigError{Field: "stdin", Value: stdin, Want: reason(err)}
		}
		return s, nil
	}
	inRead, inWrite, err := os.Pipe()
	if err != nil {
		outRead.Close()
		outWrite.Close()
		return nil, err
	}
	s.childIn, s.input = inRead, inWrite
	return s, nil
}

// openPipes is openStreams with nothing to read where no file is named.
func openPipes(ctx context.Context, stdin string) (*streams, error) {
	if stdin == "" {
		stdin = os.DevNull
	}
	return openStreams(ctx, stdin)
}

func (s *streams) closeChild() {
	s.childIn.Close()
	s.childOut.Close()
}

func (s *streams) close() { s.output.Close() }

func isolate(*exec.Cmd) {}
