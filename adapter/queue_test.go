package adapter

import (
	"context"
	"testing"
)

// TestQueueRoom: who writes faster than anybody reads waits, until there is room or
// one of the two ends.
func TestQueueRoom(t *testing.T) {
	q := newQueue[int]()
	for i := range 3 {
		q.below(3, context.Background(), context.Background())
		q.put(i, nil)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	q.below(3, over, context.Background())
	q.below(3, context.Background(), over)
	waited := make(chan struct{})
	go func() {
		q.below(3, context.Background(), context.Background())
		close(waited)
	}()
	select {
	case <-waited:
		t.Error("it has not waited")
	default:
	}
	if got := q.take(); len(got) != 3 {
		t.Errorf("took %v", got)
	}
	<-waited
}
