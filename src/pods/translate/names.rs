//! Names and labels of containers: what other tools read, and what k2d needs to recognise its own
//! with an empty store. No label ever holds a value of a secret.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::schema::object::Object;

/// Name of the pod.
pub const POD_NAME: &str = "io.kubernetes.pod.name";
/// Namespace of the pod.
pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
/// Uid of the pod.
pub const POD_UID: &str = "io.kubernetes.pod.uid";
/// Name of the container in its pod.
pub const CONTAINER: &str = "io.kubernetes.container.name";
/// The k2d that made it.
pub const INSTANCE: &str = "k2d.io/instance";
/// The store in which its pod is (the uid of the namespace `kube-system`).
pub const CLUSTER: &str = "k2d.io/cluster";
/// What it is in its pod: see [`Role`].
pub const ROLE: &str = "k2d.io/role";
/// Digest of the part of the pod that it was made from.
pub const SPEC: &str = "k2d.io/spec-hash";
/// How often the pod's container was started again before this one was made.
pub const RESTARTS: &str = "k2d.io/restarts";
/// Names of the devices that it was given, with commas between.
pub const DEVICES: &str = "k2d.io/devices";
/// The pod's address.
pub const ADDRESS: &str = "k2d.io/pod-ip";

/// What a container is in its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// One of `spec.containers`.
    Main,
    /// One of `spec.initContainers` that ends.
    Init,
    /// One of `spec.initContainers` that goes on.
    Sidecar,
    /// One of `spec.ephemeralContainers`.
    Ephemeral,
    /// It holds the network of the pod.
    Pause,
}

impl Role {
    /// As it stands in the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Main => "container",
            Self::Init => "init",
            Self::Sidecar => "sidecar",
            Self::Ephemeral => "ephemeral",
            Self::Pause => "pause",
        }
    }
}

/// The name of the container that holds a pod's network. No container of a pod can have it, as those
/// are written in small letters.
pub const PAUSE: &str = "POD";

/// `<namespace>.<pod>.<container>`.
pub fn container_name(pod: &Value, container: &str) -> String {
    format!("{}.{}.{container}", pod.namespace(), pod.name())
}

/// The name that an earlier attempt of a container keeps.
pub fn earlier_name(name: &str, restarts: u64) -> String {
    format!("{name}.{restarts}")
}

/// Whether `found` is the name of an earlier attempt of the container `name`.
pub fn is_earlier(found: &str, name: &str) -> bool {
    let count = found.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
    count.is_some_and(|count| !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What all labels of one k2d have in common.
#[derive(Clone, Debug, Default)]
pub struct Owner {
    /// Value of [`INSTANCE`].
    pub instance: String,
    /// Value of [`CLUSTER`].
    pub cluster: String,
}

/// The labels of a container.
pub fn labels(
    owner: &Owner,
    pod: &Value,
    container: &str,
    role: Role,
    hash: &str,
    restarts: u64,
) -> BTreeMap<String, String> {
    let count = restarts.to_string();
    let pairs = [
        (POD_NAME, pod.name()),
        (POD_NAMESPACE, pod.namespace()),
        (POD_UID, pod.uid()),
        (CONTAINER, container),
        (INSTANCE, &owner.instance),
        (CLUSTER, &owner.cluster),
        (ROLE, role.as_str()),
        (SPEC, hash),
        (RESTARTS, &count),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// A digest of what a container is made from: a change of it means another container.
pub fn spec_hash(container: &Value) -> String {
    let mut made_from = container.clone();
    // What can change without another container, or does not reach it.
    if let Some(map) = made_from.as_object_mut() {
        for key in ["livenessProbe", "readinessProbe", "startupProbe", "resources", "imagePullPolicy", "resizePolicy"] {
            map.remove(key);
        }
    }
    let bytes = serde_json::to_vec(&made_from).unwrap_or_default();
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn earlier_attempts_are_told_from_other_names() {
        assert!(is_earlier("a.b.c.0", "a.b.c"));
        assert!(!is_earlier("a.b.c", "a.b.c"));
        assert!(!is_earlier("a.b.c.", "a.b.c"));
        assert!(!is_earlier("a.b.c.x1", "a.b.c"));
        assert!(!is_earlier("mine.1", "a.b.c"));
    }

    #[test]
    fn a_new_image_is_another_container_and_a_new_probe_is_not() {
        let one = json!({"name": "c", "image": "a"});
        let probed = json!({"name": "c", "image": "a", "livenessProbe": {"periodSeconds": 3}});
        let other = json!({"name": "c", "image": "b"});
        assert_eq!(spec_hash(&one), spec_hash(&probed));
        assert_ne!(spec_hash(&one), spec_hash(&other));
    }
}
