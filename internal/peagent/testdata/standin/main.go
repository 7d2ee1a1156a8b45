// Command standin stands in for a program of Windows PE: it writes down what it
// was started as and with, to X:\calls.txt, a line of JSON a call. It shows what
// X:\output-NAME.txt holds, and fails if there is X:\fail-NAME.
package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	line, err := json.Marshal(append([]string{name}, os.Args[1:]...))
	if err != nil {
		panic(err)
	}
	f, err := os.OpenFile(`X:\calls.txt`, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		panic(err)
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		panic(err)
	}
	if err := f.Close(); err != nil {
		panic(err)
	}
	if b, err := os.ReadFile(`X:\output-` + name + `.txt`); err == nil {
		os.Stdout.Write(b)
	}
	if _, err := os.Stat(`X:\fail-` + name); err == nil {
		os.Exit(112)
	}
}
