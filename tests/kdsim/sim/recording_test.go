package sim

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"
)

// recorded is a packet or a run of bytes of a recording.
type recorded struct {
	at    time.Duration
	host  bool
	bytes []byte // of the host, as written; of the target, one packet
}

// recording reads a recording of a live target; the target's bytes are cut into packets.
func recording(t *testing.T, name string) []recorded {
	t.Helper()
	f, err := os.Open("../../../targets/kd/testdata/" + name + ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []recorded
	var rest []byte
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r struct {
			T        float64
			Dir, Hex string
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		b, err := hex.DecodeString(r.Hex)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Duration(r.T * float64(time.Second))
		if r.Dir == "host>target" {
			out = append(out, recorded{at, true, b})
			continue
		}
		rest = append(rest, b...)
		for n := packetLen(rest); n > 0; n = packetLen(rest) {
			out = append(out, recorded{at, false, rest[:n:n]})
			rest = rest[n:]
		}
	}
	return out
}

// packetLen is the length of the packet b begins with, 0 when it is not whole.
func packetLen(b []byte) int {
	if len(b) < 16 {
		return 0
	}
	n := 16
	if b[0] == 0x30 {
		n += int(binary.LittleEndian.Uint16(b[6:])) + 1
	}
	if n > len(b) {
		return 0
	}
	return n
}

// about is a target's packet with what may differ masked: the id of a RESET, which is
// garbage.
func about(p []byte) string {
	kind := binary.LittleEndian.Uint16(p[4:])
	if p[0] == 0x69 && kind == kindReset {
		return "RESET"
	}
	return fmt.Sprintf("%x", p)
}

func text(p []byte) string {
	kind, id := binary.LittleEndian.Uint16(p[4:]), binary.LittleEndian.Uint32(p[8:])
	if p[0] == 0x69 {
		return fmt.Sprintf("control %d id %x", kind, id)
	}
	return fmt.Sprintf("data %d id %x, %d bytes, api %x", kind, id, len(p)-17, binary.LittleEndian.Uint32(p[16:]))
}

// TestRecordings: the transport answers what a host once sent to a live target as
// that did: the same acknowledgements, ids, resends and resets in the same order. The
// payloads are the recording's, for the machine was another. Masked: how often a packet
// was sent before its acknowledgement, and the ids of resets.
func TestRecordings(t *testing.T) {
	for _, name := range []string{"amd64", "i386", "amd64-prompt", "amd64-late"} {
		t.Run(name, func(t *testing.T) { replay(t, recording(t, name)) })
	}
}

// stillTarget is a target whose machine does nothing.
func stillTarget(o Options) *Target {
	o.defaults()
	tg := &Target{o: o}
	tg.rand = newRand(1)
	tg.line = &serial{t: tg}
	tg.c = &computer{booted: true, mem: newPhysical(page)}
	tg.present = true
	tg.line.anew()
	return tg
}

func replay(t *testing.T, events []recorded) {
	tg := stillTarget(Options{AckWait: time.Hour, Retries: 1 << 20})
	start := time.Unix(1_000_000, 0)
	var want, got []string
	var last string
	for _, e := range events {
		if e.host {
			continue
		}
		if a := about(e.bytes); a != last {
			want = append(want, text(e.bytes))
			last = a
		}
	}
	begin := func(p []byte) { // the machine has something to tell
		kind, payload := binary.LittleEndian.Uint16(p[4:]), p[16:len(p)-1]
		if kind == kindState {
			tg.state = payload
		}
		tg.send(kind, payload, func(bool) {
			if kind != kindIO {
				return
			}
			tg.phase = running
			if binary.LittleEndian.Uint32(payload) == 0x3231 {
				tg.phase = asking
				tg.answered = func(kind uint16, _ []byte) bool {
					if kind == kindIO {
						tg.phase = running
					}
					return kind == kindIO
				}
			}
		})
	}
	at := 0
	tg.body = func(data []byte) {
		switch binary.LittleEndian.Uint32(data) {
		case 0x3136, 0x313c, 0x313b, 0x3149:
			tg.phase = running
			return
		}
		for _, e := range events[at:] {
			if !e.host && e.bytes[0] == 0x30 {
				begin(e.bytes)
				return
			}
		}
	}
	sent := func(now time.Time) {
		out, _, err := tg.Run(now)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range out {
			for n := packetLen(b); n > 0; n = packetLen(b) {
				got = append(got, text(b[:n]))
				b = b[n:]
			}
		}
	}
	for i, e := range events {
		at = i
		now := start.Add(e.at)
		if e.host {
			tg.line.put(e.bytes, "")
			sent(now)
			continue
		}
		if e.bytes[0] == 0x30 && tg.phase == running {
			tg.line.(*serial).in = nil
			begin(e.bytes)
			sent(now)
		}
	}
	compare(t, collapse(want), collapse(got))
}

func collapse(l []string) []string {
	var out []string
	for _, s := range l {
		if len(out) == 0 || out[len(out)-1] != s {
			out = append(out, s)
		}
	}
	return out
}

func compare(t *testing.T, want, got []string) {
	t.Helper()
	for i := range max(len(want), len(got)) {
		w, g := "nothing", "nothing"
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g && !(len(w) > 9 && len(g) > 9 && w[:9] == "control 6" && g[:9] == "control 6") {
			t.Fatalf("packet %d of %d: the simulated target sent %s, the live one %s\nbefore: %v", i, len(want), g, w, got[max(0, i-4):min(i, len(got))])
		}
	}
	t.Logf("%d packets as recorded", len(want))
}
