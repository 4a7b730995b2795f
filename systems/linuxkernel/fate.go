package linuxkernel

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/systems"
)

// This file tells when a kernel dies, or was born again.

// Fatal implements systems.Fatal. oops_begin is x86's door to every oops
// (arch/x86/kernel/dumpstack.c).
func (*System) Fatal() []string { return []string{"panic", "oops_begin"} }

// Last implements systems.Fatal: what the kernel is about to say.
func (s *System) Last(ctx context.Context, w systems.World, function string, r *arch.Registers) (string, error) {
	if function != "panic" {
		return "Kernel oops", nil
	}
	m := s.reader(ctx, w)
	text := m.formatted(r)
	return "Kernel panic - not syncing: " + strings.TrimSpace(text), m.end()
}

// arguments are the registers that follow the format (System V psABI for x86-64, 3.2.3).
var arguments = []string{"rsi", "rdx", "rcx", "r8", "r9"}

const maxMessage = 512

// formatted puts the arguments of panic into its format, as far as they are strings
// and integers.
func (r *reader) formatted(regs *arch.Registers) string {
	format, _ := regs.Get("rdi")
	rest, next := r.text(arch.Addr(format), maxMessage), 0
	var b strings.Builder
	for {
		before, spec, found := strings.Cut(rest, "%")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		n := strings.IndexFunc(spec, func(c rune) bool { return strings.ContainsRune("sdiuxXpc%", c) })
		if n < 0 || spec[n] != '%' && next == len(arguments) {
			b.WriteString("%" + spec)
			return b.String()
		}
		rest = spec[n+1:]
		if strings.Trim(spec[:n], "-#l.0123456789zh") != "" { // a percent sign that stands for itself
			b.WriteString("%" + spec[:n+1])
			continue
		}
		if spec[n] == '%' {
			b.WriteByte('%')
			continue
		}
		v, _ := regs.Get(arguments[next])
		next++
		b.WriteString(r.argument(v, spec[:n], spec[n]))
	}
}

// argument is one of a format: flags as written, verb at their end.
func (r *reader) argument(v uint64, flags string, verb byte) string {
	switch {
	case verb == 's':
		return r.text(arch.Addr(v), maxMessage)
	case verb == 'c':
		return string(rune(byte(v)))
	case verb == 'd' || verb == 'i':
		if !strings.Contains(flags, "l") {
			return strconv.Itoa(int(int32(v)))
		}
		return strconv.FormatInt(int64(v), 10)
	case !strings.Contains(flags, "l") && verb != 'p':
		v = uint64(uint32(v))
	}
	if verb == 'u' {
		return strconv.FormatUint(v, 10)
	}
	return fmt.Sprintf("%x", v)
}

// Restarted implements systems.Restarter: the kernel's build-id, or its banner where the
// other is unknown, does not lie where it did, or its clock has gone back. Nothing is known
// of it while the CPU runs a program, whose page tables may lack the kernel.
func (s *System) Restarted(ctx context.Context, w systems.World, regs *arch.Registers) (bool, error) {
	if s.kernel == nil {
		return false, nil
	}
	if cr0, told := regs.Get("cr0"); told && cr0>>31&1 == 0 {
		return true, nil
	}
	if cs, told := regs.Get("cs"); told && cs&3 != 0 {
		return false, nil
	}
	r := s.reader(ctx, w)
	clock, ok := r.lookup("jiffies_64")
	at, want := s.kernel.buildIDAt, s.kernel.BuildID
	if at == 0 {
		at, want = s.kernel.bannerAt, []byte(s.kernel.Banner)
	}
	mark := make([]byte, len(want))
	if at != 0 {
		r.read(at, mark)
	}
	now := uint64(0)
	if ok {
		now = r.uint(clock, 8)
	}
	if r.need != nil {
		return false, r.need
	}
	before := s.kernel.clock
	s.kernel.clock = now
	changed := at != 0 && !bytes.Equal(mark, want)
	return changed || ok && now < before, nil
}
