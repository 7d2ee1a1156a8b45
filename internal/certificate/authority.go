package certificate

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// RSA of 2048 bits for root and server: every build of EDK2 verifies it, as
// does iPXE; elliptic curves are known to newer ones only.
const keyBits = 2048

// How long certificates are valid. A server's is replaced when a third of its
// time is left. Clocks of machines may be behind by slack.
const (
	rootLife   = 20 * 365 * 24 * time.Hour
	serverLife = 365 * 24 * time.Hour
	slack      = 48 * time.Hour
)

// Files of an authority, in its folder.
const (
	rootFile      = "ca.pem"
	rootKeyFile   = "ca.key"
	serverFile    = "server.pem"
	serverKeyFile = "server.key"
)

// Authority is a certificate authority for this one server. Its certificate
// names all addresses of ours that are asked for, and is replaced before it
// ends, so that nobody has to think of it.
type Authority struct {
	// Report is told of a certificate that could not be kept; the one in
	// memory does until the server is restarted. It may be nil.
	Report func(error)

	dir  string
	now  func() time.Time
	make func() (*rsa.PrivateKey, error)
	root *x509.Certificate
	key  *rsa.PrivateKey

	mu    sync.Mutex
	names []string     // DNS names to have
	addrs []netip.Addr // addresses to have
	leaf  *tls.Certificate
}

// OpenAuthority reads the authority in a folder, and makes folder and authority
// where there is none. name is what people will see it called by.
func OpenAuthority(dir, name string, now func() time.Time) (*Authority, error) {
	return open(dir, name, now, func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, keyBits) })
}

// open is OpenAuthority with keys from elsewhere: making one takes a second on
// a small machine.
func open(dir, name string, now func() time.Time, newKey func() (*rsa.PrivateKey, error)) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of hobnail's own CA: %v", err)
	}
	a := &Authority{dir: dir, now: now, make: newKey}
	var err error
	if a.root, err = ReadRoot(dir); errors.Is(err, fs.ErrNotExist) {
		err = a.found(name)
	}
	if err != nil {
		return nil, err
	}
	if a.key == nil {
		if a.key, err = readKey(filepath.Join(dir, rootKeyFile)); err != nil {
			return nil, err
		}
	}
	file := filepath.Join(dir, rootFile)
	if !a.key.PublicKey.Equal(a.root.PublicKey) {
		return nil, fmt.Errorf("opening hobnail's own CA: %s is not the key of %s", filepath.Join(dir, rootKeyFile), file)
	}
	if err := current(a.root, now()); err != nil {
		return nil, fmt.Errorf("opening hobnail's own CA %s: %v; remove it to have a new one made, which machines then have to be told to trust", file, err)
	}
	if pair, err := tls.LoadX509KeyPair(filepath.Join(dir, serverFile), filepath.Join(dir, serverKeyFile)); err == nil &&
		pair.Leaf.CheckSignatureFrom(a.root) == nil {
		a.leaf = &pair
	}
	return a, nil
}

// ReadRoot reads the root certificate of the authority in a folder.
func ReadRoot(dir string) (*x509.Certificate, error) {
	file := filepath.Join(dir, rootFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the root certificate of hobnail's own CA: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("reading the root certificate of hobnail's own CA: there is none in %s", file)
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the root certificate %s: %v", file, err)
	}
	return root, nil
}

// found makes the root. Its key is on disk before the certificate is: a folder
// with the key alone, as a power cut may leave it, is one without an authority.
func (a *Authority) found(name string) error {
	key, err := a.newKey(rootKeyFile)
	if err != nil {
		return err
	}
	now := a.now()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "hobnail CA of " + name},
		NotBefore: now.Add(-slack), NotAfter: now.Add(rootLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage:           x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SignatureAlgorithm: x509.SHA256WithRSA,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("making hobnail's own CA: %v", err)
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("making hobnail's own CA: %v", err)
	}
	a.key = key
	return writeDurably(filepath.Join(a.dir, rootFile), a.RootPEM(), 0o644)
}

// RootPEM is the root certificate as text, what most programs want.
func (a *Authority) RootPEM() []byte { return RootPEM(a.root) }

// RootDER is the root certificate as firmware wants it.
func (a *Authority) RootDER() []byte { return a.root.Raw }

// Root is the root certificate.
func (a *Authority) Root() *x509.Certificate { return a.root }

// RootPEM is a certificate as text.
func RootPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// Name says what the server's certificate is to be for, beside the addresses
// that are found by use: host names, and addresses as text. A certificate that
// lacks one is replaced at once, and the error is why it could not be.
func (a *Authority) Name(names []string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names, a.addrs = nil, nil
	for _, n := range names {
		if addr, err := netip.ParseAddr(n); err == nil {
			a.addrs = append(a.addrs, addr.Unmap())
		} else if n != "" {
			a.names = append(a.names, n)
		}
	}
	return a.renew()
}

