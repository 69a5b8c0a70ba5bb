//! Why a pod as a whole must end or may not begin: its time is over, it takes more disk than it may, or the node
//! cannot give what it asks for. The words are the kubelet's.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::events::Level;
use super::super::translate::names::Role;
use super::super::translate::status::pod_status;
use super::super::{Error, Inner, lock, schedule};
use super::{View, condition, usage};
use crate::schema::object::Object;

/// The sysctls of a namespace that harm no other pod (Kubernetes documentation, "Using sysctls in a cluster").
const SAFE_SYSCTLS: [&str; 14] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// Why a pod ends, or does not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// `status.reason`, and the reason of the event.
    reason: String,
    message: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The node never took it.
    Rejected,
    /// Its time is over.
    Deadline,
    /// It took too much.
    Evicted,
}

impl Inner {
    /// Whether the pod must end now.
    pub(super) async fn verdict(&self, view: &mut View<'_>) -> Result<Option<Verdict>, Error> {
        if let Some(verdict) = self.deadline(view) {
            return Ok(Some(verdict));
        }
        if view.own.is_empty() && !self.is_admitted(view) {
            if let Some(verdict) = self.admission(view).await? {
                return Ok(Some(verdict));
            }
            self.admit(view.key);
        }
        self.overuse(view).await
    }

    fn is_admitted(&self, view: &View<'_>) -> bool {
        lock(&self.memory).get(view.key).is_some_and(|pod| pod.admitted)
    }

    /// Notes that the node has taken a pod.
    pub(in crate::pods) fn admit(&self, key: &super::PodKey) {
        lock(&self.memory).entry(key.clone()).or_default().admitted = true;
    }

    /// `activeDeadlineSeconds`, counted from when the node took the pod.
    fn deadline(&self, view: &mut View<'_>) -> Option<Verdict> {
        let seconds = u64::try_from(view.pod.int("/spec/activeDeadlineSeconds")?).ok()?;
        let told = view.pod.text("/status/startTime").parse::<Timestamp>().ok();
        let begun = told.or_else(|| view.begun()).unwrap_or_else(Timestamp::now);
        let passed = Duration::try_from(Timestamp::now().duration_since(begun)).unwrap_or_default();
        let left = Duration::from_secs(seconds).saturating_sub(passed);
        if !left.is_zero() {
            view.sooner(Some(left));
            return None;
        }
        Some(Verdict {
            reason: "DeadlineExceeded".into(),
            message: "Pod was active on the node longer than the specified deadline".into(),
            kind: Kind::Deadline,
        })
    }

    /// Whether the node can take a pod that was given to it.
    async fn admission(&self, view: &View<'_>) -> Result<Option<Verdict>, Error> {
        let rejected = |reason: &str, message: String| {
            Ok(Some(Verdict { reason: reason.to_owned(), message, kind: Kind::Rejected }))
        };
        if let Some(message) = forbidden_sysctl(view.pod, &self.settings.unsafe_sysctls) {
            return rejected("SysctlForbidden", message);
        }
        if let Some((reason, message)) = unguarded(view.pod, &|path| std::fs::read_to_string(path).ok()) {
            return rejected(reason, message);
        }
        let node = self.registry.target("", "nodes", "", &self.settings.node)?;
        let Some(node) = self.registry.read(&node).await? else { return Ok(None) };
        let others = self.registry.all(&*self.registry.kind("", "pods")?, None).await?;
        let others: Vec<Value> = others.into_iter().filter(|other| other.uid() != view.pod.uid()).collect();
        match schedule::admission(view.pod, &node, &others) {
            Some((reason, message)) => rejected(&reason, message),
            None => Ok(None),
        }
    }

    /// Whether a pod takes more disk than it may. Looked at now and then, and only where there is such a limit.
    async fn overuse(&self, view: &mut View<'_>) -> Result<Option<Verdict>, Error> {
        let limits = usage::Limits::of(view.pod);
        if limits.is_empty() || view.own.is_empty() {
            return Ok(None);
        }
        let due = lock(&self.memory).get(view.key).and_then(|pod| pod.measured).map(|at| at + usage::PERIOD);
        let now = tokio::time::Instant::now();
        if let Some(left) = due.and_then(|due| due.checked_duration_since(now)).filter(|left| !left.is_zero()) {
            view.sooner(Some(left));
            return Ok(None);
        }
        let used = self.used(view, &limits).await?;
        // What takes long to count is counted more seldom.
        let next = usage::PERIOD.max(now.elapsed().saturating_mul(50));
        if let Some(pod) = lock(&self.memory).get_mut(view.key) {
            pod.measured = Some(tokio::time::Instant::now() + next - usage::PERIOD);
        }
        view.sooner(Some(next));
        Ok(limits.exceeded(&used).map(|message| Verdict { reason: "Evicted".into(), message, kind: Kind::Evicted }))
    }

    /// Ends a pod by a verdict: its status says so from now on, whatever becomes of its containers.
    pub(super) async fn fail(self: &Arc<Self>, view: &View<'_>, verdict: Verdict) -> Result<(), Error> {
        let mut seen = self.observe(view).await?;
        let message = match verdict.kind {
            Kind::Rejected => format!("Pod was rejected: {}", verdict.message),
            _ => verdict.message.clone(),
        };
        seen.failed = Some((verdict.reason.clone(), message.clone()));
        let mut object = view.pod.clone();
        object["status"] = pod_status(view.pod, &seen, &view.pod["status"], Timestamp::now());
        if verdict.kind == Kind::Evicted {
            let new = json!({"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet",
                "message": message});
            condition(&mut object, new);
        }
        self.set_status(view.pod, object["status"].take()).await?;
        let level = if verdict.kind == Kind::Deadline { Level::Normal } else { Level::Warning };
        self.recorder.pod(view.pod, None, level, &verdict.reason, verdict.message);
        self.settle(view, if verdict.kind == Kind::Evicted { Some(Duration::from_secs(1)) } else { None }).await
    }

