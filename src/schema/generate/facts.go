package main

import (
	"fmt"
	"io"
	"reflect"
	"sort"
	"strings"
)

const metaPackage = "k8s.io/apimachinery/pkg/apis/meta/v1"

// Types that have a form of their own in JSON or protobuf.
var special = map[string]string{
	"k8s.io/apimachinery/pkg/api/resource.Quantity":                                        "quantity",
	"k8s.io/apimachinery/pkg/util/intstr.IntOrString":                                      "int-or-string",
	metaPackage + ".Time":                                                                  "time",
	metaPackage + ".MicroTime":                                                             "micro-time",
	metaPackage + ".Duration":                                                              "duration",
	metaPackage + ".FieldsV1":                                                              "fields",
	"k8s.io/apimachinery/pkg/runtime.RawExtension":                                         "raw",
	"k8s.io/apimachinery/pkg/types.UID":                                                    "",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSON":                        "json",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrArray":       "schema-or-array",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrBool":        "schema-or-bool",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrStringArray": "schema-or-strings",
}

var scalars = map[reflect.Kind]string{
	reflect.String: "string", reflect.Bool: "bool", reflect.Int32: "int32", reflect.Int64: "int64", reflect.Int: "int",
	reflect.Uint32: "uint32", reflect.Uint64: "uint64", reflect.Uint8: "uint8", reflect.Float64: "float64",
}

// facts collects everything that the added types reach.
type facts struct {
	types    map[string]reflect.Type
	packages map[string]bool
	sources  map[string]*source
}

func newFacts() *facts {
	return &facts{types: map[string]reflect.Type{}, packages: map[string]bool{}, sources: map[string]*source{}}
}

func (f *facts) source(path string) *source {
	if f.sources[path] == nil {
		f.sources[path] = parse(path)
	}
	return f.sources[path]
}

// add takes in a named type and all that it reaches.
func (f *facts) add(t reflect.Type) {
	if t.Name() == "" || t.PkgPath() == "" {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice:
			f.add(t.Elem())
		case reflect.Map:
			f.add(t.Key())
			f.add(t.Elem())
		}
		return
	}
	if special[full(t)] != "" {
		return
	}
	name := f.name(t)
	if f.types[name] != nil {
		return
	}
	f.types[name] = t
	f.packages[t.PkgPath()] = true
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if tag(t.Field(i)).name != "-" {
				f.add(t.Field(i).Type)
			}
		}
	case reflect.Slice, reflect.Pointer:
		f.add(t.Elem())
	case reflect.Map:
		f.add(t.Key())
		f.add(t.Elem())
	}
}

func full(t reflect.Type) string { return t.PkgPath() + "." + t.Name() }

// short is the last two elements of a package path: core.v1.
func short(path string) string {
	parts := strings.Split(path, "/")
	return strings.Join(parts[len(parts)-2:], ".")
}

func (f *facts) name(t reflect.Type) string { return short(t.PkgPath()) + "." + t.Name() }

