// Package archtest holds who may import whom. The table is the map of the
// house: a line that does not know its room fails here, with the reason.
package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "hobnail/internal/"

// room is what one package may use.
type room struct {
	name string
	may  string // the rooms it may import, without what lies below wire
	pure bool   // no socket, file, clock, log, lock, randomness
	why  string // printed when it is broken
}

// rooms, from the bottom up. A package that is not here fails: add its row
// together with its reason.
var rooms = []room{
	{"wire/dhcp4", "", true, "codecs stand on the standard library alone, so that anybody can check them"},
	{"wire/pxe", "", true, "codecs stand on the standard library alone, so that anybody can check them"},
	{"wire/tftp", "", true, "codecs stand on the standard library alone, so that anybody can check them"},
	{"wire/wiretest", "", false, "fixtures for tests; only tests import it"},
	{"model", "", true, "the nouns know nobody and do nothing"},
	{"answer", "", true, "data and a template become text: the same data, the same text, within a counted amount of work"},
	{"bootscript", "model", true, "a menu becomes text: the same menu, the same text"},
	// net for SplitHostPort, which is text to text; wire for the lengths of
	// options, which stand in one table.
	{"config", "bootscript model wire", true, "octets to checked values; who reads the file is the caller's affair"},
	{"classify", "model wire", true, "facts are what the packet says, not what this host is"},
	{"policy", "classify config model wire", true, "the same view, time and facts must give the same decision, in the server and in the simulator"},
	{"reply", "classify model policy wire", true, "a reply is a function of request and decision"},
	{"handover", "config model policy", true, "what is handed over is a function of the configuration and of facts that somebody else gathers"},
	{"sim", "classify config model policy reply wire", true, "the simulator must not be able to ask a socket or a store: that its answer is the server's is worth something only then"},
	{"store", "", false, "keys and values; what they mean is nobody's here"},
	{"store/mem", "store", false, "an engine knows the interface and nothing that is kept by it"},
	{"store/sqlite", "store", false, "an engine knows the interface and nothing that is kept by it"},
	{"store/storetest", "store", false, "what every engine passes; only tests import it"},
	{"regf", "", true, "keys and values to a hive's octets; what they mean is nobody's here"},
	{"regf/regftest", "regf", false, "a reader for tests; only tests import it"},
	{"bcd", "model regf", true, "a boot configuration is a function of its options: the same for the same machine"},
	{"winboot", "model", true, "names of Windows' loaders to files; who opens them is the caller's affair"},
	{"peagent", "model", false, "it runs in Windows PE and goes into every boot.wim: it knows nothing of the server but its answers, and how machines are named"},
	{"peagent/testdata/standin", "", false, "stands in for Windows' programs in a test; it knows nobody"},
	{"peagent/embedded", "model", false, "the agent as octets; what it does is not known here"},
	{"event", "model", false, "the catalogue; whoever emits knows it, it knows nobody"},
	{"lease", "model policy", false, "keeps leases; who gets one is policy's"},
	{"bootfile", "", false, "name to octets; knows neither machines nor configuration"},
	{"netio", "model", false, "sockets, which know nothing of DHCP"},
	{"probe", "model", false, "when to ask for which address; how is netio's, what then is serve/dhcp's"},
	{"nbp", "model", false, "boot programs; which machine gets one is policy's"},
	{"nbp/pack", "nbp", false, "the packer of the build"},
	{"ramdisk", "model", false, "a volume of files it is given"},
	{"image", "answer model treeinfo", false, "what can be installed; which machine gets it is policy's"},
	{"treeinfo", "", false, "what an image says of itself; what comes of it is image's and library's affair"},
	{"isofs", "", false, "octets of an image to files; who they are for is the caller's affair"},
	{"volume", "bootfile image isofs", false, "what lies inside images; which there are is the wiring's affair"},
	{"wim", "model", false, "octets of a WIM; what is in it for whom is the caller's affair"},
	{"library", "store treeinfo", false, "keeps images; what an image is is handed to it, which machine gets one is policy's"},
	{"boots", "classify model", false, "what is remembered of machines that boot now"},
	{"record", "classify model wire", true, "the record of a boot must be the same from the server and from a capture"},
	{"record/recordtest", "model record", false, "boots written down for tests; only tests import it"},
	{"verdict", "model record", true, "the judge sees the record and nothing else: the server and a capture come to the same words"},
	{"history", "event model record store verdict", false, "keeps boots; who tells it of them is the wiring's affair"},
	{"machines", "model store", false, "who is named, who waits, what is ordered; who asks is told to it, and what follows is policy's and the site's"},
	{"learn", "classify event model policy record verdict", false, "what boots have taught; who gets what is policy's"},
	{"web", "history model record verdict", false, "pages of what the keeper has; it changes nothing, and who serves it knows nothing of pages"},
	{"upstream", "classify model policy wire", false, "what is remembered of the site's DHCP servers; what follows from it is policy's"},
	{"windows", "bcd bootfile image model peagent wim winboot", false, "what one machine that boots Windows reads; which machine that is is the site's affair"},
	{"site", "bootfile boots bootscript classify image model nbp policy ramdisk winboot windows", false, "what a name means here; serves nothing itself"},
	{"serve/dhcp", "boots classify config event model netio policy reply upstream wire", false, "loops: they know the path of a packet, and not each other"},
	{"serve/http", "bootfile event", false, "loops: they know the path of a request, and not each other"},
	{"serve/tftp", "bootfile event wire", false, "loops: they know the path of a request, and not each other"},
	{"serve/metrics", "event", false, "counts events; knows nothing else of the loops"},
	{"control", "model", false, "carries requests to the server that runs; what is done is the caller's affair"},
	{"diag", "classify model record sim verdict wire", true, "what was heard and found becomes findings: the same here, in a test and in the console"},
	{"diag/walk", "diag model nbp netio record sim verdict wire", false, "a client on the network; what its walk means is diag's"},
	{"diag/host", "diag netio wire", false, "asks this host; what the answers mean is diag's"},
	{"certificate", "", false, "keys and certificates in files; what they are for is the caller's affair"},
	{"app", "answer bootfile boots bootscript certificate classify config control diag diag/host event handover history image isofs learn lease library machines model nbp netio peagent/embedded policy probe ramdisk record serve site store store/sqlite upstream volume web wim windows wire", false, "the wiring: the only room that knows all"},
	{"capture", "classify history model record verdict wire", true, "octets of a capture to judged boots; who opens the file is the caller's affair"},
	{"cli", "app capture classify config diag diag/walk handover image library machines model nbp netio policy sim verdict wire", false, "flags in, text out: no decision is taken here"},
	{"dhcpsim", "boots classify config event lease model netio policy reply serve wire", false, "a site by chance, with the real server in it; hobnail does not know it"},
	{"lab/link", "", false, "a cable knows nothing of what passes"},
	{"lab", "lab/link", false, "the lab treats hobnail as any other server: from outside"},
	{"bench/dhcpload", "netio wire", false, "load comes from outside, over the wire"},
	{"bench/tftpload", "wire", false, "load comes from outside, over the wire"},
	{"bench/httpload", "", false, "load comes from outside, over the wire"},
	{"bench", "bench/dhcpload bench/httpload bench/tftpload lab lab/link", false, "servers are measured from outside, hobnail as the others"},
	{"lab/demo", "lab", false, "the lab treats hobnail as any other server: from outside"},
}

