package kd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf16"

	"dap-windbg/targets"
)

// fileRequest is a request as a target makes it.
func fileRequest(api uint32, path string, words map[int]uint64) []byte {
	d := bytes.Repeat([]byte{0xcd}, fileHeader)
	le := binary.LittleEndian
	le.PutUint32(d, api)
	for at, v := range words {
		if at == 8 && api == fileCreate || at == 24 {
			le.PutUint32(d[at:], uint32(v))
		} else {
			le.PutUint64(d[at:], v)
		}
	}
	for _, u := range utf16.Encode([]rune(path)) {
		d = le.AppendUint16(d, u)
	}
	return append(d, 0, 0)
}

// TestFiles serves drivers from one folder: those that are mapped, read only, and
// nothing outside of it.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "new.sys"), bytes.Repeat([]byte("driver\n"), 1000), 0o600))
	must(t, os.WriteFile(filepath.Join(filepath.Dir(dir), "secret"), []byte("x"), 0o600))
	must(t, os.Symlink("../secret", filepath.Join(dir, "link.sys")))
	f := newFarEnd(t, "amd64", 0, false)
	k := connect(t, f, Options{})
	stop(t, k)
	const path = `\SystemRoot\System32\drivers\Foo.sys`
	const reading = 0x120089
	for _, tt := range []struct {
		name, folder, text, path string
		access                   uint64
		status                   uint32
	}{
		{"no folder", "", "", path, reading, statusNoSuchFile},
		{"mapped", dir, "map\n" + path + "\nnew.sys\n", `\systemroot\system32\DRIVERS\foo.SYS`, reading, 0},
		{"mapped by a whole path", dir, "# drivers\nmap\r\n" + path + "\r\n" + filepath.Join(dir, "new.sys") + "\n", path, reading, 0},
		{"another driver", dir, "map\n" + path + "\nnew.sys\n", `\SystemRoot\bar.sys`, reading, statusNoSuchFile},
		{"by name", dir, "", `\Driver\new.sys`, reading, 0},
		{"to write", dir, "", `\Driver\new.sys`, reading | 2, statusAccessDenied},
		{"out of the folder", dir, "", `\Driver\..`, reading, statusAccessDenied},
		{"a link out of the folder", dir, "", `\Driver\link.sys`, reading, statusAccessDenied},
	} {
		must(t, k.Set(patience(t), targets.DriverFiles, tt.folder, []byte(tt.text)))
		answer := field(k.files.serve(fileRequest(fileCreate, tt.path, map[int]uint64{8: tt.access})))
		if answer.u32(4) != tt.status {
			t.Errorf("%s: status %x", tt.name, answer.u32(4))
		}
		if tt.status != 0 {
			continue
		}
		handle := answer.u64(32)
		if answer.u64(40) != 7000 || len(answer) != fileHeader {
			t.Errorf("%s: %d bytes, answer of %d", tt.name, answer.u64(40), len(answer))
		}
		part := field(k.files.serve(fileRequest(fileRead, "", map[int]uint64{8: handle, 16: 7, 24: 1 << 30})))
		if part.u32(4) != 0 || part.u32(24) != maxSent-fileHeader || !bytes.HasPrefix(part[fileHeader:], []byte("driver\ndriver\n")) {
			t.Errorf("%s: read %x, %d bytes", tt.name, part.u32(4), part.u32(24))
		}
		if end := field(k.files.serve(fileRequest(fileRead, "", map[int]uint64{8: handle, 16: 1 << 63, 24: 10}))); end.u32(4) != statusEndOfFile && end.u32(4) != statusUnsuccessful {
			t.Errorf("%s: behind the end %x", tt.name, end.u32(4))
		}
		for _, want := range []uint32{0, statusInvalidHandle} {
			if got := field(k.files.serve(fileRequest(fileClose, "", map[int]uint64{8: handle}))); got.u32(4) != want {
				t.Errorf("%s: closing %x", tt.name, got.u32(4))
			}
		}
	}
	if got := field(k.files.serve(fileRequest(fileWrite, "", map[int]uint64{8: 1, 24: 4}))); got.u32(4) != statusAccessDenied {
		t.Errorf("writing: %x", got.u32(4))
	}
	for _, bad := range []string{"map\n", "map\na\n", "mop\na\nnew.sys\n", "map\na\n/etc/passwd\n", "map\na\nmissing.sys\n"} {
		var e *FileMapError
		if err := k.Set(patience(t), targets.DriverFiles, dir, []byte(bad)); !errors.As(err, &e) || e.Hint() == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	must(t, k.Set(patience(t), targets.DriverFiles, "", nil))
}

// FuzzFiles: no request breaks the server of files, and none gets more than it asked.
func FuzzFiles(f *testing.F) {
	f.Add(fileRequest(fileCreate, `\a\new.sys`, map[int]uint64{8: 1}))
	f.Add(fileRequest(fileRead, "", map[int]uint64{8: 1, 16: 0, 24: 100}))
	f.Fuzz(func(t *testing.T, request []byte) {
		if len(request) < fileHeader {
			return
		}
		root, err := os.OpenRoot(t.TempDir())
		must(t, err)
		s := fileServer{root: root}
		defer s.close()
		must(t, os.WriteFile(filepath.Join(root.Name(), "new.sys"), []byte("12345"), 0o600))
		s.serve(fileRequest(fileCreate, `\a\new.sys`, map[int]uint64{8: 1}))
		if got := s.serve(request); len(got) < fileHeader || len(got) > fileHeader+5 {
			t.Fatalf("%d bytes", len(got))
		}
	})
}
