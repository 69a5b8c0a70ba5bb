//! The rules of a definition, but for those of its schemas.

use std::collections::BTreeSet;

use serde_json::Value;

use super::status::{APPROVED, is_protected};
use super::{defaults, expressions, schema, shape};
use crate::schema::field::{Errors, Path};
use crate::schema::json_path::JsonPath;
use crate::schema::names::{self, Faults};
use crate::schema::object::Object;
use crate::schema::rules::is_empty;

const COLUMN_TYPES: &[&str] = &["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: &[&str] = &["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
/// Most characters of the warning of a deprecated version.
const WARNING_MAX: usize = 256;
/// Most selectable fields of a version.
const SELECTABLE_MAX: usize = 8;

/// All rules of a new definition.
pub(super) fn create(object: &Value, errors: &mut Errors) {
    name(object, errors);
    spec(object, errors);
    stored(object, errors);
    approval(object, None, errors);
    conversion_is_done(object, errors);
}

/// All rules of a definition that takes the place of another.
pub(super) fn update(object: &Value, old: &Value, errors: &mut Errors) {
    spec(object, errors);
    let at = Path::new("spec");
    let established = super::status::holds(old, "Established");
    let mut stays = |pointer: &str, at: Path| {
        let new = object.pointer(pointer).unwrap_or(&Value::Null);
        if Some(new) != old.pointer(pointer) {
            errors.invalid(&at, new, "field is immutable");
        }
    };
    if established {
        stays("/spec/scope", at.child("scope"));
        stays("/spec/names/kind", at.child("names").child("kind"));
    }
    stays("/spec/group", at.child("group"));
    stays("/spec/names/plural", at.child("names").child("plural"));
    stored(object, errors);
    approval(object, Some(old), errors);
    conversion_is_done(object, errors);
}

/// The rules of an update of the status.
pub(super) fn status(object: &Value, errors: &mut Errors) {
    stored(object, errors);
}

fn name(object: &Value, errors: &mut Errors) {
    let given = object.name();
    if given.is_empty() {
        return;
    }
    let at = Path::new("metadata").child("name");
    for fault in names::dns1123_subdomain(given) {
        errors.invalid_text(&at, given, &fault);
    }
    if given != format!("{}.{}", object.text("/spec/names/plural"), object.text("/spec/group")) {
        errors.invalid_text(&at, given, "must be spec.names.plural+\".\"+spec.group");
    }
}

/// One error for all faults of a text, as upstream joins them here.
fn joined(text: &str, format: fn(&str) -> Faults, before: &str, at: &Path, errors: &mut Errors) {
    let faults = format(text);
    if !faults.is_empty() {
        errors.invalid_text(at, text, &format!("{before}{}", faults.join(",")));
    }
}

fn spec(object: &Value, errors: &mut Errors) {
    let at = Path::new("spec");
    let group = object.text("/spec/group");
    if group.is_empty() {
        errors.required(&at.child("group"), "");
    } else if !names::dns1123_subdomain(group).is_empty() {
        joined(group, names::dns1123_subdomain, "", &at.child("group"), errors);
    } else if !group.contains('.') {
        errors.invalid_text(&at.child("group"), group, "should be a domain with at least one dot");
    }
    one_of(object.text("/spec/scope"), &["Cluster", "Namespaced"], &at.child("scope"), errors);
    let versions = object.list("/spec/versions");
    let list = at.child("versions");
    let shared = Shared::of(versions);
    for (index, version) in versions.iter().enumerate() {
        if version["served"] == true && version.map("/schema/openAPIV3Schema").is_none() {
            let place = list.index(index).child("schema").child("openAPIV3Schema");
            errors.required(&place, "schemas are required");
        }
    }
    let mut seen = BTreeSet::new();
    let mut unique = true;
    for (index, version) in versions.iter().enumerate() {
        let place = list.index(index);
        let name = version.text("/name");
        unique &= seen.insert(name);
        joined(name, names::dns1035_label, "", &place.child("name"), errors);
        if let Some(warning) = version["deprecationWarning"].as_str() {
            deprecation(warning, version["deprecated"] == true, &place.child("deprecationWarning"), errors);
        }
        parts(version, &shared.but(), has_status(version), &place, "schema", errors);
    }
    if !unique {
        errors.invalid_raw(&list, &shared.shown(versions), "must contain unique version names");
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.invalid_raw(&list, &shared.shown(versions), detail);
    }
    if let Some(first) = versions.first() {
        joined(first.text("/name"), names::dns1035_label, "", &at.child("version"), errors);
    }
    for field in ["plural", "singular", "kind", "listKind"] {
        if object.text(&format!("/spec/names/{field}")).is_empty() {
            errors.required(&at.child("names").child(field), "");
        }
    }
    spec_names(&object["spec"]["names"], &at.child("names"), errors);
    if let Some(first) = versions.first() {
        parts(first, &shared, versions.iter().any(has_status), &at, "validation", errors);
    }
    if object["spec"]["preserveUnknownFields"] == true {
        let place = at.child("preserveUnknownFields");
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in \
                      spec.versions[*].schema instead";
        errors.invalid(&place, &true.into(), detail);
    }
    conversion(&object["spec"]["conversion"], &at.child("conversion"), errors);
}

fn one_of(value: &str, set: &[&str], at: &Path, errors: &mut Errors) {
    if value.is_empty() {
        errors.required(at, "");
    } else if !set.contains(&value) {
        errors.not_supported(at, &value.into(), set);
    }
}

fn spec_names(names: &Value, at: &Path, errors: &mut Errors) {
    let label = |field: &str, lower: bool, errors: &mut Errors| {
        let given = names.text(&format!("/{field}"));
        if given.is_empty() {
            return;
        }
        let checked = if lower { given.to_lowercase() } else { given.to_owned() };
        let faults = names::dns1035_label(&checked);
        if !faults.is_empty() {
            let before = if lower { "may have mixed case, but should otherwise match: " } else { "" };
            errors.invalid_text(&at.child(field), given, &format!("{before}{}", faults.join(",")));
        }
    };
    label("plural", false, errors);
    label("singular", false, errors);
    label("kind", true, errors);
    label("listKind", true, errors);
    let each = |field: &str, errors: &mut Errors| {
        for (index, word) in names.list(&format!("/{field}")).iter().filter_map(Value::as_str).enumerate() {
            joined(word, names::dns1035_label, "", &at.child(field).index(index), errors);
        }
    };
    each("shortNames", errors);
    let (kind, list) = (names.text("/kind"), names.text("/listKind"));
    if !kind.is_empty() && kind == list {
        errors.invalid_text(&at.child("listKind"), list, "kind and listKind may not be the same");
    }
    each("categories", errors);
}

/// What all versions have the same: it is told as the definition's own, as upstream keeps it there.
struct Shared {
    schema: bool,
    subresources: bool,
    columns: bool,
    selectable: bool,
}

impl Shared {
    fn of(versions: &[Value]) -> Self {
        let same = |field: &str| {
            let first = versions.first().and_then(|version| version.get(field));
            versions.iter().all(|version| version.get(field) == first)
        };
        Self {
            schema: same("schema"),
            subresources: same("subresources"),
            columns: same("additionalPrinterColumns"),
            selectable: same("selectableFields"),
        }
    }

    /// What each version has by itself.
    fn but(&self) -> Self {
        Self {
            schema: !self.schema,
            subresources: !self.subresources,
            columns: !self.columns,
            selectable: !self.selectable,
        }
    }

    /// The versions as a message shows them: with the names and the order of Go's fields, without what
    /// they share.
    fn shown(&self, versions: &[Value]) -> String {
        let own = |version: &Value, field: &str, shared: bool| {
            version.get(field).filter(|_| !shared).cloned().unwrap_or(Value::Null)
        };
        let flag = |version: &Value, field: &str| version[field] == true;
        let shown: Vec<String> = versions
            .iter()
            .map(|version| {
                format!(
                    "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\"DeprecationWarning\":{},\
                     \"Schema\":{},\"Subresources\":{},\"AdditionalPrinterColumns\":{},\"SelectableFields\":{}}}",
                    Value::from(version.text("/name")),
                    flag(version, "served"),
                    flag(version, "storage"),
                    flag(version, "deprecated"),
                    own(version, "deprecationWarning", false),
                    own(version, "schema", self.schema),
                    own(version, "subresources", self.subresources),
                    own(version, "additionalPrinterColumns", self.columns),
                    own(version, "selectableFields", self.selectable),
                )
            })
            .collect();
        format!("[{}]", shown.join(","))
    }
}

fn has_status(version: &Value) -> bool {
    version.map("/subresources/status").is_some()
}

/// The parts of a version that `which` names, as they stand at `at`.
fn parts(version: &Value, which: &Shared, has_status: bool, at: &Path, schema: &str, errors: &mut Errors) {
    let found = version.pointer("/schema/openAPIV3Schema").filter(|schema| schema.is_object());
    if let Some(found) = found.filter(|_| which.schema) {
        let place = at.child(schema).child("openAPIV3Schema");
        let before = errors.len();
        schema::check(found, has_status, &place, errors);
        if !shape::check(found, &place, errors) && errors.len() == before {
            defaults::check(found, &place, errors);
            expressions::check(found, &place, errors);
        }
    }
    if which.subresources {
        subresources(version, &at.child("subresources"), errors);
    }
    if which.columns {
        for (index, one) in version.list("/additionalPrinterColumns").iter().enumerate() {
            column(one, &at.child("additionalPrinterColumns").index(index), errors);
        }
    }
    if which.selectable {
        selectable(version, &at.child("selectableFields"), errors);
    }
}

fn deprecation(warning: &str, deprecated: bool, at: &Path, errors: &mut Errors) {
    if !deprecated {
        errors.invalid_text(at, warning, "can only be set for deprecated versions");
    }
    if warning.is_empty() {
        errors.invalid_text(at, warning, "must not be empty");
    }
    if warning.len() > WARNING_MAX {
        errors.invalid_text(at, warning, &format!("must be <= {WARNING_MAX} characters long"));
    }
    if let Some((index, _)) = warning.char_indices().find(|(_, letter)| letter.is_control()) {
        let detail =
            format!("must only contain printable UTF-8 characters; non-printable character found at index {index}");
        errors.invalid_text(at, warning, &detail);
    }
}

fn subresources(version: &Value, at: &Path, errors: &mut Errors) {
    let Some(scale) = version.pointer("/subresources/scale").filter(|scale| scale.is_object()) else { return };
    let path = |field: &str, places: &[&str], must: &str, required: bool, errors: &mut Errors| {
        let given = scale.text(&format!("/{field}"));
        let place = at.child("scale").child(field);
        if given.is_empty() {
            if required {
                errors.required(&place, "");
            }
        } else if !given.starts_with('.') {
            errors.invalid_text(&place, given, "must be a simple json path starting with .");
        } else if !places.iter().any(|start| given.starts_with(start)) {
            errors.invalid_text(&place, given, must);
        }
    };
    path("specReplicasPath", &[".spec."], "should be a json path under .spec", true, errors);
    path("statusReplicasPath", &[".status."], "should be a json path under .status", true, errors);
    let must = "should be a json path under either .spec or .status";
    path("labelSelectorPath", &[".spec.", ".status."], must, false, errors);
}

fn column(column: &Value, at: &Path, errors: &mut Errors) {
    if column.text("/name").is_empty() {
        errors.required(&at.child("name"), "");
    }
    let kind = column.text("/type");
    let must = format!("must be one of {}", COLUMN_TYPES.join(","));
    if kind.is_empty() {
        errors.required(&at.child("type"), &must);
    } else if !COLUMN_TYPES.contains(&kind) {
        errors.invalid_text(&at.child("type"), kind, &must);
    }
    let format = column.text("/format");
    if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
        errors.invalid_text(&at.child("format"), format, &format!("must be one of {}", COLUMN_FORMATS.join(",")));
    }
    let path = column.text("/jsonPath");
    if path.is_empty() {
        errors.required(&at.child("JSONPath"), "");
    } else if !path.starts_with('.') {
        errors.invalid_text(&at.child("JSONPath"), path, "must be a simple json path starting with .");
    }
}

