//! The kinds that k2d serves: for each its names, scope, verbs and columns as data, and a
//! [`Strategy`] for what is particular to it.
//!
//! A kind knows the shape and the rules of its own objects and nothing else: not the store, not
//! HTTP, not the engine. What needs to look at other objects (admission, allocation of addresses,
//! references) belongs to the registry and the controllers.
//!
//! ```text
//! kinds/<group>/<kind>.rs    kind()  names, scope, subresources, selectable fields
//!                            impl Strategy: defaults, preparation, rules, rules of an update,
//!                            warnings, columns
//!                            tests
//! ```

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

use crate::schema::field::Errors;
use crate::schema::meta::MetaRules;
use crate::schema::names;
use crate::schema::object::Object;

pub mod admission;
pub mod apps;
pub mod autoscaling;
pub mod batch;
pub mod certificates;
pub mod conversion;
pub mod coordination;
pub mod core;
pub mod discovery;
pub mod flowcontrol;
mod index;
pub mod metrics;
pub mod networking;
pub mod parts;
pub mod policy;
pub mod rbac;
pub mod review;
pub mod runtime;
pub mod scheduling;
pub mod storage;

pub use conversion::Conversion;
pub use index::all;

/// Text that is part of the program for a built-in kind and owned for a custom one.
pub type Text = Cow<'static, str>;

/// Whether the objects of a kind live in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One set of names in each namespace.
    Namespaced,
    /// One set of names for the cluster.
    Cluster,
}

/// What `metadata.name` must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// A DNS subdomain, at most 253 characters (most kinds).
    Subdomain,
    /// A DNS label, at most 63 characters (namespaces).
    Label,
    /// A DNS label as RFC 1035 has it: begins with a letter (services).
    Label1035,
    /// Anything that can stand in a path: not `.`, `..`, and without `/` and `%` (RBAC kinds).
    PathSegment,
    /// Not checked by the common rules; the kind does it.
    Own,
}

impl NameRule {
    /// The check of the name; `None` where the kind has its own.
    #[must_use]
    pub fn format(self) -> Option<fn(&str) -> names::Faults> {
        match self {
            Self::Subdomain => Some(names::dns1123_subdomain),
            Self::Label => Some(names::dns1123_label),
            Self::Label1035 => Some(names::dns1035_label),
            Self::PathSegment => Some(names::path_segment),
            Self::Own => None,
        }
    }
}

/// The verbs that the main resource of a kind answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbs {
    /// create, delete, deletecollection, get, list, patch, update, watch.
    All,
    /// All but deletecollection (namespaces, services).
    NoDeleteCollection,
    /// create alone: a question that is answered and not stored (reviews).
    CreateOnly,
    /// get and list (componentstatuses, metrics).
    ReadOnly,
}

impl Verbs {
    /// The verbs by name, sorted, as discovery lists them.
    #[must_use]
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::All => &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            Self::NoDeleteCollection => &["create", "delete", "get", "list", "patch", "update", "watch"],
            Self::CreateOnly => &["create"],
            Self::ReadOnly => &["get", "list"],
        }
    }
}

/// How a kind refuses a field selector that it does not know; upstream has three wordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectorWords {
    /// `"x" is not a known field selector: only "metadata.name", "metadata.namespace"`.
    Known,
    /// `field label not supported: x`.
    Label,
    /// `field label "x" not supported for Kind`.
    ForKind,
}

/// What a delete does with the objects that name the deleted one as owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay.
    Orphan,
}

/// A part of a resource with an address of its own, such as `status` or `scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subresource {
    /// Last segment of its path.
    pub name: &'static str,
    /// Verbs, sorted, as discovery lists them.
    pub verbs: &'static [&'static str],
    /// Group of the kind that is read and written there.
    pub group: &'static str,
    /// Version of that kind.
    pub version: &'static str,
    /// That kind; empty for the kind of the resource itself.
    pub kind: &'static str,
}

/// `status` of the resource's own kind: get, patch, update.
pub const STATUS: Subresource =
    Subresource { name: "status", verbs: &["get", "patch", "update"], group: "", version: "", kind: "" };

