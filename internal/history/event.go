package history

import (
	"log/slog"
	"time"

	"hobnail/internal/event"
	"hobnail/internal/model"
	"hobnail/internal/record"
)

// fileKinds maps what the file services tell to steps.
var fileKinds = map[event.Code]model.StepKind{
	event.FileBegun: model.StepAsked, event.FileRead: model.StepRead, event.FileProbe: model.StepProbe,
	event.FileMissing: model.StepMissing, event.FileAborted: model.StepAborted, event.FileStalled: model.StepStalled,
	event.FileRefused: model.StepRefused, event.FileBusy: model.StepRefused, event.FileFault: model.StepFault,
}

// FileEvent turns an event of a file service into a step; ok is false for
// events of another kind, and for those that name no file.
func FileEvent(e event.Event) (record.Who, model.Step, bool) {
	kind, ok := fileKinds[e.Code]
	if !ok || !e.Client.IsValid() {
		return record.Who{}, model.Step{}, false
	}
	f := &model.FileStep{Heard: true} // it is said where a client was not
	s := model.Step{Kind: kind, Client: e.Client.Addr().Unmap(), Ours: true, File: f}
	for _, a := range e.Details() {
		fileAttr(&s, a)
	}
	if f.Name == "" {
		return record.Who{}, model.Step{}, false
	}
	f.Role = record.RoleOf(f.Name)
	s.Time, s.Last = e.Time.Add(-f.Duration), e.Time
	return record.Who{MAC: e.MAC}, s, true
}

// fileAttr takes one detail of an event.
func fileAttr(s *model.Step, a slog.Attr) {
	f, v := s.File, a.Value
	switch a.Key {
	case "name":
		f.Name = v.String()
	case "via":
		f.Via = v.String()
	case "bytes", "octets":
		f.Octets = v.Int64()
	case "blocks":
		f.Blocks = v.Int64()
	case "blksize":
		f.Blksize = int(v.Int64())
	case "windowsize":
		f.Window = int(v.Int64())
	case "retransmissions":
		f.Retransmissions = v.Int64()
	case "round_trip":
		f.RoundTrip = v.Duration()
	case "duration":
		f.Duration = max(0, v.Duration()).Round(time.Microsecond)
	case "heard":
		f.Heard = v.Bool()
	case "client_code", "status":
		f.Code = int(v.Int64())
	case "client_text", "reason", "error":
		s.Text = record.Printable(v.String())
	}
}
