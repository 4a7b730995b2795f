package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// A session of small requests lives in a few megabytes, which Go's collector would go
// through each time as many came together: while the user waits for a step. Heaps are left
// alone until they have grown to five times what lives or to smallHeap, whichever is less;
// those beyond it are collected as usual.
const (
	smallHeap   = 40 << 20 // bytes
	mostGrowth  = 400      // percent
	usualGrowth = 100
)

// growth is how much a heap of which so many bytes live may grow, percent.
func growth(live uint64) int {
	return min(mostGrowth, max(usualGrowth, int(100*smallHeap/max(live, 1))-100))
}

// pace sets the collector's pace, now and behind each collection, unless the user did.
func pace() {
	if os.Getenv("GOGC") != "" {
		return
	}
	set, before := mostGrowth, mostGrowth
	debug.SetGCPercent(set)
	var collected func(struct{})
	again := func() { runtime.AddCleanup(new([4]*byte), collected, struct{}{}) } // which nobody holds
	collected = func(struct{}) {
		m := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/gogc:percent"}}
		metrics.Read(m)
		want, is := growth(m[0].Value.Uint64()), int(m[1].Value.Uint64())
		if (is == set || is == before) && want != is { // else who makes an index has set it, who may put back either
			set, before = want, is
			debug.SetGCPercent(set)
		}
		again()
	}
	again()
}
