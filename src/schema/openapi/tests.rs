use std::collections::BTreeSet;

use serde_json::json;

use super::*;

fn resource<'a>(group: &'a str, version: &'a str, kind: &'a str, plural: &'a str) -> Resource<'a> {
    let gvk = Gvk { group, version, kind };
    Resource {
        gvk,
        plural,
        namespaced: true,
        verbs: vec!["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        subresources: vec![Subresource { name: "status", verbs: vec!["get", "patch", "update"], gvk }],
        schema: None,
    }
}

fn document(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Value {
    let mut bytes = Vec::new();
    write(&mut bytes).expect("memory takes all");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// All references in a document, and whether each leads somewhere.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

fn all_lead_somewhere(document: &Value) {
    let mut found = BTreeSet::new();
    references(document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn a_group_version_is_described_for_apply_and_explain() {
    let jobs = [resource("batch", "v1", "Job", "jobs"), resource("", "v1", "Pod", "pods")];
    let document = document(|out| v3("batch", "v1", &jobs, out));
    all_lead_somewhere(&document);
    let path = &document["paths"]["/apis/batch/v1/namespaces/{namespace}/jobs/{name}"];
    assert_eq!(path["get"]["operationId"], "readBatchV1NamespacedJob");
    assert_eq!(path["get"]["x-kubernetes-action"], "get");
    let gvk = json!({"group": "batch", "kind": "Job", "version": "v1"});
    assert_eq!(path["patch"]["x-kubernetes-group-version-kind"], gvk);
    let queries: Vec<&str> = path["patch"]["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|parameter| parameter["name"].as_str())
        .collect();
    assert_eq!(queries, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    assert!(path["patch"]["requestBody"]["content"]["application/strategic-merge-patch+json"].is_object());
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["io.k8s.api.batch.v1.Job"]["x-kubernetes-group-version-kind"], json!([gvk]));
    assert_eq!(
        schemas["io.k8s.api.batch.v1.JobStatus"]["description"],
        "JobStatus represents the current state of a Job."
    );
    assert_eq!(schemas["io.k8s.api.batch.v1.JobSpec"]["properties"]["suspend"]["type"], "boolean");
    assert!(schemas["io.k8s.api.batch.v1.JobSpec"]["properties"]["suspend"]["description"].is_string());
    let ports = &schemas["io.k8s.api.core.v1.Container"]["properties"]["ports"];
    assert_eq!(ports["x-kubernetes-list-map-keys"], json!(["containerPort", "protocol"]));
    assert_eq!(ports["x-kubernetes-patch-merge-key"], "containerPort");
    let metadata = &schemas["io.k8s.api.batch.v1.Job"]["properties"]["metadata"];
    assert_eq!(
        metadata["allOf"],
        json!([{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}])
    );
    assert_eq!(schemas["io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"]["x-kubernetes-map-type"], "atomic");
    assert!(document["paths"]["/api/v1/namespaces/{namespace}/pods"].is_null());
}

#[test]
fn version_2_has_everything_and_no_defaults() {
    let both = [resource("batch", "v1", "Job", "jobs"), resource("", "v1", "Pod", "pods")];
    let document = document(|out| v2(&both, out));
    all_lead_somewhere(&document);
    assert_eq!(document["swagger"], "2.0");
    let patch = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
    assert_eq!(patch["consumes"][3], "application/strategic-merge-patch+json");
    assert_eq!(patch["parameters"][0]["in"], "body");
    let port = &document["definitions"]["io.k8s.api.core.v1.ContainerPort"];
    assert_eq!(port["required"], json!(["containerPort"]));
    assert_eq!(port["properties"]["protocol"]["enum"], json!(["SCTP", "TCP", "UDP"]));
    assert!(port["properties"]["protocol"]["default"].is_null());
}

#[test]
fn a_custom_resource_stands_beside_the_built_in_ones() {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties":
        {"size": {"type": "integer", "default": 1}, "any": {"nullable": true, "type": "string"}}}}});
    let mut custom = resource("example.com", "v1", "Thing", "things");
    custom.schema = Some(&schema);
    let all = [custom];
    let third = document(|out| v3("example.com", "v1", &all, out));
    all_lead_somewhere(&third);
    let thing = &third["components"]["schemas"]["com.example.v1.Thing"];
    assert_eq!(thing["properties"]["spec"]["properties"]["size"]["default"], 1);
    assert_eq!(thing["x-kubernetes-group-version-kind"][0]["kind"], "Thing");
    let second = document(|out| v2(&all, out));
    all_lead_somewhere(&second);
    let spec = &second["definitions"]["com.example.v1.Thing"]["properties"]["spec"]["properties"];
    assert_eq!(*spec, json!({"size": {"type": "integer"}, "any": {}}));
}

#[test]
fn the_protobuf_form_holds_the_same_models() {
    let all = [resource("apps", "v1", "Deployment", "deployments")];
    let json = document(|out| v2(&all, out));
    let mut bytes = Vec::new();
    v2_protobuf(&all, &mut bytes).expect("memory takes all");
    let entries = |number: u64| -> Vec<String> {
        // Document → the message that holds all → its entries → their names.
        let outer = fields(&bytes).into_iter().find(|(n, _)| *n == number).expect("a field").1;
        let names = fields(outer).into_iter().map(|(_, entry)| {
            let name = fields(entry).into_iter().find(|(n, _)| *n == 1).expect("a name").1;
            String::from_utf8_lossy(name).into_owned()
        });
        names.collect()
    };
    let names = |key: &str| json[key].as_object().map(|map| map.keys().cloned().collect::<BTreeSet<_>>());
    assert_eq!(Some(entries(9).into_iter().collect()), names("definitions"));
    assert_eq!(Some(entries(8).into_iter().collect()), names("paths"));
}

/// The fields of a message that holds nothing but messages and text.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let number = |bytes: &mut &[u8]| {
        let (mut value, mut shift) = (0u64, 0);
        while let Some((byte, rest)) = bytes.split_first() {
            *bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    };
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = number(&mut bytes);
        assert_eq!(tag & 7, 2, "length-delimited");
        let length = usize::try_from(number(&mut bytes)).expect("short");
        let (inner, rest) = bytes.split_at(length);
        found.push((tag >> 3, inner));
        bytes = rest;
    }
    found
}

#[test]
fn the_index_leads_to_the_documents() {
    let index = v3_index([("api/v1", "ABC"), ("apis/apps/v1", "DEF")]);
    assert_eq!(index["paths"]["api/v1"]["serverRelativeURL"], "/openapi/v3/api/v1?hash=ABC");
}
