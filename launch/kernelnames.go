package launch

import (
	"context"
	"encoding/binary"
	"os"

	"dap-windbg/engine"
)

// This file keeps what was read of a Linux kernel's own names, beside the indexes of files.

// lengthOf is the name of what says how long is what is kept under name.
func lengthOf(name string) string { return name + "-length" }

// keepKernel keeps data for the kernel of a build.
func (f *files) keepKernel(build []byte, name string, data []byte) {
	k := f.index.For(build)
	if k == nil || os.MkdirAll(f.index.Dir, 0o700) != nil {
		return
	}
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	if k.KeepSection(name, uint64(len(data)), data) == nil {
		_ = k.KeepSection(lengthOf(name), uint64(len(length)), length) // without it the other is not found
	}
}

// keptKernel is what was kept, nil when it is not there or damaged.
func (f *files) keptKernel(build []byte, name string) []byte {
	k := f.index.For(build)
	length := k.Section(lengthOf(name), 8).Beginning(8)
	if length == nil {
		return nil
	}
	n := binary.LittleEndian.Uint64(length)
	return k.Section(name, n).Beginning(int(n)) // there is no Section of more than an int
}

// toldParts is in how many parts a long read is told of where no progress is shown.
const toldParts = 10

// reading tells of a long read from the debuggee, which GiveUpTransfers ends.
func (d *Debugger) reading(ctx context.Context, what string) (context.Context, func(part float64)) {
	ctx, stop := context.WithCancel(ctx)
	d.lengthy.Store(&stop)
	d.tell(engine.FromDebugger, "Reading %s; a break ends it, and what was read stays", what)
	told, title := 0, "target: "+what
	return ctx, func(part float64) {
		d.progress(title, part)
		if n := int(part * toldParts); d.hooks.Progress == nil && n > told && part < 1 {
			told = n
			d.tell(engine.FromDebugger, "%d%%", n*100/toldParts)
		}
		if part >= 1 {
			d.lengthy.CompareAndSwap(&stop, nil)
			stop()
		}
	}
}
