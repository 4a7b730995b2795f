package adapter

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/symbols"
	"dap-windbg/targets"

	"github.com/google/go-dap"
)

const (
	maxRead         = 32 << 20 // bytes of one readMemory
	maxInstructions = 10_000   // of one disassemble, before or after the reference
)

// window is a range of the debuggee's memory.
type window struct {
	addr arch.Addr
	size int
}

// address reads a memory or instruction reference plus an offset.
func address(ref string, offset int) (arch.Addr, error) {
	n, err := strconv.ParseUint(ref, 0, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no memory reference", ref)
	}
	return arch.Addr(n + uint64(offset)), nil
}

// memoryRead is a ReadMemoryResponse's body whose data becomes base64 on its way
// out.
type memoryRead struct {
	Address         string `json:"address"`
	UnreadableBytes int    `json:"unreadableBytes,omitempty"`
	Data            []byte `json:"data,omitempty"`
}

func (s *session) readMemory(r *request, a *dap.ReadMemoryArguments) (any, error) {
	addr, err := address(a.MemoryReference, a.Offset)
	if err != nil {
		return nil, err
	}
	if a.Count < 0 || a.Count > maxRead {
		return nil, &argumentError{"count", fmt.Sprintf("must be between 0 and %d", maxRead)}
	}
	body := memoryRead{Address: reference(addr)}
	if a.Count == 0 {
		return body, nil
	}
	buf := make([]byte, a.Count)
	es := s.engine()
	if es == nil {
		return nil, errNoDebuggee
	}
	n, err := es.ReadMemory(r.ctx, targets.Space{}, addr, buf) // at any time
	var fault *targets.FaultError
	if err != nil && !errors.As(err, &fault) {
		return nil, err
	}
	s.remember(window{addr, a.Count})
	body.Data = buf[:n]
	body.UnreadableBytes = a.Count - n
	return body, nil
}

// remember notes what the client looks at, so that it can be told of changes.
func (s *session) remember(w window) {
	for _, x := range s.looked {
		if x == w {
			return
		}
	}
	if len(s.looked) == 16 {
		s.looked = s.looked[1:]
	}
	s.looked = append(s.looked, w)
}

func (s *session) writeMemory(r *request, a *dap.WriteMemoryArguments) (any, error) {
	addr, err := address(a.MemoryReference, a.Offset)
	if err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.DecodeString(a.Data)
	if err != nil {
		return nil, &argumentError{"data", err.Error()}
	}
	n := 0
	err = s.stopped(r.ctx, func(v *inspection) error {
		n, err = v.write(addr, data, a.AllowPartial)
		s.ids.generation++
		return err
	})
	if err != nil && (n == 0 || !a.AllowPartial) {
		return nil, err
	}
	s.later(func() {
		s.tellMemory(addr, n)
		if s.client.SupportsInvalidatedEvent { // a client does not know which variables lie there
			s.tellEvent("invalidated", dap.InvalidatedEventBody{Areas: []dap.InvalidatedAreas{"variables"}})
		}
	})
	return dap.WriteMemoryResponseBody{BytesWritten: n}, nil
}

// pageSize is the smallest unit that can be protected otherwise than what is beside it.
const pageSize = 4096

// write writes all of data, or as much as can be written when part will do. Where all
// is wanted it looks first whether all pages are there.
func (v *inspection) write(addr arch.Addr, data []byte, part bool) (int, error) {
	within := pageSize - int(uint64(addr)%pageSize)
	if len(data) <= within {
		return v.WriteMemory(v.ctx, targets.Space{}, addr, data)
	}
	if !part {
		if _, err := v.ReadMemory(v.ctx, targets.Space{}, addr, make([]byte, len(data))); err != nil {
			return 0, err
		}
		return v.WriteMemory(v.ctx, targets.Space{}, addr, data)
	}
	n, err := v.WriteMemory(v.ctx, targets.Space{}, addr, data)
	if err == nil {
		return n, nil
	}
	for n = 0; n < len(data); within = pageSize {
		k, err := v.WriteMemory(v.ctx, targets.Space{}, addr+arch.Addr(n), data[n:min(n+within, len(data))])
		if n += k; err != nil {
			return n, err
		}
	}
	return n, nil
}

