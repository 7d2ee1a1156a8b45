package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestScripts runs every file of testdata/*.txt: a script, then the files that
// it needs, each below a line "-- NAME --". Scripts run in a folder of their
// own, which $WORK stands for, in this process: no network, no root. $PACKETS
// is the folder of captured packets.
//
//	hobnail ARG…          run a command line, which must exit with 0
//	exits N hobnail ARG…  the same, with another exit code
//	[!] stdout REGEXP     what the last command printed has (has not) a match
//	[!] stderr REGEXP
//	cmp stdout FILE       the last command printed exactly this; stderr likewise
//	program FILE [ARCH]   write a boot program, for the folder's architecture
//	                      or another
//	revoke LIST FILE      write a revocation list that has a boot program
//
// Words are parted by spaces; a word in single quotes may have them.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("finding the scripts: %v, %d files", err, len(files))
	}
	for _, file := range files {
		archive, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			s := newScript(t)
			text, parts := splitArchive(string(archive))
			for name, content := range parts {
				s.write(name, []byte(strings.ReplaceAll(content, "$WORK", s.dir)))
			}
			for i, line := range strings.Split(text, "\n") {
				if err := s.run(line); err != nil {
					t.Fatalf("%s:%d: %s\n%v", file, i+1, line, err)
				}
			}
		})
	}
}

// splitArchive parts a script from its files.
func splitArchive(archive string) (script string, files map[string]string) {
	files = map[string]string{}
	heads := regexp.MustCompile(`(?m)^-- (\S+) --\n`).FindAllStringSubmatchIndex(archive, -1)
	script = archive
	for i, h := range heads {
		if i == 0 {
			script = archive[:h[0]]
		}
		end := len(archive)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		files[archive[h[2]:h[3]]] = archive[h[1]:end]
	}
	return script, files
}

// script is a running script.
type script struct {
	t              *testing.T
	dir, packets   string // absolute
	stdout, stderr string
}

func newScript(t *testing.T) *script {
	t.Helper()
	packets, err := filepath.Abs("../../testdata/packets")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, dir: t.TempDir(), packets: packets}
	t.Chdir(s.dir)
	return s
}

func (s *script) write(name string, content []byte) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// run carries out one line.
func (s *script) run(line string) error {
	words, err := splitWords(line)
	if err != nil || len(words) == 0 || strings.HasPrefix(words[0], "#") {
		return err
	}
	switch {
	case words[0] == "hobnail":
		return s.hobnail(exitOK, words[1:])
	case words[0] == "exits" && len(words) > 2 && words[2] == "hobnail":
		want, err := strconv.Atoi(words[1])
		if err != nil {
			return err
		}
		return s.hobnail(want, words[3:])
	case words[0] == "cmp" && len(words) == 3 && (words[1] == "stdout" || words[1] == "stderr"):
		got := map[string]string{"stdout": s.stdout, "stderr": s.stderr}[words[1]]
		want, err := os.ReadFile(words[2])
		if err != nil {
			return err
		}
		if diff := cmp.Diff(strings.Split(s.portable(string(want)), "\n"), strings.Split(got, "\n")); diff != "" {
			return fmt.Errorf("what was printed (-want +got):\n%s", diff)
		}
		return nil
	case words[0] == "program":
		return s.program(words[1:])
	case words[0] == "revoke":
		return s.revoke(words[1:])
	}
	return s.match(words)
}

// hobnail runs a command line as main does.
func (s *script) hobnail(want int, args []string) error {
	names := strings.NewReplacer("$WORK", s.dir, "$PACKETS", s.packets)
	for i := range args {
		args[i] = names.Replace(args[i])
	}
	var stdout, stderr bytes.Buffer
	code := Run(context.Background(), args, &stdout, &stderr)
	s.stdout, s.stderr = s.portable(stdout.String()), s.portable(stderr.String())
	if code != want {
		return fmt.Errorf("exit code %d, want %d\n%s", code, want, s.output())
	}
	return nil
}

func (s *script) portable(text string) string { return strings.ReplaceAll(text, s.dir, "$WORK") }

func (s *script) output() string {
	return "standard output:\n" + s.stdout + "standard error:\n" + s.stderr
}

// match is for "stdout" and "stderr" and their opposites.
func (s *script) match(words []string) error {
	not := words[0] == "!"
	if not {
		words = words[1:]
	}
	if len(words) != 2 {
		return fmt.Errorf("no such line in scripts")
	}
	text, ok := map[string]string{"stdout": s.stdout, "stderr": s.stderr}[words[0]]
	if !ok {
		return fmt.Errorf("no command %q in scripts", words[0])
	}
	re, err := regexp.Compile("(?m)" + words[1])
	if err != nil {
		return err
	}
	if re.MatchString(text) == not {
		return fmt.Errorf("does not hold\n%s", s.output())
	}
	return nil
}

// splitWords parts a line as the head of TestScripts says.
func splitWords(line string) ([]string, error) {
	var words []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if quoted, ok := strings.CutPrefix(line, "'"); ok {
			word, rest, closed := strings.Cut(quoted, "'")
			if !closed {
				return nil, fmt.Errorf("a quote is not closed")
			}
			words, line = append(words, word), rest
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		words, line = append(words, word), rest
	}
	return words, nil
}
