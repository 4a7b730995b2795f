package natvis_test

import (
	"context"
	"testing"
)

// BenchmarkContainers expands containers over a live process's memory.
func BenchmarkContainers(b *testing.B) {
	p := containers(b)
	m := visualizers(b)
	for _, name := range []string{"map500", "str1000", "many", "deq", "greeting"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				o := object(b, m, p, name)
				count := -1
				if name == "many" {
					count = 100_000
				}
				kids, err := o.Children(context.Background(), p, 0, count)
				if err != nil || len(kids) < 6 {
					b.Fatal(len(kids), err)
				}
			}
		})
	}
}