// tellMemory tells that [addr, addr+size) changed; size 0: nobody knows what,
// so everything the client has read is told.
func (s *session) tellMemory(addr arch.Addr, size int) {
	if !s.client.SupportsMemoryEvent {
		return
	}
	if size > 0 {
		s.tellEvent("memory", dap.MemoryEventBody{MemoryReference: reference(addr), Count: size})
		return
	}
	for _, w := range s.looked {
		s.tellEvent("memory", dap.MemoryEventBody{MemoryReference: reference(w.addr), Count: w.size})
	}
}

func (s *session) disassemble(r *request, a *dap.DisassembleArguments) (any, error) {
	addr, err := address(a.MemoryReference, a.Offset)
	if err != nil {
		return nil, err
	}
	if a.InstructionCount < 0 || a.InstructionCount > maxInstructions ||
		a.InstructionOffset < -maxInstructions || a.InstructionOffset > maxInstructions {
		return nil, &argumentError{"instructionCount, instructionOffset", fmt.Sprintf("must be within %d", maxInstructions)}
	}
	body := disassembleBody{Instructions: []instruction{}}
	err = s.stopped(r.ctx, func(v *inspection) error {
		code, err := v.window(addr, a.InstructionOffset, a.InstructionCount)
		if err != nil {
			return err
		}
		body.Instructions = make([]instruction, 0, len(code))
		var last symbols.Line
		for _, i := range code {
			body.Instructions = append(body.Instructions, v.instruction(i, a.ResolveSymbols, &last))
		}
		return nil
	})
	return body, err
}

// window decodes exactly count instructions from offset instructions after
// addr; what cannot be decoded is there as invalid.
func (v *inspection) window(addr arch.Addr, offset, count int) ([]engine.Inst, error) {
	var code []engine.Inst
	if offset < 0 {
		before, err := v.DisassembleBefore(v.ctx, addr, -offset)
		if err != nil && v.ctx.Err() != nil {
			return nil, err
		}
		first := addr
		if len(before) > 0 {
			first = before[0].Addr
		}
		for i := -offset - len(before); i > 0; i-- {
			code = append(code, engine.Inst{Addr: first - arch.Addr(i), Err: errors.New("not decoded")})
		}
		code = append(code, before...)
	}
	if n := offset + count; n > 0 {
		after, err := v.Disassemble(v.ctx, addr, n)
		if err != nil && v.ctx.Err() != nil {
			return nil, err
		}
		next := addr
		if k := len(after); k > 0 {
			next = after[k-1].Addr + arch.Addr(max(1, after[k-1].Len))
		}
		for len(after) < n {
			after = append(after, engine.Inst{Addr: next, Err: errors.New("not decoded")})
			next++
		}
		code = append(code, after[max(0, offset):]...)
	}
	return code[:min(len(code), count)], nil
}

// spaced writes bytes as "48 89 e5".
func spaced(b []byte) string {
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 3*len(b))
	for i, c := range b {
		if i > 0 {
			out = append(out, ' ')
		}
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}

func (v *inspection) instruction(i engine.Inst, named bool, last *symbols.Line) instruction {
	x := instruction{DisassembledInstruction: dap.DisassembledInstruction{Address: reference(i.Addr), InstructionBytes: spaced(i.Bytes)}}
	if i.Err != nil {
		x.Instruction, x.PresentationHint = "???", "invalid"
		return x
	}
	args := i.Args
	if named {
		args = i.Format(func(a arch.Addr) string {
			l := v.Locate(a)
			if l.Symbol.Name == "" || l.Module == nil {
				return ""
			}
			return l.Module.Name + "!" + nameOf(l)
		})
	}
	x.Instruction = i.Op
	if args != "" {
		x.Instruction += " " + args
	}
	l := v.Locate(i.Addr)
	if l.Symbol.Name != "" && l.Disp == 0 {
		x.Symbol = l.Symbol.Name
	}
	if l.Line.File != "" && (l.Line.File != last.File || l.Line.Line != last.Line) {
		*last = l.Line
		x.Location = v.s.sources.of(l.Line.File, l.Module)
		x.Line = v.s.line(l.Line.Line)
	}
	return x
}
