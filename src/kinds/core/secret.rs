//! Secret: credentials as keys with bytes; some types demand certain keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::config_map::{SIZE_MAX, decoded_len, immutable};
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, SelectorWords, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::rules::Fill;
use crate::schema::rules::{Fills, entries, fill, formatted, text};
use crate::schema::{json as go_json, names};

const FILLS: Fills = &[("", &[("type", Fill::Text("Opaque"))])];
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Type", About::Field("api.core.v1.Secret", "type")),
    text_column("Data", About::Field("api.core.v1.Secret", "data")),
    AGE,
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "Secret", "secrets", Secret).selectable(&["type"]).selector_words(SelectorWords::Label)
}

struct Secret;

impl Strategy for Secret {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
        let Some(map) = object.as_object_mut() else { return };
        let Some(Value::Object(plain)) = map.remove("stringData") else { return };
        let data = map.entry("data").or_insert_with(|| json!({}));
        if !data.is_object() {
            *data = json!({});
        }
        for (key, value) in plain {
            data[key] = STANDARD.encode(text(&value)).into();
        }
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (data, path) = (&object["data"], Path::new("data"));
        let mut size = 0;
        for (key, value) in entries(data) {
            formatted(key, names::config_key, &path.key(key), errors);
            size += decoded_len(text(value));
        }
        if size > SIZE_MAX {
            errors.too_long(&path, SIZE_MAX);
        }
        let given = |key: &str| data.get(key).is_some();
        let require = |key: &str, errors: &mut Errors| {
            if !given(key) {
                errors.required(&path.key(key), "");
            }
        };
        match text(&object["type"]) {
            "kubernetes.io/service-account-token" => {
                const NAME: &str = "kubernetes.io/service-account.name";
                if text(&object["metadata"]["annotations"][NAME]).is_empty() {
                    errors.required(&Path::new("metadata").child("annotations").key(NAME), "");
                }
            }
            "kubernetes.io/dockercfg" => docker_config(data, ".dockercfg", &path, errors),
            "kubernetes.io/dockerconfigjson" => docker_config(data, ".dockerconfigjson", &path, errors),
            "kubernetes.io/basic-auth" if !given("username") && !given("password") => {
                require("username", errors);
                require("password", errors);
            }
            "kubernetes.io/ssh-auth" if text(&data["ssh-privatekey"]).is_empty() => {
                errors.required(&path.key("ssh-privatekey"), "");
            }
            "kubernetes.io/tls" => {
                require("tls.crt", errors);
                require("tls.key", errors);
            }
            _ => {}
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        if object["type"] != old["type"] {
            errors.invalid(&Path::new("type"), &object["type"], "field is immutable");
        }
        immutable(object, old, &["data"], errors);
        self.validate(object, errors);
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>) -> Vec<String> {
        if object["type"] != "kubernetes.io/tls" {
            return Vec::new();
        }
        let data = &object["data"];
        pem_fault(&decoded(&data["tls.crt"]), &["CERTIFICATE"], "certificate")
            .or_else(|| {
                let kinds = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
                pem_fault(&decoded(&data["tls.key"]), &kinds, "key")
            })
            .into_iter()
            .collect()
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let count = entries(&object["data"]).count();
        let kind = table::string(&object["type"]);
        vec![object["metadata"]["name"].clone(), kind, count.into(), table::age(object, now)]
    }
}

fn decoded(value: &Value) -> Vec<u8> {
    STANDARD.decode(text(value)).unwrap_or_default()
}

/// The value must be a JSON object.
fn docker_config(data: &Value, key: &str, path: &Path, errors: &mut Errors) {
    let Some(value) = data.get(key) else {
        errors.required(&path.key(key), "");
        return;
    };
    let bytes = decoded(value);
    let fault = match go_json::check(&bytes) {
        Err(fault) => Some(fault),
        Ok(()) => serde_json::from_slice::<Value>(&bytes).ok().and_then(|value| {
            let kind = match value {
                Value::Object(_) | Value::Null => return None,
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Number(_) => "number",
                Value::Bool(_) => "bool",
            };
            Some(format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"))
        }),
    };
    if let Some(fault) = fault {
        errors.invalid_text(&path.key(key), "<secret contents redacted>", &fault);
    }
}

/// What is wrong with PEM data in which a block of one of these types must stand.
fn pem_fault(bytes: &[u8], kinds: &[&str], what: &str) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let found: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .filter(|kind| text.contains(&format!("-----END {kind}-----")))
        .collect();
    if found.is_empty() {
        return Some(format!("tls: failed to find any PEM data in {what} input"));
    }
    if found.iter().any(|kind| kinds.contains(kind)) {
        return None;
    }
    let wanted =
        if what == "key" { "PEM block with type ending in \"PRIVATE KEY\"" } else { "\"CERTIFICATE\" PEM block" };
    let skipped = found.join(" ");
    Some(format!(
        "tls: failed to find {wanted} in {what} input after skipping PEM blocks of the following types: [{skipped}]"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_as_bytes() {
        let mut secret = json!({"stringData": {"a": "b"}, "data": {"a": "eA==", "c": "eA=="}});
        Secret.default(&mut secret);
        assert_eq!(secret, json!({"type": "Opaque", "data": {"a": "Yg==", "c": "eA=="}}));
    }

    #[test]
    fn a_type_demands_its_keys() {
        let mut errors = Errors::new();
        Secret.validate(&json!({"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}), &mut errors);
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["data[tls.key]: Required value"]);
    }
}
