package elf

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

// TestEntriesAsReadelf: every entry and the names of its attributes are those that
// readelf prints; each is found below its parent.
func TestEntriesAsReadelf(t *testing.T) {
	img := open(t, "g++ -g -O1", "shapes.cc")
	defer img.Close()
	out := tool(t, "readelf", "--wide", "--debug-dump=info", img.Path())
	entry := regexp.MustCompile(`^ <(\d+)><([0-9a-f]+)>: Abbrev Number: \d+ \((DW_TAG_\w+)\)`)
	attr := regexp.MustCompile(`^    <[0-9a-f]+>   (DW_AT_\w+)`)
	var want []string
	var got symbols.Entry
	around := map[int]uint64{}
	count := 0
	check := func() {
		var names []string
		for _, a := range got.Attrs {
			names = append(names, a.Name)
		}
		if !slices.Equal(names, want) {
			t.Errorf("0x%x %s: %v, want %v", got.Offset, got.Tag, names, want)
		}
		want = nil
	}
	for l := range strings.Lines(out) {
		if m := attr.FindStringSubmatch(l); m != nil {
			want = append(want, m[1])
		}
		m := entry.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		if count++; count > 1 {
			check()
		}
		depth, _ := strconv.Atoi(m[1])
		off, _ := strconv.ParseUint(m[2], 16, 64)
		var ok bool
		if got, ok = img.DebugEntry(off); !ok || strings.TrimSuffix(got.Tag, "eter") != strings.TrimSuffix(m[3], "eter") { // readelf shortens some
			t.Fatalf("0x%x: %v %s, want %s", off, ok, got.Tag, m[3])
		}
		around[depth] = off
		parents := img.EntryParents(off)
		if len(parents) != depth || depth > 0 && (parents[0] != around[depth-1] || !slices.Contains(img.EntryChildren(parents[0], 1<<20), off)) {
			t.Fatalf("0x%x: parents %x, depth %d", off, parents, depth)
		}
	}
	check()
	if count < 40 {
		t.Errorf("%d entries", count)
	}
	for _, off := range []uint64{1, around[1] + 1, 1 << 40, 1<<64 - 1} {
		if e, ok := img.DebugEntry(off); ok {
			t.Errorf("0x%x is %s", off, e.Tag)
		}
	}
}
