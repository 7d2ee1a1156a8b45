package library

import "time"

// Stage says what is being done with a file.
type Stage string

const (
	StageDownload Stage = "downloading"
	StageCopy     Stage = "copying"
	StageHash     Stage = "hashing"
)

// Progress says how far a work has come.
type Progress struct {
	Stage Stage   `json:"stage"`
	File  string  `json:"file"`  // its name, without the folder
	Done  int64   `json:"done"`  // octets
	Total int64   `json:"total"` // octets; 0: not known
	Rate  float64 `json:"rate"`  // octets in a second, of late
}

const (
	progressPace = 100 * time.Millisecond
	// rateSpan is over what time a rate is meant.
	rateSpan = 2 * time.Second
)

// meter counts octets and tells of them, not too often.
type meter struct {
	tell  func(Progress) // nil: nobody listens
	p     Progress
	told  time.Time
	since time.Time // the rate is since then
	from  int64     // what was done then
}

func newMeter(tell func(Progress), stage Stage, file string, total int64) *meter {
	now := time.Now()
	return &meter{tell: tell, p: Progress{Stage: stage, File: file, Total: total}, told: now, since: now}
}

// start says how much was done before, which is no part of the rate.
func (m *meter) start(done int64) { m.p.Done, m.from, m.since = done, done, time.Now() }

func (m *meter) add(n int) {
	m.p.Done += int64(n)
	if m.tell == nil {
		return
	}
	now := time.Now()
	if now.Sub(m.told) < progressPace {
		return
	}
	m.told = now
	span := now.Sub(m.since)
	m.p.Rate = float64(m.p.Done-m.from) / span.Seconds()
	if span > 2*rateSpan { // forget the older half
		m.from += int64(float64(m.p.Done-m.from) / 2)
		m.since = m.since.Add(span / 2)
	}
	m.tell(m.p)
}

// end tells once more, whatever was told.
func (m *meter) end() {
	if m.tell != nil {
		m.tell(m.p)
	}
}
