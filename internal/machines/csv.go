package machines

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"hobnail/internal/model"
)

// maxFile bounds what is read of a file, in octets: 100,000 machines and more.
const maxFile = 24 << 20

// ReadFile reads the machines of a CSV or JSON file, of whichever it is. The
// error is *Faults, with all that is wrong; beside it are the rows that nothing
// is wrong with.
func ReadFile(name string, in io.Reader) ([]Row, error) {
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %v", name, err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	rows, faults := []Row(nil), []Fault(nil)
	switch {
	case len(data) > maxFile:
		faults = []Fault{{Text: fmt.Sprintf("it is too long; allowed are %d MiB", maxFile>>20)}}
	case bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")):
		faults = []Fault{{Text: `it is UTF-16; save it as "CSV UTF-8"`}}
	case strings.HasPrefix(strings.TrimLeft(string(data[:min(len(data), 512)]), " \t\r\n"), "["):
		rows, faults = readJSON(data)
	default:
		rows, faults = readCSV(data)
	}
	seen := map[string]int{}
	for _, row := range rows {
		if n := row.Record.Name; n != "" && seen[n] > 0 {
			faults = append(faults, Fault{row.Line, fmt.Sprintf("name %s is already on line %d", n, seen[n])})
		} else {
			seen[n] = row.Line
		}
	}
	if len(faults) > 0 {
		bad := map[int]bool{}
		for _, f := range faults {
			bad[f.Line] = true
		}
		rows = slices.DeleteFunc(rows, func(r Row) bool { return bad[r.Line] })
		return rows, &Faults{name, SortFaults(faults)}
	}
	return rows, nil
}

// readCSV reads what spreadsheets write: a line of headings, then a machine a
// line; parted by commas, semicolons or tabs, by whichever the headings are.
func readCSV(data []byte) ([]Row, []Fault) {
	comma, data, line := separator(data)
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma, r.FieldsPerRecord, r.TrimLeadingSpace = comma, -1, true
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, []Fault{{Text: "it is empty; its first line is name,mac,uuid,serial,boot or some of these"}}
	}
	if err != nil {
		return nil, []Fault{csvFault(err, line)}
	}
	heads, faults := headings(head, line+1)
	if len(faults) > 0 {
		return nil, faults
	}
	var rows []Row
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, faults
		}
		if err != nil {
			return rows, append(faults, csvFault(err, line))
		}
		at, _ := r.FieldPos(0)
		at += line
		if !slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) != "" }) {
			continue // spreadsheets leave such lines
		}
		row, wrong := readCells(heads, cells, at)
		for _, text := range wrong {
			faults = append(faults, Fault{at, text})
		}
		rows = append(rows, row)
	}
}

// csvFault is an error of the reader, which counts lines from its own first.
func csvFault(err error, skipped int) Fault {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return Fault{p.Line + skipped, fmt.Sprintf("column %d: %v", p.Column, p.Err)}
	}
	return Fault{Text: err.Error()}
}

// separator tells what parts the columns: what a line "sep=;" says, else what
// the headings have most of. It gives the text without such a line.
func separator(data []byte) (comma rune, rest []byte, skipped int) {
	first, after, _ := bytes.Cut(data, []byte("\n"))
	if sep, ok := bytes.CutPrefix(bytes.TrimRight(first, "\r"), []byte("sep=")); ok && len(sep) == 1 && bytes.Contains([]byte(",;\t|"), sep) {
		return rune(sep[0]), after, 1
	}
	comma = ','
	for _, c := range ";\t" {
		if bytes.Count(first, []byte(string(c))) > bytes.Count(first, []byte(string(comma))) {
			comma = c
		}
	}
	return comma, data, 0
}

// headings reads the names of columns, in either case.
func headings(cells []string, line int) ([]string, []Fault) {
	var faults []Fault
	names := make([]string, len(cells))
	for i, c := range cells {
		c = strings.TrimSpace(c)
		name := strings.ToLower(c)
		if strings.HasPrefix(name, varPrefix) {
			name = varPrefix + c[len(varPrefix):]
		}
		switch {
		case name == "" && i == len(cells)-1: // a separator at the end of the line
		case strings.HasPrefix(name, varPrefix):
			if err := checkVar(name[len(varPrefix):], ""); err != nil {
				faults = append(faults, Fault{line, fmt.Sprintf("column %q: %v", c, err)})
			}
		case !slices.Contains(columns[:], name):
			faults = append(faults, Fault{line, fmt.Sprintf("there is no column %q; allowed are %s and var.NAME", c, strings.Join(columns[:], ", "))})
		}
		if name != "" && slices.Contains(names[:i], name) {
			faults = append(faults, Fault{line, fmt.Sprintf("column %q is there twice", c)})
		}
		names[i] = name
	}
	if !slices.Contains(names, fieldName) && len(faults) == 0 {
		faults = append(faults, Fault{line, "there is no column name; the first line says what the columns are, as name,mac,boot"})
	}
	return names, faults
}

