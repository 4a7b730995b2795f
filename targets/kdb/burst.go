package kdb

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// A kernel that has kdb has kgdb as well, which tells memory three times as fast and
// with checksums. A burst changes over to it, asks, and comes back
// (kernel/debug/gdbstub.c and kernel/debug/kdb/kdb_io.c, kgdb_transition_check).

const (
	hello = "$?#3f"
	// burstChunk is what one packet asks for, bytes: the buffer of the stub has 1024
	// bytes (BUFMAX), two digits a byte, and it checks nothing.
	burstChunk = 448
	// burstFrom is from how many bytes on changing over pays.
	burstFrom = 512
	burstMax  = 64 // packets
)

// burst is a number of questions, and where their answers stand.
type burst struct {
	ask     []string
	answers []string
	phase   burstPhase
	acked   bool
	resent  int
	failed  bool // the stub never answered
}

type burstPhase uint8

const (
	changing burstPhase = iota // the stub has not answered yet
	asking
	leaving
)

var errNoBurst = errors.New("kgdb does not answer")

func packet(payload string) string {
	sum := byte(0)
	for i := range len(payload) {
		sum += payload[i]
	}
	return fmt.Sprintf("$%s#%02x", payload, sum)
}

// packets takes what came during a burst.
func (c *console) packets() {
	b, done := c.cur.burst, 0 // done: what has been dealt with
	for i := 0; i < len(c.buf); i++ {
		switch c.buf[i] {
		case '+':
			b.acked, done = true, i+1
		case '-':
			if done = i + 1; b.phase != leaving {
				c.question()
			}
		case '$':
			end := i + 1
			for end < len(c.buf) && c.buf[end] != '#' && c.buf[end] != '$' {
				end++
			}
			if end+3 > len(c.buf) && (end == len(c.buf) || c.buf[end] == '#') {
				c.buf = c.buf[i:]
				c.await(c.silence / 4)
				return // the rest is to come
			}
			if c.buf[end] == '$' {
				i = end - 1
				continue
			}
			text := string(c.buf[i+1 : end])
			good := packet(text) == string(c.buf[i:end+3])
			i = end + 2
			done = i + 1
			c.answered(good, text)
		}
	}
	if b.phase == leaving && promptAtEnd().Match(c.buf) {
		m := promptAtEnd().FindSubmatch(c.buf)
		c.cpu, _ = strconv.Atoi(string(m[1]))
		c.atPrompt, c.buf = true, c.buf[:0]
		if b.failed {
			c.finish("", errNoBurst)
		} else {
			c.finish("", nil)
		}
		return
	}
	if b.phase == leaving {
		c.buf = c.buf[done:]
		c.await(c.silence / 4)
		return
	}
	c.buf = c.buf[:0]
	c.await(c.silence / 4)
}

// answered takes a packet.
func (c *console) answered(good bool, text string) {
	b := c.cur.burst
	switch {
	case text == "?": // our own, shown by kdb
		return
	case !good:
		c.write("-")
		return
	case b.phase == leaving:
		c.write("+")
		return
	case b.phase == changing && text == "":
		c.write("+" + hello)
		return
	case b.phase == changing:
		b.phase = asking
		c.write("+")
	case !b.acked: // the last answer once more
		c.write("+")
		return
	default:
		b.answers = append(b.answers, text)
		c.write("+")
	}
	b.resent = 0
	c.question()
}

// question sends the next one, in the end the wish to return.
func (c *console) question() {
	b := c.cur.burst
	b.acked = false
	switch {
	case b.phase == changing:
		c.write(hello)
	case len(b.answers) < len(b.ask) && !c.cur.gone.Load():
		c.write(packet(b.ask[len(b.answers)]))
	default:
		b.phase = leaving
		c.write(toKDB)
	}
}

