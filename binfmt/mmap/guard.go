package mmap

import (
	"runtime/debug"
	"sync/atomic"
)

// Guard protects readers of mappings from files that are cut short under them
// (a rebuild that writes in place): touching a page that is gone is a fault,
// which would end the process. After the first fault the Guard refuses to run
// anything, for what was being read may be half done.
type Guard struct{ gone atomic.Bool }

// Do runs f. It returns false when f met such a fault, or the Guard did before.
// Other panics pass.
func (g *Guard) Do(f func()) (ok bool) {
	if g.gone.Load() {
		return false
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		// The runtime's error for a fault at an address that is no nil pointer has Addr.
		if _, fault := r.(interface{ Addr() uintptr }); !fault && !g.gone.Load() {
			panic(r)
		}
		g.gone.Store(true)
		ok = false
	}()
	f()
	return true
}
