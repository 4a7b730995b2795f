//go:build linux

package transport

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNeighbour: without a password, another user of the machine gets no answer.
func TestNeighbour(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, c := range []struct {
		password string
		answered bool
	}{{"", false}, {"p1", true}} {
		l, err := Listen(ctx, Spec{Protocol: "tcp", Password: c.password}, Options{Service: "test"})
		if err != nil {
			t.Fatal(err)
		}
		go echo(ctx, l)
		for _, host := range []string{"127.0.0.1", "::1"} {
			text := `{"version":2,"nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`
			script := fmt.Sprintf(`exec 3<>/dev/tcp/%s/%d; printf 'DWR\n\0\%03o%s' >&3; cat <&3`, host, l.Spec().Port, len(text), text)
			cmd := exec.CommandContext(ctx, "bash", "-c", script)
			cmd.Dir = "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			out, _ := cmd.CombinedOutput()
			if answered := strings.Contains(string(out), "refused\":\"version"); answered != c.answered {
				t.Errorf("password %q, %s: %q", c.password, host, out)
			}
		}
		l.Close()
	}
}
