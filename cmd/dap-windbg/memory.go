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
	growth := smallGrowth
	debug.SetGCPercent(growth)
	var collected func(struct{})
	again := func() { runtime.AddCleanup(new([4]*byte), collected, struct{}{}) } // which nobody holds
	collected = func(struct{}) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		want := usualGrowth
		if live[0].Value.Kind() == metrics.KindUint64 && live[0].Value.Uint64() < smallHeap {
			want = smallGrowth
		}
		if want != growth {
			growth = want
			debug.SetGCPercent(want)
		}
		again()
	}
	again()
}
