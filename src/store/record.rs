//! A key, and an object as bytes. It knows of an object only that it has `metadata` and perhaps a
//! `status`, and not what they mean.

mod parts;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

/// How the metadata of an object begins in a head.
const METADATA: &[u8] = b"\"metadata\":{";

/// Where an object lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The resource with its group: `pods`, `deployments.apps`.
    pub resource: Arc<str>,
    /// The namespace; empty for an object of the cluster.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// A key of its three parts. The namespace holds no slash.
    pub fn new(resource: impl Into<Arc<str>>, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { resource: resource.into(), namespace: namespace.into(), name: name.into() }
    }

    /// `namespace/name`, the text by which objects are sorted (and `/name` in the cluster).
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// A stored object of a known revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it lives.
    pub key: Key,
    /// Revision of its last change; 0 as long as it is not stored.
    pub revision: u64,
    /// The JSON object without `status` and `metadata.resourceVersion`. `apiVersion`, `kind` and
    /// `metadata` come first.
    pub head: Bytes,
    /// The JSON of `status`.
    pub status: Option<Bytes>,
}

impl Record {
    /// Splits an object. `metadata.resourceVersion` and a `status` of null are dropped; an object
    /// without `metadata` gets an empty one.
    #[must_use]
    pub fn from_value(key: Key, value: &Value) -> Self {
        let nothing = Map::new();
        let object = value.as_object().unwrap_or(&nothing);
        let mut head = Vec::with_capacity(512);
        head.push(b'{');
        for name in ["apiVersion", "kind"] {
            if let Some(value) = object.get(name) {
                put(&mut head, name, value);
            }
        }
        comma(&mut head);
        head.extend_from_slice(METADATA);
        if let Some(metadata) = object.get("metadata").and_then(Value::as_object) {
            for (name, value) in metadata.iter().filter(|(name, _)| *name != "resourceVersion") {
                put(&mut head, name, value);
            }
        }
        head.push(b'}');
        for (name, value) in object {
            if !matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
                put(&mut head, name, value);
            }
        }
        head.push(b'}');
        let status = object.get("status").filter(|status| !status.is_null());
        Self {
            key,
            revision: 0,
            head: Bytes::from(head.into_boxed_slice()),
            status: status.map(|status| Bytes::from(status.to_string())),
        }
    }

    /// The whole object with `metadata.resourceVersion`. Bytes that are no JSON read as null.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut value: Value = serde_json::from_slice(&self.head).unwrap_or_default();
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".into(), Value::String(self.revision.to_string()));
        }
        if let (Some(object), Some(status)) = (value.as_object_mut(), &self.status) {
            object.insert("status".into(), serde_json::from_slice(status).unwrap_or_default());
        }
        value
    }

    /// The whole object, but for members of these names at whatever depth, of which no tree is made.
    #[must_use]
    pub fn to_value_without(&self, names: &[&str]) -> Value {
        let mut value = parts::read_without(&self.head, names).unwrap_or_default();
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".into(), Value::String(self.revision.to_string()));
        }
        if let (Some(object), Some(status)) = (value.as_object_mut(), &self.status) {
            object.insert("status".into(), parts::read_without(status, names).unwrap_or_default());
        }
        value
    }

    /// Appends `metadata` as JSON, with its `resourceVersion`, without parsing it.
    pub fn render_metadata(&self, out: &mut Vec<u8>) {
        use std::io::Write as _;

        let inside = self.head.get(self.metadata_at() + METADATA.len()..).unwrap_or_default();
        let own = parts::inner_length(inside).and_then(|length| inside.get(..length)).unwrap_or_default();
        out.reserve(own.len() + 64);
        // Writing to a vector does not fail.
        let _ = write!(out, "{{\"resourceVersion\":\"{}\"", self.revision);
        if !own.is_empty() {
            out.push(b',');
            out.extend_from_slice(own);
        }
        out.push(b'}');
    }

    /// Appends the whole object as JSON, with `metadata.resourceVersion`, without parsing it.
    pub fn render(&self, out: &mut Vec<u8>) {
        self.render_from(0, out);
    }

    /// The same without `apiVersion` and `kind`, as the items of a list of a built-in kind are shown.
    pub fn render_item(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        self.render_from(self.metadata_at(), out);
    }

    /// Bytes that the object takes as JSON, about.
    #[must_use]
    pub fn size(&self) -> usize {
        self.head.len() + self.status.as_ref().map_or(0, Bytes::len)
    }

    /// Where `"metadata":{` begins. Only strings stand before it, in which its quotes would be escaped.
    fn metadata_at(&self) -> usize {
        self.head.windows(METADATA.len()).position(|window| window == METADATA).unwrap_or(0)
    }

    fn render_from(&self, start: usize, out: &mut Vec<u8>) {
        use std::io::Write as _;

        let inside = self.metadata_at() + METADATA.len();
        let end = self.head.len().saturating_sub(1);
        let (Some(before), Some(after)) = (self.head.get(start..inside), self.head.get(inside..end)) else {
            out.extend_from_slice(b"null");
            return;
        };
        out.reserve(self.size() + 64);
        out.extend_from_slice(before);
        // Writing to a vector does not fail.
        let _ = write!(out, "\"resourceVersion\":\"{}\"", self.revision);
        if after.first() != Some(&b'}') {
            out.push(b',');
        }
        out.extend_from_slice(after);
        if let Some(status) = &self.status {
            out.extend_from_slice(b",\"status\":");
            out.extend_from_slice(status);
        }
        out.push(b'}');
    }
}

