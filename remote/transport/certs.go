package transport

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certLife is how long a self-made certificate is valid.
const certLife = 2 * 365 * 24 * time.Hour

// Pair is what Certs made.
type Pair struct {
	Server, Client           string // files
	ServerPrint, ClientPrint string // fingerprints, for fingerprint=
	NotAfter                 time.Time
}

// Certs makes two certificates in dir, server.pem and client.pem: each file holds its
// own certificate and key and the other one's certificate, so that each end knows
// exactly the other. hosts are names and addresses of the server. Files that exist
// are left alone, with an error.
func Certs(dir string, hosts []string, now time.Time) (Pair, error) {
	p := Pair{Server: filepath.Join(dir, "server.pem"), Client: filepath.Join(dir, "client.pem"), NotAfter: now.Add(certLife)}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return p, &Error{Layer: Settings, What: "Unable to make " + dir, Err: err}
	}
	for _, f := range []string{p.Server, p.Client} {
		if _, err := os.Lstat(f); !errors.Is(err, fs.ErrNotExist) {
			return p, &Error{Layer: Settings, What: f + " exists already", Fix: "name another folder, or remove it: who has its copy cannot connect then"}
		}
	}
	server, serverKey, err := selfSigned("dap-windbg server", hosts, now, p.NotAfter)
	if err != nil {
		return p, err
	}
	client, clientKey, err := selfSigned("dap-windbg client", nil, now, p.NotAfter)
	if err != nil {
		return p, err
	}
	p.ServerPrint, p.ClientPrint = print(server), print(client)
	for _, f := range []struct {
		name            string
		own, key, other []byte
	}{{p.Server, server, serverKey, client}, {p.Client, client, clientKey, server}} {
		var b bytes.Buffer
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: f.own})
		pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: f.key})
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: f.other})
		if err := writeNew(f.name, b.Bytes()); err != nil {
			return p, &Error{Layer: Settings, What: "Unable to write " + f.name, Err: err}
		}
	}
	return p, nil
}

func print(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// writeNew writes a file that nobody else can read, and that was not there before.
func writeNew(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

func selfSigned(name string, hosts []string, from, to time.Time) (cert, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: from.Add(-time.Hour), NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	if cert, err = x509.CreateCertificate(rand.Reader, t, t, &k.PublicKey, k); err != nil {
		return nil, nil, err
	}
	key, err = x509.MarshalPKCS8PrivateKey(k)
	return cert, key, err
}
