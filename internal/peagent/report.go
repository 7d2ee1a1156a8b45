package peagent

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	patience   = 15 * time.Second // for an answer of the server
	maxAnswer  = 4 << 20          // octets of a file that is read whole
	maxText    = 500              // octets of a text in a report
	maxLog     = 1 << 20
	attempts   = 5 // for files that are read whole
	betweenGet = 3 * time.Second
)

// hello asks whether anybody is there: any answer of HTTP will do.
func (a *Agent) hello(ctx context.Context) error {
	_, _, err := a.ask(ctx, http.MethodGet, a.Config.url("step/network?state=begin"), nil)
	return err
}

// get reads a file of this install. What the server may still come to, such as
// an answer of 503, is asked for again.
func (a *Agent) get(ctx context.Context, name string) ([]byte, error) {
	for try := 1; ; try++ {
		status, b, err := a.ask(ctx, http.MethodGet, a.Config.url(name), nil)
		if err == nil && status == http.StatusOK {
			return b, nil
		}
		if err == nil {
			err = fmt.Errorf("the server answers %d (%s): %s", status, http.StatusText(status), cut(plain(strings.TrimSpace(string(b))), 200))
		}
		if try == attempts || ctx.Err() != nil || status >= 400 && status < 500 {
			return nil, err
		}
		a.say("%s: %v; asking again", name, err)
		if a.Host.Wait(ctx, betweenGet) != nil {
			return nil, err
		}
	}
}

// ask sends one request and reads the answer. An answer that is too long is an
// error.
func (a *Agent) ask(ctx context.Context, method, url string, body io.Reader) (status int, b []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	resp, err := a.Client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(b) > maxAnswer {
		err = fmt.Errorf("%s has more than %d octets", url, maxAnswer)
	}
	return resp.StatusCode, b, err
}

// report tells the server how the step that runs is going: pairs of names and
// values come after the state. A report that is lost is lost.
func (a *Agent) report(ctx context.Context, state string, pairs ...string) {
	q := url.Values{"state": {state}}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], cut(pairs[i+1], maxText))
	}
	_, _, err := a.ask(ctx, http.MethodGet, a.Config.url("step/"+a.begun+"?"+q.Encode()), nil)
	a.told(err)
}

// sendLog gives the server what was on the screen.
func (a *Agent) sendLog(ctx context.Context) {
	s := a.log.String()
	_, _, err := a.ask(ctx, http.MethodPost, a.Config.url("log"), strings.NewReader(s[max(0, len(s)-maxLog):]))
	a.told(err)
}

// told says once that the server does not hear.
func (a *Agent) told(err error) {
	if err != nil && !a.dumb {
		a.say("the server could not be told; the install goes on: %v", err)
		a.dumb = true
	}
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// percentOf reads how far dism has come from a line of its bar,
// "[=====     12.0%      ]"; -1 if it is another line.
func percentOf(s string) int {
	m := regexp.MustCompile(`^\[[= ]*(\d{1,3})(?:\.\d+)?%[= ]*\]`).FindStringSubmatch(s)
	if m == nil {
		return -1
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return -1
	}
	return n
}

// percent reports every tenth part that a program has come to.
func (a *Agent) percent(ctx context.Context) func(string) {
	next := 10
	return func(line string) { next = a.progress(ctx, percentOf(line), next) }
}

// progress reports a percentage, if it has come to the next that is to be told,
// and gives the one after that.
func (a *Agent) progress(ctx context.Context, n, next int) int {
	if n < next {
		return next
	}
	a.say("  %d %%", n)
	a.report(ctx, "progress", "percent", strconv.Itoa(n))
	return n/10*10 + 10
}
