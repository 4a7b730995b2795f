package store

import (
	"encoding/hex"
	"errors"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// served is the place of what an element other than a folder has for a build.
func (s *search) served(e Element, kind string) place {
	return func() *file {
		switch e.Kind {
		case CacheDir:
			if key := s.serverKey(kind); key != "" {
				return s.load(filepath.Join(s.cacheDir(e.Path), filepath.FromSlash(key)))
			}
		case Server:
			return s.fromServer(e.Stores, s.serverKey(kind))
		case DebugInfoD:
			if local := s.debuginfod(e.URLs, kind, ""); local != "" {
				return s.fetched(local)
			}
		}
		return nil
	}
}

// serverKey is where symbol servers keep a file (SSQP key conventions,
// "ELF-buildid" and "ELF-buildid-sym"); "" without a build-id.
func (s *search) serverKey(kind string) string {
	if len(s.id) == 0 {
		return ""
	}
	id := hex.EncodeToString(s.id)
	if kind == "debuginfo" {
		return "_.debug/elf-buildid-sym-" + id + "/_.debug"
	}
	name := strings.ToLower(s.key.Name)
	if name == "." {
		return ""
	}
	return path.Join(name, "elf-buildid-"+id, name)
}

// cacheDir resolves a cache folder; "" is the default one.
func (s *search) cacheDir(dir string) string {
	if dir == "" {
		return s.o.Cache
	}
	return dir
}

// fromServer looks through a chain of stores, nearest first. What a server has is
// kept in the first folder of the chain, or in the cache folder.
func (s *search) fromServer(stores []string, key string) *file {
	if key == "" {
		return nil
	}
	keep := ""
	for i, store := range stores {
		if isURL(store) {
			if keep == "" {
				keep = s.keeper()
			}
			if i == 0 { // a chain without a folder has not looked in the cache yet
				if f := s.quietly(filepath.Join(keep, filepath.FromSlash(key))); f != nil {
					return f
				}
			}
			local := filepath.Join(keep, filepath.FromSlash(key))
			where := strings.TrimRight(store, "/") + "/" + escape(key)
			if err := s.get(where, local); err != nil {
				s.try(where, err.Error())
				continue
			}
			return s.fetched(local)
		}
		dir := s.cacheDir(store)
		if f := s.load(filepath.Join(dir, filepath.FromSlash(key))); f != nil {
			return f
		}
		if keep == "" {
			keep = dir
		}
	}
	return nil
}

// keeper is the folder downloads go to: the path's first cache*, else the default.
func (s *search) keeper() string {
	for _, e := range s.symbol {
		if e.Kind == CacheDir {
			return s.cacheDir(e.Path)
		}
	}
	return s.o.Cache
}

// fetched loads a file of a cache, and takes it out again when it is no use.
func (s *search) fetched(local string) *file {
	f := s.load(local)
	if f == nil {
		os.Remove(local)
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

// downFor is how long a server that does not answer is left alone.
const downFor = time.Minute

// get fetches a URL to a local file. A server that does not answer is not asked
// again for a while, so that a list of modules does not wait for it many times.
func (s *search) get(where, local string) error {
	host := where
	if u, err := url.Parse(where); err == nil {
		host = u.Host
	}
	s.mu.Lock()
	since, down := s.down[host]
	s.mu.Unlock()
	if down && s.o.Now().Sub(since) < downFor {
		return errDown
	}
	err := s.fetch(s.ctx, where, local, s.download(where))
	answered := err == nil || errors.Is(err, errAbsent) || errors.As(err, new(*statusError)) || errors.As(err, new(*tooLargeError)) ||
		errors.As(err, new(*os.PathError)) // our own disk, not the server
	s.mu.Lock()
	defer s.mu.Unlock()
	if answered || s.ctx.Err() != nil {
		delete(s.down, host)
	} else {
		s.down[host] = s.o.Now()
	}
	return err
}
