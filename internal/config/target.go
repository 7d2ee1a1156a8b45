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

// imageIndex gives the processors of every image by its name. They are empty
// where the file has a fault there.
type imageIndex map[string]model.CPU

func (d *draft) imageIndex() imageIndex {
	index := imageIndex{}
	maps.Copy(index, d.added)
	for _, i := range d.images {
		if i.Name != "" {
			index[i.Name] = i.CPU
		}
	}
	return index
}

func (x imageIndex) find(name string) (model.CPU, bool) {
	if cpu, ok := x[name]; ok {
		return cpu, true
	}
	return packaged(name)
}

// packaged tells the names of Debian's installers, which exist without an
// [[image]] wherever their packages are installed: "debian-12" for x64,
// "debian-12-arm64" and so on for others; see package image. Whether they are
// installed, only the disk knows, so a target may name any.
func packaged(name string) (model.CPU, bool) {
	rest, ok := strings.CutPrefix(name, "debian-")
	release, cpu, named := strings.Cut(rest, "-")
	if !ok || !onlyOf(release, digits) || len(release) != 2 {
		return "", false
	}
	if !named {
		return model.CPUX64, true
	}
	others := []model.CPU{model.CPUIA32, model.CPUARM64, model.CPUARM32, model.CPURISCV64,
		model.CPULoongArch64, model.CPUPower, model.CPUS390}
	return model.CPU(cpu), slices.Contains(others, model.CPU(cpu))
}

// checkTargets reports targets that do not exist.
func (d *draft) checkTargets() {
	index := d.imageIndex()
	images := slices.Sorted(maps.Keys(index))
	for _, t := range d.targets {
		if _, ok := index.find(t.v); ok || slices.Contains(t.words, t.v) || d.report.full() {
			continue
		}
		d.report.add(t.at, "%s %s is no target; allowed are %s and the names of [[image]]%s", t.key, quote(t.v),
			strings.Join(t.words, ", "), didYouMean(t.v, slices.Concat(images, t.words)))
	}
}
