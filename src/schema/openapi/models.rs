//! Models: each type of the schema table as a JSON schema, with the extensions that say how it merges.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde_json::{Map, Value, json};

use super::descriptions::{Descriptions, Texts};
use super::{Edition, Resource, Source};
use crate::schema::table::{Any, BUILTIN, Field, ListTopology, Scalar, Shape, Struct, Type};

const MACHINERY: &str = "io.k8s.apimachinery.pkg";
/// What the fields of every object are, for custom resources.
const VERSION: &str = "The group and version of the API in which the object is written.";
const KIND: &str = "The kind of the object, in upper camel case. It never changes.";
const METADATA: &str = "What every object has: name, namespace, labels, owners and the like.";
const EXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";

/// A model that is to be written.
enum Model<'a> {
    Struct(Struct<'static>),
    /// A type with a form of its own.
    Special,
    Custom(&'a Resource<'a>),
    CustomList(&'a Resource<'a>),
}

/// A group version and kind that a model stands for.
type Kinds = Vec<(String, String, String)>;

/// Calls `visit` with each model that the resources need, in the order of their names.
pub(super) fn each(
    edition: Edition,
    resources: &[Resource<'_>],
    visit: &mut dyn FnMut(&str, &Value) -> io::Result<()>,
) -> io::Result<()> {
    let mut wanted: BTreeMap<String, (Model<'_>, Kinds)> = BTreeMap::new();
    let mut versions: Vec<(&str, &str)> = resources.iter().map(|r| (r.gvk.group, r.gvk.version)).collect();
    versions.sort_unstable();
    versions.dedup();
    for resource in resources {
        let gvk = resource.gvk;
        if resource.schema.is_some() {
            let name = custom_name(resource);
            let kind =
                |suffix: &str| vec![(gvk.group.to_owned(), gvk.version.to_owned(), format!("{}{suffix}", gvk.kind))];
            wanted.insert(format!("{name}List"), (Model::CustomList(resource), kind("List")));
            wanted.insert(name, (Model::Custom(resource), kind("")));
            for shared in [("meta.k8s.io", "PartialObjectMetadata"), ("meta.k8s.io", "PartialObjectMetadataList")] {
                reach(Type::builtin(shared.0, "v1", shared.1), &mut wanted);
            }
        }
        reach_kind(gvk.group, gvk.version, gvk.kind, &mut wanted);
        reach_kind(gvk.group, gvk.version, &format!("{}List", gvk.kind), &mut wanted);
        for sub in &resource.subresources {
            reach_kind(sub.gvk.group, sub.gvk.version, sub.gvk.kind, &mut wanted);
        }
    }
    reach_kind("", "v1", "Status", &mut wanted);
    reach_kind("", "v1", "APIResourceList", &mut wanted);
    for (group, version, kind, ty) in BUILTIN.kinds().filter(|(group, ..)| *group == "*") {
        let _ = (group, version);
        reach(Some(ty), &mut wanted);
        if let Some((_, kinds)) = ty.as_struct().and_then(|found| wanted.get_mut(&found.model_name())) {
            kinds.extend(versions.iter().map(|(g, v)| ((*g).to_owned(), (*v).to_owned(), kind.to_owned())));
        }
    }
    let mut descriptions = Descriptions::new();
    let atomic = atomic_structs();
    for (name, (model, kinds)) in &wanted {
        let texts = descriptions.of(name);
        let mut schema = match model {
            Model::Struct(found) => structure(edition, *found, &texts, &atomic),
            Model::Special => special(edition, name, &texts),
            Model::Custom(resource) => custom(edition, resource),
            Model::CustomList(resource) => custom_list(edition, resource),
        };
        if !kinds.is_empty() {
            let kinds: Vec<Value> = kinds
                .iter()
                .map(|(group, version, kind)| json!({"group": group, "kind": kind, "version": version}))
                .collect();
            put(&mut schema, "x-kubernetes-group-version-kind", kinds.into());
        }
        visit(name, &schema)?;
    }
    Ok(())
}

/// The name of the model of a kind; `None` for one that is not known.
pub(super) fn model_name(group: &str, version: &str, kind: &str) -> Option<String> {
    Type::builtin(group, version, kind).and_then(Type::as_struct).map(Struct::model_name)
}

/// The name of the model of a custom resource: `com.example.v1.Kind`.
pub(super) fn custom_name(resource: &Resource<'_>) -> String {
    let labels: Vec<&str> = resource.gvk.group.split('.').rev().collect();
    format!("{}.{}.{}", labels.join("."), resource.gvk.version, resource.gvk.kind)
}

/// A reference to a model.
pub(super) fn reference(edition: Edition, model: &str) -> String {
    match edition {
        Edition::V2 => format!("#/definitions/{model}"),
        Edition::V3 => format!("#/components/schemas/{model}"),
    }
}

fn reach_kind<'a>(group: &str, version: &str, kind: &str, wanted: &mut BTreeMap<String, (Model<'a>, Kinds)>) {
    let Some(ty) = Type::builtin(group, version, kind) else { return };
    reach(Some(ty), wanted);
    if let Some((_, kinds)) = ty.as_struct().and_then(|found| wanted.get_mut(&found.model_name())) {
        let entry = (group.to_owned(), version.to_owned(), kind.to_owned());
        if !kinds.contains(&entry) {
            kinds.push(entry);
        }
    }
}

