package windbg

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"dap-windbg/targets"
)

// kdbConsole is a stage whose far end is kdb's console; it keeps what is typed there.
type kdbConsole struct {
	*stage
	typed []string
}

func (k *kdbConsole) Info() targets.Info {
	in := k.stage.Info()
	in.Stub = kdbStub
	return in
}

func (k *kdbConsole) Command(_ context.Context, line string) (string, targets.Effect, error) {
	k.typed = append(k.typed, line)
	return "kdb has " + line + "\n", targets.Effect{}, nil
}

// TestKDBWords: over kdb's console a whole word of ours goes first, then a whole word
// of kdb's, then what begins with a command of ours.
func TestKDBWords(t *testing.T) {
	k := &kdbConsole{stage: newStage()}
	h := &stageHost{}
	t.Cleanup(h.over(k))
	i := New(Options{Host: h, Version: "1.0"})
	for _, c := range []struct {
		line string
		kdb  string // what kdb is given, "" nothing
	}{
		{"rd", "rd"},
		{"md 0x1000", "md 0x1000"},
		{"md8c2 0x1000", "md8c2 0x1000"},
		{"mdr 0x1000 8", "mdr 0x1000 8"},
		{"mm4 0x1000 0", "mm4 0x1000 0"},
		{"ps A", "ps A"},
		{"-summary", "-summary"},
		{"set LINES=50", "set LINES=50"},
		{"lsmod", "lsmod"},
		{"dmesg 5", "dmesg 5"},
		{"cpu 1", "cpu 1"},
		{"!kdb bl", "bl"},
		{"!kdb bp 0x1000", "bp 0x1000"},
		{"bl", ""},             // the one table is ours
		{"bp orders!main", ""}, // and so is what is put in it
		{"bc *", ""},
		{"r", ""},
		{"lm", ""},
		{"dd 0x1000 L1", ""},
		{"rip", ""}, // neither's: r begins it
		{"k", ""},
		{"ss", ""}, // these run as g and t do
		{"go", ""},
	} {
		k.typed = nil
		var out bytes.Buffer
		i.Exec(context.Background(), c.line, &out)
		var want []string
		if c.kdb != "" {
			want = []string{c.kdb}
		}
		if !slices.Equal(k.typed, want) || c.kdb != "" && !strings.Contains(out.String(), "kdb has "+c.kdb+"\n") {
			t.Errorf("%s: kdb was given %q, and the window says %q", c.line, k.typed, out.String())
		}
	}
	i2, _ := play(t)
	var out bytes.Buffer
	i2.Exec(context.Background(), "rd", &out)
	if strings.Contains(out.String(), "kdb has") {
		t.Errorf("without kdb its words are none: %q", out.String())
	}
}
