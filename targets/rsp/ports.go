package rsp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"dap-windbg/targets"
)

// This file reaches a machine's I/O ports and its switch through QEMU's monitor
// (hmp-commands.hx: i, o, system_reset).

// portLetters are the sizes of an access as the monitor spells them.
var portLetters = map[uint64]string{1: "b", 2: "h", 4: "w"}

// ofPort reads the annex "port size", in hex.
func (t *Target) ofPort(annex string) (number uint64, letter string, err error) {
	if t.c.kind.name != qemuStub.name {
		return 0, "", errors.ErrUnsupported
	}
	port, size, ok := strings.Cut(annex, " ")
	number, err = strconv.ParseUint(port, 16, 16)
	n, err2 := strconv.ParseUint(size, 16, 8)
	if letter = portLetters[n]; !ok || err != nil || err2 != nil || letter == "" {
		return 0, "", fmt.Errorf("want \"port size\" in hex with a size of 1, 2 or 4, got %q", annex)
	}
	return number, letter, nil
}

// readPort reads an I/O port. The monitor answers "portb[0x0064] = 0x1c".
func (t *Target) readPort(ctx context.Context, annex string) ([]byte, error) {
	number, letter, err := t.ofPort(annex)
	if err != nil {
		return nil, err
	}
	line := fmt.Sprintf("i/x%s 0x%x", letter, number)
	text, _, err := t.Command(ctx, line)
	if err != nil {
		return nil, err
	}
	_, value, _ := strings.Cut(text, "= 0x")
	v, err := strconv.ParseUint(strings.TrimSpace(value), 16, 32)
	if err != nil {
		return nil, &targets.ProtocolError{Op: "reading an I/O port", Sent: line, Got: text}
	}
	return binary.LittleEndian.AppendUint32(nil, uint32(v)), nil
}

// writePort writes an I/O port; the monitor says something only when it will not.
func (t *Target) writePort(ctx context.Context, annex string, value []byte) error {
	number, letter, err := t.ofPort(annex)
	if err != nil {
		return err
	}
	var v [4]byte
	copy(v[:], value)
	return t.told(ctx, "writing an I/O port", fmt.Sprintf("o/%s 0x%x 0x%x", letter, number, binary.LittleEndian.Uint32(v[:])))
}

// reset resets the machine, which stays stopped under QEMU and runs under kgdb.
func (t *Target) reset(ctx context.Context) error {
	if t.c.line != nil {
		return t.rebootKGDB(ctx)
	}
	if t.c.kind.name != qemuStub.name {
		return errors.ErrUnsupported
	}
	return t.told(ctx, "resetting the machine", "system_reset")
}

// told gives the monitor a line that it has no answer to.
func (t *Target) told(ctx context.Context, op, line string) error {
	text, _, err := t.Command(ctx, line)
	if err == nil && strings.TrimSpace(text) != "" {
		err = &targets.ProtocolError{Op: op, Sent: line, Got: text}
	}
	return err
}
