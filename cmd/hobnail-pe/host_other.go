//go:build !windows

package main

import (
	"errors"

	"hobnail/internal/peagent"
)

// Elsewhere the agent is only compiled, so that tests and tools see it.
func disks() ([]peagent.Disk, error) { return nil, errors.New("this is no Windows") }

func smbios() []byte { return nil }

func firmware() (peagent.Firmware, error) { return "", errors.New("this is no Windows") }
