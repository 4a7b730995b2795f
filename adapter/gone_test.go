package adapter

import (
	"io"
	"testing"
	"time"
)

// deaf is a client that sends and takes nothing.
type deaf struct{ io.ReadCloser }

func (deaf) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestDeafClient: a client that takes no messages any more ends its session, though it
// has not hung up.
func TestDeafClient(t *testing.T) {
	in, out := io.Pipe()
	defer out.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = Serve(t.Context(), deaf{in}, Options{})
	}()
	text := `{"seq":1,"type":"request","command":"initialize","arguments":{"adapterID":"x"}}`
	if _, err := io.WriteString(out, "Content-Length: 79\r\n\r\n"+text); err != nil || len(text) != 79 {
		t.Fatal(err, len(text))
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the session goes on")
	}
}
