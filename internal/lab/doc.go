// Package lab builds small networks out of Linux network namespaces, puts real
// servers and relays on them, and switches on QEMU machines with the firmware
// that real machines have. What a machine does is read from its own serial
// console; what was said is read from captures of the links.
//
//	┌─────────┐       link "lan"            link "core"
//	│ machine ├─tap──╢ bridge ╟──veth── router ──veth──╢ bridge ╟──veth── server
//	└─────────┘        (capture)         + relay          (capture)
//
// Every link, host and router is a network namespace of its own; nothing is
// added to the namespace that the lab was started from, and nothing can leave
// it. Whatever a lab starts, it ends: processes by their id, namespaces by
// their name. Needs root, and Linux with iproute2.
//
// The package never decides what hobnail should answer, and hobnail never
// imports it: it is used by tests and by the demonstration.
package lab
