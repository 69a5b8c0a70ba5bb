//! Server-side apply of custom resources: types that are made at run time, and none at all.

use serde_json::{Value, json};

use super::tests::{managers, writer};
use super::*;
use crate::schema::merge::reset::Reset;
use crate::schema::merge::update::update;
use crate::schema::table::{Any, Name, NewField, Scalar, Table, TableBuilder, Topology, Type, TypeId};

fn fields(list: &[(&str, TypeId)]) -> Vec<NewField> {
    let field = |(name, ty): &(&str, TypeId)| NewField {
        name: (*name).to_owned(),
        ty: *ty,
        number: 0,
        flags: 0,
        merge_key: String::new(),
        default: String::new(),
    };
    list.iter().map(field).collect()
}

/// A kind with a list by name, a set, a map, an atomic struct and a part without a schema.
fn table() -> Table {
    let mut builder = TableBuilder::new();
    let text = builder.scalar(Scalar::String, Name::default(), &[]);
    let number = builder.scalar(Scalar::Int64, Name::default(), &[]);
    let free = builder.any(Any::Json);
    let structure = |builder: &mut TableBuilder, list: &[(&str, TypeId)], atomic: bool, preserve: bool| {
        let id = builder.declare();
        builder.define(id, Name::default(), fields(list), preserve);
        builder.structure(id, atomic)
    };
    let register = structure(&mut builder, &[("name", text), ("address", number)], false, false);
    let registers = builder.list(register, &Topology::Map(vec!["name".to_owned()]), false, Name::default());
    let tags = builder.list(text, &Topology::Set, false, Name::default());
    let plain = builder.list(text, &Topology::Atomic, false, Name::default());
    let labels = builder.map("string", text, false, Name::default());
    let atom = structure(&mut builder, &[("a", text), ("b", text)], true, false);
    let open = structure(&mut builder, &[("known", text)], false, true);
    let spec = structure(
        &mut builder,
        &[
            ("host", text),
            ("port", number),
            ("registers", registers),
            ("tags", tags),
            ("plain", plain),
            ("labels", labels),
            ("atom", atom),
            ("open", open),
            ("free", free),
        ],
        false,
        false,
    );
    let root = structure(
        &mut builder,
        &[("apiVersion", text), ("kind", text), ("metadata", free), ("spec", spec)],
        false,
        false,
    );
    builder.kind("x.example", "v1", "Collector", root);
    Table::new(builder.finish().unwrap())
}

fn collector(spec: &Value) -> Value {
    json!({"apiVersion": "x.example/v1", "kind": "Collector", "metadata": {"name": "a"}, "spec": spec})
}

fn subject(typing: Option<Type<'_>>) -> Subject<'_> {
    Subject { typing, api_version: "x.example/v1", kind: "Collector", versions: &[], siblings: &[] }
}

fn applied(
    typing: Option<Type<'_>>,
    live: Option<&Value>,
    spec: &Value,
    manager: &str,
    force: bool,
) -> Result<Value, Status> {
    apply(subject(typing), live, &collector(spec), writer(manager, ""), force, &Reset::nothing())
}

#[test]
fn parts_merge_as_the_schema_says() {
    let table = table();
    let typing = table.find("x.example", "v1", "Collector");
    let spec = json!({"host": "a", "registers": [{"name": "x", "address": 1}], "tags": ["p"], "plain": ["1"],
        "labels": {"l": "1"}, "atom": {"a": "1"}, "open": {"known": "k", "other": {"o": 1}}});
    let first = applied(typing, None, &spec, "alice", false).unwrap();
    assert_eq!(
        managers(&first)["alice"]["f:spec"],
        json!({"f:host": {}, "f:registers": {"k:{\"name\":\"x\"}": {".": {}, "f:address": {}, "f:name": {}}},
            "f:tags": {"v:\"p\"": {}}, "f:plain": {}, "f:labels": {"f:l": {}}, "f:atom": {},
            "f:open": {"f:known": {}, "f:other": {".": {}, "f:o": {}}}})
    );
    let more = json!({"registers": [{"name": "y"}], "tags": ["q"], "labels": {"m": "2"}, "open": {"third": 3}});
    let second = applied(typing, Some(&first), &more, "bob", false).unwrap();
    assert_eq!(second["spec"]["registers"], json!([{"name": "x", "address": 1}, {"name": "y"}]));
    assert_eq!(second["spec"]["tags"], json!(["p", "q"]));
    assert_eq!(second["spec"]["labels"], json!({"l": "1", "m": "2"}));
    assert_eq!(second["spec"]["open"], json!({"known": "k", "other": {"o": 1}, "third": 3}));
    for (spec, field) in [
        (json!({"registers": [{"name": "x", "address": 9}]}), ".spec.registers[name=\"x\"].address"),
        (json!({"atom": {"b": "2"}}), ".spec.atom"),
        (json!({"plain": ["2"]}), ".spec.plain"),
        (json!({"open": {"other": {"o": 2}}}), ".spec.open.other.o"),
    ] {
        let status = applied(typing, Some(&second), &spec, "bob", false).unwrap_err();
        assert_eq!(status.details.unwrap().causes[0].field, field);
    }
    let third = applied(typing, Some(&second), &json!({"host": "a"}), "alice", false).unwrap();
    assert_eq!(
        third["spec"],
        json!({"host": "a", "registers": [{"name": "y"}], "tags": ["q"], "labels": {"m": "2"}, "open": {"third": 3}})
    );
}

#[test]
fn misfits_are_refused() {
    let table = table();
    let typing = table.find("x.example", "v1", "Collector");
    for (spec, words) in [
        (
            json!({"registers": [{"name": "y"}, {"name": "y"}]}),
            ".spec.registers: duplicate entries for key [name=\"y\"]",
        ),
        (json!({"port": "text"}), ".spec.port: expected numeric (int or float), got string"),
        (json!({"odd": 1}), ".spec.odd: field not declared in schema"),
        (
            json!({"registers": [{"address": 1}]}),
            ".spec.registers: element 0: associative list with keys has an element that omits key field \"name\" (and doesn't have default value)",
        ),
    ] {
        let status = applied(typing, None, &spec, "alice", false).unwrap_err();
        let head = "failed to create typed patch object (/a; x.example/v1, Kind=Collector): ";
        assert_eq!((status.code, status.message), (500, format!("{head}{words}")));
    }
}

#[test]
fn a_custom_object_starts_from_nothing() {
    let table = table();
    for typing in [table.find("x.example", "v1", "Collector"), None] {
        let mut object = collector(&json!({"host": "a", "labels": {"l": "1"}}));
        update(subject(typing), None, &mut object, writer("alice", ""), &Reset::nothing());
        let expected = json!({"alice*": {"f:spec": {".": {}, "f:host": {}, "f:labels": {".": {}, "f:l": {}}}}});
        assert_eq!(managers(&object), expected);
    }
}

#[test]
fn without_a_schema_lists_are_owned_as_a_whole() {
    let first = applied(None, None, &json!({"list": [1], "map": {"a": 1}}), "alice", false).unwrap();
    assert_eq!(managers(&first), json!({"alice": {"f:spec": {".": {}, "f:list": {}, "f:map": {".": {}, "f:a": {}}}}}));
    let second = applied(None, Some(&first), &json!({"map": {"b": 2}}), "bob", false).unwrap();
    assert_eq!(second["spec"], json!({"list": [1], "map": {"a": 1, "b": 2}}));
    let status = applied(None, Some(&second), &json!({"list": [2]}), "bob", false).unwrap_err();
    assert_eq!(status.message, "Apply failed with 1 conflict: conflict with \"alice\": .spec.list");
}
