package certificate

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clock is a time that tests move.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time { return c.at }

// shortKey makes what takes a second where it is done as a server does it.
func shortKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 1024) }

func authority(t *testing.T, dir string, c *clock, names ...string) *Authority {
	t.Helper()
	a, err := open(dir, "boot1", c.now, shortKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Name(names); err != nil {
		t.Fatal(err)
	}
	return a
}

// at gives a hello that came to an address of ours.
type at struct {
	net.Conn
	addr string
}

func (c at) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.addr)) }

func leafFor(t *testing.T, a *Authority, addr string) *x509.Certificate {
	t.Helper()
	cert, err := a.Certificate(&tls.ClientHelloInfo{Conn: at{addr: addr}})
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

// trusts is what a machine says that was told to trust the root.
func trusts(a *Authority, c *x509.Certificate, host string, now time.Time) error {
	pool := x509.NewCertPool()
	pool.AddCert(a.Root())
	_, err := c.Verify(x509.VerifyOptions{DNSName: host, Roots: pool, CurrentTime: now})
	return err
}

func TestCertificateIsForEveryNameAndAddress(t *testing.T) {
	c := newClock()
	a := authority(t, t.TempDir(), c, "boot1", "boot.example.net", "10.77.1.2")
	leaf := leafFor(t, a, "10.77.2.2:8443") // an address that nobody named
	for _, host := range []string{"boot1", "boot.example.net", "10.77.1.2", "10.77.2.2"} {
		if err := trusts(a, leaf, host, c.at); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if trusts(a, leaf, "10.77.3.2", c.at) == nil {
		t.Error("the certificate is for an address that was never ours")
	}
	if again := leafFor(t, a, "10.77.2.2:8443"); !again.Equal(leaf) {
		t.Error("each connection gets another certificate")
	}
}

func TestKeyLength(t *testing.T) {
	a, err := OpenAuthority(t.TempDir(), "boot1", newClock().now)
	if err != nil {
		t.Fatal(err)
	}
	if n := a.key.N.BitLen(); n != 2048 {
		t.Errorf("%d bits", n)
	}
}

func TestAuthorityOutlivesARestart(t *testing.T) {
	c, dir := newClock(), t.TempDir()
	a := authority(t, dir, c, "boot1")
	leaf := leafFor(t, a, "10.77.1.2:8443")
	b := authority(t, dir, c, "boot1")
	if !a.Root().Equal(b.Root()) {
		t.Error("another root")
	}
	if !leafFor(t, b, "10.77.1.2:8443").Equal(leaf) {
		t.Error("another certificate")
	}
}

func TestCertificateIsReplacedBeforeItEnds(t *testing.T) {
	c := newClock()
	a := authority(t, t.TempDir(), c, "boot1")
	first := leafFor(t, a, "10.77.1.2:8443")
	c.at = c.at.Add(240 * 24 * time.Hour)
	if !leafFor(t, a, "10.77.1.2:8443").Equal(first) {
		t.Error("replaced with more than a third of its time left")
	}
	c.at = c.at.Add(10 * 24 * time.Hour)
	second := leafFor(t, a, "10.77.1.2:8443")
	if second.Equal(first) {
		t.Error("not replaced with less than a third of its time left")
	}
	for _, host := range []string{"boot1", "10.77.1.2"} {
		if err := trusts(a, second, host, c.at.Add(300*24*time.Hour)); err != nil {
			t.Error(err)
		}
	}
}

// A certificate ends with its root at the latest, and is not made anew at each
// connection then.
func TestLastCertificateOfARoot(t *testing.T) {
	c := newClock()
	a := authority(t, t.TempDir(), c, "boot1")
	c.at = a.Root().NotAfter.Add(-48 * time.Hour)
	leaf := leafFor(t, a, "10.77.1.2:8443")
	if !leaf.NotAfter.Equal(a.Root().NotAfter) {
		t.Errorf("it ends on %v, its root on %v", leaf.NotAfter, a.Root().NotAfter)
	}
	if !leafFor(t, a, "10.77.1.2:8443").Equal(leaf) {
		t.Error("made anew")
	}
}

func TestKeysAreTheirOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	leafFor(t, authority(t, dir, newClock(), "boot1"), "10.77.1.2:8443")
	for name, want := range map[string]os.FileMode{"ca.key": 0o600, "server.key": 0o600, "ca.pem": 0o644, "server.pem": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// A power cut may leave the root's key without its certificate, or a server's
// key without its certificate.
func TestHalfMadeAuthority(t *testing.T) {
	c, dir := newClock(), t.TempDir()
	leafFor(t, authority(t, dir, c, "boot1"), "10.77.1.2:8443")
	for _, lost := range []string{"ca.pem", "server.pem", "server.key"} {
		if err := os.Remove(filepath.Join(dir, lost)); err != nil {
			t.Fatal(err)
		}
		a := authority(t, dir, c, "boot1")
		if err := trusts(a, leafFor(t, a, "10.77.1.2:8443"), "boot1", c.at); err != nil {
			t.Errorf("without %s: %v", lost, err)
		}
	}
}

func TestAuthorityThatCannotBeUsed(t *testing.T) {
	c := newClock()
	for _, tt := range []struct {
		name  string
		spoil func(dir string)
		want  []string
	}{
		{"the key is gone", func(dir string) { os.Remove(filepath.Join(dir, "ca.key")) }, []string{"ca.key", "no such file"}},
		{"the key is another's", func(dir string) {
			b, _ := os.ReadFile(filepath.Join(dir, "server.key"))
			os.WriteFile(filepath.Join(dir, "ca.key"), b, 0o600)
		}, []string{"ca.key is not the key of", "ca.pem"}},
		{"the root is no certificate", func(dir string) { os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("?"), 0o600) }, []string{"there is none in", "ca.pem"}},
		{"the root has ended", func(string) { c.at = c.at.AddDate(21, 0, 0) }, []string{"ca.pem", "it ended on 2046-"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			leafFor(t, authority(t, dir, c, "boot1"), "10.77.1.2:8443")
			tt.spoil(dir)
			_, err := open(dir, "boot1", c.now, shortKey)
			mentions(t, err, tt.want...)
		})
	}
}

func mentions(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestLoad(t *testing.T) {
	c, dir, other := newClock(), t.TempDir(), t.TempDir()
	leafFor(t, authority(t, dir, c, "boot1"), "10.77.1.2:8443")
	leafFor(t, authority(t, other, c, "boot2"), "10.77.1.3:8443")
	cert, key := filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	if _, err := Load(cert, key, c.at); err != nil {
		t.Error(err)
	}
	_, err := Load(cert, filepath.Join(other, "server.key"), c.at)
	mentions(t, err, cert, "private key does not match")
	_, err = Load(cert, key, c.at.AddDate(1, 0, 1))
	mentions(t, err, cert, "it ended on 2027-11-22")
	_, err = Load(cert, key, c.at.AddDate(0, 0, -3))
	mentions(t, err, cert, "it begins on 2026-11-20")
	_, err = Load(filepath.Join(dir, "none.pem"), key, c.at)
	mentions(t, err, "none.pem")
	_, err = Load(cert, filepath.Join(dir, "none.key"), c.at)
	mentions(t, err, "none.key")
	_, err = Load(key, key, c.at)
	mentions(t, err, key, "certificate")
}

// Each suite that firmware may have is spoken; older versions are not.
func TestSuitesOfFirmware(t *testing.T) {
	a := authority(t, t.TempDir(), newClock(), "boot1")
	conf := Config(a.Certificate)
	for _, tt := range []struct {
		name string
		max  uint16
		id   uint16
		ok   bool
	}{
		{"TLS 1.3", tls.VersionTLS13, 0, true},
		{"ECDHE and GCM", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, true},
		{"EDK2 without elliptic curves", tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_CBC_SHA256, true},
		{"the same, older", tls.VersionTLS12, tls.TLS_RSA_WITH_AES_256_CBC_SHA, true},
		{"TLS 1.1", tls.VersionTLS11, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := net.Pipe()
			go tls.Server(server, conf).Handshake()
			cc := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tt.max}
			if tt.id != 0 {
				cc.CipherSuites = []uint16{tt.id}
			}
			conn := tls.Client(client, cc)
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			err := conn.Handshake()
			if (err == nil) != tt.ok {
				t.Fatalf("handshake: %v", err)
			}
			if got := conn.ConnectionState(); tt.id != 0 && got.CipherSuite != tt.id {
				t.Errorf("suite %x", got.CipherSuite)
			}
		})
	}
}
