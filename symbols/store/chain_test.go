package store

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dap-windbg/symbols"
)

// shelf is a server that has these files, and counts what it is asked.
type shelf struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newShelf(t *testing.T, files map[string][]byte) *shelf {
	t.Helper()
	s := &shelf{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.Path)
		s.mu.Unlock()
		data, ok := files[r.URL.Path]
		if !ok {
			w.WriteHeader(404)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(data)
	}))
	t.Cleanup(s.Close)
	return s
}

// count is how often the server was asked since the last time.
func (s *shelf) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.asked)
	s.asked = nil
	return n
}

func content(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestStores: servers have files plain, compressed or pointed to, in one tier or two.
func TestStores(t *testing.T) {
	b := prog(t)
	id := hex.EncodeToString(b.id)
	key := "/prog/elf-buildid-" + id + "/"
	full := content(t, b.full)
	lzx := cabinetOf(t, full, 1, true)
	lzx[cabHeader+6] = 3
	for _, c := range []struct {
		name  string
		files map[string][]byte
		want  string // in the list of places tried, "" found
	}{
		{"plain", map[string][]byte{key + "prog": full}, ""},
		{"compressed", map[string][]byte{key + "pro_": cabinetOf(t, full, 1, true)}, ""},
		{"stored", map[string][]byte{key + "pro_": cabinetOf(t, full, 0, false)}, ""},
		{"two tiers", map[string][]byte{"/index2.txt": nil, "/pr" + key + "prog": full}, ""},
		{"two tiers, compressed", map[string][]byte{"/index2.txt": nil, "/pr" + key + "pro_": cabinetOf(t, full, 1, true)}, ""},
		{"LZX", map[string][]byte{key + "pro_": lzx}, "compressed with LZX"},
		{"of another build", map[string][]byte{key + "pro_": cabinetOf(t, content(t, b.other), 1, true)}, "has build-id deadbeef01"},
		{"a message", map[string][]byte{key + "file.ptr": []byte("MSG: not for you\n")}, `the server says: "not for you"`},
		{"a pointer into this machine", map[string][]byte{key + "file.ptr": []byte("PATH:" + b.full)}, "which is not followed"},
		{"nothing", nil, "not there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := newShelf(t, c.files)
			near := t.TempDir()
			s := newStore(t, Options{NoLocal: true, SymbolPath: "srv*" + near + "*" + server.URL, Client: server.Client()})
			got, err := s.Find(t.Context(), symbols.Key{Path: "/x/Prog", BuildID: b.id})
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				same(t, got.(*opened).image, b.full)
				if want := filepath.Join(near, filepath.FromSlash(key), "prog"); got.(*opened).image != want {
					t.Errorf("it is at %s, want %s", got.(*opened).image, want)
				}
				server.count()
				if _, err := s.Find(t.Context(), symbols.Key{Path: "/x/prog", BuildID: b.id}); err != nil || server.count() != 0 {
					t.Errorf("asked again: %v", err)
				}
				return
			}
			var nf *symbols.NotFoundError
			if !errors.As(err, &nf) || !strings.Contains(fmt.Sprint(nf.Tried), c.want) {
				t.Errorf("%v: %v, want %s", err, nf, c.want)
			}
			server.count()
			if s.Find(t.Context(), symbols.Key{Path: "/x/prog", BuildID: b.id}); server.count() != 0 {
				t.Error("what was no use a moment ago is asked for again")
			}
		})
	}
}

