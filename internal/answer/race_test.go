//go:build race

package answer

// The race detector makes everything some ten times slower.
const raced = true
