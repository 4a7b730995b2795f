package fake

import (
	"encoding/binary"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// Addresses of the demo program's parts.
const (
	DemoText    arch.Addr = 0x401000
	DemoData    arch.Addr = 0x404000
	DemoStack   arch.Addr = 0x7fff0000 // lowest byte; each thread has DemoPage of it
	DemoPage              = 0x1000
	DemoLibrary arch.Addr = 0x7f0000000000
)

// DemoNames are the functions and variables of the demo program.
//
//	main     calls work for ever
//	work     has a frame and a local at rbp-8, adds 1 to counter, calls leaf
//	leaf     has a frame
//	hello    writes "hello\n", then exits with status 7
//	crash    writes to address 0x10
//	loader   runs load, whose first instruction brings the library, then main
//	trap     runs an int3 of its own, then main
var DemoNames = map[string]arch.Addr{
	"main": DemoText, "work": DemoText + 0x20, "leaf": DemoText + 0x60, "hello": DemoText + 0x80,
	"crash": DemoText + 0xc0, "loader": DemoText + 0xe0, "load": DemoText + 0xf0, "trap": DemoText + 0x100,
	"counter": DemoData, "text": DemoData + 0x40,
}

// Demo is a program with threads threads, the first of which waits at start.
func Demo(start string, threads int) Options {
	names := DemoNames
	code := make([]byte, 0x1000)
	for i := range code {
		code[i] = 0xcc
	}
	put := func(name string, parts ...[]byte) {
		at := int(names[name] - DemoText)
		for _, p := range parts {
			at += copy(code[at:], p)
		}
	}
	// rel makes an instruction whose last four bytes are the distance to name.
	rel := func(in string, off int, op []byte, to string) []byte {
		next := names[in] + arch.Addr(off+len(op)+4)
		return binary.LittleEndian.AppendUint32(op, uint32(int64(names[to])-int64(next)))
	}
	frame := []byte{0x55, 0x48, 0x89, 0xe5} // push rbp; mov rbp, rsp
	put("main", frame, rel("main", 4, []byte{0xe8}, "work"), []byte{0xeb, 0xf9})
	put("work", frame, []byte{0x48, 0x83, 0xec, 0x10}, // sub rsp, 16
		[]byte{0x48, 0xc7, 0x45, 0xf8, 5, 0, 0, 0}, // mov qword [rbp-8], 5
		rel("work", 16, []byte{0x48, 0xff, 0x05}, "counter"),
		rel("work", 23, []byte{0xe8}, "leaf"), []byte{0xc9, 0xc3})
	put("leaf", frame, rel("leaf", 4, []byte{0x48, 0x8b, 0x05}, "counter"), // mov rax, [counter]
		[]byte{0x48, 0x83, 0xc0, 0x01, 0x5d, 0xc3}) // add rax, 1; pop rbp; ret
	put("hello", []byte{0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0}, rel("hello", 10, []byte{0x48, 0x8d, 0x35}, "text"),
		[]byte{0xba, 6, 0, 0, 0, 0x0f, 0x05, 0xb8, 60, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x0f, 0x05})
	put("crash", []byte{0xb8, 0x10, 0, 0, 0, 0x48, 0x89, 0x00, 0xeb, 0xfe}) // mov eax, 16; mov [rax], rax
	put("loader", rel("loader", 0, []byte{0xe8}, "load"), rel("loader", 5, []byte{0xe9}, "main"))
	put("load", []byte{0x90, 0xc3})
	put("trap", []byte{0xcc, 0x90}, rel("trap", 2, []byte{0xe9}, "main"))

	data := make([]byte, 0x1000)
	copy(data[names["text"]-DemoData:], "hello\n")
	o := Options{
		Path:    "/demo/program",
		Regions: []Region{{Addr: DemoText, Data: code, ReadOnly: true}, {Addr: DemoData, Data: data}, {Addr: DemoStack, Data: make([]byte, DemoPage*threads)}},
		Modules: []targets.Module{{Path: "/demo/program", Base: 0x400000, Size: 0x5000, Main: true}},
		Loads:   map[arch.Addr]targets.Module{},
	}
	o.Loads[names["load"]] = targets.Module{Path: "/demo/library.so", Base: DemoLibrary, Bias: uint64(DemoLibrary), Size: 0x2000}
	for i := range threads {
		pc := names["main"]
		if i == 0 {
			pc = names[start]
		}
		o.Threads = append(o.Threads, Thread{ID: 1000 + int64(i), Name: "demo", PC: pc, SP: DemoStack + arch.Addr(DemoPage*(i+1)-16)})
	}
	return o
}