/// Selectable fields are texts, whole numbers or flags of the schema.
fn selectable(version: &Value, at: &Path, errors: &mut Errors) {
    let list = version.list("/selectableFields");
    if list.len() > SELECTABLE_MAX {
        errors.too_many(at, list.len(), SELECTABLE_MAX);
    }
    let schema = version.pointer("/schema/openAPIV3Schema").unwrap_or(&Value::Null);
    let mut seen = BTreeSet::new();
    for (index, field) in list.iter().enumerate() {
        let place = at.index(index).child("jsonPath");
        let path = field.text("/jsonPath");
        if path.is_empty() {
            errors.required(&place, "");
            continue;
        }
        let parsed = JsonPath::parse(path).filter(|_| path.starts_with('.'));
        let Some(names) = parsed.as_ref().and_then(JsonPath::fields) else {
            errors.invalid_text(&place, path, "is an invalid path: only simple paths such as .spec.field are allowed");
            continue;
        };
        if names.first() == Some(&"metadata") {
            errors.invalid_text(&place, path, "must not point to fields in metadata");
        } else {
            let found = names.iter().try_fold(schema, |schema, name| schema.get("properties")?.get(*name));
            match found.map(|found| found.text("/type")) {
                None => errors.invalid_text(&place, path, "is an invalid path: does not refer to a valid field"),
                Some("string" | "boolean" | "integer") => {}
                Some(_) => errors.invalid_text(
                    &place,
                    path,
                    "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                     formats are allowed.",
                ),
            }
        }
        if !seen.insert(path) {
            errors.duplicate(&place, &path.into());
        }
    }
}

