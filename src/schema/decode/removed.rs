//! Versions of built-in kinds that are no longer served and that a kube-apiserver still reads, so
//! that it can say which version it expects instead.

/// Group, version and the kinds in it; `*` stands for every kind that the group has today.
const REMOVED: &[(&str, &str, &[&str])] = &[
    ("admissionregistration.k8s.io", "v1alpha1", &["*"]),
    ("admissionregistration.k8s.io", "v1beta1", &["*"]),
    ("apiextensions.k8s.io", "v1beta1", &["*"]),
    ("apiregistration.k8s.io", "v1beta1", &["*"]),
    ("apps", "v1beta1", &["ControllerRevision", "Deployment", "Scale", "StatefulSet"]),
    ("apps", "v1beta2", &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "Scale", "StatefulSet"]),
    ("authentication.k8s.io", "v1beta1", &["SelfSubjectReview", "TokenReview"]),
    ("authorization.k8s.io", "v1beta1", &["*"]),
    ("autoscaling", "v2beta1", &["HorizontalPodAutoscaler"]),
    ("autoscaling", "v2beta2", &["HorizontalPodAutoscaler"]),
    ("batch", "v1beta1", &["CronJob"]),
    ("certificates.k8s.io", "v1beta1", &["CertificateSigningRequest"]),
    ("coordination.k8s.io", "v1beta1", &["Lease"]),
    ("discovery.k8s.io", "v1beta1", &["EndpointSlice"]),
    ("events.k8s.io", "v1beta1", &["Event"]),
    ("extensions", "v1beta1", &["DaemonSet", "Deployment", "Ingress", "NetworkPolicy", "ReplicaSet", "Scale"]),
    ("flowcontrol.apiserver.k8s.io", "v1beta1", &["*"]),
    ("flowcontrol.apiserver.k8s.io", "v1beta2", &["*"]),
    ("flowcontrol.apiserver.k8s.io", "v1beta3", &["*"]),
    ("networking.k8s.io", "v1beta1", &["IPAddress", "Ingress", "IngressClass", "ServiceCIDR"]),
    ("node.k8s.io", "v1alpha1", &["RuntimeClass"]),
    ("node.k8s.io", "v1beta1", &["RuntimeClass"]),
    ("policy", "v1beta1", &["Eviction", "PodDisruptionBudget"]),
    ("rbac.authorization.k8s.io", "v1alpha1", &["*"]),
    ("rbac.authorization.k8s.io", "v1beta1", &["*"]),
    ("scheduling.k8s.io", "v1alpha1", &["PriorityClass"]),
    ("scheduling.k8s.io", "v1beta1", &["PriorityClass"]),
    ("storage.k8s.io", "v1alpha1", &["CSIStorageCapacity", "VolumeAttachment", "VolumeAttributesClass"]),
    ("storage.k8s.io", "v1beta1", &["*"]),
];

/// Whether that version of a kind was once served for what is now `group`.
#[must_use]
pub fn is_former(group: &str, version: &str, kind: &str, now: &str) -> bool {
    let listed = |(_, _, kinds): &&(&str, &str, &[&str])| kinds.contains(&"*") || kinds.contains(&kind);
    let mut same = REMOVED.iter().filter(|(known, since, _)| *known == group && *since == version);
    let moved = match (group, kind) {
        ("apps" | "extensions", "Scale") => "autoscaling",
        ("extensions", "Ingress" | "NetworkPolicy") => "networking.k8s.io",
        ("extensions", _) => "apps",
        (group, _) => group,
    };
    moved == now && same.find(listed).is_some()
}
