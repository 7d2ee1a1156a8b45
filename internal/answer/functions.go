package answer

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// function is one of the fixed list that a template may call.
type function struct {
	usage       string // its arguments, as people read them
	least, most int    // how many; most -1 is without bound
	absent      bool   // it takes a variable that is not set
	slow        bool   // it looks at each character
	call        func(d *Data, args []value) (value, error)
}

// quotingNames are named where a text lacks quoting.
const quotingNames = "sh, preseed, kickstart, yaml, json, toml, xml, powershell, base64 or host"

// functions are all there are. Arguments come as in text/template: the last is
// what stands before a |.
var functions = map[string]function{
	// Choices.
	"default": {usage: "FALLBACK TEXT", least: 2, most: 2, absent: true, call: orElse},
	"and":     {usage: "VALUE…", least: 1, most: -1, call: and},
	"or":      {usage: "VALUE…", least: 1, most: -1, call: or},
	"not":     {usage: "VALUE", least: 1, most: 1, call: not},
	"eq":      {usage: "TEXT TEXT…", least: 2, most: -1, call: eq},
	"ne":      {usage: "TEXT TEXT", least: 2, most: 2, call: ne},
	"has":     {usage: "PART TEXT", least: 2, most: 2, slow: true, call: has},
	"fail":    {usage: "TEXT", least: 1, most: 1, call: fail},

	// Texts.
	"lower":   texts("TEXT", 1, func(_ *Data, t []string) (string, error) { return strings.ToLower(t[0]), nil }),
	"upper":   texts("TEXT", 1, func(_ *Data, t []string) (string, error) { return strings.ToUpper(t[0]), nil }),
	"trim":    texts("TEXT", 1, func(_ *Data, t []string) (string, error) { return strings.TrimSpace(t[0]), nil }),
	"replace": texts("OLD NEW TEXT", 3, replace),
	"indent":  texts("SPACES TEXT", 2, indent),
	"fill":    texts("PATTERN", 1, fill),
	"concat":  {usage: "TEXT…", least: 1, most: -1, call: concat},
	"split":   {usage: "SEPARATOR TEXT", least: 2, most: 2, slow: true, call: split},
	"words":   {usage: "TEXT", least: 1, most: 1, slow: true, call: words},
	"lines":   {usage: "TEXT", least: 1, most: 1, slow: true, call: lines},
	"join":    {usage: "SEPARATOR LIST", least: 2, most: 2, call: join},

	// Parts of a URL.
	"urlscheme": urlPart(func(u *url.URL) string { return u.Scheme }),
	"urlhost":   urlPart(func(u *url.URL) string { return u.Host }),
	"urlpath":   urlPart(func(u *url.URL) string { return u.Path }),

	// Quoting: what comes out is one text of that language, whatever goes in.
	"sh":         quoting(sh),
	"kickstart":  quoting(sh),
	"preseed":    quoting(preseed),
	"yaml":       quoting(yaml),
	"json":       quoting(json),
	"toml":       quoting(toml),
	"xml":        quoting(xml),
	"powershell": quoting(powershell),
	"base64":     quoting(base64Text),
	"host":       quoting(func(s string) (string, error) { return host(s, 63) }),
	"netbios":    quoting(netbios),
	"login":      quoting(login),
	"package":    quoting(packageName),
	"raw":        quoting(func(s string) (string, error) { return s, nil }),
}

// texts makes a function of texts. Its result is as safe as all that went in.
func texts(usage string, n int, f func(d *Data, t []string) (string, error)) function {
	return function{usage: usage, least: n, most: n, slow: true, call: func(d *Data, args []value) (value, error) {
		in, safe, err := allTexts(args)
		if err != nil {
			return nil, err
		}
		out, err := f(d, in)
		return text{out, safe}, err
	}}
}

// quoting makes a function whose result may be printed.
func quoting(f func(string) (string, error)) function {
	return function{usage: "TEXT", least: 1, most: 1, slow: true, call: func(_ *Data, args []value) (value, error) {
		t, err := asText(args[0])
		if err != nil {
			return nil, err
		}
		out, err := f(t.s)
		return text{out, true}, err
	}}
}

func urlPart(part func(*url.URL) string) function {
	return texts("URL", 1, func(_ *Data, t []string) (string, error) {
		u, err := url.Parse(t[0])
		if err != nil || u.Host == "" || u.User != nil {
			return "", fmt.Errorf("%.100q is no URL with a host", t[0])
		}
		return part(u), nil
	})
}

func allTexts(args []value) (all []string, safe bool, err error) {
	safe = true
	for _, a := range args {
		t, err := asText(a)
		if err != nil {
			return nil, false, err
		}
		all, safe = append(all, t.s), safe && t.safe
	}
	return all, safe, nil
}

// orElse is default: the text, or the fallback where it is empty or not set.
func orElse(_ *Data, args []value) (value, error) {
	if _, ok := args[1].(absent); !ok {
		yes, err := isTrue(args[1])
		if yes || err != nil {
			return args[1], err
		}
	}
	if name, ok := args[0].(absent); ok {
		return nil, unset(string(name))
	}
	return args[0], nil
}

func and(_ *Data, args []value) (value, error) { return pick(args, false) }
func or(_ *Data, args []value) (value, error)  { return pick(args, true) }

// pick is the first value that is true, or that is not; else the last.
func pick(args []value, want bool) (value, error) {
	for _, a := range args {
		yes, err := isTrue(a)
		if err != nil || yes == want {
			return a, err
		}
	}
	return args[len(args)-1], nil
}

