package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"strconv"
	"strings"
)

// marks are the "+name=value" comments of a type or field.
type marks map[string][]string

func (m marks) has(name string) bool { return len(m[name]) > 0 }

func (m marks) one(name string) string {
	if values := m[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// flags says what the markers tell of the topology, and whether the field is required.
func (m marks) flags(omitted bool) []string {
	var flags []string
	if m.has("required") || !(omitted || m.has("optional")) {
		flags = append(flags, "required")
	}
	switch topology := m.one("listType"); topology {
	case "":
	case "map":
		flags = append(flags, "list=map:"+strings.Join(m["listMapKey"], ","))
	default:
		flags = append(flags, "list="+topology)
	}
	for _, name := range []string{"mapType", "structType"} {
		if value := m.one(name); value != "" {
			flags = append(flags, strings.TrimSuffix(name, "Type")+"="+value)
		}
	}
	return flags
}

// source is what the files of a package tell beside its types.
type source struct {
	types  map[string]marks
	fields map[string]marks
	values map[string][]string
}

func parse(path string) *source {
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		fail("find %s: %v", path, err)
	}
	result := &source{types: map[string]marks{}, fields: map[string]marks{}, values: map[string][]string{}}
	packages, err := parser.ParseDir(token.NewFileSet(), strings.TrimSpace(string(dir)), nil, parser.ParseComments)
	if err != nil {
		fail("parse %s: %v", path, err)
	}
	for name, pkg := range packages {
		if strings.HasSuffix(name, "_test") {
			continue
		}
		for _, file := range sorted(pkg.Files) {
			if !strings.HasSuffix(file, "_test.go") {
				result.file(pkg.Files[file])
			}
		}
	}
	return result
}

func (s *source) file(file *ast.File) {
	for _, declaration := range file.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				s.typeSpec(spec, general, file)
			case *ast.ValueSpec:
				s.valueSpec(spec)
			}
		}
	}
}

func (s *source) typeSpec(spec *ast.TypeSpec, general *ast.GenDecl, file *ast.File) {
	found := marks{}
	found.read(general.Doc)
	found.read(spec.Doc)
	// Markers may stand in a comment of their own, one empty line above the type.
	if general.Doc != nil {
		for _, group := range file.Comments {
			if gap := general.Doc.Pos() - group.End(); gap > 0 && gap <= 2 {
				found.read(group)
			}
		}
	}
	s.types[spec.Name.Name] = found
	structure, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range structure.Fields.List {
		found := marks{}
		found.read(field.Doc)
		for _, name := range field.Names {
			s.fields[spec.Name.Name+"."+name.Name] = found
		}
	}
}

func (s *source) valueSpec(spec *ast.ValueSpec) {
	name, ok := spec.Type.(*ast.Ident)
	if !ok {
		return
	}
	for _, value := range spec.Values {
		literal, ok := value.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			continue
		}
		text, err := strconv.Unquote(literal.Value)
		if err == nil && text != "" {
			s.values[name.Name] = append(s.values[name.Name], text)
		}
	}
}

func (m marks) read(group *ast.CommentGroup) {
	if group == nil {
		return
	}
	for _, comment := range group.List {
		text := strings.TrimSpace(strings.TrimPrefix(comment.Text, "//"))
		text, ok := strings.CutPrefix(text, "+")
		if !ok {
			continue
		}
		name, value, _ := strings.Cut(text, "=")
		name, rest, _ := strings.Cut(strings.TrimSpace(name), " ")
		if rest != "" {
			value = ""
		}
		m[name] = append(m[name], strings.TrimSpace(value))
	}
}
