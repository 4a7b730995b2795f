package store

import (
	"encoding/hex"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// negativeFor is how long an answer "not there" holds: libdebuginfod's
// cache_miss_s.
const negativeFor = 10 * time.Minute

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

// debuginfod returns the local copy of what the servers have for a build: kind is
// "executable", "debuginfo" or "source", the latter with an absolute path. The
// cache is asked first; like libdebuginfod it holds an empty file where the
// servers had nothing lately. "" when there is none.
func (s *search) debuginfod(urls []string, kind, source string) string {
	if len(s.id) == 0 {
		return ""
	}
	id := hex.EncodeToString(s.id)
	name, rest := kind, ""
	if kind == "source" {
		name, rest = cacheName(source), escape(source)
	}
	if s.o.DebugInfoDCache == "" || len(name) > 255 {
		s.try("DebugInfoD*"+strings.Join(urls, "*"), "there is no cache folder for it")
		return ""
	}
	local := filepath.Join(s.o.DebugInfoDCache, id, name)
	if st, err := os.Stat(local); err == nil {
		if st.Size() > 0 {
			return local
		}
		if age := s.o.Now().Sub(st.ModTime()); age < negativeFor {
			s.try(local, "the servers did not have it a short while ago")
			return ""
		}
		os.Remove(local)
	}
	absent := 0
	for _, base := range urls {
		where := strings.TrimRight(base, "/") + "/buildid/" + id + "/" + kind + rest
		err := s.get(where, local)
		if err == nil {
			return local
		}
		if errors.Is(err, errAbsent) {
			absent++
		}
		s.try(where, err.Error())
		if s.ctx.Err() != nil {
			return ""
		}
	}
	if absent == len(urls) {
		s.remember(local)
	}
	return ""
}

// remember marks a file as absent.
func (s *search) remember(local string) {
	if f, err := os.OpenFile(local, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644); err == nil {
		f.Close()
		now := s.o.Now()
		os.Chtimes(local, now, now)
	}
}

// escape writes a path for a URL, slashes kept.
func escape(p string) string {
	return (&url.URL{Path: p}).EscapedPath()
}
