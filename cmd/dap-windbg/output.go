package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// output is standard output of a command that holds a debuggee, and a context that ends
// when nobody reads it any more: the command then parts as it does when it is told to end.
// A process that died of the broken pipe instead would leave the debuggee held.
func output(ctx context.Context) (io.Writer, context.Context) {
	if info, err := os.Stdout.Stat(); err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return os.Stdout, ctx
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // ignored, it would be by debuggees too
	ctx, end := context.WithCancel(ctx)
	return &readOutput{os.Stdout, end}, ctx
}

// readOutput is a pipe that tells when its reader has gone.
type readOutput struct {
	to   io.Writer
	gone func()
}

func (o *readOutput) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if err != nil {
		o.gone()
	}
	return n, err
}
