package adapter

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"

	"github.com/google/go-dap"
)

// accesses are DAP's access types as traps.
var accesses = map[dap.DataBreakpointAccessType]targets.TrapKind{
	"":          targets.OnWrite,
	"write":     targets.OnWrite,
	"read":      targets.OnRead,
	"readWrite": targets.OnAccess,
}

// ofFrame ends the id of a data breakpoint that ends with the frame it lies in.
const ofFrame = ":frame"

// setDataBreakpoints takes what dataBreakpointInfo gave: an address or a symbol, a
// colon, a size. Who knows both may make one up.
func (s *session) setDataBreakpoints(r *request, a *dap.SetDataBreakpointsArguments) (any, error) {
	var want []engine.Breakpoint
	for _, d := range a.Breakpoints {
		b := engine.Breakpoint{Condition: d.Condition, HitCondition: d.HitCondition}
		id, scoped := strings.CutSuffix(d.DataId, ofFrame)
		colon := strings.LastIndexByte(id, ':')
		place, size, err := id[:max(colon, 0)], 0, error(nil)
		if colon > 0 {
			size, err = strconv.Atoi(id[colon+1:])
		}
		kind, ok := accesses[d.AccessType]
		if colon <= 0 || err != nil || size < 1 || !ok {
			return nil, &argumentError{"breakpoints", fmt.Sprintf("%.40q, %.20q is no data breakpoint", d.DataId, d.AccessType)}
		}
		b.Size, b.Access, b.Scoped = size, kind, scoped
		if b.Addr, err = address(place, 0); err != nil {
			b.Expr, b.Deferred = place, true
		}
		want = append(want, b)
	}
	return s.set(r, ownerData, want)
}

// trapBytes is what one data trap of a CPU covers at most.
const trapBytes = 8

func (s *session) dataBreakpointInfo(r *request, a *dataBreakpointInfoArguments) (any, error) {
	body := dap.DataBreakpointInfoResponseBody{}
	if a.Bytes < 0 {
		return nil, &argumentError{"bytes", "must not be negative"}
	}
	most := trapBytes
	err := s.stopped(r.ctx, func(v *inspection) error {
		most *= max(1, v.Target().Info().DataTraps)
		w, err := v.watchable(a)
		if a.Bytes > 0 {
			w.size = a.Bytes
		}
		switch {
		case err != nil:
			return err
		case w.size < 1 || w.size > most:
			return fmt.Errorf("%s has %d bytes; a data breakpoint covers 1 to %d", a.Name, w.size, most)
		}
		id := fmt.Sprintf("%s:%d", reference(w.addr), w.size)
		if name := v.dataSymbol(w); name != "" && !a.AsAddress {
			id, body.CanPersist = fmt.Sprintf("%s:%d", name, w.size), true
		} else if !a.AsAddress {
			id += ofFrame // what lies in none is not affected
		}
		body.DataId = id
		body.Description = fmt.Sprintf("%s (%d bytes at %s)", a.Name, w.size, reference(w.addr))
		body.AccessTypes = []dap.DataBreakpointAccessType{"read", "write", "readWrite"}
		return nil
	})
	if err != nil {
		body.Description = explain(err) // and no DataId: there can be none
	}
	return body, r.ctx.Err()
}

// plainSymbol are names that MASM reads as one name.
var plainSymbol = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_:.]*$`) })

// dataSymbol names w by the variable that lies there, so that it is found again where
// the program is loaded elsewhere the next time; "" when none holds all of it.
func (v *inspection) dataSymbol(w window) string {
	l := v.Locate(w.addr)
	if l.Module == nil || l.Symbol.Kind != symbols.Data || !plainSymbol().MatchString(l.Symbol.Name) ||
		l.Disp+uint64(w.size) > l.Symbol.Size {
		return ""
	}
	name := l.Module.Name + "!" + l.Symbol.Name
	if at, err := v.Address(v.ctx, name); err != nil || at != w.addr-arch.Addr(l.Disp) {
		return "" // another one has that name
	}
	if l.Disp > 0 {
		name += fmt.Sprintf("+0x%x", l.Disp)
	}
	return name
}

// watchable finds the memory a data breakpoint is asked for.
func (v *inspection) watchable(a *dataBreakpointInfoArguments) (window, error) {
	if a.AsAddress {
		if addr, err := address(a.Name, 0); err == nil {
			return window{addr, max(a.Bytes, 1)}, nil
		}
		addr, err := v.Address(v.ctx, a.Name)
		return window{addr, max(a.Bytes, 1)}, err
	}
	var val eval.Value
	if a.VariablesReference != 0 {
		n, ok := v.s.ids.nodes[a.VariablesReference]
		if !ok {
			return window{}, v.s.ids.unknown("variable", a.VariablesReference)
		}
		if n.kind == registersNode || n.kind == groupNode {
			return window{}, fmt.Errorf("%s is a register", a.Name)
		}
		o, _, err := v.childNamed(n, a.Name)
		if err != nil {
			return window{}, err
		}
		val = o.Value
	} else {
		f, err := v.frameOrNil(a.FrameId)
		if err != nil {
			return window{}, err
		}
		if val, err = v.Eval(v.ctx, f, a.Name, eval.Options{}); err != nil {
			return window{}, err
		}
	}
	if val.Type == nil || val.Place != eval.InMemory || val.Err != nil {
		return window{}, fmt.Errorf("%s is not in memory", a.Name)
	}
	return window{val.Addr, int(min(max(val.Type.ByteSize(), 0), 1<<30))}, nil
}
