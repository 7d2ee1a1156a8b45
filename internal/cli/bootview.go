package cli

import (
	"fmt"
	"io"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/verdict"
)

func printBootLine(w io.Writer, b *model.Boot) {
	fmt.Fprintf(w, "%s %s %s %s %s\n", b.ID, b.Start.Format(time.DateTime), b.MAC, b.Verdict.Code, b.Verdict.Text)
}

func printBoot(w io.Writer, b *model.Boot) {
	printBootLine(w, b)
	for i := range b.Steps {
		fmt.Fprintf(w, "%8.3f %s\n", b.Steps[i].Time.Sub(b.Start).Seconds(), verdict.Describe(&b.Steps[i]))
	}
}
