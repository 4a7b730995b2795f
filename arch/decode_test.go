package arch

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecode(t *testing.T) {
	const pc = 0x555555555229
	tests := []struct {
		arch   *Arch
		code   string
		text   string
		kind   Kind
		target Addr
		cond   string
		mem    *Operand
	}{
		{AMD64, "f30f1efa", "endbr64", Other, 0, "", nil},
		{AMD64, "8b45ec", "mov eax,dword ptr [rbp-14h]", Other, 0, "", &Operand{Base: "rbp", Disp: -0x14, Size: 4}},
		{AMD64, "e8d2fdffff", "call 00005555`55555000", Call, 0x555555555000, "", nil},
		{AMD64, "ff1500000000", "call qword ptr [00005555`5555522f]", Call, 0x55555555522f, "", &Operand{Base: "rip", Size: 8}},
		{AMD64, "ffd0", "call rax", Call, 0, "", nil},
		{AMD64, "0f8400000000", "je 00005555`5555522f", CondJump, 0x55555555522f, "e", nil},
		{AMD64, "7ffe", "jg 00005555`55555229", CondJump, pc, "g", nil},
		{AMD64, "e3fe", "jrcxz 00005555`55555229", CondJump, pc, "rcxz", nil},
		{AMD64, "e2fe", "loop 00005555`55555229", CondJump, pc, "loop", nil},
		{AMD64, "ebfe", "jmp 00005555`55555229", Jump, pc, "", nil},
		{AMD64, "c3", "ret", Return, 0, "", nil},
		{AMD64, "f3c3", "rep ret", Return, 0, "", nil},
		{AMD64, "48cf", "iretq", Return, 0, "", nil},
		{AMD64, "0f05", "syscall", Syscall, 0, "", nil},
		{AMD64, "480f07", "sysret", Return, 0, "", nil},
		{AMD64, "cc", "int 3", Trap, 0, "", nil},
		{AMD64, "f1", "int1", Trap, 0, "", nil},
		{AMD64, "cd80", "int 80h", Syscall, 0, "", nil},
		{AMD64, "cd29", "int 29h", Trap, 0, "", nil},
		{AMD64, "0f0b", "ud2", Trap, 0, "", nil},
		{AMD64, "0fb9c0", "ud1 eax,eax", Trap, 0, "", nil},
		{AMD64, "83f8ff", "cmp eax,0FFFFFFFFh", Other, 0, "", nil},
		{AMD64, "4883e4f0", "and rsp,0FFFFFFFFFFFFFFF0h", Other, 0, "", nil},
		{AMD64, "803fff", "cmp byte ptr [rdi],0FFh", Other, 0, "", &Operand{Base: "rdi", Size: 1}},
		{AMD64, "b809000000", "mov eax,9", Other, 0, "", nil},
		{AMD64, "b80a000000", "mov eax,0Ah", Other, 0, "", nil},
		{AMD64, "488d0500000000", "lea rax,[00005555`55555230]", Other, 0x555555555230, "", &Operand{Base: "rip"}},
		{AMD64, "488b34254825a382", "mov rsi,qword ptr [ffffffff`82a32548]", Other, 0xffffffff82a32548, "", &Operand{Disp: -0x7d5cdab8, Size: 8}},
		{AMD64, "48a14825a38200000000", "mov rax,qword ptr [00000000`82a32548]", Other, 0x82a32548, "", &Operand{Disp: 0x82a32548, Size: 8}},
		{AMD64, "67488b04254825a382", "mov rax,qword ptr [00000000`82a32548]", Other, 0x82a32548, "", &Operand{Disp: 0x82a32548, Size: 8}},
		{AMD64, "65ff0511abf37e", "inc dword ptr gs:[5555D448FD41h]", Other, 0, "", &Operand{Seg: "gs", Base: "rip", Disp: 0x7ef3ab11, Size: 4}},
		{AMD64, "c4e27849c0", "tilerelease", Other, 0, "", nil},
		{AMD64, "c4e27b4b0400", "???", Other, 0, "", nil},
		{AMD64, "64488b042528000000", "mov rax,qword ptr fs:[28h]", Other, 0, "", &Operand{Seg: "fs", Disp: 0x28, Size: 8}},
		{AMD64, "488b448808", "mov rax,qword ptr [rax+rcx*4+8]", Other, 0, "", &Operand{Base: "rax", Index: "rcx", Scale: 4, Disp: 8, Size: 8}},
		{AMD64, "f348ab", "rep stos qword ptr [rdi]", Other, 0, "", &Operand{Seg: "es", Base: "rdi", Size: 8}},
		{AMD64, "f3a4", "rep movs byte ptr [rdi],byte ptr [rsi]", Other, 0, "", &Operand{Seg: "es", Base: "rdi", Size: 1}},
		{AMD64, "f0480fb10f", "lock cmpxchg qword ptr [rdi],rcx", Other, 0, "", &Operand{Base: "rdi", Size: 8}},
		{AMD64, "0f1f440000", "nop dword ptr [rax+rax]", Other, 0, "", nil},
		{AMD64, "6690", "xchg ax,ax", Other, 0, "", nil},
		{AMD64, "c5f877", "vzeroupper", Other, 0, "", nil},
		{AMD64, "c5fc77", "vzeroall", Other, 0, "", nil},
		{AMD64, "0f01ca", "clac", Other, 0, "", nil},
		{AMD64, "0f01cb", "stac", Other, 0, "", nil},
		{AMD64, "0f01ee", "rdpkru", Other, 0, "", nil},
		{AMD64, "0f01d9", "vmmcall", Other, 0, "", nil},
		{AMD64, "f30f01d9", "vmgexit", Other, 0, "", nil},
		{AMD64, "0f01e8", "serialize", Other, 0, "", nil},
		{AMD64, "f3480faee8", "incsspq rax", Other, 0, "", nil},
		{AMD64, "f30f1ec8", "rdsspd eax", Other, 0, "", nil},
		{AMD64, "480fc7f8", "rdseed rax", Other, 0, "", nil},
		{AMD64, "660f388208", "invpcid rcx,xmmword ptr [rax]", Other, 0, "", &Operand{Base: "rax", Size: 16}},
		{AMD64, "660fae37", "clwb [rdi]", Other, 0, "", &Operand{Base: "rdi"}},
		{AMD64, "8fe878a3ca10", "???", Other, 0, "", nil},
		{AMD64, "3effe0", "notrack jmp rax", Jump, 0, "", nil},
		{AMD64, "d8c0", "fadd st,st(0)", Other, 0, "", nil},
		{AMD64, "dbef", "fucomi st,st(7)", Other, 0, "", nil},
		{AMD64, "db6c2418", "fld tbyte ptr [rsp+18h]", Other, 0, "", &Operand{Base: "rsp", Disp: 0x18, Size: 10}},
		{AMD64, "c5fd6f0d00000000", "vmovdqa ymm1,ymmword ptr [00005555`55555231]", Other, 0x555555555231, "", &Operand{Base: "rip", Size: 32}},
		{I386, "f30f1efb", "endbr32", Other, 0, "", nil},
		{I386, "8b45ec", "mov eax,dword ptr [ebp-14h]", Other, 0, "", &Operand{Base: "ebp", Disp: -0x14, Size: 4}},
		{I386, "e8fbffffff", "call 55555229", Call, 0x55555229, "", nil},
		{I386, "a110a00408", "mov eax,dword ptr [0804a010]", Other, 0x804a010, "", &Operand{Disp: 0x804a010, Size: 4}},
		{I386, "65a110000000", "mov eax,dword ptr gs:[10h]", Other, 0, "", &Operand{Seg: "gs", Disp: 0x10, Size: 4}},
		{I386, "0f34", "sysenter", Syscall, 0, "", nil},
		{I386, "cd2e", "int 2Eh", Syscall, 0, "", nil},
		{I386, "c408", "les ecx,fword ptr [eax]", Other, 0, "", &Operand{Base: "eax", Size: 6}},
		{I386, "f3a5", "rep movs dword ptr es:[edi],dword ptr [esi]", Other, 0, "", &Operand{Seg: "es", Base: "edi", Size: 4}},
		{ARM64, "fd7bbea9", "stp fp,lr,[sp,#-0x20]!", Other, 0, "", &Operand{Base: "sp", Disp: -0x20, Size: 8}},
		{ARM64, "000840f9", "ldr x0,[x0,#0x10]", Other, 0, "", &Operand{Base: "x0", Disp: 0x10, Size: 8}},
		{ARM64, "60cb3438", "strb w0,[x27,w20,sxtw]", Other, 0, "", nil},
		{ARM64, "c0035fd6", "ret", Return, 0, "", nil},
		{ARM64, "ff0b5fd6", "retaa", Return, 0, "", nil},
		{ARM64, "200a1fd7", "braa x17,x0", Jump, 0, "", nil},
		{ARM64, "01000094", "bl 00005555`5555522c", Call, 0x55555555522c, "", nil},
		{ARM64, "20000054", "b.eq 00005555`5555522c", CondJump, 0x55555555522c, "eq", nil},
		{ARM64, "200000b4", "cbz x0,00005555`5555522c", CondJump, 0x55555555522c, "cbz", nil},
		{ARM64, "010000d4", "svc #0", Syscall, 0, "", nil},
		{ARM64, "020000d4", "hvc #0", Syscall, 0, "", nil},
		{ARM64, "000020d4", "brk #0", Trap, 0, "", nil},
		{ARM64, "41fce0c8", "casal x0,x1,[x2]", Other, 0, "", &Operand{Base: "x2", Size: 8}},
		{ARM64, "4100e0b8", "ldaddal w0,w1,[x2]", Other, 0, "", &Operand{Base: "x2", Size: 4}},
		{ARM64, "20801fb8", "stur w0,[x1,#-8]", Other, 0, "", &Operand{Base: "x1", Disp: -8, Size: 4}},
		{ARM64, "3f2303d5", "paciasp", Other, 0, "", nil},
		{ARM64, "40d03bd5", "mrs x0,tpidr_el0", Other, 0, "", nil},
		{ARM64, "0000a004", ".inst 0x04a00000", Other, 0, "", nil},
		{RISCV64, "f3220010", "csrr t0,sstatus", Other, 0, "", nil},
		{RISCV64, "73100318", "csrw satp,t1", Other, 0, "", nil},
		{RISCV64, "f3524014", "csrrwi t0,sip,0", Other, 0, "", nil},
		{RISCV64, "f32210c0", "rdtime t0", Other, 0, "", nil},
		{RISCV64, "73600110", "csrsi sstatus,2", Other, 0, "", nil},
		{RISCV64, "f32230c0", "csrr t0,hpmcounter3", Other, 0, "", nil},
		{RISCV64, "73002030", "mret", Return, 0, "", nil},
		{RISCV64, "73000512", "sfence.vma a0,zero", Other, 0, "", nil},
		{RISCV64, "d3 77 a5 00", "fadd.s fa5,fa0,fa0", Other, 0, "", nil},
		{RISCV64, "8280", "ret", Return, 0, "", nil},
		{RISCV64, "0290", "ebreak", Trap, 0, "", nil},
		{RISCV64, "73000000", "ecall", Syscall, 0, "", nil},
		{RISCV64, "ef004000", "jal 00005555`5555522c", Call, 0x55555555522c, "", nil},
		{RISCV64, "6f004000", "j 00005555`5555522c", Jump, 0x55555555522c, "", nil},
		{RISCV64, "6308b500", "beq a0,a1,00005555`55555238", CondJump, 0x555555555238, "eq", nil},
		{RISCV64, "19a8", "j 00005555`5555523e", Jump, 0x55555555523e, "", nil},
		{RISCV64, "61bf", "j 00005555`555551c0", Jump, 0x5555555551c0, "", nil},
		{RISCV64, "09c1", "beqz a0,00005555`5555522a", CondJump, 0x55555555522a, "eq", nil},
		{RISCV64, "73002010", "sret", Return, 0, "", nil},
		{RISCV64, "0b000000", ".4byte 0x0000000b", Other, 0, "", nil},
	}
	for _, tt := range tests {
		code := unhex(t, tt.code)
		at := Addr(pc)
		if tt.arch.MinInst > 1 {
			at = pc - 1
		}
		if tt.arch == I386 {
			at = 0x55555229
		}
		in, err := tt.arch.Decode(code, at)
		if err != nil {
			t.Errorf("%s %s: %v", tt.arch.Name, tt.code, err)
			continue
		}
		text := strings.TrimSpace(in.Op + " " + in.Args)
		if text != tt.text || in.Len != len(code) || in.Kind != tt.kind || in.Cond != tt.cond {
			t.Errorf("%s %s: %q %d bytes kind %d cond %q, want %q %d %q", tt.arch.Name, tt.code, text, in.Len, in.Kind, in.Cond, tt.text, tt.kind, tt.cond)
		}
		if in.HasTarget != (tt.target != 0) || in.HasTarget && in.Target != tt.target {
			t.Errorf("%s %s: target %x %v, want %x", tt.arch.Name, tt.code, in.Target, in.HasTarget, tt.target)
		}
		if (in.Mem == nil) != (tt.mem == nil) || in.Mem != nil && *in.Mem != *tt.mem {
			t.Errorf("%s %s: operand %+v, want %+v", tt.arch.Name, tt.code, in.Mem, tt.mem)
		}
	}
}

