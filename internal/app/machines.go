package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"time"

	"hobnail/internal/control"
	"hobnail/internal/machines"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/store/sqlite"
)

// ReadMachines gives all that is known of machines: the configuration's and
// those in the store, whether the server runs or not.
func ReadMachines(ctx context.Context, l *Loaded) (*machines.Snapshot, error) {
	s, err := sqlite.OpenReadOnly(storePath(l))
	if errors.Is(err, fs.ErrNotExist) {
		return machines.Empty(l.Config.Machines), nil
	}
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return machines.Read(ctx, s, l.Config.Machines)
}

// ReadRegistry is the registry of a server as it is at a time, for who asks what
// that server would decide: it changes nothing. Where the store cannot be read,
// as by whoever may not, the configuration decides alone, and a reason says so.
func ReadRegistry(ctx context.Context, l *Loaded, now time.Time) (policy.Registry, []policy.Reason) {
	snap, err := ReadMachines(ctx, l)
	if err != nil {
		return nil, []policy.Reason{{Rule: "simulate", At: storePath(l),
			Text: fmt.Sprintf("what people have named and ordered is not known here: %v", err)}}
	}
	return known{snap, now}, nil
}

// OrderMachines has an order carried out: by the server that runs here, which
// alone writes its store; if none does, in the store.
func OrderMachines(ctx context.Context, l *Loaded, o machines.Order) (machines.Result, error) {
	o.By = person()
	var res machines.Result
	text, err := json.Marshal(o)
	if err != nil {
		return res, fmt.Errorf("writing the order: %v", err)
	}
	a, err := control.Ask(controlPath(l), control.Request{Machines: text})
	switch {
	case err == nil && a.Error != "":
		return res, errors.New(a.Error)
	case err == nil:
		if err := json.Unmarshal(a.Machines, &res); err != nil {
			return res, fmt.Errorf("asking the running server: %v; is it an older hobnail?", err)
		}
		return res, nil
	case !notRunning(err):
		return res, err
	}
	s, err := openStore(l)
	if err != nil {
		return res, err
	}
	defer s.Close()
	return machines.Do(ctx, s, l.Config.Machines, o, time.Now(), machines.NewToken)
}

// person is who runs this command.
func person() string {
	if who := os.Getenv("SUDO_USER"); who != "" {
		return who
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "user " + strconv.Itoa(os.Getuid())
}

// HasTarget reports whether a machine can boot a target: a standing one, or an
// image that is there.
func (l *Loaded) HasTarget(name string) bool {
	switch name {
	case model.TargetMenu, model.TargetLocal, model.TargetDeny:
		return true
	}
	return l.HasImage(name)
}

// HasImage reports whether there is an image.
func (l *Loaded) HasImage(name string) bool {
	_, ok := l.Policy.Image(name)
	return ok
}

// orderMachines carries out a command's order in the server's store.
func (s *Server) orderMachines(ctx context.Context, text json.RawMessage) control.Answer {
	res, err := s.doOrder(ctx, text)
	var a control.Answer
	if err == nil {
		a.Machines, err = json.Marshal(res)
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

func (s *Server) doOrder(ctx context.Context, text json.RawMessage) (machines.Result, error) {
	var o machines.Order
	if err := json.Unmarshal(text, &o); err != nil {
		return machines.Result{}, fmt.Errorf("the order is none of ours: %v", err)
	}
	if s.machines == nil {
		return machines.Result{}, errors.New("the server could not open its store when it was started; its log says why")
	}
	l := s.current.Load().Loaded
	if o.Install != nil {
		if err := l.CheckInstall(o.Install.Image, o.Install.Edition); err != nil {
			return machines.Result{}, err
		}
	}
	res, err := s.machines.Do(ctx, o, time.Now())
	if err == nil && len(res.Installs) > 0 && o.Install != nil {
		s.prepareWindows(ctx, o.Install.Image)
	}
	return res, err
}
