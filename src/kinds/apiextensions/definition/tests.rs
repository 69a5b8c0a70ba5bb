use serde_json::{Value, json};

use super::*;
use crate::schema::field::Errors;

fn definition(schema: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "probes.plant.example"},
        "spec": {"group": "plant.example", "scope": "Namespaced", "names": {"plural": "probes", "kind": "Probe"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]},
    });
    Definition.default(&mut object);
    Definition.prepare_create(&mut object);
    object
}

fn faults(object: &Value) -> Vec<String> {
    let mut errors = Errors::new();
    Definition.validate(object, &mut errors);
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn names_are_completed_and_a_whole_definition_has_no_fault() {
    let object = definition(&json!({"type": "object"}));
    assert_eq!(object["spec"]["names"]["singular"], "probe");
    assert_eq!(object["spec"]["names"]["listKind"], "ProbeList");
    assert_eq!(object["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(faults(&object), Vec::<String>::new());
}

#[test]
fn names_versions_and_paths_are_told_apart() {
    let mut object = definition(&json!({"type": "object"}));
    object["metadata"]["name"] = json!("other.plant.example");
    object["spec"]["scope"] = json!("Everywhere");
    object["spec"]["versions"][0]["additionalPrinterColumns"] = json!([{"name": "a", "type": "text", "jsonPath": "x"}]);
    object["spec"]["versions"][0]["subresources"] = json!({"scale": {"specReplicasPath": ".status.x"}});
    assert_eq!(
        faults(&object),
        [
            "metadata.name: Invalid value: \"other.plant.example\": must be spec.names.plural+\".\"+spec.group",
            "spec.scope: Unsupported value: \"Everywhere\": supported values: \"Cluster\", \"Namespaced\"",
            "spec.subresources.scale.specReplicasPath: Invalid value: \".status.x\": should be a json path under .spec",
            "spec.subresources.scale.statusReplicasPath: Required value",
            "spec.additionalPrinterColumns[0].type: Invalid value: \"text\": must be one of boolean,date,integer,number,string",
            "spec.additionalPrinterColumns[0].JSONPath: Invalid value: \"x\": must be a simple json path starting with .",
        ]
    );
}

#[test]
fn a_schema_must_be_structural() {
    let at = "spec.validation.openAPIV3Schema";
    for (schema, fault) in [
        (json!({}), ".type: Required value: must not be empty at the root"),
        (json!({"type": "array"}), ".items: Required value: must be specified"),
        (
            json!({"type": "object", "properties": {"a": {}}}),
            ".properties[a].type: Required value: must not be empty for specified object fields",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "items": {}}}}),
            ".properties[a].items.type: Required value: must not be empty for specified array items",
        ),
        (
            json!({"type": "object", "anyOf": [{"properties": {"a": {"minLength": 1}}}]}),
            ".properties[a]: Required value: because it is defined in spec.validation.openAPIV3Schema.anyOf[0].properties[a]",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "oneOf": [{"properties": {"a": {"type": "string"}}}]}),
            ".oneOf[0].properties[a].type: Forbidden: must be empty to be structural",
        ),
        (
            json!({"type": "object", "properties": {"metadata": {"type": "object", "minProperties": 1}}}),
            ".properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
        ),
        (
            json!({"type": "object", "properties": {"a": {"$ref": "#/x", "type": "string"}}}),
            ".properties[a].$ref: Forbidden: $ref is not supported",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string", "default": 5}}}),
            ".properties[a].default: Invalid value: \"integer\":  in body must be of type string: \"integer\"",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"}}}),
            ".properties[a].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
        ),
        (
            json!({"type": "object", "additionalProperties": true}),
            ".additionalProperties: Forbidden: must not be used at the root",
        ),
    ] {
        let found = faults(&definition(&schema));
        assert!(found.contains(&format!("{at}{fault}")), "{schema}: {found:#?}");
    }
}

#[test]
fn int_or_string_may_say_so_in_a_condition() {
    let either = json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": "^a"});
    assert_eq!(faults(&definition(&json!({"type": "object", "properties": {"a": either}}))), Vec::<String>::new());
}

#[test]
fn names_that_others_have_are_refused_until_they_are_free() {
    let mut object = definition(&json!({"type": "object"}));
    let mut taken = status::Taken::default();
    taken.kinds.push("Probe".to_owned());
    status::settle(&mut object, &taken, "2024-01-01T00:00:00Z");
    assert!(!status::holds(&object, "Established"));
    assert_eq!(object["status"]["conditions"][0]["reason"], "KindConflict");
    assert_eq!(object["status"]["conditions"][0]["message"], "\"Probe\" is already in use");
    status::settle(&mut object, &status::Taken::default(), "2024-01-01T00:00:01Z");
    assert!(status::holds(&object, "Established") && status::holds(&object, "NamesAccepted"));
    assert_eq!(object["status"]["acceptedNames"]["kind"], "Probe");
}

#[test]
fn what_versions_share_is_told_of_the_definition_and_the_rest_of_each() {
    let mut object = definition(&json!({"type": "object"}));
    let mut second = object["spec"]["versions"][0].clone();
    second["name"] = json!("v2");
    object["spec"]["versions"].as_array_mut().expect("a list").push(second);
    let version = |name: &str| {
        format!(
            "{{\"Name\":\"{name}\",\"Served\":true,\"Storage\":true,\"Deprecated\":false,\"DeprecationWarning\":null,\
             \"Schema\":null,\"Subresources\":null,\"AdditionalPrinterColumns\":null,\"SelectableFields\":null}}"
        )
    };
    let shown = format!("[{},{}]", version("v1"), version("v2"));
    assert_eq!(
        faults(&object),
        [format!("spec.versions: Invalid value: {shown}: must have exactly one version marked as storage version")]
    );
    object["spec"]["versions"][1]["storage"] = json!(false);
    object["spec"]["versions"][1]["schema"]["openAPIV3Schema"] = json!({"type": "string"});
    assert_eq!(
        faults(&object),
        ["spec.versions[1].schema.openAPIV3Schema.type: Invalid value: \"string\": must be object at the root"]
    );
}
