//! Discovery: what the server has, in the legacy form (a document for each group and version) and in
//! the aggregated one.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use crate::kinds::{Kind, Scope, Verbs};
use crate::registry::Catalog;

/// `GET /api`.
#[must_use]
pub fn core_versions(address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    })
}

/// `GET /apis`.
#[must_use]
pub fn groups(catalog: &Catalog) -> Value {
    let groups: Vec<Value> = catalog
        .groups()
        .iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| group_entry(group, versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `GET /apis/<group>`; `None` for a group that is not served.
#[must_use]
pub fn group(catalog: &Catalog, name: &str) -> Option<Value> {
    let groups = catalog.groups();
    let (group, versions) = groups.iter().find(|(group, _)| group == name && !group.is_empty())?;
    let mut entry = group_entry(group, versions);
    entry["kind"] = "APIGroup".into();
    entry["apiVersion"] = "v1".into();
    Some(entry)
}

fn group_entry(group: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    json!({"name": group, "preferredVersion": versions.first(), "versions": versions})
}

/// `GET /api/v1` and `GET /apis/<group>/<version>`.
#[must_use]
pub fn resources(catalog: &Catalog, group: &str, version: &str) -> Value {
    let mut list = Vec::new();
    for kind in of(catalog, group, version) {
        list.push(resource(catalog, kind));
        for sub in &kind.subresources {
            let mut entry = json!({
                "name": format!("{}/{}", kind.plural, sub.name),
                "singularName": "",
                "namespaced": kind.scope == Scope::Namespaced,
                "kind": if sub.kind.is_empty() { kind.kind.as_ref() } else { sub.kind },
                "verbs": sub.verbs,
            });
            if !sub.version.is_empty() && (sub.group != kind.group || sub.version != kind.version) {
                entry["group"] = sub.group.into();
                entry["version"] = sub.version.into();
            }
            list.push(entry);
        }
    }
    list.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut document = json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": list});
    if !group.is_empty() {
        // The document of the core group is older than that field.
        document["apiVersion"] = "v1".into();
    }
    document
}

fn of<'a>(catalog: &'a Catalog, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Arc<Kind>> + 'a {
    catalog.iter().filter(move |kind| kind.group == group && kind.version == version)
}

fn resource(catalog: &Catalog, kind: &Arc<Kind>) -> Value {
    let mut entry = Map::new();
    entry.insert("name".into(), kind.plural.as_ref().into());
    entry.insert("singularName".into(), kind.singular.as_ref().into());
    entry.insert("namespaced".into(), (kind.scope == Scope::Namespaced).into());
    entry.insert("kind".into(), kind.kind.as_ref().into());
    entry.insert("verbs".into(), json!(kind.verbs.names()));
    if !kind.short_names.is_empty() {
        entry.insert("shortNames".into(), json!(kind.short_names));
    }
    if !kind.categories.is_empty() {
        entry.insert("categories".into(), json!(kind.categories));
    }
    if let Some(hash) = storage_hash(catalog, kind) {
        entry.insert("storageVersionHash".into(), hash.into());
    }
    Value::Object(entry)
}

/// The aggregated form: everything in one document.
#[must_use]
pub fn aggregated(catalog: &Catalog, core: bool) -> Value {
    let items: Vec<Value> = catalog
        .groups()
        .iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let mut list: Vec<Value> =
                        of(catalog, group, version).map(|kind| aggregated_resource(kind)).collect();
                    list.sort_by(|a, b| a["resource"].as_str().cmp(&b["resource"].as_str()));
                    json!({"version": version, "resources": list, "freshness": "Current"})
                })
                .collect();
            let mut meta = Map::new();
            if !group.is_empty() {
                meta.insert("name".into(), group.as_str().into());
            }
            json!({"metadata": meta, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn aggregated_resource(kind: &Kind) -> Value {
    let mut entry = Map::new();
    entry.insert("resource".into(), kind.plural.as_ref().into());
    entry.insert("responseKind".into(), response_kind("", "", &kind.kind));
    let scope = if kind.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" };
    entry.insert("scope".into(), scope.into());
    entry.insert("singularResource".into(), kind.singular.as_ref().into());
    entry.insert("verbs".into(), json!(kind.verbs.names()));
    if !kind.short_names.is_empty() {
        entry.insert("shortNames".into(), json!(kind.short_names));
    }
    if !kind.categories.is_empty() {
        entry.insert("categories".into(), json!(kind.categories));
    }
    if !kind.subresources.is_empty() {
        let mut list: Vec<Value> = kind
            .subresources
            .iter()
            .map(|sub| {
                let response = if sub.kind.is_empty() {
                    response_kind("", "", &kind.kind)
                } else if sub.group == kind.group && sub.version == kind.version {
                    response_kind("", "", sub.kind)
                } else {
                    response_kind(sub.group, sub.version, sub.kind)
                };
                json!({"subresource": sub.name, "responseKind": response, "verbs": sub.verbs})
            })
            .collect();
        list.sort_by(|a, b| a["subresource"].as_str().cmp(&b["subresource"].as_str()));
        entry.insert("subresources".into(), list.into());
    }
    Value::Object(entry)
}

fn response_kind(group: &str, version: &str, kind: &str) -> Value {
    json!({"group": group, "version": version, "kind": kind})
}

/// A short name for the version in which a kind is stored, for clients that watch for migrations:
/// the first eight bytes of the SHA-256 of `group/version/kind`.
fn storage_hash(catalog: &Catalog, kind: &Arc<Kind>) -> Option<String> {
    if matches!(kind.verbs, Verbs::CreateOnly | Verbs::ReadOnly) {
        return None;
    }
    let stored = catalog.stored(kind);
    let place = format!("{}/{}/{}", stored.group, stored.version, stored.kind);
    let hash = digest(&SHA256, place.as_bytes());
    Some(STANDARD.encode(&hash.as_ref()[..8]))
}

/// The media type of the aggregated form, where the client prefers it.
#[must_use]
pub fn wants_aggregated(headers: &hyper::HeaderMap) -> Option<&'static str> {
    let accept = headers.get(hyper::header::ACCEPT)?.to_str().ok()?;
    let wanted = accept.split(',').next()?;
    let has = |part: &str| wanted.split(';').any(|piece| piece.trim() == part);
    let fits = has("g=apidiscovery.k8s.io") && has("v=v2") && has("as=APIGroupDiscoveryList");
    fits.then_some("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
}