// TestLocalStores: the same in folders, where pointers are followed.
func TestLocalStores(t *testing.T) {
	b := prog(t)
	key := "prog/elf-buildid-" + hex.EncodeToString(b.id) + "/"
	for name, data := range map[string][]byte{
		"pro_":            cabinetOf(t, content(t, b.full), 1, true),
		"file.ptr":        []byte("PATH:" + b.full + "\r\n"),
		"sub/../file.ptr": []byte("PATH:there/prog"),
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "far", key, name)
		for _, f := range []string{file, filepath.Join(dir, "far", "there", "prog")} {
			if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
				t.Fatal(err)
			}
			if f != file {
				data = map[bool][]byte{true: data, false: content(t, b.full)}[false]
			}
			if err := os.WriteFile(f, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s := newStore(t, Options{NoLocal: true, SymbolPath: "srv*" + dir + "/near*" + dir + "/far"})
		got, err := s.Find(t.Context(), symbols.Key{Path: "/x/prog", BuildID: b.id})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		same(t, filepath.Join(dir, "near", key, "prog"), b.full)
		if got.(*opened).image != filepath.Join(dir, "near", key, "prog") {
			t.Errorf("%s: it is at %s", name, got.(*opened).image)
		}
	}
}

// TestRemembered: another debugger, and this one, know what was not there until
// the time is over or they are told to forget.
func TestRemembered(t *testing.T) {
	server := newShelf(t, nil)
	now := time.Now()
	o := Options{NoLocal: true, SymbolPath: "srv*" + server.URL, Client: server.Client(), Now: func() time.Time { return now }}
	o.Cache, o.DebugInfoDCache = t.TempDir(), t.TempDir()
	key := symbols.Key{Path: "/x/prog", BuildID: []byte{1, 2, 3, 4}}
	ask := func(s *Store, why string, want bool) {
		t.Helper()
		if _, err := s.Find(t.Context(), key); err == nil {
			t.Fatal("found")
		}
		if asked := server.count() > 0; asked != want {
			t.Errorf("%s: asked %v, want %v", why, asked, want)
		}
	}
	first := newStore(t, o)
	ask(first, "at first", true)
	ask(first, "again", false)
	now = now.Add(time.Second)
	second := newStore(t, Options{NoLocal: true, Client: server.Client(), Now: o.Now, Cache: o.Cache, DebugInfoDCache: o.DebugInfoDCache})
	second.symbol = first.SymbolPath()
	ask(second, "another debugger", false)
	first.Forget()
	ask(first, "forgotten", true)
	ask(first, "and again", false)
	if err := first.SetSymbolPath("srv*" + server.URL); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	ask(second, "another debugger's memory is its own", false)
	if err := os.WriteFile(filepath.Join(o.DebugInfoDCache, "cache_miss_s"), []byte("30\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	now = now.Add(31 * time.Second)
	ask(second, "after the time that the cache says", true)
}

// TestResume: what was given up is gone on with, by another debugger too, and only
// when it is still the same file.
func TestResume(t *testing.T) {
	b := prog(t)
	full := append(content(t, b.full), make([]byte, 2*worthKeeping)...)
	id := hex.EncodeToString(b.id)
	for _, version := range []string{`"one"`, `"two"`} {
		sent := make(chan struct{}, 1)
		var stuck atomic.Bool
		var ranges []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/executable") {
				w.WriteHeader(404)
				return
			}
			if stuck.Load() {
				w.Header().Set("ETag", `"one"`)
				w.Header().Set("Content-Length", fmt.Sprint(len(full)))
				w.Write(full[:len(full)-100])
				w.(http.Flusher).Flush()
				sent <- struct{}{}
				<-r.Context().Done()
				return
			}
			ranges = append(ranges, r.Header.Get("Range"))
			w.Header().Set("ETag", version)
			http.ServeContent(w, r, "prog.bin", time.Time{}, bytes.NewReader(full))
		}))
		o := Options{NoLocal: true, SymbolPath: "DebugInfoD*" + server.URL, Client: server.Client(), DebugInfoDCache: t.TempDir()}
		key := symbols.Key{Path: "/x/prog", BuildID: b.id}
		stuck.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		var noted atomic.Bool
		first := o
		first.Progress = func(_ string, done, _ int64) {
			if done == int64(len(full)-100) && noted.CompareAndSwap(false, true) {
				cancel()
			}
		}
		s := newStore(t, first)
		go func() {
			_, err := s.Find(ctx, key)
			ended <- err
		}()
		<-sent
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if st, err := os.Stat(filepath.Join(o.DebugInfoDCache, id, "executable.part")); err != nil || st.Size() != int64(len(full)-100) {
			t.Fatalf("left: %v", err)
		}
		stuck.Store(false)
		got, err := newStore(t, o).Find(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(content(t, got.(*opened).image), full) {
			t.Error("the file is another")
		}
		if want := fmt.Sprintf("bytes=%d-", len(full)-100); len(ranges) != 1 || ranges[0] != want {
			t.Errorf("asked for %q, want %q", ranges, want)
		}
		if left, _ := filepath.Glob(filepath.Join(o.DebugInfoDCache, id, "*.*")); len(left) != 0 {
			t.Errorf("left behind: %q", left)
		}
		server.Close()
	}
}

