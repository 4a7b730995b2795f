package store

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"dap-windbg/symbols"
)

// Options of New. The zero value finds files in folders; Open is needed for Find.
type Options struct {
	// Open opens what was found. image is the file that runs, debug the separate
	// file with its names, "" when there is none. When only a debug file was
	// found it is image. Builds have been compared, or forced by the user.
	Open func(image, debug string) (symbols.Image, error)
	// Remote opens a file of the debuggee's own file system, nil when there is no
	// way. It is the last place looked at, for it is slow.
	Remote func(ctx context.Context, path string) (io.ReadCloser, error)
	// Noisy is told every place tried while SetNoisy is on.
	Noisy func(symbols.Attempt)
	// Progress is told how a transfer goes: bytes so far and in all (0 unknown).
	// It is called from the transfer's goroutine, at its end with done == total.
	Progress func(place string, done, total int64)

	SymbolPath, ImagePath, SourcePath string
	// Sysroot is a folder that holds the debuggee's file system.
	Sysroot string
	// NoLocal leaves the debugger's own file system out where the debuggee's
	// paths would be looked up in it, for debuggees on other machines.
	NoLocal bool
	// Foreign is for debuggees on other machines: a file of this machine at an
	// image's path is that image only when build-ids say so.
	Foreign bool

	// Cache keeps downloads; "" is dap-windbg/symbols in the user's cache folder.
	Cache string
	// CacheLimit is how many bytes Cache may hold; 0 is DefaultCacheLimit.
	CacheLimit int64
	// DebugInfoDCache is shared with libdebuginfod; "" is the folder that it uses.
	DebugInfoDCache string

	// DebugInfoD are the servers that a DebugInfoD* entry without URLs stands for.
	DebugInfoD []string

	Client *http.Client // redirections are followed by our rules
	// Retries is how often a transfer that failed is tried again, and Backoff the
	// wait before the first of these, doubled each time up to 5 s; 0 is 2 and 250 ms. Absence
	// and refusals are answers and not asked about again.
	Retries int
	Backoff time.Duration
	// Parallel bounds how many transfers from servers go on at once; 0 is 6.
	Parallel int
	// Stall is how long a server or the debuggee may say nothing; 0 is 30 s.
	Stall time.Duration
	// MaxSize is the largest file fetched, bytes; 0 is 8 GiB.
	MaxSize int64
	// Now is the clock by which negative answers age; nil is the machine's.
	Now func() time.Time
}

// Store implements symbols.Store. It is safe for many goroutines.
type Store struct {
	o Options

	mu                    sync.Mutex
	symbol, image, source []Element
	sysroot               string
	maps                  []sourceMap
	noisy                 bool
	images                map[[2]string]func() (symbols.Image, error) // by files
	flights               map[string]*flight
	down                  map[string]time.Time // servers that did not answer, by host
	gone                  map[string]time.Time // URLs that were not there
	fresh                 time.Time            // answers of before are asked for anew
	tiers                 map[string]bool      // servers with two tiers
	slots                 chan struct{}        // transfers under way
	companions            map[string]func() (string, error)
	lacking               map[string]bool // files that lack a companion
	old                   []func() (symbols.Image, error)

	pruning sync.Mutex
	kept    int64 // bytes that Cache holds, once counted
	counted bool

	life    context.Context // ends with Close
	end     context.CancelFunc
	working sync.Map // what Interrupt ends: *context.CancelFunc
}

var _ symbols.Store = (*Store)(nil)

// New returns a Store. Errors are those of the paths.
func New(o Options) (*Store, error) {
	client := newClient()
	if o.Client != nil {
		*client = *o.Client
	}
	client.CheckRedirect = checkRedirect
	o.Client = client
	o.Stall, o.MaxSize = cmp.Or(o.Stall, 30*time.Second), cmp.Or(o.MaxSize, 8<<30)
	o.Retries, o.Backoff, o.Parallel = cmp.Or(o.Retries, 2), cmp.Or(o.Backoff, 250*time.Millisecond), cmp.Or(o.Parallel, 6)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Cache == "" {
		if dir, err := os.UserCacheDir(); err == nil {
			o.Cache = filepath.Join(dir, "dap-windbg", "symbols")
		}
	}
	if o.DebugInfoDCache == "" {
		o.DebugInfoDCache = sharedCache()
	}
	s := &Store{o: o, sysroot: o.Sysroot, images: map[[2]string]func() (symbols.Image, error){}, flights: map[string]*flight{}, down: map[string]time.Time{},
		companions: map[string]func() (string, error){}, lacking: map[string]bool{},
		gone: map[string]time.Time{}, tiers: map[string]bool{}, slots: make(chan struct{}, o.Parallel)}
	s.life, s.end = context.WithCancel(context.Background())
	for _, p := range []struct {
		set  func(string) error
		path string
	}{{s.SetSymbolPath, o.SymbolPath}, {s.SetImagePath, o.ImagePath}, {s.SetSourcePath, o.SourcePath}} {
		if err := p.set(p.path); err != nil {
			return nil, err
		}
	}
	s.fresh = time.Time{} // what other debuggers learned holds
	return s, nil
}

// cancellable is ctx until stop, or until Interrupt.
func (s *Store) cancellable(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	s.working.Store(&cancel, true)
	return ctx, func() {
		cancel()
		s.working.Delete(&cancel)
	}
}

// Interrupt gives up the transfers under way. Searches end with what they have.
func (s *Store) Interrupt() {
	s.working.Range(func(cancel, _ any) bool {
		(*cancel.(*context.CancelFunc))()
		return true
	})
}

