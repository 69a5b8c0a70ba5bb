//! Reads `facts.txt` (its head says what a line means) into a schema table. Part of the build
//! script alone.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::{Name, NewField, PackageId, StructId, TableBuilder, Topology, TypeId};
use super::format::{Any, Scalar, field_flag};

/// A line that defines a named type.
enum Definition<'a> {
    Scalar { scalar: &'a str, values: Vec<&'a str> },
    List { item: &'a str, message: bool },
    Map { key: &'a str, value: &'a str },
    Struct { id: StructId, atomic: bool },
}

#[derive(Default)]
struct Facts<'a> {
    packages: BTreeMap<&'a str, (PackageId, &'a str)>,
    definitions: BTreeMap<&'a str, Definition<'a>>,
    fields: BTreeMap<&'a str, Vec<&'a str>>,
    kinds: Vec<[&'a str; 4]>,
}

/// How a field wants its type to be merged, where it says so.
#[derive(Default)]
struct Override {
    topology: Option<Topology>,
    atomic: Option<bool>,
}

/// The bytes of the table, or what is wrong with the facts.
pub fn compile(text: &str) -> Result<Vec<u8>, String> {
    let mut builder = TableBuilder::new();
    let facts = read(text, &mut builder)?;
    for (name, definition) in &facts.definitions {
        let Definition::Struct { id, .. } = definition else { continue };
        let mut fields = Vec::new();
        for line in facts.fields.get(name).map(Vec::as_slice).unwrap_or_default() {
            fields.push(field(&facts, line, &mut builder).map_err(|error| format!("{name}: {line}: {error}"))?);
        }
        let own = own_name(&facts, name)?;
        builder.define(*id, own, fields, false);
    }
    for [group, version, kind, ty] in &facts.kinds {
        let ty = resolve(&facts, ty, &Override::default(), &mut builder)?;
        builder.kind(if *group == "-" { "" } else { group }, version, kind, ty);
    }
    builder.finish().map_err(|error| error.to_string())
}

/// The OpenAPI names of all types of the facts, and of those that have a form of their own.
pub fn models(text: &str) -> BTreeSet<String> {
    let mut prefixes = BTreeMap::new();
    let mut models: BTreeSet<String> = [
        "api.resource.Quantity",
        "apis.meta.v1.Duration",
        "apis.meta.v1.FieldsV1",
        "apis.meta.v1.MicroTime",
        "apis.meta.v1.Time",
        "runtime.RawExtension",
        "util.intstr.IntOrString",
    ]
    .into_iter()
    .map(|name| format!("io.k8s.apimachinery.pkg.{name}"))
    .collect();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["package", short, _, model] => {
                prefixes.insert(*short, *model);
            }
            ["struct", name, ..] => {
                if let Some((package, name)) = name.rsplit_once('.')
                    && let Some(prefix) = prefixes.get(package)
                {
                    models.insert(format!("{prefix}.{name}"));
                }
            }
            _ => {}
        }
    }
    models
}

fn read<'a>(text: &'a str, builder: &mut TableBuilder) -> Result<Facts<'a>, String> {
    let mut facts = Facts::default();
    let mut current = "";
    for (number, line) in text.lines().enumerate() {
        let wrong = || format!("line {}: {line}", number + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with("  ") {
            facts.fields.entry(current).or_default().push(line.trim_start());
            continue;
        }
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["package", short, path, model] => {
                let id = builder.package(path, model);
                facts.packages.insert(short, (id, path));
            }
            ["scalar", name, scalar, rest @ ..] => {
                // Values may hold spaces.
                let values = match rest {
                    [] => Vec::new(),
                    _ => line.split_once(" enum ").ok_or_else(wrong)?.1.split(',').collect(),
                };
                facts.definitions.insert(name, Definition::Scalar { scalar, values });
            }
            ["list", name, item, rest @ ..] => {
                facts.definitions.insert(name, Definition::List { item, message: !rest.is_empty() });
            }
            ["map", name, key, value] => {
                facts.definitions.insert(name, Definition::Map { key, value });
            }
            ["struct", name, rest @ ..] => {
                current = name;
                let definition = Definition::Struct { id: builder.declare(), atomic: !rest.is_empty() };
                facts.definitions.insert(name, definition);
            }
            ["kind", group, version, kind, ty] => facts.kinds.push([group, version, kind, ty]),
            _ => return Err(wrong()),
        }
    }
    Ok(facts)
}

