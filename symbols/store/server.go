package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"dap-windbg/symbols"
)

// Kinds of files, as debuginfod calls them.
const (
	executable = "executable"
	debuginfo  = "debuginfo"
)

// served is the place of what an element other than a folder has for a build. left
// are the caches of elements before it.
func (s *search) served(e Element, kind string, left []string) place {
	return func() *file {
		switch e.Kind {
		case CacheDir:
			for _, key := range s.serverKeys(kind) {
				if f := s.stored(s.cacheDir(e.Path), key); f != nil {
					return f
				}
			}
		case Server:
			return s.fromServer(e.Stores, kind, left)
		case DebugInfoD:
			if local, where := s.debuginfod(e, kind, ""); local != "" {
				return s.fetched(where, local)
			}
		}
		return nil
	}
}

// serverKeys is where symbol servers keep a file, best first (SSQP key conventions
// "ELF-buildid" and "ELF-buildid-sym"; the latter some stores file under the name
// of the debug file). None without a build-id.
func (s *search) serverKeys(kind string) []string {
	if s.windows != nil {
		return s.windows.keys
	}
	name := strings.ToLower(s.key.Name)
	if len(s.id) == 0 || name == "." {
		return nil
	}
	id := hex.EncodeToString(s.id)
	if kind == debuginfo {
		return []string{"_.debug/elf-buildid-sym-" + id + "/_.debug", name + ".debug/elf-buildid-sym-" + id + "/_.debug"}
	}
	return []string{path.Join(name, "elf-buildid-"+id, name)}
}

// cacheDir resolves a cache folder; "" is the default one.
func (s *Store) cacheDir(dir string) string {
	if dir == "" {
		return s.o.Cache
	}
	return dir
}

// inTiers puts a key below the first two letters of its name, as stores with an
// index2.txt have it.
func inTiers(key string) string {
	name, _, _ := strings.Cut(key, "/")
	return name[:min(2, len(name))] + "/" + key
}

// inStore is where a key lies in a local store.
func inStore(dir, key string) string {
	if _, err := os.Stat(filepath.Join(dir, "index2.txt")); err == nil {
		key = inTiers(key)
	}
	return filepath.Join(dir, filepath.FromSlash(key))
}

// packed is the name of a compressed file: its last letter is an underscore.
func packed(name string) string {
	_, n := utf8.DecodeLastRuneInString(name)
	return name[:len(name)-n] + "_"
}

// maxPointer bounds a file.ptr, bytes.
const maxPointer = 8 << 10

// stored loads what a local store has under a key: the file, a compressed one,
// or one that a file.ptr points to.
func (s *search) stored(dir, key string) *file {
	name := inStore(dir, key)
	if f := s.quietly(name); f != nil {
		return f
	}
	if _, err := os.Stat(packed(name)); err == nil {
		local := inStore(s.keeper(nil), key)
		if err := s.fetch(s.ctx, packed(name), local, unpacker(packed(name), s.o.MaxSize)); err == nil {
			return s.fetched("", local)
		} else {
			s.try(packed(name), err.Error())
		}
	}
	pointer := filepath.Join(filepath.Dir(name), "file.ptr")
	if text, err := readSmall(pointer); err == nil {
		return s.pointed(dir, pointer, text)
	}
	s.try(name, "not there")
	return nil
}

func readSmall(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() || st.Size() > maxPointer {
		return "", errors.New("is no pointer")
	}
	b, err := io.ReadAll(io.LimitReader(f, maxPointer))
	return string(b), err
}

// pointed follows a pointer of a local store.
func (s *search) pointed(dir, pointer, text string) *file {
	kind, value, _ := strings.Cut(strings.TrimSpace(text), ":")
	value = strings.TrimSpace(value)
	switch {
	case strings.EqualFold(kind, "MSG"):
		s.try(pointer, "the store says: "+value)
	case !strings.EqualFold(kind, "PATH") || value == "":
		s.try(pointer, "is no pointer")
	case filepath.IsAbs(value):
		return s.load(value)
	default:
		return s.load(filepath.Join(dir, filepath.Clean(string(filepath.Separator)+filepath.FromSlash(slashes(value)))))
	}
	return nil
}

// unpacker is a getter that expands a cabinet.
func unpacker(name string, limit int64) getter {
	return func(ctx context.Context, _ int64, _ string) (*body, error) {
		in, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		cab, err := parseCabinet(in)
		if err == nil && cab.size > limit {
			err = &tooLargeError{cab.size, limit}
		}
		if err != nil {
			in.Close()
			return nil, err
		}
		r, w := io.Pipe()
		go func() {
			defer in.Close()
			w.CloseWithError(expand(in, w, limit))
		}()
		return &body{ReadCloser: r, size: cab.size}, nil
	}
}

// fromServer looks through a chain of stores, nearest first. What a farther one
// has is copied into those before it and the caches left of the chain.
func (s *search) fromServer(stores []string, kind string, left []string) *file {
	if len(stores) == 0 {
		stores = []string{""}
	}
	if _, local := localStore(stores[0]); !local && len(left) == 0 {
		stores = append([]string{""}, stores...) // a chain without a folder keeps its files in the cache
	}
	var before []string
	for _, store := range stores {
		dir, local := localStore(store)
		for i, key := range s.serverKeys(kind) {
			var f *file
			if local {
				f = s.stored(s.cacheDir(dir), key)
			} else {
				f = s.fromURL(store, key, s.keeper(slices.Concat(left, before)), i > 0)
			}
			if f != nil {
				f.keep(key, slices.Concat(left, before))
				return f
			}
			if s.ctx.Err() != nil {
				return nil
			}
		}
		if local {
			before = append(before, s.cacheDir(dir))
		}
	}
	return nil
}

