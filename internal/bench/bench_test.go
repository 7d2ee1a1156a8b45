package main

import "testing"

// The name in parentheses may hold anything (proc_pid_stat(5)).
func TestStatSeconds(t *testing.T) {
	const stat = "4711 (a) b) S 1 4711 4711 0 -1 4194560 1 2 3 4 250 150 7 8 20 0 5 0 100 200 300"
	if got := statSeconds(stat); got != 4 {
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
