package adapter

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSlowReader has messages arrive whole and in the order of their numbers, all of
// them, although the client takes longer over some than a sender is held up.
func TestSlowReader(t *testing.T) {
	const senders, each = 4, 12
	ours, theirs := net.Pipe()
	w := newWriter()
	w.begin(ours)
	ctx, end := context.WithCancel(t.Context())
	go w.run(ctx)
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			for range each {
				w.send(&event{Event: "output", Body: strings.Repeat("text ", 1000)})
			}
		})
	}
	r := bufio.NewReaderSize(theirs, 1<<10)
	for want := 1; want <= senders*each; want++ {
		if want%10 == 3 {
			time.Sleep(2 * maxHeld) // the slow client that is tried: a sender gives up meanwhile
		}
		content, err := readMessage(r)
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Seq  int
			Body string
		}
		if err := json.Unmarshal(content, &m); err != nil || m.Seq != want || len(m.Body) != 5000 {
			t.Fatalf("message %d: number %d, %d bytes, %v", want, m.Seq, len(m.Body), err)
		}
	}
	all.Wait()
	end()
	<-w.done
	w.send(&event{Event: "output"}) // nobody waits for it
}
