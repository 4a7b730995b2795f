package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"dap-windbg/binfmt/elf"
	"dap-windbg/binfmt/mmap"
	"dap-windbg/symbols"
)

// Companion implements symbols.Companions with the places of the Store.
//
// A name recorded in debug information is not trusted: it leads to a file only
// when that file's build-id, or the caller's Accept, says that it is the one. A
// name that can be checked by neither is looked for in folders of the user's
// choosing alone.
func (s *Store) Companion(c symbols.Companion) (string, error) {
	return s.companionOnce(s.life, c)
}

// companionOnce looks for a companion once; the answer holds until Forget, also
// when the search was given up.
func (s *Store) companionOnce(ctx context.Context, c symbols.Companion) (string, error) {
	name := strings.Join([]string{c.Kind.String(), c.For, c.Name, c.Dir, hex.EncodeToString(c.ID)}, "\x00")
	s.mu.Lock()
	once := s.companions[name]
	if once == nil {
		once = sync.OnceValues(func() (string, error) { return s.companion(ctx, c) })
		s.companions[name] = once
	}
	s.mu.Unlock()
	path, err := once()
	if err != nil {
		s.mu.Lock()
		s.lacking[c.For] = true
		s.mu.Unlock()
	}
	return path, err
}

// prefetch looks for the common file of a file that is about to be opened: its
// reader cannot be kept waiting by a server as well as the search can.
func (s *search) prefetch(f *file) {
	c := symbols.Companion{For: f.path}
	var ok bool
	var guard mmap.Guard
	guard.Do(func() {
		if c.Name, c.ID, ok = f.AltLink(); !ok {
			c.Name, c.ID, ok = supplement(f.File, 0)
		}
	})
	if ok {
		s.companionOnce(s.ctx, c)
	}
}

func (s *Store) companion(ctx context.Context, c symbols.Companion) (string, error) {
	ctx, stop := s.cancellable(ctx)
	defer stop()
	key := symbols.Key{Path: c.Name, BuildID: c.ID}
	if c.Kind != symbols.Supplement {
		key.BuildID = nil
	}
	q := s.search(ctx, key)
	q.common = c.Kind == symbols.Supplement
	if q.windows = nil; c.Kind == symbols.Database {
		q.windows = windowsDatabase(c)
	}
	fit := func(f *file) bool {
		if c.Accept == nil || q.windows != nil { // a database was looked into when it was loaded
			return true
		}
		err := c.Accept(f.path)
		if err != nil {
			q.try(f.path, err.Error())
		}
		return err == nil
	}
	places := map[symbols.CompanionKind]func(symbols.Companion) []place{
		symbols.Supplement: q.supplementPlaces, symbols.Package: q.packagePlaces, symbols.SplitUnit: q.unitPlaces, symbols.Database: q.databasePlaces,
	}[c.Kind](c)
	f := q.best(fit, "not the one", places...)
	if f == nil {
		return "", q.fail(c.String())
	}
	return f.path, nil
}

// checked reports whether a wrong file would be noticed.
func checked(c symbols.Companion) bool {
	return c.Accept != nil || c.Kind == symbols.Supplement && len(c.ID) > 0
}

// supplementPlaces: as recorded, relative to the file that names it, below the
// sysroot; then wherever a debug file of that build-id may be.
func (s *search) supplementPlaces(c symbols.Companion) []place {
	name := filepath.FromSlash(c.Name)
	var candidates []string
	switch {
	case name == "" || !checked(c):
	case filepath.IsAbs(name):
		if s.sysroot != "" {
			candidates = append(candidates, filepath.Join(s.sysroot, filepath.Clean(name)))
		}
		candidates = append(candidates, name)
	default:
		candidates = append(candidates, filepath.Join(realDir(c.For), name))
	}
	out := s.files(candidates)
	for _, e := range s.symbol {
		if e.Kind == Folder {
			out = append(out, s.at(e.Path, s.key.Name), s.at(e.Path, ".dwz", s.key.Name))
		}
	}
	return append(out, s.debugPlaces(nil)...)
}

