package adapter

import (
	"fmt"
	"math/big"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/eval"

	"github.com/google/go-dap"
)

// groups are the sections of the Registers scope after the general ones.
var groups = []struct {
	group arch.Group
	name  string
}{
	{arch.Segment, "Segment"},
	{arch.Float, "Floating point"},
	{arch.Vector, "Vector"},
	{arch.Control, "Control"},
	{arch.System, "System"},
}

// registers lists the children of a registers scope or of one group.
func (v *inspection) registers(n *node, hex bool) ([]variable, error) {
	f, err := v.nodeFrame(n)
	if err != nil {
		return nil, err
	}
	regs := f.Regs
	if regs == nil {
		return nil, fmt.Errorf("the registers of this frame are not known")
	}
	group := n.group
	if n.kind == registersNode {
		group = arch.General
	}
	list := []variable{}
	present := map[arch.Group]bool{}
	for i, r := range regs.Set.Regs {
		present[r.Group] = true
		if r.Group == group {
			list = append(list, v.register(regs, i))
		}
	}
	if n.kind != registersNode {
		return list, nil
	}
	for _, g := range groups {
		if present[g.group] {
			id := v.s.ids.node(&node{kind: groupNode, frame: n.frame, group: g.group})
			list = append(list, variable{Variable: dap.Variable{Name: g.name, VariablesReference: id}})
		}
	}
	return list, nil
}

func (v *inspection) register(regs *arch.Registers, i int) variable {
	r := regs.Set.Regs[i]
	x := variable{Variable: dap.Variable{Name: r.Name, EvaluateName: "@" + r.Name, Type: fmt.Sprintf("%d bits", r.Size*8)}}
	x.Value = registerText(regs, i)
	if n, ok := regs.Uint(i); ok && r.Group == arch.General && r.Size == regs.Set.Arch.PtrSize {
		x.MemoryReference = reference(arch.Addr(n))
	}
	return x
}

// registerText is a register in hexadecimal, all its digits.
func registerText(regs *arch.Registers, i int) string {
	b, ok := regs.Bytes(i)
	if !ok {
		return "<not available>"
	}
	b = slices.Clone(b)
	if !regs.Set.Arch.BigEndian {
		slices.Reverse(b)
	}
	return fmt.Sprintf("0x%x", b)
}

// setRegister stores text, a number or an expression, in a register of the
// innermost frame.
func (v *inspection) setRegister(n *node, name, text string) (string, error) {
	f, err := v.nodeFrame(n)
	if err != nil {
		return "", err
	}
	if f.Index != 0 {
		return "", fmt.Errorf("registers can be set in the innermost frame only")
	}
	regs, err := v.Registers(v.ctx, f.Thread)
	if err != nil {
		return "", err
	}
	regs = regs.Clone()
	i, ok := regs.Set.Index(name)
	if !ok {
		return "", fmt.Errorf("there is no register %q", name)
	}
	if err := v.putRegister(n, regs, i, text); err != nil {
		return "", err
	}
	if err := v.SetRegisters(v.ctx, f.Thread, regs); err != nil {
		return "", err
	}
	return registerText(regs, i), nil
}

func (v *inspection) putRegister(n *node, regs *arch.Registers, i int, text string) error {
	size := regs.Set.Regs[i].Size
	if wide, ok := new(big.Int).SetString(text, 0); ok && wide.Sign() >= 0 {
		if wide.BitLen() > size*8 {
			return &argumentError{"value", fmt.Sprintf("%s has %d bits", regs.Set.Regs[i].Name, size*8)}
		}
		b := wide.FillBytes(make([]byte, size))
		if !regs.Set.Arch.BigEndian {
			slices.Reverse(b)
		}
		regs.SetBytes(i, b)
		return nil
	}
	f, err := v.nodeFrame(n)
	if err != nil {
		return err
	}
	val, err := v.Eval(v.ctx, f, text, eval.Options{})
	if err != nil {
		return err
	}
	num, err := eval.Int(v.ctx, v.Env(f), val)
	if err != nil {
		return err
	}
	regs.SetUint(i, num)
	return nil
}
