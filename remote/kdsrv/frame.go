package kdsrv

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// Frames of a stream.
const (
	frameData  = 0 // bytes of the line
	frameBreak = 1 // to the server: hold the line in the break condition
	frameAway  = 2 // to the client: the line is gone, and why
	frameBack  = 3 // ... it is there again
	frameNote  = 4 // ... what the user should know of it
)

const maxFrame = 1<<16 - 1

// writer sends frames of several senders.
type writer struct {
	mu sync.Mutex
	w  io.Writer
}

func (w *writer) send(kind byte, p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for first := true; first || len(p) > 0; first = false {
		n := min(len(p), maxFrame)
		frame := binary.BigEndian.AppendUint16([]byte{kind}, uint16(n))
		if _, err := w.w.Write(append(frame, p[:n]...)); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// receive reads the next frame.
func receive(r io.Reader) (kind byte, p []byte, err error) {
	var head [3]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	if head[0] > frameNote {
		return 0, nil, fmt.Errorf("frame of the unknown kind %d", head[0])
	}
	p = make([]byte, binary.BigEndian.Uint16(head[1:]))
	_, err = io.ReadFull(r, p)
	return head[0], p, err
}
