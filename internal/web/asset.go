package web

import (
	"crypto/sha256"
	"encoding/hex"
)

// readAssets gives the files of pages by their paths.
func readAssets() map[string]asset {
	all := map[string]asset{}
	for name, contentType := range map[string]string{
		"style.css": "text/css; charset=utf-8",
		"live.js":   "text/javascript; charset=utf-8",
		"icon.svg":  "image/svg+xml",
	} {
		content, err := files.ReadFile("page/" + name)
		if err != nil {
			panic(err) // it is built in
		}
		sum := sha256.Sum256(content)
		all["/console/"+name] = asset{contentType, `"` + hex.EncodeToString(sum[:8]) + `"`, content}
	}
	return all
}
