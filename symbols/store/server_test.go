package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dap-windbg/symbols"
)

// debuginfod runs the real server over a folder and returns its URL once the
// folder is scanned.
func debuginfod(t *testing.T, dir string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command("debuginfod", "-d", ":memory:", "-p", fmt.Sprint(port), "-F", dir)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "DEBUGINFOD_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	deadline := time.Now().Add(60 * time.Second)
	for idle := 0; idle < 2; {
		if time.Now().After(deadline) {
			t.Fatal("debuginfod has not scanned the folder")
		}
		if scanned(url) {
			idle++
		} else {
			idle = 0
		}
		time.Sleep(50 * time.Millisecond) // between questions; the server sends no event
	}
	return url
}

// scanned reports whether the server has been through its folder and is idle.
func scanned(url string) bool {
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return bytes.Contains(text, []byte("thread_work_total{role=\"traverse\"} ")) && bytes.Contains(text, []byte("thread_busy{role=\"traverse\"} 0")) &&
		bytes.Contains(text, []byte("thread_work_pending{role=\"scan\"} 0")) && bytes.Contains(text, []byte("thread_busy{role=\"scan\"} 0"))
}

// TestDebuginfod finds image, debug file and source at the real server, and shares
// its cache with the real client.
func TestDebuginfod(t *testing.T) {
	b := prog(t)
	dir := tree(t, map[string]string{"prog": b.stripped, "prog.dbg": b.debug})
	url := debuginfod(t, dir)
	s := newStore(t, Options{NoLocal: true, SymbolPath: "DebugInfoD*http://127.0.0.1:1*" + url})
	key := symbols.Key{Path: "/opt/prog", BuildID: b.id}
	got, err := s.Find(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got.(*opened).image, b.stripped)
	same(t, got.(*opened).debug, b.debug)
	source, err := s.Source(t.Context(), key, b.source)
	if err != nil {
		t.Fatal(err)
	}
	same(t, source, b.source)

	// What the server does not have is remembered as libdebuginfod does.
	if err := s.SetSymbolPath("DebugInfoD*" + url); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Find(t.Context(), symbols.Key{Path: "/opt/none", BuildID: []byte{1, 2, 3, 4}}); err == nil {
		t.Fatal("found what nobody has")
	}
	client := func(dir string, args ...string) (string, error) {
		cmd := exec.Command("debuginfod-find", args...)
		cmd.Env = append(os.Environ(), "DEBUGINFOD_CACHE_PATH="+dir, "DEBUGINFOD_URLS="+url)
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	id := fmt.Sprintf("%x", b.id)
	theirs := t.TempDir()
	for _, args := range [][]string{{"executable", id}, {"debuginfo", id}, {"source", id, b.source}} {
		// The same files under the same names, and theirs finds ours.
		in, err := client(theirs, args...)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		name, err := filepath.Rel(theirs, in)
		if err != nil {
			t.Fatal(err)
		}
		same(t, filepath.Join(s.o.DebugInfoDCache, name), in)
	}
	st, err := os.Stat(filepath.Join(s.o.DebugInfoDCache, "01020304", "executable"))
	if err != nil || st.Size() != 0 {
		t.Errorf("no mark of absence: %v", err)
	}
	if left := leftovers(t, s.o.DebugInfoDCache); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ", a, b)
	}
}

func leftovers(t *testing.T, dir string) (found string) {
	t.Helper()
	filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
		if strings.HasSuffix(path, ".tmp") {
			found = path
		}
		return nil
	})
	return found
}

