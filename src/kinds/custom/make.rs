//! From a definition to the kinds that it serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::columns::Columns;
use super::compiled::{Cache, pack};
use super::{Custom, Scale};
use crate::kinds::{Kind, SCALE, STATUS, Scope, SelectorWords, Text, Verbs};
use crate::schema::object::Object;

/// Counts schemas, so that the cache never takes one for another.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// Whether a condition of a definition holds.
fn holds(definition: &Value, condition: &str) -> bool {
    definition.list("/status/conditions").iter().any(|one| one["type"] == condition && one["status"] == "True")
}

/// The kinds of a definition that is established, one for each served version in the order of
/// preference; none as long as it is not.
#[must_use]
pub fn kinds(definition: &Value, cache: &Arc<Cache>) -> Vec<Kind> {
    if !holds(definition, "Established") && !holds(definition, "NamesAccepted") {
        return Vec::new();
    }
    let versions = definition.list("/spec/versions");
    let storage = versions.iter().find(|version| version["storage"] == true).map_or("", |one| one.text("/name"));
    let mut served: Vec<&Value> = versions.iter().filter(|version| version["served"] == true).collect();
    served.sort_by_key(|version| std::cmp::Reverse(order(version.text("/name"))));
    served.into_iter().map(|version| kind(definition, version, storage, cache)).collect()
}

fn kind(definition: &Value, version: &Value, storage: &str, cache: &Arc<Cache>) -> Kind {
    let group = definition.text("/spec/group");
    let name = version.text("/name");
    let accepted = |field: &str| definition.text(&format!("/status/acceptedNames/{field}")).to_owned();
    let words = |field: &str| -> Vec<Text> {
        let list = definition.list(&format!("/status/acceptedNames/{field}"));
        list.iter().filter_map(|word| Some(Text::from(word.as_str()?.to_owned()))).collect()
    };
    let ending = definition.is_deleting() || holds(definition, "Terminating");
    let has_status = version.map("/subresources/status").is_some();
    let scale = Scale::of(version);
    let mut subresources = Vec::new();
    if has_status {
        subresources.push(STATUS);
    }
    if scale.is_some() {
        subresources.push(SCALE);
    }
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = version.pointer("/schema/openAPIV3Schema").unwrap_or(&open);
    let custom = Custom {
        gvk: (group.to_owned(), name.to_owned(), accepted("kind")),
        storage: format!("{group}/{storage}"),
        ending,
        packed: pack(schema),
        cache: Arc::clone(cache),
        number: NUMBER.fetch_add(1, Ordering::Relaxed),
        scale,
        columns: Columns::of(version),
    };
    let selectable = version.list("/selectableFields").iter().map(|field| {
        let path = field.text("/jsonPath");
        Text::from(path.strip_prefix('.').unwrap_or(path).to_owned())
    });
    let selectable = selectable.collect();
    let plural = accepted("plural");
    let mut kind = Kind::new(group.to_owned(), name.to_owned(), accepted("kind"), plural, custom);
    kind.singular = accepted("singular").into();
    kind.short_names = words("shortNames");
    kind.categories = words("categories");
    kind.scope = if definition.text("/spec/scope") == "Cluster" { Scope::Cluster } else { Scope::Namespaced };
    kind.verbs = if ending { Verbs::CustomEnding } else { Verbs::Custom };
    kind.subresources = subresources;
    kind.selectable = selectable;
    kind.selector_words = SelectorWords::Label;
    kind.deprecated = deprecation(definition, version).into();
    kind
}

/// The warning that a deprecated version carries, with the newest served version to use instead.
fn deprecation(definition: &Value, version: &Value) -> String {
    if version["deprecated"] != true {
        return String::new();
    }
    let own = version.text("/deprecationWarning");
    if !own.is_empty() {
        return own.to_owned();
    }
    let (group, kind) = (definition.text("/spec/group"), definition.text("/spec/names/kind"));
    let name = version.text("/name");
    let newer = definition
        .list("/spec/versions")
        .iter()
        .filter(|other| other["served"] == true && other["deprecated"] != true)
        .map(|other| other.text("/name"))
        .filter(|other| order(other) > order(name))
        .max_by(|a, b| order(a).cmp(&order(b)));
    match newer {
        Some(newer) => format!("{group}/{name} {kind} is deprecated; use {group}/{newer} {kind}"),
        None => format!("{group}/{name} {kind} is deprecated"),
    }
}

/// The rank of a version, as Kubernetes prefers them: `v10` before `v2` before `v2beta1` before
/// `v1alpha1` before anything else; what is no such version ranks by name, the first first.
#[must_use]
pub fn order(version: &str) -> (u8, u64, u64, std::cmp::Reverse<String>) {
    let nothing = (0, 0, 0, std::cmp::Reverse(version.to_owned()));
    let Some(rest) = version.strip_prefix('v') else { return nothing };
    let split = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (major, rest) = rest.split_at(split);
    let Ok(major) = major.parse::<u64>() else { return nothing };
    let stage = |rank: u8, minor: &str| match minor.parse::<u64>() {
        Ok(minor) => (rank, major, minor, std::cmp::Reverse(String::new())),
        Err(_) => nothing.clone(),
    };
    match rest {
        "" => (3, major, 0, std::cmp::Reverse(String::new())),
        rest => match (rest.strip_prefix("beta"), rest.strip_prefix("alpha")) {
            (Some(minor), _) => stage(2, minor),
            (_, Some(minor)) => stage(1, minor),
            _ => nothing,
        },
    }
}