// TestGivenUp: who gives up a search has what was found by then.
func TestGivenUp(t *testing.T) {
	b := prog(t)
	begun := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	dir := tree(t, map[string]string{"prog": b.stripped})
	s := newStore(t, Options{NoLocal: true, SymbolPath: dir + ";DebugInfoD*" + server.URL, Client: server.Client()})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	got, err := s.Find(ctx, symbols.Key{Path: "/x/prog", BuildID: b.id})
	if err != nil || got.(*opened).image != filepath.Join(dir, "prog") || got.(*opened).debug != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestEncryption: who cannot be trusted is not asked twice, and nobody leads from
// an encrypted connection into the open.
func TestEncryption(t *testing.T) {
	b := prog(t)
	plain := newShelf(t, map[string][]byte{"/buildid/" + hex.EncodeToString(b.id) + "/executable": content(t, b.full)})
	var calls atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		http.Redirect(w, r, plain.URL+r.URL.Path, http.StatusFound)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	server.StartTLS()
	defer server.Close()
	find := func(url string, client *http.Client) string {
		t.Helper()
		s := newStore(t, Options{NoLocal: true, SymbolPath: "DebugInfoD*" + url, Client: client, Backoff: time.Millisecond})
		_, err := s.Find(t.Context(), symbols.Key{Path: "/x/prog", BuildID: b.id})
		var nf *symbols.NotFoundError
		if !errors.As(err, &nf) {
			t.Fatalf("%v", err)
		}
		return fmt.Sprint(nf.Tried)
	}
	address := strings.TrimPrefix(server.URL, "https://")
	if got := find("https://me:secret@"+address, server.Client()); !strings.Contains(got, errPlain.Error()) || strings.Contains(got, "secret") {
		t.Errorf("into the open: %s", got)
	}
	if n := calls.Load(); n != 1 || plain.count() != 0 {
		t.Errorf("asked %d times", n)
	}
	if got := find(server.URL, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}); !strings.Contains(got, "certificate") {
		t.Errorf("a stranger: %s", got)
	}
	if got := find("https://"+strings.TrimPrefix(plain.URL, "http://"), plain.Client()); !strings.Contains(got, "HTTP response to HTTPS client") && !strings.Contains(got, "tls") {
		t.Errorf("no encryption there: %s", got)
	}
}

// TestReferer: a server that another one leads to is not told the address there.
func TestReferer(t *testing.T) {
	var told atomic.Value
	end := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told.Store(fmt.Sprint(r.Header))
		w.Write([]byte("int x;"))
	}))
	defer end.Close()
	start := httptest.NewServer(http.RedirectHandler(end.URL, http.StatusFound))
	defer start.Close()
	s := newStore(t, Options{NoLocal: true})
	s.SetSourceMap(map[string]string{"/src": start.URL + "/?token=secret"})
	if _, err := s.Source(t.Context(), symbols.Key{}, "/src/a.c"); err != nil {
		t.Fatal(err)
	}
	if h, _ := told.Load().(string); h == "" || strings.Contains(h, "secret") {
		t.Errorf("the second server was told %s", h)
	}
}