// supplement reads .debug_sup (DWARF 5, section 7.3.6): the name of the common file
// and the checksum it is known by. kind is 1 in the common file itself, else 0.
func supplement(e *elf.File, kind byte) (name string, id []byte, ok bool) {
	s, ok := e.Section(".debug_sup")
	if !ok {
		return "", nil, false
	}
	b, err := e.Data(s)
	if err != nil || len(b) < 4 || b[2] != kind {
		return "", nil, false
	}
	b = b[3:]
	end := bytes.IndexByte(b, 0)
	if end < 0 {
		return "", nil, false
	}
	name, b = string(b[:end]), b[end+1:]
	n, used := binary.Uvarint(b)
	if used <= 0 || n != uint64(len(b)-used) {
		return "", nil, false
	}
	return name, slices.Clone(b[used:]), true
}

// packagePlaces: beside the image and its debug file, in the folders of the symbol
// path, and what debuginfod servers have as the image's debug information.
func (s *search) packagePlaces(c symbols.Companion) []place {
	var candidates []string
	for _, f := range []string{c.Image, c.For} {
		if f == "" {
			continue
		}
		candidates = append(candidates, f+".dwp", strings.TrimSuffix(f, ".debug")+".dwp", filepath.Join(realDir(f), filepath.Base(f)+".dwp"))
		for _, e := range s.symbol {
			if e.Kind == Folder {
				candidates = append(candidates, filepath.Join(e.Path, filepath.Base(f)+".dwp"))
			}
		}
	}
	out := s.files(candidates)
	q := *s
	q.id, q.tried = c.ID, nil
	for _, e := range s.symbol {
		if e.Kind == DebugInfoD && len(c.ID) > 0 {
			out = append(out, func() *file {
				f := q.served(e, debuginfo, nil)()
				s.tried = append(s.tried, q.tried...)
				q.tried = nil
				if f != nil && !f.isPackage() {
					s.try(f.path, "is no package of split units")
					return nil
				}
				return f
			})
		}
	}
	return out
}

// isPackage reports whether a file has the index of a package (DWARF 5, section 7.3.5.3).
func (f *file) isPackage() bool {
	_, ok := f.Section(".debug_cu_index")
	return ok
}

// unitPlaces: as recorded below the compilation's folder, through the source map
// and the sysroot; then beside the image and its debug file and in the folders of
// the symbol path, by ever fewer leading elements of the name.
func (s *search) unitPlaces(c symbols.Companion) []place {
	name := slashes(c.Name)
	if name == "" {
		return nil
	}
	recorded := name
	if !rooted(name) {
		recorded = strings.TrimSuffix(slashes(c.Dir), "/") + "/" + name
	}
	var candidates []string
	if checked(c) {
		if rooted(recorded) && !s.o.NoLocal {
			candidates = append(candidates, filepath.FromSlash(recorded))
		}
		s.mu.Lock()
		maps := slices.Clone(s.maps)
		s.mu.Unlock()
		for _, m := range maps {
			if to, ok := m.replace(recorded); ok && !isURL(to) {
				candidates = append(candidates, filepath.FromSlash(to))
			}
		}
		if s.sysroot != "" {
			candidates = append(candidates, filepath.Join(s.sysroot, filepath.Clean("/"+filepath.FromSlash(recorded))))
		}
	}
	var dirs []string
	for _, f := range []string{c.Image, c.For} {
		if f != "" {
			dirs = append(dirs, filepath.Dir(f), realDir(f))
		}
	}
	for _, e := range s.symbol {
		if e.Kind == Folder {
			dirs = append(dirs, e.Path)
		}
	}
	for _, dir := range dirs {
		candidates = append(candidates, below(dir, name)...)
	}
	return s.files(candidates)
}

// rooted reports whether a recorded path begins at a root, of Windows too.
func rooted(p string) bool {
	return strings.HasPrefix(p, "/") || len(p) > 2 && p[1] == ':' && p[2] == '/'
}

// below lists where a recorded path may lie below a folder: with ever fewer
// leading elements, and never outside.
func below(dir, recorded string) (out []string) {
	parts := slices.DeleteFunc(strings.Split(slashes(recorded), "/"), func(p string) bool { return p == "" || p == "." })
	for i := range parts {
		if strings.Contains(parts[i], ":") || slices.Contains(parts[i:], "..") {
			continue
		}
		out = append(out, filepath.Join(dir, filepath.Join(parts[i:]...)))
	}
	return out
}

// realDir is the folder a file lies in, links resolved.
func realDir(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	return filepath.Dir(name)
}

// files are the places of local files, each once; those not there are noted and
// cost no more than a look.
func (s *search) files(names []string) (out []place) {
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		out = append(out, func() *file {
			if _, err := os.Stat(name); err != nil {
				s.try(name, reason(err))
				return nil
			}
			return s.load(name)
		})
	}
	return out
}
