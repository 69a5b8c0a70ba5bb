use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::schema::merge::reset::reset_fields;
use crate::schema::merge::update::update;
use crate::schema::table::Type;

fn subject(kind: &'static str) -> Subject<'static> {
    match kind {
        "Deployment" => Subject {
            typing: Type::builtin("apps", "v1", kind),
            api_version: "apps/v1",
            kind,
            versions: &[],
            siblings: &[],
        },
        _ => Subject { typing: Type::builtin("", "v1", kind), api_version: "v1", kind, versions: &[], siblings: &[] },
    }
}

pub(super) fn writer<'a>(manager: &'a str, subresource: &'a str) -> Writer<'a> {
    Writer { manager, subresource, now: Timestamp::UNIX_EPOCH }
}

/// Applies and lets the server give an identity to what is new.
fn applied(live: Option<&Value>, patch: &Value, manager: &str, force: bool) -> Result<Value, Status> {
    let subject = subject(if patch["kind"] == "Deployment" { "Deployment" } else { "ConfigMap" });
    let reset = reset_fields("", subject.kind, "", subject.kind == "Deployment");
    let mut object = apply(subject, live, patch, writer(manager, ""), force, &reset)?;
    object["metadata"]["uid"] = "u".into();
    Ok(object)
}

fn map(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

fn deployment(spec: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec})
}

/// The fields of each manager, those of updates marked.
pub(super) fn managers(object: &Value) -> Value {
    let entry = |entry: &Value| {
        let mark = if entry["operation"] == "Update" { "*" } else { "" };
        (format!("{}{mark}", entry["manager"].as_str().unwrap()), entry["fieldsV1"].clone())
    };
    managed::of(object).and_then(Value::as_array).into_iter().flatten().map(entry).collect()
}

#[test]
fn appliers_conflict_force_and_let_go() {
    let first = applied(None, &map(&json!({"one": "1", "two": "2"})), "alice", false).unwrap();
    assert_eq!(managers(&first), json!({"alice": {"f:data": {"f:one": {}, "f:two": {}}}}));

    let status = applied(Some(&first), &map(&json!({"one": "9"})), "bob", false).unwrap_err();
    assert_eq!(
        status.to_value(),
        json!({"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": 409, "reason": "Conflict",
            "message": "Apply failed with 1 conflict: conflict with \"alice\": .data.one",
            "details": {"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"alice\"", "field": ".data.one"}]}})
    );
    let status = applied(Some(&first), &map(&json!({"one": "9", "two": "8"})), "bob", false).unwrap_err();
    assert_eq!(status.message, "Apply failed with 2 conflicts: conflicts with \"alice\":\n- .data.one\n- .data.two");

    let second = applied(Some(&first), &map(&json!({"one": "9"})), "bob", true).unwrap();
    assert_eq!(managers(&second), json!({"alice": {"f:data": {"f:two": {}}}, "bob": {"f:data": {"f:one": {}}}}));
    assert_eq!(second["data"], json!({"one": "9", "two": "2"}));

    let nothing = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let third = applied(Some(&second), &nothing, "bob", false).unwrap();
    assert_eq!(third["data"], json!({"two": "2"}), "what only bob applied is gone");
    assert_eq!(managers(&third), json!({"alice": {"f:data": {"f:two": {}}}}));
}

#[test]
fn a_field_stays_while_anybody_applies_it() {
    let first = applied(None, &map(&json!({"one": "1"})), "alice", false).unwrap();
    let second = applied(Some(&first), &map(&json!({"one": "1", "b": "2"})), "bob", false).unwrap();
    let third = applied(Some(&second), &map(&json!({})), "alice", false).unwrap();
    assert_eq!(third["data"], json!({"one": "1", "b": "2"}));
    assert_eq!(managers(&third), json!({"alice": {"f:data": {}}, "bob": {"f:data": {"f:b": {}, "f:one": {}}}}));
    let fourth = applied(Some(&third), &map(&json!({})), "bob", false).unwrap();
    assert_eq!(fourth["data"], Value::Null);
    assert_eq!(managers(&fourth), json!({"alice": {"f:data": {}}, "bob": {"f:data": {}}}));
}

#[test]
fn an_updater_is_named_with_its_version_and_an_apply_of_the_same_has_no_time() {
    let mut live =
        deployment(&json!({"replicas": 1, "template": {"spec": {"containers": [{"name": "c", "image": "1"}]}}}));
    update(subject("Deployment"), None, &mut live, writer("editor", ""), &Reset::nothing());
    live["metadata"]["uid"] = "u".into();
    let patch =
        deployment(&json!({"replicas": 5, "template": {"spec": {"containers": [{"name": "c", "image": "2"}]}}}));
    let status = applied(Some(&live), &patch, "op", false).unwrap_err();
    assert_eq!(
        status.message,
        "Apply failed with 2 conflicts: conflicts with \"editor\" using apps/v1:\n- .spec.replicas\n- .spec.template.spec.containers[name=\"c\"].image"
    );
    let same = applied(Some(&live), &deployment(&json!({"replicas": 1})), "op", false).unwrap();
    let entry = &managed::of(&same).unwrap()[0];
    assert_eq!((&entry["manager"], entry.get("time")), (&json!("op"), None));
    let again = applied(Some(&same), &deployment(&json!({"replicas": 2})), "op", true).unwrap();
    assert_eq!(managed::of(&again).unwrap()[0]["time"], "1970-01-01T00:00:00Z");
}

