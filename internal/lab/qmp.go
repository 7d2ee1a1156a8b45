package lab

import (
	"encoding/json"
	"fmt"
	"net"
	"time"
)

// qmpExecute runs one command without arguments on QEMU's machine protocol
// socket (QEMU's docs/interop/qmp-spec): greeting, qmp_capabilities, then the
// command. Events that come in between are passed over.
func qmpExecute(socket, command string) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return fmt.Errorf("connecting to the emulator: %v", err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	var greeting struct{ QMP json.RawMessage }
	if err := in.Decode(&greeting); err != nil {
		return fmt.Errorf("reading the emulator's greeting: %v", err)
	}
	for _, c := range []string{"qmp_capabilities", command} {
		if err := out.Encode(map[string]string{"execute": c}); err != nil {
			return fmt.Errorf("sending %s: %v", c, err)
		}
		if err := qmpAnswer(in); err != nil {
			return fmt.Errorf("executing %s: %v", c, err)
		}
	}
	return nil
}

// qmpAnswer reads up to the answer of the last command.
func qmpAnswer(in *json.Decoder) error {
	for {
		var msg struct {
			Return json.RawMessage `json:"return"`
			Error  *struct {
				Desc string `json:"desc"`
			} `json:"error"`
		}
		if err := in.Decode(&msg); err != nil {
			return err
		}
		switch {
		case msg.Error != nil:
			return fmt.Errorf("%s", msg.Error.Desc)
		case msg.Return != nil:
			return nil
		}
	}
}