/// Takes in the model of a type and all that it refers to.
fn reach<'a>(ty: Option<Type<'static>>, wanted: &mut BTreeMap<String, (Model<'a>, Kinds)>) {
    let mut open: Vec<Type<'static>> = ty.into_iter().collect();
    while let Some(ty) = open.pop() {
        match ty.shape() {
            Shape::List { item: inner, .. } | Shape::Map { value: inner, .. } => open.push(inner),
            Shape::Struct(found) => {
                if let Entry::Vacant(entry) = wanted.entry(found.model_name()) {
                    entry.insert((Model::Struct(found), Kinds::new()));
                    open.extend(found.fields().map(Field::ty));
                }
            }
            Shape::Scalar(_) | Shape::Any => {
                if let Some(name) = special_name(ty) {
                    wanted.entry(name).or_insert((Model::Special, Kinds::new()));
                }
            }
        }
    }
}

/// The name of the model of a type with a form of its own.
fn special_name(ty: Type<'_>) -> Option<String> {
    let name = match ty.shape() {
        Shape::Scalar(Scalar::Quantity) => "api.resource.Quantity",
        Shape::Scalar(Scalar::IntOrString) => "util.intstr.IntOrString",
        Shape::Scalar(Scalar::Time) => "apis.meta.v1.Time",
        Shape::Scalar(Scalar::MicroTime) => "apis.meta.v1.MicroTime",
        Shape::Scalar(Scalar::Duration) => "apis.meta.v1.Duration",
        Shape::Any => match ty.any() {
            Any::Raw => "runtime.RawExtension",
            Any::Fields => "apis.meta.v1.FieldsV1",
            Any::Json => return Some(format!("{EXTENSIONS}.JSON")),
            Any::SchemaOrArray => return Some(format!("{EXTENSIONS}.JSONSchemaPropsOrArray")),
            Any::SchemaOrBool => return Some(format!("{EXTENSIONS}.JSONSchemaPropsOrBool")),
            Any::SchemaOrStrings => return Some(format!("{EXTENSIONS}.JSONSchemaPropsOrStringArray")),
        },
        _ => return None,
    };
    Some(format!("{MACHINERY}.{name}"))
}

fn special(edition: Edition, name: &str, texts: &Texts) -> Value {
    let mut schema = match (name.rsplit('.').next().unwrap_or_default(), edition) {
        ("Quantity", Edition::V3) => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        ("IntOrString", Edition::V3) => {
            json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]})
        }
        ("IntOrString", Edition::V2) => json!({"type": "string", "format": "int-or-string"}),
        ("Time" | "MicroTime", _) => json!({"type": "string", "format": "date-time"}),
        ("Quantity" | "Duration", _) => json!({"type": "string"}),
        ("RawExtension" | "FieldsV1", _) => json!({"type": "object"}),
        _ => json!({}),
    };
    if let Some(text) = texts.get("") {
        put(&mut schema, "description", text.as_str().into());
    }
    schema
}

