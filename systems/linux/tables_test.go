package linux

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/arch"
)

// glibc runs the program that prints glibc's tables and returns lines by their first word.
func glibc(t *testing.T) map[string][]string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "tables")
	// SIGCHLD may come before the program waits for it; the handler tells all the same.
	if msg, err := exec.Command("gcc", "-O0", "-o", bin, "testdata/tables.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	out, err := exec.Command(bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		lines[kind] = append(lines[kind], rest)
	}
	return lines
}

func TestTables(t *testing.T) {
	lines := glibc(t)
	for _, l := range lines["signal"] {
		num, name, _ := strings.Cut(l, " ")
		n, _ := strconv.Atoi(num)
		s, ok := SignalByNumber(n)
		if name == "SIGPOLL" {
			name = "SIGIO"
		}
		if !ok || s.Name != name || s.Number != n {
			t.Errorf("signal %d is %+v, glibc says %s", n, s, name)
		}
	}
	if len(lines["signal"]) != 31 || len(lines["errno"]) < 120 {
		t.Fatalf("%d signals, %d errors", len(lines["signal"]), len(lines["errno"]))
	}
	for _, l := range lines["errno"] {
		num, rest, _ := strings.Cut(l, " ")
		name, text, _ := strings.Cut(rest, " ")
		n, _ := strconv.Atoi(num)
		if e := Errno(n); e.Name() != name || e.String() != text {
			t.Errorf("error %d is %s %q, glibc says %s %q", n, e.Name(), e, name, text)
		}
		if e, ok := ErrnoByName(name); !ok || int(e) != n {
			t.Errorf("%s is %d, glibc says %d", name, e, n)
		}
	}
	facts := map[string]uint64{}
	for _, l := range lines["fact"] {
		name, v, _ := strings.Cut(l, " ")
		facts[name], _ = strconv.ParseUint(v, 16, 64)
	}
	want := map[string]string{
		"maperr": "SEGV_MAPERR 10", "accerr": fmt.Sprintf("SEGV_ACCERR %x", facts["ro"]), "intdiv": "FPE_INTDIV", "ill": "ILL_ILLOPN",
		"tkill": fmt.Sprintf("SI_TKILL from %x %x", facts["pid"], facts["uid"]),
		"kill":  fmt.Sprintf("SI_USER from %x %x", facts["pid"], facts["uid"]),
		"queue": fmt.Sprintf("SI_QUEUE from %x %x value 123456789abc", facts["pid"], facts["uid"]),
		"child": fmt.Sprintf("CLD_EXITED from %x %x status 9", facts["child"], facts["uid"]),
	}
	for _, l := range lines["siginfo"] {
		name, text, _ := strings.Cut(l, " ")
		raw, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		i, err := ParseSiginfo(raw, binary.LittleEndian, 8)
		if err != nil {
			t.Fatal(err)
		}
		got := i.CodeName()
		if i.Fault && (i.Signal == 11) {
			got += fmt.Sprintf(" %x", uint64(i.Addr))
		}
		if i.Fault && i.Signal != 11 && i.Addr == 0 {
			t.Errorf("%s: no address", name)
		}
		if i.Sent {
			got += fmt.Sprintf(" from %x %x", i.PID, i.UID)
		}
		if i.Value != 0 {
			got += fmt.Sprintf(" value %x", i.Value)
		}
		if i.Status != 0 {
			got += fmt.Sprintf(" status %x", i.Status)
		}
		if got != want[name] {
			t.Errorf("%s: %s, want %s", name, got, want[name])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("no signal came for %v", want)
	}
}

func TestSignalNames(t *testing.T) {
	for name, want := range map[string]int{
		"SIGSEGV": 11, "segv": 11, "av": 11, "dm": 7, "dz": 8, "ii": 4, "bpe": 5, "sse": 5, "cce": 2, "asrt": 6,
		"sig10": 10, "SIG35": 35, "SIGRTMIN": 34, "SIGRTMIN+2": 36, "SIGRTMAX-1": 63, "SIGPOLL": 29, "SIGCLD": 17, "iot": 6,
		"": 0, "sig": 0, "sig0": 0, "sig65": 0, "SIGRTMIN2": 0, "SIGRTMAX+1": 0, "ld": 0,
	} {
		if s, ok := SignalByName(name); s.Number != want || ok != (want != 0) {
			t.Errorf("%q is %d, want %d", name, s.Number, want)
		}
	}
	if s, _ := SignalByNumber(10); s.Code() != "sig10" || !s.Kills() {
		t.Errorf("%+v", s)
	}
	if s, _ := SignalByNumber(11); s.Code() != "av" {
		t.Errorf("%+v", s)
	}
	if s, _ := SignalByNumber(17); s.Kills() || s.Stop {
		t.Errorf("%+v", s)
	}
}

// TestSiginfo32 decodes what a 32-bit process gets, whose union lies closer.
func TestSiginfo32(t *testing.T) {
	raw := make([]byte, 128)
	for i, v := range []uint32{11, 0, 2, 0x8048000} {
		binary.LittleEndian.PutUint32(raw[4*i:], v)
	}
	i, err := ParseSiginfo(raw, binary.LittleEndian, 4)
	if err != nil || !i.Fault || i.Addr != 0x8048000 || i.CodeName() != "SEGV_ACCERR" {
		t.Errorf("%+v, %v", i, err)
	}
	if d := New().SignalDetail(raw); d != "SEGV_ACCERR" {
		t.Errorf("detail %q", d)
	}
	if d := New().SignalDetail(nil); d != "" {
		t.Errorf("detail %q of nothing", d)
	}
	if _, err := ParseSiginfo(raw[:11], binary.LittleEndian, 4); err == nil {
		t.Error("11 bytes are no siginfo")
	}
	if i, err := ParseSiginfo(raw[:14], binary.LittleEndian, 8); err != nil || i.Addr != 0 {
		t.Errorf("%+v, %v", i, err)
	}
}

func TestThreadPointer(t *testing.T) {
	r := arch.NewRegisters(arch.AMD64.DefaultSet())
	if _, ok := ThreadPointer(r); ok {
		t.Error("an unknown register gives a thread pointer")
	}
	r.PutName("fs_base", 0x1000)
	if tp, ok := ThreadPointer(r); !ok || tp != 0x1000 {
		t.Errorf("%x", tp)
	}
}

func FuzzSiginfo(f *testing.F) {
	f.Add([]byte("\x0b\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, size := range []int{4, 8} {
			if i, err := ParseSiginfo(raw, binary.LittleEndian, size); err == nil {
				_, _ = i.CodeName(), i.CodeText()
			}
			ParseAuxv(raw, binary.LittleEndian, size)
		}
	})
}