// unheard: nothing came for a while in a burst.
func (c *console) unheard() {
	b := c.cur.burst
	switch b.resent++; {
	case b.resent > 3*maxNudges:
		c.atPrompt = true
		c.finish("", errNoBurst)
		return
	case b.phase == changing && b.resent > 2: // it stays with kdb: the line is ended
		b.phase, b.failed = leaving, true
		c.write(nudge)
	case b.phase == leaving && b.resent%2 == 0:
		c.write(nudge)
	case b.acked && b.resent%2 == 1:
		c.write("-")
	default:
		c.question()
	}
	c.await(c.silence / 4)
}

// readBurst reads memory by kgdb: how much of p is good, and whether that is all
// there is to say.
func (t *Target) readBurst(ctx context.Context, addr arch.Addr, p []byte) (n int, ok bool, err error) {
	for n < len(p) {
		b := &burst{}
		for at := n; at < len(p) && len(b.ask) < burstMax; at += burstChunk {
			b.ask = append(b.ask, fmt.Sprintf("m%x,%x", uint64(addr)+uint64(at), min(burstChunk, len(p)-at)))
		}
		if there, err := t.askBurst(ctx, b); err != nil || !there {
			return n, false, err
		}
		for _, a := range b.answers {
			want := min(burstChunk, len(p)-n)
			data, err := hex.DecodeString(a)
			if err != nil || len(data) != want {
				return n, false, nil // an error: the text console tells where
			}
			n += copy(p[n:], data)
		}
		if len(b.answers) < len(b.ask) {
			return n, false, targets.ErrGone
		}
	}
	return n, true, nil
}

// askBurst asks kgdb; there is false where none answers, which is asked no more.
func (t *Target) askBurst(ctx context.Context, b *burst) (there bool, err error) {
	c := &typed{line: "", burst: b}
	_, err = t.c.run(ctx, c)
	t.mu.Lock()
	defer t.mu.Unlock()
	if errors.Is(err, errNoBurst) {
		t.slow = true
		return false, nil
	}
	if err != nil {
		return false, err
	}
	t.cpu = c.cpu
	return true, nil
}

// packed is how the stub's g tells registers: names, and digits of each (dbg_reg_def in
// arch/x86/kernel/kgdb.c).
var packed = []struct {
	digits int
	names  []string
}{
	{16, []string{"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip"}},
	{8, []string{"eflags", "cs", "ss"}},
}

// parsePacked reads an answer to g.
func parsePacked(set *arch.Set, digits string) (*arch.Registers, bool) {
	raw, err := hex.DecodeString(digits)
	r := arch.NewRegisters(set)
	r.Interrupted = true
	for _, part := range packed {
		for _, name := range part.names {
			n := part.digits / 2
			if err != nil || len(raw) < n {
				return nil, false
			}
			var word [8]byte
			copy(word[:], raw[:n])
			if i, ok := set.Index(name); ok {
				r.SetUint(i, binary.LittleEndian.Uint64(word[:]))
			}
			raw = raw[n:]
		}
	}
	return r, true
}

// shadowThread is what the stub calls what runs on processor 0; it counts down from there.
const shadowThread = 0xfffffffe

// otherRegisters are those of a processor that is not the console's current one, by kgdb.
// kdb would have to be switched over to it, which has effects: where it has a step to tell
// of and another has come to a breakpoint, kdb drops the step and lets the kernel run
// (kdb_stub, KDB_STATE_SSBPT).
func (t *Target) otherRegisters(ctx context.Context, cpu int) (r *arch.Registers, ok bool, err error) {
	b := &burst{ask: []string{fmt.Sprintf("Hg%x", shadowThread-cpu), "g"}}
	if there, err := t.askBurst(ctx, b); err != nil || !there {
		return nil, false, err
	}
	if len(b.answers) != 2 || b.answers[0] != "OK" {
		return nil, false, nil
	}
	r, ok = parsePacked(t.set, b.answers[1])
	return r, ok, nil
}
