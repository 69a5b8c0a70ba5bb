use serde_json::json;

use super::*;
use crate::schema::merge::reset::reset_fields;
use crate::schema::table::Type;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn subject(api_version: &'static str, kind: &'static str) -> Subject<'static> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    Subject { typing: Type::builtin(group, version, kind), api_version, kind, versions: &[], siblings: &[] }
}

/// `new` after it was written by `manager` at `second`.
fn written(live: Option<&Value>, new: &Value, manager: &str, subresource: &str, second: i64) -> Value {
    let mut new = new.clone();
    let writer = Writer { manager, subresource, now: at(second) };
    let (kind, version) = match new["kind"].as_str() {
        Some("Deployment") => ("Deployment", "apps/v1"),
        _ => ("ConfigMap", "v1"),
    };
    let reset = reset_fields("", kind, subresource, kind == "Deployment");
    update(subject(version, kind), live, &mut new, writer, &reset);
    new
}

/// Manager, operation, subresource, time and fields of each entry.
fn shown(object: &Value) -> Vec<(String, Value)> {
    let entry = |entry: &Value| {
        let part = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
        let head = [part("manager"), part("operation"), part("subresource"), part("time")].join(" ");
        (head, entry["fieldsV1"].clone())
    };
    managed::of(object).and_then(Value::as_array).into_iter().flatten().map(entry).collect()
}

fn map(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": "u"}, "data": data})
}

const ZERO: &str = "1970-01-01T00:00:00Z";

