package verdict

import (
	"slices"
	"time"

	"hobnail/internal/model"
)

// stepNames are the steps of a boot whose time is compared.
var stepNames = map[string]string{
	"address": "getting an address",
	"loader":  "reading the boot programs",
	"kernel":  "reading kernel and initial RAM disk",
	"system":  "starting the system",
}

// Durations measures the steps of a boot, as far as it came.
func Durations(b *model.Boot) map[string]time.Duration {
	return look(Case{Boot: b}).durations()
}

func (v *sight) durations() map[string]time.Duration {
	all := map[string]time.Duration{}
	if v.firstAck != nil && len(v.asked) > 0 && !v.firstAck.Time.Before(v.asked[0].Time) {
		all["address"] = v.firstAck.Time.Sub(v.asked[0].Time)
	}
	var loader, kernel time.Duration
	for _, s := range v.files {
		if s.Kind != model.StepRead {
			continue
		}
		switch s.File.Role {
		case model.RoleLoader, model.RoleConfig:
			loader += s.File.Duration
		case model.RoleKernel, model.RoleInitrd, model.RoleDisk:
			kernel += s.File.Duration
		}
	}
	if v.loader != nil {
		all["loader"] = loader
	}
	if v.kernel != nil || v.disk != nil || v.initrd != nil {
		all["kernel"] = kernel
	}
	// Its first word: an installer goes on talking for as long as it runs.
	home := slices.IndexFunc(v.Boot.Steps, func(s model.Step) bool { return s.Kind == model.StepHome })
	if last := v.lastFile(); home >= 0 && last != nil && v.Boot.Steps[home].Time.After(last.End()) {
		all["system"] = v.Boot.Steps[home].Time.Sub(last.End())
	}
	return all
}

const (
	slowFactor  = 4                // times the usual
	slowAtLeast = 10 * time.Second // beyond the usual
	slowSamples = 5                // boots that make it usual
	// slowAlone is what no step but the system's start takes on a sound
	// network, where nothing is known of others.
	slowAlone = 3 * time.Minute
)

// slowest finds a step that took far longer than usual; "" for none. Known is
// false where too few boots came before to say what is usual.
func (v *sight) slowest() (step string, took, usual time.Duration, known bool) {
	all := v.durations()
	for _, name := range []string{"address", "loader", "kernel", "system"} {
		d := all[name]
		u, n := time.Duration(0), 0
		if v.Usual != nil {
			u, n = v.Usual.Of(v.Boot.Place, name)
		}
		slow := n >= slowSamples && d > slowFactor*u && d > u+slowAtLeast
		if n < slowSamples && name != "system" && d > slowAlone {
			slow, u = true, slowAlone
		}
		if slow && d-u > took-usual {
			step, took, usual, known = name, d, u, n >= slowSamples
		}
	}
	return step, took, usual, known
}

// short writes a duration as people say it.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
