package launch

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGuardParts: the end of the journal without its last word has the guard lift
// what is planted and detach.
func TestGuardParts(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	said := make(chan string, 1)
	go func() {
		var b strings.Builder
		r := bufio.NewReader(far)
		for !strings.Contains(b.String(), "$D;2a#") {
			c, err := r.ReadByte()
			if err != nil {
				break
			}
			b.WriteByte(c)
		}
		said <- b.String()
		far.Close()
	}()
	RunGuard(strings.NewReader("process 42 detach stub\nZ0,401000,1\nZ0,402000,1\nz0,402000,1\n"), given(near), guardSignals{})
	if got := <-said; !strings.HasPrefix(got, "$z0,401000,1#") || strings.Contains(got, "402000") {
		t.Errorf("it said %q", got)
	}
}

// given is a connection that is taken up as it is.
func given(c net.Conn) func() (net.Conn, error) {
	return func() (net.Conn, error) { return c, nil }
}

// TestGuardGivesUp: a far end that takes nothing does not hold the guard for ever.
func TestGuardGivesUp(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	defer near.Close()
	RunGuard(strings.NewReader("process 42 detach stub\nZ0,401000,1\nrun\n"), given(near), guardSignals{})
}

// TestGuardDismissed: an orderly end leaves the connection alone.
func TestGuardDismissed(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	RunGuard(strings.NewReader("process 42 kill stub\nZ0,401000,1\nend\n"), given(near), guardSignals{kill: func(int64) error {
		t.Error("it killed the process")
		return nil
	}})
	near.Close()
	if said, err := io.ReadAll(far); len(said) > 0 || err != nil {
		t.Errorf("it said %q, %v", said, err)
	}
}

// TestNatvisFiles: what is no file is refused and not read to its end.
func TestNatvisFiles(t *testing.T) {
	for _, name := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing"), os.DevNull} {
		var wrong *ConfigError
		if _, _, err := newModel([]string{name}); !errors.As(err, &wrong) || wrong.Field != "natvis" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNatvisInPart: what can be used of a visualiser file is used, the rest is told.
func TestNatvisInPart(t *testing.T) {
	name := filepath.Join(t.TempDir(), "some.natvis")
	src := `<AutoVisualizer xmlns="http://schemas.microsoft.com/vstudio/debugger/natvis/2010">
<Type Name="Good"><DisplayString>{n}</DisplayString></Type>
<Type Name="Bad"><DisplayString>{n +}</DisplayString></Type>
</AutoVisualizer>`
	if err := os.WriteFile(name, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	m, left, err := newModel([]string{name})
	if err != nil || m == nil || len(left) != 1 || left[0].Types != 1 || left[0].Errs[0].Line != 3 {
		t.Errorf("%v, %v, %v", m, left, err)
	}
}