// expression writes a type as it is used by a field.
func (f *facts) expression(t reflect.Type) string {
	if name := special[full(t)]; name != "" && t.Name() != "" {
		return name
	}
	if t.Name() != "" && t.PkgPath() != "" {
		return f.name(t)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return "*" + f.expression(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "[]" + f.expression(t.Elem())
	case reflect.Map:
		return "[" + f.expression(t.Key()) + "]" + f.expression(t.Elem())
	case reflect.Interface:
		return "any"
	}
	name, ok := scalars[t.Kind()]
	if !ok {
		fail("no scalar for %s", t)
	}
	return name
}

type jsonTag struct {
	name   string
	flags  []string
	inline bool
}

func tag(field reflect.StructField) jsonTag {
	text, ok := field.Tag.Lookup("json")
	parts := strings.Split(text, ",")
	result := jsonTag{name: parts[0]}
	for _, part := range parts[1:] {
		if part == "omitempty" || part == "omitzero" {
			result.flags = append(result.flags, part)
		}
	}
	result.inline = result.name == "" && field.Anonymous
	if result.name == "" && !result.inline {
		if ok && !strings.Contains(text, "inline") {
			fail("field %s has no name", field.Name)
		}
		result.inline = true
	}
	return result
}

// number is the protobuf number and wire type of a field, as <number>:<wire>.
func number(field reflect.StructField) string {
	parts := strings.Split(field.Tag.Get("protobuf"), ",")
	if len(parts) < 3 {
		return "-"
	}
	return parts[1] + ":" + parts[0]
}

func (f *facts) write(out io.Writer) {
	paths := sorted(f.packages)
	for _, path := range paths {
		fmt.Fprintf(out, "package %s %s %s\n", short(path), path, f.model(path))
	}
	for _, name := range sorted(f.types) {
		f.writeType(out, name, f.types[name])
	}
}

// model is the prefix of the OpenAPI names of the types of a package.
func (f *facts) model(path string) string {
	for _, name := range sorted(f.types) {
		t := f.types[name]
		if t.PkgPath() != path {
			continue
		}
		if named, ok := reflect.Zero(t).Interface().(interface{ OpenAPIModelName() string }); ok {
			return strings.TrimSuffix(named.OpenAPIModelName(), "."+t.Name())
		}
	}
	host, rest, _ := strings.Cut(path, "/")
	labels := strings.Split(host, ".")
	for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
		labels[i], labels[j] = labels[j], labels[i]
	}
	return strings.Join(labels, ".") + "." + strings.ReplaceAll(rest, "/", ".")
}

func (f *facts) writeType(out io.Writer, name string, t reflect.Type) {
	source := f.source(t.PkgPath())
	switch t.Kind() {
	case reflect.Struct:
		fmt.Fprintf(out, "\nstruct %s", name)
		marks := source.types[t.Name()]
		if marks.one("structType") == "atomic" || marks.one("mapType") == "atomic" {
			fmt.Fprint(out, " atomic")
		}
		fmt.Fprintln(out)
		f.writeFields(out, t, source)
	case reflect.Slice:
		fmt.Fprintf(out, "\nlist %s %s", name, f.expression(t.Elem()))
		if _, ok := reflect.New(t).Interface().(interface{ Marshal() ([]byte, error) }); ok {
			fmt.Fprint(out, " message")
		}
		fmt.Fprintln(out)
	case reflect.Map:
		fmt.Fprintf(out, "\nmap %s %s %s\n", name, f.expression(t.Key()), f.expression(t.Elem()))
	default:
		scalar, ok := scalars[t.Kind()]
		if !ok {
			fail("no scalar for %s", t)
		}
		fmt.Fprintf(out, "\nscalar %s %s", name, scalar)
		if source.types[t.Name()].has("enum") {
			values := source.values[t.Name()]
			sort.Strings(values)
			fmt.Fprintf(out, " enum %s", strings.Join(values, ","))
		}
		fmt.Fprintln(out)
	}
}

func (f *facts) writeFields(out io.Writer, t reflect.Type, source *source) {
	for i := range t.NumField() {
		field := t.Field(i)
		tag := tag(field)
		if tag.name == "-" {
			continue
		}
		if tag.inline {
			fmt.Fprintf(out, "  inline %s %s\n", f.expression(field.Type), number(field))
			continue
		}
		marks := source.fields[t.Name()+"."+field.Name]
		flags := append([]string{tag.name, f.expression(field.Type), number(field)}, tag.flags...)
		flags = append(flags, marks.flags(len(tag.flags) > 0)...)
		if strategy := field.Tag.Get("patchStrategy"); strategy != "" {
			flags = append(flags, "patch="+strategy)
		}
		if key := field.Tag.Get("patchMergeKey"); key != "" {
			flags = append(flags, "key="+key)
		}
		if value := marks.one("default"); value != "" && !strings.HasPrefix(value, "ref(") {
			flags = append(flags, "default="+value)
		}
		fmt.Fprintf(out, "  %s\n", strings.Join(flags, " "))
	}
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
