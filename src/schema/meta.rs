//! The rules of `metadata`, the same for every kind: names, labels, annotations, owners, finalizers,
//! managed fields, and what an update may not change.
//!
//! Source: the API reference of ObjectMeta and the answers of a kube-apiserver 1.37. Which kind the
//! object is of is not known here; what differs between kinds comes as [`MetaRules`].

use serde_json::Value;

use super::field::{Errors, Path, Reason, quote};
use super::names::{self, Faults};
use super::object::Object;
use super::rules::{entries, formatted, items, number, text};

/// Most bytes that keys and values of all annotations may have together.
pub const ANNOTATIONS_MAX: usize = 256 * 1024;

/// What differs between kinds.
#[derive(Clone, Copy)]
pub struct MetaRules {
    /// Format of the name; `None` where the kind checks it by itself.
    pub name: Option<fn(&str) -> Faults>,
    /// Whether the objects live in a namespace.
    pub namespaced: bool,
    /// Whether finalizers without a `/` must be those that Kubernetes itself has.
    pub standard_finalizers: bool,
}

/// The rules for the metadata of a new object, whose name has been generated already.
pub fn validate(object: &Value, rules: MetaRules, errors: &mut Errors) {
    let path = Path::new("metadata");
    let generate = object.text("/metadata/generateName");
    if let Some(format) = rules.name
        && !generate.is_empty()
    {
        for fault in format(&names::mask_trailing_dash(generate)) {
            errors.invalid_text(&path.child("generateName"), generate, &fault);
        }
    }
    if object.name().is_empty() {
        errors.required(&path.child("name"), "name or generateName is required");
    } else if let Some(format) = rules.name {
        formatted(object.name(), format, &path.child("name"), errors);
    }
    if rules.namespaced {
        if object.namespace().is_empty() {
            errors.required(&path.child("namespace"), "");
        } else {
            formatted(object.namespace(), names::dns1123_label, &path.child("namespace"), errors);
        }
    } else if !object.namespace().is_empty() {
        errors.forbidden(&path.child("namespace"), "not allowed on this type");
    }
    let generation = object.generation();
    if generation < 0 {
        errors.invalid(&path.child("generation"), &generation.into(), "must be greater than or equal to 0");
    }
    common(object, rules, &path, errors);
}

/// The rules between the metadata of an object as it was and as it is to be. The version is not
/// looked at.
pub fn validate_update(object: &Value, old: &Value, rules: MetaRules, errors: &mut Errors) {
    let path = Path::new("metadata");
    if old.is_deleting() {
        let extra: Vec<String> = object
            .finalizers()
            .iter()
            .filter(|name| !old.finalizers().contains(name))
            .map(|name| quote(name))
            .collect();
        if !extra.is_empty() {
            errors.forbidden(
                &path.child("finalizers"),
                &format!(
                    "no new finalizers can be added if the object is being deleted, found new finalizers \
                     []string{{{}}}",
                    extra.join(", ")
                ),
            );
        }
    }
    for field in ["name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let (new, old) = (&object["metadata"][field], &old["metadata"][field]);
        let same = new == old || (text(new).is_empty() && text(old).is_empty() && !new.is_number() && !old.is_number());
        if !same {
            errors.invalid(&path.child(field), new, "field is immutable");
        }
    }
    common(object, rules, &path, errors);
}

fn common(object: &Value, rules: MetaRules, path: &Path, errors: &mut Errors) {
    let metadata = &object["metadata"];
    labels(&metadata["labels"], &path.child("labels"), errors);
    annotations(&metadata["annotations"], &path.child("annotations"), errors);
    owners(&metadata["ownerReferences"], &path.child("ownerReferences"), errors);
    finalizers(&metadata["finalizers"], rules.standard_finalizers, &path.child("finalizers"), errors);
    managed_fields(&metadata["managedFields"], &path.child("managedFields"), errors);
}

/// The rules for a map of labels (also of a node selector and the like).
pub fn labels(map: &Value, path: &Path, errors: &mut Errors) {
    for (key, value) in entries(map) {
        formatted(key, names::qualified_name, path, errors);
        formatted(text(value), names::label_value, path, errors);
    }
}

/// The rules for a map of annotations.
pub fn annotations(map: &Value, path: &Path, errors: &mut Errors) {
    let mut size = 0;
    for (key, value) in entries(map) {
        formatted(key, names::annotation_key, path, errors);
        size += key.len() + text(value).len();
    }
    if size > ANNOTATIONS_MAX {
        errors.too_long(path, ANNOTATIONS_MAX);
    }
}

fn owners(list: &Value, path: &Path, errors: &mut Errors) {
    let mut controller: Option<String> = None;
    for (index, owner) in items(list).iter().enumerate() {
        let at = path.index(index);
        let version = text(&owner["apiVersion"]);
        if version.is_empty() || version.ends_with('/') {
            errors.required(&at.child("apiVersion"), "version must not be empty");
        }
        for field in ["kind", "name", "uid"] {
            if text(&owner[field]).is_empty() {
                errors.required(&at.child(field), "must not be empty");
            }
        }
        if version == "v1" && owner["kind"] == "Event" {
            errors.invalid_raw(&at, &owner_json(owner), "/v1, Kind=Event is disallowed from being an owner");
        }
        if owner["controller"] == true {
            let name = format!("{}/{}", text(&owner["kind"]), text(&owner["name"]));
            match &controller {
                None => controller = Some(name),
                Some(first) => {
                    let all: Vec<String> = items(list).iter().map(owner_json).collect();
                    errors.invalid_raw(
                        path,
                        &format!("[{}]", all.join(",")),
                        &format!(
                            "Only one reference can have Controller set to true. Found \"true\" in references for \
                             {first} and {name}"
                        ),
                    );
                }
            }
        }
    }
}

