package store

import (
	"cmp"
	"context"
	"encoding/hex"
	"hash/fnv"
	"os"
	gopath "path"
	"path/filepath"
	"slices"
	"strings"

	"dap-windbg/symbols"
)

// sourceMap replaces the head of a recorded path.
type sourceMap struct{ from, to string }

// SetSourceMap replaces the source map: heads of paths as compilers recorded them,
// and the folders or URLs that stand for them. The longest head wins; heads and
// their replacements may end in "/*", which says no more than "/".
func (s *Store) SetSourceMap(m map[string]string) {
	maps := make([]sourceMap, 0, len(m))
	for from, to := range m {
		maps = append(maps, sourceMap{trimHead(from), trimHead(to)})
	}
	slices.SortFunc(maps, func(a, b sourceMap) int {
		return cmp.Or(cmp.Compare(len(b.from), len(a.from)), cmp.Compare(a.from, b.from))
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.maps = maps
}

// SourceMap returns the source map.
func (s *Store) SourceMap() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := make(map[string]string, len(s.maps))
	for _, e := range s.maps {
		m[e.from] = e.to
	}
	return m
}

func trimHead(p string) string {
	p = strings.TrimSuffix(p, "*")
	if t := strings.TrimRight(p, `/\`); t != "" {
		return t
	}
	return p
}

// replace applies one map: the head must end where an element of the path ends.
func (m sourceMap) replace(p string) (string, bool) {
	rest, ok := strings.CutPrefix(slashes(p), slashes(m.from))
	if !ok || rest != "" && rest[0] != '/' && !strings.HasSuffix(m.from, "/") {
		return "", false
	}
	rest = strings.TrimPrefix(rest, "/")
	return strings.TrimRight(m.to, `/\`) + "/" + rest, true
}

// slashes writes paths of Windows compilers with forward slashes.
func slashes(p string) string {
	windows := len(p) > 2 && p[1] == ':' || strings.HasPrefix(p, `\\`)
	if windows {
		return strings.ReplaceAll(p, `\`, "/")
	}
	return p
}

// Source implements symbols.Store: the path as it is, the source map, the source
// path's folders with ever fewer leading elements of the path, then DebugInfoD
// servers of the source and symbol paths, for images with a build-id, and at last the
// debuggee's own file system.
func (s *Store) Source(ctx context.Context, key symbols.Key, path string) (string, error) {
	q := s.search(ctx, key)
	s.mu.Lock()
	maps := s.maps
	elements := append(append([]Element(nil), s.source...), q.symbol...)
	folders := len(s.source)
	s.mu.Unlock()

	if path != "" && !s.o.NoLocal && q.isFile(filepath.FromSlash(path)) {
		return filepath.FromSlash(path), nil
	}
	if q.sysroot != "" && q.isFile(filepath.Join(q.sysroot, filepath.Clean("/"+filepath.FromSlash(path)))) {
		return filepath.Join(q.sysroot, filepath.Clean("/"+filepath.FromSlash(path))), nil
	}
	for _, m := range maps {
		if to, ok := m.replace(path); ok {
			if local := q.mapped(to); local != "" {
				return local, nil
			}
		}
	}
	for i, e := range elements {
		if local := q.sourceIn(e, path, i < folders); local != "" {
			return local, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	if local := q.sourceThere(path); local != "" {
		return local, nil
	}
	return "", q.fail(path)
}

// sourceThere fetches a source from the debuggee's file system, where it may lie if
// the program was built there. That of an image with a build-id is kept.
func (s *search) sourceThere(path string) string {
	name := gopath.Clean(slashes(path))
	if s.o.Remote == nil || s.ctx.Err() != nil || !strings.HasPrefix(name, "/") || name == "/" {
		return ""
	}
	h := fnv.New128a()
	h.Write([]byte(name))
	local := filepath.Join(s.o.Cache, "target", hex.EncodeToString(s.id), "source-"+hex.EncodeToString(h.Sum(nil)), gopath.Base(name))
	if len(s.id) > 0 && s.isFile(local) {
		return local
	}
	get := func(ctx context.Context, _ int64, _ string) (*body, error) {
		r, err := s.o.Remote(ctx, name)
		if err != nil {
			return nil, err
		}
		return &body{ReadCloser: r}, nil
	}
	where := "target:" + name
	if err := s.fetch(s.ctx, where, local, get); err != nil {
		s.try(where, err.Error())
		return ""
	}
	s.try(where, "found")
	return local
}

// sourceIn looks for a source in one element; folders and stores only on the source
// path. A store has a source under the path that the compiler recorded.
func (s *search) sourceIn(e Element, path string, onSourcePath bool) string {
	switch {
	case e.Kind == DebugInfoD && strings.HasPrefix(path, "/"):
		local, _ := s.debuginfod(e, "source", path)
		return local
	case e.Kind == Folder && onSourcePath:
		return s.sourceBelow(e.Path, path)
	case e.Kind == Server && onSourcePath:
		for _, store := range e.Stores {
			local := ""
			if dir, ok := localStore(store); ok {
				local = s.sourceBelow(s.cacheDir(dir), path)
			} else if clean := gopath.Clean("/" + slashes(path)); clean != "/" {
				local = s.mapped(strings.TrimRight(store, "/") + escape(clean))
			}
			if local != "" || s.ctx.Err() != nil {
				return local
			}
		}
	}
	return ""
}

// sourceBelow looks below a folder, by ever fewer leading elements of the path.
func (s *search) sourceBelow(dir, path string) string {
	for _, local := range below(dir, path) {
		if s.isFile(local) {
			return local
		}
	}
	return ""
}

// mapped finds what a source map leads to: a file, or a URL that is fetched once.
func (s *search) mapped(to string) string {
	if !isURL(to) {
		if local := filepath.FromSlash(to); s.isFile(local) {
			return local
		}
		return ""
	}
	h := fnv.New128a()
	h.Write([]byte(to))
	local := filepath.Join(s.o.Cache, "source", hex.EncodeToString(h.Sum(nil)), filepath.Base(filepath.FromSlash(to)))
	if st, err := os.Stat(local); err == nil {
		if st.Mode().IsRegular() {
			return local
		}
		return "" // a URL that ends in dots
	}
	if err := s.get(s.ctx, to, local); err != nil {
		s.try(to, err.Error())
		return ""
	}
	s.try(to, "found")
	return local
}

// isFile reports whether there is a regular file, and notes the try.
func (s *search) isFile(name string) bool {
	st, err := os.Stat(name)
	switch {
	case err != nil:
		s.try(name, reason(err))
	case !st.Mode().IsRegular():
		s.try(name, "not a file")
	default:
		s.try(name, "found")
		return true
	}
	return false
}