fn conversion(conversion: &Value, at: &Path, errors: &mut Errors) {
    if !conversion.is_object() {
        return;
    }
    let strategy = conversion.text("/strategy");
    one_of(strategy, &["None", "Webhook"], &at.child("strategy"), errors);
    let config = conversion.pointer("/webhook/clientConfig").filter(|config| !config.is_null());
    let versions = conversion.list("/webhook/conversionReviewVersions");
    let client = at.child("webhookClientConfig");
    let review = at.child("conversionReviewVersions");
    if strategy != "Webhook" {
        let detail = "should not be set when strategy is not set to Webhook";
        if config.is_some() {
            errors.forbidden(&client, detail);
        }
        if !versions.is_empty() {
            errors.forbidden(&review, detail);
        }
        return;
    }
    match config {
        None => errors.required(&client, "required when strategy is set to Webhook"),
        Some(config) => {
            let (url, service) = (!config.text("/url").is_empty(), !is_empty(&config["service"]));
            if url == service {
                errors.required(&client, "exactly one of url or service is required");
            }
            if service {
                for field in ["namespace", "name"] {
                    let name = config.text(&format!("/service/{field}"));
                    if name.is_empty() {
                        errors.required(&client.child("service").child(field), &format!("service {field} is required"));
                    }
                }
            }
        }
    }
    if versions.is_empty() {
        errors.required(&review, "");
    } else if !versions.iter().any(|version| version == "v1" || version == "v1beta1") {
        let detail = "must include at least one of v1, v1beta1";
        errors.invalid(&review, &Value::from(versions.to_vec()), detail);
    }
}

