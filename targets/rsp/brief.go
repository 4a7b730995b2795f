package rsp

import (
	"slices"
	"strings"

	"dap-windbg/arch"
)

// GDB's server describes an x86 CPU's registers beyond SSE to whoever says that it
// understands them (xmlRegisters), and from then on takes all of them apart whenever a
// trap springs, also where the trap's condition is false and nobody is told: a third
// of what such a hit takes. So it is told otherwise while it runs to such traps, and
// set right before the next request that concerns registers. It takes qSupported at
// any time while the program waits (gdbserver 13 to 16, x86_target::process_qsupported).
// What both descriptions have lies in the same place, so that a stop tells the same.

// shortens reports whether the far end can be had to describe fewer registers.
func (t *Target) shortens() bool {
	c := t.c
	if c.kind.name != "gdbserver" || c.nonstop || c.serial || c.line != nil {
		return false
	}
	a := t.info.Load().Set.Arch
	return a == arch.AMD64 || a == arch.I386
}

// described adds to requests what has the far end describe the registers as they need
// it; c.mu is held.
func (c *Conn) described(reqs []*request) []*request {
	if c.brief && slices.ContainsFunc(reqs, (*request).needsRegisters) {
		c.brief = false
		reqs = slices.Insert(slices.Clone(reqs), 0, ask(offered))
	}
	if n := len(reqs) - 1; n >= 0 && reqs[n].quiet && !c.brief {
		c.brief = true
		reqs = slices.Insert(slices.Clone(reqs), n, ask(offeredBriefly))
	}
	return reqs
}

// needsRegisters reports whether what r asks for depends on the description.
func (r *request) needsRegisters() bool {
	switch r.payload[0] {
	case 'g', 'G', 'p', 'P':
		return true
	}
	return strings.HasPrefix(r.payload, "qXfer:features")
}
