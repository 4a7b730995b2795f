package rsp

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"dap-windbg/targets"
)

// trapCodes are the types of Z and z packets.
var trapCodes = [...]byte{targets.Software: '0', targets.Hardware: '1', targets.OnWrite: '2', targets.OnRead: '3', targets.OnAccess: '4'}

// key is the trap's identity: all but its condition, which a map cannot hold.
func key(t targets.Trap) trapKey {
	return trapKey{t.Kind, t.Space, uint64(t.Addr), t.Size}
}

type trapKey struct {
	kind  targets.TrapKind
	space targets.Space
	addr  uint64
	size  int
}

// packet is the request for a trap; kind is the size of the instruction or datum.
func (t *Target) trapPacket(verb byte, trap targets.Trap) *request {
	size := trap.Size
	if size == 0 {
		size = 1
		if trap.Kind == targets.Software || trap.Kind == targets.Hardware {
			size = max(1, len(t.info.Load().Set.Arch.Break))
		}
	}
	r := ask("%c%c,%x,%x", verb, trapCodes[trap.Kind], uint64(trap.Addr), size)
	if verb == 'Z' && len(trap.Condition) > 0 {
		r.payload += fmt.Sprintf(";X%x,%x", len(trap.Condition), trap.Condition)
	}
	return r
}

// mayTrap says why a trap cannot be planted, before asking.
func (t *Target) mayTrap(trap targets.Trap) error {
	c := t.c
	switch {
	case int(trap.Kind) >= len(trapCodes):
		return errors.ErrUnsupported
	case trap.Space.Physical, trap.Space.Root != 0:
		return errors.ErrUnsupported
	case len(trap.Condition) > 0 && !c.feature("ConditionalBreakpoints"):
		return fmt.Errorf("conditions at the far end: %w", errors.ErrUnsupported)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.noTrap[trap.Kind] {
		return errors.ErrUnsupported
	}
	return nil
}

// planting returns the request for a trap, nil when it stands already.
func (t *Target) planting(trap targets.Trap) (*request, error) {
	if err := t.mayTrap(trap); err != nil {
		return nil, err
	}
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	if was, ok := t.traps[key(trap)]; ok && bytes.Equal(was.Condition, trap.Condition) {
		return nil, nil
	}
	r := t.trapPacket('Z', trap)
	trap.Condition = bytes.Clone(trap.Condition)
	r.got = func(reply []byte) { // a stop may be the next that comes
		if string(reply) == "OK" {
			t.traps[key(trap)] = trap
		} else if len(reply) == 0 {
			t.c.noTrap[trap.Kind] = true
		}
	}
	return r, nil
}

// planted tells what the reply to planting means.
func (t *Target) planted(trap targets.Trap, r *request) error {
	switch {
	case string(r.reply) == "OK":
		return nil
	case len(r.reply) == 0:
		return errors.ErrUnsupported
	case isError(r.reply):
		e := refusal(fmt.Sprintf("setting a trap at 0x%x", uint64(trap.Addr)), r.reply)
		if t.c.line != nil {
			kgdbRefusal(e, string(r.reply))
			return e
		}
		if trap.Kind != targets.Software {
			e.Fix = "The CPU has few debug registers; remove another hardware or data breakpoint."
		}
		return e
	}
	return &targets.ProtocolError{Op: "setting a trap", Sent: r.payload, Got: string(r.reply)}
}

// lifting returns the request that lifts a trap, nil when it is not there. The
// trap counts as gone from then on, whatever the far end says.
func (t *Target) lifting(trap targets.Trap) *request {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	if _, ok := t.traps[key(trap)]; !ok {
		return nil
	}
	delete(t.traps, key(trap))
	return t.trapPacket('z', trap)
}

func (p *plan) setTrap(trap targets.Trap, done func(error)) {
	r, err := p.t.planting(trap)
	if r == nil {
		done(err)
		return
	}
	p.inProcess(trap)
	p.reqs = append(p.reqs, r)
	p.then(func(*plan) { done(p.t.planted(trap, r)) })
}

func (p *plan) clearTrap(trap targets.Trap, done func(error)) {
	r := p.t.lifting(trap)
	if r == nil {
		return
	}
	p.inProcess(trap)
	p.reqs = append(p.reqs, r)
	p.then(func(*plan) {
		if isError(r.reply) {
			done(refusal(fmt.Sprintf("lifting the trap at 0x%x", uint64(trap.Addr)), r.reply))
		}
	})
}

// inProcess makes Z and z concern the right process: far ends with several plant
// in that of the general thread.
func (p *plan) inProcess(trap targets.Trap) {
	in := p.t.info.Load()
	pid := in.pid
	if p.general == (threadID{}) && p.t.alone() && trap.Space.Process == 0 {
		return
	}
	if trap.Space.Process != 0 {
		pid = trap.Space.Process
	}
	if in.Machine || pid == 0 || p.general.process == pid {
		return
	}
	id := p.t.someThread()
	if id.process != pid {
		id = threadID{pid, 0}
	}
	p.speakOf(id)
}

// allTraps lists what is planted; c.mu is held.
func (t *Target) allTraps() []targets.Trap { return sortedTraps(t.traps) }

func sortedTraps(traps map[trapKey]targets.Trap) []targets.Trap {
	var out []targets.Trap
	for _, s := range traps {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b targets.Trap) int {
		return cmp.Or(cmp.Compare(a.Addr, b.Addr), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Size, b.Size))
	})
	return out
}
