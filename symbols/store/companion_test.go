package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dap-windbg/symbols"
)

func command(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// dwz makes two debug files with a common one, and returns one of them, the common
// file and its id.
func dwz(t *testing.T, version, link string) (debug, common string, id []byte) {
	t.Helper()
	dir := t.TempDir()
	// Large enough for dwz to find something in common.
	var text strings.Builder
	for i := range 60 {
		fmt.Fprintf(&text, "struct record_%d { int first_member_%d; struct record_%d *next_%d; double weight_%d[%d]; } r%d;\n", i, i, i, i, i, i+1, i)
	}
	for _, name := range []string{"a", "b"} {
		src := filepath.Join(dir, name+".c")
		if err := os.WriteFile(src, []byte(text.String()+"int main(void) { return 0; }\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		command(t, dir, "gcc", "-g", "-gdwarf-"+version, "-Wl,--build-id", "-o", name, src)
	}
	args := []string{"-m", "common.debug", "-M", link, "a", "b"}
	if version == "5" {
		args = append([]string{"--dwarf-5"}, args...)
	}
	command(t, dir, "dwz", args...)
	section := map[string]string{"4": ".gnu_debugaltlink", "5": ".debug_sup"}[version]
	command(t, dir, "objcopy", "-O", "binary", "--only-section="+section, "--set-section-flags="+section+"=alloc", "a", "link")
	data, err := os.ReadFile(filepath.Join(dir, "link"))
	if err != nil || len(data) < 20 {
		t.Fatalf("%x, %v", data, err)
	}
	return filepath.Join(dir, "a"), filepath.Join(dir, "common.debug"), data[len(data)-20:] // a SHA-1 in both
}

func move(t *testing.T, from, to string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestSupplement finds dwz's common files wherever debuggers look for them.
func TestSupplement(t *testing.T) {
	debug, common, id := dwz(t, "5", "../.dwz/common.debug")
	dir := t.TempDir()
	debug = move(t, debug, filepath.Join(dir, "lib", "a.debug"))
	common = move(t, common, filepath.Join(dir, ".dwz", "common.debug"))
	s := newStore(t, Options{NoLocal: true})
	c := symbols.Companion{For: debug, Name: "../.dwz/common.debug", ID: id}
	if got, err := s.Companion(c); err != nil || got != common {
		t.Errorf("DWARF 5: %s, %v", got, err)
	}
	c.ID = make([]byte, 20)
	if got, err := s.Companion(c); !errors.As(err, new(*symbols.MismatchError)) {
		t.Errorf("DWARF 5, another checksum: %s, %v", got, err)
	}

	debug, common, id = dwz(t, "4", "../.dwz/common.debug")
	text := hex.EncodeToString(id)
	dir = t.TempDir()
	debug = move(t, debug, filepath.Join(dir, "lib", "a.debug"))
	for _, to := range []string{".dwz/common.debug", "sym/common.debug", "sym/.dwz/common.debug", "sym/.build-id/" + text[:2] + "/" + text[2:] + ".debug",
		"root/usr/lib/debug/.build-id/" + text[:2] + "/" + text[2:] + ".debug", "store/_.debug/elf-buildid-sym-" + text + "/_.debug"} {
		common = move(t, common, filepath.Join(dir, to))
		s := newStore(t, Options{NoLocal: true, SymbolPath: dir + "/sym;srv*" + dir + "/store", Sysroot: dir + "/root"})
		got, err := s.Companion(symbols.Companion{For: debug, Name: "../.dwz/common.debug", ID: id})
		if err != nil || got != common {
			t.Errorf("%s: %s, %v", to, got, err)
		}
	}
	// Another build is refused, and a link that has no id is followed nowhere.
	s = newStore(t, Options{NoLocal: true})
	common = move(t, common, filepath.Join(dir, ".dwz/common.debug"))
	var mm *symbols.MismatchError
	if got, err := s.Companion(symbols.Companion{For: debug, Name: "../.dwz/common.debug", ID: []byte{1, 2, 3}}); !errors.As(err, &mm) {
		t.Errorf("%s, %v", got, err)
	}
	var nf *symbols.NotFoundError
	if got, err := s.Companion(symbols.Companion{For: debug, Name: "../.dwz/common.debug"}); !errors.As(err, &nf) {
		t.Errorf("%s, %v", got, err)
	}

	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.URL.Path != "/buildid/"+text+"/debuginfo" {
			w.WriteHeader(404)
			return
		}
		http.ServeFile(w, r, common)
	}))
	defer server.Close()
	s = newStore(t, Options{NoLocal: true, SymbolPath: "DebugInfoD*" + server.URL, Client: server.Client()})
	for range 3 {
		got, err := s.Companion(symbols.Companion{For: "/cache/x/debuginfo", Name: "/usr/lib/debug/.dwz/none.debug", ID: id})
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, common)
	}
	if calls.Load() != 1 {
		t.Errorf("asked %d times", calls.Load())
	}
}

