//! The fields that a request may name but not change through a given address: the status through
//! the object, the rest through a subresource. Nobody comes to manage them that way.

use super::fields::{Element, Node, Set};
use super::typed::Comparison;

/// The fields that a write leaves as they are.
#[derive(Clone, Debug)]
pub enum Reset<'a> {
    /// These and all below them.
    Fields(Set<'a>),
    /// All but what is below these paths; `*` is any element.
    AllBut(&'a [&'a [&'a str]]),
}

impl<'a> Reset<'a> {
    /// Nothing is left as it is.
    #[must_use]
    pub fn nothing() -> Self {
        Self::Fields(Set::new())
    }

    /// `set` without the fields that a write leaves.
    #[must_use]
    pub fn filter<'s>(&self, set: Set<'s>) -> Set<'s> {
        match self {
            Self::Fields(fields) => set.recursive_difference(fields),
            Self::AllBut(paths) => only(set, paths),
        }
    }

    /// A comparison without the fields that a write leaves.
    #[must_use]
    pub fn filter_all<'s>(&self, change: Comparison<'s>) -> Comparison<'s> {
        Comparison {
            added: self.filter(change.added),
            modified: self.filter(change.modified),
            removed: self.filter(change.removed),
        }
    }
}

/// The part of a set on the way to these paths and below them.
fn only<'s>(set: Set<'s>, paths: &[&[&str]]) -> Set<'s> {
    set.map_nodes(|element, node| {
        let fits = |head: &str| head == "*" || matches!(element, Element::Field(name) if name == head);
        let rest: Vec<&[&str]> = paths
            .iter()
            .filter_map(|path| path.split_first())
            .filter(|(head, _)| fits(head))
            .map(|(_, rest)| rest)
            .collect();
        if rest.is_empty() {
            return Node::default();
        }
        if rest.iter().any(|rest| rest.is_empty()) {
            return node;
        }
        Node { member: node.member, children: only(node.children, &rest) }
    })
}

/// The fields that a write to `subresource` (empty for the object itself) of a kind leaves as they
/// are. `has_status` says whether the status has an address of its own. Source: the reset fields of
/// the strategies of a kube-apiserver 1.37.
#[must_use]
pub fn reset_fields(group: &str, kind: &str, subresource: &str, has_status: bool) -> Reset<'static> {
    let paths: &[&[&'static str]] = match (group, kind, subresource) {
        ("", "Pod", "resize") => {
            return Reset::AllBut(&[
                &["spec", "containers", "*", "resources"],
                &["spec", "containers", "*", "resizePolicy"],
            ]);
        }
        ("", "Pod", "ephemeralcontainers") => return Reset::AllBut(&[&["spec", "ephemeralContainers"]]),
        ("", "Pod", "status") => &[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]],
        ("apps", "Deployment", "status") => &[&["spec"], &["metadata", "labels"]],
        ("", "Namespace", "finalize") => &[&["status"]],
        ("certificates.k8s.io", "CertificateSigningRequest", "") => &[&["spec"], &["status"]],
        ("certificates.k8s.io", "CertificateSigningRequest", "status") => &[&["spec"], &["status", "conditions"]],
        ("certificates.k8s.io", "CertificateSigningRequest", "approval") => &[&["spec"], &["status", "certificate"]],
        ("apiextensions.k8s.io", "CustomResourceDefinition", "status") => &[&["metadata"], &["spec"]],
        (_, _, "status") => &[&["spec"]],
        (_, _, "") if has_status => &[&["status"]],
        _ => &[],
    };
    Reset::Fields(paths.iter().fold(Set::new(), |all, path| all.union(Set::of_path(path))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn left(kind: &str, subresource: &str) -> serde_json::Value {
        let fields = json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {".": {}, "f:replicas": {}, "f:containers": {
            "k:{\"name\":\"a\"}": {".": {}, "f:image": {}, "f:resources": {".": {}, "f:limits": {"f:cpu": {}}}}}},
            "f:status": {"f:phase": {}}});
        let group = if kind == "Deployment" { "apps" } else { "" };
        reset_fields(group, kind, subresource, true).filter(Set::from_value(&fields).unwrap()).to_value()
    }

    #[test]
    fn each_address_has_its_own_fields() {
        assert_eq!(
            left("Pod", "status"),
            json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:status": {"f:phase": {}}})
        );
        assert_eq!(left("Deployment", "status"), json!({"f:status": {"f:phase": {}}}));
        assert_eq!(left("Deployment", "").get("f:status"), None);
        assert_eq!(left("Deployment", "")["f:spec"]["f:replicas"], json!({}));
        assert_eq!(
            left("Pod", "resize"),
            json!({"f:spec": {".": {}, "f:containers": {"k:{\"name\":\"a\"}": {".": {},
                "f:resources": {".": {}, "f:limits": {"f:cpu": {}}}}}}})
        );
        assert_eq!(left("Pod", "ephemeralcontainers"), json!({"f:spec": {}}));
    }
}
