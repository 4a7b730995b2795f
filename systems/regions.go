package systems

import (
	"context"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// Region is a range of a process's memory with one protection.
type Region struct {
	Start, End arch.Addr // End is exclusive
	Perms      string    // as Linux writes it: "r-xp"
	Path       string    // of the file, or what lies there in brackets: "[stack]"
	Base       arch.Addr // where the first of the regions side by side of the same file begins
}

// OpenFile is a file, a socket or whatever else a process has open.
type OpenFile struct {
	Number int
	Name   string // a path, or what it is: "socket:[1234]"
}

// Surveyor is a System that can tell what its processes have mapped and open.
// errors.ErrUnsupported: the far end does not serve what that takes.
type Surveyor interface {
	Regions(ctx context.Context, t targets.Target) ([]Region, error)
	OpenFiles(ctx context.Context, t targets.Target) ([]OpenFile, error)
}

// Mapper is a System that tells what lies where in the address space that is looked at.
type Mapper interface {
	Map(ctx context.Context, d Desk) ([]Region, error)
}

// Kind says what it is: "File", "Device", "Socket", "Pipe" ...
func (f OpenFile) Kind() string {
	prefix, _, ok := strings.Cut(f.Name, ":")
	switch {
	case strings.HasPrefix(f.Name, "/dev/"):
		return "Device"
	case ok && prefix != "" && !strings.HasPrefix(f.Name, "/"):
		return strings.ToUpper(prefix[:1]) + prefix[1:]
	}
	return "File"
}
