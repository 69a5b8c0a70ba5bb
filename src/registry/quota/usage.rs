//! What one object counts for: itself, and of pods, claims and services what they ask for.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Amounts;
use crate::kinds::Kind;
use crate::kinds::parts::demand::{self, amounts};
use crate::kinds::parts::resources;
use crate::schema::object::Object;
use crate::schema::quantity::Quantity;

const BY_CLASS: &str = ".storageclass.storage.k8s.io/";
const CLASS_BETA: &str = "volume.beta.kubernetes.io/storage-class";
const PODS: [&str; 10] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
];
const SERVICES: [&str; 3] = ["services", "services.nodeports", "services.loadbalancers"];
const CLAIMS: [&str; 2] = ["persistentvolumeclaims", "requests.storage"];
/// Kinds whose number also counts under their bare name.
const BARE: [&str; 4] = ["configmaps", "resourcequotas", "replicationcontrollers", "secrets"];

/// How the objects of a kind are counted.
pub struct Counted {
    group: String,
    plural: String,
    /// `count/pods`, `count/deployments.apps`.
    count: String,
}

impl Counted {
    /// How a kind is counted.
    #[must_use]
    pub fn of(kind: &Kind) -> Self {
        let (group, plural) = (kind.group.to_string(), kind.plural.to_string());
        let count = if group.is_empty() { format!("count/{plural}") } else { format!("count/{plural}.{group}") };
        Self { group, plural, count }
    }

    /// Whether it is that kind of the core group.
    #[must_use]
    pub fn is(&self, plural: &str) -> bool {
        self.group.is_empty() && self.plural == plural
    }

    /// Whether such objects count for that resource of a quota.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        if name == self.count {
            return true;
        }
        if self.is("pods") {
            let huge = resources::is_huge_pages(name) || name.starts_with("requests.hugepages-");
            return PODS.contains(&name) || huge || is_extended(name);
        }
        if self.is("services") {
            return SERVICES.contains(&name);
        }
        if self.is("persistentvolumeclaims") {
            return CLAIMS.contains(&name) || CLAIMS.iter().any(|claim| name.ends_with(&format!("{BY_CLASS}{claim}")));
        }
        self.group.is_empty() && self.plural == name && BARE.contains(&name)
    }

    /// What an object counts for.
    #[must_use]
    pub fn usage(&self, object: &Value, now: Timestamp) -> Amounts {
        let mut usage = Amounts::from([(self.count.clone(), Quantity::from(1))]);
        if self.is("pods") {
            of_pod(object, now, &mut usage);
        } else if self.is("services") {
            of_service(object, &mut usage);
        } else if self.is("persistentvolumeclaims") {
            of_claim(object, &mut usage);
        } else if self.group.is_empty() && BARE.contains(&self.plural.as_str()) {
            usage.insert(self.plural.clone(), Quantity::from(1));
        }
        usage
    }
}

/// Whether a quota names an extended resource, which it does by its requests.
fn is_extended(name: &str) -> bool {
    name.starts_with("requests.") && !resources::is_native(name)
}

/// Whether a pod still uses anything: one that has ended does not, nor one that should be gone.
fn uses(pod: &Value, now: Timestamp) -> bool {
    if matches!(pod.text("/status/phase"), "Failed" | "Succeeded") {
        return false;
    }
    let grace = pod.int("/metadata/deletionGracePeriodSeconds");
    let end = pod.text("/metadata/deletionTimestamp").parse::<Timestamp>().ok();
    end.zip(grace).is_none_or(|(end, grace)| now.duration_since(end) <= SignedDuration::from_secs(grace))
}

fn of_pod(pod: &Value, now: Timestamp, usage: &mut Amounts) {
    if !uses(pod, now) {
        return;
    }
    usage.insert("pods".into(), Quantity::from(1));
    for (name, amount) in demand::requests(pod) {
        let plain = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") || resources::is_huge_pages(&name);
        if plain || resources::is_extended(&name) {
            usage.insert(format!("requests.{name}"), amount.clone());
        }
        if plain {
            usage.insert(name, amount);
        }
    }
    for (name, amount) in demand::limits(pod) {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            usage.insert(format!("limits.{name}"), amount);
        }
    }
}

fn of_service(service: &Value, usage: &mut Amounts) {
    let ports = service.list("/spec/ports");
    let number = |count: usize| Quantity::from(i64::try_from(count).unwrap_or(i64::MAX));
    let (mut node_ports, mut balancers) = (0, 0);
    match service.text("/spec/type") {
        "NodePort" => node_ports = ports.len(),
        "LoadBalancer" => {
            let own = service.pointer("/spec/allocateLoadBalancerNodePorts").and_then(Value::as_bool);
            let given = |port: &&Value| port["nodePort"].as_i64().is_some_and(|port| port != 0);
            node_ports = if own == Some(false) { ports.iter().filter(given).count() } else { ports.len() };
            balancers = 1;
        }
        _ => {}
    }
    usage.insert("services".into(), number(1));
    usage.insert("services.nodeports".into(), number(node_ports));
    usage.insert("services.loadbalancers".into(), number(balancers));
}

fn of_claim(claim: &Value, usage: &mut Amounts) {
    let class = claim.annotation(CLASS_BETA).unwrap_or_else(|| claim.text("/spec/storageClassName"));
    let mut put = |name: &str, amount: &Quantity| {
        usage.insert(name.to_owned(), amount.clone());
        if !class.is_empty() {
            usage.insert(format!("{class}{BY_CLASS}{name}"), amount.clone());
        }
    };
    put("persistentvolumeclaims", &Quantity::from(1));
    let asked = amounts(&claim["spec"]["resources"]["requests"]).remove("storage");
    let given = amounts(&claim["status"]["allocatedResources"]).remove("storage");
    if let Some(storage) = asked.max(given) {
        put("requests.storage", &storage);
    }
}
