package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"

	"dap-windbg/binfmt/elf"
	"dap-windbg/binfmt/mmap"
	"dap-windbg/symbols"
)

// debugRoot is where distributions install separate debug files.
const debugRoot = "/usr/lib/debug"

// search is one look for one thing: what it tried, and what it came close to.
type search struct {
	*Store
	ctx      context.Context
	key      symbols.Key
	id       []byte
	sysroot  string
	symbol   []Element
	image    []Element
	forced   bool
	common   bool // a supplementary file, whose checksum stands for a build-id
	tried    []symbols.Attempt
	mismatch *symbols.MismatchError
	folders  map[string]bool // of the path, true: not there
	windows  *windowsFile    // what is looked for is no ELF file
}

func (s *Store) search(ctx context.Context, key symbols.Key) *search {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := cmp.Or(key.Name, key.Path)
	if IsWindows(key) {
		name = backslashed(name)
	}
	key.Name = cmp.Or(baseName(name), ".")
	q := &search{Store: s, ctx: ctx, key: key, id: key.BuildID, sysroot: s.sysroot,
		symbol: append([]Element(nil), s.symbol...), image: append([]Element(nil), s.image...)}
	if IsWindows(key) {
		q.windows = windowsImage(key)
	}
	return q
}

// baseName is the last element of a path of the far end, "" when there is none.
func baseName(p string) string {
	name := path.Base(slashes(p))
	if strings.Trim(name, "./") == "" {
		return ""
	}
	return hostName(name, filepath.Separator)
}

