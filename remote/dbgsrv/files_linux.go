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

// FileRequest asks for an image, or its debug file, by its path on the server.
type FileRequest struct {
	Path   string `json:"path"`
	Offset int64  `json:"offset"`
}

// FileInfo is told before the bytes.
type FileInfo struct {
	Size int64 `json:"size"`
}

// file serves images: regular files that begin like an ELF file, and nothing else.
func (c *client) file(ctx context.Context, call *transport.Call) error {
	var r FileRequest
	if err := json.Unmarshal(call.Request, &r); err != nil {
		return err
	}
	f, size, err := openImage(r.Path)
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

// openImage opens a file for reading when it is an image. A device or a pipe is not
// opened: that alone can do something.
func openImage(path string) (*os.File, int64, error) {
	if !filepath.IsAbs(path) {
		return nil, 0, errors.New("the path of an image is absolute")
	}
	at, err := os.OpenFile(path, unix.O_PATH, 0)
	if err != nil {
		return nil, 0, err
	}
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
