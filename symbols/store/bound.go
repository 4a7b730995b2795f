package store

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// DefaultCacheLimit is how many bytes Options.Cache may hold.
const DefaultCacheLimit = 20 << 30

// unfinished is how long what a transfer that was given up left is kept.
const unfinished = 7 * 24 * time.Hour

// bound removes from our own cache folder what was fetched longest ago, until the rest
// fits: a file that is needed again is fetched again. except has just come. Folders
// that the user named (cache*dir, srv*dir) and libdebuginfod's are not ours to empty.
func (s *Store) bound(except string) {
	if rel, err := filepath.Rel(s.o.Cache, except); s.o.Cache == "" || err != nil || !filepath.IsLocal(rel) {
		return
	}
	s.pruning.Lock()
	defer s.pruning.Unlock()
	if st, err := os.Stat(except); err == nil && s.counted {
		s.kept += st.Size()
	}
	limit := cmp.Or(s.o.CacheLimit, DefaultCacheLimit)
	if s.counted && s.kept <= limit {
		return
	}
	type file struct {
		path string
		size int64
		came time.Time
	}
	var files []file
	s.kept, s.counted = 0, true
	_ = filepath.WalkDir(s.o.Cache, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		st, err := d.Info()
		if err != nil {
			return nil
		}
		if s.kept += st.Size(); path != except && (!temporary(path) || time.Since(st.ModTime()) > unfinished) {
			files = append(files, file{path, st.Size(), st.ModTime()})
		}
		return nil
	})
	slices.SortFunc(files, func(a, b file) int { return cmp.Or(a.came.Compare(b.came), cmp.Compare(a.path, b.path)) })
	for _, f := range files {
		if s.kept <= limit {
			return
		}
		if os.Remove(f.path) == nil {
			s.kept -= f.size
			_ = os.Remove(filepath.Dir(f.path)) // when it is empty now
		}
	}
}

// temporary reports whether a file belongs to a transfer under way, or to one that was
// given up.
func temporary(path string) bool {
	return slices.ContainsFunc([]string{".tmp", ".part", ".version"}, func(end string) bool { return strings.HasSuffix(path, end) })
}
