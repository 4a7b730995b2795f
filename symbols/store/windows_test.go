package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/binfmt/pe"
	"dap-windbg/symbols"
	"dap-windbg/symbols/pdb"
	"dap-windbg/symbols/pdb/pdbtest"
)

// windowsFiles are an image and its database.
func windowsFiles() (exe, database []byte, c symbols.Companion) {
	d := pdbtest.Large(1, 2)
	guid := d.GUID
	c = symbols.Companion{Kind: symbols.Database, For: "nt.exe", Name: `d:\os\obj\NtLarge.pdb`, ID: append(guid[:], 1, 0, 0, 0)}
	c.Accept = func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := pdb.Open(b, pdb.Options{})
		if err == nil && f.Identity().GUID != guid {
			err = errors.New("another build")
		}
		return err
	}
	return d.Image("ntlarge.pdb", 0x140000000), d.Write(), c
}

const (
	databaseKey = "/NtLarge.pdb/0403020106050807090A0B0C0D0E0F101/NtLarge.pdb"
	imageKey    = "/nt.sys/5F0000002000/nt.sys"
)

// folderOf makes a folder that has files.
func folderOf(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// other is a database of another build.
func other() []byte {
	d := pdbtest.Large(1, 1)
	d.GUID[0] = 0xff
	return d.Write()
}

// TestDatabases: a program database is found by its GUID and age wherever a symbol
// path may have it, and kept in the stores on the way.
func TestDatabases(t *testing.T) {
	_, file, c := windowsFiles()
	lower := strings.ToLower(databaseKey)
	lower = strings.Replace(lower, "0403020106050807090a0b0c0d0e0f101", "0403020106050807090A0B0C0D0E0F101", 1)
	for _, x := range []struct {
		name   string
		files  map[string][]byte // of the server
		path   string            // URL, DIR and CACHE stand for what they are called
		local  map[string][]byte // below DIR
		want   string            // below DIR or CACHE, "": not found
		reason string            // told of a place where it is not found
	}{
		{name: "a server", files: map[string][]byte{databaseKey: file}, path: "srv*CACHE*URL", want: databaseKey},
		{name: "a server without a folder before it", files: map[string][]byte{databaseKey: file}, path: "srv*URL", want: databaseKey},
		{name: "the old spelling", files: map[string][]byte{databaseKey: file}, path: "symsrv*symsrv.dll*CACHE*URL", want: databaseKey},
		{name: "lower case", files: map[string][]byte{lower: file}, path: "srv*CACHE*URL", want: lower},
		{name: "two tiers", files: map[string][]byte{"/index2.txt": nil, "/Nt" + databaseKey: file}, path: "srv*CACHE*URL", want: databaseKey},
		{name: "a cache before it", files: map[string][]byte{databaseKey: file}, path: "cache*CACHE;srv*URL", want: databaseKey},
		{name: "compressed", files: map[string][]byte{databaseKey[:len(databaseKey)-1] + "_": cabinetOf(t, file, 1, true)}, path: "srv*CACHE*URL", want: databaseKey},
		{name: "compressed otherwise", files: map[string][]byte{databaseKey[:len(databaseKey)-1] + "_": cabinetOf(t, file, 3, false)}, path: "srv*CACHE*URL", reason: "LZX, which is not supported; expand it in the store"},
		{name: "another build on the server", files: map[string][]byte{databaseKey: other()}, path: "srv*CACHE*URL", reason: "another build"},
		{name: "a page", files: map[string][]byte{databaseKey: []byte("<html>")}, path: "srv*CACHE*URL", reason: "MSF"},
		{name: "nothing", path: "srv*CACHE*URL", reason: "not there"},
		{name: "a folder", path: "DIR", local: map[string][]byte{"NtLarge.pdb": file}, want: "/NtLarge.pdb"},
		{name: "a folder in lower case", path: "DIR", local: map[string][]byte{"ntlarge.pdb": file}, want: "/ntlarge.pdb"},
		{name: "its subfolder for images of the kind", path: "DIR", local: map[string][]byte{"symbols/exe/NtLarge.pdb": file}, want: "/symbols/exe/NtLarge.pdb"},
		{name: "another build in a folder", path: "DIR", local: map[string][]byte{"NtLarge.pdb": other()}, reason: "another build"},
		{name: "a local store", path: "srv*DIR", local: map[string][]byte{databaseKey: file}, want: databaseKey},
		{name: "a local store of two tiers", path: "srv*DIR", local: map[string][]byte{"index2.txt": nil, "Nt" + databaseKey: file}, want: "/Nt" + databaseKey},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir, cache := folderOf(t, x.local), t.TempDir()
			server := newShelf(t, x.files)
			path := strings.NewReplacer("URL", server.URL, "DIR", dir, "CACHE", cache).Replace(x.path)
			s := newStore(t, Options{SymbolPath: path, Cache: cache})
			found, err := s.Companion(c)
			if x.want == "" {
				var nf *symbols.NotFoundError
				if !errors.As(err, &nf) {
					t.Fatalf("%q, %v", found, err)
				}
				told := ""
				for _, a := range nf.Tried {
					told += a.Result + "\n"
				}
				if !strings.Contains(told, x.reason) {
					t.Errorf("%q was not told: %s", x.reason, told)
				}
				return
			}
			if err != nil || found != filepath.Join(dir, x.want) && found != filepath.Join(cache, x.want) {
				t.Fatalf("%q, %v; want %q", found, err, x.want)
			}
			if b, _ := os.ReadFile(found); !bytes.Equal(b, file) {
				t.Error("it is another file")
			}
			if len(x.files) > 0 { // a second debugger asks nobody
				server.count()
				again := newStore(t, Options{SymbolPath: path, Cache: cache})
				if _, err := again.Companion(c); err != nil {
					t.Error(err)
				}
				if n := server.count(); n > 0 {
					t.Errorf("%d questions more", n)
				}
			}
		})
	}
}

