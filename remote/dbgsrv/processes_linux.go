package dbgsrv

import (
	"errors"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Processes lists the processes of this machine.
func Processes() ([]Process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var out []Process
	names := map[uint32]string{}
	for _, e := range entries {
		pid, err := strconv.ParseInt(e.Name(), 10, 64)
		if err != nil {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		command, err := commandLine(dir)
		if err != nil {
			continue // it has ended
		}
		out = append(out, Process{PID: pid, User: owner(dir, names), Command: command})
	}
	return out, nil
}

func commandLine(dir string) (string, error) {
	f, err := os.Open(filepath.Join(dir, "cmdline"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	line, err := io.ReadAll(io.LimitReader(f, maxCommand))
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
	if text == "" {
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil {
			return "", err
		}
		text = "[" + strings.TrimSpace(string(comm)) + "]"
	}
	return text, nil
}

// owner is the name of the user a process belongs to.
func owner(dir string, names map[uint32]string) string {
	st, err := os.Stat(dir)
	if err != nil {
		return ""
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	name, ok := names[sys.Uid]
	if !ok {
		name = strconv.FormatUint(uint64(sys.Uid), 10)
		var unknown user.UnknownUserIdError
		if u, err := user.LookupId(name); err == nil {
			name = u.Username
		} else if !errors.As(err, &unknown) {
			return name
		}
		names[sys.Uid] = name
	}
	return name
}