// TestManyDebuggers: several that fetch the same into the same cache all get it whole.
func TestManyDebuggers(t *testing.T) {
	b := prog(t)
	full := content(t, b.full)
	key := symbols.Key{Path: "/x/prog", BuildID: b.id}
	server := newShelf(t, map[string][]byte{"/prog/elf-buildid-" + hex.EncodeToString(b.id) + "/prog": full})
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 16 {
		s := newStore(t, Options{NoLocal: true, SymbolPath: "cache*" + dir + ";srv*" + server.URL, Client: server.Client()})
		wg.Go(func() {
			got, err := s.Find(t.Context(), key)
			if err != nil {
				t.Error(err)
				return
			}
			if data, err := os.ReadFile(got.(*opened).image); err != nil || !bytes.Equal(data, full) {
				t.Errorf("%d bytes, %v", len(data), err)
			}
		})
	}
	wg.Wait()
	if left := leftovers(t, dir); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// TestParallel: many modules are looked for at once, but not all transfers go on at once.
func TestParallel(t *testing.T) {
	var now, most atomic.Int32
	full := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		if n == 3 {
			select {
			case full <- struct{}{}:
			default:
			}
		}
		<-r.Context().Done()
	}))
	defer server.Close()
	s := newStore(t, Options{NoLocal: true, SymbolPath: "DebugInfoD*" + server.URL, Client: server.Client(), Parallel: 3})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { s.Find(t.Context(), symbols.Key{Path: "/x/prog", BuildID: []byte{1, 2, byte(i)}}) })
	}
	<-full
	for waiting := 0; waiting < 20; { // until all have come
		s.mu.Lock()
		waiting = len(s.flights)
		s.mu.Unlock()
	}
	s.Interrupt()
	wg.Wait()
	if most.Load() != 3 {
		t.Errorf("%d at once", most.Load())
	}
}

// TestProgress: a transfer is told as it goes, and its end whatever comes of it.
func TestProgress(t *testing.T) {
	const size = 4 << 20
	for _, whole := range []bool{true, false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			chunk := make([]byte, size/8)
			for range map[bool]int{true: 8, false: 3}[whole] {
				w.Write(chunk)
				w.(http.Flusher).Flush()
			}
		}))
		var last [2]int64
		var told []string
		s := newStore(t, Options{NoLocal: true, SymbolPath: "DebugInfoD*" + server.URL, Client: server.Client(), Backoff: time.Millisecond,
			Progress: func(_ string, done, total int64) { last = [2]int64{done, total} },
			Noisy:    func(a symbols.Attempt) { told = append(told, a.Result) }})
		s.SetNoisy(true)
		if _, err := s.Find(t.Context(), symbols.Key{Path: "x", BuildID: []byte{1, 2, 3}}); err == nil {
			t.Fatal("found zeros")
		}
		text := strings.Join(told, "\n")
		if !strings.Contains(text, " percent of 4194304 bytes") || strings.Contains(text, "again in 1ms") == whole {
			t.Errorf("told %q", told)
		}
		if last[0] == 0 || last[0] != last[1] {
			t.Errorf("progress ended at %v", last)
		}
		server.Close()
	}
}

// TestSourceStores: srv* on the source path has sources under their recorded paths.
func TestSourceStores(t *testing.T) {
	b := prog(t)
	server := newShelf(t, map[string][]byte{"/raw/build/a b/x.c": content(t, b.source)})
	near := tree(t, map[string]string{"deep/y.c": b.source})
	s := newStore(t, Options{NoLocal: true, SourcePath: "srv*" + near + "*" + server.URL + "/raw", Client: server.Client()})
	for path, want := range map[string]string{"/build/a b/x.c": b.source, "/build/q/../a b/x.c": b.source, "/somewhere/deep/y.c": filepath.Join(near, "deep", "y.c")} {
		got, err := s.Source(t.Context(), symbols.Key{}, path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		same(t, got, want)
	}
	server.count()
	for range 2 {
		if got, err := s.Source(t.Context(), symbols.Key{}, "/build/none.c"); err == nil {
			t.Errorf("found %s", got)
		}
	}
	if n := server.count(); n != 1 {
		t.Errorf("asked %d times for what is not there", n)
	}
}
