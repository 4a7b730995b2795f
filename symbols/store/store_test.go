package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dap-windbg/binfmt/elf"
	"dap-windbg/symbols"
)

func TestMain(m *testing.M) {
	// Mappings go when the runtime finds the time for it.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("runtime.runCleanups"), goleak.Cleanup(func(code int) {
		if b, err := program(); err == nil {
			os.RemoveAll(b.dir)
		}
		os.Exit(code)
	}))
}

// built is a program in the forms distributions give it.
type built struct {
	dir, source            string
	full, stripped, debug  string // with DWARF; without, with a .gnu_debuglink; the debug file
	id                     []byte
	idDebug, idExec, other string // the build-id tree's names; a program of another build
}

var program = sync.OnceValues(func() (*built, error) {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		return nil, err
	}
	b := &built{dir: dir, source: filepath.Join(dir, "src", "prog.c"), full: filepath.Join(dir, "full", "prog"),
		stripped: filepath.Join(dir, "stripped", "prog"), debug: filepath.Join(dir, "prog.dbg"), other: filepath.Join(dir, "other", "prog")}
	text, err := os.ReadFile("testdata/prog.c")
	if err != nil {
		return nil, err
	}
	for _, f := range []string{b.source, b.full, b.stripped, b.other} {
		if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(b.source, text, 0o644); err != nil {
		return nil, err
	}
	for _, cmd := range [][]string{
		{"gcc", "-g", "-Wl,--build-id", "-o", b.full, b.source},
		{"gcc", "-g", "-O1", "-Wl,--build-id=0xdeadbeef01", "-o", b.other, b.source},
		{"objcopy", "--only-keep-debug", b.full, b.debug},
		{"objcopy", "--strip-debug", "--add-gnu-debuglink=" + b.debug, b.full, b.stripped},
	} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%v: %w\n%s", cmd, err, out)
		}
	}
	data, err := os.ReadFile(b.full)
	if err != nil {
		return nil, err
	}
	f, err := elf.Parse(data)
	if err != nil {
		return nil, err
	}
	b.id = f.BuildID()
	text1 := fmt.Sprintf("%x", b.id)
	b.idExec = filepath.Join(".build-id", text1[:2], text1[2:])
	b.idDebug = b.idExec + ".debug"
	return b, nil
})

