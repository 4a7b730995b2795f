package line

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// recorded is a line that gives what it was told to and keeps what is written.
type recorded struct {
	io.Reader
	bytes.Buffer
}

func (r *recorded) Read(p []byte) (int, error) { return r.Reader.Read(p) }
func (*recorded) Close() error                 { return nil }
func (*recorded) SendBreak() error             { return errors.ErrUnsupported }

func TestTelnet(t *testing.T) {
	for _, tt := range []struct {
		name, in, text, sent string
		breaks               bool
	}{
		{"qemu", "\xff\xfb\x01\xff\xfb\x03\xff\xfb\x00\xff\xfd\x00[0]kdb> \xff\xff!", "[0]kdb> \xff!", "a\xff\xffb\xff\xf3", true},
		{"an option with its value", "\xff\xfa\x18\x01\xff\xff\xff\xf0x", "x", "a\xff\xffb\xff\xf3", true},
		{"no telnet", "[0]kdb> \xff\xfb", "[0]kdb> \xff\xfb", "a\xffb", false},
		{"silence", "", "", "a\xffb", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			far := &recorded{Reader: iotest.OneByteReader(bytes.NewReader([]byte(tt.in)))}
			l := Telnet(far)
			if got, err := io.ReadAll(l); string(got) != tt.text || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			if n, err := l.Write([]byte("a\xffb")); n != 3 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			if err := l.SendBreak(); (err == nil) != tt.breaks || err != nil && !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%v", err)
			}
			if far.String() != tt.sent {
				t.Errorf("sent %q", far.String())
			}
		})
	}
}

func FuzzTelnet(f *testing.F) {
	f.Add([]byte("\xff\xfb\x01x\xff\xfa\xff\xf0\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if got, err := io.ReadAll(Telnet(&recorded{Reader: bytes.NewReader(in)})); len(got) > len(in) || err != nil {
			t.Fatal(len(got), err)
		}
	})
}
