package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"hobnail/internal/peagent"
)

// Control codes of winioctl.h, and how many disks are looked for: their
// numbers have gaps where one was taken out.
const (
	ioctlStorageQueryProperty   = 0x2d1400
	ioctlDiskGetDriveGeometryEx = 0x700a0
	mostDisks                   = 64
)

// disks asks each \\.\PhysicalDriveN what it is. Neither call needs the right
// to read or write the disk, so none is asked for.
func disks() ([]peagent.Disk, error) {
	var all []peagent.Disk
	for n := range mostDisks {
		d, ok, err := disk(n)
		if err != nil {
			return nil, fmt.Errorf("asking disk %d what it is: %v", n, err)
		}
		if ok {
			all = append(all, d)
		}
	}
	return all, nil
}

// disk asks one disk. ok is false where there is none, or one without a medium.
func disk(n int) (d peagent.Disk, ok bool, err error) {
	name, err := windows.UTF16PtrFromString(fmt.Sprintf(`\\.\PhysicalDrive%d`, n))
	if err != nil {
		return d, false, err
	}
	h, err := windows.CreateFile(name, 0, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE, nil, windows.OPEN_EXISTING, 0, 0)
	if errors.Is(err, windows.ERROR_FILE_NOT_FOUND) {
		return d, false, nil
	}
	if err != nil {
		return d, false, err
	}
	defer windows.CloseHandle(h)
	// STORAGE_PROPERTY_QUERY: the device's properties, the standard ones.
	b, err := control(h, ioctlStorageQueryProperty, make([]byte, 12))
	if err != nil {
		return d, false, err
	}
	d = peagent.ParseDescriptor(b)
	d.Number = n
	// DISK_GEOMETRY_EX: the size stands behind the geometry.
	b, err = control(h, ioctlDiskGetDriveGeometryEx, nil)
	if errors.Is(err, windows.ERROR_NOT_READY) || errors.Is(err, windows.ERROR_NO_MEDIA_IN_DRIVE) {
		return d, false, nil
	}
	if err != nil || len(b) < 32 {
		return d, false, fmt.Errorf("its size: %d octets, %v", len(b), err)
	}
	d.Size = int64(binary.LittleEndian.Uint64(b[24:]))
	return d, true, nil
}

func control(h windows.Handle, code uint32, in []byte) ([]byte, error) {
	out := make([]byte, 4096)
	var n uint32
	var first *byte
	if len(in) > 0 {
		first = &in[0]
	}
	err := windows.DeviceIoControl(h, code, first, uint32(len(in)), &out[0], uint32(len(out)), &n, nil)
	return out[:n], err
}

// smbios is what Windows has of the firmware's table: RawSMBIOSData; nil where
// it has none.
func smbios() []byte {
	const provider = 'R'<<24 | 'S'<<16 | 'M'<<8 | 'B'
	get := windows.NewLazySystemDLL("kernel32.dll").NewProc("GetSystemFirmwareTable")
	if get.Find() != nil {
		return nil
	}
	b := make([]byte, 64<<10)
	for range 2 {
		n, _, _ := get.Call(provider, 0, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		if n <= uintptr(len(b)) {
			return b[:n]
		}
		b = make([]byte, n)
	}
	return nil
}

// firmware reads what wpeinit leaves in the registry of Windows PE: 1 for BIOS,
// 2 for UEFI.
func firmware() (peagent.Firmware, error) {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, `SYSTEM\CurrentControlSet\Control`, registry.QUERY_VALUE)
	if err != nil {
		return "", fmt.Errorf("opening the registry: %v", err)
	}
	defer k.Close()
	n, _, err := k.GetIntegerValue("PEFirmwareType")
	if err != nil {
		return "", fmt.Errorf("reading PEFirmwareType, which Windows PE has: %v", err)
	}
	switch n {
	case 1:
		return peagent.BIOS, nil
	case 2:
		return peagent.UEFI, nil
	}
	return "", fmt.Errorf("PEFirmwareType is %d", n)
}