func TestDecodeShort(t *testing.T) {
	for _, tt := range []struct {
		arch *Arch
		code string
		want error
	}{
		{AMD64, "", ErrShort}, {AMD64, "e8d2", ErrShort}, {AMD64, "f30f1e", ErrShort}, {AMD64, "06", ErrUnknown}, {AMD64, "0f01", ErrShort},
		{AMD64, "6666666666666666666666666666666666", ErrUnknown},
		{I386, "a110", ErrShort}, {ARM64, "000020", ErrShort}, {RISCV64, "73", ErrShort}, {RISCV64, "7300", ErrShort},
	} {
		in, err := tt.arch.Decode(unhex(t, tt.code), 0)
		if !errors.Is(err, tt.want) || in.Len != 0 {
			t.Errorf("%s %q: %+v, %v, want %v", tt.arch.Name, tt.code, in, err, tt.want)
		}
	}
}

func TestFormat(t *testing.T) {
	sym := func(a Addr) string {
		if a == 0x555555555000 {
			return "orders!_putchar"
		}
		return ""
	}
	for _, tt := range []struct{ code, plain, named string }{
		{"e8fbefffff", "00005555`55555000", "orders!_putchar (00005555`55555000)"},
		{"ff15faefffff", "qword ptr [00005555`55555000]", "qword ptr [orders!_putchar (00005555`55555000)]"},
		{"833df9efffff0a", "dword ptr [00005555`55555000],0Ah", "dword ptr [orders!_putchar (00005555`55555000)],0Ah"},
		{"89c3", "ebx,eax", "ebx,eax"},
	} {
		in, err := AMD64.Decode(unhex(t, tt.code), 0x555555556000)
		if err != nil || in.Args != tt.plain || in.Format(nil) != tt.plain || in.Format(sym) != tt.named {
			t.Errorf("%s: %q %q %v, want %q", tt.code, in.Args, in.Format(sym), err, tt.named)
		}
	}
}

// FuzzDecode holds all decoders to their promise: an error and no length, or a
// length within the bytes given, whatever they are.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"8b45ec", "c5f877", "62f17c48100500000000", "8fe878a3ca10", "660f3882", "f3480faee8", "fd7bbea9", "4100e0b8", "09c1", "ff25", "c4e1", "67f2f0ff"} {
		b, _ := hex.DecodeString(s)
		f.Add(b, uint64(0x401000))
	}
	f.Fuzz(func(t *testing.T, code []byte, pc uint64) {
		for _, a := range All {
			in, err := a.Decode(code, Addr(pc))
			if err != nil {
				if in.Len != 0 {
					t.Fatalf("%s % x: %v with length %d", a.Name, code, err, in.Len)
				}
				continue
			}
			if in.Len <= 0 || in.Len > len(code) || in.Len > a.MaxInst || in.Op == "" || in.Args != in.Format(nil) {
				t.Fatalf("%s % x: %+v", a.Name, code, in)
			}
			r := NewRegisters(a.DefaultSet())
			Taken(in, r)
			EffectiveAddr(in.Mem, r, Addr(pc))
		}
	})
}
