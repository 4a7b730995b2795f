package launch

import (
	"context"
	"os"
)

// openInput opens the file that is fed to a program. A named pipe has its opener
// wait for a writer, who may never come: then the wait ends with ctx.
func openInput(ctx context.Context, name string) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	got := make(chan opened, 1)
	go func() {
		f, err := os.Open(name)
		got <- opened{f, err}
	}()
	select {
	case o := <-got:
		return o.f, o.err
	case <-ctx.Done():
	}
	var writer *os.File // lets the opener go
	if st, err := os.Stat(name); err == nil && st.Mode()&os.ModeNamedPipe != 0 {
		writer, _ = os.OpenFile(name, os.O_RDWR, 0) // which waits for nobody
	}
	go func() {
		if o := <-got; o.f != nil {
			o.f.Close()
		}
		if writer != nil {
			writer.Close()
		}
	}()
	return nil, ctx.Err()
}