/// `scale` as autoscaling/v1 Scale: get, patch, update.
pub const SCALE: Subresource = Subresource {
    name: "scale",
    verbs: &["get", "patch", "update"],
    group: "autoscaling",
    version: "v1",
    kind: "Scale",
};

/// A column of the Table form (`metav1.TableColumnDefinition`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub name: Text,
    /// OpenAPI type: `string`, `integer`, `number`, `boolean`, `date`.
    pub kind: Text,
    /// OpenAPI format: mostly empty; `name` on the column that names the object.
    pub format: Text,
    /// What the column shows.
    pub description: Text,
    /// 0 is always shown, above that only by `-o wide`.
    pub priority: i32,
}

/// One kind in one version: what discovery says of it and how the registry treats it.
pub struct Kind {
    /// API group; empty for the core group.
    pub group: Text,
    /// Version within the group.
    pub version: Text,
    /// Kind, in upper camel case.
    pub kind: Text,
    /// Resource name in the plural, as in paths.
    pub plural: Text,
    /// Resource name in the singular.
    pub singular: Text,
    /// Names that kubectl accepts instead.
    pub short_names: Vec<Text>,
    /// Groups of resources such as `all`.
    pub categories: Vec<Text>,
    /// Namespaced or not.
    pub scope: Scope,
    /// Verbs of the main resource.
    pub verbs: Verbs,
    /// Parts with an address of their own.
    pub subresources: Vec<Subresource>,
    /// Fields, beside `metadata.name` and `metadata.namespace`, that a field selector may name.
    pub selectable: Vec<Text>,
    /// How an unknown field of a selector is refused.
    pub selector_words: SelectorWords,
    /// Rule for names.
    pub names: NameRule,
    /// The sentence of the `Warning:` header that every answer carries; empty for none.
    pub deprecated: Text,
    /// The way to the version in which the objects are stored; `None` where it is this one.
    pub conversion: Option<&'static dyn Conversion>,
    /// What is particular to the kind.
    pub strategy: Box<dyn Strategy>,
}

impl Kind {
    /// A namespaced kind with all verbs, no subresource, no short name, and names that are DNS
    /// subdomains; the singular is the kind in lower case.
    #[must_use]
    pub fn new(
        group: impl Into<Text>,
        version: impl Into<Text>,
        kind: impl Into<Text>,
        plural: impl Into<Text>,
        strategy: impl Strategy + 'static,
    ) -> Self {
        let kind = kind.into();
        Self {
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
            singular: kind.to_lowercase().into(),
            kind,
            short_names: Vec::new(),
            categories: Vec::new(),
            scope: Scope::Namespaced,
            verbs: Verbs::All,
            subresources: Vec::new(),
            selectable: Vec::new(),
            selector_words: SelectorWords::Known,
            names: NameRule::Subdomain,
            deprecated: Text::default(),
            conversion: None,
            strategy: Box::new(strategy),
        }
    }

    /// Makes it a kind of the cluster.
    #[must_use]
    pub fn cluster(mut self) -> Self {
        self.scope = Scope::Cluster;
        self
    }

