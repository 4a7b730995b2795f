package cfi

import (
	"os/exec"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

func libc(b *testing.B) Sections {
	b.Helper()
	path, err := exec.Command("gcc", "-print-file-name=libc.so.6").Output()
	if err != nil {
		b.Fatal(err)
	}
	return load(b, strings.TrimSpace(string(path)))
}

// BenchmarkRow: a row that is not kept yet.
func BenchmarkRow(b *testing.B) {
	u := New(libc(b))
	refs := u.index(true)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r := refs[i%len(refs)]
		clear(u.rows)
		if _, err := u.Row(symbols.Offset(r.start + (r.end-r.start)/2)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkKeptRow: one that is.
func BenchmarkKeptRow(b *testing.B) {
	u := New(libc(b))
	r := u.index(true)[100]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := u.Row(symbols.Offset(r.start)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIndex: a section without a search table.
func BenchmarkIndex(b *testing.B) {
	s := libc(b)
	b.SetBytes(int64(len(s.EHFrame.Data)))
	for b.Loop() {
		if n := len(New(s).index(true)); n < 3000 {
			b.Fatal(n)
		}
	}
}

// BenchmarkRowers: the two rowers on decoded programs.
func BenchmarkRowers(b *testing.B) {
	u := New(libc(b))
	var listings []*listing
	for _, r := range u.index(true)[:500] {
		f, err := u.entryAt(true, r.offset)
		if err != nil {
			b.Fatal(err)
		}
		p, err := f.listing()
		if err != nil {
			b.Fatal(err)
		}
		listings = append(listings, p)
	}
	for name, r := range map[string]rower{"delve": delveRower{}, "own": ownRower{}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p := listings[i%len(listings)]
				if _, err := r.row(p, p.start+32); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpenHeader: the search table's check, on first use.
func BenchmarkOpenHeader(b *testing.B) {
	s := libc(b)
	for b.Loop() {
		u := New(s)
		if u.openHeader(); u.hdr.count == 0 {
			b.Fatal("no table")
		}
	}
}

// BenchmarkKernelIndex: the kernel's .debug_frame, 49,208 entries in Debian 12's.
func BenchmarkKernelIndex(b *testing.B) {
	s := load(b, vmlinux(b))
	b.SetBytes(int64(len(s.DebugFrame.Data)))
	for b.Loop() {
		if n := len(New(s).index(false)); n < 40000 {
			b.Fatal(n)
		}
	}
}
