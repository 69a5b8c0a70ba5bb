//! DefaultTolerationSeconds and Priority.

use serde_json::{Value, json};

use super::super::{Registry, Target};
use super::index::Mark;
use super::{Change, refuse, refuse_pod};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// Seconds that a pod stays on a node that is not ready or cannot be reached.
const TOLERATION_SECONDS: i64 = 300;

/// Lets a pod stay for five minutes on a node that is not ready or not reachable, where it does not
/// say anything else about these taints.
pub fn tolerations(pod: &mut Value) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let said = pod.list("/spec/tolerations").iter().any(|toleration| {
            let of = toleration.text("/key");
            let effect = toleration.text("/effect");
            (of == key || of.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        });
        if said {
            continue;
        }
        let toleration = json!({
            "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS,
        });
        let spec = pod.section_mut("spec");
        if let Some(list) = spec.entry("tolerations").or_insert_with(|| json!([])).as_array_mut() {
            list.push(toleration);
        }
    }
}

/// Sets priority and preemption policy from the priority class.
pub async fn priority(registry: &Registry, pod: &mut Value) -> Result<(), Status> {
    let class = class_of(registry, pod).await?;
    let (value, policy) = match &class {
        Some(class) => {
            let policy = class.text("/preemptionPolicy");
            (class["value"].as_i64().unwrap_or(0), if policy.is_empty() { "PreemptLowerPriority" } else { policy })
        }
        None => (0, "PreemptLowerPriority"),
    };
    if let Some(said) = pod.int("/spec/priority")
        && said != value
    {
        let detail = format!(
            "the integer value of priority ({said}) must not be provided in pod spec; priority admission controller \
             computed {value} from the given PriorityClass name"
        );
        return Err(refuse_pod(pod, &detail));
    }
    let said = pod.text("/spec/preemptionPolicy");
    if !said.is_empty() && said != policy {
        let detail = format!(
            "the string value of PreemptionPolicy ({said}) must not be provided in pod spec; priority admission \
             controller computed {policy} from the given PriorityClass name"
        );
        return Err(refuse_pod(pod, &detail));
    }
    let name = class.as_ref().map(|class| class.name().to_owned());
    let policy = policy.to_owned();
    let spec = pod.section_mut("spec");
    if let Some(name) = name {
        spec.insert("priorityClassName".into(), name.into());
    }
    spec.insert("priority".into(), value.into());
    spec.insert("preemptionPolicy".into(), policy.into());
    Ok(())
}

/// The class that the pod names, or the one that is marked as default for the cluster.
async fn class_of(registry: &Registry, pod: &Value) -> Result<Option<Value>, Status> {
    let name = pod.text("/spec/priorityClassName");
    let Ok(kind) = registry.kind("scheduling.k8s.io", "priorityclasses") else {
        if name.is_empty() {
            return Ok(None);
        }
        return Err(refuse_pod(pod, &format!("no PriorityClass with name {name} was found")));
    };
    if name.is_empty() {
        let mut default: Option<Value> = None;
        for name in defaults(registry).await? {
            let Some(class) = registry.read(&Target::new(&kind, "", &name)).await? else { continue };
            let lower = |other: &Value| class["value"].as_i64() < other["value"].as_i64();
            if default.as_ref().is_none_or(lower) {
                default = Some(class);
            }
        }
        return Ok(default);
    }
    let target = Target::new(&kind, "", name);
    match registry.read(&target).await? {
        Some(class) => Ok(Some(class)),
        None => Err(refuse_pod(pod, &format!("no PriorityClass with name {name} was found"))),
    }
}

/// The classes that are marked as default for the cluster; hardly ever more than one.
async fn defaults(registry: &Registry) -> Result<Vec<String>, Status> {
    registry.marked(Mark::DefaultPriority, "").await
}

/// Carries priority and preemption policy over where an update leaves them out.
pub fn keep_priority(pod: &mut Value, old: &Value) {
    for field in ["priority", "preemptionPolicy"] {
        if pod["spec"][field].is_null() && !old["spec"][field].is_null() {
            pod.section_mut("spec").insert(field.into(), old["spec"][field].clone());
        }
    }
}

/// Refuses a second default priority class.
pub async fn one_default(registry: &Registry, change: &Change<'_>) -> Result<(), Status> {
    let Change { kind, object, old, .. } = *change;
    if object["globalDefault"] != true {
        return Ok(());
    }
    match defaults(registry).await?.into_iter().find(|name| old.is_none() || name != object.name()) {
        None => Ok(()),
        Some(name) => {
            let detail = format!("PriorityClass {name} is already marked as default. Only one default can exist");
            Err(refuse(kind, object, &detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerations_are_added_where_nothing_is_said() {
        let mut pod = json!({"spec": {}});
        tolerations(&mut pod);
        assert_eq!(pod.list("/spec/tolerations").len(), 2);
        let mut all = json!({"spec": {"tolerations": [{"operator": "Exists"}]}});
        tolerations(&mut all);
        assert_eq!(all.list("/spec/tolerations").len(), 1);
    }
}
