// Package learn remembers what boots have shown: which form of a proxy's offer
// the firmware of a machine or model takes, and which boot program works there.
// After an attempt that failed it says what to try next, one thing after the
// other, and when there is nothing left. It decides nothing: package policy
// asks it, and a configuration that says what is wanted comes first.
package learn
