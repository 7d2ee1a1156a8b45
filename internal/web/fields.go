package web

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"hobnail/internal/model"
)

// field is one thing that a packet or a transfer said.
type field struct{ Name, Value string }

// fieldsOf lists all of a step that is not empty, named as its JSON is, but
// for the reasons, which have a place of their own. It goes by the struct
// itself, so that a field that is added is shown.
func fieldsOf(s *model.Step) []field {
	fields := fieldsIn(reflect.ValueOf(*s))
	if s.DHCP != nil {
		fields = append(fields, fieldsIn(reflect.ValueOf(*s.DHCP))...)
	}
	if s.File != nil {
		fields = append(fields, fieldsIn(reflect.ValueOf(*s.File))...)
	}
	return fields
}

func fieldsIn(v reflect.Value) []field {
	var all []field
	for i := range v.NumField() {
		f := v.Field(i)
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if f.Kind() == reflect.Pointer || f.IsZero() || name == "reasons" {
			continue
		}
		all = append(all, field{strings.ReplaceAll(name, "_", " "), valueOf(name, f.Interface())})
	}
	return all
}

func valueOf(name string, v any) string {
	switch v := v.(type) {
	case time.Time:
		return v.Format("2006-01-02 15:04:05.000000 MST")
	case bool:
		return "yes"
	case []string:
		return escape(strings.Join(v, ", "))
	}
	if name == "xid" {
		return fmt.Sprintf("0x%08x", v)
	}
	return escape(fmt.Sprint(v))
}
