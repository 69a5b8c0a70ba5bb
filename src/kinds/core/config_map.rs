//! ConfigMap: configuration as keys with text or bytes.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::{entries, formatted, text};

/// Most bytes of all values of a ConfigMap or a Secret together.
pub const SIZE_MAX: usize = 1024 * 1024;

const COLUMNS: &[Row] = &[NAME, text_column("Data", About::Field("api.core.v1.ConfigMap", "data")), AGE];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "ConfigMap", "configmaps", ConfigMap).short(&["cm"])
}

struct ConfigMap;

impl Strategy for ConfigMap {
    fn validate(&self, object: &Value, errors: &mut Errors) {
        let mut size = 0;
        for (key, value) in entries(&object["data"]) {
            let at = Path::new("data").key(key);
            formatted(key, names::config_key, &at, errors);
            if object["binaryData"].get(key).is_some() {
                errors.invalid_text(&at, key, "duplicate of key present in binaryData");
            }
            size += text(value).len();
        }
        for (key, value) in entries(&object["binaryData"]) {
            formatted(key, names::config_key, &Path::new("binaryData").key(key), errors);
            size += decoded_len(text(value));
        }
        if size > SIZE_MAX {
            errors.too_long(&Path::new("[]"), SIZE_MAX);
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        immutable(object, old, &["data", "binaryData"], errors);
        self.validate(object, errors);
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let count = entries(&object["data"]).count() + entries(&object["binaryData"]).count();
        vec![object["metadata"]["name"].clone(), count.into(), table::age(object, now)]
    }
}

/// Bytes that a base64 text stands for.
#[must_use]
pub fn decoded_len(base64: &str) -> usize {
    let padding = base64.bytes().rev().take_while(|byte| *byte == b'=').count();
    (base64.len() / 4 * 3).saturating_sub(padding)
}

/// An object marked `immutable` keeps the mark and these fields.
pub fn immutable(object: &Value, old: &Value, fields: &[&str], errors: &mut Errors) {
    const WORDS: &str = "field is immutable when `immutable` is set";
    if old["immutable"] != true {
        return;
    }
    if object["immutable"] != true {
        errors.forbidden(&Path::new("immutable"), WORDS);
    }
    for field in fields {
        let same = object[*field] == old[*field]
            || (entries(&object[*field]).next().is_none() && entries(&old[*field]).next().is_none());
        if !same {
            errors.forbidden(&Path::new(field), WORDS);
        }
    }
}
