package console

import (
	"context"
	"io"
	"os/exec"
	"runtime"
)

// shell is what .shell runs commands by, nil unless the command line allows it.
func (o *Options) shell() func(context.Context, string, io.Reader, io.Writer) error {
	if !o.Shell || o.NoShell || o.Secure {
		return nil
	}
	return func(ctx context.Context, command string, in io.Reader, out io.Writer) error {
		cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
		if runtime.GOOS == "windows" {
			cmd = exec.CommandContext(ctx, "cmd", "/c", command)
		}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, out
		return cmd.Run()
	}
}
