package guest

import (
	"strings"
	"testing"
)

// TestGuest: a guest boots, answers commands, and its monitor speaks.
func TestGuest(t *testing.T) {
	vm := Start(t, Config{Kernel: Debian(t, false)}).Ready()
	if got := vm.Run("echo one; uname -s"); got != "one\nLinux\n" {
		t.Errorf("the shell says %q", got)
	}
	if got := vm.Monitor("info status"); !strings.Contains(got, "VM status: running") {
		t.Errorf("the monitor says %q", got)
	}
}
