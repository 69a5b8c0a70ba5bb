//! The fields that a request may name but not change through a given address: the status through
//! the object, the rest through a subresource. Nobody comes to manage them that way.

use super::fields::Set;

/// The fields that a write to `subresource` (empty for the object itself) of a kind leaves as they
/// are. `has_status` says whether the status has an address of its own. Source: the `GetResetFields`
/// of the strategies of a kube-apiserver 1.37.
#[must_use]
pub fn reset_fields(group: &str, kind: &str, subresource: &str, has_status: bool) -> Set<'static> {
    let paths: &[&[&'static str]] = match (group, kind, subresource) {
        ("apps", "Deployment", "status") => &[&["spec"], &["metadata", "labels"]],
        ("", "Pod", "status") => &[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]],
        ("", "Namespace", "finalize") => &[&["status"]],
        ("certificates.k8s.io", "CertificateSigningRequest", "") => &[&["status"]],
        ("certificates.k8s.io", "CertificateSigningRequest", "status") => &[&["spec"], &["status", "conditions"]],
        ("certificates.k8s.io", "CertificateSigningRequest", "approval") => &[&["spec"], &["status", "certificate"]],
        ("apiextensions.k8s.io", "CustomResourceDefinition", "status") => &[&["metadata"], &["spec"]],
        ("networking.k8s.io", "NetworkPolicy" | "IngressClass", "") => &[],
        (_, _, "status") => &[&["spec"]],
        (_, _, "" | "ephemeralcontainers" | "resize") if has_status => &[&["status"]],
        _ => &[],
    };
    paths.iter().fold(Set::new(), |all, path| all.union(Set::of_path(path)))
}
