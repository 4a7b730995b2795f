package kd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"

	"dap-windbg/targets"
)

// File requests of a target: it asks for each driver that it loads, and takes its own
// when there is none here (windbgkd.h, DBGKD_FILE_IO).
const (
	fileCreate = 0x3430
	fileRead   = 0x3431
	fileWrite  = 0x3432
	fileClose  = 0x3433

	fileHeader = 64
	openFiles  = 16 // at most; the oldest is closed
)

const (
	statusInvalidHandle = 0xc0000008
	statusEndOfFile     = 0xc0000011
	statusAccessDenied  = 0xc0000022
	statusNotSupported  = 0xc00000bb
)

// fileServer gives files of one folder, read only, to a target that asks. The zero
// value has none.
type fileServer struct {
	root  *os.Root
	names map[string]string // lower-case path of the target: file in root; nil: by the last name
	open  []openFile
	last  uint64
}

type openFile struct {
	handle uint64
	f      *os.File
}

// setFiles serves the files of folder: those that the map names, or with an empty map
// any by its name. An empty folder serves none.
func (t *Target) setFiles(folder, text string) error {
	var next fileServer
	if folder != "" {
		root, err := os.OpenRoot(folder)
		if err != nil {
			return fmt.Errorf("serving driver files: %w", err)
		}
		next.root = root
		if next.names, err = parseFileMap(root, text); err != nil {
			root.Close()
			return err
		}
	}
	t.mu.Lock()
	old := t.files
	t.files = next
	t.mu.Unlock()
	old.close()
	return nil
}

// FileMapError: a line of a .kdfiles map cannot be used.
type FileMapError struct {
	Line   int // from 1
	Text   string
	Reason string
}

func (e *FileMapError) Error() string {
	return fmt.Sprintf("line %d of the map, %q: %s", e.Line, e.Text, e.Reason)
}

// Hint says what the user can do.
func (e *FileMapError) Hint() string {
	return "A map is made of groups of three lines: the word map, the driver's path on the target, and a file in the folder that is served."
}

// parseFileMap reads the groups of a map: the word map, a path of the target, a file.
func parseFileMap(root *os.Root, text string) (map[string]string, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	out := map[string]string{}
	var group []string
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if len(group) == 0 && !strings.EqualFold(line, "map") {
			return nil, &FileMapError{i + 1, line, "is not the word map"}
		}
		if group = append(group, line); len(group) < 3 {
			continue
		}
		name := filepath.FromSlash(line)
		if filepath.IsAbs(name) {
			rel, err := filepath.Rel(root.Name(), name)
			if err != nil {
				return nil, &FileMapError{i + 1, line, "is not in the folder " + root.Name()}
			}
			name = rel
		}
		if _, err := root.Stat(name); err != nil {
			return nil, &FileMapError{i + 1, line, "is no file of the folder " + root.Name()}
		}
		out[strings.ToLower(group[1])] = name
		group = nil
	}
	if len(group) > 0 {
		return nil, &FileMapError{strings.Count(text, "\n") + 1, group[len(group)-1], "is the last line of a group that is not complete"}
	}
	return out, nil
}

func (s *fileServer) closeAll() {
	for _, o := range s.open {
		o.f.Close()
	}
	s.open = nil
}

func (s *fileServer) close() {
	s.closeAll()
	if s.root != nil {
		s.root.Close()
	}
}

// find is the file for a path of the target, "" when there is none.
func (s *fileServer) find(path string) string {
	switch {
	case s.root == nil:
		return ""
	case s.names != nil:
		return s.names[strings.ToLower(path)]
	}
	return path[strings.LastIndexAny(path, `\/`)+1:]
}

// serve answers a request.
func (s *fileServer) serve(request []byte) []byte {
	f := field(request)
	answer := append([]byte(nil), request[:fileHeader]...)
	le := binary.LittleEndian
	status := uint32(0)
	switch f.u32(0) {
	case fileCreate:
		handle, length, st := s.create(wideText(request[fileHeader:]), f.u32(8))
		le.PutUint64(answer[32:], handle)
		le.PutUint64(answer[40:], length)
		status = st
	case fileRead:
		data, st := s.read(f.u64(8), f.u64(16), f.u32(24))
		le.PutUint32(answer[24:], uint32(len(data)))
		answer, status = append(answer, data...), st
	case fileWrite:
		status = statusAccessDenied
	case fileClose:
		status = s.shut(f.u64(8))
	default:
		status = statusNotSupported
	}
	le.PutUint32(answer[4:], status)
	return answer
}

// wideText is UTF-16 up to a NUL.
func wideText(p []byte) string {
	var units []uint16
	for i := 0; i+1 < len(p); i += 2 {
		u := binary.LittleEndian.Uint16(p[i:])
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}

// writing are the access rights that change a file.
const writing = 0x2 | 0x4 | 0x10 | 0x100 | 0x10000 | 0x40000000

func (s *fileServer) create(path string, access uint32) (handle, length uint64, status uint32) {
	name := s.find(path)
	switch {
	case name == "":
		return 0, 0, statusNoSuchFile
	case access&writing != 0:
		return 0, 0, statusAccessDenied
	}
	f, err := s.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, statusNoSuchFile
	}
	if err != nil {
		return 0, 0, statusAccessDenied
	}
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		f.Close()
		return 0, 0, statusNoSuchFile
	}
	if len(s.open) == openFiles {
		s.open[0].f.Close()
		s.open = s.open[1:]
	}
	s.last++
	s.open = append(s.open, openFile{s.last, f})
	return s.last, uint64(fi.Size()), 0
}

func (s *fileServer) read(handle, offset uint64, length uint32) ([]byte, uint32) {
	for _, o := range s.open {
		if o.handle != handle {
			continue
		}
		data := make([]byte, min(length, maxSent-fileHeader))
		n, err := o.f.ReadAt(data, int64(min(offset, 1<<62)))
		if n == 0 && length > 0 {
			if errors.Is(err, io.EOF) {
				return nil, statusEndOfFile
			}
			return nil, statusUnsuccessful
		}
		return data[:n], 0
	}
	return nil, statusInvalidHandle
}

func (s *fileServer) shut(handle uint64) uint32 {
	for i, o := range s.open {
		if o.handle == handle {
			o.f.Close()
			s.open = append(s.open[:i], s.open[i+1:]...)
			return 0
		}
	}
	return statusInvalidHandle
}

// fileIO answers a file request: unanswered it holds up the target.
func (t *Target) fileIO(data []byte) {
	if len(data) < fileHeader {
		return
	}
	t.mu.Lock()
	answer := t.files.serve(data)
	t.mu.Unlock()
	if f := field(data); f.u32(0) == fileCreate && field(answer).u32(4) == 0 {
		t.put(targets.Output{Text: "KD: the target takes " + wideText(data[fileHeader:]) + " from here.\n", Console: true})
	}
	t.l.queue = append(t.l.queue, &ask{op: "answering a file request", kind: typeFileIO, data: answer})
}
