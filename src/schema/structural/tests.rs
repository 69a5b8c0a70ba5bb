use serde_json::json;

use super::*;
use crate::schema::table::{ListTopology, Shape, Type};

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "host": {"type": "string"},
                    "port": {"type": "integer", "default": 502},
                    "either": {"x-kubernetes-int-or-string": true},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                        "properties": {"known": {"type": "object", "properties": {"a": {"type": "string"}}}}},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "maybe": {"type": "string", "nullable": true},
                    "registers": {"type": "array", "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                        "items": {"type": "object", "properties": {
                            "name": {"type": "string"}, "scale": {"type": "number", "default": 1}}}},
                    "template": {"type": "object", "x-kubernetes-embedded-resource": true,
                        "x-kubernetes-preserve-unknown-fields": true},
                },
            },
        },
    })
}

#[test]
fn what_a_schema_does_not_know_is_pruned_and_told_in_order() {
    let mut object = json!({
        "apiVersion": "example.com/v1", "kind": "Collector", "more": {"x": 1},
        "metadata": {"name": "a", "colour": "red", "labels": {}},
        "spec": {
            "odd": true, "host": "h", "either": {"x": 1}, "free": {"y": {"z": 1}, "known": {"a": "b", "c": 1}},
            "labels": {"any": "thing"}, "registers": [{"name": "r", "odd": 1}], "port": null, "maybe": null,
        },
    });
    let told = coerce(&mut object, &schema()).expect("metadata is right");
    assert_eq!(
        told,
        [
            "unknown field \"metadata.colour\"",
            "unknown field \"more\"",
            "unknown field \"spec.either.x\"",
            "unknown field \"spec.free.known.c\"",
            "unknown field \"spec.odd\"",
            "unknown field \"spec.registers[0].odd\"",
        ]
    );
    assert_eq!(object["metadata"], json!({"name": "a"}));
    assert_eq!(
        object["spec"],
        json!({
            "host": "h", "either": {}, "free": {"y": {"z": 1}, "known": {"a": "b"}}, "labels": {"any": "thing"},
            "registers": [{"name": "r"}], "port": null, "maybe": null,
        })
    );
    default(&mut object, &schema());
    assert_eq!(object["spec"]["port"], 502);
    assert_eq!(object["spec"]["maybe"], Value::Null);
    assert_eq!(object["spec"]["registers"], json!([{"name": "r", "scale": 1}]));
}

#[test]
fn nulls_without_sense_go_and_metadata_must_be_right() {
    let mut object = json!({"spec": {"host": null, "maybe": null, "registers": [{"name": null}]}});
    assert_eq!(coerce(&mut object, &schema()), Ok(vec![]));
    assert_eq!(object, json!({"spec": {"maybe": null, "registers": [{}]}}));
    let mut wrong = json!({"metadata": {"labels": {"a": 1}}});
    assert_eq!(
        coerce(&mut wrong, &schema()),
        Err("json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string".to_owned())
    );
}

#[test]
fn an_embedded_object_keeps_its_meta_fields() {
    let mut object = json!({"spec": {"template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x",
        "odd": 1}, "spec": {"any": 1}}}});
    assert_eq!(coerce(&mut object, &schema()), Ok(vec!["unknown field \"spec.template.metadata.odd\"".to_owned()]));
    let left = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"any": 1}});
    assert_eq!(object["spec"]["template"], left);
}

#[test]
fn the_table_says_how_to_merge() {
    let table = table("example.com", "v1", "Collector", &schema()).expect("a small schema");
    let root = table.find("example.com", "v1", "Collector").and_then(Type::as_struct).expect("the kind");
    let names: Vec<&str> = root.fields().map(|field| field.name()).collect();
    assert_eq!(names, ["apiVersion", "kind", "metadata", "spec"]);
    let metadata = root.field("metadata").and_then(|field| field.ty().as_struct()).expect("metadata");
    assert_eq!(metadata.name(), "ObjectMeta");
    let owners = metadata.field("ownerReferences").expect("owners").ty();
    let Shape::List { topology: ListTopology::Map(mut keys), .. } = owners.shape() else {
        panic!("owners are a keyed list")
    };
    assert_eq!(keys.next(), Some("uid"));
    let spec = root.field("spec").and_then(|field| field.ty().as_struct()).expect("spec");
    let Some(Shape::List { item, topology: ListTopology::Map(keys) }) = spec.field("registers").map(|f| f.ty().shape())
    else {
        panic!("registers are a keyed list")
    };
    assert_eq!(keys.collect::<Vec<_>>(), ["name"]);
    assert_eq!(
        item.as_struct().and_then(|item| item.field("scale")).map(|field| field.default().to_owned()),
        Some("1".into())
    );
    assert!(spec.field("free").and_then(|field| field.ty().as_struct()).is_some_and(|free| free.preserves_unknown()));
    assert!(matches!(spec.field("labels").map(|f| f.ty().shape()), Some(Shape::Map { atomic: false, .. })));
}