/// Appends `"name":value`, with a comma where one is due.
fn put(out: &mut Vec<u8>, name: &str, value: &Value) {
    comma(out);
    // Writing a value to a vector does not fail.
    let _ = serde_json::to_writer(&mut *out, name);
    out.push(b':');
    let _ = serde_json::to_writer(&mut *out, value);
}

fn comma(out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(value: &Value) -> Record {
        Record { revision: 7, ..Record::from_value(Key::new("things", "ns", "a"), value) }
    }

    fn rendered(record: &Record) -> Value {
        let mut out = Vec::new();
        record.render(&mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn an_object_comes_back_with_its_revision_and_nothing_else_changed() {
        let objects = [
            json!({"apiVersion": "v1", "kind": "ConfigMap", "binaryData": {"a": "AA=="}, "data": {"metadata": "{"},
                "immutable": true, "metadata": {"name": "a", "resourceVersion": "3"}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"x": "ä\"\n"}},
                "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Running", "metadata": {}}}),
            json!({"apiVersion": "example.com/v1", "kind": "K", "aaa": {"metadata": {"x": 1}}, "metadata": {},
                "status": "text"}),
            json!({"apiVersion": "v1", "kind": "\"metadata\":{", "metadata": {"name": "a"}, "status": {}}),
            json!({"kind": "K", "metadata": {"name": "a"}, "zzz": null}),
            json!({"metadata": {"name": "a"}}),
        ];
        for object in objects {
            let record = record(&object);
            let mut expected = object.clone();
            expected["metadata"]["resourceVersion"] = json!("7");
            assert_eq!(record.to_value(), expected);
            assert_eq!(rendered(&record), expected);
            let again = Record { revision: 7, ..Record::from_value(record.key.clone(), &record.to_value()) };
            assert_eq!(again, record);

            let mut out = Vec::new();
            record.render_item(&mut out);
            let item: Value = serde_json::from_slice(&out).unwrap();
            let object = expected.as_object_mut().unwrap();
            object.remove("apiVersion");
            object.remove("kind");
            assert_eq!(item, expected);

            let mut out = Vec::new();
            record.render_metadata(&mut out);
            assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected["metadata"]);
        }
    }

    #[test]
    fn the_head_begins_with_what_every_object_has() {
        let record = record(&json!({"data": {}, "status": {"a": 1}, "kind": "K", "apiVersion": "v1",
            "metadata": {"uid": "u", "resourceVersion": "9"}}));
        assert_eq!(&record.head[..], br#"{"apiVersion":"v1","kind":"K","metadata":{"uid":"u"},"data":{}}"#);
        assert_eq!(record.status.as_deref(), Some(&br#"{"a":1}"#[..]));
    }

    #[test]
    fn what_is_no_object_becomes_an_empty_one() {
        for value in [json!(null), json!([1]), json!({"metadata": 5, "status": null})] {
            assert_eq!(record(&value).to_value(), json!({"metadata": {"resourceVersion": "7"}}));
        }
    }
}