    /// Sets the short names.
    #[must_use]
    pub fn short(mut self, names: &[&'static str]) -> Self {
        self.short_names = names.iter().map(|name| Text::from(*name)).collect();
        self
    }

    /// Sets the categories.
    #[must_use]
    pub fn categories(mut self, names: &[&'static str]) -> Self {
        self.categories = names.iter().map(|name| Text::from(*name)).collect();
        self
    }

    /// Sets the verbs of the main resource.
    #[must_use]
    pub fn verbs(mut self, verbs: Verbs) -> Self {
        self.verbs = verbs;
        self
    }

    /// Sets the subresources.
    #[must_use]
    pub fn subresources(mut self, list: &[Subresource]) -> Self {
        self.subresources = list.to_vec();
        self
    }

    /// Sets the selectable fields.
    #[must_use]
    pub fn selectable(mut self, fields: &[&'static str]) -> Self {
        self.selectable = fields.iter().map(|name| Text::from(*name)).collect();
        self
    }

    /// Sets the sentence that warns of the use of the kind.
    #[must_use]
    pub fn deprecated(mut self, sentence: &'static str) -> Self {
        self.deprecated = sentence.into();
        self
    }

    /// Sets the way to the version in which the objects are stored.
    #[must_use]
    pub fn converted(mut self, conversion: &'static dyn Conversion) -> Self {
        self.conversion = Some(conversion);
        self
    }

    /// The group under which the objects are stored, and which errors name.
    #[must_use]
    pub fn home_group(&self) -> &str {
        self.conversion.map_or(self.group.as_ref(), |conversion| conversion.group())
    }

    /// Sets how an unknown field of a selector is refused.
    #[must_use]
    pub fn selector_words(mut self, words: SelectorWords) -> Self {
        self.selector_words = words;
        self
    }

    /// What a field selector is answered that names a field which is not selectable.
    #[must_use]
    pub fn unknown_field(&self, field: &str) -> String {
        match self.selector_words {
            SelectorWords::Known => {
                let mut known = vec!["metadata.name", "metadata.namespace"];
                known.extend(self.selectable.iter().map(AsRef::as_ref));
                let known: Vec<String> = known.iter().map(|name| format!("{name:?}")).collect();
                format!("{field:?} is not a known field selector: only {}", known.join(", "))
            }
            SelectorWords::Label => format!("field label not supported: {field}"),
            SelectorWords::ForKind => format!("field label {field:?} not supported for {}", self.kind),
        }
    }

    /// What the common rules of `metadata` need to know of the kind.
    #[must_use]
    pub fn meta_rules(&self) -> MetaRules {
        MetaRules { name: self.names.format(), namespaced: self.is_namespaced(), standard_finalizers: true }
    }

    /// Sets the rule for names.
    #[must_use]
    pub fn names(mut self, rule: NameRule) -> Self {
        self.names = rule;
        self
    }

    /// `v1` or `apps/v1`, as in `apiVersion`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether the kind has that subresource.
    #[must_use]
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|sub| sub.name == name)
    }

    /// Whether `status` is written by its own subresource.
    #[must_use]
    pub fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    /// Whether the objects live in a namespace.
    #[must_use]
    pub fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }
}

/// What is particular to a kind. Every method has the answer of a kind that is only stored.
///
/// The registry calls, in this order: on a create `default`, `prepare_create`, `validate`; on an
/// update `default`, `prepare_update`, `validate_update` (which is the whole of the rules, those of
/// `validate` included); on an update of the status `default`, `prepare_status`, `validate_status`.
/// `default` sees the object in the version of the kind; all else sees it as it is stored, which is
/// another shape where the kind has a [`Conversion`].
/// `metadata` is checked by the registry before (`schema::meta` with [`Kind::meta_rules`]);
/// `metadata.generation` and the isolation of `status` are the registry's work too. A mistake that
/// is found twice is shown once.
pub trait Strategy: Send + Sync {
    /// Fills in what the client left out.
    fn default(&self, _object: &mut Value) {}

    /// Sets what the server decides on a create. A `status` that the client sent is already gone
    /// where the kind has a status subresource.
    fn prepare_create(&self, _object: &mut Value) {}

    /// All rules that hold for an object by itself.
    fn validate(&self, _object: &Value, _errors: &mut Errors) {}

    /// Sets what the server decides on an update of the main resource. `status` is already the old
    /// one where the kind has a status subresource.
    fn prepare_update(&self, _object: &mut Value, _old: &Value) {}

    /// All rules of an update: those of the object by itself and those between it and the old one,
    /// in the order in which they are shown.
    fn validate_update(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        self.validate(object, errors);
    }

    /// Sets what an update of the status may not change; by default all but `metadata` and `status`
    /// is as it was.
    fn prepare_status(&self, object: &mut Value, old: &Value) {
        keep_all_but_status(object, old);
    }