/// An owner reference as JSON in the order of its Go struct.
fn owner_json(owner: &Value) -> String {
    let mut parts: Vec<String> = ["apiVersion", "kind", "name", "uid"]
        .iter()
        .map(|field| format!("\"{field}\":{}", quote(text(&owner[field]))))
        .collect();
    for field in ["controller", "blockOwnerDeletion"] {
        if let Some(flag) = owner[field].as_bool() {
            parts.push(format!("\"{field}\":{flag}"));
        }
    }
    format!("{{{}}}", parts.join(","))
}

fn finalizers(list: &Value, standard: bool, path: &Path, errors: &mut Errors) {
    let named = |name: &str| items(list).iter().any(|item| item == name);
    for item in items(list) {
        formatted(text(item), names::qualified_name, path, errors);
    }
    if named("orphan") && named("foregroundDeletion") {
        errors.invalid(path, list, "finalizer orphan and foregroundDeletion cannot be both set");
    }
    if standard {
        for (index, item) in items(list).iter().enumerate() {
            standard_finalizer(text(item), &path.index(index), errors);
        }
    }
}

/// A finalizer without `/` must be one that Kubernetes itself has.
pub fn standard_finalizer(name: &str, path: &Path, errors: &mut Errors) {
    if !name.contains('/') && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion") {
        errors.invalid_text(path, name, "name is neither a standard finalizer name nor is it fully qualified");
    }
}

fn managed_fields(list: &Value, path: &Path, errors: &mut Errors) {
    for (index, entry) in items(list).iter().enumerate() {
        let at = path.index(index);
        let operation = text(&entry["operation"]);
        if !matches!(operation, "Apply" | "Update") {
            errors.invalid_text(&at.child("operation"), operation, "must be `Apply` or `Update`");
        }
        let kind = text(&entry["fieldsType"]);
        if !kind.is_empty() && kind != "FieldsV1" {
            errors.invalid_text(&at.child("fieldsType"), kind, "must be `FieldsV1`");
        }
        field_manager(text(&entry["manager"]), &at.child("manager"), errors);
        if text(&entry["subresource"]).len() > 256 {
            errors.too_long(&at.child("subresource"), 256);
        }
    }
}

/// The rules for the name of a field manager: at most 128 bytes, printable.
pub fn field_manager(name: &str, path: &Path, errors: &mut Errors) {
    if name.len() > 128 {
        errors.too_long(path, 128);
    }
    for (index, letter) in name.char_indices() {
        if letter.is_control() {
            errors.push(
                Reason::Invalid,
                path,
                format!(
                    "Invalid value: {}: invalid character U+{:04X} (at position {index})",
                    quote(name),
                    u32::from(letter)
                ),
            );
        }
    }
}

/// Metadata inside a template, where only labels and annotations may stand.
pub fn template(metadata: &Value, path: &Path, errors: &mut Errors) {
    annotations(&metadata["annotations"], &path.child("annotations"), errors);
    labels(&metadata["labels"], &path.child("labels"), errors);
    for field in [
        "name",
        "generateName",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "ownerReferences",
        "finalizers",
        "managedFields",
    ] {
        let value = &metadata[field];
        let left_out =
            value.is_null() || value.is_string() && text(value).is_empty() || value.is_number() && number(value) == 0;
        if !left_out {
            errors.forbidden(&path.child(field), "cannot be set");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RULES: MetaRules =
        MetaRules { name: Some(names::dns1123_subdomain), namespaced: true, standard_finalizers: true };

    fn shown(object: &Value) -> Vec<String> {
        let mut errors = Errors::new();
        validate(object, RULES, &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_is_required_and_a_dash_may_end_its_prefix() {
        assert_eq!(
            shown(&json!({"metadata": {"namespace": "x"}})),
            ["metadata.name: Required value: name or generateName is required"]
        );
        assert!(shown(&json!({"metadata": {"generateName": "a-", "name": "a-b", "namespace": "x"}})).is_empty());
    }

    #[test]
    fn owners_are_checked_one_by_one() {
        let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": "", "uid": ""});
        assert_eq!(
            shown(&json!({"metadata": {"name": "a", "namespace": "x", "ownerReferences": [owner]}})),
            [
                "metadata.ownerReferences[0].name: Required value: must not be empty",
                "metadata.ownerReferences[0].uid: Required value: must not be empty",
            ]
        );
    }

    #[test]
    fn the_identity_of_an_object_stays() {
        let old = json!({"metadata": {"name": "a", "namespace": "x", "uid": "1"}});
        let new = json!({"metadata": {"name": "a", "namespace": "x", "uid": "2"}});
        let mut errors = Errors::new();
        validate_update(&new, &old, RULES, &mut errors);
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["metadata.uid: Invalid value: \"2\": field is immutable"]);
    }
}
