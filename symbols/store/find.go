package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"hash/crc32"
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
	noisy    bool
	tried    []symbols.Attempt
	mismatch *symbols.MismatchError
}

func (s *Store) search(ctx context.Context, key symbols.Key) *search {
	s.mu.Lock()
	defer s.mu.Unlock()
	key.Name = cmp.Or(baseName(cmp.Or(key.Name, key.Path)), ".")
	return &search{Store: s, ctx: ctx, key: key, id: key.BuildID, sysroot: s.sysroot, noisy: s.noisy,
		symbol: append([]Element(nil), s.symbol...), image: append([]Element(nil), s.image...)}
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
	a := symbols.Attempt{Place: place, Result: result}
	s.tried = append(s.tried, a)
	if s.noisy && s.o.Noisy != nil {
		s.o.Noisy(a)
	}
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

// file is an ELF file on disk.
type file struct {
	*elf.File
	path  string
	data  *mmap.File
	wrong bool // of another build
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
	var e *elf.File
	var got []byte
	var guard mmap.Guard
	if !guard.Do(func() {
		if e, err = elf.Parse(m.Data); err == nil {
			got = e.BuildID()
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
			return f
		}
	}
	return wrong
}

// find looks for the image, then for its debug file when it needs one.
func (s *Store) find(ctx context.Context, key symbols.Key) (symbols.Image, error) {
	return s.search(ctx, key).run(ctx)
}

// FindAny is Find, but a file of another build is good enough where no right one
// is found (`.reload /i`).
func (s *Store) FindAny(ctx context.Context, key symbols.Key) (symbols.Image, error) {
	q := s.search(ctx, key)
	q.forced = true
	return q.run(ctx)
}

func (q *search) run(ctx context.Context) (symbols.Image, error) {
	s, key := q.Store, q.key
	image := q.best((*file).hasCode, "has no code", q.imagePlaces()...)
	if image != nil && len(q.id) == 0 {
		q.id = image.BuildID()
	}
	if image != nil && image.hasDWARF() && !image.wrong {
		return s.open(image.path, "")
	}
	debug := q.best((*file).hasDWARF, "has no debug information", q.debugPlaces(image)...)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch {
	case image == nil && debug == nil:
		return nil, q.fail(key.String())
	case image == nil:
		return s.open(debug.path, "")
	case debug == nil || debug.path == image.path || image.hasDWARF():
		return s.open(image.path, "")
	}
	return s.open(image.path, debug.path)
}

// at is the place of one local file.
func (s *search) at(elem ...string) place {
	return func() *file { return s.load(filepath.Join(elem...)) }
}

// imagePlaces lists where the image itself may lie, in the order of looking.
func (s *search) imagePlaces() []place {
	var out []place
	local := filepath.FromSlash(s.key.Path)
	inside := filepath.Clean(string(filepath.Separator) + local)
	if s.sysroot != "" && s.key.Path != "" {
		out = append(out, s.at(s.sysroot, inside))
	}
	if !s.o.NoLocal && (!s.o.Foreign || len(s.id) > 0) && filepath.IsAbs(local) {
		out = append(out, s.at(local))
	}
	for _, e := range append(s.image, s.symbol...) {
		switch e.Kind {
		case Folder:
			if s.key.Path != "" && s.key.Path != s.key.Name {
				out = append(out, s.at(e.Path, inside))
			}
			out = append(out, s.at(e.Path, s.key.Name), s.byID(e.Path, ""))
		default:
			out = append(out, s.served(e, "executable"))
		}
	}
	return append(out, s.remote(s.key.Path))
}

// debugPlaces lists where the debug file of image (nil when not found) may lie.
func (s *search) debugPlaces(image *file) []place {
	var out []place
	if image != nil {
		out = append(out, s.linked(image)...)
	}
	roots := []string{}
	if s.sysroot != "" {
		roots = append(roots, filepath.Join(s.sysroot, debugRoot))
	}
	for _, e := range s.symbol {
		if e.Kind == Folder {
			out = append(out, s.byID(e.Path, ".debug"), s.at(e.Path, s.key.Name+".debug"), s.at(e.Path, s.key.Name))
		} else {
			out = append(out, s.served(e, "debuginfo"))
		}
	}
	for _, root := range append(roots, debugRoot) {
		out = append(out, s.byID(root, ".debug"))
	}
	if dir := s.buildIDPath(".debug"); dir != "" {
		out = append(out, s.remote(path.Join(debugRoot, filepath.ToSlash(dir))))
	}
	return out
}

// buildIDPath is .build-id/ab/cdef + suffix, "" without a build-id.
func (s *search) buildIDPath(suffix string) string {
	if len(s.id) < 2 {
		return ""
	}
	text := hex.EncodeToString(s.id)
	return filepath.Join(".build-id", text[:2], text[2:]+suffix)
}

// byID is the place of a file in a folder's build-id tree.
func (s *search) byID(dir, suffix string) place {
	return func() *file {
		rel := s.buildIDPath(suffix)
		if rel == "" {
			return nil
		}
		return s.load(filepath.Join(dir, rel))
	}
}

// linked lists the places a .gnu_debuglink names: beside the image, in .debug
// beside it, and below the debug root. Without a build-id the CRC decides.
func (s *search) linked(image *file) []place {
	var name string
	var crc uint32
	var ok bool
	var guard mmap.Guard
	guard.Do(func() { name, crc, ok = image.DebugLink() })
	if !ok || name != filepath.Base(name) || name == "." || name == ".." {
		return nil
	}
	dir := filepath.Dir(image.path)
	home := filepath.Dir(filepath.Clean("/" + filepath.FromSlash(s.key.Path)))
	candidates := []string{filepath.Join(dir, name), filepath.Join(dir, ".debug", name), filepath.Join(debugRoot, home, name)}
	if s.sysroot != "" {
		candidates = append(candidates, filepath.Join(s.sysroot, debugRoot, home, name))
	}
	for _, e := range s.symbol {
		if e.Kind == Folder {
			candidates = append(candidates, filepath.Join(e.Path, name))
		}
	}
	var out []place
	for _, c := range candidates {
		if c == image.path {
			continue
		}
		out = append(out, func() *file {
			f := s.load(c)
			if f == nil || len(s.id) > 0 {
				return f
			}
			var guard mmap.Guard
			same := false
			if !guard.Do(func() { same = crc32.ChecksumIEEE(f.data.Data) == crc }) || !same {
				s.try(c, "its checksum is not the one the image names")
				return nil
			}
			return f
		})
	}
	return out
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
		get := func(ctx context.Context, _ int64) (*body, error) {
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
		return s.fetched(local)
	}
}
