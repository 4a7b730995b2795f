package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

func median[T cmp.Ordered](v []T) T {
	var zero T
	if len(v) == 0 {
		return zero
	}
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

// print shows the medians of all turns of all sessions. The ratios are of ours to
// the floor and of the quickest peer of this run to ours.
func (b *bench) print() {
	fmt.Printf("Sessions with gdbserver (lldb: with lldb-server), medians of %d rounds in one run, ms. The floor is the same messages, ready made, and the packets that are needed.\n\n", *rounds)
	fmt.Printf("%-38s %9s %9s %9s %9s %9s %11s %10s %10s %10s   %s\n", "operation", "ours", "gdb MI", "gdb DAP", "lldb-dap", "floor", "ours/floor", "peer/ours", "peers'", "floor's", "round trips: ours, gdb, gdb DAP, lldb")
	for _, r := range b.rows {
		ours := median(r.took["ours"])
		best, ratio, rest := 0.0, "", ""
		cells := make([]string, 0, 5)
		for _, c := range []string{"ours", "gdb", "gdbdap", "lldb", "floor"} {
			v, text := median(r.took[c]), "-"
			if len(r.took[c]) > 0 {
				text = fmt.Sprintf("%.2f", v)
				if c != "ours" && c != "floor" && (best == 0 || v < best) {
					best = v
				}
			}
			cells = append(cells, fmt.Sprintf("%9s", text))
		}
		if f := median(r.took["floor"]); f > 0 && ours > 0 {
			ratio = fmt.Sprintf("%.1f", ours/f)
		}
		if best > 0 && ours > 0 {
			rest = fmt.Sprintf("%.1f", best/ours)
		}
		fmt.Printf("%-38s %s %11s %10s %10s %10s   %s\n", strings.TrimSpace(r.name+" "+r.unit), strings.Join(cells, " "), ratio, rest, known(r.best), known(r.least), r.trips())
	}
	fmt.Print("\npeers' and floor's: the quickest peer of gdb 16, lldb-dap 19 and 21 and cdt-gdb-adapter 1.7, and the floor, as measured on another machine\n")
}

func known(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprint(v)
}

// trips are the round trips of the debuggers, and what ours may take.
func (r *row) trips() string {
	var out []string
	for _, c := range []string{"ours", "gdb", "gdbdap", "lldb"} {
		text := "-"
		if v := r.counted[c]; len(v) > 0 {
			text = fmt.Sprint(median(v))
		}
		if c == "ours" && r.limit > 0 {
			text += fmt.Sprintf(" (<= %d)", r.limit)
		}
		out = append(out, text)
	}
	if out[0] == "-" {
		return ""
	}
	return strings.Join(out, ", ")
}
