package engine

import (
	"context"
	"fmt"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/targets"
	"dap-windbg/targets/fake"
)

// doubled is a machine some of whose memory lies at two addresses.
type doubled struct{ *fake.Target }

func (d doubled) Info() targets.Info {
	in := d.Target.Info()
	in.Machine = true
	return in
}

// otherwhere is where the memory at fake.DemoData lies too.
const otherwhere = arch.Addr(0x900000)

func (d doubled) Do(ctx context.Context, ops []targets.Op) error {
	for _, op := range ops {
		if r, ok := op.(*targets.MemoryRead); ok && r.Addr >= otherwhere && r.Addr < otherwhere+fake.DemoPage {
			r.Addr -= otherwhere - fake.DemoData
			defer func() { r.Addr += otherwhere - fake.DemoData }()
		}
	}
	return d.Target.Do(ctx, ops)
}

// TestAliases: what is written to a machine's memory, by whatever means, is read anew at
// its other address.
func TestAliases(t *testing.T) {
	s := over(t, doubled{fake.New(fake.Demo("main", 1))}, Options{})
	s.stop()
	s.do(func(ctx context.Context, v *View) error {
		reads := func(want byte) {
			t.Helper()
			p := []byte{0}
			if _, err := v.ReadMemory(ctx, targets.Space{}, otherwhere, p); err != nil || p[0] != want {
				t.Errorf("at the other address: %d, %v; want %d", p[0], err, want)
			}
		}
		reads(0)
		if _, err := v.WriteMemory(ctx, targets.Space{}, fake.DemoData, []byte{1}); err != nil {
			return err
		}
		reads(1)
		if _, err := v.Eval(ctx, nil, fmt.Sprintf("*(char*)%#x = 2", uint64(fake.DemoData)), eval.Options{}); err != nil {
			return err
		}
		reads(2)
		return nil
	})
}
