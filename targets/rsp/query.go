package rsp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"dap-windbg/targets"
)

// objects are the kinds that are qXfer objects with an annex of their own.
var objects = map[targets.Kind]string{
	targets.Auxv: "auxv", targets.OSData: "osdata", targets.ExecFile: "exec-file", targets.MemoryMap: "memory-map",
}

// Query answers typed odds and ends.
func (t *Target) Query(ctx context.Context, k targets.Kind, annex string) ([]byte, error) {
	switch {
	case k == targets.SystemRegister:
		return t.systemRegister(ctx, annex)
	case k == targets.MSR:
		return t.modelRegister(ctx, annex)
	case k == targets.IOPort:
		return t.readPort(ctx, annex)
	}
	if known := t.info.Load().auxv; k == targets.Auxv && len(known) > 0 {
		return bytes.Clone(known), nil // it changes only when another image is executed
	}
	done, err := t.c.turn(ctx, t)
	if err != nil {
		return nil, err
	}
	defer done()
	if object, ok := objects[k]; ok {
		data, err := t.c.read(ctx, false, object, annex)
		if k == targets.OSData {
			data = allowed(data)
		}
		return data, err
	}
	switch k {
	case targets.Siginfo:
		return t.siginfo(ctx, annex)
	case targets.TLSAddress:
		f := strings.Fields(annex)
		if len(f) != 3 {
			return nil, fmt.Errorf("want \"thread offset module\", got %q", annex)
		}
		r := ask("qGetTLSAddr:%s,%s,%s", f[0], f[1], f[2])
		if err := t.c.exchange(ctx, r); err != nil {
			return nil, err
		}
		v, ok := parseHex(string(r.reply))
		if !ok || r.reply[0] == 'E' { // an error; addresses come in small letters
			return nil, wrote("finding thread-local storage", r)
		}
		return binary.LittleEndian.AppendUint64(nil, v), nil
	}
	return nil, errors.ErrUnsupported
}

// threadNamed reads an annex that names a thread; "" is the stopped one.
func (t *Target) threadNamed(annex string) (threadID, error) {
	if annex == "" {
		return t.current(), nil
	}
	for _, spelling := range []string{annex, "p" + annex} {
		if id, ok := parseThread(spelling); ok {
			return id, nil
		}
	}
	return threadID{}, fmt.Errorf("want a thread, got %q", annex)
}

// setSiginfo writes what a thread is told of the signal it stopped for.
func (t *Target) setSiginfo(ctx context.Context, annex string, value []byte) error {
	id, err := t.threadNamed(annex)
	if err != nil {
		return err
	}
	if !t.c.feature("qXfer:siginfo:write") {
		return errors.ErrUnsupported
	}
	done, err := t.c.turn(ctx, t)
	if err != nil {
		return err
	}
	defer done()
	r := ask("%s", "qXfer:siginfo:write::0:"+string(escaped(value)))
	if err := t.c.exchange(ctx, ask("Hg%s", id), r); err != nil {
		return err
	}
	t.c.mu.Lock()
	t.c.general = id
	t.c.mu.Unlock()
	if n, ok := parseHex(string(r.reply)); !ok || isError(r.reply) || int(n) != len(value) {
		return wrote("writing a signal's information", r)
	}
	return nil
}

func (t *Target) siginfo(ctx context.Context, annex string) ([]byte, error) {
	id, err := t.threadNamed(annex)
	if err != nil {
		return nil, err
	}
	x := t.c.xfer("siginfo", "")
	reqs := append([]*request{ask("Hg%s", id)}, x.begin()...)
	if x.missing {
		return nil, errors.ErrUnsupported
	}
	if err := t.c.exchange(ctx, reqs...); err != nil {
		return nil, err
	}
	t.c.mu.Lock()
	t.c.general = id
	t.c.mu.Unlock()
	err = t.c.rest(ctx, false, x)
	return x.data, errors.Join(err, x.err)
}

// Set changes typed odds and ends.
func (t *Target) Set(ctx context.Context, k targets.Kind, annex string, value []byte) error {
	switch k {
	case targets.Forks:
		return t.reportForks(value)
	case targets.Siginfo:
		return t.setSiginfo(ctx, annex, value)
	case targets.IOPort:
		return t.writePort(ctx, annex, value)
	case targets.Reboot:
		return t.reset(ctx)
	case targets.ActiveCPU:
		return t.activeAt(value)
	}
	r, offer := t.setting(k, value)
	if r == nil || offer != "" && !t.c.feature(offer) {
		return errors.ErrUnsupported
	}
	done, err := t.c.turn(ctx, t)
	if err != nil {
		return err
	}
	defer done()
	if err := t.c.exchange(ctx, r); err != nil {
		return err
	}
	if string(r.reply) != "OK" {
		return wrote("changing a setting", r)
	}
	return nil
}

// setting spells a Set and names the offer it needs.
func (t *Target) setting(k targets.Kind, value []byte) (r *request, offer string) {
	switch k {
	case targets.PassSignals:
		list := make([]int, len(value))
		for i, b := range value {
			list[i] = int(b)
		}
		return t.c.passSignals(list), "QPassSignals"
	case targets.CatchSyscalls:
		text := "QCatchSyscalls:0"
		if len(value) >= 4 {
			text = "QCatchSyscalls:1"
		}
		for ; len(value) >= 4; value = value[4:] {
			text += fmt.Sprintf(";%x", binary.LittleEndian.Uint32(value))
		}
		return ask("%s", text), "QCatchSyscalls"
	case targets.ThreadEvents:
		return ask("QThreadEvents:%d", len(value)&1&int(first(value))), "QThreadEvents"
	case targets.TraceVariable:
		return ask("QTDV:%x:0:0:%s", first(value), toHex("skip")), "ConditionalTracepoints"
	case targets.WorkDir:
		return ask("QSetWorkingDir:%s", toHex(string(value))), "QSetWorkingDir"
	}
	return nil, ""
}

func first(p []byte) byte {
	if len(p) == 0 {
		return 0
	}
	return p[0]
}
