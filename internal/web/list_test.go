package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"hobnail/internal/model"
	"hobnail/internal/verdict"
)

// machines lists the names on a page of the list, in order.
func machines(page string) (names []string) {
	for _, m := range regexp.MustCompile(`<p class="machine"><b><bdi>([^<]*)</bdi>`).FindAllStringSubmatch(page, -1) {
		names = append(names, m[1])
	}
	return names
}

func TestFilter(t *testing.T) {
	c := console(t, newKeeper(demo()...))
	for _, tc := range []struct{ name, query, want string }{
		{"nothing asked for", "", "lab-07 lab-01 a4:bb:6d:10:22:33 reception-pc-with-a-rather-long-name.example.net 00:1b:21:aa:00:17 lab-02 lab-03 kiosk 3c:ec:ef:00:00:09 lab-04"},
		{"a name", "machine=lab-03", "lab-03"},
		{"a part of a name, in any case", "machine=RECEPTION", "reception-pc-with-a-rather-long-name.example.net"},
		{"a MAC address", "machine=52:54:00:12:34:57", "lab-02"},
		{"a MAC address as Windows writes it", "machine=52-54-00-12-34-57", "lab-02"},
		{"a part of a MAC address", "machine=a4:bb", "a4:bb:6d:10:22:33"},
		{"an address", "machine=10.77.2.58", "lab-03"},
		{"blanks around it", "machine=+lab-03+", "lab-03"},
		{"a place", "place=eth1", "kiosk"},
		{"an outcome", "outcome=warning", "lab-03"},
		{"a verdict", "verdict=" + verdict.TransferStalled, "reception-pc-with-a-rather-long-name.example.net"},
		{"two things", "outcome=ok&machine=lab-0", "lab-07 lab-01 lab-02 lab-04"},
		{"what is not there", "machine=lab-99", ""},
		{"a verdict that is none", "verdict=no-such", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := strings.Join(machines(get(t, c, "/?"+tc.query)), " "); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// TestPaging follows the links from page to page: every boot once, in order.
func TestPaging(t *testing.T) {
	boots := many(2*pageSize + 7)
	c := console(t, newKeeper(boots...))
	next := regexp.MustCompile(`<a href="([^"]*)" rel="next">`)
	var got []string
	pages := 0
	for path := "/?outcome=ok&machine=pc-"; path != ""; pages++ {
		page := get(t, c, path)
		if live := strings.Contains(page, "data-live"); live != (pages == 0) {
			t.Errorf("page %d is live: %v", pages+1, live)
		}
		got = append(got, machines(page)...)
		path = ""
		if m := next.FindStringSubmatch(page); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	var want []string
	for _, b := range boots {
		want = append(want, b.Name)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") || pages != 3 {
		t.Errorf("%d pages:\n%v", pages, got)
	}
}

// What is rare is looked for in pieces, none of which takes long.
func TestLookingFarBack(t *testing.T) {
	var boots []*model.Boot
	for i := range lookAt + 10 {
		boots = append(boots, &model.Boot{ID: fmt.Sprintf("%06d", i), Name: "common"})
	}
	boots[3].Name = "rare"
	c := console(t, newKeeper(boots...))
	page := get(t, c, "/?machine=rare")
	if len(machines(page)) != 0 || !strings.Contains(page, "None of the newest 20000 boots") {
		t.Fatal("the first page does not say how far it looked")
	}
	link := regexp.MustCompile(`<a href="([^"]*)" rel="next">Look further back`).FindStringSubmatch(page)
	if link == nil {
		t.Fatal("there is no link to look further back")
	}
	if got := machines(get(t, c, strings.ReplaceAll(link[1], "&amp;", "&"))); len(got) != 1 || got[0] != "rare" {
		t.Errorf("further back there is %v", got)
	}
}

// A filter is only ever a filter: what is in it comes back as text.
func TestFilterComesBackAsText(t *testing.T) {
	c := console(t, newKeeper(demo()...))
	page := get(t, c, "/?machine="+url.QueryEscape(`"><script>alert(1)</script>`)+"&place="+strings.Repeat("x", 4000))
	if strings.Contains(page, "<script>alert") || !strings.Contains(page, `value="&#34;&gt;&lt;script&gt;`) || strings.Contains(page, strings.Repeat("x", 300)) {
		t.Error(page)
	}
}

// TestLine: a line has all that a person asks first, in words.
func TestLine(t *testing.T) {
	page := get(t, console(t, newKeeper(demo()...)), "/?machine=reception")
	text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page[strings.Index(page, "<ol"):strings.Index(page, "</ol>")], "")
	text = strings.Join(strings.Fields(text), " ")
	want := "✕failed: reception-pc-with-a-rather-long-name.example.net: the transfer stalled reception-pc-with-a-rather-long-name.example.net d8:9e:f3:77:01:0c " +
		"at 10.77.2.1 uefi-x64 reached: script 6/ of 8 25 Nov 14:59:05 took 1 min 3 s img/debian-12/linux stopped after block 1022 (1464 KiB): the next was sent again and again and never acknowledged"
	if text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

// A boot that goes on is never shown as failed, whatever it would come to if
// nothing more were heard.
func TestUnderWay(t *testing.T) {
	b := begin(0, "52:54:00:12:34:99", "", "eth0", "bios").discover(0, "firmware", 1).done(false)
	page := get(t, console(t, newKeeper(b)), "/")
	if !strings.Contains(page, `<li id="boot-`+b.ID+`" class="running"`) || !strings.Contains(page, "under way") || strings.Contains(page, "nobody answered</a>") {
		t.Error(page)
	}
}

func TestWaitingForTheLists(t *testing.T) {
	c := console(t, newKeeper(demo()...))
	for range cap(c.lists) {
		c.lists <- struct{}{}
	}
	done := make(chan int)
	go func() { done <- ask(c, "/").Code }()
	<-c.lists
	if code := <-done; code != http.StatusOK {
		t.Errorf("got %d", code)
	}
}
