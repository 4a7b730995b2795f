package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// body is what a place sends. From is the offset its first byte has in the file.
type body struct {
	io.ReadCloser
	size int64 // of the whole file, 0 unknown
	from int64
}

// getter begins a transfer; at bytes are there already, which it may use or not.
// ctx ends when nothing comes for too long.
type getter func(ctx context.Context, at int64) (*body, error)

var (
	errAbsent = errors.New("not there")
	errDown   = errors.New("not asked: the server did not answer a short while ago")
	errStall  = errors.New("nothing came for too long")
)

// tooLargeError: a file is larger than Options.MaxSize.
type tooLargeError struct{ size, limit int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("%d bytes are more than the limit of %d", e.size, e.limit)
}

// statusError: a server answered with an error that says nothing about the file.
type statusError struct{ code int }

func (e *statusError) Error() string {
	return fmt.Sprintf("the server answered %d %s", e.code, http.StatusText(e.code))
}

// fetch transfers a whole file to local: into a temporary file beside it, renamed
// when complete. A transfer that breaks off is tried once more.
func (s *Store) fetch(ctx context.Context, place, local string, get getter) error {
	if err := os.MkdirAll(filepath.Dir(local), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(local), filepath.Base(local)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	for attempt := 0; ; attempt++ {
		err = s.transfer(ctx, place, tmp, get)
		if err == nil || attempt == 1 || ctx.Err() != nil || !worthRetry(err) {
			break
		}
	}
	if err != nil {
		return err
	}
	if err := tmp.Chmod(0o400); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), local)
}

func worthRetry(err error) bool {
	var status *statusError
	return !errors.Is(err, errAbsent) && !errors.As(err, new(*tooLargeError)) && (!errors.As(err, &status) || status.code >= 500)
}

// transfer copies one body to f, from where it begins.
func (s *Store) transfer(ctx context.Context, place string, f *os.File, get getter) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(s.o.Stall, func() { cancel(errStall) })
	defer stall.Stop()
	why := func(err error) error {
		if errors.Is(context.Cause(ctx), errStall) {
			return errStall
		}
		return err
	}
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	b, err := get(ctx, have)
	if err != nil {
		return why(err)
	}
	// A body that ignores its context is closed under its reader.
	stop := context.AfterFunc(ctx, func() { b.Close() })
	defer stop()
	defer b.Close()
	if b.size > s.o.MaxSize {
		return &tooLargeError{b.size, s.o.MaxSize}
	}
	if err := f.Truncate(b.from); err != nil {
		return err
	}
	done, err := f.Seek(b.from, io.SeekStart)
	if err != nil {
		return err
	}
	buf := make([]byte, 256<<10)
	for {
		n, err := b.Read(buf)
		stall.Reset(s.o.Stall)
		if done += int64(n); done > s.o.MaxSize {
			return &tooLargeError{done, s.o.MaxSize}
		}
		if _, werr := f.Write(buf[:n]); werr != nil {
			return werr
		}
		if err == io.EOF && (b.size == 0 || done == b.size) {
			s.progress(place, done, done)
			return nil
		}
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return why(err)
		}
		s.progress(place, done, b.size)
	}
}

func (s *Store) progress(place string, done, total int64) {
	if s.o.Progress != nil {
		s.o.Progress(place, done, total)
	}
}

// download is a getter for a URL. Called again it asks for what is missing of the
// same version, when the server can tell versions and ranges.
func (s *Store) download(url string) getter {
	version := ""
	return func(ctx context.Context, at int64) (*body, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		if version != "" && at > 0 {
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-", at))
			req.Header.Set("If-Range", version)
		}
		resp, err := s.o.Client.Do(req)
		if err != nil {
			return nil, err
		}
		b := &body{ReadCloser: resp.Body, size: max(resp.ContentLength, 0)}
		switch resp.StatusCode {
		case http.StatusOK:
			if n, err := strconv.ParseInt(resp.Header.Get("X-DEBUGINFOD-SIZE"), 10, 64); err == nil && n > 0 {
				b.size = n
			}
			if version = resp.Header.Get("ETag"); version == "" && resp.Header.Get("Accept-Ranges") == "bytes" {
				version = resp.Header.Get("Last-Modified")
			}
			return b, nil
		case http.StatusPartialContent:
			var from, to, size int64
			if n, _ := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &size); n == 3 && from == at {
				b.from, b.size = from, size
				return b, nil
			}
			resp.Body.Close()
			return nil, fmt.Errorf("the server sent a range nobody asked for")
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone {
			return nil, errAbsent
		}
		return nil, &statusError{resp.StatusCode}
	}
}