#[test]
fn items_of_lists_belong_to_their_appliers() {
    let with = |containers: Value| deployment(&json!({"template": {"spec": {"containers": containers}}}));
    let one = applied(
        None,
        &with(json!([{"name": "a", "image": "a", "env": [{"name": "X", "value": "1"}]}])),
        "alice",
        false,
    );
    let two = applied(
        Some(&one.unwrap()),
        &with(json!([{"name": "a", "env": [{"name": "Y", "value": "2"}]}, {"name": "b"}])),
        "bob",
        false,
    );
    let three = applied(Some(&two.unwrap()), &with(json!([{"name": "a", "image": "a"}])), "alice", false).unwrap();
    assert_eq!(
        three["spec"]["template"]["spec"]["containers"],
        json!([{"name": "a", "image": "a", "env": [{"name": "Y", "value": "2"}]}, {"name": "b"}])
    );
    let four = applied(Some(&three), &with(json!([{"name": "a"}])), "bob", false).unwrap();
    assert_eq!(
        four["spec"]["template"]["spec"]["containers"],
        json!([{"name": "a", "image": "a"}]),
        "the item and the variable of bob are gone"
    );
}

#[test]
fn an_object_without_managers_is_taken_as_it_stands() {
    let mut live = map(&json!({"one": "1"}));
    live["metadata"]["uid"] = "u".into();
    let status = applied(Some(&live), &map(&json!({"one": "2"})), "alice", false).unwrap_err();
    assert_eq!(
        status.message,
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .data.one"
    );
    let object = applied(Some(&live), &map(&json!({"two": "2"})), "alice", false).unwrap();
    assert_eq!(
        managers(&object),
        json!({"alice": {"f:data": {"f:two": {}}}, "before-first-apply*": {"f:data": {".": {}, "f:one": {}}}})
    );
}

#[test]
fn what_goes_through_another_address_is_not_managed() {
    let patch = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"replicas": 2}, "status": {"replicas": 7}});
    let object = applied(None, &patch, "op", false).unwrap();
    assert_eq!(managers(&object), json!({"op": {"f:spec": {"f:replicas": {}}}}));
    let reset = reset_fields("apps", "Deployment", "status", true);
    let status = apply(subject("Deployment"), Some(&object), &patch, writer("ctl", "status"), false, &reset).unwrap();
    let entries = managed::of(&status).unwrap();
    assert_eq!(
        (&entries[0]["subresource"], &entries[0]["fieldsV1"]),
        (&json!("status"), &json!({"f:status": {"f:replicas": {}}}))
    );
}

#[test]
fn kubectl_takes_over_from_client_side_apply() {
    let note = |data: Value| {
        format!("{}\n", json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}))
    };
    let mut live = map(&json!({"one": "1", "old": "x"}));
    live["metadata"]["annotations"] = json!({last_applied::ANNOTATION: note(json!({"one": "1", "old": "x"}))});
    update(subject("ConfigMap"), None, &mut live, writer("kubectl-client-side-apply", ""), &Reset::nothing());
    live["metadata"]["uid"] = "u".into();

    assert_eq!(applied(Some(&live), &map(&json!({"one": "2"})), "other", false).unwrap_err().code, 409);
    let taken = applied(Some(&live), &map(&json!({"one": "<2>"})), "kubectl", false).unwrap();
    assert_eq!(taken["data"], json!({"one": "<2>", "old": "x"}));
    let text = taken["metadata"]["annotations"][last_applied::ANNOTATION].as_str().unwrap();
    assert_eq!(text, note(json!({"one": "<2>"})).replace('<', "\\u003c").replace('>', "\\u003e"));

    live["data"]["one"] = "changed".into();
    let status = applied(Some(&live), &map(&json!({"one": "2"})), "kubectl", false).unwrap_err();
    assert!(status.message.contains(".data.one"), "what was changed since is a conflict: {}", status.message);
}

#[test]
fn patches_that_are_refused() {
    let refused = |patch: Value| applied(None, &patch, "a", false).unwrap_err();
    for (patch, words) in [
        (json!({"apiVersion": "v1", "metadata": {"name": "a"}}), "invalid object type: /v1, Kind="),
        (json!({"kind": "ConfigMap"}), "invalid object type: /, Kind=ConfigMap"),
        (json!({"apiVersion": "apps/v1", "kind": "ConfigMap"}), "invalid object type: apps/v1, Kind=ConfigMap"),
    ] {
        let status = refused(patch);
        assert_eq!((status.code, status.message.as_str()), (400, words));
    }
    let mut own = map(&json!({}));
    own["metadata"]["managedFields"] = json!([]);
    assert_eq!(refused(own).message, "metadata.managedFields must be nil");
    let mut odd = map(&json!({}));
    odd["metadata"]["namespace"] = "n".into();
    odd["unknown"] = "x".into();
    let status = refused(odd);
    assert_eq!((status.code, status.reason, status.details.is_none()), (500, "", true));
    assert_eq!(
        status.message,
        "failed to create typed patch object (n/a; /v1, Kind=ConfigMap): .unknown: field not declared in schema"
    );
}
