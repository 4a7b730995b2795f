package wire

import (
	"sync"

	"dap-windbg/targets"
)

// Mailbox carries events from a wire's reader to whoever drains them. Put never
// blocks, for a reader that waited for its listener would hold up the replies
// behind the event. After a Gone the mailbox takes no more and C is closed as
// soon as everything put before has been received.
type Mailbox struct {
	c chan targets.Event

	mu      sync.Mutex
	waiting []targets.Event
	pumping bool
	ended   bool
	dropped chan struct{}
}

// NewMailbox returns an empty mailbox.
func NewMailbox() *Mailbox {
	return &Mailbox{c: make(chan targets.Event, 16), dropped: make(chan struct{})}
}

// C delivers the events in order.
func (m *Mailbox) C() <-chan targets.Event { return m.c }

// Put adds an event. It reports false when the mailbox has ended.
func (m *Mailbox) Put(e targets.Event) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return false
	}
	_, gone := e.(targets.Gone)
	m.ended = gone
	if !m.pumping && len(m.waiting) == 0 {
		select {
		case m.c <- e:
			if gone {
				close(m.c)
			}
			return true
		default:
		}
	}
	m.waiting = append(m.waiting, e)
	if !m.pumping {
		m.pumping = true
		go m.pump()
	}
	return true
}

// pump moves events on while the channel is full; it ends when none wait.
func (m *Mailbox) pump() {
	for {
		m.mu.Lock()
		if len(m.waiting) == 0 {
			m.waiting, m.pumping = nil, false
			if m.ended {
				close(m.c)
			}
			m.mu.Unlock()
			return
		}
		e := m.waiting[0]
		m.waiting = m.waiting[1:]
		m.mu.Unlock()
		select {
		case m.c <- e:
		case <-m.dropped:
			m.mu.Lock()
			m.waiting, m.pumping = nil, false
			m.ended = true
			close(m.c)
			m.mu.Unlock()
			return
		}
	}
}

// Drop ends the mailbox without an event and forgets what nobody fetched, so
// that no goroutine outlives a listener who left. It is safe to call twice and
// after a Gone.
func (m *Mailbox) Drop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.dropped:
		return
	default:
		close(m.dropped)
	}
	if !m.ended {
		m.ended = true
		if !m.pumping {
			close(m.c)
		}
	}
}
