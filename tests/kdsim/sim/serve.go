package sim

import (
	"context"
	"errors"
	"io"
	"time"
)

// Serve runs the machine in real time over a connection until ctx ends or the
// connection does; then it returns nil, and may be called again: the machine
// stood still meanwhile.
func (t *Target) Serve(ctx context.Context, conn io.ReadWriter) error {
	in, bad := make(chan []byte, 64), make(chan error, 1)
	go func() {
		for {
			b := make([]byte, 4096)
			n, err := conn.Read(b)
			if n > 0 {
				select {
				case in <- b[:n]:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				bad <- err
				return
			}
		}
	}()
	for {
		out, next, err := t.Run(time.Now())
		if err != nil {
			return err
		}
		for _, b := range out {
			if _, err := conn.Write(b); err != nil {
				return ended(err)
			}
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case b := <-in:
			t.line.put(b, "")
		case <-timer.C:
		case err := <-bad:
			timer.Stop()
			return ended(err)
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// Put gives the machine bytes from its line.
func (t *Target) Put(b []byte) { t.line.put(b, "") }
