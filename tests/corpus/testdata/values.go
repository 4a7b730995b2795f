// Go: what its types become.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
)

type Color uint8

const (
	Red Color = iota
	Blue
)

type Shape interface {
	Area() float64
	fmt.Stringer
}

type Rect struct {
	W, H float64
	name string
	tags []string
	next *Rect
	by   map[string][]int
}

func (r *Rect) Area() float64  { return r.W * r.H }
func (r *Rect) String() string { return r.name }

type Pair[K comparable, V any] struct {
	Key K
	Val V
}

func (p Pair[K, V]) Swap() Pair[string, V] { return Pair[string, V]{fmt.Sprint(p.Key), p.Val} }

var (
	global   = map[Color]string{Red: "red", Blue: "blue"}
	matrix   [3][4]int32
	callback func(int, ...string) (int, error)
	mu       sync.Mutex
)

func largest[T int | float64](a, b T) T {
	if a > b {
		return a
	}
	return b
}

func main() {
	r := &Rect{W: 2, H: 3, name: "r", tags: os.Args, by: map[string][]int{"a": {1}}}
	var s Shape = r
	ch := make(chan Pair[int, string], 2)
	ch <- Pair[int, string]{1, "x"}
	done := make(chan struct{})
	go func(n int) {
		defer close(done)
		mu.Lock()
		defer mu.Unlock()
		matrix[n][1] = int32(n)
	}(1)
	<-done
	callback = func(n int, names ...string) (int, error) {
		if n > 3 {
			return 0, errors.New(strings.Join(names, ","))
		}
		return n, nil
	}
	n, err := callback(len(r.tags), r.tags...)
	var any any = (<-ch).Swap()
	var z complex128 = complex(1, 2)
	fmt.Println(s.Area(), s, n, err, any, largest(1, 2), largest(1.5, 2), global[Red], matrix[1][1], real(z))
}