fn field(facts: &Facts<'_>, line: &str, builder: &mut TableBuilder) -> Result<NewField, String> {
    let (line, default) = line.split_once(" default=").unwrap_or((line, ""));
    let mut words = line.split(' ');
    let (Some(name), Some(ty), Some(number)) = (words.next(), words.next(), words.next()) else {
        return Err("no number".to_owned());
    };
    let number = number.split(':').next().filter(|n| *n != "-").map_or(Ok(0), str::parse).map_err(|_| "bad number")?;
    let mut flags = 0;
    let mut wanted = Override::default();
    let mut merge_key = "";
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("omitempty", _) => flags |= field_flag::OMIT_EMPTY,
            ("omitzero", _) => flags |= field_flag::OMIT_ZERO,
            ("required", _) => flags |= field_flag::REQUIRED,
            ("list", "atomic") => wanted.topology = Some(Topology::Atomic),
            ("list", "set") => wanted.topology = Some(Topology::Set),
            ("list", keys) => {
                let keys = keys.strip_prefix("map:").ok_or("bad list type")?;
                wanted.topology = Some(Topology::Map(keys.split(',').map(str::to_owned).collect()));
            }
            ("map" | "struct", how) => wanted.atomic = Some(how == "atomic"),
            ("patch", strategies) => {
                for strategy in strategies.split(',') {
                    flags |= match strategy {
                        "merge" => field_flag::MERGE,
                        "replace" => field_flag::REPLACE,
                        "retainKeys" => field_flag::RETAIN_KEYS,
                        _ => return Err(format!("unknown strategy {strategy}")),
                    };
                }
            }
            ("key", key) => merge_key = key,
            _ => return Err(format!("unknown flag {word}")),
        }
    }
    let ty = if let Some(target) = ty.strip_prefix('*') {
        flags |= field_flag::POINTER;
        target
    } else {
        ty
    };
    let inline = name == "inline" && facts.definitions.get(ty).is_some_and(|d| matches!(d, Definition::Struct { .. }));
    if inline {
        flags |= field_flag::INLINE;
    }
    let ty = resolve(facts, ty, &wanted, builder)?;
    let name = if inline { String::new() } else { name.to_owned() };
    Ok(NewField { name, ty, number, flags, merge_key: merge_key.to_owned(), default: default.to_owned() })
}

fn resolve(facts: &Facts<'_>, ty: &str, wanted: &Override, builder: &mut TableBuilder) -> Result<TypeId, String> {
    let inner = Override::default();
    let topology = wanted.topology.clone().unwrap_or(Topology::Unsaid);
    if let Some(item) = ty.strip_prefix("[]") {
        let item = resolve(facts, item, &inner, builder)?;
        return Ok(builder.list(item, &topology, false, Name::default()));
    }
    if let Some((key, value)) = ty.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let value = resolve(facts, value, &inner, builder)?;
        return Ok(builder.map(&go_name(facts, key), value, wanted.atomic == Some(true), Name::default()));
    }
    if let Some(scalar) = scalar(ty) {
        return Ok(builder.scalar(scalar, Name::default(), &[]));
    }
    if let Some(any) = any(ty) {
        return Ok(builder.any(any));
    }
    let name = own_name(facts, ty)?;
    match facts.definitions.get(ty).ok_or_else(|| format!("unknown type {ty}"))? {
        Definition::Scalar { scalar: base, values } => {
            let base = scalar(base).ok_or_else(|| format!("unknown scalar {base}"))?;
            Ok(builder.scalar(base, name, values))
        }
        Definition::List { item, message } => {
            let item = resolve(facts, item, &inner, builder)?;
            Ok(builder.list(item, &topology, *message, name))
        }
        Definition::Map { key, value } => {
            let value = resolve(facts, value, &inner, builder)?;
            Ok(builder.map(&go_name(facts, key), value, wanted.atomic == Some(true), name))
        }
        Definition::Struct { id, atomic } => Ok(builder.structure(*id, wanted.atomic.unwrap_or(*atomic))),
    }
}

/// `Pod` and its package, of `core.v1.Pod`.
fn own_name<'a>(facts: &Facts<'_>, ty: &'a str) -> Result<Name<'a>, String> {
    let (package, name) = ty.rsplit_once('.').ok_or_else(|| format!("unknown type {ty}"))?;
    let (package, _) = facts.packages.get(package).ok_or_else(|| format!("unknown package of {ty}"))?;
    Ok(Name { name, package: *package })
}

/// The name under which Go shows a type: `v1.ResourceName` for `core.v1.ResourceName`.
fn go_name(facts: &Facts<'_>, ty: &str) -> String {
    let Some((package, name)) = ty.rsplit_once('.') else { return ty.to_owned() };
    let path = facts.packages.get(package).map_or(package, |(_, path)| path);
    format!("{}.{name}", path.rsplit('/').next().unwrap_or(path))
}

fn scalar(name: &str) -> Option<Scalar> {
    Some(match name {
        "string" => Scalar::String,
        "bool" => Scalar::Bool,
        "int32" => Scalar::Int32,
        "int64" => Scalar::Int64,
        "float64" => Scalar::Float,
        "bytes" => Scalar::Bytes,
        "quantity" => Scalar::Quantity,
        "int-or-string" => Scalar::IntOrString,
        "time" => Scalar::Time,
        "micro-time" => Scalar::MicroTime,
        "duration" => Scalar::Duration,
        _ => return None,
    })
}

fn any(name: &str) -> Option<Any> {
    Some(match name {
        "any" | "json" => Any::Json,
        "raw" => Any::Raw,
        "fields" => Any::Fields,
        "schema-or-array" => Any::SchemaOrArray,
        "schema-or-bool" => Any::SchemaOrBool,
        "schema-or-strings" => Any::SchemaOrStrings,
        _ => return None,
    })
}
