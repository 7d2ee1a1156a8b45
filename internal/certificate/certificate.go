// Package certificate has what HTTPS needs: the site's own certificate, or one
// of an authority of hobnail's own, whose root machines are told to trust.
package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"
)

// Source gives the certificate for a connection that begins. It is safe for
// concurrent use.
type Source func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// Config is how hobnail speaks TLS: 1.3 and 1.2, as firmware knows no other.
//
// TLS 1.2's key exchange by RSA is among the suites. Builds of EDK2 had an
// OpenSSL without elliptic curves until 2022 or so, and offer nothing else that
// Go has (TlsLib's table; OpensslLib, no-ec). What is lost is that traffic which
// somebody kept can be read once our key is stolen; what boot files say is
// public.
func Config(source Source) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: source,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
			tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
			tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_RSA_WITH_AES_128_CBC_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA,
		},
	}
}

// Load reads a certificate with its chain, and its key, both PEM. It must be
// valid at a time.
func Load(certFile, keyFile string, now time.Time) (*tls.Certificate, error) {
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %v", err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the key of the certificate: %v", err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("using the certificate %s with the key %s: %v", certFile, keyFile, err)
	}
	if err := current(pair.Leaf, now); err != nil {
		return nil, fmt.Errorf("using the certificate %s: %v", certFile, err)
	}
	return &pair, nil
}

// current is what speaks against a certificate at a time.
func current(c *x509.Certificate, now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return errors.New("it ended on " + c.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(c.NotBefore):
		return errors.New("it begins on " + c.NotBefore.UTC().Format(time.DateOnly))
	}
	return nil
}
