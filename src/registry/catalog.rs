//! Which kinds are served, found by resource or by kind.

use std::sync::Arc;

use crate::kinds::Kind;

/// The kinds that are served, in the order of discovery: groups in order, resources within a group
/// in order. It never changes; a new one takes its place when a custom kind comes or goes.
#[derive(Default)]
pub struct Catalog {
    kinds: Vec<Arc<Kind>>,
}

impl Catalog {
    /// A catalog of these kinds in this order.
    #[must_use]
    pub fn new(kinds: Vec<Kind>) -> Self {
        Self { kinds: kinds.into_iter().map(Arc::new).collect() }
    }

    /// The same built-in kinds with these custom ones behind them.
    #[must_use]
    pub fn with_custom(&self, custom: impl IntoIterator<Item = Arc<Kind>>) -> Self {
        let mut kinds: Vec<Arc<Kind>> = self.kinds.iter().filter(|kind| kind.custom().is_none()).cloned().collect();
        kinds.extend(custom);
        Self { kinds }
    }

    /// All kinds.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.kinds.iter()
    }

    /// The kind behind a path.
    #[must_use]
    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|kind| kind.plural == plural && kind.group == group && kind.version == version)
    }

    /// The kind of a resource in any version, the preferred one first.
    #[must_use]
    pub fn by_resource(&self, group: &str, plural: &str) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|kind| kind.plural == plural && kind.group == group)
    }

    /// The kind and version in which the objects of a kind are stored.
    #[must_use]
    pub fn stored<'a>(&'a self, kind: &'a Arc<Kind>) -> &'a Arc<Kind> {
        if let Some(custom) = kind.custom() {
            return self.resource(&kind.group, custom.storage_version(), &kind.plural).unwrap_or(kind);
        }
        let found = kind.conversion.and_then(|to| self.resource(to.group(), to.version(), &kind.plural));
        found.unwrap_or(kind)
    }

    /// The other versions (and groups) in which the objects of a kind are served.
    pub fn siblings<'a>(&'a self, kind: &'a Kind) -> impl Iterator<Item = &'a Arc<Kind>> {
        self.kinds.iter().filter(move |other| {
            other.plural == kind.plural
                && other.home_group() == kind.home_group()
                && (other.group != kind.group || other.version != kind.version)
        })
    }

    /// The kind that an object names.
    #[must_use]
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|k| k.kind == kind && k.group == group && k.version == version)
    }

    /// Whether any resource of that group and version is served.
    #[must_use]
    pub fn has_version(&self, group: &str, version: &str) -> bool {
        self.kinds.iter().any(|kind| kind.group == group && kind.version == version)
    }

    /// The groups with their versions, each once, in order; the first version is the preferred one.
    #[must_use]
    pub fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for kind in &self.kinds {
            let at = match groups.iter().position(|(group, _)| *group == kind.group) {
                Some(at) => at,
                None => {
                    groups.push((kind.group.to_string(), Vec::new()));
                    groups.len() - 1
                }
            };
            let versions = &mut groups[at].1;
            if !versions.iter().any(|version| *version == kind.version) {
                versions.push(kind.version.to_string());
            }
        }
        groups
    }
}

/// The path that upstream keeps an object at, which some of its messages show.
#[must_use]
pub fn storage_path(kind: &Kind, namespace: &str, name: &str) -> String {
    let place = match (kind.home_group(), kind.plural.as_ref()) {
        ("", "services") => "services/specs".to_owned(),
        ("", "endpoints") => "services/endpoints".to_owned(),
        ("", "nodes") => "minions".to_owned(),
        ("", "replicationcontrollers") => "controllers".to_owned(),
        ("networking.k8s.io", "ingresses") => "ingress".to_owned(),
        (group, plural) if group.contains('.') && !group.ends_with(".k8s.io") => format!("{group}/{plural}"),
        (_, plural) => plural.to_owned(),
    };
    if namespace.is_empty() {
        format!("/registry/{place}/{name}")
    } else {
        format!("/registry/{place}/{namespace}/{name}")
    }
}

/// The name under which the store keeps the objects of a kind: `pods`, `deployments.apps`. Versions
/// of one resource share it, and so do the two groups that events are served in.
#[must_use]
pub fn storage_name(kind: &Kind) -> String {
    match (kind.home_group(), kind.plural.as_ref()) {
        ("", plural) => plural.to_owned(),
        (group, plural) => format!("{plural}.{group}"),
    }
}
