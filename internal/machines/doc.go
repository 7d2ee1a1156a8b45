// Package machines keeps the machines that people have named, those that wait
// to be named, and the installs that were ordered for them, in the store.
//
// What an install may do is a function of what is stored, of who asks and of
// the time (install.go); everything else here is how that is found quickly
// (Snapshot) and never lost (Registry, Do).
package machines