// impure is what a pure room may not import.
var impure = []string{
	"net", "net/http", "os", "os/exec", "io/ioutil", "log", "log/slog", "syscall", "sync", "sync/atomic",
	"math/rand", "math/rand/v2", "crypto/rand", "database/sql", "context", "unsafe",
}

func TestImports(t *testing.T) {
	seen := map[string]bool{}
	eachFile(t, func(name, file string, tree *ast.File) {
		seen[name] = true
		i := slices.IndexFunc(rooms, func(r room) bool { return r.name == name })
		if i < 0 {
			t.Errorf("%s: package %s has no row in the table of rooms", file, name)
			return
		}
		r := rooms[i]
		for _, spec := range tree.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !r.allows(imported) {
				t.Errorf("%s imports %s: %s", file, imported, r.why)
			}
		}
		if r.pure {
			noClock(t, file, tree, r.why)
		}
	})
	for _, r := range rooms {
		if !seen[r.name] {
			t.Errorf("room %s is in the table but not in the house", r.name)
		}
	}
}

// TestTableCanFail: the test above finds what it is there for.
func TestTableCanFail(t *testing.T) {
	policy := rooms[slices.IndexFunc(rooms, func(r room) bool { return r.name == "policy" })]
	for imported, want := range map[string]bool{
		"net/netip": true, "time": true, module + "model": true, module + "wire/dhcp4": true,
		"os": false, "log/slog": false, module + "lease": false, module + "netio": false, module + "wire/wiretest": false,
	} {
		if got := policy.allows(imported); got != want {
			t.Errorf("policy may import %s: %v, want %v", imported, got, want)
		}
	}
}

func (r room) allows(imported string) bool {
	if r.name == "config" && imported == "net" {
		return true
	}
	own, ours := strings.CutPrefix(imported, module)
	switch {
	case !ours:
		return !r.pure || !slices.Contains(impure, imported)
	case own == "wire/wiretest" || own == "store/storetest":
		return false
	}
	may := strings.Fields(r.may)
	top, _, _ := strings.Cut(own, "/")
	return slices.Contains(may, own) || (top == "wire" || top == "serve") && slices.Contains(may, top)
}

// noClock refuses what tells the time: in a pure room time is an argument.
func noClock(t *testing.T, file string, tree *ast.File, why string) {
	ast.Inspect(tree, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := s.X.(*ast.Ident)
		if ok && pkg.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "NewTimer", "NewTicker", "Sleep", "AfterFunc", "Tick"}, s.Sel.Name) {
			t.Errorf("%s uses time.%s: %s", file, s.Sel.Name, why)
		}
		return true
	})
}

// eachFile visits every file that is not a test's.
func eachFile(t *testing.T, visit func(name, file string, tree *ast.File)) {
	t.Helper()
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			return err
		}
		name := path.Dir(strings.TrimPrefix(filepath.ToSlash(file), "../"))
		visit(name, file, tree)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