// Close closes the images found. They must not be in use.
func (s *Store) Close() error {
	s.end()
	defer s.o.Client.CloseIdleConnections()
	s.mu.Lock()
	images := append(slices.Collect(maps.Values(s.images)), s.old...)
	clear(s.images)
	s.old = nil
	s.mu.Unlock()
	var first error
	for _, opened := range images {
		i, err := opened()
		if err == nil {
			err = i.Close()
		}
		if err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (s *Store) setPath(to *[]Element, path string) error {
	elements, err := Parse(path)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	*to = elements
	s.fresh = s.o.Now() // "not there" was said by other servers
	clear(s.down)
	return nil
}

func (s *Store) path(of *[]Element) []Element {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Element(nil), *of...)
}

// SetSymbolPath replaces the symbol path; on an error it stays as it was.
func (s *Store) SetSymbolPath(path string) error { return s.setPath(&s.symbol, path) }

// SetImagePath replaces the path that image files are looked for on.
func (s *Store) SetImagePath(path string) error { return s.setPath(&s.image, path) }

// SetSourcePath replaces the path that sources are looked for on.
func (s *Store) SetSourcePath(path string) error { return s.setPath(&s.source, path) }

// SymbolPath returns the symbol path; Join and Expand write it.
func (s *Store) SymbolPath() []Element { return s.path(&s.symbol) }

// ImagePath returns the image path.
func (s *Store) ImagePath() []Element { return s.path(&s.image) }

// SourcePath returns the source path.
func (s *Store) SourcePath() []Element { return s.path(&s.source) }

// SetSysroot sets the folder that holds the debuggee's file system, "" none.
func (s *Store) SetSysroot(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sysroot = dir
}

// SetNoisy turns the telling of places tried on or off.
func (s *Store) SetNoisy(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noisy = on
}

// Forget makes the next searches ask again for what was not there or did not
// answer.
func (s *Store) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh = s.o.Now()
	clear(s.down)
	clear(s.gone)
	clear(s.tiers)
	clear(s.companions)
	for key, opened := range s.images { // what lacks a companion is opened anew
		if s.lacking[stamped(key[0])] || s.lacking[stamped(key[1])] {
			s.old = append(s.old, opened)
			delete(s.images, key)
		}
	}
	clear(s.lacking)
}

// stamped is the file that a stamp is of.
func stamped(stamp string) string {
	name, _, _ := strings.Cut(stamp, "\x00")
	return name
}

// tell is `!sym noisy`.
func (s *Store) tell(place, result string) {
	s.mu.Lock()
	noisy := s.noisy && s.o.Noisy != nil
	s.mu.Unlock()
	if noisy {
		s.o.Noisy(symbols.Attempt{Place: Redact(place), Result: result})
	}
}

// flight is one search that several callers wait for. It ends early when the
// last of them gives up.
type flight struct {
	waiting int
	cancel  func()
	done    chan struct{}
	image   symbols.Image
	err     error
}

// Find implements symbols.Store. Callers that look for the same image at the same
// time share the search. The error also unwraps to *symbols.MismatchError when
// there was a file of another build; one that comes with an image is of that kind
// and says that the debug files seen are not its own.
func (s *Store) Find(ctx context.Context, key symbols.Key) (symbols.Image, error) {
	name := key.Path + "\x00" + hex.EncodeToString(key.BuildID)
	s.mu.Lock()
	f := s.flights[name]
	if f == nil {
		work, cancel := s.cancellable(context.WithoutCancel(ctx))
		f = &flight{cancel: cancel, done: make(chan struct{})}
		s.flights[name] = f
		go func() {
			f.image, f.err = s.find(work, key)
			s.land(name, f)
			close(f.done)
		}()
	}
	f.waiting++
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.image, f.err
	case <-ctx.Done():
	}
	s.mu.Lock()
	f.waiting--
	last := f.waiting == 0
	if last {
		s.drop(name, f)
	}
	s.mu.Unlock()
	if last { // what was found by now is better than nothing
		select {
		case <-f.done:
			return f.image, f.err
		case <-time.After(giveUp):
		}
	}
	return nil, ctx.Err()
}

// giveUp is how long a search may take to end when nobody waits for it any more.
const giveUp = 2 * time.Second

func (s *Store) land(name string, f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(name, f)
}

// drop ends a flight and lets the next caller start anew; s.mu is held.
func (s *Store) drop(name string, f *flight) {
	f.cancel()
	if s.flights[name] == f {
		delete(s.flights, name)
	}
}

// open opens files once; an image that changed on disk is opened anew. The reader
// may ask for companions meanwhile.
func (s *Store) open(image, debug string) (symbols.Image, error) {
	if s.o.Open == nil {
		return nil, fmt.Errorf("%s: no reader of images was given", image)
	}
	key := [2]string{stamp(image), stamp(debug)}
	s.mu.Lock()
	once := s.images[key]
	if once == nil {
		once = sync.OnceValues(func() (symbols.Image, error) { return s.o.Open(image, debug) })
		s.images[key] = once
	}
	s.mu.Unlock()
	i, err := once()
	if err != nil {
		s.mu.Lock()
		delete(s.images, key)
		s.mu.Unlock()
	}
	return i, err
}

// stamp names a file's present contents.
func stamp(path string) string {
	st, err := os.Stat(path)
	if path == "" || err != nil {
		return path
	}
	return fmt.Sprintf("%s\x00%d\x00%d", path, st.Size(), st.ModTime().UnixNano())
}
