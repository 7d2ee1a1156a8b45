package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// oneOf makes a parser that takes the words given and nothing else.
func oneOf[T ~string](allowed ...T) func(string) (T, error) {
	return func(s string) (T, error) {
		var known []string
		for _, a := range allowed {
			if s == string(a) {
				return a, nil
			}
			known = append(known, string(a))
		}
		return "", fmt.Errorf("is not known; allowed are %s%s", strings.Join(known, ", "), didYouMean(s, known))
	}
}

func parseMode(s string) (model.Mode, error) {
	return oneOf(model.ModeAuto, model.ModeMerge, model.ModeProxy, model.ModeServer, model.ModeOff)(s)
}

func parseStyle(s string) (model.Style, error) {
	return oneOf(append([]model.Style{model.StyleAuto}, model.Styles()...)...)(s)
}

func parseLocalWay(s string) (model.LocalWay, error) {
	return oneOf(model.LocalAuto, model.LocalExit, model.LocalDisk)(s)
}

func parseArch(s string) (model.Arch, error) { return oneOf(model.Archs()...)(s) }

func parseFirmware(s string) (model.Firmware, error) {
	return oneOf(model.FirmwareBIOS, model.FirmwareUEFI, model.FirmwareHTTP,
		model.FirmwareUBoot, model.FirmwareOther)(s)
}

// parseCPU takes the spellings of Debian, Go and uname as well as ours.
func parseCPU(s string) (model.CPU, error) {
	switch strings.ToLower(s) {
	case "amd64", "x86_64":
		return model.CPUX64, nil
	case "i386", "i686", "386":
		return model.CPUIA32, nil
	case "aarch64":
		return model.CPUARM64, nil
	case "armhf", "arm":
		return model.CPUARM32, nil
	case "loong64":
		return model.CPULoongArch64, nil
	}
	return oneOf(model.CPUX64, model.CPUIA32, model.CPUARM64, model.CPUARM32,
		model.CPURISCV64, model.CPULoongArch64)(s)
}

func parseSwitch(s string) (bool, error) {
	if s != "on" && s != "off" {
		return false, errors.New("is no switch; allowed are on and off")
	}
	return s == "on", nil
}

// parseLoader takes a kind of boot program, or a file by its name. A word
// without a dot is a slip of the fingers, not a file.
func parseLoader(s string) (string, error) {
	kinds := []string{"ipxe", "grub", "shim", "pxelinux", "ipxe-shim", "grub-proxy"}
	if slices.Contains(kinds, s) {
		return s, nil
	}
	if !onlyOf(s, lower+upper+digits+"._+-") || len(s) > 64 || !startsPlain(s) || !strings.Contains(s, ".") {
		return "", fmt.Errorf("is not a loader; allowed are %s and file names such as bootmgfw.efi%s",
			strings.Join(kinds, ", "), didYouMean(s, kinds))
	}
	return s, nil
}
