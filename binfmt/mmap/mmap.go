package mmap

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"unsafe"
)

// File is a file's bytes. They must not be written to.
type File struct {
	Path string
	Data []byte
}

// Open maps the file at path. A file that is not regular is refused.
func Open(path string) (*File, error) {
	// Before it is opened: a pipe would have its opener wait.
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	if st.Size() > math.MaxInt {
		return nil, fmt.Errorf("%s: %d bytes are too many to map", path, st.Size())
	}
	m := &File{Path: path}
	if st.Size() == 0 {
		return m, nil
	}
	data, release, err := mapFile(f, int(st.Size()))
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", path, err)
	}
	m.Data = data
	if release != nil {
		runtime.AddCleanup(m, func(f func()) { f() }, release)
	}
	return m, nil
}

// Release says that b, when it is part of f, will not be read soon: its pages no
// longer count as this process's until they are. Bytes from elsewhere are left alone.
func (f *File) Release(b []byte) {
	if len(b) == 0 || len(f.Data) == 0 {
		return
	}
	start, at := uintptr(unsafe.Pointer(unsafe.SliceData(f.Data))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	if at < start || at-start > uintptr(len(f.Data)) || uintptr(len(b)) > uintptr(len(f.Data))-(at-start) {
		return
	}
	page := uintptr(os.Getpagesize())
	lo, hi := (at-start+page-1)/page*page, (at-start+uintptr(len(b)))/page*page
	if lo < hi {
		release(f.Data[lo:hi])
	}
}