// hostName is a name of the far end as a file here may be called: on Windows a
// name with a backslash or a drive would lead out of the folder it is put in.
func hostName(name string, separator rune) string {
	if separator != '\\' {
		return name
	}
	return strings.NewReplacer(`\`, "_", ":", "_").Replace(name)
}

// try notes a place and what came of it.
func (s *search) try(place, result string) {
	s.tried = append(s.tried, symbols.Attempt{Place: Redact(place), Result: result})
	s.tell(place, result)
}

// fail is the error of a search that found nothing.
func (s *search) fail(what string) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	nf := &symbols.NotFoundError{What: what, Tried: s.tried}
	if s.mismatch != nil {
		return &mismatched{nf, s.mismatch}
	}
	return nf
}

// mismatched: nothing but files of other builds was found.
type mismatched struct {
	*symbols.NotFoundError
	other *symbols.MismatchError
}

func (e *mismatched) Error() string   { return e.other.Error() }
func (e *mismatched) Hint() string    { return e.other.Hint() }
func (e *mismatched) Unwrap() []error { return []error{e.NotFoundError, e.other} }

// file is a file on disk that was found.
type file struct {
	*elf.File // nil: a file of Windows
	path      string
	data      *mmap.File
	wrong     bool // of another build

	copies []string // where it shall be kept too, nearest first
}

// hasDWARF reports whether the file itself tells names of types and lines.
func (f *file) hasDWARF() bool {
	for _, name := range []string{".debug_info", ".zdebug_info"} {
		if s, ok := f.Section(name); ok && s.Type != elf.SecNobits {
			return true
		}
	}
	return false
}

// hasCode reports whether the file has the image's code, which debug files lack.
func (f *file) hasCode() bool {
	if f.File == nil {
		return true
	}
	for i := range f.Sections {
		s := &f.Sections[i]
		if s.Flags&elf.FlagExec != 0 && s.Type != elf.SecNobits {
			return true
		}
	}
	return len(f.Sections) == 0 // stripped of its section table: still an image
}

// load looks at a local file and compares builds. A file of another build is
// returned only when forced; nil when the file is no use.
func (s *search) load(name string) *file {
	if st, err := os.Stat(name); err == nil && !st.Mode().IsRegular() {
		s.try(name, "not a file") // a pipe would never open
		return nil
	}
	m, err := mmap.Open(name)
	if err != nil {
		s.try(name, reason(err))
		return nil
	}
	if s.windows != nil {
		return s.loadWindows(name, m)
	}
	var e *elf.File
	var got []byte
	var guard mmap.Guard
	if !guard.Do(func() {
		if e, err = elf.Parse(m.Data); err != nil {
			return
		}
		if got = e.BuildID(); s.common && len(got) == 0 {
			_, got, _ = supplement(e, 1)
		}
	}) {
		err = errors.New("the file was cut short while it was read")
	}
	if err != nil {
		s.try(name, err.Error())
		return nil
	}
	f := &file{File: e, path: name, data: m}
	if len(s.id) > 0 && !bytes.Equal(got, s.id) {
		mm := &symbols.MismatchError{Path: name, Want: s.id, Got: got}
		if s.mismatch == nil {
			s.mismatch = mm
		}
		if !s.forced {
			s.try(name, mm.Error())
			return nil
		}
		f.wrong = true
	}
	return f
}

// reason says why a file cannot be opened, without its name.
func reason(err error) string {
	if errors.Is(err, os.ErrNotExist) {
		return "not there"
	}
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// place yields a file, nil when it has none; it notes what it tries.
type place func() *file

// best returns the first file that fit accepts; one of another build only when no
// other is found.
func (s *search) best(fit func(*file) bool, lacks string, places ...place) *file {
	var wrong *file
	for _, p := range places {
		if s.ctx.Err() != nil {
			return nil
		}
		f := p()
		switch {
		case f == nil:
		case !fit(f):
			s.try(f.path, lacks)
		case f.wrong:
			s.try(f.path, "another build, kept in case it is forced")
			if wrong == nil {
				wrong = f
			}
		default:
			s.try(f.path, "found")
			return s.kept(f)
		}
	}
	return wrong
}

func (s *Store) find(ctx context.Context, key symbols.Key) (symbols.Image, error) {
	return s.search(ctx, key).run()
}

// FindAny is Find, but a file of another build is good enough where no right one
// is found (`.reload /i`); the image then comes with a *symbols.MismatchError.
func (s *Store) FindAny(ctx context.Context, key symbols.Key) (symbols.Image, error) {
	ctx, stop := s.cancellable(ctx)
	defer stop()
	q := s.search(ctx, key)
	q.forced = true
	return q.run()
}

// run looks for the image, then for its debug file when it needs one. When what
// was found is of another build, or only debug files of another build were seen,
// the image comes with an error that says so.
func (q *search) run() (symbols.Image, error) {
	image := q.best((*file).hasCode, "has no code", q.imagePlaces()...)
	if q.windows != nil {
		if image == nil {
			return nil, q.fail(q.key.String())
		}
		return q.open(image.path, "")
	}
	if image != nil && len(q.id) == 0 {
		q.id = image.BuildID()
	}
	if image != nil && !image.wrong {
		if image.hasDWARF() {
			q.prefetch(image)
			return q.open(image.path, "")
		}
		q.mismatch = nil // another build's image is no matter any more
	}
	debug := q.best((*file).hasDWARF, "has no debug information", q.debugPlaces(image)...)
	for _, f := range []*file{image, debug} {
		if f != nil {
			q.prefetch(f)
		}
	}
	var found symbols.Image
	var err error
	switch {
	case image == nil && debug == nil:
		return nil, q.fail(q.key.String())
	case image == nil:
		found, err = q.open(debug.path, "")
	case debug == nil || debug.path == image.path || image.hasDWARF():
		found, err = q.open(image.path, "")
		debug = nil
	default:
		found, err = q.open(image.path, debug.path)
	}
	right := (image == nil || !image.wrong) && debug != nil && !debug.wrong
	if err == nil && !right && q.mismatch != nil {
		err = q.mismatch
	}
	return found, err
}

// remote is a file of the debuggee's file system, kept by build-id. An image
// whose own path is none, such as the vDSO, has nothing there.
func (s *search) remote(name string) place {
	return func() *file {
		if name = path.Clean(name); s.o.Remote == nil || !strings.HasPrefix(slashes(s.key.Path), "/") || !strings.HasPrefix(name, "/") || name == "/" {
			return nil
		}
		where := "target:" + name
		base := baseName(name)
		if base == "" {
			return nil
		}
		local := filepath.Join(s.o.Cache, "target", hex.EncodeToString(s.id), base)
		if len(s.id) > 0 {
			if _, err := os.Stat(local); err == nil {
				if f := s.load(local); f != nil && !f.wrong {
					return f
				}
			}
		}
		get := func(ctx context.Context, _ int64, _ string) (*body, error) {
			r, err := s.o.Remote(ctx, name)
			if err != nil {
				return nil, err
			}
			return &body{ReadCloser: r}, nil
		}
		if err := s.fetch(s.ctx, where, local, get); err != nil {
			s.try(where, err.Error())
			return nil
		}
		return s.fetched("", local)
	}
}
