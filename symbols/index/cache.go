package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dap-windbg/binfmt/mmap"
)

// Cache keeps indexes in files of a folder, one for each build: XX/REST.dwi, XX
// being the first byte of the build's id; and beside it what of the build's sections
// was decompressed, XX/REST.debug_info.dws. Any number of processes may use one
// folder: a file appears whole, under its name, and is never written to again.
type Cache struct {
	Dir   string
	Limit int64 // bytes of all files; 0 means DefaultLimit

	later later
}

// DefaultLimit is how many bytes a folder may hold.
const DefaultLimit = 2 << 30

// DefaultDir is the folder of this user.
func DefaultDir() (string, error) {
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "dap-windbg", "index"), err
}

const (
	suffix = ".dwi"
	// partial begins the names of files that are being written.
	partial = "new-"
	// stale is the age of a file that whoever wrote it has left.
	stale = time.Hour
)

// Kept is the place of one build's index in a cache.
type Kept struct {
	cache *Cache
	id    []byte
}

// For returns the place of the build that id names. An id of less than 4 bytes
// names none: nil.
func (c *Cache) For(id []byte) *Kept {
	if c == nil || c.Dir == "" || len(id) < 4 {
		return nil
	}
	return &Kept{c, bytes.Clone(id[:min(len(id), maxID)])}
}

// ID names the build; none when k is nil.
func (k *Kept) ID() []byte {
	if k == nil {
		return nil
	}
	return k.id
}

func (k *Kept) path() string { return k.named(suffix) }

func (k *Kept) named(end string) string {
	name := hex.EncodeToString(k.id)
	return filepath.Join(k.cache.Dir, name[:2], name[2:]+end)
}

// Open maps the index that was kept; of its bytes the header alone is looked at.
// What is damaged or of another version is removed. Errors: fs.ErrNotExist,
// *FormatError, those of opening files.
func (k *Kept) Open() (*Index, error) {
	path := k.path()
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	x := &Index{}
	if !x.guard.Do(func() { err = x.open(m.Data, k.id) }) {
		err = &FormatError{"cut short"}
	}
	if err != nil {
		_ = os.Remove(path)
		return nil, err
	}
	x.file = m
	used(path)
	return x, nil
}

// used notes that a file was, for prune: the file system may not.
func used(path string) {
	now := time.Now()
	_ = os.Chtimes(path, now, now)
}

// Drop removes the index that was kept.
func (k *Kept) Drop() { _ = os.Remove(k.path()) }

// Keep writes x and returns it as mapped from its file, so that it takes no
// memory of this process's own.
func (k *Kept) Keep(x *Index) (*Index, error) {
	if err := k.cache.write(k.path(), int64(len(x.data)), x.data); err != nil {
		return nil, err
	}
	return k.Open()
}

// write makes a file of size bytes that begins with parts; the rest is zero.
func (c *Cache) write(path string, size int64, parts ...[]byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), partial+"*")
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err == nil {
			_, err = f.Write(p)
		}
	}
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	c.prune(path)
	return nil
}

// prune removes what nobody used for longest until the rest fits, indexes of
// other versions, and what writers that ended early left. except stays.
func (c *Cache) prune(except string) {
	type file struct {
		path string
		size int64
		used time.Time
	}
	var files []file
	total := int64(0)
	_ = filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		st, err := d.Info()
		if err != nil {
			return nil
		}
		switch ours := strings.HasSuffix(path, suffix) || strings.HasSuffix(path, sectionSuffix); {
		case strings.HasPrefix(d.Name(), partial):
			if time.Since(st.ModTime()) > stale {
				_ = os.Remove(path)
			}
		case ours && !current(path):
			_ = os.Remove(path)
		case ours:
			total += st.Size()
			files = append(files, file{path, st.Size(), st.ModTime()})
		}
		return nil
	})
	slices.SortFunc(files, func(a, b file) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path)) })
	limit := cmp.Or(c.Limit, DefaultLimit)
	for _, f := range files {
		if total <= limit {
			return
		}
		if f.path != except && os.Remove(f.path) == nil {
			total -= f.size
		}
	}
}

// current reports whether the file is an index or a section of this version.
func current(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	want, number := magic, uint32(version)
	if strings.HasSuffix(path, sectionSuffix) {
		want, number = sectionMagic, sectionVersion
	}
	var head [offVersion + 4]byte
	_, err = io.ReadFull(f, head[:])
	return err == nil && string(head[:len(want)]) == want && binary.LittleEndian.Uint32(head[offVersion:]) == number
}
