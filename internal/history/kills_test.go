package history

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/store/sqlite"
)

// Environment of TestKills: how often it kills, and, in the process that it
// kills, which file that keeps its boots in.
const (
	killsEnv = "HOBNAIL_HISTORY_KILLS"
	childEnv = "HOBNAIL_HISTORY_CHILD"
)

// commitTime is how long a commit may take beyond the second between two:
// machines that test have one disk for all.
const commitTime = 2 * time.Second

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
	}
	os.Exit(m.Run())
}

// child is a server's history under load: 300 machines begin in each second,
// until it is killed. It says which steps it was given, and what was saved.
func child(path string) {
	s, err := sqlite.Open(path)
	if err != nil {
		fmt.Println("fault", err)
		os.Exit(1)
	}
	fmt.Println("opened")
	k := New(telling{NewArchive(s, DefaultLimits())}, time.Now)
	k.Fault = func(err error) { fmt.Println("fault", err) }
	go k.Run(context.Background())
	if _, err := k.Restore(context.Background(), 200); err != nil {
		fmt.Println("fault", err)
	}
	for i := rand.IntN(1 << 20); ; i++ {
		all := story(i, time.Now())
		for n, s := range all[:20] { // they go on when it is killed
			s.step.Time = time.Now()
			k.Step(s.who, s.step)
			if n == 0 || n == 19 {
				fmt.Println("given", s.step.Time.UnixMicro(), s.who.MAC, n)
			}
		}
		time.Sleep(time.Second / 300)
	}
}

// telling is an archive that says what it saved.
type telling struct{ *StoreArchive }

func (a telling) Save(boots []Saved) error {
	err := a.StoreArchive.Save(boots)
	if err == nil {
		var out bytes.Buffer
		for _, b := range boots {
			fmt.Fprintln(&out, "saved", b.ID, len(b.Steps))
		}
		os.Stdout.Write(out.Bytes())
	}
	return err
}

// TestKills kills a process that keeps boots under load, at a moment by
// chance, again and again on the same file. What was given to it more than a
// second before is there, what it said was saved is there as it was, and the
// next one goes on.
func TestKills(t *testing.T) {
	kills := 20
	if s := os.Getenv(killsEnv); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	} else if testing.Short() {
		t.Skip("it takes ten seconds")
	}
	const lanes = 5 // files; most of the time is waiting
	var all sync.WaitGroup
	var mu sync.Mutex
	sum := tally{}
	for lane := range lanes {
		path := filepath.Join(t.TempDir(), "history.db")
		all.Go(func() {
			for n := lane; n < kills && !t.Failed(); n += lanes {
				one := killOnce(t, path)
				mu.Lock()
				sum.add(one)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	t.Logf("%d kills, %d machines: %d boots were said to be saved, and all are there; the oldest step that was lost came %v before the kill; a file opened after at most %v",
		sum.kills, sum.given/2, sum.saved, sum.oldest.Round(time.Millisecond), sum.slowest.Round(time.Millisecond))
	if sum.oldest > pace+commitTime {
		t.Errorf("more is lost than what came in the second before, and while that was written")
	}
	if sum.oldest == 0 || sum.saved == 0 {
		t.Error("nothing was given or saved in time: it proves nothing")
	}
}

type tally struct {
	kills, given, saved int
	oldest              time.Duration // that a lost step was when the process was killed
	slowest             time.Duration // to open the file
}

func (s *tally) add(o tally) {
	s.kills += o.kills
	s.given += o.given
	s.saved += o.saved
	s.oldest = max(s.oldest, o.oldest)
	s.slowest = max(s.slowest, o.slowest)
}

// killOnce lets a process run on a file for a while, kills it, and looks what
// is there.
func killOnce(t *testing.T, path string) tally {
	c := exec.Command(os.Args[0], "-test.run=^$")
	c.Env = append(os.Environ(), childEnv+"="+path)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Error(err)
		return tally{}
	}
	if err := c.Start(); err != nil {
		t.Error(err)
		return tally{}
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != "opened\n" {
		t.Errorf("it does not start: %q, %v", line, err)
	}
	var killed time.Time
	wait := 1200*time.Millisecond + rand.N(2*time.Second)
	timer := time.AfterFunc(wait, func() { killed = time.Now(); _ = c.Process.Kill() })
	defer timer.Stop()
	given, saved := map[string]time.Time{}, map[string]int{}
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // a half line is none
		}
		switch f := strings.Fields(line); {
		case f[0] == "given" && len(f) == 4:
			us, _ := strconv.ParseInt(f[1], 10, 64)
			given[f[2]+" "+f[3]] = time.UnixMicro(us)
		case f[0] == "saved" && len(f) == 3:
			saved[f[1]], _ = strconv.Atoi(f[2])
		default:
			t.Errorf("it said %q", line)
		}
	}
	_ = c.Wait()
	return look(t, path, killed, given, saved)
}

// look opens the file as the next server does, and compares.
func look(t *testing.T, path string, killed time.Time, given map[string]time.Time, saved map[string]int) tally {
	got := tally{kills: 1, given: len(given), saved: len(saved)}
	begin := time.Now()
	s, err := sqlite.Open(path)
	if err != nil {
		t.Error(err)
		return got
	}
	defer s.Close()
	got.slowest = time.Since(begin)
	a := NewArchive(s, DefaultLimits())
	steps := map[model.MAC]int{}
	if err := a.List(func(b *model.Boot) bool {
		whole, err := a.Load(b.ID)
		if err != nil {
			t.Error(err)
			return false
		}
		steps[b.MAC] = max(steps[b.MAC], len(whole.Steps))
		if n, ok := saved[b.ID]; ok && len(whole.Steps) < n {
			t.Errorf("boot %s has %d steps, and was saved with %d", b.ID, len(whole.Steps), n)
		}
		delete(saved, b.ID)
		return true
	}); err != nil {
		t.Error(err)
	}
	for id := range saved {
		t.Errorf("boot %s was saved and is not there", id)
	}
	for what, at := range given {
		mac, n, _ := strings.Cut(what, " ")
		want := 1
		if n == "19" {
			want = 10 // as the record joins them
		}
		if steps[model.MAC(mac)] < want {
			got.oldest = max(got.oldest, killed.Sub(at))
		}
	}
	return got
}