#[test]
fn what_a_schema_refuses_is_told_in_upstream_s_words() {
    use crate::schema::field::{Errors, Path};
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "required": ["host"], "properties": {
        "host": {"type": "string", "minLength": 1, "maxLength": 30, "pattern": "^[a-z0-9.-]+$"},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "mode": {"type": "string", "enum": ["tcp", "rtu"]},
        "rate": {"type": "number", "multipleOf": 0.5},
        "registers": {"type": "array", "maxItems": 3, "minItems": 1, "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object", "required": ["name"], "properties":
            {"name": {"type": "string"}, "address": {"type": "integer", "format": "int32"}}}},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "port2": {"x-kubernetes-int-or-string": true},
        "when": {"type": "string", "format": "date-time"},
        "bytes": {"type": "string", "format": "byte"},
        "any": {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        "embedded": {"type": "object", "x-kubernetes-embedded-resource": true},
    }}}});
    for (spec, wanted) in [
        (json!({}), "spec.host: Required value"),
        (json!({"host": ""}), "spec.host: Invalid value: \"\": spec.host in body should be at least 1 chars long"),
        (json!({"host": "UP"}), "spec.host: Invalid value: \"UP\": spec.host in body should match '^[a-z0-9.-]+$'"),
        (json!({"host": "x".repeat(31)}), "spec.host: Too long: may not be more than 30 bytes"),
        (
            json!({"host": "a", "port": 0}),
            "spec.port: Invalid value: 0: spec.port in body should be greater than or equal to 1",
        ),
        (
            json!({"host": "a", "port": 70000}),
            "spec.port: Invalid value: 70000: spec.port in body should be less than or equal to 65535",
        ),
        (
            json!({"host": "a", "port": "502"}),
            "spec.port: Invalid value: \"string\": spec.port in body must be of type integer: \"string\"",
        ),
        (
            json!({"host": "a", "port": 1.5}),
            "spec.port: Invalid value: \"number\": spec.port in body must be of type integer: \"number\"; \
             <nil>: Invalid value: \"\": Checked value must be of type integer (default format) in spec.port",
        ),
        (
            json!({"host": "a", "mode": "udp"}),
            "spec.mode: Unsupported value: \"udp\": supported values: \"tcp\", \"rtu\"",
        ),
        (
            json!({"host": "a", "rate": 0.3}),
            "spec.rate: Invalid value: 0.3: spec.rate in body should be a multiple of 0.5",
        ),
        (
            json!({"host": "a", "registers": []}),
            "spec.registers: Invalid value: 0: spec.registers in body should have at least 1 items",
        ),
        (
            json!({"host": "a", "registers": [{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}]}),
            "spec.registers: Too many: 4: must have at most 3 items",
        ),
        (json!({"host": "a", "registers": [{"address": 5}]}), "spec.registers[0].name: Required value"),
        (
            json!({"host": "a", "registers": [{"name": "a"}, {"name": "a"}]}),
            "spec.registers[1]: Duplicate value: {\"name\":\"a\"}",
        ),
        (json!({"host": "a", "tags": ["x", "x", "x"]}), "spec.tags[1]: Duplicate value: \"x\""),
        (
            json!({"host": "a", "labels": {"k": 5}}),
            "spec.labels.k: Invalid value: \"integer\": spec.labels.k in body must be of type string: \"integer\"",
        ),
        (
            json!({"host": "a", "when": "yesterday"}),
            "spec.when: Invalid value: \"yesterday\": spec.when in body must be of type date-time: \"yesterday\"",
        ),
        (
            json!({"host": "a", "bytes": "***"}),
            "spec.bytes: Invalid value: \"***\": spec.bytes in body must be of type byte: \"***\"",
        ),
        (
            json!({"host": "a", "port2": {}}),
            "spec.port2: Invalid value: \"object\": spec.port2 in body must be of type integer,string: \"object\"",
        ),
        (json!("text"), "spec: Invalid value: \"string\": spec in body must be of type object: \"string\""),
        (
            json!({"host": "a", "embedded": {}}),
            "spec.embedded.apiVersion: Required value; spec.embedded.kind: Required value",
        ),
        (
            json!({"host": "a", "registers": [{"name": "a", "address": 5_000_000_000i64}]}),
            "<nil>: Invalid value: \"\": Checked value must be of type integer with format int32 in \
             spec.registers[0].address",
        ),
        (
            json!({"host": "a", "any": {}}),
            "<nil>: Invalid value: \"\": \"spec.any\" must validate at least one schema (anyOf); \
             spec.any.a: Required value",
        ),
        (json!({"host": "a", "port": 502, "rate": 2, "port2": "x", "any": {"b": 1}}), ""),
    ] {
        let object = json!({"spec": spec});
        let mut errors = Errors::new();
        let root = Path::root();
        validate(&object, None, &schema, &root, &mut errors);
        validate_embedded(&object, &schema, &root, &mut errors);
        validate_lists(&object, &schema, &root, &mut errors);
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(told.join("; "), wanted);
    }
    let mut errors = Errors::new();
    let status = json!({"type": "object", "properties": {"phase": {"type": "string"}}});
    validate(&json!({"phase": 5}), None, &status, &Path::new("status"), &mut errors);
    assert_eq!(
        errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["status.phase: Invalid value: \"integer\": phase in body must be of type string: \"integer\""]
    );
}
