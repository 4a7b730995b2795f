package rsp

import (
	"context"
	"errors"
	"io"
	"strconv"

	"dap-windbg/targets"
)

func itoa(n int) string { return strconv.Itoa(n) }

func (t *Target) Command(ctx context.Context, line string) (string, targets.Effect, error) {
	return "", targets.Effect{}, errors.ErrUnsupported
}
func (t *Target) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	return nil, errors.ErrUnsupported
}
func (t *Target) Query(ctx context.Context, k targets.Kind, annex string) ([]byte, error) {
	return nil, errors.ErrUnsupported
}
func (t *Target) Set(ctx context.Context, k targets.Kind, annex string, value []byte) error {
	return errors.ErrUnsupported
}

// say makes output of text that came while the debuggee ran; c.mu is held.
func (c *Conn) say(text string) {
	t := c.whole
	if c.run != nil {
		t = c.run.t
	}
	if t != nil {
		t.events.Put(targets.Output{Text: text})
	}
}
