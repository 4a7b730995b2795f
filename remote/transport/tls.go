package transport

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"time"
)

// identity is what a PEM file of certuser holds: the first certificate and the key are
// who we are, each further certificate is one that the other end may show, itself or
// as its issuer.
type identity struct {
	own     *tls.Certificate // nil: the file has no key
	trusted []*x509.Certificate
}

const maxPEM = 1 << 20 // bytes of a file

func readIdentity(file string) (identity, error) {
	var id identity
	st, err := os.Stat(file)
	if err != nil {
		return id, err
	}
	if st.Size() > maxPEM {
		return id, errors.New("is too long for a file of certificates")
	}
	src, err := os.ReadFile(file)
	if err != nil {
		return id, err
	}
	var certs [][]byte
	var key *pem.Block
	for {
		var b *pem.Block
		if b, src = pem.Decode(src); b == nil {
			break
		}
		switch {
		case b.Type == "CERTIFICATE":
			certs = append(certs, b.Bytes)
		case strings.HasSuffix(b.Type, "PRIVATE KEY"):
			key = b
		}
	}
	if len(certs) == 0 {
		return id, errors.New("holds no certificate in PEM form")
	}
	if key != nil {
		if runtime.GOOS != "windows" && st.Mode().Perm()&0o077 != 0 {
			return id, fmt.Errorf("holds a key that others can read (mode %04o); chmod 600 it", st.Mode().Perm())
		}
		own, err := tls.X509KeyPair(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certs[0]}), pem.EncodeToMemory(key))
		if err != nil {
			return id, err
		}
		id.own, certs = &own, certs[1:]
	}
	for _, der := range certs {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return id, err
		}
		id.trusted = append(id.trusted, c)
	}
	return id, nil
}

// tlsConfig is one end's TLS. now is for certificates' times.
func tlsConfig(s Spec, server bool, now func() time.Time) (*tls.Config, error) {
	var id identity
	if s.Cert != "" {
		var err error
		if id, err = readIdentity(s.Cert); err != nil {
			return nil, &Error{Layer: Settings, What: "certuser: " + s.Cert, Err: err, Fix: "`dap-windbg certs DIR` makes a pair of such files"}
		}
	}
	if server && id.own == nil {
		return nil, &Error{Layer: Settings, What: s.Protocol + ": a server needs a certificate and its key (certuser=FILE)", Fix: "`dap-windbg certs DIR` makes them"}
	}
	pin, err := parseFingerprint(s.Fingerprint)
	if err != nil {
		return nil, err
	}
	if server { // a key that nobody can accept any more is told at once, not to each client
		if err := inTime(id.own.Leaf, now()); err != nil {
			return nil, &Error{Layer: Settings, What: "certuser: " + s.Cert, Err: err, Fix: "`dap-windbg certs DIR` makes a new pair"}
		}
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Time: now, SessionTicketsDisabled: true}
	switch s.Proto {
	case "tls12":
		c.MaxVersion = tls.VersionTLS12
	case "tls13":
		c.MinVersion = tls.VersionTLS13
	}
	if id.own != nil {
		c.Certificates = []tls.Certificate{*id.own}
	}
	host := plainHost(s.Server + s.Clicon) // one of them: who waits knows who is to come
	if server {
		host = "" // a client has no name: its certificate is one of the file
	}
	check := func(cs tls.ConnectionState) error { return accept(cs.PeerCertificates, id.trusted, pin, host, now()) }
	switch {
	case !server:
		c.ServerName = host
		c.InsecureSkipVerify = true // accept verifies, because it knows pins
		c.VerifyConnection = check
	case pin != nil || len(id.trusted) > 0:
		c.ClientAuth = tls.RequireAnyClientCert
		c.VerifyConnection = check
	}
	return c, nil
}

// accept judges the certificate that the other end showed.
func accept(chain, trusted []*x509.Certificate, pin []byte, host string, now time.Time) error {
	if len(chain) == 0 {
		return &Error{Layer: TLS, What: "the other end showed no certificate"}
	}
	leaf := chain[0]
	if err := inTime(leaf, now); err != nil {
		return &Error{Layer: TLS, What: "the other end's certificate", Err: err}
	}
	sum := sha256.Sum256(leaf.Raw)
	if pin != nil {
		if !bytes.Equal(sum[:], pin) {
			return &Error{Layer: TLS, What: fmt.Sprintf("the other end's certificate has the fingerprint %x, which is not the pinned one", sum),
				Fix: "somebody may be in between; compare with what `dap-windbg certs` printed there"}
		}
		return nil
	}
	for _, t := range trusted {
		if leaf.Equal(t) {
			return nil
		}
	}
	o := x509.VerifyOptions{CurrentTime: now, DNSName: host, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if trusted != nil {
		o.Roots = x509.NewCertPool()
		for _, t := range trusted {
			o.Roots.AddCert(t)
		}
	}
	if _, err := leaf.Verify(o); err != nil {
		return &Error{Layer: TLS, What: "the other end's certificate is not trusted", Err: err,
			Fix: fmt.Sprintf("put it into the file of certuser, or pin it with fingerprint=%x when that is what `dap-windbg certs` printed there", sum)}
	}
	return nil
}

func inTime(c *x509.Certificate, now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("expired on %s", c.NotAfter.Format(time.DateOnly))
	case now.Before(c.NotBefore):
		return fmt.Errorf("is not valid before %s; compare the clocks", c.NotBefore.Format(time.RFC3339))
	}
	return nil
}

func parseFingerprint(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(b) != sha256.Size {
		return nil, &Error{Layer: Settings, What: "fingerprint is not 64 hexadecimal digits (SHA-256)", Fix: "`dap-windbg certs` prints it"}
	}
	return b, nil
}

// checksClients: whoever connects shows a certificate that we know.
func checksClients(c *tls.Config) bool { return c != nil && c.ClientAuth == tls.RequireAnyClientCert }

// secure does the TLS handshake, when there is one, and returns the connection and
// what binds the proofs of a password to it.
func secure(conn net.Conn, c *tls.Config, server bool) (net.Conn, []byte, error) {
	if c == nil {
		return conn, nil, nil
	}
	t := tls.Client(conn, c)
	if server {
		t = tls.Server(conn, c)
	}
	if err := t.Handshake(); err != nil {
		return nil, nil, err
	}
	cs := t.ConnectionState()
	binding, err := cs.ExportKeyingMaterial("EXPORTER-dap-windbg", nil, keySize)
	return t, binding, err
}

// tlsFault is a failed TLS handshake as people should hear of it.
func tlsFault(where string, err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	e := &Error{Layer: TLS, What: where + ": TLS failed", Err: err}
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record):
		e.Err, e.Fix = errors.New("the other end does not speak TLS"), "is it a tcp: server? both ends need ssl:"
	case strings.Contains(err.Error(), "protocol version"):
		e.Fix = "the ends allow no common version; compare proto= at both"
	case strings.Contains(err.Error(), "certificate"):
		e.Fix = "the server did not accept our certificate: name one that it knows with certuser=FILE"
	case !strings.Contains(err.Error(), "tls:"):
		e.Fix = "is it a tcp: server? both ends need ssl:"
	}
	return e
}
