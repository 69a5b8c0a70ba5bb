//! Binding: that a pod goes to a node. It is done and not stored.

use serde_json::Value;

use crate::kinds::{Kind, Strategy, Verbs};
use crate::schema::field::{Errors, Path};
use crate::schema::rules::text;

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "Binding", "bindings", Binding).verbs(Verbs::CreateOnly)
}

struct Binding;

impl Strategy for Binding {
    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (target, path) = (&object["target"], Path::new("target"));
        if !matches!(text(&target["kind"]), "" | "Node") {
            errors.not_supported(&path.child("kind"), &target["kind"], &["Node", "<empty>"]);
        }
        if text(&target["name"]).is_empty() {
            errors.required(&path.child("name"), "");
        }
    }
}
