package mmap

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

func mapFile(f *os.File, size int) ([]byte, func(), error) {
	h, err := windows.CreateFileMapping(windows.Handle(f.Fd()), nil, windows.PAGE_READONLY, 0, 0, nil)
	if err != nil {
		return nil, nil, err
	}
	defer windows.CloseHandle(h) // the view keeps the mapping
	addr, err := windows.MapViewOfFile(h, windows.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, nil, err
	}
	base := *(*unsafe.Pointer)(unsafe.Pointer(&addr)) // not Go memory, so it never moves
	return unsafe.Slice((*byte)(base), size), func() { _ = windows.UnmapViewOfFile(addr) }, nil
}

func release([]byte) {}
