//! Kinds that a CustomResourceDefinition makes: what is particular to one served version.
//!
//! The schema is kept as few compressed bytes; the form in which it is worked with is made on first
//! use and kept in a small cache that all custom kinds share. Rules between the object and others, the
//! definition's own state and the store are not known here.
//!
//! ```text
//! definition ──kinds()──→ one Kind for each served version ──compiled()──→ schema, table, rules
//! ```

mod columns;
mod compiled;
mod make;
mod scale;
#[cfg(test)]
mod tests;
mod validate;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::{Column, Strategy};
use crate::schema::field::Errors;
use crate::schema::json_path::JsonPath;
use crate::schema::object::Object;
use crate::schema::openapi::Source;
use crate::schema::structural;

pub use compiled::{Cache, Compiled};
pub use make::{kinds, order};
pub use scale::{Field, Scale, field};

use columns::Columns;

/// One served version of a custom kind.
pub struct Custom {
    /// Group, version and kind of the objects.
    gvk: (String, String, String),
    /// `group/version` in which they are stored.
    storage: String,
    ending: bool,
    packed: Arc<[u8]>,
    cache: Arc<Cache>,
    number: u64,
    scale: Option<Scale>,
    columns: Columns,
}

impl Custom {
    /// The schema in the form in which it is worked with.
    #[must_use]
    pub fn compiled(&self) -> Arc<Compiled> {
        self.cache.get(self.number, &self.packed, (&self.gvk.0, &self.gvk.1, &self.gvk.2))
    }

    /// The schema as compressed JSON, from which all that is served of it follows.
    #[must_use]
    pub fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// Where the number of replicas is, for kinds with a scale.
    #[must_use]
    pub fn scale(&self) -> Option<&Scale> {
        self.scale.as_ref()
    }

    /// Whether the definition is going, so that nothing new may come.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending
    }

    /// Brings a stored object into this version, as the schema is now: unknown fields go, defaults come.
    pub fn show(&self, object: &mut Value) {
        let compiled = self.compiled();
        if !object.is_object() {
            return;
        }
        object["apiVersion"] = self.api_version().into();
        structural::prune(object, compiled.schema());
        structural::default(object, compiled.schema());
    }

    /// Brings an object of this version into the one in which it is stored.
    #[must_use]
    pub fn stored(&self, object: &Value) -> Option<Value> {
        let version = self.api_version();
        if version == self.storage {
            return None;
        }
        let mut object = object.clone();
        if let Some(map) = object.as_object_mut() {
            map.insert("apiVersion".into(), self.storage.clone().into());
        }
        Some(object)
    }

    /// `group/version` in which the objects are stored.
    #[must_use]
    pub fn storage_version(&self) -> &str {
        self.storage.rsplit_once('/').map_or(&self.storage, |(_, version)| version)
    }

    fn api_version(&self) -> String {
        format!("{}/{}", self.gvk.0, self.gvk.1)
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom").field("gvk", &self.gvk).finish_non_exhaustive()
    }
}

impl Source for Custom {
    fn schema(&self) -> Value {
        compiled::unpack(&self.packed)
    }
}

impl Strategy for Custom {
    fn custom(&self) -> Option<&Custom> {
        Some(self)
    }

    fn default(&self, object: &mut Value) {
        structural::default(object, self.compiled().schema());
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        validate::create(self, object, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        validate::update(self, object, old, errors);
    }

    fn prepare_status(&self, object: &mut Value, old: &Value) {
        // Nothing but the status goes this way, not even labels.
        let managed = object.metadata_mut().remove("managedFields");
        let status = object.get("status").cloned();
        *object = old.clone();
        let metadata = object.metadata_mut();
        match managed {
            Some(managed) => metadata.insert("managedFields".into(), managed),
            None => metadata.remove("managedFields"),
        };
        if let Some(map) = object.as_object_mut() {
            match status {
                Some(status) => map.insert("status".into(), status),
                None => map.remove("status"),
            };
        }
    }

    fn validate_status(&self, object: &Value, old: &Value, errors: &mut Errors) {
        validate::status(self, object, old, errors);
    }

    fn validate_subresource(&self, _subresource: &str, object: &Value, old: &Value, errors: &mut Errors) {
        validate::update(self, object, old, errors);
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        let rest = |value: &Value| -> Vec<(String, Value)> {
            let fields = value.as_object().into_iter().flatten().filter(|(name, _)| *name != "metadata");
            fields.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        Some(rest(object) != rest(old))
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }

    fn allows_create_on_update(&self) -> bool {
        false
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let known = old.map(Object::finalizers).unwrap_or_default();
        let mut added: Vec<&str> = object.finalizers().into_iter().filter(|name| !known.contains(name)).collect();
        added.sort_unstable();
        added
            .into_iter()
            .filter(|name| !name.contains('/') && !matches!(*name, "orphan" | "foregroundDeletion" | "kubernetes"))
            .map(|name| {
                format!(
                    "metadata.finalizers: {name:?}: prefer a domain-qualified finalizer name including a path (/) to \
                     avoid accidental conflicts with other finalizer writers"
                )
            })
            .collect()
    }

    fn field(&self, object: &Value, name: &str) -> String {
        let found = JsonPath::parse(&format!(".{name}"));
        match found.as_ref().and_then(|path| path.first(object)) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    fn columns(&self) -> Vec<Column> {
        self.columns.head()
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        self.columns.cells(object, now)
    }
}
