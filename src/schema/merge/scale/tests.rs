use serde_json::json;

use super::*;

const PLACES: [Replicas<'static>; 2] = [
    Replicas { api_version: "apps/v1", path: &["spec", "replicas"] },
    Replicas { api_version: "x.example/v1", path: &["spec", "size"] },
];

fn entry(manager: &str, operation: &str, version: &str, subresource: &str, fields: Value) -> Value {
    let mut entry = json!({"manager": manager, "operation": operation, "apiVersion": version, "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": fields});
    if !subresource.is_empty() {
        entry["subresource"] = subresource.into();
    }
    entry
}

fn replicas() -> Value {
    json!({"f:spec": {"f:replicas": {}}})
}

#[test]
fn a_scale_shows_who_has_the_replicas() {
    let parent = json!([
        entry("a", "Apply", "apps/v1", "", json!({"f:spec": {"f:replicas": {}, "f:paused": {}}})),
        entry("b", "Update", "apps/v1", "", json!({"f:spec": {"f:paused": {}}})),
        entry("c", "Update", "x.example/v1", "", json!({"f:spec": {"f:size": {}}})),
        entry("d", "Update", "gone/v1", "", replicas()),
    ]);
    let scale = to_scale(Some(&parent), &PLACES).unwrap().unwrap();
    let expected = json!([
        entry("a", "Apply", "autoscaling/v1", "", replicas()),
        entry("c", "Update", "autoscaling/v1", "", replicas()),
    ]);
    assert_eq!(scale, expected);
    assert_eq!(to_scale(None, &PLACES).unwrap(), None);
}

#[test]
fn a_writer_of_the_scale_takes_the_replicas_over() {
    let parent = json!([
        entry("op", "Apply", "apps/v1", "", json!({"f:spec": {"f:replicas": {}, "f:paused": {}}})),
        entry("only", "Update", "apps/v1", "", replicas()),
    ]);
    let scale = json!([entry("scaler", "Update", "autoscaling/v1", "scale", replicas())]);
    let after = to_parent(Some(&parent), Some(&scale), "apps/v1", &PLACES).unwrap().unwrap();
    let mut scaler = entry("scaler", "Update", "apps/v1", "scale", replicas());
    scaler.as_object_mut().unwrap().remove("time");
    assert_eq!(after, json!([entry("op", "Apply", "apps/v1", "", json!({"f:spec": {"f:paused": {}}})), scaler]));

    let kept = json!([entry("op", "Apply", "autoscaling/v1", "", replicas())]);
    let after = to_parent(Some(&parent), Some(&kept), "apps/v1", &PLACES).unwrap().unwrap();
    assert_eq!(
        after,
        json!([entry("op", "Apply", "apps/v1", "", json!({"f:spec": {"f:replicas": {}, "f:paused": {}}}))])
    );
}