#[test]
fn a_create_manages_what_go_would_not_have_written_anyway() {
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "labels": {"l": "m"}},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i", "resources": {}}], "securityContext": {}}}},
        "status": {"replicas": 3}});
    let created = written(None, &deployment, "alice", "", 0);
    let fields = json!({"f:metadata": {"f:labels": {".": {}, "f:l": {}}}, "f:spec": {"f:replicas": {}, "f:selector": {},
        "f:strategy": {"f:type": {}, "f:rollingUpdate": {".": {}, "f:maxSurge": {}}},
        "f:template": {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": {"f:securityContext": {},
            "f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}, "f:name": {}, "f:resources": {}}}}}}});
    assert_eq!(shown(&created), [(format!("alice Update - {ZERO}"), fields)]);
    let entry = &managed::of(&created).unwrap()[0];
    assert_eq!((&entry["apiVersion"], &entry["fieldsType"]), (&json!("apps/v1"), &json!("FieldsV1")));

    let custom = Subject { typing: None, api_version: "x.example/v1", kind: "Thing", versions: &[], siblings: &[] };
    let mut thing = json!({"apiVersion": "x.example/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"a": 1}});
    update(custom, None, &mut thing, Writer { manager: "", subresource: "", now: at(0) }, &Reset::nothing());
    assert_eq!(shown(&thing), [(format!("unknown Update - {ZERO}"), json!({"f:spec": {".": {}, "f:a": {}}}))]);
}

#[test]
fn a_change_goes_over_to_who_made_it() {
    let first = written(None, &map(&json!({"a": "1", "b": "1"})), "alice", "", 0);
    let second = written(Some(&first), &map(&json!({"a": "2", "b": "1", "c": "1"})), "bob", "", 60);
    let alice = json!({"f:data": {".": {}, "f:b": {}}});
    let bob = ("bob Update - 1970-01-01T00:01:00Z".to_owned(), json!({"f:data": {"f:a": {}, "f:c": {}}}));
    assert_eq!(shown(&second), [(format!("alice Update - {ZERO}"), alice.clone()), bob.clone()]);

    let same = written(Some(&second), &map(&json!({"a": "2", "b": "1", "c": "1"})), "carol", "", 120);
    assert_eq!(managed::of(&same), managed::of(&second), "nothing changed, nobody manages more");

    let third = written(Some(&second), &map(&json!({"a": "2", "b": "3", "c": "1"})), "bob", "", 120);
    assert_eq!(
        shown(&third),
        [
            (format!("alice Update - {ZERO}"), json!({"f:data": {}})),
            ("bob Update - 1970-01-01T00:02:00Z".to_owned(), json!({"f:data": {"f:a": {}, "f:b": {}, "f:c": {}}})),
        ]
    );
    let mut emptied = map(&Value::Null);
    emptied.as_object_mut().unwrap().remove("data");
    let fourth = written(Some(&third), &emptied, "carol", "", 180);
    assert_eq!(shown(&fourth), [], "what is gone belongs to nobody");
}

#[test]
fn entries_can_be_sent_forgotten_and_are_kept_apart_by_subresource() {
    let first = written(None, &map(&json!({"a": "1"})), "alice", "", 0);
    let mut renamed = map(&json!({"a": "1"}));
    let entries = json!([{"manager": "mallory", "operation": "Update", "apiVersion": "v1", "time": ZERO,
        "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}}]);
    managed::put(&mut renamed, Some(entries.clone()));
    let sent = written(Some(&first), &renamed, "alice", "", 60);
    assert_eq!(managed::of(&sent), Some(&entries));
    let ignored = written(Some(&first), &renamed, "alice", "status", 60);
    assert_eq!(managed::of(&ignored), managed::of(&first), "a subresource cannot change entries");

    for list in [json!([]), json!([{}]), json!([{"manager": "", "operation": ""}])] {
        let mut forgotten = map(&json!({"a": "2"}));
        managed::put(&mut forgotten, Some(list));
        assert_eq!(managed::of(&written(Some(&first), &forgotten, "alice", "", 60)), None);
    }
    let mut broken = map(&json!({"a": "1"}));
    managed::put(&mut broken, Some(json!([{"manager": "x", "operation": "Odd"}])));
    assert_eq!(managed::of(&written(Some(&first), &broken, "bob", "", 60)), managed::of(&first));

    let old = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": "u"}});
    assert_eq!(
        managed::of(&written(Some(&old), &map(&json!({"a": "1"})), "bob", "", 60)),
        None,
        "not tracked since its create"
    );
}

#[test]
fn old_updaters_are_joined() {
    let mut live = written(None, &map(&json!({"k0": "v"})), "m0", "", 0);
    for number in 1..=11 {
        let mut data = live["data"].clone();
        data[format!("k{number}")] = "v".into();
        live = written(Some(&live), &map(&data), &format!("m{number}"), "", 60 * number);
    }
    let entries = shown(&live);
    assert_eq!(entries.len(), 10);
    assert_eq!(entries[0].0, "ancient-changes Update - 1970-01-01T00:02:00Z");
    assert_eq!(entries[0].1, json!({"f:data": {".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {}}}));
    assert_eq!(entries[9].0, "m11 Update - 1970-01-01T00:11:00Z");
}

#[test]
fn entries_of_versions_that_are_gone_are_dropped() {
    let mut live = written(None, &map(&json!({"a": "1"})), "alice", "", 0);
    live["metadata"]["managedFields"][0]["apiVersion"] = "v0".into();
    let mut new = map(&json!({"a": "1", "b": "2"}));
    let subject = Subject { versions: &["v1"], ..subject("v1", "ConfigMap") };
    update(subject, Some(&live), &mut new, Writer { manager: "bob", subresource: "", now: at(0) }, &Reset::nothing());
    assert_eq!(shown(&new), [(format!("bob Update - {ZERO}"), json!({"f:data": {"f:b": {}}}))]);
}

#[test]
fn times_alone_are_no_change() {
    let live = written(None, &map(&json!({"a": "1"})), "alice", "", 0);
    let mut later = written(None, &map(&json!({"a": "1"})), "alice", "", 60);
    managed::settle(&live, &mut later);
    assert_eq!(later, live);
    let mut other = written(None, &map(&json!({"a": "2"})), "alice", "", 60);
    let before = other.clone();
    managed::settle(&live, &mut other);
    assert_eq!(other, before);
}

#[test]
fn managers_are_named_after_their_program() {
    for (agent, name) in [
        ("kubectl/v1.32.0 (linux/amd64) kubernetes/70d3cc9", "kubectl"),
        ("node-red", "node-red"),
        ("sp ace/1", "sp ace"),
        ("/slash", ""),
        ("a\u{7}b", "ab"),
    ] {
        assert_eq!(manager_of_agent(agent), name);
    }
    assert_eq!(manager_of_agent(&"a".repeat(200)).len(), 128);
    let mut errors = Errors::new();
    validate_manager(&format!("a\n{}", "b".repeat(130)), &Path::new("fieldManager"), &mut errors);
    let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(shown[0], "fieldManager: Too long: may not be more than 128 bytes");
    assert!(shown[1].ends_with("invalid character U+000A (at position 1)"), "{}", shown[1]);
}