func not(_ *Data, args []value) (value, error) {
	yes, err := isTrue(args[0])
	return truth(!yes), err
}

// eq is true where the first text is one of the others.
func eq(_ *Data, args []value) (value, error) {
	t, _, err := allTexts(args)
	if err != nil {
		return nil, err
	}
	for _, other := range t[1:] {
		if t[0] == other {
			return truth(true), nil
		}
	}
	return truth(false), nil
}

func ne(d *Data, args []value) (value, error) {
	same, err := eq(d, args)
	if err != nil {
		return nil, err
	}
	return !same.(truth), nil
}

func has(_ *Data, args []value) (value, error) {
	t, _, err := allTexts(args)
	if err != nil {
		return nil, err
	}
	return truth(strings.Contains(t[1], t[0])), nil
}

func fail(_ *Data, args []value) (value, error) {
	t, err := asText(args[0])
	if err != nil {
		return nil, err
	}
	return nil, errors.New(t.s)
}

func replace(_ *Data, t []string) (string, error) {
	if t[0] == "" {
		return "", errors.New("there is no text to look for")
	}
	if grown := len(t[2]) + strings.Count(t[2], t[0])*(len(t[1])-len(t[0])); grown > MaxOutput {
		return "", tooLong()
	}
	return strings.ReplaceAll(t[2], t[0], t[1]), nil
}

func tooLong() error { return fmt.Errorf("the text gets longer than %d bytes", MaxOutput) }

// indent puts spaces before each line but the first, which the template
// indents.
func indent(_ *Data, t []string) (string, error) {
	n, err := strconv.Atoi(t[0])
	if err != nil || n < 0 || n > 80 {
		return "", errors.New("spaces are a number from 0 to 80")
	}
	return replace(nil, []string{"\n", "\n" + strings.Repeat(" ", n), t[1]})
}

// fill puts what is known of a machine into a pattern: {name} (the MAC address
// where nobody named it), {mac}, {mac6}, {serial}, {uuid}, {arch}, {address}.
func fill(d *Data, t []string) (string, error) {
	mac := strings.ReplaceAll(d.Machine.MAC, ":", "")
	facts := map[string]string{
		"name": cmp.Or(d.Machine.Name, mac), "mac": mac, "mac6": mac[max(0, len(mac)-6):], "serial": d.Machine.Serial,
		"uuid": d.Machine.UUID, "arch": d.Machine.Arch, "address": d.Machine.Address,
	}
	var out strings.Builder
	for rest := t[0]; ; {
		before, after, open := strings.Cut(rest, "{")
		out.WriteString(before)
		if !open {
			return out.String(), nil
		}
		word, tail, closed := strings.Cut(after, "}")
		fact, known := facts[word]
		switch {
		case !closed || !known:
			return "", fmt.Errorf("{%.20s is none of {name} {mac} {mac6} {serial} {uuid} {arch} {address}", after)
		case fact == "":
			return "", fmt.Errorf("this machine's %s is not known", word)
		}
		out.WriteString(fact)
		if out.Len() > MaxOutput {
			return "", tooLong()
		}
		rest = tail
	}
}

func concat(_ *Data, args []value) (value, error) {
	t, safe, err := allTexts(args)
	if err != nil {
		return nil, err
	}
	return joined(t, "", safe)
}

func joined(t []string, separator string, safe bool) (value, error) {
	n := 0
	for _, s := range t {
		if n += len(s) + len(separator); n > MaxOutput {
			return nil, tooLong()
		}
	}
	return text{strings.Join(t, separator), safe}, nil
}

// maxList is how many elements a list may have.
const maxList = 10_000

func split(_ *Data, args []value) (value, error) {
	t, _, err := allTexts(args)
	if err != nil {
		return nil, err
	}
	if t[0] == "" {
		return nil, errors.New("there is no text to split at")
	}
	if t[1] == "" {
		return list{}, nil
	}
	return parts(strings.SplitN(t[1], t[0], maxList+1), args[1])
}

// words splits at spaces and commas of any number.
func words(_ *Data, args []value) (value, error) {
	t, err := asText(args[0])
	if err != nil {
		return nil, err
	}
	return parts(strings.FieldsFunc(t.s, func(r rune) bool { return strings.ContainsRune(" ,\t\r\n", r) }), t)
}

// lines are the lines with something on them, without spaces around.
func lines(_ *Data, args []value) (value, error) {
	t, err := asText(args[0])
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.SplitSeq(t.s, "\n") {
		if line = strings.Trim(line, " \t\r"); line != "" {
			all = append(all, line)
		}
	}
	return parts(all, t)
}

func parts(all []string, of value) (value, error) {
	if len(all) > maxList {
		return nil, fmt.Errorf("the list has more than %d elements", maxList)
	}
	l := make(list, len(all))
	for i, s := range all {
		l[i] = text{s, of.(text).safe}
	}
	return l, nil
}

func join(_ *Data, args []value) (value, error) {
	separator, err := asText(args[0])
	if err != nil {
		return nil, err
	}
	l, ok := args[1].(list)
	if !ok {
		return nil, fmt.Errorf("a list is needed here, and this is %s", args[1].kind())
	}
	all, safe := make([]string, len(l)), separator.safe
	for i, t := range l {
		all[i], safe = t.s, safe && t.safe
	}
	return joined(all, separator.s, safe)
}
