//go:build !windows

package line

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
)

// path is the file behind the port's name: com1 is /dev/ttyS0.
func (s Spec) path() string {
	name := strings.TrimPrefix(s.Port, `\\.\`)
	name = strings.TrimPrefix(strings.TrimPrefix(name, `pipe\`), `PIPE\`)
	digits := name
	if len(name) > 3 && strings.EqualFold(name[:3], "com") {
		digits = name[3:]
	}
	if n := number(digits); n > 0 {
		return "/dev/ttyS" + itoa(n-1)
	}
	return name
}

func isPipe(path string) bool {
	if fi, err := os.Stat(path); err == nil {
		return fi.Mode()&(os.ModeSocket|os.ModeNamedPipe) != 0
	}
	_, err := os.Stat(path + ".in")
	return err == nil
}

// openPipe connects to a unix socket, or opens the pair of FIFOs that QEMU makes
// of "-serial pipe:PATH".
func openPipe(ctx context.Context, path string) (Line, error) {
	if _, err := os.Stat(path + ".in"); err != nil {
		return dial(ctx, "unix", path)
	}
	// Opened for reading too, so that neither end waits for the other.
	in, err := os.OpenFile(path+".in", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	out, err := os.OpenFile(path+".out", os.O_RDWR, 0)
	if err != nil {
		in.Close()
		return nil, err
	}
	return stream{&pair{Reader: out, Writer: in, ends: []io.Closer{in, out}}}, nil
}

// pair is a stream of two files.
type pair struct {
	io.Reader
	io.Writer
	ends []io.Closer
}

func (p *pair) Close() error { return errors.Join(p.ends[0].Close(), p.ends[1].Close()) }
