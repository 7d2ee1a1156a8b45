package image

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestESXiBootConfig(t *testing.T) {
	const original = "bootstate=0\r\ntitle=Loading ESXi installer\r\ntimeout=5\r\nprefix=\r\nkernel=/b.b00\r\nkernelopt=runweasel cdromBoot\r\nmodules=/jumpstrt.gz --- /useropts.gz --- s.v00\r\nbuild=8.0.2\r\nupdated=0\r\n"
	const want = "bootstate=0\ntitle=Loading ESXi installer\ntimeout=5\nkernel=b.b00\nmodules=jumpstrt.gz --- useropts.gz --- s.v00\nbuild=8.0.2\nupdated=0\n" +
		"prefix=http://192.0.2.1/iso/esxi\nkernelopt=runweasel ks=http://192.0.2.1/install/0/ks.cfg\n"
	got, err := ESXiBootConfig([]byte(original), "http://192.0.2.1/iso/esxi", "runweasel ks=http://192.0.2.1/install/0/ks.cfg")
	if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if got, err = ESXiBootConfig([]byte(original), "http://192.0.2.1/iso/esxi", ""); err != nil || !strings.Contains(string(got), "\nkernelopt=runweasel cdromBoot\n") {
		t.Errorf("without options of ours the image's stay: %v\n%s", err, got)
	}
	for _, bad := range []struct{ original, prefix, opt string }{
		{"title=x\n", "http://192.0.2.1", ""},
		{"kernel=/b.b00\n", "http://192.0.2.1", ""},
		{original, "http://192.0.2.1\nmodules=x", ""},
		{original, "http://192.0.2.1", "ks=\x1b"},
	} {
		if got, err := ESXiBootConfig([]byte(bad.original), bad.prefix, bad.opt); err == nil {
			t.Errorf("%q, %q, %q: %s", bad.original, bad.prefix, bad.opt, got)
		}
	}
}
