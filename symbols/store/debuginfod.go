package store

import (
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// sharedCache is the folder libdebuginfod keeps its files in (debuginfod_find_*(3)).
func sharedCache() string {
	if dir := os.Getenv("DEBUGINFOD_CACHE_PATH"); dir != "" {
		return dir
	}
	if home, err := os.UserHomeDir(); err == nil {
		old := filepath.Join(home, ".debuginfod_client_cache")
		if _, err := os.Stat(old); err == nil {
			return old
		}
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "debuginfod_client")
}

// cacheName is the name libdebuginfod gives to a source file in its cache.
func cacheName(source string) string {
	return hostName("source"+strings.NewReplacer("#", "#_", "/", "##").Replace(source), filepath.Separator)
}

// debuginfod returns the local copy of what the servers of an element have for a
// build, and the URL it came from, "" of one that was there: kind is "executable",
// "debuginfo" or "source", the latter with an absolute path. The cache is asked
// first; like libdebuginfod it holds an empty file where the servers had nothing
// lately.
func (s *search) debuginfod(e Element, kind, source string) (local, from string) {
	urls, cache := e.URLs, s.o.DebugInfoDCache
	if len(urls) == 0 {
		if urls = s.o.DebugInfoD; len(urls) == 0 {
			s.try(e.String(), "there are no servers in DEBUGINFOD_URLS")
		}
	}
	if len(e.Stores) > 0 {
		cache = e.Stores[0]
	}
	if len(s.id) == 0 || len(urls) == 0 {
		return "", ""
	}
	id := hex.EncodeToString(s.id)
	name, rest := kind, ""
	if kind == "source" {
		name, rest = cacheName(source), escape(source)
	}
	if cache == "" || len(name) > 255 {
		s.try(e.String(), "there is no cache folder for it")
		return "", ""
	}
	local = filepath.Join(cache, id, name)
	if st, err := os.Stat(local); err == nil {
		if st.Size() > 0 {
			return local, ""
		}
		if s.holds(st.ModTime()) {
			s.try(local, "the servers did not have it a short while ago")
			return "", ""
		}
		os.Remove(local)
	}
	return s.fromDebuginfod(urls, local, "/buildid/"+id+"/"+kind+rest)
}

// fromDebuginfod asks servers in turn for a file that is kept at local.
func (s *search) fromDebuginfod(urls []string, local, request string) (found, from string) {
	absent := 0
	for _, base := range urls {
		where := strings.TrimRight(base, "/") + request
		if dir, ok := localStore(where); ok { // a file URL
			if _, err := os.Stat(dir); err == nil {
				return dir, ""
			}
			s.try(where, "not there")
			absent++
			continue
		}
		err := s.get(s.ctx, where, local)
		if err == nil {
			s.try(where, "fetched")
			return local, where
		}
		if isAbsent(err) {
			absent++
		}
		s.try(where, err.Error())
		if s.ctx.Err() != nil {
			return "", ""
		}
	}
	if absent == len(urls) {
		touch(local, s.o.Now())
	}
	return "", ""
}

// escape writes a path for a URL, slashes kept.
func escape(p string) string {
	return (&url.URL{Path: p}).EscapedPath()
}
