package linuxkernel

import (
	"context"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

var symbolsKey = symbols.Key{Path: KernelName, Name: KernelName}

// strings is a World whose memory has texts.
type texts map[arch.Addr]string

func (texts) Target() targets.Target             { return nil }
func (texts) Address(string) (arch.Addr, error)  { return 0, &SymbolError{} }
func (texts) Type(string) (*symbols.Type, error) { return nil, &FieldError{} }
func (m texts) ReadMemory(_ context.Context, a arch.Addr, p []byte) (int, error) {
	for at, text := range m {
		if a >= at && a < at+arch.Addr(len(text)+256) {
			clear(p)
			if i := int(a - at); i < len(text) {
				copy(p, text[i:])
			}
			return len(p), nil
		}
	}
	return 0, &targets.FaultError{Addr: a}
}

var _ systems.World = texts{}

// TestPanicText: what panic is about to print, put together of its registers.
func TestPanicText(t *testing.T) {
	for _, c := range []struct {
		format string
		args   []uint64
		want   string
	}{
		{"sysrq triggered crash\n", nil, "sysrq triggered crash"},
		{"Attempted to kill init! exitcode=0x%08x\n", []uint64{0xffffffff00000009}, "Attempted to kill init! exitcode=0x9"},
		{"VFS: Unable to mount root fs on %s, %d of %lu%%", []uint64{0x5000, 0xffffffff, 1 << 40}, "VFS: Unable to mount root fs on a name, -1 of 1099511627776%"},
		{"%pB and %s %s %s %s %s", []uint64{0x10, 0x5000, 0x5000, 0x5000, 0x5000}, "10B and a name a name a name a name %s"},
		{"50% of it %", nil, "50% of it %"},
	} {
		regs := arch.NewRegisters(arch.AMD64.DefaultSet())
		regs.PutName("rdi", 0x1000)
		for i, v := range c.args {
			regs.PutName(arguments[i], v)
		}
		got, err := New(Options{}).Last(context.Background(), texts{0x1000: c.format, 0x5000: "a name"}, "panic", regs)
		if want := "Kernel panic - not syncing: " + c.want; got != want || err != nil {
			t.Errorf("%q: %q, %v", c.format, got, err)
		}
	}
}

// TestRestartedBuild: another build's banner where the kernel's was is another machine.
func TestRestartedBuild(t *testing.T) {
	const was = "Linux version 6.1.0 (somebody@somewhere) #1 SMP Monday"
	for now, want := range map[string]bool{was + "\n": false, "Linux version 6.1.0 (somebody@somewhere) #2 SMP Tuesday\n": true, "Linux v": true, "": true} {
		s := New(Options{})
		s.kernel = &Kernel{bannerAt: 0x1000, Banner: was}
		got, err := s.Restarted(context.Background(), texts{0x1000: now}, arch.NewRegisters(arch.AMD64.DefaultSet()))
		if got != want || err != nil {
			t.Errorf("%q: %v, %v", now, got, err)
		}
		s.kernel.buildIDAt, s.kernel.BuildID = 0x5000, []byte("an id")
		for id, want := range map[string]bool{"an id": false, "an ix": true} {
			if got, err := s.Restarted(context.Background(), texts{0x1000: was, 0x5000: id}, arch.NewRegisters(arch.AMD64.DefaultSet())); got != want || err != nil {
				t.Errorf("build-id %q: %v, %v", id, got, err)
			}
		}
	}
}
