use serde_json::json;

use super::*;

fn set(fields: &Value) -> Set<'_> {
    Set::from_value(fields).unwrap()
}

#[test]
fn fields_v1_is_read_and_written_as_it_was() {
    let fields = json!({"f:spec": {
        "f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:ports": {".": {},
            "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}}}},
        "f:finalizers": {"v:\"x\"": {}, "v:5": {}}, "f:odd": {"i:3": {}}, "f:replicas": {}}});
    let read = set(&fields);
    assert_eq!(read.to_value(), fields);
    assert_eq!(
        read.paths(),
        [
            ".spec.replicas",
            ".spec.containers[name=\"a\"]",
            ".spec.containers[name=\"a\"].ports",
            ".spec.containers[name=\"a\"].ports[containerPort=80,protocol=\"TCP\"]",
            ".spec.containers[name=\"a\"].ports[containerPort=80,protocol=\"TCP\"].name",
            ".spec.finalizers[=5]",
            ".spec.finalizers[=\"x\"]",
            ".spec.odd[3]",
        ]
    );
    assert_eq!(set(&json!({"f:a": {".": {}}, "x:b": {}})).to_value(), json!({"f:a": {}}));
    for bad in [json!({"noprefix": {}}), json!({"k:[]": {}}), json!({"v:{": {}}), json!({"i:x": {}})] {
        assert!(Set::from_value(&bad).is_err(), "{bad}");
    }
}

#[test]
fn the_algebra_of_sets() {
    let a = json!({"f:a": {".": {}, "f:b": {}, "f:c": {}}, "f:d": {}});
    let b = json!({"f:a": {"f:b": {}}, "f:e": {}});
    assert_eq!(
        set(&a).union(set(&b)).to_value(),
        json!({"f:a": {".": {}, "f:b": {}, "f:c": {}}, "f:d": {}, "f:e": {}})
    );
    assert_eq!(set(&a).intersection(&set(&b)).to_value(), json!({"f:a": {"f:b": {}}}));
    assert_eq!(set(&a).difference(&set(&b)).to_value(), json!({"f:a": {".": {}, "f:c": {}}, "f:d": {}}));
    assert_eq!(set(&b).difference(&set(&a)).to_value(), json!({"f:e": {}}));
    assert_eq!(set(&a).leaves().to_value(), json!({"f:a": {"f:b": {}, "f:c": {}}, "f:d": {}}));

    let whole = json!({"f:a": {}});
    assert_eq!(set(&a).difference(&set(&whole)).to_value(), json!({"f:a": {"f:b": {}, "f:c": {}}, "f:d": {}}));
    assert_eq!(set(&a).recursive_difference(&set(&whole)).to_value(), json!({"f:d": {}}));
    assert_eq!(set(&a).recursive_difference(&set(&b)).to_value(), json!({"f:a": {".": {}, "f:c": {}}, "f:d": {}}));
    assert!(set(&a).difference(&set(&a)).is_empty());
}

#[test]
fn paths_are_found() {
    let set = Set::of_path(&["spec", "replicas"]);
    assert_eq!(set.to_value(), json!({"f:spec": {"f:replicas": {}}}));
    assert!(set.has_path(&["spec", "replicas"]));
    assert!(!set.has_path(&["spec"]));
    assert!(!set.has_path(&["status", "replicas"]));
    let mut odd = Set::new();
    for name in ["b", "a", "c", "a"] {
        odd.add(Element::Field(name.into()), Node { member: true, children: Set::new() });
    }
    assert_eq!(odd.paths(), [".a", ".b", ".c"]);
}
