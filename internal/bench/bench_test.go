package main

import (
	"os"
	"testing"
	"time"
)

func TestStatSeconds(t *testing.T) {
	const stat = "cpu  1 1 1 1 1 1 1 1 1 1\ncpu0 100 10 200 5000 900 20 70 300 8 8\ncpu1 1 1 1 1 1 1 1 1 1 1\n"
	if got := statSeconds(stat, "cpu0"); got != 4 {
		t.Errorf("%v seconds, want 4", got)
	}
}

func TestPerfdhcpRate(t *testing.T) {
	const out = "***Rate statistics***\nRate: 9876.5 4-way exchanges/second, expected rate: 40000\n"
	if rate, ok := perfdhcpRate(out); !ok || rate != 9876.5 {
		t.Errorf("rate %v, %v", rate, ok)
	}
	if _, ok := perfdhcpRate("error"); ok {
		t.Error("a rate was read where there is none")
	}
}

// What a process uses itself grows while it works.
func TestOwnSeconds(t *testing.T) {
	before := ownSeconds(os.Getpid())
	for end := time.Now().Add(20 * time.Second); ownSeconds(os.Getpid()) < before+0.05; {
		if time.Now().After(end) {
			t.Fatalf("%v seconds before, %v now", before, ownSeconds(os.Getpid()))
		}
	}
	if got := ownSeconds(-1); got != 0 {
		t.Errorf("a process that is not there used %v seconds", got)
	}
}