fn structure(edition: Edition, found: Struct<'_>, texts: &Texts, atomic: &BTreeSet<u16>) -> Value {
    let mut schema = json!({"type": "object"});
    if let Some(text) = texts.get("") {
        put(&mut schema, "description", text.as_str().into());
    }
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in found.fields() {
        properties.insert(field.name().to_owned(), property(edition, field, texts.get(field.name()), atomic));
        if field.is_required() {
            required.push(Value::from(field.name()));
        }
    }
    if !properties.is_empty() {
        put(&mut schema, "properties", properties.into());
    }
    if !required.is_empty() {
        put(&mut schema, "required", required.into());
    }
    if atomic.contains(&found.id()) {
        put(&mut schema, "x-kubernetes-map-type", "atomic".into());
    }
    schema
}

/// The structs that are atomic by themselves, whatever a field that uses them says.
fn atomic_structs() -> BTreeSet<u16> {
    let fields = BUILTIN.structs().flat_map(Struct::own_fields);
    fields
        .filter_map(|field| {
            let mut ty = field.ty();
            while let Shape::List { item: inner, .. } | Shape::Map { value: inner, .. } = ty.shape() {
                ty = inner;
            }
            ty.as_struct().filter(|found| found.is_atomic()).map(Struct::id)
        })
        .collect()
}

fn property(edition: Edition, field: Field<'_>, text: Option<&String>, atomic: &BTreeSet<u16>) -> Value {
    let ty = field.ty();
    let mut schema = schema_of(edition, ty);
    let default = match ty.shape() {
        _ if !field.default().is_empty() => serde_json::from_str(field.default()).ok(),
        _ if field.is_pointer() => None,
        Shape::Struct(_) => Some(json!({})),
        Shape::Scalar(Scalar::String) if !field.omits_empty() => Some(Value::from("")),
        Shape::Scalar(Scalar::Int32 | Scalar::Int64) if !field.omits_empty() => Some(Value::from(0)),
        Shape::Scalar(Scalar::Bool) if !field.omits_empty() => Some(Value::Bool(false)),
        _ => None,
    };
    let default = default.filter(|_| edition == Edition::V3);
    beside(edition, &mut schema, text.is_some() || default.is_some());
    if let Some(default) = default {
        put(&mut schema, "default", default);
    }
    if let Some(text) = text {
        put(&mut schema, "description", text.as_str().into());
    }
    match ty.shape() {
        Shape::List { topology: ListTopology::Map(keys), .. } => {
            put(&mut schema, "x-kubernetes-list-type", "map".into());
            put(&mut schema, "x-kubernetes-list-map-keys", keys.map(Value::from).collect());
        }
        Shape::List { topology: ListTopology::Set, .. } => put(&mut schema, "x-kubernetes-list-type", "set".into()),
        Shape::List { .. } if ty.says_topology() => put(&mut schema, "x-kubernetes-list-type", "atomic".into()),
        Shape::Map { atomic: true, .. } => put(&mut schema, "x-kubernetes-map-type", "atomic".into()),
        Shape::Struct(found) if !found.is_atomic() && atomic.contains(&found.id()) => {
            put(&mut schema, "x-kubernetes-map-type", "granular".into());
        }
        _ => {}
    }
    let strategies: Vec<&str> =
        [("merge", field.patch_merge()), ("replace", field.patch_replace()), ("retainKeys", field.patch_retain_keys())]
            .into_iter()
            .filter_map(|(name, has)| has.then_some(name))
            .collect();
    if !strategies.is_empty() {
        put(&mut schema, "x-kubernetes-patch-strategy", strategies.join(",").into());
    }
    if !field.patch_merge_key().is_empty() {
        put(&mut schema, "x-kubernetes-patch-merge-key", field.patch_merge_key().into());
    }
    schema
}

/// Version 3 does not allow anything beside a reference, so that it goes into an `allOf`.
fn beside(edition: Edition, schema: &mut Value, more: bool) {
    if edition == Edition::V3 && more && schema.get("$ref").is_some() {
        *schema = json!({"allOf": [schema.take()]});
    }
}

