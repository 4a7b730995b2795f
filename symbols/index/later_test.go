package index

import (
	"testing"
	"time"
)

// TestLater: what is to be called later is called once, and not when the cache was
// closed before; who closes waits for what is being called.
func TestLater(t *testing.T) {
	c := &Cache{Dir: t.TempDir(), later: later{after: time.Hour}}
	calls := 0
	count := func() { calls++ }
	c.Later(count)
	c.Later(count)
	c.Flush()
	c.Flush()
	if calls != 2 {
		t.Errorf("%d calls of 2", calls)
	}

	begun, end, flushed := make(chan bool), make(chan bool), make(chan bool)
	c.Later(func() { close(begun); <-end; count() })
	go func() { c.Flush(); close(flushed) }()
	<-begun
	c.Later(count)
	close(end)
	c.Close()
	if calls != 3 {
		t.Error("closed over a call")
	}
	<-flushed
	c.Later(count)
	c.Flush()
	if calls != 3 {
		t.Error("called after the end")
	}
}

// TestSoon: nobody need ask for it.
func TestSoon(t *testing.T) {
	c := &Cache{Dir: t.TempDir(), later: later{after: time.Millisecond}}
	called := make(chan bool)
	c.Later(func() { close(called) })
	<-called
	c.Close()
}
