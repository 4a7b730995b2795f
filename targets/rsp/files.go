package rsp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"dap-windbg/targets"
)

// readAhead is how much of a file travels at once when it is read in order.
const readAhead = 256 << 10

// procRead is how much is asked of a file that has no size, bytes.
const procRead = 4096

// maxFile bounds the sizes that are believed.
const maxFile = 1 << 60

// File is a file of the far end, open for reading (vFile).
type File struct {
	t    *Target
	ctx  context.Context
	fd   int
	path string
	at   int64
	buf  []byte
	size int64
}

// errnos are what the far end refuses with, as who reads files knows them: what is
// not there need not be asked for again.
var errnos = map[int]error{1: fs.ErrPermission, 2: fs.ErrNotExist, 13: fs.ErrPermission, 21: errors.New("is a directory")}

// Open opens a file of the far end, as the debuggee sees the file system. The
// file is read with ctx.
func (t *Target) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	done, err := t.c.turn(ctx, t)
	if err != nil {
		return nil, err
	}
	defer done()
	of := ask("vFile:setfs:%x", t.info.Load().pid)
	open := ask("vFile:open:%s,0,0", toHex(path))
	if err := t.c.exchange(ctx, of, open); err != nil {
		return nil, err
	}
	fd, _, err := fileReply(open)
	if err != nil {
		return nil, fmt.Errorf("opening %s at the far end: %w", path, err)
	}
	f := &File{t: t, ctx: ctx, fd: fd, path: path, size: -1}
	st := ask("vFile:fstat:%x", fd)
	if err := t.c.exchange(ctx, st); err != nil {
		return nil, err
	}
	if _, data, err := fileReply(st); err == nil && len(data) >= 36 {
		// st_size is behind seven numbers of four bytes, big endian (GDB manual, "struct stat").
		if n := binary.BigEndian.Uint64(data[28:]); n < maxFile {
			f.size = int64(n)
		}
	}
	return f, nil
}

// Size is the file's length in bytes, -1 when the far end does not tell.
func (f *File) Size() int64 { return f.size }

// fileReply reads F<result>[,errno][;data].
func fileReply(r *request) (result int, data []byte, err error) {
	p := r.reply
	if len(p) == 0 {
		return 0, nil, errors.ErrUnsupported
	}
	head, rest, attached := strings.Cut(string(p), ";")
	text, ok := strings.CutPrefix(head, "F")
	text, errno, failed := strings.Cut(text, ",")
	if failed || strings.HasPrefix(text, "-") {
		n, _ := parseHex(errno)
		if e, ok := errnos[int(n)]; ok {
			return 0, nil, e
		}
		return 0, nil, fmt.Errorf("error %d", n)
	}
	n, hex := parseHex(text)
	if !ok || !hex || n > 1<<31 || attached && int(n) != len(rest) {
		return 0, nil, &targets.ProtocolError{Op: "reading a file of the far end", Sent: r.payload, Got: string(p)}
	}
	return int(n), []byte(rest), nil
}

// ReadAt reads len(p) bytes at off: all pieces travel in one flight, those that
// came short are asked for again.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	chunk := max((f.t.c.packetSize-32)/2, 64) // every byte may be escaped
	if f.size > 0 {
		chunk = max(f.t.c.packetSize-1024, chunk)
	}
	chunk &^= 7 // files of numbers below /proc are read by whole ones
	done, err := f.t.c.turn(f.ctx, f.t)
	if err != nil {
		return 0, err
	}
	defer done()
	n := 0
	for n < len(p) {
		var reqs []*request
		var offs []int
		for o := n; o < len(p); o += chunk {
			offs = append(offs, o)
			reqs = append(reqs, ask("vFile:pread:%x,%x,%x", f.fd, min(chunk, len(p)-o), off+int64(o)))
		}
		if err := f.t.c.exchange(f.ctx, reqs...); err != nil {
			return n, err
		}
		before := n
		for i, r := range reqs {
			if offs[i] != n {
				break
			}
			_, data, err := fileReply(r)
			if err != nil {
				return n, fmt.Errorf("reading %s: %w", f.path, err)
			}
			if len(data) == 0 {
				return n, io.EOF
			}
			n += copy(p[n:], data)
		}
		if n == before {
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}

// Read reads on, ahead of what is asked for.
func (f *File) Read(p []byte) (int, error) {
	if len(f.buf) == 0 {
		want := int64(readAhead)
		switch {
		case f.size > 0: // one piece more than what is left finds the end
			want = min(want, max(f.size-f.at, 0)+1)
		case f.size == 0: // made while it is read, as below /proc: it comes a page at a time
			want = procRead
		}
		buf := make([]byte, want)
		n, err := f.ReadAt(buf, f.at)
		if n == 0 {
			return 0, err
		}
		f.buf = buf[:n]
		f.at += int64(n)
	}
	n := copy(p, f.buf)
	f.buf = f.buf[n:]
	return n, nil
}

// Close closes the file at the far end.
func (f *File) Close() error {
	done, err := f.t.c.turn(f.ctx, f.t)
	if err != nil {
		return err
	}
	defer done()
	r := ask("vFile:close:%x", f.fd)
	if err := f.t.c.exchange(f.ctx, r); err != nil {
		return err
	}
	_, _, err = fileReply(r)
	return err
}
