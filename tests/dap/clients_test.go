package dap

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"dap-windbg/targets/targettest"
	"dap-windbg/tests/built"
)

// clientCommand runs another project's DAP client over the built debugger and the tour.
func clientCommand(t *testing.T, dir string, env []string, name string, args ...string) {
	t.Helper()
	path, err := built.Debugger()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DAP_WINDBG="+path, "PATH="+filepath.Dir(path)+":"+os.Getenv("PATH"), "TOUR="+program(t), "TOUR_SOURCE="+source())
	cmd.Env = append(cmd.Env, env...)
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
	clientCommand(t, dir, nil, "node", "--test")
}

// TestNvimDap runs tests/nvim, with the configuration of docs/neovim.md, over a checkout
// of nvim-dap that NVIM_DAP names; NVIM is another nvim than the one of the search path.
// It is the one client that cannot be installed from a package.
func TestNvimDap(t *testing.T) {
	dir := os.Getenv("NVIM_DAP")
	if dir == "" {
		t.Skip("NVIM_DAP names no checkout of nvim-dap")
	}
	nvim := "nvim"
	if path := os.Getenv("NVIM"); path != "" {
		nvim = path
	}
	debuggee := exec.Command("gdbserver", "--once", "127.0.0.1:0", program(t))
	server := exec.Command("gdbserver", "--multi", "127.0.0.1:0")
	host, port, _ := net.SplitHostPort(targettest.NewMachine(t).Serve(t))
	clientCommand(t, filepath.Join("..", "nvim"), []string{
		"PAGE=" + page(t, "neovim.md"),
		"GDBSERVER=gdb:server=127.0.0.1,port=" + listening(t, debuggee),
		"SERVER=gdb:server=127.0.0.1,port=" + listening(t, server),
		"MACHINE=qemu:server=" + host + ",port=" + port,
	}, nvim, "--headless", "-u", "NONE", "-i", "NONE", "--cmd", "set rtp^="+dir, "-c", "luafile tour.lua")
}

// page is a page of the documentation.
func page(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDape runs tests/emacs, with the configuration of docs/editors.md: dape of the folder
// that DAPE names, in the Emacs that EMACS names. Debian's own is too old for it.
func TestDape(t *testing.T) {
	dir, emacs := os.Getenv("DAPE"), "emacs"
	if dir == "" {
		t.Skip("DAPE names no folder with dape.el")
	}
	if path := os.Getenv("EMACS"); path != "" {
		emacs = path
	}
	debuggee := exec.Command("gdbserver", "--once", "127.0.0.1:0", program(t))
	clientCommand(t, filepath.Join("..", "emacs"), []string{
		"PAGE=" + page(t, "editors.md"), "GDBSERVER=gdb:server=127.0.0.1,port=" + listening(t, debuggee),
	}, emacs, "-Q", "--batch", "-l", "tour.el")
}
