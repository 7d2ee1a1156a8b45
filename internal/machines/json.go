package machines

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// readJSON reads a list of machines, each an object of what Record has; mac,
// client_id and tags may also be one text, as in CSV.
func readJSON(data []byte) ([]Row, []Fault) {
	d := json.NewDecoder(bytes.NewReader(data))
	lines := lineCounter{data: data}
	if _, err := d.Token(); err != nil {
		return nil, []Fault{jsonFault(err, &lines, d)}
	}
	var rows []Row
	var faults []Fault
	for d.More() {
		line := lines.at(lines.skip(d.InputOffset()))
		var object map[string]json.RawMessage
		if err := d.Decode(&object); err != nil {
			f := jsonFault(err, &lines, d)
			if errors.As(err, new(*json.UnmarshalTypeError)) {
				f = Fault{line, "this is no object; a machine is written as {\"name\": \"lab-01\", \"mac\": [\"52:54:00:12:34:56\"]}"}
			}
			return nil, append(faults, f)
		}
		row, wrong := readObject(object, line)
		for _, text := range wrong {
			faults = append(faults, Fault{line, text})
		}
		rows = append(rows, row)
	}
	if _, err := d.Token(); err != nil {
		return nil, append(faults, jsonFault(err, &lines, d))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		faults = append(faults, Fault{lines.at(d.InputOffset()), "there is more behind the list"})
	}
	return rows, faults
}

func jsonFault(err error, lines *lineCounter, d *json.Decoder) Fault {
	at := d.InputOffset()
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = syntax.Offset
	}
	return Fault{lines.at(at), fmt.Sprintf("this is no JSON: %v", err)}
}

// readObject reads one machine. What export writes of who named it is passed
// over: who imports it names it.
func readObject(object map[string]json.RawMessage, line int) (Row, []string) {
	row := Row{Line: line}
	var faults []string
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		raw := object[key]
		switch key {
		case "by", "approved":
			continue
		case fieldVars:
			var vars map[string]string
			if json.Unmarshal(raw, &vars) != nil {
				faults = append(faults, `vars is no object of texts; write it as {"room": "12"}`)
				continue
			}
			row.Record.Vars = vars
			row.Given = append(row.Given, fieldVars)
			continue
		}
		text, ok := jsonText(raw)
		switch {
		case !slices.Contains(columns[:], key):
			faults = append(faults, fmt.Sprintf("there is no key %q; allowed are %s and vars", key, strings.Join(columns[:], ", ")))
		case !ok:
			faults = append(faults, fmt.Sprintf("%s is neither a text nor a list of texts", key))
		default:
			if err := row.Set(key, text); err != nil {
				faults = append(faults, err.Error())
			}
		}
	}
	if _, given := object[fieldName]; !given {
		faults = append(faults, "the machine has no name")
	}
	return row, faults
}

// jsonText is a text, or a list of texts as one with spaces.
func jsonText(raw json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, true
	}
	var list []string
	err := json.Unmarshal(raw, &list)
	return strings.Join(list, " "), err == nil
}

// lineCounter tells lines by offsets that only grow, in one walk.
type lineCounter struct {
	data  []byte
	upTo  int
	lines int
}

func (c *lineCounter) at(offset int64) int {
	end := min(int(offset), len(c.data))
	if end > c.upTo {
		c.lines += bytes.Count(c.data[c.upTo:end], []byte("\n"))
		c.upTo = end
	}
	return c.lines + 1
}

// skip passes over what is between two values.
func (c *lineCounter) skip(offset int64) int64 {
	for offset < int64(len(c.data)) && strings.IndexByte(" \t\r\n,", c.data[offset]) >= 0 {
		offset++
	}
	return offset
}

// WriteJSON writes machines so that ReadFile reads the same.
func WriteJSON(out io.Writer, records []Record) error {
	if records == nil {
		records = []Record{}
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(records); err != nil {
		return fmt.Errorf("writing the machines: %v", err)
	}
	return nil
}
