//! A schema in the form in which it is worked with, and the cache of those that are in use.

use std::io::Read as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use flate2::Compression;
use flate2::read::{DeflateDecoder, DeflateEncoder};
use serde_json::{Value, json};

use crate::schema::cel::Rules;
use crate::schema::structural;
use crate::schema::table::{Table, Type};

/// Bytes of JSON that the schemas in the cache have together; the one that is used last always stays.
const CACHE_BYTES: usize = 512 * 1024;

/// Parts of a schema that say nothing of what is valid.
const TEXTS: [&str; 4] = ["description", "title", "example", "externalDocs"];

/// A schema, its table and its rules.
pub struct Compiled {
    schema: Value,
    table: Option<Table>,
    gvk: (String, String, String),
    rules: OnceLock<Rules>,
    size: usize,
}

impl Compiled {
    fn new(packed: &[u8], gvk: (&str, &str, &str)) -> Self {
        let mut schema = unpack(packed);
        strip(&mut schema, false);
        let size = schema.to_string().len();
        let table = structural::table(gvk.0, gvk.1, gvk.2, &schema).ok();
        let gvk = (gvk.0.to_owned(), gvk.1.to_owned(), gvk.2.to_owned());
        Self { schema, table, gvk, rules: OnceLock::new(), size }
    }

    /// The schema, without its descriptions.
    #[must_use]
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// The type by which server-side apply merges.
    #[must_use]
    pub fn typing(&self) -> Option<Type<'_>> {
        self.table.as_ref()?.find(&self.gvk.0, &self.gvk.1, &self.gvk.2)
    }

    /// The rules in the common expression language.
    pub fn rules(&self) -> &Rules {
        self.rules.get_or_init(|| Rules::of(&self.schema))
    }
}

/// A schema as few bytes.
pub(super) fn pack(schema: &Value) -> Arc<[u8]> {
    let text = schema.to_string();
    let mut packed = Vec::new();
    // Reading from memory does not fail.
    let _ = DeflateEncoder::new(text.as_bytes(), Compression::default()).read_to_end(&mut packed);
    packed.into()
}

/// The schema that was packed, with its descriptions.
pub(super) fn unpack(packed: &[u8]) -> Value {
    // The bytes are our own; what does not unpack reads as a schema that knows nothing.
    serde_json::from_reader(DeflateDecoder::new(packed)).unwrap_or_else(|_| json!({"type": "object"}))
}

/// Takes the texts out of a schema; `named` says that the keys of the map are names of fields.
fn strip(schema: &mut Value, named: bool) {
    match schema {
        Value::Object(map) => {
            if !named {
                map.retain(|key, _| !TEXTS.contains(&key.as_str()));
            }
            for (key, value) in map.iter_mut() {
                if named || !matches!(key.as_str(), "default" | "enum") {
                    strip(value, !named && key == "properties");
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| strip(item, false)),
        _ => {}
    }
}

/// The schemas that were used last.
#[derive(Default)]
pub struct Cache(Mutex<Vec<(u64, Arc<Compiled>)>>);

impl Cache {
    pub(super) fn get(&self, number: u64, packed: &[u8], gvk: (&str, &str, &str)) -> Arc<Compiled> {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = list.iter().position(|(own, _)| *own == number).map(|at| list.remove(at));
        let entry = found.unwrap_or_else(|| (number, Arc::new(Compiled::new(packed, gvk))));
        let compiled = Arc::clone(&entry.1);
        list.insert(0, entry);
        let mut bytes = 0;
        let kept = list.iter().take_while(|(_, one)| {
            bytes += one.size;
            bytes <= CACHE_BYTES
        });
        let kept = kept.count().max(1);
        list.truncate(kept);
        compiled
    }
}
