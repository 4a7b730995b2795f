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

// progress tells the client of slow work. It is safe for many goroutines.
type progress struct {
	enabled atomic.Bool
	tell    func(event string, body any)

	mu   sync.Mutex
	last int
	bars map[any]*bar // by title of work that reports itself, by *request of the others
}

// bar is work that may become slow.
type bar struct {
	id, title string
	done      float64
	timer     *time.Timer
	shown     bool
	request   *request // whose work it is, nil: of none in particular
	idle      func() bool
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
		p.drop(title)
		return
	}
	if b == nil {
		b = p.add(title, &bar{title: title})
	}
	moved := done >= b.done+0.01
	b.done = done
	if b.shown && moved {
		p.tell("progressUpdate", dap.ProgressUpdateEventBody{ProgressId: b.id, Percentage: percent(done)})
	}
}

// begin watches over a request being served; end must follow. While idle (nil:
// never) holds the request waits for the debuggee, which is not told.
func (p *progress) begin(r *request, title string, idle func() bool) {
	if !p.enabled.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bars[r] == nil {
		p.add(r, &bar{title: title, request: r, idle: idle})
	}
}

// end ends what begin began.
func (p *progress) end(r *request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(r)
}

// add starts a bar. The lock is held.
func (p *progress) add(key any, b *bar) *bar {
	if p.bars == nil {
		p.bars = map[any]*bar{}
	}
	p.last++
	b.id = fmt.Sprintf("work-%d", p.last)
	p.bars[key] = b
	b.timer = time.AfterFunc(progressAfter, func() { p.show(key, b) })
	return b
}

// selfTold reports whether work that reports itself is under way. The lock is held.
func (p *progress) selfTold() bool {
	for _, b := range p.bars {
		if b.request == nil {
			return true
		}
	}
	return false
}

// show tells of a bar that is still there. A request's is not told beside work that
// reports itself: that says better what the request is at.
func (p *progress) show(key any, b *bar) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bars[key] != b || b.shown {
		return
	}
	if b.request != nil && (p.selfTold() || b.idle != nil && b.idle()) {
		b.timer.Reset(progressAfter)
		return
	}
	b.shown = true
	body := dap.ProgressStartEventBody{ProgressId: b.id, Title: b.title, Cancellable: b.cancellable(), Percentage: percent(b.done)}
	if b.request != nil {
		body.RequestId = b.request.seq
	}
	p.tell("progressStart", body)
}

func (b *bar) cancellable() bool { return b.request != nil || isTransfer(b.title) }

// isTransfer reports whether the work is fetching a file, whose title is its place, or
// writing one.
func isTransfer(title string) bool {
	return strings.Contains(title, "://") || strings.HasPrefix(title, "target:") || strings.HasPrefix(title, "Writing ")
}

// cancel ends the request whose bar is id.
func (p *progress) cancel(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.bars {
		if b.id == id && b.request != nil {
			b.request.cancel()
		}
	}
}

// transfers reports whether id is that of a transfer under way.
func (p *progress) transfers(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.bars {
		if b.id == id && b.request == nil && isTransfer(b.title) {
			return true
		}
	}
	return false
}

// drop ends a bar. The lock is held.
func (p *progress) drop(key any) {
	b := p.bars[key]
	if b == nil {
		return
	}
	b.timer.Stop()
	delete(p.bars, key)
	if b.shown {
		p.tell("progressEnd", dap.ProgressEndEventBody{ProgressId: b.id})
	}
}

// finish ends all.
func (p *progress) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key := range p.bars {
		p.drop(key)
	}
}

func percent(done float64) int { return max(0, min(100, int(done*100))) }
