package linuxkernel

import (
	"fmt"
	"iter"
	"strings"

	"dap-windbg/arch"
)

// This file reads the kernel's log. Since 5.10 that is a ring of descriptors beside a
// ring of text (kernel/printk/printk_ringbuffer.h, whose comments say how a reader
// goes about it); before it was one buffer of records (kernel/printk/printk.c).

var logRows = []row{
	{"!dmesg", "!dmesg [-r] [Lines]", "the kernel's log: all of it, the last lines, or with a negative number the first; -r with levels", showLog},
	{"!dbgprint", "!dbgprint [Lines]", "as !dmesg", showLog},
}

// message is a record of the log.
type message struct {
	ns    uint64
	level int // 0 to 7
	text  string
}

// lines are the message as dmesg shows it, each line with its time.
func (m message) lines(levels bool) []string {
	prefix := fmt.Sprintf("[%5d.%06d] ", m.ns/1e9, m.ns%1e9/1000)
	if levels {
		prefix = fmt.Sprintf("<%d>", m.level) + prefix
	}
	out := strings.Split(strings.TrimSuffix(m.text, "\n"), "\n")
	for i := range out {
		out[i] = prefix + out[i]
	}
	return out
}

func showLog(c *command) error {
	levels := len(c.args) > 0 && c.args[0] == "-r"
	if levels {
		c.args = c.args[1:]
	}
	if err := c.most(1); err != nil {
		return err
	}
	n, err := c.lineCount()
	if err != nil {
		return err
	}
	if n == 0 {
		for m := range c.messages(0) {
			c.printf("%s\n", strings.Join(m.lines(levels), "\n"))
		}
		return c.unfinished()
	}
	all, whole := c.logLines(levels, max(n, 0))
	for some := 2 * n; n > 0 && len(all) < n && !whole && !c.stuck(); some *= 2 { // some records are empty
		all, whole = c.logLines(levels, some)
	}
	if err := c.unfinished(); err != nil {
		return err
	}
	if n > 0 {
		all = all[max(0, len(all)-n):]
	} else {
		all = all[:min(len(all), -n)]
	}
	for _, l := range all {
		c.printf("%s\n", l)
	}
	return nil
}

// unfinished says that the log was not read to its end, nil where it was or for another reason.
func (c *command) unfinished() error {
	if c.ctx.Err() != nil {
		return failed("interrupted: the log is not read to its end; !dmesg 20 reads the last 20 lines only")
	}
	return nil
}

// logLines are the lines of the last records, 0: of all. whole tells that there are no more.
func (c *command) logLines(levels bool, last int) (all []string, whole bool) {
	for m := range c.messages(uint64(last)) {
		all = append(all, m.lines(levels)...)
	}
	return all, last == 0 || uint64(last) >= c.records()
}

// records is how many the ring has, 0 where there is none.
func (r *reader) records() uint64 {
	if _, ok := r.lookup("prb"); !ok {
		return 0
	}
	g, head, tail := r.ring(r.pointer(r.symbol("prb")))
	return min((head-tail)&descID+1, g.count)
}

// lineCount is the argument of !dmesg, 0 without one.
func (c *command) lineCount() (int, error) {
	if len(c.args) == 0 {
		return 0, nil
	}
	arg, first := strings.CutPrefix(c.args[0], "-")
	n, err := c.d.Evaluate(c.ctx, arg)
	if err != nil {
		return 0, err
	}
	if n > 1<<20 {
		return 0, c.usage(0)
	}
	if first {
		return -int(n), nil
	}
	return int(n), nil
}

// messages walks the log, the oldest first: the last records of a ring, 0 all of them.
func (r *reader) messages(last uint64) iter.Seq[message] {
	if _, ok := r.lookup("prb"); ok {
		return r.ringMessages(last)
	}
	return r.bufferMessages()
}

// Fields of a descriptor's state (printk_ringbuffer.h): two bits above a number.
const (
	descFlags     = 62
	descID        = 1<<descFlags - 1
	descReserved  = 0
	descReusable  = 3
	maxRing       = 1 << 24 // descriptors, and bytes of text: CONFIG_LOG_BUF_SHIFT is 25 at most
	maxRingText   = 1 << 27
	maxRecordText = 1 << 16 // text_len has 16 bits
)

// ring is struct printk_ringbuffer.
type ring struct {
	descs, infos, text arch.Addr
	count, size        uint64
}

