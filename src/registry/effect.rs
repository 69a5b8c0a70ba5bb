//! Kinds that are stored and served, but that nothing here acts on yet. Whoever writes one is told.

use crate::kinds::Kind;

/// Group and resource of the kinds without effect.
const WITHOUT_EFFECT: [(&str, &str); 18] = [
    ("", "replicationcontrollers"),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("apps", "daemonsets"),
    ("apps", "statefulsets"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
    ("certificates.k8s.io", "certificatesigningrequests"),
    ("networking.k8s.io", "ingresses"),
    ("networking.k8s.io", "networkpolicies"),
    ("networking.k8s.io", "servicecidrs"),
    ("storage.k8s.io", "csidrivers"),
    ("storage.k8s.io", "volumeattachments"),
];

/// The sentence for who writes an object of such a kind.
#[must_use]
pub fn warning(kind: &Kind) -> Option<String> {
    let without = WITHOUT_EFFECT.iter().any(|(group, plural)| *group == kind.group && *plural == kind.plural);
    without.then(|| format!("k2d stores {} and does not act on them yet", kind.plural))
}
