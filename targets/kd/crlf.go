package kd

// Newlines says what is known of a line that passes through a terminal: one
// that writes CR LF for each LF the target sends.
type Newlines uint8

const (
	NewlinesAuto Newlines = iota // find out from packets that fail
	NewlinesOff                  // the line is clean
	NewlinesFix                  // one CR before each LF is the line's
)

// cleaner removes exactly one CR before each LF when the line is known to add
// them, which undoes it without loss: every LF got one. On a clean line it would
// destroy genuine CR LF, so it must be known.
type cleaner struct {
	mode Newlines
	on   bool // CRs are removed
	sure bool // a good packet showed that the line is clean
	held bool // a CR waits for what follows it

	pair, lone bool // the current packet has CR LF, has LF without CR, as read
	last       byte
	bad        int // damaged packets with CR LF, in a row
}

func newCleaner(mode Newlines) cleaner { return cleaner{mode: mode, on: mode == NewlinesFix} }

// pass takes a byte as read and returns what of it is the target's.
func (c *cleaner) pass(b byte) []byte {
	if b == '\n' {
		c.pair = c.pair || c.last == '\r'
		c.lone = c.lone || c.last != '\r'
	}
	c.last = b
	if !c.on {
		return []byte{b}
	}
	held := c.held
	c.held = b == '\r'
	switch {
	case c.held && held:
		return []byte{'\r'}
	case c.held:
		return nil
	case held && b != '\n':
		return []byte{'\r', b}
	}
	return []byte{b}
}

// packet learns from a packet that ended. Two damaged ones in a row that hold
// CR LF change the mind; a good one with a lone LF settles it.
func (c *cleaner) packet(good bool) {
	switch {
	case good:
		c.bad = 0
		c.sure = c.sure || c.lone && !c.on
	case c.mode == NewlinesAuto && c.pair && !c.sure:
		if c.bad++; c.bad == 2 {
			c.on, c.bad, c.held = !c.on, 0, false
		}
	}
	c.pair, c.lone = false, false
}
