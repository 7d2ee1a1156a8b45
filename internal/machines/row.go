package machines

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// Row is one machine of a file or of a command line: the values that it gives,
// and which those are.
type Row struct {
	Line   int      `json:"line,omitempty"` // of the file, from 1
	Record Record   `json:"record"`
	Given  []string `json:"given"` // names of fields, as the columns of CSV are called; var.NAME for one variable
}

// Fields that a Row may give, in the order of CSV's columns.
const (
	fieldName    = "name"
	fieldMAC     = "mac"
	fieldUUID    = "uuid"
	fieldSerial  = "serial"
	fieldClient  = "client_id"
	fieldAddress = "address"
	fieldBoot    = "boot"
	fieldLoader  = "loader"
	fieldTags    = "tags"
	fieldNotes   = "notes"
	fieldVars    = "vars" // all of them: JSON's
	varPrefix    = "var." // one of them
)

var columns = [...]string{fieldName, fieldMAC, fieldUUID, fieldSerial, fieldClient, fieldAddress, fieldBoot, fieldLoader, fieldTags, fieldNotes}

// over gives a record with what the row says in the place of what it said.
func (row Row) over(old Record) Record {
	r := old
	r.Vars = maps.Clone(old.Vars)
	for _, field := range row.Given {
		switch field {
		case fieldName:
			r.Name = row.Record.Name
		case fieldMAC:
			r.MACs = row.Record.MACs
		case fieldUUID:
			r.UUID = row.Record.UUID
		case fieldSerial:
			r.Serial = row.Record.Serial
		case fieldClient:
			r.ClientIDs = row.Record.ClientIDs
		case fieldAddress:
			r.Address = row.Record.Address
		case fieldBoot:
			r.Boot = row.Record.Boot
		case fieldLoader:
			r.Loader = row.Record.Loader
		case fieldTags:
			r.Tags = row.Record.Tags
		case fieldNotes:
			r.Notes = row.Record.Notes
		case fieldVars:
			r.Vars = maps.Clone(row.Record.Vars)
		default:
			name := strings.TrimPrefix(field, varPrefix)
			if value := row.Record.Vars[name]; value == "" {
				delete(r.Vars, name)
			} else {
				if r.Vars == nil {
					r.Vars = map[string]string{}
				}
				r.Vars[name] = value
			}
		}
	}
	if len(r.Vars) == 0 {
		r.Vars = nil
	}
	return r
}

// Fault is what is wrong with a row.
type Fault struct {
	Line int    `json:"line,omitempty"` // 0: of no line
	Text string `json:"text"`
}

// Faults are all that is wrong with a file or a command line. It is an error.
type Faults struct {
	File string // "" of a command line
	All  []Fault
}

func (f *Faults) Error() string {
	lines := make([]string, len(f.All))
	for i, one := range f.All {
		switch {
		case f.File != "" && one.Line > 0:
			lines[i] = fmt.Sprintf("%s:%d: %s", f.File, one.Line, one.Text)
		case f.File != "":
			lines[i] = f.File + ": " + one.Text
		default:
			lines[i] = one.Text
		}
	}
	return strings.Join(lines, "\n")
}

// SortFaults puts faults in the order of their lines, each once.
func SortFaults(all []Fault) []Fault {
	slices.SortStableFunc(all, func(a, b Fault) int { return cmp.Or(a.Line-b.Line, strings.Compare(a.Text, b.Text)) })
	return slices.Compact(all)
}

// Change is what became of one machine.
type Change struct {
	Name string `json:"name"`
	What string `json:"what"` // added, changed, same, removed
	// Fields are those that changed, as CSV's columns are called.
	Fields []string `json:"fields,omitempty"`
}

// What a Change can be.
const (
	ChangeAdded   = "added"
	ChangeChanged = "changed"
	ChangeSame    = "same"
	ChangeRemoved = "removed"
)

// compare names the fields in which two records differ.
func compare(a, b Record) []string {
	var all []string
	add := func(field string, same bool) {
		if !same {
			all = append(all, field)
		}
	}
	add(fieldMAC, slices.Equal(a.MACs, b.MACs))
	add(fieldUUID, a.UUID == b.UUID)
	add(fieldSerial, a.Serial == b.Serial)
	add(fieldClient, slices.Equal(a.ClientIDs, b.ClientIDs))
	add(fieldAddress, a.Address == b.Address)
	add(fieldBoot, a.Boot == b.Boot)
	add(fieldLoader, a.Loader == b.Loader)
	add(fieldTags, slices.Equal(a.Tags, b.Tags))
	add(fieldNotes, a.Notes == b.Notes)
	add(fieldVars, maps.Equal(a.Vars, b.Vars))
	return all
}

// owners says whose something is that belongs to one machine alone.
type owners struct {
	uuid, serial, client, address map[string]string
	mac                           map[model.MAC][]string
	// uuids are the machines' own.
	uuids map[string]model.UUID
}

func newOwners(n int) *owners {
	return &owners{
		make(map[string]string, n), make(map[string]string, n), map[string]string{}, make(map[string]string, n),
		make(map[model.MAC][]string, n), make(map[string]model.UUID, n),
	}
}

// add takes a machine, and says what it has that is another's already.
func (o *owners) add(m model.Machine) []string {
	var faults []string
	only := func(table map[string]string, what, key, shown string) {
		if key == "" {
			return
		}
		if owner, ok := table[key]; ok {
			faults = append(faults, fmt.Sprintf("%s %s is that of %s already; each belongs to one machine alone", what, shown, owner))
			return
		}
		table[key] = m.Name
	}
	own := canonical(m.UUID)
	only(o.uuid, "uuid", string(own), string(m.UUID))
	only(o.serial, "serial", serialKey(m.Serial), m.Serial)
	for _, id := range m.ClientIDs {
		only(o.client, "client_id", id, id)
	}
	if m.Address.IsValid() {
		only(o.address, "address", m.Address.String(), m.Address.String())
	}
	for _, mac := range m.MACs {
		for _, owner := range o.mac[mac] {
			if own == "" || o.uuids[owner] == "" {
				faults = append(faults, fmt.Sprintf(
					"mac %s is that of %s already; if it is an adapter or dock that both use, give both their uuid", mac, owner))
			}
		}
		o.mac[mac] = append(o.mac[mac], m.Name)
	}
	o.uuids[m.Name] = own
	return faults
}