// TestBeside: a database beside its image, and where the linker put it.
func TestBeside(t *testing.T) {
	_, file, c := windowsFiles()
	dir := folderOf(t, map[string][]byte{"NTLARGE.PDB": file})
	c.Image = filepath.Join(dir, "nt.exe")
	if found, err := newStore(t, Options{}).Companion(c); err != nil || found != filepath.Join(dir, "NTLARGE.PDB") {
		t.Error(found, err)
	}
	c.Image, c.Name = "", filepath.Join(dir, "NTLARGE.PDB")
	if found, err := newStore(t, Options{}).Companion(c); err != nil || found != c.Name {
		t.Error(found, err)
	}
	if _, err := newStore(t, Options{NoLocal: true}).Companion(c); err == nil {
		t.Error("found on a machine that is not the debuggee's")
	}
}

// TestWindowsImages: an image is found by its time stamp and size.
func TestWindowsImages(t *testing.T) {
	exe, _, _ := windowsFiles()
	key := symbols.Key{Path: `\SystemRoot\system32\nt.sys`, Stamp: 0x5f000000, Size: 0x2000}
	server := newShelf(t, map[string][]byte{imageKey: exe})
	cache := t.TempDir()
	s := newStore(t, Options{SymbolPath: "srv*" + cache + "*" + server.URL, Cache: cache})
	if found, err := s.Image(context.Background(), key); err != nil || found != filepath.Join(cache, imageKey) {
		t.Errorf("%q, %v", found, err)
	}
	key.Stamp++
	if found, err := s.Image(context.Background(), key); err == nil {
		t.Errorf("another build is %q", found)
	}
	dir := folderOf(t, map[string][]byte{"sys/NT.SYS": []byte("no image"), "drivers/x.sys": exe})
	s = newStore(t, Options{ImagePath: filepath.Join(dir, "drivers")})
	key = symbols.Key{Path: `C:\drivers\X.sys`, Name: "X.sys", Stamp: 0x5f000000, Size: 0x2000}
	if found, err := s.Image(context.Background(), key); err != nil || found != filepath.Join(dir, "drivers", "x.sys") {
		t.Errorf("%q, %v", found, err)
	}
	s = newStore(t, Options{Sysroot: dir})
	if found, err := s.Image(context.Background(), key); err != nil || found != filepath.Join(dir, "drivers", "x.sys") {
		t.Errorf("below the sysroot: %q, %v", found, err)
	}
}

// TestStripped: for an image without its debug information the one that still has it is
// taken, whose headers tell a larger size; one of another build is not.
func TestStripped(t *testing.T) {
	dir := t.TempDir()
	source, whole, bare := filepath.Join(dir, "a.c"), filepath.Join(dir, "whole.exe"), filepath.Join(dir, "bare.exe")
	if err := os.WriteFile(source, []byte("int main(void) { return 0; }"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]string{{"i686-w64-mingw32-gcc", "-g", "-o", whole, source}, {"i686-w64-mingw32-strip", "-o", bare, whole}} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", c, err, out)
		}
	}
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	small, err := os.ReadFile(bare)
	if err != nil {
		t.Fatal(err)
	}
	f, err := pe.Parse(small)
	if err != nil {
		t.Fatal(err)
	}
	key := symbols.Key{Name: "a.exe", Stamp: f.Stamp, Size: uint64(f.ImageSize)}
	for i, c := range []struct {
		stamp uint32
		size  uint64
		good  bool
	}{{key.Stamp, key.Size, true}, {key.Stamp + 1, key.Size, false}, {key.Stamp, key.Size + 0x1000, false}} {
		key.Stamp, key.Size = c.stamp, c.size
		if err := windowsImage(key).check("", data); (err == nil) != c.good {
			t.Errorf("%d: %v", i, err)
		}
	}
}
