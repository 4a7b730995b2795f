package kd

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// chunk is one record of a recording.
type chunk struct {
	out  bool // host to target
	data []byte
}

func recording(t testing.TB, name string) []chunk {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []chunk
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var r struct{ Dir, Hex string }
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Dir == "note" {
			continue
		}
		data, err := hex.DecodeString(r.Hex)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, chunk{r.Dir == "host>target", data})
	}
	return out
}

// message is one packet or break-in of a recording, in order.
type message struct {
	out     bool
	breakIn bool
	bad     bool
	packet  packet
	raw     []byte
}

var (
	cutOnce sync.Mutex
	cut     = map[string][]message{}
)

// messages cuts a recording into packets. Direction streams are independent.
// The result is shared and must not be changed.
func messages(t testing.TB, name string) []message {
	cutOnce.Lock()
	defer cutOnce.Unlock()
	if cut[name] == nil {
		cut[name] = cutUp(t, name)
	}
	return cut[name]
}

// push gives one byte to a receiver.
func push(r *receiver, b byte) (p packet, ok, bad bool, raw []byte) {
	r.push([]byte{b})
	p, raw, v := r.next(false)
	return p, v == whole, v == damaged, raw
}

func cutUp(t testing.TB, name string) []message {
	rx := [2]receiver{}
	for i := range rx {
		rx[i].lines.mode = NewlinesOff
	}
	var out []message
	for _, c := range recording(t, name) {
		i := 0
		if c.out {
			i = 1
		}
		for _, b := range c.data {
			if c.out && b == breakIn && !rx[i].busy() {
				out = append(out, message{out: true, breakIn: true, raw: []byte{b}})
				continue
			}
			if p, ok, bad, raw := push(&rx[i], b); ok || bad {
				out = append(out, message{out: c.out, bad: bad, packet: p, raw: raw})
			}
		}
	}
	return out
}

// TestFraming decodes every recording and encodes it again.
func TestFraming(t *testing.T) {
	for _, tt := range []struct {
		name      string
		packets   int // of the target, at least
		bad       int // damaged on purpose, from the host; one more is well framed and too short
		badTarget int // damaged by the overloaded line
	}{
		{"amd64", 540, 2, 0}, {"i386", 300, 2, 0}, {"amd64-prompt", 130, 0, 0}, {"amd64-late", 20, 0, 0}, {"amd64-stock-loaded", 450, 2, 0},
	} {
		var good, badOut, badIn int
		for _, m := range messages(t, tt.name) {
			switch {
			case m.bad && m.out:
				badOut++
			case m.bad:
				badIn++
			case m.breakIn:
			default:
				if !m.out {
					good++
				}
				if again := m.packet.encode(); !bytes.HasSuffix(m.raw, again) {
					t.Errorf("%s: % x is encoded as % x", tt.name, m.raw, again)
				}
			}
		}
		if good < tt.packets || badOut != tt.bad || badIn != tt.badTarget {
			t.Errorf("%s: %d packets, %d bad to and %d bad from the target", tt.name, good, badOut, badIn)
		}
	}
}

// TestGoldenFrames checks frames computed by hand.
func TestGoldenFrames(t *testing.T) {
	for _, tt := range []struct {
		p    packet
		want string
	}{
		{packet{control: true, kind: typeAcknowledge, id: firstID}, "69696969040000000000808000000000"},
		{packet{control: true, kind: typeResend}, "69696969050000000000000000000000"},
		{packet{kind: typeManipulate, id: firstID, data: manipulate(apiGetVersion, 0)}, "3030303002003800000080807b0000004631000000000000030100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000aa"},
		{packet{kind: typeDebugIO, id: firstID + 1, data: []byte("\x30\x32\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00Hi\r\n\n")}, "3030303003001500010080803901000030320000000000000500000000000000" + "48690d0a0aaa"},
	} {
		if got := hex.EncodeToString(tt.p.encode()); got != tt.want {
			t.Errorf("%+v\n%s\n%s", tt.p, got, tt.want)
		}
	}
}

// FuzzReceiver: whatever comes, a packet told as good is good, and one sent
// after silence is found.
func FuzzReceiver(f *testing.F) {
	f.Add(packet{kind: typeDebugIO, id: firstID, data: []byte("0000")}.encode())
	f.Add([]byte("iiii0000bbbb"))
	f.Add([]byte("0000\x02\x00\xff\xff"))
	f.Fuzz(func(t *testing.T, noise []byte) {
		var r receiver
		for _, b := range noise {
			p, ok, _, _ := push(&r, b)
			if ok && (len(p.data) > maxPayload || p.control && len(p.data) > 0) {
				t.Fatalf("%+v", p)
			}
			if len(r.buf) > 4*(maxPayload+headerLen) {
				t.Fatalf("%d bytes are kept", len(r.buf))
			}
			if ok && !p.control {
				parse(p.data)
			}
		}
		for {
			if _, _, v := r.next(true); v == unfinished {
				break
			}
		}
		r.drop()
		found := false
		for _, b := range (packet{kind: typeManipulate, id: firstID, data: noise[:min(len(noise), maxPayload)]}).encode() {
			_, ok, _, _ := push(&r, b)
			found = found || ok
		}
		if !found {
			t.Fatal("a good packet was not found")
		}
	})
}

// parse gives data to every parser.
func parse(data []byte) {
	if s, ok := parseState(data); ok {
		s.same(s)
	}
	v := parseVersion(data)
	if v.machine != nil {
		v.machine.registers(data)
	}
}
