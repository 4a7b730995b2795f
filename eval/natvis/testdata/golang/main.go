// Values of Go's types. Lines "name<TAB>element<TAB>text" say what each holds.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

type point struct{ X, Y int }
type area interface{ Area() int }
type celsius float64
type names []string

func (p *point) Area() int     { return p.X * p.Y }
func (c celsius) Area() int    { return int(c) }
func (p point) String() string { return "" }

var sizes = [4]int{0, 1, 2, 1000}

var (
	vecint   [4][]int
	vectext  [4][]string
	mapint   [4]map[int]int
	maptext  [4]map[string]int
	mapto    [4]map[int32]string
	mapbig   [4]map[[3]int]bool
	array    = [3]int{1, 2, 3}
	bytes    = []byte("ab")
	text     = "héllo"
	empty    string
	nilvec   []int
	nilmap   map[int]int
	none     error
	failure  error = errors.New("boom")
	anyint   any   = 5
	anytext  any   = "inside"
	anyp     any   = point{3, 4}
	anyptr   any   = &point{5, 6}
	anytemp  area  = celsius(36.5)
	shape    area  = &point{7, 8}
	list     any   = []int{1, 2}
	set            = names{"n"}
	ch             = make(chan int, 4)
	wait           = 1500 * time.Millisecond
	date           = time.Date(2024, 2, 29, 23, 59, 58, 7, time.UTC)
	early          = time.Date(1969, 12, 31, 1, 2, 3, 0, time.UTC)
	twice          = func(x int) int { return 2 * x }
	nilfunc  func()
	ptr      = &point{9, 10}
	mapgrown = map[int]int{}
)

var out = bufio.NewWriter(os.Stdout)

func line(name, element string, text any) { fmt.Fprintf(out, "%s\t%s\t%v\n", name, element, text) }

func number(i int) int { return i*7 - 3 }
func word(i int) string {
	if i%3 == 0 {
		return fmt.Sprint("a rather long word, number ", i)
	}
	return fmt.Sprint("w", i)
}

func quoted(s string) string { return `"` + s + `"` }

func main() {
	for n, size := range sizes {
		mapint[n], maptext[n], mapto[n], mapbig[n] = map[int]int{}, map[string]int{}, map[int32]string{}, map[[3]int]bool{}
		at := func(name string) string { return fmt.Sprintf("%s[%d]", name, n) }
		for i := 0; i < size; i++ {
			vecint[n], vectext[n] = append(vecint[n], number(i)), append(vectext[n], word(i))
			mapint[n][number(i)], maptext[n][word(i)], mapto[n][int32(i)], mapbig[n][[3]int{i}] = i, i, word(i), i%2 == 0
			e := fmt.Sprintf("[%d]", i)
			line(at("vecint"), e, number(i))
			line(at("vectext"), e, quoted(word(i)))
			line(at("mapint"), fmt.Sprintf("[%d]", number(i)), i)
			line(at("maptext"), "["+quoted(word(i))+"]", i)
			line(at("mapto"), e, quoted(word(i)))
		}
		for _, name := range []string{"vecint", "vectext", "mapint", "maptext", "mapto"} {
			line(at(name), "#", size)
		}
		_ = at
	}
	for i := 0; i < 5000; i++ {
		mapgrown[i] = -i
	}
	for i := 0; i < 5000; i++ {
		if i%10 != 0 {
			delete(mapgrown, i)
		}
	}
	for i := 0; i < 5000; i += 10 {
		line("mapgrown", fmt.Sprintf("[%d]", i), -i)
	}
	line("mapgrown", "#", 500)
	ch <- 1
	ch <- 2
	<-ch
	ch <- 3
	line("ch", "=", "{ len=2, cap=4 }")
	line("ch", "[0]", 2)
	line("ch", "[1]", 3)
	line("ch", "#", 2)
	for i, x := range array {
		line("array", fmt.Sprintf("[%d]", i), x)
	}
	line("array", "#", 3)
	line("text", "=", quoted(text))
	line("empty", "=", `""`)
	line("nilvec", "=", "nil")
	line("none", "=", "nil")
	line("anyint", "=", "int 5")
	line("anytext", "=", `string "inside"`)
	line("anyp", "=", "main.point {X=3, Y=4}")
	line("anytemp", "=", "main.celsius 36.5")
	line("list", "=", "[]int { len=2 }")
	line("set", "[0]", `"n"`)
	line("wait", "=", "1.500000000s")
	line("date", "=", "2024-02-29 23:59:58 UTC + 7 ns")
	line("early", "=", "1969-12-31 01:02:03 UTC + 0 ns")
	line("ptr", "X", 9)
	line("nilfunc", "=", "nil")
	out.Flush()
	fmt.Println(strings.TrimSpace("ready"))
	os.Stdin.Read(make([]byte, 1)) // look here
	fmt.Fprint(os.Stderr, bytes, nilmap, anyptr, shape, nilfunc == nil, twice(21), failure, empty, text, array, anyint, anytext, anyp, list, set, wait, date, early, ptr, nilvec, none, anytemp, vecint, mapbig)
}
