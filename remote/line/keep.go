package line

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"
)

// number reads the number of a port, 0 when s is none.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 255 {
		return 0
	}
	return n
}

func itoa(n int) string { return strconv.Itoa(n) }

// retry is the pause between attempts to open a line that is not there.
const retry = 250 * time.Millisecond

// Keeper is a line that is opened again when it goes away. While it is away reads
// wait and writes are lost, as on a cable that was pulled.
type Keeper struct {
	open   func(context.Context) (Line, error)
	notify func(up bool, err error)
	life   context.Context
	end    context.CancelFunc

	mu   sync.Mutex
	cond *sync.Cond
	now  Line // nil while it is away
	away sync.WaitGroup
}

// Keep opens a line with open, waiting for it as long as ctx, and keeps it open until
// Close. notify is told when the line goes (with the reason) and when it is back, in this
// order and before anything is read from it again; as long as it takes, nothing is. It
// may be nil.
func Keep(ctx context.Context, open func(context.Context) (Line, error), notify func(up bool, err error)) (*Keeper, error) {
	if notify == nil {
		notify = func(bool, error) {}
	}
	k := newKeeper(open, notify)
	first, err := k.wait(ctx)
	if err != nil {
		k.end()
		return nil, err
	}
	k.now = first
	return k, nil
}

func newKeeper(open func(context.Context) (Line, error), notify func(up bool, err error)) *Keeper {
	k := &Keeper{open: open, notify: notify}
	k.cond = sync.NewCond(&k.mu)
	k.life, k.end = context.WithCancel(context.Background())
	return k
}

// KeepOpen is Keep for a line that is open already.
func KeepOpen(l Line, open func(context.Context) (Line, error), notify func(up bool, err error)) *Keeper {
	k := newKeeper(open, notify)
	k.now = l
	return k
}

// wait opens the line, again and again while it is not there.
func (k *Keeper) wait(ctx context.Context) (Line, error) {
	for {
		l, err := k.open(ctx)
		if err == nil {
			return l, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-k.life.Done():
			return nil, err
		case <-time.After(retry):
		}
	}
}

// lost begins to open the line again, unless that was begun already.
func (k *Keeper) lost(l Line, why error) {
	k.mu.Lock()
	if k.now != l || k.life.Err() != nil {
		k.mu.Unlock()
		return
	}
	k.now = nil
	k.away.Add(1)
	k.mu.Unlock()
	l.Close()
	k.notify(false, why)
	go func() {
		defer k.away.Done()
		l, err := k.wait(k.life)
		if err != nil {
			return
		}
		k.mu.Lock()
		if k.life.Err() != nil {
			k.mu.Unlock()
			l.Close()
			return
		}
		k.mu.Unlock()
		k.notify(true, nil) // before anything is read from it
		k.mu.Lock()
		k.now = l
		over := k.life.Err() != nil
		k.mu.Unlock()
		if over { // Close has not seen it
			l.Close()
		}
		k.cond.Broadcast()
	}()
}

// Read waits while the line is away.
func (k *Keeper) Read(p []byte) (int, error) {
	for {
		k.mu.Lock()
		for k.now == nil && k.life.Err() == nil {
			k.cond.Wait()
		}
		l := k.now
		k.mu.Unlock()
		if l == nil {
			return 0, io.EOF
		}
		n, err := l.Read(p)
		if n > 0 {
			return n, nil
		}
		if k.life.Err() != nil {
			return 0, io.EOF
		}
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		k.lost(l, err)
	}
}

// Write loses p while the line is away.
func (k *Keeper) Write(p []byte) (int, error) {
	k.mu.Lock()
	l := k.now
	k.mu.Unlock()
	if l == nil {
		if k.life.Err() != nil {
			return 0, io.ErrClosedPipe
		}
		return len(p), nil
	}
	if _, err := l.Write(p); err != nil {
		k.lost(l, err)
	}
	return len(p), nil
}

// SendBreak sends a break while the line is there.
func (k *Keeper) SendBreak() error {
	k.mu.Lock()
	l := k.now
	k.mu.Unlock()
	if l == nil {
		return errors.New("the line is away")
	}
	return l.SendBreak()
}

// Close ends the line for good.
func (k *Keeper) Close() error {
	k.end()
	k.mu.Lock()
	l := k.now
	k.mu.Unlock()
	k.cond.Broadcast()
	var err error
	if l != nil {
		err = l.Close()
	}
	k.away.Wait()
	return err
}
