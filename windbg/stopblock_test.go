package windbg

import (
	"encoding/hex"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/engine"
)

// TestOperandAddress: where an instruction's memory operand lies. The kernel's per-CPU
// variables are segments' bases and an offset from the next instruction.
func TestOperandAddress(t *testing.T) {
	const pc = 0xffffffff84417b45
	for _, tt := range []struct {
		code string
		want arch.Addr
	}{
		{"658b151416c07b", 0xffff89b30f919160},      // mov edx,gs:[rip+7BC01614h]
		{"65488b042580fb0100", 0xffff89b30f91fb80},  // mov rax,gs:[1FB80h]
		{"8b151416c07b", 0x1915f},                   // mov edx,[rip+7BC01614h]
		{"8b449308", 0x1000 + 4*0x20 + 8},           // mov eax,[rbx+rdx*4+8]
		{"65c6041a01", 0xffff89b30f900000 + 0x1020}, // mov byte ptr gs:[rdx+rbx],1
	} {
		code, err := hex.DecodeString(tt.code)
		if err != nil {
			t.Fatal(err)
		}
		inst, err := arch.AMD64.Decode(code, pc)
		if err != nil {
			t.Fatalf("%s: %v", tt.code, err)
		}
		set := arch.AMD64.DefaultSet()
		r := arch.NewRegisters(set)
		for name, v := range map[string]uint64{"rip": pc, "rbx": 0x1000, "rdx": 0x20, "gs_base": 0xffff89b30f900000} {
			if !r.PutName(name, v) {
				t.Fatalf("no register %s", name)
			}
		}
		if got, ok := operandAddress(engine.Inst{Inst: inst, Addr: pc}, r); !ok || got != tt.want {
			t.Errorf("%s %s: %#x %v, want %#x", inst.Op, inst.Args, uint64(got), ok, uint64(tt.want))
		}
	}
}
