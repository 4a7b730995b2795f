package rsp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dap-windbg/targets"
)

// This file reads what a machine has beside the registers of its target description.

// tables are the rows of QEMU's "info registers" that tell a table's place:
// "IDT=     fffffe0000000000 00000fff" (target/i386/cpu-dump.c).
var tables = map[string]string{
	"idtr": `(?m)^IDT=\s+([0-9a-f]+) `,
	"gdtr": `(?m)^GDT=\s+([0-9a-f]+) `,
	"ldtr": `(?m)^LDT=[0-9a-f]+ ([0-9a-f]+) `,
	"tr":   `(?m)^TR =[0-9a-f]+ ([0-9a-f]+) `,
}

// systemRegister is the base in a register of the first CPU that no description has.
func (t *Target) systemRegister(ctx context.Context, name string) ([]byte, error) {
	row := tables[name]
	if row == "" || t.c.kind.name != qemuStub.name {
		return nil, errors.ErrUnsupported
	}
	text, _, err := t.Command(ctx, "info registers")
	if err != nil {
		return nil, err
	}
	m := regexp.MustCompile(row).FindStringSubmatch(text)
	if m == nil {
		return nil, &targets.ProtocolError{Op: "reading " + name, Sent: "info registers", Got: text}
	}
	v, err := strconv.ParseUint(m[1], 16, 64)
	if err != nil {
		return nil, &targets.ProtocolError{Op: "reading " + name, Sent: "info registers", Got: m[1]}
	}
	return binary.LittleEndian.AppendUint64(nil, v), nil
}

// modelRegisters are the MSRs that QEMU's target description has under a name (Intel
// SDM volume 4, table 2-2).
var modelRegisters = map[uint64]string{0xc0000080: "efer", 0xc0000100: "fs_base", 0xc0000101: "gs_base", 0xc0000102: "k_gs_base"}

// modelRegister is an MSR of the CPU that stopped, as far as the registers tell it.
func (t *Target) modelRegister(ctx context.Context, annex string) ([]byte, error) {
	n, err := strconv.ParseUint(annex, 16, 32)
	if err != nil {
		return nil, fmt.Errorf("want the number of an MSR in hex, got %q", annex)
	}
	name, ok := modelRegisters[n]
	if !t.info.Load().Machine || !ok && t.c.kind.name != qemuStub.name {
		return nil, errors.ErrUnsupported
	}
	if !ok {
		return nil, &targets.RefusedError{Op: "reading MSR " + annex, Text: "the stub tells no such register", Fix: "It has c0000080 (efer), c0000100, c0000101 and c0000102 (the bases of fs and gs)."}
	}
	regs, err := t.Registers(ctx, t.id(t.current()))
	if err != nil {
		return nil, err
	}
	v, ok := regs.Get(name)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return binary.LittleEndian.AppendUint64(nil, v), nil
}

// keepCPUs remembers the CPUs of QEMU's machine, so that stops do not ask for them. Whether
// one is halted, which QEMU tells with the name, changes all the time.
func (t *Target) keepCPUs(list []targets.Thread) {
	if t.c.kind.name != qemuStub.name {
		return
	}
	for i := range list {
		list[i].Name, _, _ = strings.Cut(list[i].Name, " [")
	}
	t.cpus = slices.Clone(list)
}