    /// Stops what still runs of a pod that has ended: its sidecars, all of a pod that has failed, and the holder of
    /// its network last.
    pub(super) async fn settle(self: &Arc<Self>, view: &View<'_>, grace: Option<Duration>) -> Result<(), Error> {
        self.probes.forget(view.key);
        self.forget_pulls(view.pod.uid());
        self.devices.release(view.pod.uid());
        if view.own.iter().any(|found| !found.is(Role::Pause) && found.lives()) {
            let grace = grace.unwrap_or_else(|| super::container::grace(view.pod));
            let ends = Timestamp::now().checked_add(grace).unwrap_or(Timestamp::MAX);
            self.begin_stop(view, ends);
            return Ok(());
        }
        for holder in view.own.iter().filter(|found| found.is(Role::Pause) && found.lives()) {
            self.engine.stop_container(&holder.detail.id, None, Some(Duration::ZERO)).await?;
        }
        Ok(())
    }
}

/// Why the node does not set a sysctl that the pod asks for. A name that ends with `*` allows all that begin so.
fn forbidden_sysctl(pod: &Value, allowed: &[String]) -> Option<String> {
    let host = |what: &str| pod["spec"][what] == true;
    pod.list("/spec/securityContext/sysctls").iter().find_map(|one| {
        let name = one.text("/name").replace('/', ".");
        let listed = |pattern: &String| match pattern.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => *pattern == name,
        };
        if !SAFE_SYSCTLS.contains(&name.as_str()) && !allowed.iter().any(listed) {
            return Some(format!("forbidden sysctl: \"{name}\" not allowlisted"));
        }
        if name.starts_with("net.") && host("hostNetwork") {
            return Some(format!("forbidden sysctl: \"{name}\" not allowed with host net enabled"));
        }
        let ipc = name.starts_with("kernel.shm") || name.starts_with("kernel.msg") || name == "kernel.sem";
        if (ipc || name.starts_with("fs.mqueue.")) && host("hostIPC") {
            return Some(format!("forbidden sysctl: \"{name}\" not allowed with host ipc enabled"));
        }
        None
    })
}

/// Why the machine does not give a pod the protection that it asks for. `read` gives the text of a file.
fn unguarded(pod: &Value, read: &dyn Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    let lists = ["/spec/initContainers", "/spec/containers"].into_iter().flat_map(|list| pod.list(list));
    let contexts = lists.map(|one| &one["securityContext"]).chain([&pod["spec"]["securityContext"]]);
    let (mut armor, mut labels) = (false, false);
    for context in contexts {
        armor |= matches!(context.text("/appArmorProfile/type"), "RuntimeDefault" | "Localhost");
        // A level alone keeps pods apart where there are labels at all, and is often written without thought.
        labels |= ["type", "role", "user"].iter().any(|part| context["seLinuxOptions"][part].is_string());
    }
    if armor && read("/sys/module/apparmor/parameters/enabled").is_none_or(|text| !text.starts_with('Y')) {
        return Some(("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host".to_owned()));
    }
    if labels && read("/sys/fs/selinux/enforce").is_none() {
        return Some(("SELinux", "Cannot enforce SELinux: SELinux is not enabled on the host".to_owned()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protection_that_the_machine_does_not_have_is_refused() {
        let armored =
            json!({"spec": {"containers": [{"securityContext": {"appArmorProfile": {"type": "Localhost"}}}]}});
        assert_eq!(unguarded(&armored, &|_| None).map(|(reason, _)| reason), Some("AppArmor"));
        assert_eq!(unguarded(&armored, &|path| path.contains("apparmor").then(|| "Y\n".to_owned())), None);
        let labelled = |part: &str| json!({"spec": {"securityContext": {"seLinuxOptions": {part: "x"}}}});
        assert_eq!(unguarded(&labelled("type"), &|_| None).map(|(reason, _)| reason), Some("SELinux"));
        assert_eq!(unguarded(&labelled("level"), &|_| None), None);
        let free = json!({"spec": {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}});
        assert_eq!(unguarded(&free, &|_| None), None);
    }

    #[test]
    fn only_safe_sysctls_are_set_without_a_word_of_the_operator() {
        let of = |name: &str, allowed: &[&str]| {
            let pod = json!({"spec": {"hostNetwork": name.starts_with("net.core"),
                "securityContext": {"sysctls": [{"name": name, "value": "1"}]}}});
            forbidden_sysctl(&pod, &allowed.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of("net.ipv4.tcp_syncookies", &[]), None);
        assert_eq!(of("kernel.msgmax", &[]), Some("forbidden sysctl: \"kernel.msgmax\" not allowlisted".into()));
        assert_eq!(of("kernel.msgmax", &["kernel.msg*"]), None);
        assert!(of("net.core.somaxconn", &["net.core.somaxconn"]).is_some_and(|why| why.contains("host net")));
    }
}
