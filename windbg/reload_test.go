package windbg

import (
	"bytes"
	"context"
	"testing"
	"time"

	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// slowLike is a system whose kernel has names when it is told to read them, and whose types are
// broken off.
type slowLike struct {
	kernelLike
	read bool
}

func (*slowLike) Modules(context.Context, systems.World) ([]targets.Module, error) {
	return []targets.Module{{Path: "vmlinux", Base: imageBase, Size: 0x52c0, Main: true}}, nil
}

func (y *slowLike) Image(context.Context, systems.World, targets.Module) (symbols.Image, error) {
	if !y.read {
		return nil, nil
	}
	return namesOnly{}, nil
}

func (y *slowLike) Load(context.Context, systems.World, targets.Module) (bool, error) {
	y.read = true
	return true, context.Canceled
}

// namesOnly is the stage's image without more than its names.
type namesOnly struct{ image }

func (namesOnly) Debug() symbols.DebugKind { return symbols.Exports }

// TestReloadBrokenOff: what was read before a break is told, of one module as of all.
func TestReloadBrokenOff(t *testing.T) {
	for line, want := range map[string]string{
		".reload /f vmlinux": "Symbols loaded for vmlinux: /home/bob/orders\n",
		".reload /f":         "Reloading current modules\nSymbols loaded for vmlinux: /home/bob/orders\n",
	} {
		i, _ := play(t, &slowLike{})
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		var out bytes.Buffer
		err := i.Exec(ctx, line, &out)
		if told, rest, ok := bytes.Cut(out.Bytes(), []byte(want)); !ok || len(told) > 0 || len(rest) == 0 || err == nil {
			t.Errorf("%s: %q, %v", line, out.String(), err)
		}
	}
}