// Certificate is a Source. A connection to an address of ours that the
// certificate does not have yet gets one that has it.
func (a *Authority) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if hello.Conn != nil {
		if local, ok := hello.Conn.LocalAddr().(*net.TCPAddr); ok {
			if addr := local.AddrPort().Addr().Unmap(); !slices.Contains(a.addrs, addr) {
				a.addrs = append(a.addrs, addr)
			}
		}
	}
	if err := a.renew(); err != nil && a.leaf == nil {
		return nil, err
	} else if err != nil && a.Report != nil {
		a.Report(err)
	}
	return a.leaf, nil
}

// renew makes a new certificate where the one there is lacks a name or soon
// ends. Its addresses are kept: they were ours, and may be again.
func (a *Authority) renew() error {
	if a.leaf != nil && a.serves(a.leaf.Leaf) {
		return nil
	}
	names, addrs := slices.Clone(a.names), slices.Clone(a.addrs)
	if a.leaf != nil {
		for _, ip := range a.leaf.Leaf.IPAddresses {
			if addr, ok := netip.AddrFromSlice(ip); ok && !slices.Contains(addrs, addr.Unmap()) {
				addrs = append(addrs, addr.Unmap())
			}
		}
	}
	slices.Sort(names)
	slices.SortFunc(addrs, netip.Addr.Compare)
	return a.issue(slices.Compact(names), slices.Compact(addrs))
}

// ending is whether a new certificate would be valid for longer, and is needed.
func (a *Authority) ending(c *x509.Certificate) bool {
	now := a.now()
	return current(c, now) != nil || now.After(c.NotAfter.Add(-serverLife/3)) && c.NotAfter.Before(a.root.NotAfter)
}

func (a *Authority) serves(c *x509.Certificate) bool {
	if a.ending(c) {
		return false
	}
	for _, n := range a.names {
		if !slices.Contains(c.DNSNames, n) {
			return false
		}
	}
	return !slices.ContainsFunc(a.addrs, func(want netip.Addr) bool {
		return !slices.ContainsFunc(c.IPAddresses, func(have net.IP) bool { return have.Equal(want.AsSlice()) })
	})
}

// issue makes a certificate: with the key that there is where only names have
// come, with a new one where the old certificate ends.
func (a *Authority) issue(names []string, addrs []netip.Addr) error {
	var key crypto.Signer
	var kept error
	if a.leaf != nil && !a.ending(a.leaf.Leaf) {
		key, _ = a.leaf.PrivateKey.(crypto.Signer)
	}
	if key == nil {
		made, err := a.newKey(serverKeyFile)
		if made == nil {
			return err
		}
		key, kept = made, err
	}
	subject := "hobnail"
	if len(names) > 0 {
		subject = names[0]
	}
	now := a.now()
	end := now.Add(serverLife)
	if end.After(a.root.NotAfter) {
		end = a.root.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: subject},
		NotBefore: now.Add(-slack), NotAfter: end,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, // the latter for key exchange by RSA
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		SignatureAlgorithm:    x509.SHA256WithRSA,
		DNSNames:              names,
	}
	for _, addr := range addrs {
		template.IPAddresses = append(template.IPAddresses, addr.AsSlice())
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("making the server's certificate: %v", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("making the server's certificate: %v", err)
	}
	a.leaf = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	if kept != nil {
		return kept
	}
	return writeDurably(filepath.Join(a.dir, serverFile), RootPEM(leaf), 0o644)
}

// newKey makes a key and keeps it in a file that is its owner's alone. A key
// with an error is one that could not be kept.
func (a *Authority) newKey(name string) (*rsa.PrivateKey, error) {
	file := filepath.Join(a.dir, name)
	key, err := a.make()
	if err != nil {
		return nil, fmt.Errorf("making a key: %v", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("making a key: %v", err)
	}
	return key, writeDurably(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func readKey(file string) (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the key of hobnail's own CA: %v", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("reading the key of hobnail's own CA: there is none in %s", file)
	}
	var key crypto.PrivateKey
	if key, err = x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
		return nil, fmt.Errorf("reading the key %s: %v", file, err)
	}
	own, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("reading the key %s: it is no RSA key", file)
	}
	return own, nil
}

// serial is a random number of 127 bits, more than RFC 5280 section 4.1.2.2
// needs and within its 20 octets.
func serial() *big.Int {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b)
}

// writeDurably replaces a file as a whole: after a power cut there is the old
// one or the new one.
func writeDurably(path string, b []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*.part") // mode 0600
	if err != nil {
		return fmt.Errorf("writing %s: %v", path, err)
	}
	defer os.Remove(f.Name()) // fails once it has been renamed
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %v", path, err)
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("writing to %s: %v", path, err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("writing to %s: %v", path, err)
	}
	return nil
}