    /// The rules of an update of the status.
    fn validate_status(&self, _object: &Value, _old: &Value, _errors: &mut Errors) {}

    /// Sets what an update through another subresource of the same kind (`resize`,
    /// `ephemeralcontainers`, `approval`, `finalize`) may not change. Not called for `status`.
    fn prepare_subresource(&self, _subresource: &str, _object: &mut Value, _old: &Value) {}

    /// The rules of an update through such a subresource.
    fn validate_subresource(&self, _subresource: &str, _object: &Value, _old: &Value, _errors: &mut Errors) {}

    /// Whether `metadata.generation` is kept: `None` for kinds without it, else whether the change
    /// from `old` counts. By default a kind has no generation.
    fn counts_generation(&self, _object: &Value, _old: &Value) -> Option<bool> {
        None
    }

    /// Whether an update of a name that is not there creates it.
    fn allows_create_on_update(&self) -> bool {
        false
    }

    /// Whether an update without `metadata.resourceVersion` is taken.
    fn allows_unconditional_update(&self) -> bool {
        true
    }

    /// What happens to dependents where a delete does not say.
    fn default_propagation(&self) -> Propagation {
        Propagation::Background
    }

    /// For kinds that end gracefully (pods): the seconds between the request to delete and the end,
    /// from what the client asked for (`None`: nothing) and the object. Other kinds say `None`.
    fn grace(&self, _object: &Value, _requested: Option<i64>) -> Option<i64> {
        None
    }

    /// Whether a delete answers with the object that is gone instead of a `Status`.
    fn returns_deleted(&self) -> bool {
        false
    }

    /// Fields that a write through `subresource` (empty: the main resource) cannot set, as FieldsV1
    /// paths such as `["status"]`; nobody becomes their owner by such a write.
    fn reset_fields(&self, _subresource: &str) -> &'static [&'static [&'static str]] {
        &[]
    }

    /// Sentences for `Warning:` headers of a create (`old` is `None`) or an update.
    fn warnings(&self, _object: &Value, _old: Option<&Value>) -> Vec<String> {
        Vec::new()
    }

    /// The value of a selectable field of this object, as a field selector compares it.
    fn field(&self, object: &Value, name: &str) -> String {
        field_text(object, name)
    }

    /// Annotations that stand for fields which the objects once had; rows of a table and metadata alone are
    /// shown without them.
    fn field_annotations(&self) -> &'static [&'static str] {
        &[]
    }

    /// Columns of the Table form; empty means name and creation time.
    fn columns(&self) -> Vec<Column> {
        Vec::new()
    }

    /// Names of members that neither cells nor row conditions look at, at whatever depth: of objects
    /// that are shown in tables they are not even read.
    fn unshown(&self) -> &'static [&'static str] {
        &["managedFields"]
    }

    /// The cells of one object, one for each column.
    fn cells(&self, _object: &Value, _now: Timestamp) -> Vec<Value> {
        Vec::new()
    }

    /// The conditions of the row of one object in the Table form, such as `Completed` of a pod.
    fn row_conditions(&self, _object: &Value) -> Vec<Value> {
        Vec::new()
    }
}

/// A kind that is stored as it comes.
pub struct Stored;

impl Strategy for Stored {}

/// Puts back everything but `metadata` and `status`.
pub fn keep_all_but_status(object: &mut Value, old: &Value) {
    let (Some(new), Some(old)) = (object.as_object_mut(), old.as_object()) else { return };
    new.retain(|key, _| matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
    for (key, value) in old {
        if key != "metadata" && key != "status" {
            new.insert(key.clone(), value.clone());
        }
    }
}

/// The value at a dotted path as text; empty where it is absent.
#[must_use]
pub fn field_text(object: &Value, path: &str) -> String {
    let pointer = format!("/{}", path.replace('.', "/"));
    match object.pointer(&pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Whether `spec` differs, the usual meaning of a change that counts as a generation.
#[must_use]
pub fn spec_changed(object: &Value, old: &Value) -> bool {
    object.map("/spec") != old.map("/spec")
}
