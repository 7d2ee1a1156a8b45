package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"

	"hobnail/internal/bench/tftpload"
)

// tftpTask is what a copy of this program does inside a namespace: one of
// these.
type tftpTask struct {
	Fetch *tftpload.Plan  `json:"fetch,omitempty"`
	Spoof *tftpload.Spoof `json:"spoof,omitempty"`
	Bare  bool            `json:"bare,omitempty"` // be the bare sender
}

func tftpCommand(t tftpTask) string {
	text, err := json.Marshal(t)
	if err != nil {
		panic(err) // a struct of numbers and strings
	}
	return string(text)
}

func self() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// tftpFrom does a task in JSON and prints what came of it.
func tftpFrom(text string) error {
	var task tftpTask
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		return fmt.Errorf("reading the task: %v", err)
	}
	debug.SetGCPercent(-1) // it would be measured
	debug.SetMemoryLimit(4 << 30)
	var result any
	var err error
	switch {
	case task.Fetch != nil:
		result, err = tftpload.Run(*task.Fetch)
	case task.Spoof != nil:
		result, err = tftpload.Flood(*task.Spoof)
	default:
		return tftpload.Bare()
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}
