package kernel

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"dap-windbg/tests/kernel/window"
)

// TestKernelBooting: a kernel that still boots is waited for.
func TestKernelBooting(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			d := start(t, 1, "nokaslr")
			d.open(d.line.Connection(protocol, d.kernel) + ",timeout=5m")
			has(t, "k", d.Do("k"), `vmlinux!kgdb_breakpoint`)
			d.End("qd")
			d.Ready()
			if got := d.Run("echo alive"); got != "alive\n" {
				t.Errorf("after detaching the guest says %q", got)
			}
		})
	}
}

// interrupted is output whose reader presses Ctrl+C when it shows a text.
type interrupted struct {
	mu   sync.Mutex
	out  bytes.Buffer
	at   string
	with func()
	once sync.Once
}

func (i *interrupted) Write(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.out.Write(p)
	if i.at != "" && strings.Contains(i.out.String(), i.at) {
		i.once.Do(i.with)
	}
	return len(p), nil
}

// TestKernelDoctor: who tries a connection to a kernel is told that it is stopped for that,
// and it runs on, also when the trial is interrupted.
func TestKernelDoctor(t *testing.T) {
	for _, protocol := range protocols {
		for _, at := range []string{"", "Opened", "Breaking in"} {
			t.Run(protocol+" "+at, func(t *testing.T) {
				d := start(t, 2, "nokaslr")
				d.Ready()
				binary, err := window.Binary()
				if err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command(binary, "doctor", "--connect", d.line.Connection(protocol, d.kernel)+",timeout=5m")
				said := &interrupted{at: at, with: func() { cmd.Process.Signal(os.Interrupt) }}
				cmd.Stdout, cmd.Stderr = said, said
				err = cmd.Run()
				if text := said.out.String(); (err == nil) != (at == "") || !strings.Contains(text, "is stopped for a moment") || !strings.Contains(text, "runs again") {
					t.Errorf("%v\n%s", err, text)
				}
				if got := d.Run("echo alive"); got != "alive\n" {
					t.Errorf("behind the trial the guest says %q", got)
				}
			})
		}
	}
}
