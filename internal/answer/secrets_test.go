package answer

import (
	"fmt"
	"strings"
	"testing"
)

func TestSecrets(t *testing.T) {
	const loud, hash, none = "loud", "hash", ""
	tests := []struct{ file, key, want string }{
		// preseed
		{"d-i passwd/user-password password geheim", "passwd/user-password", loud},
		{"d-i passwd/root-password-again password geheim", "passwd/root-password-again", loud},
		{"d-i passwd/user-password-crypted password $6$s$x", "passwd/user-password-crypted", hash},
		{"d-i passwd/user-password-crypted password !", "passwd/user-password-crypted", hash},
		{"d-i partman-crypto/passphrase string geheim", "partman-crypto/passphrase", loud},
		{"d-i netcfg/wireless_wpa string x", "", none},
		{"d-i passwd/root-login boolean false", "", none},
		{"# d-i passwd/user-password password geheim", "", none},
		{"grub-pc grub-installer/password password geheim", "grub-installer/password", loud},
		// kickstart
		{"rootpw --plaintext geheim", "rootpw", loud},
		{"rootpw geheim", "rootpw", loud},
		{"rootpw --iscrypted $y$j9T$x", "rootpw", hash},
		{"rootpw --lock", "", none},
		{"user --name=ann --password=geheim --plaintext", "--password", loud},
		{"user --name=ann --iscrypted --password='$6$a$b'", "--password", hash},
		{"autopart --encrypted --passphrase=geheim", "--passphrase", loud},
		{"user --name=ann --lock", "", none},
		{"rhsm --organization=1 --activation-key=geheim", "--activation-key", loud},
		// YAML
		{"    password: geheim", "password", loud},
		{`    password: "$6$a$b"`, "password", hash},
		{"identity: {hostname: x, password: geheim, username: y}", "password", loud},
		{"  passwd: '*'", "passwd", hash},
		{"  allow-pw: true", "", none},
		{"  lock_passwd: true", "", none},
		{"  password:", "", none},
		{"  token: abcdef.0123456789abcdef", "token", loud},
		{"  wifi_psk: 12345678", "wifi_psk", loud},
		{"ssh_pwauth: false", "", none},
		// JSON and TOML
		{`{"user":{"password":"geheim","hashedPassword":false}}`, "password", loud},
		{`"password": "$2y$10$abc", "hashedPassword": true`, "password", hash},
		{`"passwordHash": "$6$a$b"`, "passwordHash", hash},
		{`root-password = "geheim"`, "root-password", loud},
		{`root-password-hashed = "$6$a$b"`, "root-password-hashed", hash},
		// XML
		{"<a><AutoLogon><Password><Value>geheim</Value></Password></AutoLogon></a>", "Password", loud},
		{"<a><AdministratorPassword><Value>Z2VoZWlt</Value><PlainText>false</PlainText></AdministratorPassword></a>", "AdministratorPassword", loud},
		{"<a><Password><Value></Value><PlainText>true</PlainText></Password></a>", "", none},
		{"<a><user_password>$6$a$b</user_password></a>", "user_password", hash},
		{"<a><user_password>geheim</user_password></a>", "user_password", loud},
		{"<a><AccountData>AAAA</AccountData></a>", "AccountData", loud},
		{"<a><HideWirelessSetupInOOBE>true</HideWirelessSetupInOOBE></a>", "", none},
		// anywhere
		{"-----BEGIN OPENSSH PRIVATE KEY-----", "a private key", loud},
		{"<a><x>-----BEGIN PRIVATE KEY-----\nMII</x></a>", "a private key", loud},
		{sampleKey, "", none},
		// templates
		{"d-i passwd/user-password password {{.Vars.pw}}", "passwd/user-password", loud},
		{`password: {{ yaml .Vars.password_hash }}`, "password", hash},
		{"<a>{{ if x }}<Password><Value>{{ xml .Vars.pw }}</Value></Password>", "", none},
	}
	for _, tt := range tests {
		found := Secrets([]byte("\n" + tt.file + "\n"))
		switch {
		case tt.want == none && len(found) > 0:
			t.Errorf("%s: %v, want no warning", tt.file, found)
		case tt.want == none:
		case len(found) != 1 || found[0].Key != tt.key || found[0].Hashed != (tt.want == hash) || found[0].Line != 2:
			if !(strings.Contains(tt.file, "\n") && len(found) == 1) {
				t.Errorf("%s: %+v, want %s %s at line 2", tt.file, found, tt.key, tt.want)
			}
		}
		for _, w := range found {
			if strings.Contains(w.String(), "geheim") || !strings.HasPrefix(w.String(), fmt.Sprintf("line %d: ", w.Line)) {
				t.Errorf("the warning reads %s", w)
			}
		}
	}
}

func TestLoudFirst(t *testing.T) {
	found := Secrets([]byte("password: $6$a$b\npassword: geheim\n"))
	if len(found) != 2 || found[0].Line != 2 || found[0].Hashed || !found[1].Hashed {
		t.Errorf("%+v", found)
	}
	if want := "line 2: password IS A SECRET, and goes over the network in the clear"; found[0].String() != want {
		t.Errorf("%s, want %s", found[0], want)
	}
}

// The built-in answers hold hashes at most.
func TestBuiltinAnswersHoldNoSecret(t *testing.T) {
	for _, d := range []Data{sample(), full()} {
		d.Vars["password_hash"] = sampleHash
		for name, out := range answers(t, d) {
			for _, w := range Secrets(out) {
				if !w.Hashed {
					t.Errorf("%s: %v\n%s", name, w, out)
				}
			}
		}
	}
	d := full()
	d.Vars["windows_password"] = "geheim"
	out, err := builtins()["unattend/unattend.xml"].Execute(d)
	if found := Secrets(out); err != nil || len(found) != 1 || found[0].Hashed || found[0].Key != "Password" {
		t.Errorf("%v, %v", found, err)
	}
}

func TestSecretsOfAnything(t *testing.T) {
	for name, s := range hostile(t) {
		Secrets([]byte(s))
		Secrets([]byte("<a>" + s))
		Secrets([]byte("password: " + s))
		_ = name
	}
	Secrets([]byte(strings.Repeat("<a>", 100_000)))
	Secrets([]byte(strings.Repeat("password: ", 100_000)))
}
