//! Reading the parts of an object that every kind has, from a [`Value`].

use serde_json::{Map, Value};

/// Access to `metadata` and to fields by JSON pointer. Absent parts read as empty.
pub trait Object {
    /// `metadata.name`.
    fn name(&self) -> &str;
    /// `metadata.namespace`; empty for an object of the cluster.
    fn namespace(&self) -> &str;
    /// `metadata.uid`.
    fn uid(&self) -> &str;
    /// `metadata.resourceVersion`.
    fn resource_version(&self) -> &str;
    /// `metadata.generation`, 0 where there is none.
    fn generation(&self) -> i64;
    /// One label.
    fn label(&self, key: &str) -> Option<&str>;
    /// One annotation.
    fn annotation(&self, key: &str) -> Option<&str>;
    /// Whether `metadata.deletionTimestamp` is set.
    fn is_deleting(&self) -> bool;
    /// `metadata.finalizers`.
    fn finalizers(&self) -> Vec<&str>;
    /// `metadata.ownerReferences`.
    fn owners(&self) -> &[Value];
    /// The owner reference with `controller: true`.
    fn controller(&self) -> Option<&Value>;
    /// Text at a JSON pointer such as `/spec/nodeName`; empty where it is absent or no text.
    fn text(&self, pointer: &str) -> &str;
    /// A whole number at a JSON pointer.
    fn int(&self, pointer: &str) -> Option<i64>;
    /// The list at a JSON pointer; empty where it is absent or no list.
    fn list(&self, pointer: &str) -> &[Value];
    /// The map at a JSON pointer.
    fn map(&self, pointer: &str) -> Option<&Map<String, Value>>;
    /// `metadata` for changing; made where it is absent.
    fn metadata_mut(&mut self) -> &mut Map<String, Value>;
    /// The map under the top-level field `key` for changing; made where it is absent or no map.
    fn section_mut(&mut self, key: &str) -> &mut Map<String, Value>;
}

impl Object for Value {
    fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    fn resource_version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    fn generation(&self) -> i64 {
        self.int("/metadata/generation").unwrap_or(0)
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.map("/metadata/labels")?.get(key)?.as_str()
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        self.map("/metadata/annotations")?.get(key)?.as_str()
    }

    fn is_deleting(&self) -> bool {
        self.pointer("/metadata/deletionTimestamp").is_some_and(|v| !v.is_null())
    }

    fn finalizers(&self) -> Vec<&str> {
        self.list("/metadata/finalizers").iter().filter_map(Value::as_str).collect()
    }

    fn owners(&self) -> &[Value] {
        self.list("/metadata/ownerReferences")
    }

    fn controller(&self) -> Option<&Value> {
        self.owners().iter().find(|owner| owner["controller"] == true)
    }

    fn text(&self, pointer: &str) -> &str {
        self.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn int(&self, pointer: &str) -> Option<i64> {
        self.pointer(pointer)?.as_i64()
    }

    fn list(&self, pointer: &str) -> &[Value] {
        self.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    fn map(&self, pointer: &str) -> Option<&Map<String, Value>> {
        self.pointer(pointer)?.as_object()
    }

    fn metadata_mut(&mut self) -> &mut Map<String, Value> {
        self.section_mut("metadata")
    }

    fn section_mut(&mut self, key: &str) -> &mut Map<String, Value> {
        make_map(make_map(self).entry(key).or_insert(Value::Null))
    }
}

/// The value as a map; what is not a map is replaced by an empty one.
fn make_map(value: &mut Value) -> &mut Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => {
            *other = Value::Object(Map::new());
            make_map(other)
        }
    }
}
