//! ServiceAccount: an identity for pods.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, AGE, NAME};
use crate::kinds::{Column, Kind, Strategy, Subresource};

const TOKEN: Subresource = Subresource {
    name: "token",
    verbs: &["create"],
    group: "authentication.k8s.io",
    version: "v1",
    kind: "TokenRequest",
};

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "ServiceAccount", "serviceaccounts", ServiceAccount).short(&["sa"]).subresources(&[TOKEN])
}

struct ServiceAccount;

impl Strategy for ServiceAccount {
    fn returns_deleted(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(&[NAME, AGE])
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![object["metadata"]["name"].clone(), table::age(object, now)]
    }
}