// readCells reads one machine.
func readCells(heads, cells []string, line int) (Row, []string) {
	row := Row{Line: line}
	var faults []string
	for i, cell := range cells {
		cell = strings.TrimSpace(cell)
		if i >= len(heads) || heads[i] == "" {
			if cell != "" {
				faults = append(faults, fmt.Sprintf("%q is in no column", cell))
			}
			continue
		}
		if !utf8.ValidString(cell) {
			faults = append(faults, fmt.Sprintf(`column %s is not UTF-8; save the file as "CSV UTF-8"`, heads[i]))
			continue
		}
		if err := row.Set(heads[i], unquoteFormula(cell)); err != nil {
			faults = append(faults, err.Error())
		}
	}
	if row.Record.Name == "" && !slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, "name ") }) {
		faults = append(faults, "the machine has no name")
	}
	return row, faults
}

// Set reads the text of one field. Lists are parted by spaces, commas or
// semicolons; "" is no value.
func (row *Row) Set(field, text string) error {
	r := &row.Record
	var err error
	switch field {
	case fieldName:
		r.Name = text
		if text != "" {
			err = checkName(text)
		}
	case fieldMAC:
		r.MACs = nil
		for _, word := range splitList(text) {
			mac, bad := model.ParseMAC(word)
			if bad != nil {
				err = errors.Join(err, bad)
			} else if !slices.Contains(r.MACs, mac) {
				r.MACs = append(r.MACs, mac)
			}
		}
	case fieldUUID:
		if r.UUID = ""; text != "" {
			r.UUID, err = model.ParseUUID(strings.Trim(text, "{}"))
		}
	case fieldSerial:
		r.Serial = text
	case fieldClient:
		r.ClientIDs = nil
		for _, word := range splitList(text) {
			id := strings.ToLower(strings.ReplaceAll(word, ":", ""))
			if strings.Trim(id, "0123456789abcdef") != "" || len(id)%2 != 0 {
				err = errors.Join(err, fmt.Errorf("client_id %q is not hexadecimal digits", word))
			}
			r.ClientIDs = append(r.ClientIDs, id)
		}
	case fieldAddress:
		r.Address = netip.Addr{}
		if text != "" {
			if r.Address, err = netip.ParseAddr(text); err != nil || !r.Address.Is4() {
				err = fmt.Errorf("address %q is no IPv4 address; write it as 10.77.2.10", text)
			}
		}
	case fieldBoot:
		r.Boot = text
	case fieldLoader:
		r.Loader = text
	case fieldTags:
		r.Tags = splitList(text)
		slices.Sort(r.Tags)
		r.Tags = slices.Compact(r.Tags)
	case fieldNotes:
		r.Notes = text
	default:
		name, ok := strings.CutPrefix(field, varPrefix)
		if !ok {
			return fmt.Errorf("there is no field %q", field)
		}
		if err = checkVar(name, text); err == nil && text != "" {
			if r.Vars == nil {
				r.Vars = map[string]string{}
			}
			r.Vars[name] = text
		}
	}
	if !slices.Contains(row.Given, field) {
		row.Given = append(row.Given, field)
	}
	return err
}

func splitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;\t", r) })
}

// formulas are what a cell begins with that a spreadsheet calculates.
const formulas = "=+-@"

// quoteFormula keeps a spreadsheet from calculating a cell; unquoteFormula is
// its inverse.
func quoteFormula(s string) string {
	if s != "" && strings.IndexByte(formulas+"'", s[0]) >= 0 {
		return "'" + s
	}
	return s
}

func unquoteFormula(s string) string {
	if len(s) > 1 && s[0] == '\'' && strings.IndexByte(formulas+"'", s[1]) >= 0 {
		return s[1:]
	}
	return s
}

// WriteCSV writes machines so that ReadFile reads the same.
func WriteCSV(out io.Writer, records []Record) error {
	vars := map[string]bool{}
	for _, r := range records {
		for name := range r.Vars {
			vars[name] = true
		}
	}
	names := make([]string, 0, len(vars))
	for name := range vars {
		names = append(names, name)
	}
	slices.Sort(names)
	w := csv.NewWriter(out)
	head := slices.Clone(columns[:])
	for _, name := range names {
		head = append(head, varPrefix+name)
	}
	w.Write(head)
	for _, r := range records {
		cells := []string{r.Name, macList(r.MACs), string(r.UUID), r.Serial, strings.Join(r.ClientIDs, " "), "", r.Boot, r.Loader, strings.Join(r.Tags, " "), r.Notes}
		if r.Address.IsValid() {
			cells[5] = r.Address.String()
		}
		for _, name := range names {
			cells = append(cells, r.Vars[name])
		}
		for i := range cells {
			cells[i] = quoteFormula(cells[i])
		}
		w.Write(cells)
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return fmt.Errorf("writing the machines: %v", err)
	}
	return nil
}

func macList(macs []model.MAC) string {
	words := make([]string, len(macs))
	for i, m := range macs {
		words[i] = string(m)
	}
	return strings.Join(words, " ")
}
