// Package diag is what "hobnail doctor" knows: what firmware would make of the
// answers it hears, what is wrong in each of them, how a walk through a boot
// ended, and what is wrong with the host of a server. It is pure: it is given
// packets and facts, with their times. Package diag/walk speaks to the network,
// diag/host asks the host.
package diag