fn schema_of(edition: Edition, ty: Type<'_>) -> Value {
    if let Some(name) = special_name(ty) {
        return json!({"$ref": reference(edition, &name)});
    }
    match ty.shape() {
        Shape::Struct(found) => json!({"$ref": reference(edition, &found.model_name())}),
        Shape::List { item, .. } => json!({"type": "array", "items": inner(edition, item)}),
        Shape::Map { value, .. } => json!({"type": "object", "additionalProperties": inner(edition, value)}),
        Shape::Any => json!({}),
        Shape::Scalar(scalar) => {
            let mut schema = match scalar {
                Scalar::Bool => json!({"type": "boolean"}),
                Scalar::Int32 => json!({"type": "integer", "format": "int32"}),
                Scalar::Int64 => json!({"type": "integer", "format": "int64"}),
                Scalar::Float => json!({"type": "number", "format": "double"}),
                Scalar::Bytes => json!({"type": "string", "format": "byte"}),
                _ => json!({"type": "string"}),
            };
            let values: Vec<Value> = ty.values().map(Value::from).collect();
            if !values.is_empty() {
                put(&mut schema, "enum", values.into());
            }
            schema
        }
    }
}

/// The schema of the items of a list or map.
fn inner(edition: Edition, ty: Type<'_>) -> Value {
    let mut schema = schema_of(edition, ty);
    let default = match ty.shape() {
        Shape::Struct(_) => json!({}),
        Shape::Scalar(Scalar::String) => Value::from(""),
        Shape::Scalar(Scalar::Int32 | Scalar::Int64) => Value::from(0),
        Shape::Scalar(Scalar::Bool) => Value::Bool(false),
        _ => return schema,
    };
    if edition == Edition::V3 {
        beside(edition, &mut schema, true);
        put(&mut schema, "default", default);
    }
    schema
}

/// The schema of a custom resource, with the fields that every object has.
fn custom(edition: Edition, resource: &Resource<'_>) -> Value {
    let mut schema = resource.schema.map_or_else(|| json!({}), Source::schema);
    if edition == Edition::V2 {
        to_v2(&mut schema);
    }
    put(&mut schema, "type", "object".into());
    let reference = reference(edition, &format!("{MACHINERY}.apis.meta.v1.ObjectMeta"));
    let metadata = match edition {
        Edition::V2 => json!({"description": METADATA, "$ref": reference}),
        Edition::V3 => json!({"description": METADATA, "allOf": [{"$ref": reference}]}),
    };
    let word = |text: &str| json!({"type": "string", "description": text});
    if let Some(map) = schema.as_object_mut()
        && let Value::Object(properties) = map.entry("properties").or_insert_with(|| json!({}))
    {
        for (name, value) in [("apiVersion", word(VERSION)), ("kind", word(KIND)), ("metadata", metadata)] {
            properties.insert(name.to_owned(), value);
        }
    }
    schema
}

fn custom_list(edition: Edition, resource: &Resource<'_>) -> Value {
    let item = reference(edition, &custom_name(resource));
    let metadata = reference(edition, &format!("{MACHINERY}.apis.meta.v1.ListMeta"));
    json!({
        "type": "object",
        "required": ["items"],
        "description": format!("{0}List is a list of {0}", resource.gvk.kind),
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"$ref": metadata},
            "items": {"type": "array", "items": {"$ref": item}},
        },
    })
}

/// Takes out of a schema what version 2 does not know. Where values may be null or of several types,
/// the type is left open.
fn to_v2(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            for key in ["oneOf", "anyOf", "allOf", "not", "default"] {
                map.remove(key);
            }
            let open = map.remove("nullable") == Some(Value::Bool(true))
                || map.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true))
                || map.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true));
            if open {
                for key in ["type", "properties", "items", "additionalProperties"] {
                    map.remove(key);
                }
            }
            for (key, value) in map.iter_mut() {
                match key.as_str() {
                    "properties" => value.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(to_v2),
                    "items" | "additionalProperties" => to_v2(value),
                    _ => {}
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(to_v2),
        _ => {}
    }
}

pub(super) fn put(schema: &mut Value, key: &str, value: Value) {
    if let Some(map) = schema.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
}