func (r *reader) ring(at arch.Addr) (g ring, head, tail uint64) {
	const t = "printk_ringbuffer"
	g.descs = arch.Addr(r.get(at, t, "desc_ring.descs"))
	g.infos = arch.Addr(r.get(at, t, "desc_ring.infos"))
	g.text = arch.Addr(r.get(at, t, "text_data_ring.data"))
	count, size := r.get(at, t, "desc_ring.count_bits"), r.get(at, t, "text_data_ring.size_bits")
	if count > 24 || size > 27 {
		r.note(failed("the log's ring of 2^%d records and 2^%d bytes is none", count, size))
		return g, 0, 0
	}
	g.count, g.size = 1<<count, 1<<size
	return g, r.get(at, t, "desc_ring.head_id.counter"), r.get(at, t, "desc_ring.tail_id.counter")
}

func (r *reader) ringMessages(last uint64) iter.Seq[message] {
	return func(yield func(message) bool) {
		g, head, tail := r.ring(r.pointer(r.symbol("prb")))
		desc, info := r.sizeOf("prb_desc"), r.sizeOf("printk_info")
		if r.stuck() || desc == 0 || info == 0 {
			return
		}
		if last > 0 && last <= (head-tail)&descID {
			tail = (head - last + 1) & descID // a slow line has to carry the end only
		}
		r.ringWindow(g, head, tail, desc, info)
		for n := range g.count {
			id := (tail + n) & descID
			at := arch.Addr(id & (g.count - 1))
			m, ok := r.ringMessage(g, g.descs+at*desc, g.infos+at*info, id)
			if r.stuck() || ok && !yield(m) || id == head&descID {
				return
			}
		}
	}
}

// ringWindow asks for all descriptors that are in use, and their texts.
func (r *reader) ringWindow(g ring, head, tail uint64, desc, info arch.Addr) {
	used := min((head-tail)&descID+1, g.count)
	first := arch.Addr(tail & (g.count - 1))
	run := min(arch.Addr(used), arch.Addr(g.count)-first)
	r.touch(g.descs+first*desc, int(run*desc))
	r.touch(g.infos+first*info, int(run*info))
}

// ringMessage reads one record; false for one that holds none.
func (r *reader) ringMessage(g ring, desc, info arch.Addr, id uint64) (m message, ok bool) {
	state := r.get(desc, "prb_desc", "state_var.counter")
	if s := state >> descFlags; state&descID != id || s == descReserved || s == descReusable {
		return m, false
	}
	begin, next := r.get(desc, "prb_desc", "text_blk_lpos.begin"), r.get(desc, "prb_desc", "text_blk_lpos.next")
	m.ns = r.get(info, "printk_info", "ts_nsec")
	m.level = int(r.get(info, "printk_info", "level"))
	n := r.get(info, "printk_info", "text_len")
	if begin&1 != 0 { // LPOS_DATALESS: nothing to say, or no room for it
		return m, true
	}
	at, room := begin&(g.size-1), next-begin
	if begin&^(g.size-1) != next&^(g.size-1) && next&(g.size-1) != 0 { // it did not fit before the end
		at, room = 0, next&(g.size-1)
	}
	const head = 8 // the descriptor's number before the text
	if room < head || at+room > g.size {
		return m, false
	}
	m.text = r.string(g.text+arch.Addr(at+head), int(min(n, room-head)))
	return m, true
}

// sizeOf is the size of a structure.
func (r *reader) sizeOf(typ string) arch.Addr {
	t, err := r.w.Type(typ)
	if err != nil {
		r.note(&FieldError{Type: typ})
		return 0
	}
	return arch.Addr(max(t.ByteSize(), 0))
}

// string reads n bytes of text.
func (r *reader) string(a arch.Addr, n int) string {
	if n <= 0 || n > maxRecordText {
		return ""
	}
	p := make([]byte, n)
	if !r.read(a, p) {
		return ""
	}
	return string(p)
}

// bufferMessages reads the log of kernels before 5.10: struct printk_log with its text
// behind it, of a length of 0 where the next one is at the beginning.
func (r *reader) bufferMessages() iter.Seq[message] {
	return func(yield func(message) bool) {
		at := uint64(uint32(r.uint(r.symbol("log_first_idx"), 4)))
		end := uint64(uint32(r.uint(r.symbol("log_next_idx"), 4)))
		buf, size := r.pointer(r.symbol("log_buf")), r.uint(r.symbol("log_buf_len"), 4)
		if r.stuck() || size > maxRingText {
			return
		}
		r.touch(buf, int(size))
		head := uint64(r.sizeOf("printk_log"))
		for range maxRing {
			if at == end || r.stuck() || at+head > size {
				return
			}
			rec := buf + arch.Addr(at)
			n := r.get(rec, "printk_log", "len")
			if n == 0 {
				at = 0
				continue
			}
			m := message{ns: r.get(rec, "printk_log", "ts_nsec"), level: int(r.get(rec, "printk_log", "level"))}
			m.text = r.string(rec+arch.Addr(head), int(r.get(rec, "printk_log", "text_len")))
			if !yield(m) {
				return
			}
			at += n
		}
	}
}
