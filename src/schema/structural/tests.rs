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
