package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// This file remembers what was not there, so that a list of modules does not wait
// for the same answers again and again: for a while, in memory and on disk.

const (
	// negativeFor is how long "not there" holds: libdebuginfod's cache_miss_s.
	negativeFor = 10 * time.Minute
	// downFor is how long a server that does not answer is left alone.
	downFor = time.Minute
	// maxGone bounds the answers kept in memory.
	maxGone = 1 << 16
)

// patience is how long "not there" holds; a file in libdebuginfod's cache folder
// may say it in seconds.
func (s *Store) patience() time.Duration {
	if text, err := os.ReadFile(filepath.Join(s.o.DebugInfoDCache, "cache_miss_s")); err == nil && s.o.DebugInfoDCache != "" {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32); err == nil && n >= 0 {
			return time.Duration(n) * time.Second
		}
	}
	return negativeFor
}

// holds reports whether an answer given then still holds.
func (s *Store) holds(then time.Time) bool {
	s.mu.Lock()
	fresh := s.fresh
	s.mu.Unlock()
	return !then.Before(fresh) && s.o.Now().Sub(then) < s.patience()
}

// marker is the empty file that says when a URL was not there.
func (s *Store) marker(where string) string {
	sum := sha256.Sum256([]byte(where))
	return filepath.Join(s.o.Cache, "absent", hex.EncodeToString(sum[:16]))
}

// absent reports whether a URL was not there a short while ago.
func (s *Store) absent(where string) bool {
	s.mu.Lock()
	then, ok := s.gone[where]
	s.mu.Unlock()
	if ok && s.holds(then) {
		return true
	}
	st, err := os.Stat(s.marker(where))
	return err == nil && s.holds(st.ModTime())
}

// useless makes this Store not ask for a URL for a while.
func (s *Store) useless(where string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.gone) >= maxGone {
		clear(s.gone)
	}
	s.gone[where] = s.o.Now()
}

// touch makes an empty file of that time; without a folder to write to, nothing.
func touch(name string, when time.Time) {
	if os.MkdirAll(filepath.Dir(name), 0o700) != nil {
		return
	}
	if f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644); err == nil {
		f.Close()
		os.Chtimes(name, when, when)
	}
}

// get fetches a URL to a local file, unless it was not there a short while ago or
// its server did not answer.
func (s *Store) get(ctx context.Context, where, local string) error {
	host := where
	if u, err := url.Parse(where); err == nil {
		host = u.Host
	}
	s.mu.Lock()
	since, down := s.down[host]
	s.mu.Unlock()
	switch {
	case s.absent(where):
		return errKnown
	case down && s.o.Now().Sub(since) < downFor:
		return errDown
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	err := s.fetch(ctx, where, local, s.download(where))
	if errors.Is(err, errAbsent) {
		s.useless(where)
		touch(s.marker(where), s.o.Now())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if answered(err) || ctx.Err() != nil {
		delete(s.down, host)
	} else {
		s.down[host] = s.o.Now()
	}
	return err
}

// answered reports whether a server did its part, be it to refuse. Of an answer in
// 5xx or one that breaks off one cannot know whether the next question fares better.
func answered(err error) bool {
	if err == nil || errors.Is(err, errAbsent) || errors.Is(err, errPage) || errors.Is(err, errBomb) {
		return true
	}
	return errors.As(err, new(*statusError)) || errors.As(err, new(*tooLargeError)) || errors.As(err, new(*os.PathError)) // our own disk
}
