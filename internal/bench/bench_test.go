package main

import "testing"

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
