package adapter

import (
	"context"
	"slices"
	"sync"
)

// queue is an unbounded mailbox: put never blocks, ready signals that take has
// something. It is safe for many goroutines.
type queue[T any] struct {
	mu    sync.Mutex
	items []T
	ready chan struct{}
	taken chan struct{} // closed and made anew by take
}

func newQueue[T any]() *queue[T] {
	return &queue[T]{ready: make(chan struct{}, 1), taken: make(chan struct{})}
}

// below waits until fewer than n items wait, or for one of the contexts to end.
func (q *queue[T]) below(n int, a, b context.Context) {
	for {
		q.mu.Lock()
		few, taken := len(q.items) < n, q.taken
		q.mu.Unlock()
		if few {
			return
		}
		select {
		case <-taken:
		case <-a.Done():
			return
		case <-b.Done():
			return
		}
	}
}

// put appends x, or lets merge fold it into the last item.
func (q *queue[T]) put(x T, merge func(last *T) bool) {
	q.mu.Lock()
	if n := len(q.items); n == 0 || merge == nil || !merge(&q.items[n-1]) {
		q.items = append(q.items, x)
	}
	q.mu.Unlock()
	q.signal()
}

func (q *queue[T]) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take removes and returns all items.
func (q *queue[T]) take() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	close(q.taken)
	q.taken = make(chan struct{})
	return items
}

// until removes and returns the items up to the first that satisfies f, and that one;
// all when none does.
func (q *queue[T]) until(f func(T) bool) []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := slices.IndexFunc(q.items, f) + 1
	if n == 0 {
		n = len(q.items)
	}
	items := q.items[:n:n]
	q.items = q.items[n:]
	close(q.taken)
	q.taken = make(chan struct{})
	return items
}

// any reports whether an item satisfies f.
func (q *queue[T]) any(f func(T) bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, x := range q.items {
		if f(x) {
			return true
		}
	}
	return false
}
