// Package embedded holds the agent for Windows PE, package peagent's program
// hobnail-pe, built for each processor that Windows runs on. It is a package of
// its own because the agent, which is made of peagent, cannot hold itself.
package embedded

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"

	"hobnail/internal/model"
)

// programs is a folder, not the programs themselves, because they are built: a
// fresh clone has none and must still compile.
//
//go:embed programs
var programs embed.FS

// Agent gives hobnail-pe.exe for a processor. The error says whether there is
// none for it, or this hobnail was built without.
func Agent(c model.CPU) ([]byte, error) {
	arch := map[model.CPU]string{model.CPUX64: "amd64", model.CPUARM64: "arm64"}[c]
	if arch == "" {
		return nil, fmt.Errorf("opening the agent for Windows PE: there is none for %s; there is for %s and %s", c, model.CPUX64, model.CPUARM64)
	}
	b, err := programs.ReadFile("programs/hobnail-pe-" + arch + ".exe.gz")
	if err != nil {
		return nil, fmt.Errorf("opening the agent for Windows PE on %s: this hobnail was built without it; build it with make build", c)
	}
	b, err = unpack(b)
	if err != nil {
		return nil, fmt.Errorf("opening the agent for Windows PE on %s: %v", c, err)
	}
	return b, nil
}

func unpack(b []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
