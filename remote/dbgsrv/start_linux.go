package dbgsrv

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// Start runs a program beside the server; it lives on when the server ends. suspended:
// it waits before its first instruction until a debugger, or SIGCONT, lets it go.
func Start(argv []string, suspended bool) (pid int, err error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Ptrace: suspended}
	if !suspended {
		if err := cmd.Start(); err != nil {
			return 0, fmt.Errorf("starting %s: %w", argv[0], err)
		}
		go cmd.Wait()
		return cmd.Process.Pid, nil
	}
	runtime.LockOSThread() // the tracer is a thread
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("starting %s: %w", argv[0], err)
	}
	pid = cmd.Process.Pid
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil || !status.Stopped() {
		cmd.Process.Kill()
		return 0, fmt.Errorf("starting %s: it did not stop at its first instruction (%v)", argv[0], err)
	}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, syscall.PTRACE_DETACH, uintptr(pid), 0, uintptr(syscall.SIGSTOP), 0, 0); errno != 0 {
		cmd.Process.Kill()
		return 0, fmt.Errorf("leaving %s suspended: %w", argv[0], errno)
	}
	go cmd.Wait()
	return pid, nil
}