func prog(t *testing.T) *built {
	t.Helper()
	b, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// opened is an Image that remembers what it was opened from.
type opened struct {
	symbols.Image
	image, debug string
	closed       bool
}

func (o *opened) Close() error { o.closed = true; return nil }

func open(image, debug string) (symbols.Image, error) {
	return &opened{image: image, debug: debug}, nil
}

// newStore makes a Store whose caches are in a folder of the test.
func newStore(t *testing.T, o Options) *Store {
	t.Helper()
	dir := t.TempDir()
	if o.Open == nil {
		o.Open = open
	}
	if o.Cache == "" {
		o.Cache = filepath.Join(dir, "cache")
	}
	if o.DebugInfoDCache == "" {
		o.DebugInfoDCache = filepath.Join(dir, "debuginfod")
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tree makes a folder holding copies of files.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for to, from := range files {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		to = filepath.Join(dir, to)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind(t *testing.T) {
	b := prog(t)
	key := symbols.Key{Path: "/opt/app/prog", Name: "prog", BuildID: b.id}
	idText := fmt.Sprintf("%x", b.id)
	served := "prog/elf-buildid-" + idText + "/prog"
	servedDebug := "_.debug/elf-buildid-sym-" + idText + "/_.debug"
	for _, c := range []struct {
		name         string
		files        map[string]string
		symbol       string // D stands for the folder with files
		img          string
		sysroot      string
		key          symbols.Key
		image, debug string
	}{
		{name: "DWARF in the image", files: map[string]string{"prog": b.full}, symbol: "D", key: key, image: "prog"},
		{name: "by path below a folder", files: map[string]string{"opt/app/prog": b.full, "prog": b.other}, symbol: "D", key: key, image: "opt/app/prog"},
		{name: "sysroot", files: map[string]string{"opt/app/prog": b.full}, sysroot: "D", key: key, image: "opt/app/prog"},
		{name: "link beside", files: map[string]string{"prog": b.stripped, "prog.dbg": b.debug}, symbol: "D", key: key, image: "prog", debug: "prog.dbg"},
		{name: "link in .debug", files: map[string]string{"prog": b.stripped, ".debug/prog.dbg": b.debug}, symbol: "D", key: key, image: "prog", debug: ".debug/prog.dbg"},
		{name: "link below the sysroot's debug root", files: map[string]string{"opt/app/prog": b.stripped, "usr/lib/debug/opt/app/prog.dbg": b.debug},
			sysroot: "D", key: key, image: "opt/app/prog", debug: "usr/lib/debug/opt/app/prog.dbg"},
		{name: "build-id tree", files: map[string]string{"x": b.other, b.idExec: b.stripped, b.idDebug: b.debug}, symbol: "D", key: key, image: b.idExec, debug: b.idDebug},
		{name: "sysroot's build-id tree", files: map[string]string{"opt/app/prog": b.stripped, "usr/lib/debug/" + b.idDebug: b.debug},
			sysroot: "D", key: key, image: "opt/app/prog", debug: "usr/lib/debug/" + b.idDebug},
		{name: "name with .debug", files: map[string]string{"prog": b.stripped, "prog.debug": b.debug}, symbol: "D", key: key, image: "prog", debug: "prog.debug"},
		{name: "image path, symbol path", files: map[string]string{"bin/prog": b.stripped, "sym/prog": b.full}, img: "D/bin", symbol: "D/sym", key: key,
			image: "bin/prog", debug: "sym/prog"},
		{name: "only a debug file", files: map[string]string{b.idDebug: b.debug}, symbol: "D", key: key, image: b.idDebug},
		{name: "only an image", files: map[string]string{"prog": b.stripped}, symbol: "D", key: key, image: "prog"},
		{name: "cache", files: map[string]string{"c/" + served: b.stripped, "c/" + servedDebug: b.debug}, symbol: "cache*D/c", key: key,
			image: "c/" + served, debug: "c/" + servedDebug},
		{name: "server folder", files: map[string]string{"far/" + served: b.full}, symbol: "srv*D/near*D/far", key: key, image: "near/" + served},
		{name: "server's cache", files: map[string]string{"far/" + served: b.full}, symbol: "cache*D/c;srv*D/far", key: key, image: "c/" + served},
		{name: "cache of a folder", files: map[string]string{"dir/prog": b.full}, symbol: "cache*D/c;cache*D/d;D/dir", key: key, image: "c/" + served},
		{name: "a cache keeps nothing of elements before it", files: map[string]string{"dir/prog": b.full}, symbol: "D/dir;cache*D/c", key: key, image: "dir/prog"},
		{name: "two tiers", files: map[string]string{"far/index2.txt": b.source, "far/pr/" + served: b.stripped, "far/_./" + servedDebug: b.debug}, symbol: "srv*D/near*D/far", key: key,
			image: "near/" + served, debug: "near/" + servedDebug},
		{name: "two tiers near", files: map[string]string{"near/index2.txt": b.source, "far/" + served: b.full}, symbol: "srv*D/near*D/far", key: key, image: "near/pr/" + served},
		{name: "file URL", files: map[string]string{"far/" + served: b.full}, symbol: "srv*file://D/far", key: key, image: "far/" + served},
		{name: "debuginfod's layout in a file URL", files: map[string]string{"d/buildid/" + idText + "/executable": b.stripped, "d/buildid/" + idText + "/debuginfo": b.debug},
			symbol: "debuginfod*file://D/d", key: key, image: "d/buildid/" + idText + "/executable", debug: "d/buildid/" + idText + "/debuginfo"},
		{name: "debug file under its own name", files: map[string]string{"s/" + served: b.stripped, "s/prog.debug/elf-buildid-sym-" + idText + "/_.debug": b.debug}, symbol: "srv*D/s", key: key,
			image: "s/" + served, debug: "s/prog.debug/elf-buildid-sym-" + idText + "/_.debug"},
		{name: "a folder that is a store", files: map[string]string{"s/pingme.txt": b.source, "s/" + served: b.full}, symbol: "D/s", key: key, image: "s/" + served},
		{name: "symbols below a folder", files: map[string]string{"symbols/prog": b.full}, symbol: "D", key: key, image: "symbols/prog"},
		{name: "subfolder of an extension", files: map[string]string{"so/lib.so.6": b.full}, symbol: "D", key: symbols.Key{Path: "/lib/lib.so.6", BuildID: b.id}, image: "so/lib.so.6"},
		{name: "symbols, extension", files: map[string]string{"symbols/exe/a.exe": b.full}, symbol: "D", key: symbols.Key{Path: "a.exe", BuildID: b.id}, image: "symbols/exe/a.exe"},
		{name: "path with .debug", files: map[string]string{"prog": b.stripped, "opt/app/prog.debug": b.debug}, symbol: "D", key: key, image: "prog", debug: "opt/app/prog.debug"},
		{name: "link below a folder by path", files: map[string]string{"bin/prog": b.stripped, "dbg/opt/app/prog.dbg": b.debug}, img: "D/bin", symbol: "D/dbg", key: key, image: "bin/prog", debug: "dbg/opt/app/prog.dbg"},
		{name: "second entry", files: map[string]string{"one/prog": b.other, "two/prog": b.full}, symbol: "D/none;D/one;D/two", key: key, image: "two/prog"},
		{name: "no build-id", files: map[string]string{"prog": b.stripped, "prog.dbg": b.debug}, symbol: "D",
			key: symbols.Key{Path: "/opt/app/prog"}, image: "prog", debug: "prog.dbg"},
		{name: "a path that climbs", files: map[string]string{"etc/prog": b.full}, sysroot: "D", key: symbols.Key{Path: "../../etc/prog", BuildID: b.id}, image: "etc/prog"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := tree(t, c.files)
			at := func(s string) string { return strings.ReplaceAll(s, "D", dir) }
			s := newStore(t, Options{SymbolPath: at(c.symbol), ImagePath: at(c.img), Sysroot: at(c.sysroot), NoLocal: true})
			got, err := s.Find(t.Context(), c.key)
			if err != nil {
				t.Fatal(err)
			}
			o := got.(*opened)
			want := opened{image: filepath.Join(dir, c.image)}
			if c.debug != "" {
				want.debug = filepath.Join(dir, c.debug)
			}
			if o.image != want.image || o.debug != want.debug {
				t.Errorf("opened %s and %q\n want %s and %q", o.image, o.debug, want.image, want.debug)
			}
			again, err := s.Find(t.Context(), c.key)
			if err != nil || again != got {
				t.Errorf("found again: %v, %v", again, err)
			}
			if err := s.Close(); err != nil || !o.closed {
				t.Errorf("not closed: %v", err)
			}
		})
	}
}

func TestLocal(t *testing.T) {
	b := prog(t)
	s := newStore(t, Options{})
	got, err := s.Find(t.Context(), symbols.Key{Path: b.full, BuildID: b.id})
	if err != nil || got.(*opened).image != b.full {
		t.Errorf("%v, %v", got, err)
	}
	// An image of another build at the same path is not this one.
	var mm *symbols.MismatchError
	if _, err := s.Find(t.Context(), symbols.Key{Path: b.other, BuildID: b.id}); !errors.As(err, &mm) || mm.Path != b.other {
		t.Errorf("%v", err)
	}
}

// TestMismatch: files of other builds are told, and used only by force.
func TestMismatch(t *testing.T) {
	b := prog(t)
	dir := tree(t, map[string]string{"prog": b.other, "text": b.source})
	s := newStore(t, Options{SymbolPath: dir, NoLocal: true})
	key := symbols.Key{Path: "/x/prog", BuildID: b.id}
	_, err := s.Find(t.Context(), key)
	var mm *symbols.MismatchError
	var nf *symbols.NotFoundError
	if !errors.As(err, &mm) || !errors.As(err, &nf) || mm.Path != filepath.Join(dir, "prog") || string(mm.Got) != "\xde\xad\xbe\xef\x01" {
		t.Fatalf("%v", err)
	}
	if !slices.Contains(nf.Tried, symbols.Attempt{Place: mm.Path, Result: mm.Error()}) {
		t.Errorf("tried %+v", nf.Tried)
	}
	got, err := s.FindAny(t.Context(), key)
	if !errors.As(err, &mm) || got == nil || got.(*opened).image != mm.Path {
		t.Errorf("forced: %v, %v", got, err)
	}
	_, err = s.FindAny(t.Context(), symbols.Key{Path: "/x/text", BuildID: b.id})
	if !errors.As(err, &nf) || errors.As(err, &mm) {
		t.Errorf("a text is no image: %v", err)
	}
}

// TestForeign: without a build-id, a file that happens to lie at the path of another
// machine's image is not taken for it.
func TestForeign(t *testing.T) {
	b := prog(t)
	s := newStore(t, Options{Foreign: true})
	if got, err := s.Find(t.Context(), symbols.Key{Path: b.full}); err == nil {
		t.Errorf("found %v", got)
	}
	if _, err := s.Find(t.Context(), symbols.Key{Path: b.full, BuildID: b.id}); err != nil {
		t.Errorf("with its build-id: %v", err)
	}
}

// TestChecksum: without build-ids the debug link's checksum decides.
func TestChecksum(t *testing.T) {
	b := prog(t)
	dir := tree(t, map[string]string{"prog": b.stripped, "prog.dbg": b.debug})
	for _, f := range []string{"prog", "prog.dbg"} {
		if out, err := exec.Command("objcopy", "--remove-section=.note.gnu.build-id", filepath.Join(dir, f)).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	s := newStore(t, Options{SymbolPath: dir, NoLocal: true})
	got, err := s.Find(t.Context(), symbols.Key{Path: "/prog"})
	if err != nil || got.(*opened).debug != "" {
		t.Errorf("a debug file whose checksum is wrong was taken: %+v, %v", got, err)
	}
}

func TestNoisy(t *testing.T) {
	b := prog(t)
	dir := tree(t, map[string]string{"prog": b.full})
	var told []symbols.Attempt
	s := newStore(t, Options{SymbolPath: dir + "/none;" + dir, NoLocal: true, Noisy: func(a symbols.Attempt) { told = append(told, a) }})
	key := symbols.Key{Path: "prog", BuildID: b.id}
	if _, err := s.Find(t.Context(), key); err != nil || len(told) != 0 {
		t.Fatalf("%v, told %v", err, told)
	}
	s.SetNoisy(true)
	if _, err := s.Find(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	want := []symbols.Attempt{{Place: dir + "/none", Result: "not there"}, {Place: filepath.Join(dir, "prog"), Result: "found"}}
	if !slices.Equal(told, want) {
		t.Errorf("told %+v", told)
	}
}

func TestPaths(t *testing.T) {
	s := newStore(t, Options{SymbolPath: "/a;cache*", ImagePath: "/i", SourcePath: "/s"})
	if err := s.SetSymbolPath("/b;nonsense*"); err == nil || Join(s.SymbolPath()) != "/a;cache*" {
		t.Errorf("a bad path replaced the good one: %v, %v", s.SymbolPath(), err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := s.SetSymbolPath(fmt.Sprintf("/p%d", i)); err != nil {
				t.Error(err)
			}
			s.SetSourceMap(map[string]string{"/x/*": "/y"})
			s.SetSysroot("/r")
			_, _, _ = Join(s.SymbolPath()), Join(s.ImagePath()), Join(s.SourcePath())
		})
	}
	wg.Wait()
	if got := Join(s.SymbolPath()); len(got) != 3 {
		t.Errorf("%q", got)
	}
	if m := s.SourceMap(); !maps.Equal(m, map[string]string{"/x": "/y"}) {
		t.Errorf("%v", m)
	}
	if _, err := New(Options{SourcePath: "what*"}); err == nil {
		t.Error("a bad path is no error")
	}
}

// TestRemote: the debuggee's own files come last, and are kept by build-id.
func TestRemote(t *testing.T) {
	b := prog(t)
	var asked []string
	files := map[string]string{"/bin/prog": b.stripped, "/usr/lib/debug/" + filepath.ToSlash(b.idDebug): b.debug}
	s := newStore(t, Options{NoLocal: true, Remote: func(_ context.Context, path string) (io.ReadCloser, error) {
		asked = append(asked, path)
		if from, ok := files[path]; ok {
			return os.Open(from)
		}
		return nil, os.ErrNotExist
	}})
	key := symbols.Key{Path: "/bin/prog", BuildID: b.id}
	for range 2 {
		got, err := s.Find(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if o := got.(*opened); o.debug == "" || !strings.HasPrefix(o.image, s.o.Cache) {
			t.Errorf("%+v", o)
		}
	}
	if len(asked) != 2 {
		t.Errorf("asked for %q", asked)
	}
	var nf *symbols.NotFoundError
	if _, err := s.Find(t.Context(), symbols.Key{Path: "/bin/../bin/none", BuildID: []byte{1, 2, 3}}); !errors.As(err, &nf) || len(nf.Tried) < 2 {
		t.Errorf("%v", err)
	}
}

// TestRemoteSource: the text of a source that nobody else has comes from where the
// program was built, and is kept for that build.
func TestRemoteSource(t *testing.T) {
	asked := 0
	s := newStore(t, Options{NoLocal: true, Remote: func(_ context.Context, path string) (io.ReadCloser, error) {
		if asked++; path != "/src/a.c" {
			return nil, os.ErrNotExist
		}
		return io.NopCloser(strings.NewReader(fmt.Sprint("text ", asked))), nil
	}})
	for _, x := range []struct {
		id   []byte
		want string
	}{{[]byte{1, 2, 3}, "text 1"}, {[]byte{1, 2, 3}, "text 1"}, {nil, "text 2"}, {nil, "text 3"}} {
		local, err := s.Source(t.Context(), symbols.Key{Path: "/bin/prog", BuildID: x.id}, "/src/b/../a.c")
		if err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(local); err != nil || string(text) != x.want {
			t.Errorf("build %x: %q, %v; want %q", x.id, text, err, x.want)
		}
	}
	var nf *symbols.NotFoundError
	if _, err := s.Source(t.Context(), symbols.Key{}, "/src/none.c"); !errors.As(err, &nf) || len(nf.Tried) == 0 || nf.Tried[len(nf.Tried)-1].Place != "target:/src/none.c" {
		t.Errorf("%v", err)
	}
	if _, err := s.Source(t.Context(), symbols.Key{}, "relative.c"); err == nil {
		t.Error("a relative path was asked for")
	}
}

// silent is a file of the debuggee that never says anything.
type silent struct{ closed chan struct{} }

func (s silent) Read([]byte) (int, error) { <-s.closed; return 0, io.ErrClosedPipe }
func (s silent) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

// TestSilent: a debuggee that says nothing is given up, and so is a search when
// its last caller gives up.
func TestSilent(t *testing.T) {
	begun := make(chan struct{}, 4)
	remote := func(context.Context, string) (io.ReadCloser, error) {
		begun <- struct{}{}
		return silent{make(chan struct{})}, nil
	}
	key := symbols.Key{Path: "/bin/prog"}
	s := newStore(t, Options{NoLocal: true, Remote: remote, Stall: time.Millisecond})
	var nf *symbols.NotFoundError
	if _, err := s.Find(t.Context(), key); !errors.As(err, &nf) || nf.Tried[len(nf.Tried)-1].Result != errStall.Error() {
		t.Errorf("%v", err)
	}
	<-begun
	<-begun // tried once more

	s = newStore(t, Options{NoLocal: true, Remote: remote})
	first, cancel1 := context.WithCancel(t.Context())
	second, cancel2 := context.WithCancel(t.Context())
	errs := make(chan error)
	for _, ctx := range []context.Context{first, second} {
		go func() {
			_, err := s.Find(ctx, key)
			errs <- err
		}()
	}
	<-begun
	cancel1()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	cancel2()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestSource(t *testing.T) {
	b := prog(t)
	dir := tree(t, map[string]string{"src/a/b/x.c": b.source, "src/y.c": b.source, "sys/usr/src/z.c": b.source, "map/sub/m.c": b.source})
	s := newStore(t, Options{SourcePath: dir + "/none;" + dir + "/src", Sysroot: dir + "/sys"})
	s.SetSourceMap(map[string]string{"/build": dir + "/nowhere", "/build/deep/*": dir + "/map/", `c:\build`: dir + "/map"})
	for path, want := range map[string]string{
		b.source:              b.source,
		"/usr/src/z.c":        dir + "/sys/usr/src/z.c",
		"/build/deep/sub/m.c": dir + "/map/sub/m.c",
		`c:\build\sub\m.c`:    dir + "/map/sub/m.c",
		"/build/a/b/x.c":      dir + "/src/a/b/x.c",
		"/deep/er/y.c":        dir + "/src/y.c",
		`d:\x\y.c`:            dir + "/src/y.c",
		"./y.c":               dir + "/src/y.c",
		"/buildings/y.c":      dir + "/src/y.c",
		"/q/../a/b/x.c":       dir + "/src/a/b/x.c",
	} {
		got, err := s.Source(t.Context(), symbols.Key{}, path)
		if err != nil || filepath.Clean(got) != want {
			t.Errorf("%s is at %s, %v; want %s", path, got, err, want)
		}
	}
	var nf *symbols.NotFoundError
	if _, err := s.Source(t.Context(), symbols.Key{}, "/p/nope.c"); !errors.As(err, &nf) || len(nf.Tried) != 6 {
		t.Errorf("%+v", err)
	}
	for _, path := range []string{"", "/", "..", "/..", "a/.."} {
		if got, err := s.Source(t.Context(), symbols.Key{}, path); err == nil {
			t.Errorf("%q is at %s", path, got)
		}
	}
}
