package dbgsrv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"dap-windbg/remote/transport"
)

// file serves images: regular files that begin like an ELF file, and nothing else.
func (c *client) file(ctx context.Context, call *transport.Call) error {
	var r FileRequest
	if err := json.Unmarshal(call.Request, &r); err != nil {
		return err
	}
	f, size, err := openImage(r.Path, r.Process)
	if err != nil {
		return err
	}
	defer f.Close()
	if r.Offset < 0 || r.Offset > size {
		return fmt.Errorf("there is no offset %d in %s", r.Offset, r.Path)
	}
	stream, err := call.Accept(FileInfo{size})
	if err != nil {
		return nil
	}
	defer stream.Close()
	defer context.AfterFunc(ctx, func() { stream.Close() })()
	c.log.Info().Str("file", r.Path).Int64("size", size).Msg("image sent")
	io.Copy(struct{ io.Writer }{stream}, io.NewSectionReader(f, r.Offset, size-r.Offset))
	return nil
}

// openImage opens a file for reading when it is an image, as the process sees the file
// system (0: as we do). A device or a pipe is not opened: that alone can do something.
func openImage(path string, process int64) (*os.File, int64, error) {
	if !filepath.IsAbs(path) {
		return nil, 0, errors.New("the path of an image is absolute")
	}
	top := "/"
	if process > 0 {
		top = fmt.Sprintf("/proc/%d/root", process)
	}
	root, err := os.OpenFile(top, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, 0, err
	}
	defer root.Close()
	fd, err := unix.Openat2(int(root.Fd()), path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	if err != nil {
		return nil, 0, &os.PathError{Op: "open", Path: path, Err: err}
	}
	at := os.NewFile(uintptr(fd), path)
	defer at.Close()
	st, err := at.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return nil, 0, errors.Join(err, fmt.Errorf("%s is not an image", path))
	}
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", at.Fd()))
	if err != nil {
		return nil, 0, err
	}
	magic := make([]byte, 4)
	if _, err := f.ReadAt(magic, 0); err != nil || string(magic) != "\x7fELF" {
		f.Close()
		return nil, 0, fmt.Errorf("%s is not an image", path)
	}
	return f, st.Size(), nil
}
