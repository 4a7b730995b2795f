package kd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// TestDamage: every kind of damage on the line ends as a clean one does.
func TestDamage(t *testing.T) {
	flip := func(every int) func(int, []byte) []byte {
		return func(n int, p []byte) []byte {
			if n%every == 0 && len(p) > 20 {
				p[len(p)/2] ^= 0x40
			}
			return p
		}
	}
	for name, damage := range map[string]func(int, []byte) []byte{
		"flipped bits": flip(3),
		"lost bytes": func(n int, p []byte) []byte {
			if n%4 == 0 && len(p) > 20 {
				return p[:len(p)-7]
			}
			return p
		},
		"noise": func(n int, p []byte) []byte { return append([]byte("00i0\r\nbb"), p...) },
		"doubled": func(n int, p []byte) []byte {
			if len(p) > 20 {
				return append(p, p...)
			}
			return p
		},
		"lost acknowledgements": func(n int, p []byte) []byte {
			if n%5 == 0 && len(p) == 16 {
				return nil
			}
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFarEnd(t, "amd64", 0, false)
			f.mu.Lock()
			f.damage = damage
			f.mu.Unlock()
			k := connect(t, f, Options{Gap: 5 * time.Millisecond, Ack: 30 * time.Millisecond, Reply: time.Second})
			ctx := patience(t)
			s := stop(t, k)
			for i := range 20 {
				p := make([]byte, 100)
				if _, err := k.ReadMemory(ctx, targets.Space{}, recordings[0].base+arch.Addr(i), p); err != nil {
					t.Fatal(err)
				}
				if want := f.p.memory[uint64(recordings[0].base)+uint64(i)]; p[0] != want {
					t.Fatalf("read %d: %x instead of %x", i, p[0], want)
				}
			}
			if _, err := k.Registers(ctx, s.Thread); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestOutOfStep: a target whose ids went astray answers nothing to the point; a
// reset brings both sides together.
func TestOutOfStep(t *testing.T) {
	f := newFarEnd(t, "i386", 0, false)
	k := connect(t, f, Options{Reply: 400 * time.Millisecond})
	stop(t, k)
	f.mu.Lock()
	f.next ^= 1
	f.mu.Unlock()
	p := make([]byte, 2)
	if _, err := k.ReadMemory(patience(t), targets.Space{}, recordings[1].base, p); err != nil || string(p) != "MZ" {
		t.Errorf("%q %v", p, err)
	}
}

// TestHopeless: a line that damages every packet in the same way ends the request
// with what is wrong, not in a loop; and when it is mended the session goes on.
func TestHopeless(t *testing.T) {
	f := newFarEnd(t, "i386", 0, false)
	var told []string
	k := connect(t, f, Options{Ack: 300 * time.Millisecond, Quiet: time.Millisecond, Retries: 8, Limit: 2 * time.Second, Reply: 300 * time.Millisecond, Told: func(s string) { told = append(told, s) }})
	stop(t, k)
	f.mu.Lock()
	f.damage = func(_ int, p []byte) []byte { return bytes.ReplaceAll(append(p, 0x0a), []byte{0xaa}, []byte{0x0d}) }
	f.mu.Unlock()
	_, err := k.Registers(patience(t), targets.ThreadID{Thread: 1})
	var silent *SilentError
	if !errors.As(err, &silent) || !silent.Damaged || !strings.Contains(silent.Hint(), "CR LF") {
		t.Errorf("%v", err)
	}
	f.mu.Lock()
	f.damage = nil
	f.mu.Unlock()
	if _, err := k.Registers(patience(t), targets.ThreadID{Thread: 1}); err != nil {
		t.Error(err)
	}
	k.Close(context.Background(), targets.Leave)
	if text := strings.Join(told, "\n"); !strings.Contains(text, "damaged in the same way each time") {
		t.Errorf("told %q", text)
	}
}

// TestCancel: a read given up leaves the line in step.
func TestCancel(t *testing.T) {
	f := newFarEnd(t, "amd64", 0, false)
	k := connect(t, f, Options{Ack: 20 * time.Millisecond})
	stop(t, k)
	f.mu.Lock()
	f.silent = true
	f.mu.Unlock()
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	p := make([]byte, 2)
	if _, err := k.ReadMemory(gone, targets.Space{}, recordings[0].base, p); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	f.mu.Lock()
	f.silent = false
	f.mu.Unlock()
	if _, err := k.ReadMemory(patience(t), targets.Space{}, recordings[0].base, p); err != nil || string(p) != "MZ" {
		t.Errorf("%q %v", p, err)
	}
}

// TestSilence: a target that says nothing ends connecting in time, with a hint.
func TestSilence(t *testing.T) {
	f := newFarEnd(t, "amd64", 0, true)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := Connect(ctx, f, Options{Poke: 10 * time.Millisecond})
	var w *WaitError
	if !errors.As(err, &w) || w.Hint() == "" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// TestLost: the line goes in the middle of a session.
func TestLost(t *testing.T) {
	f := newFarEnd(t, "i386", 0, false)
	k := connect(t, f, Options{})
	stop(t, k)
	f.Close()
	for e := range k.Events() {
		if g, ok := e.(targets.Gone); ok && g.Err == nil {
			t.Error("no reason is given")
		}
	}
	if _, err := k.Registers(patience(t), targets.ThreadID{Thread: 1}); !errors.Is(err, targets.ErrGone) {
		t.Errorf("%v", err)
	}
}

// TestTerminalLine: a line that writes CR LF for LF damages the same packets in
// the same way for ever; it is found out and undone.
func TestTerminalLine(t *testing.T) {
	mangle := func(_ int, p []byte) []byte { return bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n")) }
	for _, mode := range []Newlines{NewlinesAuto, NewlinesFix} {
		f := newFarEnd(t, "amd64", 0, true)
		f.damage = mangle
		f.running = false
		for _, g := range f.p.greeting {
			f.send(typeDebugIO, g)
		}
		f.arrive(0)
		k := connect(t, f, Options{Newlines: mode, Gap: 20 * time.Millisecond})
		var text string
		for e := range k.Events() {
			if o, ok := e.(targets.Output); ok {
				text += o.Text
				continue
			}
			break
		}
		if want := string(f.p.greeting[0][16:]); !strings.HasPrefix(text, want) {
			t.Errorf("mode %d: the banner begins %.60q", mode, text)
		}
		p := make([]byte, 1024)
		if _, err := k.ReadMemory(patience(t), targets.Space{}, recordings[0].base, p); err != nil {
			t.Error(err)
		}
		for i, b := range p {
			if b != f.p.memory[uint64(recordings[0].base)+uint64(i)] {
				t.Fatalf("mode %d: byte %d is %x", mode, i, b)
			}
		}
	}
}

// TestUnexpand undoes what one and two terminals do to any text.
func TestUnexpand(t *testing.T) {
	texts, last := []string{""}, []string{""}
	for range 6 {
		var longer []string
		for _, s := range last {
			longer = append(longer, s+"\r", s+"\n", s+"A")
		}
		texts, last = append(texts, longer...), longer
	}
	for _, text := range texts {
		sent := text
		for k := 1; k <= hops; k++ {
			sent = strings.ReplaceAll(sent, "\n", "\r\n")
			got, at := unexpand([]byte(sent+"\xaa"), k)
			if string(got) != text+"\xaa" {
				t.Fatalf("%q after %d terminals became %q", text, k, got)
			}
			if n := at(len(got)); n != len(sent)+1 {
				t.Fatalf("%q takes %d bytes of %d", text, n, len(sent)+1)
			}
		}
	}
	if len(texts) < 1000 {
		t.Errorf("%d texts", len(texts))
	}
}

// TestForeign: what is no target we know ends with the reason.
func TestForeign(t *testing.T) {
	for kind, n := range map[uint16]int{typeStateChange1: 200, typeStateChange: 100} {
		f := newFarEnd(t, "i386", 0, false)
		f.queue, f.out = nil, nil
		f.send(kind, make([]byte, n))
		_, err := Connect(patience(t), f, Options{})
		var p *targets.ProtocolError
		if !errors.As(err, &p) {
			t.Errorf("type %d of %d bytes: %v", kind, n, err)
		}
	}
}

// TestUnknownState: a state change of an unknown kind is a stop all the same.
func TestUnknownState(t *testing.T) {
	f := newFarEnd(t, "i386", 0, false)
	k := connect(t, f, Options{})
	stop(t, k)
	must(t, k.Resume(patience(t), letGo))
	stop(t, k) // a load report
	f.mu.Lock()
	odd := bytes.Clone(f.p.stops[0].state.raw)
	binary.LittleEndian.PutUint32(odd, 0x3077)
	f.send(typeStateChange, odd)
	f.mu.Unlock()
	if s := stop(t, k); s.Reason != targets.Unknown {
		t.Errorf("%+v", s)
	}
}

// FuzzPackets feeds a link with whole packets of any content.
func FuzzPackets(f *testing.F) {
	f.Add(uint16(typeStateChange), make([]byte, stateLen))
	f.Add(uint16(typeDebugIO), binary.LittleEndian.AppendUint32(nil, ioGetString))
	f.Add(uint16(typeFileIO), make([]byte, 64))
	past := remember(f, "amd64-late")
	f.Fuzz(func(t *testing.T, kind uint16, data []byte) {
		far := farEndOf(t, past, 0, false)
		far.send(kind, data[:min(len(data), maxPayload)])
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		k, err := Connect(ctx, far, Options{Ack: 20 * time.Millisecond, Reply: 20 * time.Millisecond, Poke: 20 * time.Millisecond})
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		k.Close(context.Background(), targets.Leave)
	})
}
