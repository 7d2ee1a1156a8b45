package diag

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Ruleset is a host's firewall as far as it can be read.
type Ruleset struct {
	chains []*chain
	sets   map[string]any // by family, table and name
}

// chain is one of its chains. Base chains have a hook.
type chain struct {
	key    string // family, table, name
	hook   string
	policy string
	rules  []rule
}

// rule is a list of statements, as nft's JSON has them.
type rule []map[string]any

// Flow is a packet that a firewall is asked about.
type Flow struct {
	Proto       string // udp or tcp
	Port        uint16
	Iface       string
	Established bool // an answer, or what belongs to a conversation
}

// Pass says what a firewall makes of a flow.
type Pass string

// What a firewall makes of a flow. Unsure is a chain that drops what no rule
// lets through, and has rules that cannot be judged from here.
const (
	Passes Pass = "passes"
	Drops  Pass = "drops"
	Unsure Pass = "unsure"
)

// ParseNFT reads what "nft -j list ruleset" prints.
func ParseNFT(b []byte) (*Ruleset, error) {
	var doc struct {
		Objects []map[string]json.RawMessage `json:"nftables"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("reading the rules of nft: %v", err)
	}
	r := &Ruleset{sets: map[string]any{}}
	for _, o := range doc.Objects {
		if err := r.add(o); err != nil {
			return nil, fmt.Errorf("reading the rules of nft: %v", err)
		}
	}
	return r, nil
}

func (r *Ruleset) add(o map[string]json.RawMessage) error {
	if raw, ok := o["chain"]; ok {
		var c struct{ Family, Table, Name, Hook, Policy string }
		if err := json.Unmarshal(raw, &c); err != nil {
			return err
		}
		if c.Family != "ip6" && c.Family != "arp" && c.Family != "bridge" && c.Family != "netdev" {
			r.chains = append(r.chains, &chain{key: c.Family + " " + c.Table + " " + c.Name, hook: c.Hook, policy: c.Policy})
		}
	}
	if raw, ok := o["set"]; ok {
		var s struct {
			Family, Table, Name string
			Elem                []any
		}
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		r.sets[s.Family+" "+s.Table+" @"+s.Name] = map[string]any{"set": s.Elem}
	}
	if raw, ok := o["rule"]; ok {
		var u struct {
			Family, Table, Chain string
			Expr                 rule
		}
		if err := json.Unmarshal(raw, &u); err != nil {
			return err
		}
		if c := r.chain(u.Family + " " + u.Table + " " + u.Chain); c != nil {
			c.rules = append(c.rules, u.Expr)
		}
	}
	return nil
}

func (r *Ruleset) chain(key string) *chain {
	for _, c := range r.chains {
		if c.key == key {
			return c
		}
	}
	return nil
}

// Judge says what becomes of a packet that comes in, and by which chain.
func (r *Ruleset) Judge(f Flow) (Pass, string) {
	worst, where := Passes, ""
	for _, c := range r.chains {
		if c.hook != "input" {
			continue
		}
		pass := r.base(c, f)
		if pass == Drops || pass == Unsure && worst == Passes {
			worst, where = pass, c.key
		}
	}
	return worst, where
}

func (r *Ruleset) base(c *chain, f Flow) Pass {
	w := &eval{rules: r, flow: f}
	end := w.run(c, 0)
	if end == "" && c.policy == "drop" {
		end = "drop"
	}
	switch {
	case end == "drop" && w.unsure:
		return Unsure
	case end == "drop":
		return Drops
	}
	return Passes
}

// eval is a packet on its way through a base chain.
type eval struct {
	rules  *Ruleset
	flow   Flow
	unsure bool // a rule that may have let it through could not be judged
}

// run goes through a chain: "accept", "drop", or "" for its end.
func (e *eval) run(c *chain, depth int) string {
	if depth > 16 {
		return ""
	}
	for _, u := range c.rules {
		end, done := e.rule(c, u, depth)
		if done {
			return end
		}
	}
	return ""
}

// rule carries out one rule; done is false where the next one follows.
func (e *eval) rule(c *chain, u rule, depth int) (end string, done bool) {
	sure := true
	for _, s := range u {
		for name, arg := range s {
			switch name {
			case "match":
				switch e.match(c, arg) {
				case no:
					return "", false
				case maybe:
					sure = false
				}
			case "counter", "log", "comment", "meta", "ct count":
			case "accept", "drop", "reject", "return", "jump", "goto":
				return e.verdict(c, name, arg, sure, depth)
			case "vmap":
				return e.vmap(c, arg, sure, depth)
			default:
				sure = false
			}
		}
	}
	return "", false
}

// verdict carries out what a rule ends in. What drops some packets of a kind,
// by their source or their rate, is not held against it.
func (e *eval) verdict(c *chain, name string, arg any, sure bool, depth int) (string, bool) {
	switch name {
	case "accept":
		e.unsure = e.unsure || !sure
		return "accept", sure
	case "drop", "reject":
		return "drop", sure
	case "return":
		return "", sure
	}
	to, _ := arg.(map[string]any)
	target, _ := to["target"].(string)
	next := e.rules.chain(c.key[:strings.LastIndexByte(c.key, ' ')+1] + target)
	if next == nil {
		return "", false
	}
	end := e.run(next, depth+1)
	switch {
	case end == "accept" && !sure:
		e.unsure = true
		return "", false
	case end != "" && sure:
		return end, true
	}
	return "", name == "goto" && sure
}

func (e *eval) vmap(c *chain, arg any, sure bool, depth int) (string, bool) {
	m, _ := arg.(map[string]any)
	data, _ := m["data"].(map[string]any)
	entries, _ := data["set"].([]any)
	for _, entry := range entries {
		pair, _ := entry.([]any)
		if len(pair) != 2 {
			continue
		}
		is := e.compare(c, m["key"], pair[0])
		if is == no {
			continue
		}
		then, _ := pair[1].(map[string]any)
		for name, to := range then {
			if end, done := e.verdict(c, name, to, sure && is == yes, depth); done {
				return end, true
			}
		}
	}
	return "", false
}

// truth is whether a packet matches.
type truth int

const (
	no truth = iota
	yes
	maybe
)

func (e *eval) match(c *chain, arg any) truth {
	m, _ := arg.(map[string]any)
	op, _ := m["op"].(string)
	is := e.compare(c, m["left"], m["right"])
	if op == "!=" && is != maybe {
		return yes - is
	}
	if op != "==" && op != "in" && op != "!=" {
		return maybe
	}
	return is
}

// compare compares a property of the packet with what a rule names.
func (e *eval) compare(c *chain, left, right any) truth {
	l, _ := left.(map[string]any)
	if p, ok := l["payload"].(map[string]any); ok {
		return e.payload(c, p, right)
	}
	if m, ok := l["meta"].(map[string]any); ok {
		switch m["key"] {
		case "l4proto":
			return e.among(c, e.flow.Proto, right)
		case "nfproto":
			return e.among(c, "ipv4", right)
		case "iifname", "iif":
			return e.among(c, e.flow.Iface, right)
		}
		return maybe
	}
	if ct, ok := l["ct"].(map[string]any); ok && ct["key"] == "state" {
		state := "new"
		if e.flow.Established {
			state = "established"
		}
		return e.among(c, state, right)
	}
	return maybe
}

func (e *eval) payload(c *chain, p map[string]any, right any) truth {
	proto, _ := p["protocol"].(string)
	switch {
	case p["field"] == "dport" && (proto == "udp" || proto == "tcp") && proto != e.flow.Proto:
		return no
	case p["field"] == "dport":
		return e.among(c, e.flow.Port, right)
	case proto == "ip" && p["field"] == "protocol":
		return e.among(c, e.flow.Proto, right)
	case proto == "icmp", proto == "icmpv6", proto == "ip6", proto == "tcp" && e.flow.Proto != "tcp", proto == "udp" && e.flow.Proto != "udp":
		return no
	}
	return maybe
}

// among reports whether a value is one of those that a rule names: a value, a
// list, a set, a range.
func (e *eval) among(c *chain, value, right any) truth {
	switch r := right.(type) {
	case string:
		if strings.HasPrefix(r, "@") {
			set, ok := e.rules.sets[c.key[:strings.LastIndexByte(c.key, ' ')+1]+r]
			if !ok {
				return maybe
			}
			return e.among(c, value, set)
		}
		if star, ok := strings.CutSuffix(r, "*"); ok {
			return truthOf(strings.HasPrefix(fmt.Sprint(value), star))
		}
		return truthOf(fmt.Sprint(value) == r || portNamed(value, r))
	case float64:
		return truthOf(fmt.Sprint(value) == strconv.FormatFloat(r, 'f', -1, 64))
	case []any:
		return e.any(c, value, r)
	case map[string]any:
		if list, ok := r["set"].([]any); ok {
			return e.any(c, value, list)
		}
		if ends, ok := r["range"].([]any); ok && len(ends) == 2 {
			first, ok1 := ends[0].(float64)
			last, ok2 := ends[1].(float64)
			port, ok3 := value.(uint16)
			if ok1 && ok2 && ok3 {
				return truthOf(first <= float64(port) && float64(port) <= last)
			}
		}
	}
	return maybe
}

func (e *eval) any(c *chain, value any, list []any) truth {
	out := no
	for _, r := range list {
		switch e.among(c, value, r) {
		case yes:
			return yes
		case maybe:
			out = maybe
		}
	}
	return out
}

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// portNamed: older nft prints the names of /etc/services.
func portNamed(value any, name string) bool {
	port, ok := value.(uint16)
	return ok && map[string]uint16{"bootps": 67, "tftp": 69, "http": 80, "https": 443, "http-alt": 8080}[name] == port && name != ""
}

// ParseIPTables reads what "iptables -S" prints.
func ParseIPTables(text string) *Ruleset {
	r := &Ruleset{sets: map[string]any{}}
	get := func(name string) *chain {
		key := "iptables filter " + name
		if c := r.chain(key); c != nil {
			return c
		}
		c := &chain{key: key}
		if name == "INPUT" {
			c.hook = "input"
		}
		r.chains = append(r.chains, c)
		return c
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 3 && f[0] == "-P":
			get(f[1]).policy = strings.ToLower(f[2])
		case len(f) >= 2 && f[0] == "-N":
			get(f[1])
		case len(f) >= 4 && f[0] == "-A":
			c := get(f[1])
			c.rules = append(c.rules, iptablesRule(f[2:]))
		}
	}
	return r
}

// iptablesRule turns a rule of iptables into nft's form. What is not known
// becomes a statement that cannot be judged.
func iptablesRule(f []string) rule {
	var u rule
	proto := ""
	equal := func(left map[string]any, right any) {
		u = append(u, map[string]any{"match": map[string]any{"op": "==", "left": left, "right": right}})
	}
	for i := 0; i < len(f); i++ {
		next := ""
		if i+1 < len(f) {
			next = f[i+1]
		}
		switch f[i] {
		case "-p":
			proto = next
			equal(map[string]any{"meta": map[string]any{"key": "l4proto"}}, next)
		case "-i":
			equal(map[string]any{"meta": map[string]any{"key": "iifname"}}, strings.Replace(next, "+", "*", 1))
		case "--dport", "--dports":
			equal(map[string]any{"payload": map[string]any{"protocol": proto, "field": "dport"}}, ports(next))
		case "--state", "--ctstate":
			equal(map[string]any{"ct": map[string]any{"key": "state"}}, words(strings.ToLower(next)))
		case "-j", "-g":
			return append(u, iptablesVerdict(f[i], next))
		case "-m", "--comment":
			if !slices.Contains([]string{"udp", "tcp", "multiport", "state", "conntrack", "comment"}, next) && f[i] == "-m" {
				u = append(u, map[string]any{"unknown": next})
			}
		default:
			u = append(u, map[string]any{"unknown": f[i]})
		}
		i++
	}
	return u
}

func iptablesVerdict(how, target string) map[string]any {
	switch target {
	case "ACCEPT", "DROP", "REJECT", "RETURN":
		return map[string]any{strings.ToLower(target): nil}
	case "LOG", "NFLOG":
		return map[string]any{"log": nil}
	}
	if how == "-g" {
		return map[string]any{"goto": map[string]any{"target": target}}
	}
	return map[string]any{"jump": map[string]any{"target": target}}
}

func words(list string) (all []any) {
	for _, w := range strings.Split(list, ",") {
		all = append(all, w)
	}
	return all
}

func ports(list string) any {
	var all []any
	for _, w := range strings.Split(list, ",") {
		first, last, isRange := strings.Cut(w, ":")
		a, err := strconv.ParseFloat(first, 64)
		b, err2 := strconv.ParseFloat(last, 64)
		switch {
		case err != nil:
			all = append(all, w)
		case isRange && err2 == nil:
			all = append(all, map[string]any{"range": []any{a, b}})
		default:
			all = append(all, a)
		}
	}
	return map[string]any{"set": all}
}
