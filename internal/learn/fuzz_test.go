package learn_test

import (
	"testing"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/learn"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/verdict"
)

// FuzzUnmarshal: no file brings the table down, whatever boots come after it,
// and what it gives is a form that there is.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":1,"offers":{"machines":{"52:54:00:00:00:01":{"at":"menu","out":true,"failed":["bypass"],"works":true}},"models":{"m":{"at":"menu","base":"bypass","failed":["a","b","c"],"other":{"no43":["x"]}}}}}`))
	f.Add([]byte(`{"version":1,"loaders":{"machines":{"52:54:00:00:00:01 uefi-x64":{"at":"ipxe.efi","failed":["snponly.efi"]}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		table := learn.New()
		if err := table.Unmarshal(b); err != nil {
			return
		}
		facts := &classify.Facts{MAC: lab1, Arch: model.ArchX64, VendorClass: "PXEClient"}
		for i := range 12 {
			boot := &model.Boot{MAC: lab1, Arch: model.ArchX64, Model: "m", Verdict: model.Verdict{Code: verdict.OfferNotTaken, Detail: "split-offer", Step: "offer"}}
			if i%4 == 3 {
				boot.Verdict = model.Verdict{Code: verdict.LoaderSilent, Step: "loader"}
			}
			step := model.DHCPStep{Style: "bypass", FreeStyle: true, FreeLoader: true, File: "m/525400000001/uefi-x64/snponly.efi", Loader: policy.LoaderIPXE}
			if l, ok := table.Offer(facts); ok {
				if !model.Style(l.Choice).Known() || l.Why == "" {
					t.Fatalf("lesson %+v", l)
				}
				step.Style = l.Choice
			}
			boot.Steps = []model.Step{{Kind: model.StepOffer, Ours: true, DHCP: &step}}
			table.Boot(boot, noon.Add(time.Duration(i)*time.Hour))
			table.Loader(facts, model.ArchX64)
		}
		if _, err := table.Marshal(); err != nil {
			t.Fatal(err)
		}
	})
}
