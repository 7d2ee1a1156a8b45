package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/bootscript"
	"hobnail/internal/event"
	"hobnail/internal/model"
	"hobnail/internal/peagent/embedded"
	"hobnail/internal/site"
	"hobnail/internal/windows"
)

// instructionsFile is what the agent in Windows PE asks for.
const instructionsFile = "pe.json"

// sumsFolder is where the data folder has the sums of install.wims.
const sumsFolder = "sums"

// windowsFiles is what machines that boot Windows read. It outlives a reload.
type windowsFiles struct {
	set  *windows.Set
	ties windows.Ties
	sums *windows.Sums
}

// openWindows makes it. What is read comes from the images of the moment.
func (s *Server) openWindows(l *Loaded) {
	s.windows.set = &windows.Set{Files: currentImages{s}, Agent: embedded.Agent}
	s.windows.sums = &windows.Sums{
		Folder: filepath.Join(l.Config.Server.Data, sumsFolder), Open: currentImages{s}.Open,
		Told: func(err error) {
			s.opts.Events.Emit(event.Event{Time: time.Now(), Code: event.ImageFault, Attrs: []slog.Attr{slog.String("error", err.Error())}})
		},
	}
}

// of is what a Site needs of it; nil where there is none, as in tests.
func (w *windowsFiles) of() *site.Windows {
	if w.set == nil {
		return nil
	}
	return &site.Windows{Set: w.set, Ties: &w.ties, Now: time.Now}
}

// currentImages opens files of the images that are served now.
type currentImages struct{ s *Server }

// Open implements bootfile.Opener.
func (c currentImages) Open(ctx context.Context, r bootfile.Request) (*bootfile.File, error) {
	return c.s.current.Load().site.Images.Open(ctx, r)
}

// CheckInstall says why an image, or that edition of it, cannot be ordered.
func (l *Loaded) CheckInstall(image, edition string) error {
	img, ok := l.Policy.Image(image)
	switch {
	case !ok:
		return fmt.Errorf("there is no image %s; hobnail images list names them all", printable(image))
	case img.Way == model.WayWindows:
		_, err := windows.Choose(img, edition)
		return err
	case edition != "":
		return fmt.Errorf("image %s has no editions to choose from", image)
	}
	return nil
}

// printable is a text that somebody typed, as it may stand on a screen.
func printable(s string) string {
	if quoted := strconv.QuoteToGraphic(s); quoted != `"`+s+`"` {
		return quoted
	}
	return s
}

// InstallWarning says what a person who orders an image should know; empty for
// nothing.
func (l *Loaded) InstallWarning(image string) string {
	img, _ := l.Policy.Image(image)
	return windows.Warning(img.InstallWIM)
}

// edition is the number of the edition that an order means; 0 for none.
func (l *Loaded) edition(i model.Install) int {
	img, ok := l.Policy.Image(i.Image)
	if !ok {
		return 0
	}
	e, err := windows.Choose(img, i.Edition)
	if err != nil {
		return 0
	}
	return e.Index
}

// prepareWindows has the sum of an image's install.wim made before its first
// machine asks.
func (s *Server) prepareWindows(ctx context.Context, name string) {
	img, ok := s.current.Load().Policy.Image(name)
	if !ok || img.InstallWIM == "" || s.windows.sums == nil {
		return
	}
	_, err := s.windows.sums.Of(ctx, windows.InstallName(img))
	var pending *windows.Pending
	if err != nil && !errors.As(err, &pending) {
		s.windows.sums.Told(err)
	}
}

// prepareOrdered does so for all that is ordered when the server starts.
func (s *Server) prepareOrdered(ctx context.Context) {
	if s.machines == nil {
		return
	}
	seen := map[string]bool{}
	for _, i := range s.machines.Snapshot().Installs(time.Now()) {
		if i.State.Open() && !seen[i.Image] {
			seen[i.Image] = true
			s.prepareWindows(ctx, i.Image)
		}
	}
}

// instructions are what the agent of an attempt is to do.
func (o *orders) instructions(ctx context.Context, i model.Install, to bootscript.Server, m bootscript.Machine) ([]byte, error) {
	img, ok := o.l.Policy.Image(i.Image)
	if !ok || img.Way != model.WayWindows {
		return nil, bootfile.ErrNotFound
	}
	e, err := windows.Choose(img, i.Edition)
	if err != nil {
		return nil, fmt.Errorf("making %s for %s: %v", instructionsFile, i.Machine, err)
	}
	sum, err := o.s.windows.sums.Of(ctx, windows.InstallName(img))
	var pending *windows.Pending
	if errors.As(err, &pending) {
		return windows.NotYet(i.Machine, pending)
	}
	if err != nil {
		return nil, fmt.Errorf("making %s for %s: %v", instructionsFile, i.Machine, err)
	}
	unattend, err := o.l.hasUnattend(i, img)
	if err != nil {
		return nil, fmt.Errorf("making %s for %s: %v", instructionsFile, i.Machine, err)
	}
	all := o.s.machines.Snapshot()
	vars := o.l.answerData(all, i, img, to, m).Vars
	orders := windows.Orders{
		Machine: i.Machine, Image: img, Edition: e, Arch: m.Arch, WIM: sum, Way: vars["windows_way"], Disk: vars["windows_disk"], Unattend: unattend,
	}
	if named := all.Machine(i.Machine); named != nil {
		orders.UUID, orders.MACs, orders.Serial = named.UUID, named.MACs, named.Serial
	}
	b, err := windows.Instructions(orders)
	if err != nil {
		return nil, fmt.Errorf("making %s for %s: %v", instructionsFile, i.Machine, err)
	}
	return b, nil
}

// hasUnattend reports whether an order has an answer file for Windows. Without
// any, Windows asks its questions.
func (l *Loaded) hasUnattend(i model.Install, img model.Image) (bool, error) {
	if i.Answer == "" && img.Answer == "" {
		return false, nil
	}
	k, _, err := l.answerKind(i, img)
	if err == nil && k.Name != "unattend" {
		err = fmt.Errorf("its answer file is of the kind %s, and Windows reads unattend", k.Name)
	}
	return err == nil, err
}
