package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"hobnail/internal/control"
	"hobnail/internal/store"
)

// operation is something that commands have done in the store. The server that
// runs does it, for it alone can write the file; where none runs, the command
// itself. Arguments and result are JSON.
type operation func(ctx context.Context, on *storeWork, args json.RawMessage) (result any, err error)

// storeWork is what an operation works on.
type storeWork struct {
	Store  store.Store
	Loaded *Loaded
	Now    time.Time
	// Server is the one that runs; nil where none does.
	Server *Server
}

// operations lists all operations by their names, "machines.add".
func operations() map[string]operation {
	return map[string]operation{}
}

// OnStore has an operation done by the server that runs by a configuration, or
// does it here if none runs. result is filled in; nil if nothing of it is
// wanted.
func OnStore(ctx context.Context, l *Loaded, name string, args, result any) error {
	b, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("writing what is asked of %s: %v", name, err)
	}
	a, err := control.Ask(controlPath(l), control.Request{Do: &control.Do{Name: name, Args: b}})
	switch {
	case err == nil && a.Error != "":
		return errors.New(a.Error)
	case err != nil && !notRunning(err):
		return err
	case err != nil:
		if a.Result, err = doAlone(ctx, l, name, b); err != nil {
			return err
		}
	}
	if result == nil || len(a.Result) == 0 {
		return nil
	}
	if err := json.Unmarshal(a.Result, result); err != nil {
		return fmt.Errorf("reading the answer to %s: %v", name, err)
	}
	return nil
}

// doAlone does an operation where no server runs.
func doAlone(ctx context.Context, l *Loaded, name string, args json.RawMessage) (json.RawMessage, error) {
	st, err := openStore(l)
	if err != nil {
		return nil, err
	}
	result, err := do(ctx, &storeWork{Store: st, Loaded: l, Now: time.Now()}, name, args)
	return result, errors.Join(err, st.Close())
}

// do is an operation that a command asked this server for.
func (s *Server) do(ctx context.Context, r *control.Do) control.Answer {
	if s.store == nil {
		return control.Answer{Error: "this server could not open its store when it started; its log says why"}
	}
	on := &storeWork{Store: s.store, Loaded: s.current.Load().Loaded, Now: time.Now(), Server: s}
	result, err := do(ctx, on, r.Name, r.Args)
	if err != nil {
		return control.Answer{Error: err.Error()}
	}
	return control.Answer{Result: result}
}

func do(ctx context.Context, on *storeWork, name string, args json.RawMessage) (json.RawMessage, error) {
	op, ok := operations()[name]
	if !ok {
		return nil, fmt.Errorf("the server that runs knows no operation %q: it is of another version; restart it", name)
	}
	result, err := op(ctx, on, args)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(result)
	if err != nil {
		return nil, fmt.Errorf("writing the answer to %s: %v", name, err)
	}
	return b, nil
}
