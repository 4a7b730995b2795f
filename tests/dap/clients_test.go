package dap

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// clientCommand runs another project's DAP client over the built debugger and the tour.
func clientCommand(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DAP_WINDBG="+path, "TOUR="+program(t), "TOUR_SOURCE="+source())
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	t.Logf("%s", text)
}

// TestTestsupport runs tests/testsupport, whose packages `npm ci` installs.
func TestTestsupport(t *testing.T) {
	dir := filepath.Join("..", "testsupport")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal("run `npm ci` in tests/testsupport first, as `make test` does")
	}
	clientCommand(t, dir, "node", "--test")
}

// TestNvimDap runs tests/nvim over a checkout of nvim-dap that NVIM_DAP names.
// It is the one client that cannot be installed from a package.
func TestNvimDap(t *testing.T) {
	dir := os.Getenv("NVIM_DAP")
	if dir == "" {
		t.Skip("NVIM_DAP names no checkout of nvim-dap")
	}
	clientCommand(t, filepath.Join("..", "nvim"), "nvim", "--headless", "-u", "NONE", "-i", "NONE", "--cmd", "set rtp^="+dir, "-c", "luafile tour.lua")
}
