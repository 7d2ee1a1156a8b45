package model_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
)

// TestArchCodes holds the table against the registry: IANA, "Processor
// Architecture Types", as EDK2's Dhcp.h has it.
func TestArchCodes(t *testing.T) {
	for _, tc := range []struct {
		code     uint16
		arch     model.Arch
		firmware model.Firmware
	}{
		{0, model.ArchBIOS, model.FirmwareBIOS},
		{1, "", ""},
		{2, model.ArchIA64, model.FirmwareUEFI},
		{6, model.ArchIA32, model.FirmwareUEFI},
		{7, model.ArchX64, model.FirmwareUEFI},
		{9, model.ArchX64, model.FirmwareUEFI},
		{10, model.ArchARM32, model.FirmwareUEFI},
		{11, model.ArchARM64, model.FirmwareUEFI},
		{14, model.ArchPowerOPAL, model.FirmwareOther},
		{15, model.ArchIA32, model.FirmwareHTTP},
		{16, model.ArchX64, model.FirmwareHTTP},
		{17, model.ArchX64, model.FirmwareHTTP},
		{18, model.ArchARM32, model.FirmwareHTTP},
		{19, model.ArchARM64, model.FirmwareHTTP},
		{20, model.ArchBIOS, model.FirmwareHTTP},
		{21, model.ArchARM32, model.FirmwareUBoot},
		{22, model.ArchARM64, model.FirmwareUBoot},
		{25, model.ArchRISCV32, model.FirmwareUEFI},
		{27, model.ArchRISCV64, model.FirmwareUEFI},
		{28, model.ArchRISCV64, model.FirmwareHTTP},
		{31, model.ArchS390, model.FirmwareOther},
		{37, model.ArchLoongArch32, model.FirmwareUEFI},
		{39, model.ArchLoongArch64, model.FirmwareUEFI},
		{40, model.ArchLoongArch64, model.FirmwareHTTP},
		{41, model.ArchRPi, model.FirmwareOther},
	} {
		row, ok := model.LookupArchCode(tc.code)
		if !ok || row.Code != tc.code || row.Arch != tc.arch || row.Firmware != tc.firmware {
			t.Errorf("code %d is %+v, assigned %v; want %q started by %q", tc.code, row, ok, tc.arch, tc.firmware)
		}
	}
	for code := range uint16(42) {
		row, ok := model.LookupArchCode(code)
		if !ok || row.Code != code || row.Name == "" {
			t.Errorf("code %d has the row %+v, assigned %v: rows stand in the order of their codes", code, row, ok)
		}
		if (row.Arch == "") != (row.Firmware == "") {
			t.Errorf("code %d has only one of architecture and firmware: %+v", code, row)
		}
	}
}

func TestUnassignedArchCodeSaysItsNumber(t *testing.T) {
	row, ok := model.LookupArchCode(65535)
	want := model.ArchCode{Code: 65535, Name: "unassigned architecture code 65535"}
	if diff := cmp.Diff(want, row); diff != "" || ok {
		t.Errorf("assigned %v (-want +got):\n%s", ok, diff)
	}
}

func TestArchsHasEveryArchitectureOnce(t *testing.T) {
	all := model.Archs()
	for i, a := range all {
		if a == "" || slices.Contains(all[:i], a) {
			t.Errorf("%q is empty or there twice in %v", a, all)
		}
	}
	for _, a := range []model.Arch{model.ArchBIOS, model.ArchX64, model.ArchRPi, model.ArchSunway64} {
		if !slices.Contains(all, a) {
			t.Errorf("%s is not in %v", a, all)
		}
	}
}

// TestCodeFor: what a machine is described by, it is recognised by.
func TestCodeFor(t *testing.T) {
	for _, a := range model.Archs() {
		found := false
		for _, f := range []model.Firmware{model.FirmwareBIOS, model.FirmwareUEFI, model.FirmwareHTTP, model.FirmwareUBoot, model.FirmwareOther} {
			code, ok := model.CodeFor(a, f)
			if !ok {
				continue
			}
			found = true
			if row, _ := model.LookupArchCode(code); row.Arch != a || row.Firmware != f {
				t.Errorf("%s by %s has code %d, which is %+v", a, f, code, row)
			}
		}
		if !found {
			t.Errorf("%s has no code by any firmware", a)
		}
	}
	if code, ok := model.CodeFor(model.ArchX64, model.FirmwareUEFI); code != 7 || !ok {
		t.Errorf("x64 by UEFI has code %d, %v; firmware sends 7", code, ok)
	}
	if code, ok := model.CodeFor(model.ArchBIOS, model.FirmwareUEFI); ok {
		t.Errorf("BIOS by UEFI has code %d; there is no such thing", code)
	}
}

func TestWhatRunsWhere(t *testing.T) {
	for _, tc := range []struct {
		arch model.Arch
		uefi bool
		runs []model.CPU
	}{
		{model.ArchBIOS, false, []model.CPU{model.CPUX64, model.CPUIA32}},
		{model.ArchIA32, true, []model.CPU{model.CPUX64, model.CPUIA32}}, // 32-bit firmware on 64-bit processors
		{model.ArchX64, true, []model.CPU{model.CPUX64, model.CPUIA32}},
		{model.ArchARM64, true, []model.CPU{model.CPUARM64}},
		{model.ArchARM32, true, []model.CPU{model.CPUARM32}},
		{model.ArchRISCV64, true, []model.CPU{model.CPURISCV64}},
		{model.ArchLoongArch64, true, []model.CPU{model.CPULoongArch64}},
		{model.ArchPowerOPAL, false, []model.CPU{model.CPUPower}},
		{model.ArchS390, false, []model.CPU{model.CPUS390}},
		{model.ArchRPi, false, nil},
	} {
		if diff := cmp.Diff(tc.runs, tc.arch.CPUs()); diff != "" || tc.arch.UEFI() != tc.uefi {
			t.Errorf("%s is UEFI: %v, want %v; runs (-want +got):\n%s", tc.arch, tc.arch.UEFI(), tc.uefi, diff)
		}
		if tc.arch.Runs("") {
			t.Errorf("%s runs kernels for no processor", tc.arch)
		}
	}
	if model.ArchARM64.Runs(model.CPUX64) || !model.ArchIA32.Runs(model.CPUX64) {
		t.Error("ARM64 runs x64 kernels, or 32-bit firmware does not start them")
	}
}