// keeper is the folder that downloads go to: the nearest of the caches and stores
// left of the server, else the default cache.
func (s *Store) keeper(left []string) string {
	if len(left) == 0 {
		return s.o.Cache
	}
	return left[len(left)-1]
}

// fromURL fetches what a server has under a key: the file, and unless plain a
// compressed one, or what a file.ptr says.
func (s *search) fromURL(store, key, keep string, plain bool) *file {
	base := strings.TrimRight(store, "/") + "/"
	local := inStore(keep, key)
	for _, k := range []string{key, inTiers(key)} {
		if k != key && !s.tiered(base) {
			break
		}
		where := base + escape(k)
		err := s.get(s.ctx, where, local)
		if err == nil {
			s.try(where, "fetched")
			return s.fetched(where, local)
		}
		s.try(where, err.Error())
		if !isAbsent(err) || plain {
			return nil
		}
		if f, ok := s.packedAt(base+escape(packed(k)), local); f != nil || !ok {
			return f
		}
		if s.pointerAt(base + escape(path.Dir(k)) + "/file.ptr") {
			return nil
		}
	}
	return nil
}

func isAbsent(err error) bool { return errors.Is(err, errAbsent) || errors.Is(err, errKnown) }

// packedAt fetches and expands a compressed file; false when the server cannot be asked.
func (s *search) packedAt(where, local string) (*file, bool) {
	cab := packed(local)
	err := s.get(s.ctx, where, cab)
	if err == nil {
		defer os.Remove(cab)
		err = s.fetch(s.ctx, where, local, unpacker(cab, s.o.MaxSize))
	}
	if err == nil {
		s.try(where, "fetched and expanded")
		return s.fetched(where, local), true
	}
	s.try(where, err.Error())
	if errors.As(err, new(*CabinetError)) {
		s.useless(where)
		return nil, true
	}
	return nil, isAbsent(err)
}

// pointerAt tells what a server's file.ptr says; it is not followed: a server has
// no say in which files of this machine are read.
func (s *search) pointerAt(where string) bool {
	tmp, err := os.MkdirTemp("", "dap-windbg")
	if err != nil {
		return false
	}
	defer os.RemoveAll(tmp)
	local := filepath.Join(tmp, "file.ptr")
	if err := s.get(s.ctx, where, local); err != nil {
		s.try(where, err.Error())
		return false
	}
	s.useless(where) // once is enough
	text, err := readSmall(local)
	kind, value, _ := strings.Cut(strings.TrimSpace(text), ":")
	switch {
	case err != nil:
		s.try(where, err.Error())
	case strings.EqualFold(kind, "MSG"):
		s.try(where, fmt.Sprintf("the server says: %.200q", strings.TrimSpace(value)))
	default:
		s.try(where, fmt.Sprintf("the server points to %.200q, which is not followed", strings.TrimSpace(value)))
	}
	return true
}

// tiered reports whether a server keeps its files in two tiers; it is asked once.
func (s *search) tiered(base string) bool {
	s.mu.Lock()
	yes, known := s.tiers[base]
	s.mu.Unlock()
	if known {
		return yes
	}
	tmp, err := os.MkdirTemp("", "dap-windbg")
	if err != nil {
		return false
	}
	defer os.RemoveAll(tmp)
	where := base + "index2.txt"
	err = s.get(s.ctx, where, filepath.Join(tmp, "index2.txt"))
	result := "the store has two tiers"
	if err != nil {
		result = err.Error()
	}
	s.try(where, result)
	if err == nil || isAbsent(err) {
		s.mu.Lock()
		s.tiers[base] = err == nil
		s.mu.Unlock()
	}
	return err == nil
}

// fetched loads a file of a cache, and takes it out again when it is no use; the
// place it came from, if any, is then not asked again for a while.
func (s *search) fetched(where, local string) *file {
	f := s.load(local)
	if f == nil {
		os.Remove(local)
		if where != "" {
			s.useless(where)
		}
	}
	return f
}

// quietly loads a file that need not be there.
func (s *search) quietly(name string) *file {
	if _, err := os.Stat(name); err != nil {
		return nil
	}
	return s.load(name)
}

// keep notes that a file shall be copied into stores, nearest first.
func (f *file) keep(key string, stores []string) {
	for _, dir := range stores {
		if to := inStore(dir, key); to != f.path {
			f.copies = append(f.copies, to)
		}
	}
}

// kept copies a file that was found to where it shall be kept, and returns the
// nearest copy. A copy that fails is told and no more.
func (s *search) kept(f *file) *file {
	for _, to := range slices.Backward(f.copies) {
		if _, err := os.Stat(to); err == nil {
			continue
		}
		from := f.path
		err := s.fetch(s.ctx, from, to, func(context.Context, int64, string) (*body, error) {
			in, err := os.Open(from)
			if err != nil {
				return nil, err
			}
			st, err := in.Stat()
			if err != nil {
				in.Close()
				return nil, err
			}
			return &body{ReadCloser: in, size: st.Size()}, nil
		})
		if err != nil {
			s.try(to, "not copied: "+reason(err))
		}
	}
	if len(f.copies) > 0 {
		if near := s.quietly(f.copies[0]); near != nil && !near.wrong {
			return near
		}
	}
	return f
}

var _ symbols.Companions = (*Store)(nil).Companion
