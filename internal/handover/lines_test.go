package handover

import (
	"strings"
	"testing"
)

// TestLines: what a person is told in a line of the log.
func TestLines(t *testing.T) {
	s := survey(t, "[server]\naddress = \"10.77.1.2\"\n[[subnet]]\ncidr = \"10.77.2.0/24\"\ndhcp = \"proxy\"\n",
		Facts{Programs: []Program{{"uefi-x64", "shim", "shimx64.efi"}, {"uefi-x64", "ramdisk", "boot.img"}}})
	d, err := s.DHCP()
	if err != nil {
		t.Fatal(err)
	}
	want := map[Client]string{
		ClientPXE:  "where option 93 is 7 or 9 (uefi-x64); next server (siaddr) and option 66 10.77.1.2; boot file (file) and option 67 nbp/uefi-x64/shimx64.efi; no option 60 and no option 43",
		ClientHTTP: "where option 93 is 16 or 17 (uefi-x64); boot file (file) and option 67 http://10.77.1.2:8080/nbp/uefi-x64/boot.img; option 60 HTTPClient",
	}
	for _, b := range d.Boots {
		if got := strings.Join(b.Lines(), "; "); want[b.Client] != "" && got != want[b.Client] {
			t.Errorf("%s\nwant %s", got, want[b.Client])
		}
		delete(want, b.Client)
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
}
