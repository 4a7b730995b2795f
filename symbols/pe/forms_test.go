package pe

import (
	"encoding/binary"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/binfmt/pe"
	"dap-windbg/symbols"
	"dap-windbg/symbols/pdb/pdbtest"
)

// handmade is an image whose code and unwind tables are given as bytes: code at
// 1000h, .pdata at 2000h, .xdata at 3000h.
func handmade(t *testing.T, machine uint16, code, pdata, xdata []byte) *Image {
	t.Helper()
	d := &pdbtest.Database{Machine: machine, Sections: []pdbtest.Section{{Addr: 0x1000, Size: 0x1000}, {Addr: 0x2000, Size: 0x1000}, {Addr: 0x3000, Size: 0x1000}}}
	headers := d.Image("x.pdb", 0x140000000)
	at := 0x80 + 24 + 112 + 8*pe.DirException
	binary.LittleEndian.PutUint32(headers[at:], 0x2000)
	binary.LittleEndian.PutUint32(headers[at+4:], uint32(len(pdata)))
	i, err := OpenLoaded([]pe.Part{{Addr: 0, Data: headers}, {Addr: 0x1000, Data: code}, {Addr: 0x2000, Data: pdata}, {Addr: 0x3000, Data: xdata}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestEpiloguesOfVersion2: the places of epilogues are told; the same instructions
// elsewhere are none.
func TestEpiloguesOfVersion2(t *testing.T) {
	code := []byte{
		0x53,                   // 0: push rbx
		0x48, 0x83, 0xec, 0x20, // 1: sub rsp,20h
		0x90,                   // 5: nop
		0x48, 0x83, 0xc4, 0x20, // 6: add rsp,20h
		0x5b,       // 10: pop rbx, an epilogue
		0xc3,       // 11: ret
		0x90,       // 12: nop
		0x5b, 0xc3, // 13: what looks like an epilogue
		0x48, 0x83, 0xc4, 0x20, // 15: add rsp,20h
		0x5b, // 19: pop rbx, the epilogue at the end
		0xc3, // 20: ret
	}
	info := []byte{
		2, 5, 4, 0, // version 2, a prologue of 5, 4 slots
		2, 0x16, // epilogues of 2 bytes, one at the end
		11, 0x06, // one that begins 11 bytes before the end
		5, 0x32, // ALLOC_SMALL 32
		1, 0x30, // PUSH_NONVOL rbx
	}
	i := handmade(t, 0x8664, code, pdbtest.Bytes(uint32(0x1000), uint32(0x1000+len(code)), uint32(0x3000)), info)
	base := arch.Addr(0x140000000)
	for _, c := range []struct {
		off, sp uint64 // below the return address
		saved   bool   // rbx is on the stack still
	}{{0, 0, false}, {1, 8, true}, {5, 40, true}, {6, 40, true}, {10, 8, true}, {11, 0, false}, {12, 40, true}, {13, 40, true}, {19, 8, true}, {20, 0, false}} {
		m := entered()
		rbx := m.regs["rbx"]
		m.memory[stackTop-8] = rbx
		if m.regs["rsp"] = stackTop - c.sp; c.saved {
			m.regs["rbx"] = 1
		}
		caller, cfa, err := i.Unwind(t.Context(), base, m.registers(base+0x1000+arch.Addr(c.off)), m)
		if bad := differs(caller, cfa, err); bad != "" {
			t.Errorf("+%d: %s", c.off, bad)
		}
	}
}

// TestCallInPrologue: a call in a prologue, as large frames have, is undone as far as
// it went.
func TestCallInPrologue(t *testing.T) {
	code := []byte{
		0x55,                // 0: push rbp
		0xb8, 0, 0x20, 0, 0, // 1: mov eax,2000h
		0xe8, 0, 0, 0, 0, // 6: call __chkstk
		0x48, 0x29, 0xc4, // 11: sub rsp,rax
		0x48, 0x81, 0xc4, 0, 0x20, 0, 0, 0x5d, 0xc3,
	}
	info := []byte{1, 14, 3, 0, 14, 0x01, 0, 4, 1, 0x50, 0, 0} // ALLOC_LARGE 2000h at 14, PUSH_NONVOL rbp at 1
	i := handmade(t, 0x8664, code, pdbtest.Bytes(uint32(0x1000), uint32(0x1000+len(code)), uint32(0x3000)), info)
	base := arch.Addr(0x140000000)
	m := entered()
	m.memory[stackTop-8] = m.regs["rbp"]
	m.regs["rsp"] = stackTop - 8
	m.regs["rbp"] = 1
	regs := m.registers(base + 0x1000 + 11)
	regs.Interrupted = false // it is where the call returns to
	caller, cfa, err := i.Unwind(t.Context(), base, regs, m)
	if bad := differs(caller, cfa, err); bad != "" {
		t.Error(bad)
	}
}

// FuzzTables: no function table and no unwind information makes unwinding fail
// otherwise than with an error, on either machine.
func FuzzTables(f *testing.F) {
	f.Add([]byte{2, 5, 4, 0, 2, 0x16, 11, 6, 5, 0x32, 1, 0x30}, uint32(0x3000), uint32(3), true)
	f.Add([]byte{0x21, 0, 0x20, 0x10, 0xc2, 0x33, 0xe3, 0xe6, 0x81, 0xe4, 0xe7, 0x50}, uint32(0x3000), uint32(9), false)
	f.Add([]byte{}, uint32(0x00c15465), uint32(8), false)
	f.Fuzz(func(t *testing.T, xdata []byte, word, at uint32, amd64 bool) {
		machine, pdata := uint16(0xaa64), pdbtest.Bytes(uint32(0x1000), word)
		if amd64 {
			machine, pdata = 0x8664, pdbtest.Bytes(uint32(0x1000), uint32(0x1800), word)
		}
		i := handmade(t, machine, []byte{0x5b, 0xc3, 0x90, 0x90}, pdata, xdata)
		m := entered()
		r := arch.NewRegisters(i.Arch().DefaultSet())
		r.SetPC(0x140001000 + arch.Addr(at%0x900))
		r.SetSP(stackTop)
		r.Interrupted = at%2 == 0
		_, _, _ = i.Unwind(t.Context(), 0x140000000, r, m)
		_, _, _ = i.Rules(symbols.Offset(0x1000 + at%0x900))
	})
}

// FuzzHeaders: no image makes reading fail otherwise than with an error, from a file
// or from memory.
func FuzzHeaders(f *testing.F) {
	d := &pdbtest.Database{Machine: 0x8664, Sections: []pdbtest.Section{{Addr: 0x1000, Size: 0x1000}}}
	f.Add(d.Image("x.pdb", 0x140000000), uint32(0), uint32(0))
	f.Fuzz(func(t *testing.T, data []byte, at, value uint32) {
		data = append([]byte(nil), data...)
		if uint64(at)+4 <= uint64(len(data)) {
			binary.LittleEndian.PutUint32(data[at:], value)
		}
		if file, err := pe.Parse(data); err == nil {
			file.CodeView()
			file.Exports()
		}
		parts, _ := pe.ReadParts(func(addr uint32, p []byte) error {
			if uint64(addr) < uint64(len(data)) {
				copy(p, data[addr:])
			}
			return nil
		})
		if i, err := OpenLoaded(parts, Options{}); err == nil {
			i.At(0x1000)
			i.Debug()
		}
	})
}
