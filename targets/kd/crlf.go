package kd

import "bytes"

// Newlines says what is known of a line that passes through a terminal: one
// that writes CR LF for each LF the target sends.
type Newlines uint8

const (
	NewlinesAuto Newlines = iota // find out from packets that fail
	NewlinesOff                  // the line is clean
	NewlinesFix                  // one CR before each LF is the line's, or two
)

// hops is how many terminals may stand in a line, each of which adds a CR.
const hops = 2

// newlines undoes what terminals do. The inverse is exact, for every LF got its CR;
// but on a clean line it would eat the CR of a genuine CR LF. So each packet is tried
// as it was read, then with one and with two CRs taken from each LF, and the checksum
// decides. Two packets that pass only so settle what is tried first; a good one that
// holds a lone LF shows that the line is clean.
type newlines struct {
	mode  Newlines
	take  int // CRs to take from each LF, tried first
	clean bool
	proof [hops + 1]int
	bad   int // damaged packets in a row
}

// order is what to try.
func (l *newlines) order() []int {
	switch {
	case l.mode == NewlinesOff || l.clean && l.bad < 3:
		return []int{0}
	case l.mode == NewlinesFix:
		return []int{1, 2}
	case l.take == 1:
		return []int{1, 0, 2}
	case l.take == 2:
		return []int{2, 0, 1}
	}
	return []int{0, 1, 2}
}

// mangled reports whether the line is known to add CRs.
func (l *newlines) mangled() bool { return l.take > 0 || l.mode == NewlinesFix }

// decode is the function decode over a line of unknown cleanness.
func (l *newlines) decode(raw []byte, over bool) (packet, int, verdict) {
	if !bytes.Contains(raw, []byte("\n")) {
		p, n, v := decode(raw, 1)
		return p, n, l.settle(raw, n, v, over)
	}
	best := damaged
	var worst int
	for _, k := range l.order() {
		text, at := unexpand(raw, k)
		p, n, v := decode(text, 1)
		switch v {
		case whole:
			l.learn(raw[:at(n)], k)
			return p, at(n), whole
		case unfinished:
			best = unfinished
		}
		worst = max(worst, at(n))
	}
	return packet{}, worst, l.settle(raw, worst, best, over)
}

func (l *newlines) settle(raw []byte, n int, v verdict, over bool) verdict {
	if over && v == unfinished {
		v = damaged
	}
	switch v {
	case damaged:
		l.bad++
	case whole:
		l.bad = 0
	}
	return v
}

// learn takes what a good packet shows, which was read as raw and passed with k CRs
// taken from each LF.
func (l *newlines) learn(raw []byte, k int) {
	l.bad = 0
	if k > 0 && bytes.Contains(raw, []byte("\r\n")) {
		l.clean = false
		if l.proof[k]++; l.proof[k] >= 2 {
			l.take = k
		}
		return
	}
	for i, b := range raw {
		if b == '\n' && (i == 0 || raw[i-1] != '\r') {
			l.clean, l.take, l.proof = true, 0, [hops + 1]int{}
			return
		}
	}
	if k == 0 && bytes.Contains(raw, []byte("\r\n")) { // genuine
		l.take, l.proof = 0, [hops + 1]int{}
	}
}

// unexpand takes at most k CRs from before each LF. at tells how many bytes of raw
// make the first n of the result; a CR at the end may belong to what comes, and is
// left out.
func unexpand(raw []byte, k int) (text []byte, at func(n int) int) {
	if k == 0 {
		return raw, func(n int) int { return n }
	}
	ends := make([]int, 0, len(raw))
	text = make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		run := i
		for run < len(raw) && raw[run] == '\r' {
			run++
		}
		if run == len(raw) && run > i {
			break
		}
		crs := run - i
		if raw[run] == '\n' {
			crs -= min(k, crs)
		}
		for j := range crs {
			text, ends = append(text, '\r'), append(ends, run-crs+j+1)
		}
		text, ends = append(text, raw[run]), append(ends, run+1)
		i = run + 1
	}
	return text, func(n int) int {
		if n == 0 || len(ends) == 0 {
			return 0
		}
		return ends[min(n, len(ends))-1]
	}
}
