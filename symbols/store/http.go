package store

import (
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// body is what a place sends. From is the offset its first byte has in the file.
type body struct {
	io.ReadCloser
	size    int64  // of the whole file, 0 unknown
	from    int64  // ...
	version string // names what is sent, so that the rest of it can be asked for; "" when it cannot
}

// getter begins a transfer; at bytes of a version are there already, which it may
// use or not. ctx ends when nothing comes for too long.
type getter func(ctx context.Context, at int64, version string) (*body, error)

var (
	errAbsent = errors.New("not there")
	errKnown  = errors.New("not there, as the server said a short while ago")
	errDown   = errors.New("not asked: the server did not answer a short while ago")
	errStall  = errors.New("nothing came for too long")
	errPage   = errors.New("the server sent a page of text instead of a file")
	errBomb   = errors.New("what came expands far more than files do")
	errPlain  = errors.New("the server leads from an encrypted to an open connection")
)

// tooLargeError: a file is larger than Options.MaxSize.
type tooLargeError struct{ size, limit int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("%d bytes are more than the limit of %d", e.size, e.limit)
}

// statusError: a server answered with an error that says nothing about the file.
type statusError struct {
	code  int
	after time.Duration // when to ask again, 0 unknown
}

func (e *statusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the server answered %d %s", e.code, http.StatusText(e.code)))
}

// worthRetry reports whether the same question may be answered another time.
func worthRetry(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		return status.code >= 500 || status.code == http.StatusTooManyRequests || status.code == http.StatusRequestTimeout
	}
	for _, final := range []error{errAbsent, errPage, errBomb, errPlain, os.ErrNotExist, os.ErrPermission, errors.ErrUnsupported} {
		if errors.Is(err, final) {
			return false
		}
	}
	// A machine that is not there or not trusted does not change its mind in seconds.
	var op *net.OpError
	return !errors.As(err, new(*tooLargeError)) && !errors.As(err, new(*net.DNSError)) && !errors.As(err, new(*tls.CertificateVerificationError)) &&
		!errors.As(err, new(x509.UnknownAuthorityError)) && !errors.As(err, new(tls.RecordHeaderError)) && !errors.As(err, new(*redirectError)) &&
		!(errors.As(err, &op) && op.Op == "dial")
}

// redirectError: a server leads nowhere.
type redirectError struct{ hops int }

func (e *redirectError) Error() string {
	return fmt.Sprintf("the server leads from one address to the next, %d times", e.hops)
}

// maxRedirects is how often a server may lead elsewhere.
const maxRedirects = 10

// checkRedirect keeps a client from being led in circles or into the open, and from
// telling the next server the address, which may hold a token, of the one before.
func checkRedirect(req *http.Request, via []*http.Request) error {
	req.Header.Del("Referer")
	if len(via) >= maxRedirects {
		return &redirectError{len(via)}
	}
	if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errPlain
	}
	return nil
}

// connectWait is how long a server may take to accept a connection.
const connectWait = 10 * time.Second

// newClient is the client that is used when none is given.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: connectWait}).DialContext, TLSHandshakeTimeout: connectWait,
		MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
	}}
}

// download is a getter for a URL. With a version it asks for what is missing of
// it, when the server can tell versions and ranges.
func (s *Store) download(address string) getter {
	return func(ctx context.Context, at int64, version string) (*body, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, errors.New("the address cannot be understood")
		}
		req.Header.Set("User-Agent", "dap-windbg (Microsoft-Symbol-Server compatible)")
		// Unasked, the transport would expand bodies without telling how much came.
		req.Header.Set("Accept-Encoding", "gzip")
		if version != "" && at > 0 {
			req.Header.Set("Accept-Encoding", "identity")
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-", at))
			req.Header.Set("If-Range", version)
		}
		resp, err := s.o.Client.Do(req)
		if err != nil {
			return nil, bare(err)
		}
		b, err := begin(resp, at, address)
		if err != nil {
			resp.Body.Close()
		}
		return b, err
	}
}

// bare is an error of a client without the address, which may hold a password and
// is told beside it anyway.
func bare(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	return err
}

// begin looks at the head of an answer.
func begin(resp *http.Response, at int64, address string) (*body, error) {
	b := &body{ReadCloser: resp.Body, size: max(resp.ContentLength, 0)}
	h := resp.Header
	switch resp.StatusCode {
	case http.StatusOK:
		if page(h, address) {
			return nil, errPage
		}
		b.version = h.Get("ETag")
		if strings.HasPrefix(b.version, "W/") { // says nothing of bytes
			b.version = ""
		}
		if b.version == "" && h.Get("Accept-Ranges") == "bytes" {
			b.version = h.Get("Last-Modified")
		}
		switch encoding := h.Get("Content-Encoding"); encoding {
		case "", "identity":
		case "gzip", "x-gzip":
			b.size, b.version = 0, ""
			b.ReadCloser = &gunzip{in: resp.Body}
		default:
			return nil, fmt.Errorf("the server sent the encoding %q unasked", encoding)
		}
		if n, err := strconv.ParseInt(h.Get("X-DEBUGINFOD-SIZE"), 10, 64); err == nil && n > 0 {
			b.size = n
		}
		return b, nil
	case http.StatusPartialContent:
		var from, to, size int64
		if n, _ := fmt.Sscanf(h.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &size); n == 3 && from == at && at > 0 {
			b.from, b.size, b.version = from, size, cmp.Or(h.Get("ETag"), h.Get("Last-Modified"))
			return b, nil
		}
		return nil, errors.New("the server sent a range nobody asked for")
	case http.StatusNotFound, http.StatusGone:
		return nil, errAbsent
	}
	status := &statusError{code: resp.StatusCode}
	if n, err := strconv.Atoi(h.Get("Retry-After")); err == nil && n > 0 {
		status.after = time.Duration(n) * time.Second
	}
	return nil, status
}

// page reports whether an answer is a page of a portal or a login instead of the
// file that was asked for.
func page(h http.Header, address string) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if kind != "text/html" && kind != "application/xhtml+xml" {
		return false
	}
	u, err := url.Parse(address)
	return err != nil || !strings.Contains(strings.ToLower(path.Ext(u.Path)), "htm")
}

// gunzip expands a body. Debug information shrinks tenfold; what expands much more
// than that is no file but an attack.
type gunzip struct {
	in     io.ReadCloser
	z      *gzip.Reader
	packed int64
	out    int64
}

// A body may expand to this many times its size, and always to bombSmall bytes.
const (
	bombRatio = 100
	bombSmall = 1 << 20
)

type counter struct{ g *gunzip }

func (c counter) Read(p []byte) (int, error) {
	n, err := c.g.in.Read(p)
	c.g.packed += int64(n)
	return n, err
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.z == nil {
		z, err := gzip.NewReader(counter{g})
		if err != nil {
			return 0, err
		}
		g.z = z
	}
	n, err := g.z.Read(p)
	if g.out += int64(n); g.out > bombSmall && g.out > bombRatio*g.packed {
		return 0, errBomb
	}
	return n, err
}

func (g *gunzip) Close() error { return g.in.Close() }