/// Objects of several versions need a conversion that k2d cannot do.
fn conversion_is_done(object: &Value, errors: &mut Errors) {
    let served = object.list("/spec/versions").iter().filter(|version| version["served"] == true).count();
    if errors.is_empty() && served > 1 && object.text("/spec/conversion/strategy") == "Webhook" {
        let at = Path::new("spec").child("conversion").child("strategy");
        let detail = "k2d calls no conversion webhook; serve one version alone, or use the strategy None";
        errors.invalid_text(&at, "Webhook", detail);
    }
}

fn stored(object: &Value, errors: &mut Errors) {
    let at = Path::new("status").child("storedVersions");
    let stored = object.list("/status/storedVersions");
    let versions = object.list("/spec/versions");
    if stored.is_empty() {
        errors.invalid(&at, &Value::from(Vec::<Value>::new()), "must have at least one stored version");
        return;
    }
    for (index, name) in stored.iter().enumerate() {
        if !versions.iter().any(|version| version["name"] == *name) {
            let shown = name.as_str().unwrap_or_default();
            let detail = format!(
                "missing from spec.versions; {shown} was previously a storage version, and must remain in \
                 spec.versions until a storage migration ensures no data remains persisted in {shown} and removes \
                 {shown} from status.storedVersions"
            );
            errors.invalid(&at.index(index), name, &detail);
        }
    }
    let storage = versions.iter().find(|version| version["storage"] == true);
    if let Some(storage) = storage.filter(|version| !stored.contains(&version["name"])) {
        let detail = format!("must have the storage version {}", storage.text("/name"));
        errors.invalid(&at, &Value::from(stored.to_vec()), &detail);
    }
}

/// Definitions of protected groups say who approved them.
fn approval(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    if !is_protected(object.text("/spec/group")) {
        return;
    }
    let by = object.annotation(APPROVED).unwrap_or_default();
    if old.is_some_and(|old| old.annotation(APPROVED).unwrap_or_default() == by) {
        return;
    }
    let at = Path::new("metadata").child("annotations").key(APPROVED);
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    let must = format!("protected groups must have approval annotation {APPROVED:?}");
    if by.is_empty() {
        errors.required(&at, &format!("{must}, {see}"));
    } else if !by.starts_with("unapproved") && (by.contains(' ') || !by.contains("://")) {
        let detail = format!("{must} with either a URL or a reason starting with \"unapproved\", {see}");
        errors.invalid_text(&at, by, &detail);
    }
}
