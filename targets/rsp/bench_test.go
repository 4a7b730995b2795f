package rsp

import (
	"net"
	"testing"

	"dap-windbg/targets"
)

// BenchmarkMemory reads 4 MiB of a process through gdbserver in one flight of reads.
func BenchmarkMemory(b *testing.B) {
	tg := untraced(b)
	if err := tg.Resume(b.Context(), goOn(targets.Trap{Addr: symbol(b, "step")})); err != nil {
		b.Fatal(err)
	}
	expect[targets.Stop](b, tg)
	at := symbol(b, "window")
	ops := make([]targets.Op, 512)
	for i := range ops {
		ops[i] = &targets.MemoryRead{Addr: at, Data: make([]byte, 8192)}
	}
	b.SetBytes(512 * 8192)
	for b.Loop() {
		if err := tg.Do(b.Context(), ops); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemoryFloor is the same over the bare socket, nothing decoded.
func BenchmarkMemoryFloor(b *testing.B) {
	addr, _ := server(b, "--once", "127.0.0.1:0", probe(b), "loop")
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	at := symbol(b, "window")
	talk := func(replies int, packets ...byte) {
		if _, err := c.Write(packets); err != nil {
			b.Fatal(err)
		}
		buf := make([]byte, 64<<10)
		for replies > 0 {
			n, err := c.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			for _, x := range buf[:n] {
				if x == '#' {
					replies--
				}
			}
		}
	}
	talk(1, frame(nil, offered)...)
	talk(1, frame([]byte{'+'}, "QStartNoAckMode")...)
	talk(1, frame([]byte{'+'}, "?")...)
	step := uint64(symbol(b, "step")) // let it fill its memory
	talk(1, frame(nil, ask("Z0,%x,1", step).payload)...)
	talk(1, frame(nil, "vCont;c")...)
	var flight []byte
	for range 512 {
		flight = frame(flight, ask("m%x,%x", uint64(at), 8192).payload)
	}
	b.SetBytes(512 * 8192)
	for b.Loop() {
		talk(512, flight...)
	}
}

// BenchmarkStep steps one instruction.
func BenchmarkStep(b *testing.B) {
	tg := untraced(b)
	step := targets.Resume{Default: targets.Action{Kind: targets.Step}}
	for b.Loop() {
		if err := tg.Resume(b.Context(), step); err != nil {
			b.Fatal(err)
		}
		<-tg.Events()
	}
}

// untraced serves the probe without a trace, which would cost more than the work.
func untraced(b *testing.B) *Target {
	addr, _ := server(b, "--once", "127.0.0.1:0", probe(b), "loop")
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	c, err := Connect(b.Context(), nc, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	expect[targets.Stop](b, c.Target())
	return c.Target()
}
