package model

// Option is a DHCP option that a person configured, ready for the wire.
type Option struct {
	Code uint8
	Name string // as the file names it: "ntp-servers", or the number
	Data []byte
}