// TestSplit finds packages and split units, and nothing that the caller refuses.
func TestSplit(t *testing.T) {
	b := prog(t)
	dir := t.TempDir()
	command(t, dir, "gcc", "-g", "-gdwarf-5", "-gsplit-dwarf", "-Wl,--build-id", "-o", "prog", b.source)
	units, err := filepath.Glob(filepath.Join(dir, "*.dwo"))
	if err != nil || len(units) != 1 {
		t.Fatalf("%v, %v", units, err)
	}
	image, name := filepath.Join(dir, "prog"), filepath.Base(units[0])
	dwo, err := os.ReadFile(units[0])
	if err != nil {
		t.Fatal(err)
	}
	accept := func(path string) error {
		got, err := os.ReadFile(path)
		if err == nil && !bytes.Equal(got, dwo) {
			err = errors.New("another unit")
		}
		return err
	}
	files := tree(t, map[string]string{"made/" + name: units[0], "map/sub/" + name: units[0], "root/build/" + name: units[0], "sym/obj/" + name: units[0],
		"beside/prog": image, "beside/" + name: units[0], "wrong/" + name: b.full, "outside.dwo": units[0]})
	for _, c := range []struct {
		why, dir, name, image, want string
	}{
		{"as recorded", files + "/made", name, "", "made/" + name},
		{"an absolute name", "/nowhere", files + "/made/" + name, "", "made/" + name},
		{"through the source map", "/build/sub", name, "", "map/sub/" + name},
		{"below the sysroot", "/build", name, "", "root/build/" + name},
		{"on the symbol path", "/gone", "obj/" + name, "", "sym/obj/" + name},
		{"on the symbol path, shorter", "/gone", "/deep/er/obj/" + name, "", "sym/obj/" + name},
		{"beside the image", "/gone", "deep/" + name, files + "/beside/prog", "beside/" + name},
		{"not another unit's", files + "/wrong", name, files + "/beside/prog", "beside/" + name},
	} {
		s := newStore(t, Options{SymbolPath: files + "/sym", Sysroot: files + "/root"})
		s.SetSourceMap(map[string]string{"/build/sub": files + "/map/sub"})
		got, err := s.Companion(symbols.Companion{Kind: symbols.SplitUnit, For: "/elsewhere/prog", Image: c.image, Name: c.name, Dir: c.dir, Accept: accept})
		if err != nil || got != filepath.Join(files, c.want) {
			t.Errorf("%s: %s, %v", c.why, got, err)
		}
	}
	// Without a check no name leads out of the folders of the user.
	s := newStore(t, Options{SymbolPath: files + "/sym"})
	for _, name := range []string{files + "/outside.dwo", "../outside.dwo", "obj/../../outside.dwo"} {
		if got, err := s.Companion(symbols.Companion{Kind: symbols.SplitUnit, For: "/elsewhere/prog", Name: name, Dir: files}); err == nil {
			t.Errorf("%s led to %s", name, got)
		}
	}
	// A pipe is not opened.
	pipe := filepath.Join(files, "made", "pipe.dwo")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Companion(symbols.Companion{Kind: symbols.SplitUnit, For: image, Name: pipe, Accept: accept}); err == nil {
		t.Errorf("the pipe is %s", got)
	}

	command(t, dir, "llvm-dwp", "-o", "prog.dwp", name)
	for image, want := range map[string]string{image: image + ".dwp", "/gone/prog": image + ".dwp", image + ".debug": image + ".dwp"} {
		s := newStore(t, Options{SymbolPath: dir})
		got, err := s.Companion(symbols.Companion{Kind: symbols.Package, For: image, ID: []byte{1, 2, 3}})
		if err != nil || got != want {
			t.Errorf("the package of %s: %s, %v", image, got, err)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/debuginfo") {
			http.ServeFile(w, r, b.full)
		}
	}))
	defer server.Close()
	s = newStore(t, Options{SymbolPath: "DebugInfoD*" + server.URL, Client: server.Client()})
	if got, err := s.Companion(symbols.Companion{Kind: symbols.Package, For: "/gone/prog", ID: b.id}); err == nil {
		t.Errorf("debug information of the image was taken for a package: %s", got)
	}
}

// TestInterrupt: a transfer that is given up ends at once, and is not begun again unbidden.
func TestInterrupt(t *testing.T) {
	begun := make(chan struct{}, 8)
	var answer atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer.Load() {
			w.WriteHeader(404)
			return
		}
		io.WriteString(w, "\x7fELF")
		w.(http.Flusher).Flush()
		begun <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	s := newStore(t, Options{NoLocal: true, SymbolPath: "DebugInfoD*" + server.URL, Client: server.Client(), Stall: time.Hour})
	ended := make(chan error)
	ask := func() {
		_, err := s.Companion(symbols.Companion{For: "/x", Name: "/y", ID: []byte{1, 2, 3}})
		ended <- err
	}
	go ask()
	<-begun
	s.Interrupt()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	answer.Store(true)
	go ask()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	s.Forget()
	go ask()
	if err := <-ended; !errors.As(err, new(*symbols.NotFoundError)) {
		t.Errorf("%v", err)
	}
}

// TestAnew: an image whose common file was not there is opened anew once asked to.
func TestAnew(t *testing.T) {
	debug, common, _ := dwz(t, "4", "../.dwz/common.debug")
	dir := t.TempDir()
	debug = move(t, debug, filepath.Join(dir, "lib", "a"))
	opens := 0
	s := newStore(t, Options{NoLocal: true, SymbolPath: filepath.Dir(debug), Open: func(image, debug string) (symbols.Image, error) {
		opens++
		return open(image, debug)
	}})
	for i, want := range []int{1, 1, 2, 2} {
		switch i {
		case 2:
			move(t, common, filepath.Join(dir, ".dwz", "common.debug"))
			s.Forget()
		case 3:
			s.Forget()
		}
		if _, err := s.Find(t.Context(), symbols.Key{Path: "a"}); err != nil {
			t.Fatal(err)
		}
		if opens != want {
			t.Errorf("%d: opened %d times, want %d", i, opens, want)
		}
	}
}
