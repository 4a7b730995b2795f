package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// fetch transfers a whole file to local: into a temporary file beside it, renamed
// when complete, so that other processes see all or nothing. A transfer that
// breaks off is tried again; one that is given up leaves what came beside local,
// for the next to go on with.
func (s *Store) fetch(ctx context.Context, place, local string, get getter) error {
	if err := os.MkdirAll(filepath.Dir(local), 0o700); err != nil {
		return err
	}
	t := &transfer{Store: s, ctx: ctx, place: place, local: local}
	if err := t.open(); err != nil {
		return err
	}
	defer t.discard()
	err := t.run(get)
	if t.told {
		s.progress(place, 1, 1) // whatever came of it
	}
	if err != nil {
		t.leave()
		return err
	}
	if err := t.f.Chmod(0o400); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := t.f.Close(); err != nil {
		return err
	}
	if err := os.Rename(t.f.Name(), local); err != nil {
		return err
	}
	s.bound(local)
	return nil
}

// transfer is a file on its way.
type transfer struct {
	*Store
	ctx          context.Context
	place, local string
	f            *os.File
	have         int64 // bytes of version in f
	version      string
	told         bool
	tenth        int64 // of the percentages told
}

// Names of what a transfer that was given up leaves: the bytes, and the version.
func (t *transfer) part() (bytes, version string) { return t.local + ".part", t.local + ".version" }

// open makes the temporary file, from what an earlier transfer left if there is any.
func (t *transfer) open() (err error) {
	t.f, err = os.CreateTemp(filepath.Dir(t.local), filepath.Base(t.local)+".*.tmp")
	if err != nil {
		return err
	}
	bytes, version := t.part()
	v, err := os.ReadFile(version)
	if err != nil || len(v) == 0 || len(v) > maxVersion {
		return nil
	}
	// Whoever renames it has it; the others begin anew.
	if os.Rename(bytes, t.f.Name()) != nil {
		return nil
	}
	os.Remove(version)
	f, err := os.OpenFile(t.f.Name(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	t.f.Close()
	t.f, t.version = f, string(v)
	t.have, err = f.Seek(0, io.SeekEnd)
	return err
}

// maxVersion bounds what is kept of a version, bytes.
const maxVersion = 512

// worthKeeping is how much a transfer must have brought to be gone on with later.
const worthKeeping = 256 << 10

// leave keeps what came of a version that can be asked for again.
func (t *transfer) leave() {
	if t.version == "" || len(t.version) > maxVersion || t.have < worthKeeping {
		return
	}
	bytes, version := t.part()
	if os.WriteFile(version, []byte(t.version), 0o600) == nil {
		os.Rename(t.f.Name(), bytes)
	}
}

func (t *transfer) discard() {
	t.f.Close()
	os.Remove(t.f.Name())
}

// maxResumed bounds how often one transfer is gone on with.
const maxResumed = 20

// run transfers, and tries again what broke off.
func (t *transfer) run(get getter) error {
	for tries, all := 0, 0; ; {
		before := t.have
		err := t.once(get)
		if err == nil || t.ctx.Err() != nil {
			if err != nil {
				return t.ctx.Err()
			}
			return nil
		}
		if tries++; t.version != "" && t.have > before {
			tries = 1
		}
		var status *statusError
		if errors.As(err, &status) && status.code == http.StatusRequestedRangeNotSatisfiable && t.have > 0 {
			t.have, t.version = 0, "" // what an earlier transfer left is longer than the file
			continue
		}
		if all++; !worthRetry(err) || tries > t.o.Retries || all > maxResumed || errors.Is(err, errStall) && tries > 1 {
			return err
		}
		var after time.Duration
		if status != nil {
			after = status.after
		}
		wait := pause(t.o.Backoff, tries, after)
		t.note("%s; again in %v", err, wait)
		select {
		case <-time.After(wait):
		case <-t.ctx.Done():
			return t.ctx.Err()
		}
	}
}

// maxWait bounds the time between tries, also when a server asks for more.
const maxWait = 5 * time.Second

// pause is how long to wait after so many tries, when a server asks for after.
func pause(first time.Duration, tries int, after time.Duration) time.Duration {
	wait := min(first, maxWait)
	for ; tries > 1 && wait < maxWait; tries-- {
		wait *= 2
	}
	return min(max(wait, after), maxWait)
}

// once copies one body to the file, from where it begins.
func (t *transfer) once(get getter) error {
	ctx, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	stall := time.AfterFunc(t.o.Stall, func() { cancel(errStall) })
	defer stall.Stop()
	why := func(err error) error {
		if errors.Is(context.Cause(ctx), errStall) {
			return errStall
		}
		return err
	}
	b, err := get(ctx, t.have, t.version)
	if err != nil {
		return why(err)
	}
	// A body that ignores its context is closed under its reader.
	stop := context.AfterFunc(ctx, func() { b.Close() })
	defer stop()
	defer b.Close()
	if b.size > t.o.MaxSize {
		return &tooLargeError{b.size, t.o.MaxSize}
	}
	t.have, t.version = b.from, b.version
	if err := t.f.Truncate(b.from); err != nil {
		return err
	}
	if _, err := t.f.Seek(b.from, io.SeekStart); err != nil {
		return err
	}
	buf := make([]byte, 256<<10)
	for {
		n, err := b.Read(buf)
		stall.Reset(t.o.Stall)
		if t.have+int64(n) > t.o.MaxSize {
			return &tooLargeError{t.have + int64(n), t.o.MaxSize}
		}
		if b.size > 0 && t.have+int64(n) > b.size {
			return errors.New("more came than was announced")
		}
		if _, werr := t.f.Write(buf[:n]); werr != nil {
			return werr
		}
		t.have += int64(n)
		switch {
		case err == io.EOF && (b.size == 0 || t.have == b.size):
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return why(err)
		}
		t.report(b.size)
	}
}

// report tells the editor, and `!sym noisy` every tenth.
func (t *transfer) report(total int64) {
	t.told = true
	t.progress(t.place, t.have, total)
	tenth := t.have / (8 << 20)
	if total > 0 {
		tenth = 10 * t.have / total
	}
	if tenth == t.tenth {
		return
	}
	t.tenth = tenth
	if total > 0 {
		t.note("%d percent of %d bytes", 100*t.have/total, total)
	} else {
		t.note("%d bytes", t.have)
	}
}

// note tells `!sym noisy` how it goes.
func (t *transfer) note(format string, args ...any) {
	t.tell(t.place, fmt.Sprintf(format, args...))
}

func (s *Store) progress(place string, done, total int64) {
	if s.o.Progress != nil {
		s.o.Progress(Redact(place), done, total)
	}
}
