// Package capture reads what tcpdump, Wireshark or a switch's mirror port
// recorded, and finds the boots in it: the steps that a running server would
// have told, joined and judged by the same rooms. It knows no server and no
// configuration. It stores no contents: a capture of any size is read once,
// from front to back, in bounded memory.
package capture
