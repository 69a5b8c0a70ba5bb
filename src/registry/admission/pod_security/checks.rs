//! The checks of both levels in the order in which their findings are told, each in the versions in
//! which it changed, and what a pod is found guilty of.

use std::borrow::Cow;

use serde_json::Value;

use super::policy::{Level, LevelVersion};
use super::{baseline, restricted};
use crate::schema::rules::items;

/// What one check objects to.
pub(super) struct Finding {
    reason: Cow<'static, str>,
    detail: String,
}

impl Finding {
    /// A finding: a few words, and what to do.
    pub(super) fn new(reason: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { reason: reason.into(), detail: detail.into() }
    }
}

/// A check of one version: the pod (or template) goes in, the objection comes out.
type Test = fn(&Value) -> Option<Finding>;

/// A check.
struct Check {
    /// Name, by which checks are ordered and named in `overrides`.
    id: &'static str,
    /// From which minor version on it has which form.
    versions: &'static [(u32, Test)],
    /// Checks of the level baseline that it stands for.
    overrides: &'static [&'static str],
}

const fn check(id: &'static str, versions: &'static [(u32, Test)]) -> Check {
    Check { id, versions, overrides: &[] }
}

const BASELINE: [Check; 12] = [
    check("appArmorProfile", &[(0, baseline::app_armor)]),
    check("capabilities_baseline", &[(0, baseline::capabilities)]),
    check("hostNamespaces", &[(0, baseline::host_namespaces)]),
    check("hostPathVolumes", &[(0, baseline::host_paths)]),
    check("hostPorts", &[(0, baseline::host_ports)]),
    check("hostProbesAndHostLifecycle", &[(34, baseline::host_handlers)]),
    check("privileged", &[(0, baseline::privileged)]),
    check("procMount", &[(0, baseline::proc_mount), (35, baseline::proc_mount_1_35)]),
    check("seLinuxOptions", &[(0, baseline::se_linux), (31, baseline::se_linux_1_31)]),
    check("seccompProfile_baseline", &[(0, baseline::seccomp_annotations), (19, baseline::seccomp)]),
    check(
        "sysctls",
        &[
            (0, baseline::sysctls),
            (27, baseline::sysctls_1_27),
            (29, baseline::sysctls_1_29),
            (32, baseline::sysctls_1_32),
            (37, baseline::sysctls_1_37),
        ],
    ),
    check("windowsHostProcess", &[(0, baseline::host_process)]),
];

const RESTRICTED: [Check; 7] = [
    check("allowPrivilegeEscalation", &[(8, restricted::escalation), (25, restricted::escalation_1_25)]),
    Check {
        id: "capabilities_restricted",
        versions: &[(22, restricted::capabilities), (25, restricted::capabilities_1_25)],
        overrides: &["capabilities_baseline"],
    },
    Check { id: "procMount_restricted", versions: &[(35, baseline::proc_mount)], overrides: &["procMount"] },
    Check { id: "restrictedVolumes", versions: &[(0, restricted::volumes)], overrides: &["hostPathVolumes"] },
    check("runAsNonRoot", &[(0, restricted::non_root), (35, restricted::non_root_1_35)]),
    check("runAsUser", &[(23, restricted::user), (35, restricted::user_1_35)]),
    Check {
        id: "seccompProfile_restricted",
        versions: &[(19, restricted::seccomp), (25, restricted::seccomp_1_25)],
        overrides: &["seccompProfile_baseline"],
    },
];

impl Check {
    /// The form that it has in a version.
    fn at(&self, minor: u32) -> Option<Test> {
        self.versions.iter().rev().find(|(from, _)| *from <= minor).map(|(_, test)| *test)
    }
}

/// What a pod is found guilty of; never empty.
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    /// The reasons alone.
    pub(super) fn reasons(&self) -> String {
        self.0.iter().map(|finding| finding.reason.as_ref()).collect::<Vec<_>>().join(", ")
    }

    /// The reasons with what to do about each.
    pub(super) fn detail(&self) -> String {
        let one = |finding: &Finding| format!("{} ({})", finding.reason, finding.detail);
        self.0.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

/// Checks a pod or a template; `None` where nothing is wrong with it.
pub(super) fn evaluate(policy: LevelVersion, pod: &Value) -> Option<Findings> {
    if policy.level == Level::Privileged {
        return None;
    }
    let minor = policy.minor();
    let strict: &[Check] = if policy.level == Level::Restricted { &RESTRICTED } else { &[] };
    let overridden = |id| strict.iter().any(|check| check.at(minor).is_some() && check.overrides.contains(&id));
    let all = BASELINE.iter().filter(|check| !overridden(check.id)).chain(strict);
    let findings: Vec<Finding> = all.filter_map(|check| check.at(minor)?(pod)).collect();
    (!findings.is_empty()).then_some(Findings(findings))
}

/// All containers, those that come first and those for debugging among them.
pub(super) fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|list| items(&pod["spec"][list]))
}

/// `one` or `many`.
pub(super) fn plural<'w>(one: &'w str, many: &'w str, count: usize) -> &'w str {
    if count == 1 { one } else { many }
}

/// `"a", "b"`.
pub(super) fn quoted(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("\"{}\"", names.join("\", \"")) }
}

/// `container "a"`, `containers "a", "b"`.
pub(super) fn named(names: &[String]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names))
}

/// `pod and container "a"`: who sets something; empty where nobody does.
pub(super) fn setters(pod: bool, names: &[String]) -> String {
    match (pod, names.is_empty()) {
        (true, true) => "pod".into(),
        (true, false) => format!("pod and {}", named(names)),
        (false, true) => String::new(),
        (false, false) => named(names),
    }
}

/// Each once and in order.
pub(super) fn sorted(mut values: Vec<String>) -> Vec<String> {
    values.sort_unstable();
    values.dedup();
    values
}
