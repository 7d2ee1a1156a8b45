package config

import "strings"

// didYouMean ends a fault with the nearest of the known words, or says
// nothing if none is near.
func didYouMean(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// nearest gives the known word that was most likely meant: the one that word
// is the end of ("x64" for "uefi-x64"), or that a slip of the fingers has
// turned into word, which is one edit, and one more for every six letters.
func nearest(word string, known []string) string {
	const longest = 64 // edit distance is quadratic; no word of ours is longer
	if len(word) > longest {
		return ""
	}
	const most = 200 // of thousands of images, the first will do
	best, at := "", 2+len(word)/6
	for _, k := range known[:min(len(known), most)] {
		if strings.HasSuffix(k, "-"+word) {
			return k
		}
		if len(k) >= len(word)+at || len(word) >= len(k)+at {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < at {
			best, at = k, d
		}
	}
	return best
}

// distance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b (optimal string alignment), by octets.
func distance(a, b string) int {
	var before []int // the row of a[:i-2]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