// TestFaults lets a server do what servers do.
func TestFaults(t *testing.T) {
	b := prog(t)
	data, err := os.ReadFile(b.full)
	if err != nil {
		t.Fatal(err)
	}
	half := len(data) / 2
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(make([]byte, 32<<20))
	z.Close()
	bomb := packed.Bytes()
	cut := func(w http.ResponseWriter, from, to int) { // announce all, send a part, hang up
		w.Header().Set("Content-Length", fmt.Sprint(len(data)-from))
		if from > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Write(data[from:to])
	}
	for _, c := range []struct {
		name  string
		serve func(n int32, w http.ResponseWriter, r *http.Request)
		calls int32
		want  string // in the last attempt's result, "" found
	}{
		{"whole", func(_ int32, w http.ResponseWriter, _ *http.Request) { w.Write(data) }, 1, ""},
		{"breaks off once", func(n int32, w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				cut(w, 0, half)
			} else {
				w.Write(data)
			}
		}, 2, ""},
		{"goes on where it broke off", func(n int32, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"v1"`)
			if n == 1 {
				cut(w, 0, half)
				return
			}
			if r.Header.Get("Range") != fmt.Sprintf("bytes=%d-", half) || r.Header.Get("If-Range") != `"v1"` {
				http.Error(w, "no range asked", http.StatusTeapot)
				return
			}
			cut(w, half, len(data))
		}, 2, ""},
		{"a range nobody asked for", func(n int32, w http.ResponseWriter, r *http.Request) { cut(w, half, len(data)) }, 3, "range nobody asked for"},
		{"breaks off each time", func(_ int32, w http.ResponseWriter, _ *http.Request) { cut(w, 0, half) }, 3, "EOF"},
		{"absent", func(_ int32, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, 1, "not there"},
		{"refuses", func(_ int32, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, 1, "403 Forbidden"},
		{"breaks", func(_ int32, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, 3, "503"},
		{"breaks and recovers", func(n int32, w http.ResponseWriter, _ *http.Request) {
			if n < 3 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader([]int{500, 429}[n-1])
				return
			}
			w.Write(data)
		}, 3, ""},
		{"is in pieces", func(n int32, w http.ResponseWriter, r *http.Request) { // more often than it may fail, but it gets on
			w.Header().Set("ETag", `"v1"`)
			from := 0
			fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
			cut(w, from, min(len(data), from+len(data)/6+1))
		}, 6, ""},
		{"changes under way", func(n int32, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", fmt.Sprintf(`"v%d"`, n))
			if n == 1 {
				w.Header().Set("Content-Length", fmt.Sprint(len(data)))
				w.Write(make([]byte, half))
				return
			}
			w.Write(data)
		}, 2, ""},
		{"compresses", func(_ int32, w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "gzip" {
				w.WriteHeader(http.StatusTeapot)
				return
			}
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(data)
			z.Close()
		}, 1, ""},
		{"is a bomb", func(_ int32, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb)
		}, 1, errBomb.Error()},
		{"is a bomb that says its size", func(_ int32, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("X-DEBUGINFOD-SIZE", "1000")
			w.Write(bomb)
		}, 3, "more came than was announced"},
		{"has an encoding of its own", func(_ int32, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
		}, 3, `encoding "br" unasked`},
		{"leads in circles", func(_ int32, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"?"+strings.Repeat("x", len(r.URL.RawQuery)+1), http.StatusFound)
		}, 10, "from one address to the next"},
		{"leads to a file of this machine", func(_ int32, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		}, 3, "unsupported protocol scheme"},
		{"has the file of another build", func(_ int32, w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, b.other) }, 1, "has build-id deadbeef01"},
		{"has half an ELF header", func(_ int32, w http.ResponseWriter, r *http.Request) { w.Write(data[:40]) }, 1, "ELF"},
		{"says too much", func(_ int32, w http.ResponseWriter, _ *http.Request) {
			for range 64 {
				w.Write(data)
			}
		}, 1, "more than the limit"},
		{"announces too much", func(_ int32, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-DEBUGINFOD-SIZE", "99999999")
		}, 1, "99999999 bytes are more"},
		{"sends something else", func(_ int32, w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>login</html>") }, 1, "a page of text"},
		{"sends nothing like a file", func(_ int32, w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "what?") }, 1, "ELF"},
		{"says nothing", func(_ int32, w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 2, errStall.Error()},
		{"stops in the middle", func(_ int32, w http.ResponseWriter, r *http.Request) {
			w.Write(data[:half])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, 2, errStall.Error()},
	} {
		for _, kind := range []string{"DebugInfoD*", "srv*"} {
			t.Run(kind+c.name, func(t *testing.T) {
				var calls atomic.Int32
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if !strings.HasSuffix(r.URL.Path, "/executable") && !strings.HasSuffix(r.URL.Path, "/prog") {
						w.WriteHeader(404)
						return
					}
					c.serve(calls.Add(1), w, r)
				}))
				defer server.Close()
				s := newStore(t, Options{NoLocal: true, SymbolPath: kind + server.URL, MaxSize: 1 << 20, Client: server.Client(), Stall: 200 * time.Millisecond, Backoff: time.Millisecond})
				got, err := s.Find(t.Context(), symbols.Key{Path: "prog", BuildID: b.id})
				var nf *symbols.NotFoundError
				switch {
				case c.want == "" && err != nil:
					t.Fatal(err)
				case c.want == "":
					same(t, got.(*opened).image, b.full)
				case !errors.As(err, &nf):
					t.Fatalf("%v, want %s", err, c.want)
				default:
					text := fmt.Sprint(nf.Tried)
					if !strings.Contains(text, c.want) {
						t.Errorf("tried %s, want %s", text, c.want)
					}
				}
				if n := calls.Load(); n != c.calls {
					t.Errorf("the server was asked %d times, want %d", n, c.calls)
				}
				for _, dir := range []string{s.o.Cache, s.o.DebugInfoDCache} {
					if left := leftovers(t, dir); left != "" {
						t.Errorf("left behind: %s", left)
					}
				}
			})
		}
	}
}

// TestPause: no server and no number of tries makes us wait longer than maxWait.
func TestPause(t *testing.T) {
	for _, c := range []struct {
		first time.Duration
		tries int
		after time.Duration
		want  time.Duration
	}{
		{250 * time.Millisecond, 1, 0, 250 * time.Millisecond}, {250 * time.Millisecond, 3, 0, time.Second}, {250 * time.Millisecond, 100, 0, maxWait},
		{time.Hour, 1, 0, maxWait}, {time.Millisecond, 1, time.Second, time.Second}, {time.Millisecond, 1, time.Hour, maxWait}, {time.Millisecond, 1, -1, time.Millisecond},
	} {
		if got := pause(c.first, c.tries, c.after); got != c.want {
			t.Errorf("pause(%v, %d, %v) is %v", c.first, c.tries, c.after, got)
		}
	}
}

// TestNegative: "not there" holds ten minutes, and only when every server said it.
func TestNegative(t *testing.T) {
	var calls atomic.Int32
	code := http.StatusNotFound
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.WriteHeader(code)
	}))
	defer server.Close()
	now := time.Now()
	s := newStore(t, Options{NoLocal: true, SymbolPath: "DebugInfoD*" + server.URL, Client: server.Client(), Now: func() time.Time { return now }})
	ask := func(want int32) {
		t.Helper()
		calls.Store(0)
		var nf *symbols.NotFoundError
		if _, err := s.Find(t.Context(), symbols.Key{Path: "x", BuildID: []byte{1, 2, 3}}); !errors.As(err, &nf) {
			t.Fatal(err)
		}
		if calls.Load() != want {
			t.Errorf("asked %d times, want %d: %v", calls.Load(), want, nf.Tried)
		}
	}
	ask(2) // executable and debuginfo
	now = now.Add(9 * time.Minute)
	ask(0)
	now = now.Add(2 * time.Minute)
	ask(2)
	code = http.StatusForbidden
	now = now.Add(time.Hour)
	ask(2)
	ask(2) // a refusal is no answer
}

// TestDown: a server that does not answer is left alone for a while.
func TestDown(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		<-r.Context().Done()
	}))
	defer server.Close()
	now := time.Now()
	s := newStore(t, Options{NoLocal: true, SymbolPath: "DebugInfoD*" + server.URL, Client: server.Client(), Stall: 50 * time.Millisecond,
		Now: func() time.Time { return now }})
	for i, want := range []int32{2, 2, 4} { // twice for the first file, then left alone
		var nf *symbols.NotFoundError
		if _, err := s.Find(t.Context(), symbols.Key{Path: "x", BuildID: []byte{1, 2, byte(i)}}); !errors.As(err, &nf) {
			t.Fatal(err)
		}
		if calls.Load() != want {
			t.Errorf("asked %d times, want %d: %v", calls.Load(), want, nf.Tried)
		}
		if i == 1 {
			now = now.Add(downFor)
		}
	}
}

// TestShared: callers that look for the same image share the search.
func TestShared(t *testing.T) {
	b := prog(t)
	var calls atomic.Int32
	arrived, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			close(arrived)
		}
		<-release
		http.ServeFile(w, r, b.full)
	}))
	defer server.Close()
	s := newStore(t, Options{NoLocal: true, SymbolPath: "srv*" + server.URL, Client: server.Client()})
	key := symbols.Key{Path: "prog", BuildID: b.id}
	type result struct {
		image symbols.Image
		err   error
	}
	results := make(chan result)
	find := func(ctx context.Context) {
		i, err := s.Find(ctx, key)
		results <- result{i, err}
	}
	impatient, cancel := context.WithCancel(t.Context())
	go find(impatient)
	<-arrived
	const more = 5
	for range more {
		go find(t.Context())
	}
	for waiting := 0; waiting <= more; { // until all have joined
		s.mu.Lock()
		for _, f := range s.flights {
			waiting = f.waiting
		}
		s.mu.Unlock()
	}
	cancel()
	if r := <-results; !errors.Is(r.err, context.Canceled) {
		t.Errorf("%v", r.err)
	}
	close(release)
	var first symbols.Image
	for range more {
		r := <-results
		if r.err != nil {
			t.Fatal(r.err)
		}
		if first == nil {
			first = r.image
		}
		if r.image != first {
			t.Error("opened more than once")
		}
	}
	if calls.Load() != 1 {
		t.Errorf("the server was asked %d times", calls.Load())
	}
	// A second store finds it in the cache, the server gone.
	server.Close()
	again := newStore(t, Options{NoLocal: true, SymbolPath: "srv*" + server.URL, Cache: s.o.Cache})
	if _, err := again.Find(t.Context(), key); err != nil {
		t.Error(err)
	}
}

// TestMappedURL: a source map may lead to a URL.
func TestMappedURL(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.URL.Path != "/orders/1f2e/src/a.c" {
			w.WriteHeader(404)
			return
		}
		io.WriteString(w, "int a;\n")
	}))
	defer server.Close()
	s := newStore(t, Options{Client: server.Client()})
	s.SetSourceMap(map[string]string{"/build/orders/*": server.URL + "/orders/1f2e/*"})
	for range 2 {
		local, err := s.Source(t.Context(), symbols.Key{}, "/build/orders/src/a.c")
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := os.ReadFile(local); string(text) != "int a;\n" || filepath.Base(local) != "a.c" {
			t.Errorf("%s: %q", local, text)
		}
	}
	if _, err := s.Source(t.Context(), symbols.Key{}, "/build/orders/src/b.c"); err == nil {
		t.Error("found what nobody has")
	}
	if calls.Load() != 2 {
		t.Errorf("asked %d times", calls.Load())
	}
}
