package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// A session of small requests lives in a few megabytes, which Go's collector would go
// through each time as many came together: while the user waits for a step. Heaps up to
// smallHeap bytes are left alone until they have grown to five times what lives; larger
// ones are collected as usual.
const (
	smallHeap   = 8 << 20
	smallGrowth = 400 // percent
	usualGrowth = 100
)

// pace sets the collector's pace, now and behind each collection, unless the user did.
func pace() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(smallGrowth)
	var collected func(struct{})
	again := func() { runtime.AddCleanup(new([4]*byte), collected, struct{}{}) } // which nobody holds
	collected = func(struct{}) {
		m := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/gogc:percent"}}
		metrics.Read(m)
		want := uint64(usualGrowth)
		if m[0].Value.Uint64() < smallHeap {
			want = smallGrowth
		}
		if is := m[1].Value.Uint64(); is != want && (is == smallGrowth || is == usualGrowth) { // else who makes an index has set it
			debug.SetGCPercent(int(want))
		}
		again()
	}
	again()
}
