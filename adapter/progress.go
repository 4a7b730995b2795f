package adapter

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-dap"
)

// progressAfter is how long work may take before it is told.
const progressAfter = 500 * time.Millisecond

// progress tells the client of slow work, by title. It is safe for many goroutines.
type progress struct {
	enabled atomic.Bool
	tell    func(event string, body any)

	mu   sync.Mutex
	last int
	bars map[string]*bar
}

type bar struct {
	id    string
	done  float64
	timer *time.Timer
	shown bool
}

// report takes the state of the work called title: done in [0,1], 1 ends it,
// below 0 unknown.
func (p *progress) report(title string, done float64) {
	if !p.enabled.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.bars[title]
	if done >= 1 {
		if b != nil {
			p.drop(title, b)
		}
		return
	}
	if b == nil {
		if p.bars == nil {
			p.bars = map[string]*bar{}
		}
		p.last++
		b = &bar{id: fmt.Sprintf("work-%d", p.last)}
		p.bars[title] = b
		b.timer = time.AfterFunc(progressAfter, func() { p.show(title, b) })
	}
	moved := done >= b.done+0.01
	b.done = done
	if b.shown && moved {
		p.tell("progressUpdate", dap.ProgressUpdateEventBody{ProgressId: b.id, Percentage: percent(done)})
	}
}

func (p *progress) show(title string, b *bar) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bars[title] != b || b.shown {
		return
	}
	b.shown = true
	p.tell("progressStart", dap.ProgressStartEventBody{ProgressId: b.id, Title: title, Cancellable: isTransfer(title), Percentage: percent(b.done)})
}

// isTransfer reports whether the work is fetching a file, whose title is its place.
func isTransfer(title string) bool {
	return strings.Contains(title, "://") || strings.HasPrefix(title, "target:")
}

// transfers reports whether id is that of a transfer under way.
func (p *progress) transfers(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for title, b := range p.bars {
		if b.id == id && isTransfer(title) {
			return true
		}
	}
	return false
}

// drop ends a bar. The lock is held.
func (p *progress) drop(title string, b *bar) {
	b.timer.Stop()
	delete(p.bars, title)
	if b.shown {
		p.tell("progressEnd", dap.ProgressEndEventBody{ProgressId: b.id})
	}
}

// finish ends all.
func (p *progress) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for title, b := range p.bars {
		p.drop(title, b)
	}
}

func percent(done float64) int { return max(0, min(100, int(done*100))) }
