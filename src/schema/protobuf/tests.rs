use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::schema::canonical::canonical;
use crate::schema::decode::retyped;
use crate::schema::table::Type;

/// What the Go types of the API make of objects with every field filled.
fn golden(path: &str) -> usize {
    let text = std::fs::read_to_string(path).expect(path);
    for line in text.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let [group_version, kind, bytes, text] = parts.as_slice() else { panic!("{line}") };
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        let ty = Type::builtin(group, version, kind).expect(kind);
        let bytes = STANDARD.decode(bytes).expect("base64");
        let wanted: Value = serde_json::from_str(text).expect("JSON");

        let mut read = decode(&bytes, ty).unwrap_or_else(|error| panic!("{kind}: {error}"));
        canonical(&mut read, ty);
        assert_eq!(read, wanted, "{kind} as JSON");
        let again = retyped(&wanted, ty).expect(kind);
        assert_eq!(again.strict, Vec::<String>::new(), "{kind}");
        let mut written = Vec::new();
        encode(&again.value, ty, &mut written);
        assert_eq!(hex(&written), hex(&bytes), "{kind} as protobuf");
    }
    text.lines().count()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn objects_are_read_and_written_as_go_does() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/protobuf/golden.txt");
    assert!(golden(path) > 200);
}

fn pod() -> Type<'static> {
    Type::builtin("", "v1", "Pod").expect("Pod")
}

#[test]
fn an_envelope_is_opened_and_sealed() {
    // A ConfigMap `a` with `k: v`, as a client sent it.
    let body = "azhzAAoPCgJ2MRIJQ29uZmlnTWFwEhsKEQoBYRIAGgAiACoAMgA4AEIAEgYKAWsSAXYaACIA";
    let body = STANDARD.decode(body).expect("base64");
    let envelope = open(&body).expect("an envelope");
    assert_eq!((envelope.api_version.as_ref(), envelope.kind.as_ref()), ("v1", "ConfigMap"));
    let ty = Type::builtin("", "v1", "ConfigMap").expect("ConfigMap");
    assert_eq!(decode(envelope.raw, ty), Ok(json!({"metadata": {"name": "a"}, "data": {"k": "v"}})));
    assert_eq!(seal("v1", "ConfigMap", envelope.raw), body);
}

#[test]
fn a_watch_event_is_framed_with_its_length() {
    let sealed = seal("v1", "ConfigMap", &[]);
    let frame = watch_frame("ADDED", &sealed);
    let (length, event) = frame.split_at(4);
    assert_eq!(length, u32::try_from(event.len()).expect("short").to_be_bytes());
    let ty = Type::builtin("", "v1", "WatchEvent").expect("WatchEvent");
    let value = decode(event, ty).expect("an event");
    assert_eq!(value, json!({"type": "ADDED", "object": {"apiVersion": "v1", "kind": "ConfigMap"}}));
}

#[test]
fn bad_bytes_are_an_error_and_no_more() {
    assert_eq!(open(b""), Err(ProtobufError::Empty));
    assert_eq!(open(b"k8s\0"), Err(ProtobufError::EmptyBody));
    assert_eq!(open(b"{\"kind\":\"Pod\"}"), Err(ProtobufError::Prefix));
    for bytes in [&b"\x0a"[..], b"\x0a\x05a", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x12\x80"] {
        assert_eq!(decode(bytes, pod()), Err(ProtobufError::End), "{bytes:?}");
    }
    assert_eq!(decode(&[0xff; 12], pod()), Err(ProtobufError::Overflow));
    assert_eq!(decode(b"\x08\x01", pod()), Err(ProtobufError::WireType { wire: 0, field: "metadata".into() }));
    assert_eq!(decode(b"\0\0", pod()), Err(ProtobufError::Tag(0)));
    // A schema within a schema, as deep as the bytes last.
    let mut nested: Vec<u8> = Vec::new();
    for _ in 0..2000 {
        let mut outer = Vec::new();
        bytes_field(28, &nested, &mut outer);
        nested = outer;
    }
    let mut crd = Vec::new();
    bytes_field(1, &nested, &mut crd);
    let mut version = Vec::new();
    bytes_field(4, &crd, &mut version);
    let mut spec = Vec::new();
    bytes_field(7, &version, &mut spec);
    let mut object = Vec::new();
    bytes_field(2, &spec, &mut object);
    let ty = Type::builtin("apiextensions.k8s.io", "v1", "CustomResourceDefinition").expect("definition");
    assert_eq!(decode(&object, ty), Err(ProtobufError::Depth));
}

#[test]
fn unknown_fields_are_passed_over_and_packed_numbers_taken() {
    let bytes = [
        &b"\xf8\x07\x05"[..],
        b"\xfb\x07\x08\x01\xfc\x07",
        b"\x12\x0c\x72\x0a\x22\x04\x01\x02\xac\x02\x20\x07\x28\x01",
    ]
    .concat();
    let value = decode(&bytes, pod()).expect("a pod");
    assert_eq!(value["spec"]["securityContext"]["supplementalGroups"], json!([1, 2, 300, 7]));
}
