package transport

import (
	"net/netip"
	"sync"
	"time"
)

// A gate slows down who guesses passwords: after a wrong one, the next try from the
// same address is judged a second later, then two, four and so on, and after
// lockAfter wrong ones in a row the address is locked out. Tries that come at the
// same time wait for each other, so that many connections guess no faster than one.
type gate struct {
	first, longest, lock time.Duration
	now                  func() time.Time
	wait                 func(time.Duration)

	mu     sync.Mutex
	places map[string]*place
}

// place is what is known of one address.
type place struct {
	mu       sync.Mutex
	failures int
	until    time.Time // no try is judged before
	seen     time.Time
	tries    int // under way; g.mu
}

// Measures of the gate.
const (
	lockAfter = 10
	maxPlaces = 4096
)

func newGate() *gate {
	return &gate{first: time.Second, longest: 8 * time.Second, lock: 5 * time.Minute, now: time.Now, wait: time.Sleep, places: map[string]*place{}}
}

// trial is what became of a try.
type trial uint8

const (
	right trial = iota
	wrong
	locked
)

// try judges one password from an address by check, after the delay that the address
// has earned. A wrong one is told after the delay, too.
func (g *gate) try(address string, check func() bool) trial {
	p := g.enter(address)
	defer g.leave(p)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failures >= lockAfter {
		if g.now().Before(p.until) {
			return locked
		}
		p.failures = 0
	}
	if check() {
		p.failures = 0
		return right
	}
	p.failures++
	if p.failures >= lockAfter {
		p.until = g.now().Add(g.lock)
		return locked
	}
	g.wait(min(g.first<<(p.failures-1), g.longest))
	return wrong
}

func (g *gate) enter(address string) *place {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, ok := g.places[address]
	if !ok {
		if len(g.places) >= maxPlaces {
			g.forget()
		}
		p = &place{}
		g.places[address] = p
	}
	p.tries++
	p.seen = g.now()
	return p
}

func (g *gate) leave(p *place) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p.tries--
	p.seen = g.now()
}

// forget drops the address that was heard of least lately and that nobody waits at;
// g.mu is held.
func (g *gate) forget() {
	oldest := ""
	for a, p := range g.places {
		if p.tries == 0 && (oldest == "" || p.seen.Before(g.places[oldest].seen)) {
			oldest = a
		}
	}
	delete(g.places, oldest)
}

// origin is the part of an address that tries are counted by: of IPv6 the network,
// since everybody has 2^64 addresses in his own.
func origin(address string) string {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return address
	}
	a := ap.Addr().Unmap().WithZone("")
	if a.Is6() && !a.IsLoopback() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
