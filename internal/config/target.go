package config

import (
	"maps"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// target is a place that names an image or one of the words that stand for
// something else.
type target struct {
	located[string]
	key   string
	words []string // what is allowed there besides images
}

// target reads the name of an image, or one of words. Whether there is such
// an image is known at the end.
func (d *draft) target(s section, key string, words ...string) (located[string], bool) {
	v, ok := s.text(key)
	if ok {
		d.targets = append(d.targets, target{located: v, key: key, words: words})
	}
	return v, ok
}

// packaged lists the images that exist without an [[image]] wherever their
// Debian packages are installed. Whether they are, only the disk knows; so a
// target may name them, and an [[image]] may take their place.
func packaged() map[string]model.CPU {
	return map[string]model.CPU{
		"debian-12":       model.CPUX64,
		"debian-12-arm64": model.CPUARM64,
	}
}

// checkTargets reports targets that do not exist.
func (d *draft) checkTargets() {
	cpus := d.imageCPUs()
	delete(cpus, "") // an image whose name has a fault
	images := slices.Sorted(maps.Keys(cpus))
	for _, t := range d.targets {
		if _, ok := cpus[t.v]; ok || slices.Contains(t.words, t.v) || d.report.full() {
			continue
		}
		d.report.add(t.at, "%s %s is no target; allowed are %s and the names of [[image]]%s", t.key, quote(t.v),
			strings.Join(t.words, ", "), didYouMean(t.v, slices.Concat(images, t.words)))
	}
}
