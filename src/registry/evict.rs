//! Eviction: a delete of a pod that asks its disruption budget first. Source: the API reference of
//! Eviction and PodDisruptionBudget, and the behaviour of the subresource of kube-apiserver.

use serde_json::{Value, json};

use super::delete::DeleteOptions;
use super::{Changed, Part, Registry, Target, WriteOptions, timestamp};
use crate::kinds::policy::disruption_budget;
use crate::schema::object::Object;
use crate::schema::selector::Selector;
use crate::schema::status::Status;

/// How often a delete is tried again when the pod changes meanwhile.
const TRIES: usize = 20;

/// Evictions that a budget may have open: more means that nobody confirms them.
const DISRUPTED_MAX: usize = 2000;

/// Who counts the evictions that a budget has allowed.
const MANAGER: &str = "kube-apiserver";

const VIOLATES: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

/// What became of an eviction.
#[derive(Debug, PartialEq)]
pub enum Evicted {
    /// The pod goes.
    Done,
    /// Several budgets are about the pod, which upstream does not support.
    Ambiguous,
}

/// How a pod that a budget lets go is deleted.
enum Verdict {
    /// Whatever happens to it meanwhile.
    Go,
    /// Only as it was seen, not ready; the name is that of the budget.
    Unready(String),
    Ambiguous,
}

impl Registry {
    /// Evicts a pod.
    ///
    /// # Errors
    /// 429 where its budget does not allow it now, 404 where it is not there, 409 where a precondition
    /// fails.
    pub async fn evict(
        &self,
        target: &Target,
        delete: &DeleteOptions,
        options: &WriteOptions,
    ) -> Result<Evicted, Status> {
        let mut tries = 0;
        let pod = loop {
            let pod = self.get(target).await?.to_value();
            if !ignores_budgets(&pod) {
                break pod;
            }
            let mut delete = delete.clone();
            let insists = delete.resource_version.is_some();
            if !insists && !pod.is_deleting() && pod.text("/status/phase") == "Pending" {
                // It may become ready and count while it is being deleted.
                delete.resource_version = Some(pod.resource_version().to_owned());
            }
            tries += 1;
            match self.mark_and_delete(target, delete, options).await {
                Err(status) if status.reason == "Conflict" && !insists && tries < TRIES => {}
                outcome => return outcome.map(|()| Evicted::Done),
            }
        };
        let mut delete = delete.clone();
        let budget = match self.ask_budget(&pod, options).await? {
            Verdict::Ambiguous => return Ok(Evicted::Ambiguous),
            Verdict::Go => None,
            Verdict::Unready(budget) if delete.resource_version.is_none() => {
                delete.resource_version = Some(pod.resource_version().to_owned());
                Some(budget)
            }
            Verdict::Unready(_) => None,
        };
        match (self.mark_and_delete(target, delete, options).await, budget) {
            (Err(status), Some(budget)) if status.reason == "Conflict" => Err(being_processed(&budget)),
            (outcome, _) => outcome.map(|()| Evicted::Done),
        }
    }

    /// Asks the budget that is about the pod, and takes one disruption of it.
    async fn ask_budget(&self, pod: &Value, options: &WriteOptions) -> Result<Verdict, Status> {
        let namespace = pod.namespace();
        let names = self.budget_names(namespace).await?;
        let mut budgets = Vec::new();
        for name in names {
            let found = self.read(&self.target("policy", "poddisruptionbudgets", namespace, &name)?).await?;
            budgets.extend(found.filter(|budget| is_about(budget, pod)));
        }
        let budget = match budgets.as_slice() {
            [] => return Ok(Verdict::Go),
            [budget] => budget,
            _ => return Ok(Verdict::Ambiguous),
        };
        if !is_ready(pod) && lets_unready_go(budget) {
            return Ok(Verdict::Unready(budget.name().to_owned()));
        }
        if options.dry_run {
            decrement(&mut budget.clone(), pod.name())?;
            return Ok(Verdict::Go);
        }
        let target = self.target("policy", "poddisruptionbudgets", namespace, budget.name())?;
        let mut change = |budget: &Value| {
            let mut next = budget.clone();
            decrement(&mut next, pod.name())?;
            Ok(Changed::new(next))
        };
        self.update(&target, Part::Status, &mut change, &WriteOptions::internal(MANAGER)).await?;
        Ok(Verdict::Go)
    }

    /// Notes on the pod why it goes, then deletes it.
    async fn mark_and_delete(
        &self,
        target: &Target,
        mut delete: DeleteOptions,
        options: &WriteOptions,
    ) -> Result<(), Status> {
        if !options.dry_run {
            let mut change = |pod: &Value| {
                super::delete::preconditions(target, &delete, pod)?;
                let mut next = pod.clone();
                mark(&mut next);
                Ok(Changed { object: next, managed: true, uid: None })
            };
            let written = self.update(target, Part::Status, &mut change, options).await?;
            if delete.resource_version.is_some() {
                delete.resource_version = Some(written.object.resource_version().to_owned());
            }
        }
        self.delete(target, &delete, options).await.map(drop)
    }
}

/// Whether a pod counts for no budget: it has ended, has not begun, or is going already.
fn ignores_budgets(pod: &Value) -> bool {
    matches!(pod.text("/status/phase"), "Succeeded" | "Failed" | "Pending") || pod.is_deleting()
}

fn is_about(budget: &Value, pod: &Value) -> bool {
    let selector = Selector::from_object(&budget["spec"]["selector"]);
    selector.is_ok_and(|selector| selector.matches(pod.map("/metadata/labels")))
}

fn is_ready(pod: &Value) -> bool {
    let ready = pod.list("/status/conditions").iter().find(|condition| condition["type"] == "Ready");
    ready.is_some_and(|ready| ready["status"] == "True")
}

/// A pod that is not ready is no loss where enough others are, or where the budget says so.
fn lets_unready_go(budget: &Value) -> bool {
    let number = |field: &str| budget["status"][field].as_i64().unwrap_or(0);
    let enough = number("currentHealthy") >= number("desiredHealthy") && number("desiredHealthy") > 0;
    budget.text("/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow" || enough
}

fn refused(seconds: u32, message: &str) -> Status {
    Status::too_many_requests(VIOLATES, seconds).with_cause("DisruptionBudget", message, "")
}

fn being_processed(budget: &str) -> Status {
    refused(10, &format!("The disruption budget {budget} is still being processed by the server."))
}

/// Takes one disruption of the budget, for that pod.
fn decrement(budget: &mut Value, pod: &str) -> Result<(), Status> {
    let number = |field: &str| budget["status"][field].as_i64().unwrap_or(0);
    let (allowed, name) = (number("disruptionsAllowed"), budget.name());
    if number("observedGeneration") < budget.generation() {
        return Err(being_processed(name));
    }
    let forbid = |detail: &str| Err(Status::forbidden("policy", "poddisruptionbudget", name, detail));
    if allowed < 0 {
        return forbid("pdb disruptions allowed is negative");
    }
    if budget.map("/status/disruptedPods").is_some_and(|pods| pods.len() > DISRUPTED_MAX) {
        return forbid("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    if allowed == 0 {
        return Err(refused(0, &why_not(budget)));
    }
    let now = timestamp();
    let status = budget.section_mut("status");
    status.insert("disruptionsAllowed".into(), json!(allowed - 1));
    let disrupted = status.entry("disruptedPods").or_insert_with(|| json!({}));
    if !disrupted.is_object() {
        *disrupted = json!({});
    }
    disrupted[pod] = now.as_str().into();
    if allowed == 1 {
        disruption_budget::show_allowed(budget, &now);
    }
    Ok(())
}

fn why_not(budget: &Value) -> String {
    let name = budget.name();
    let number = |field: &str| budget["status"][field].as_i64().unwrap_or(0);
    let (healthy, desired) = (number("currentHealthy"), number("desiredHealthy"));
    let conditions = budget.list("/status/conditions").iter();
    let denied = conditions
        .filter(|one| one["type"] == "DisruptionAllowed" && one["status"] == "False")
        .map(|one| (one.text("/reason"), one.text("/message")))
        .find(|(_, message)| !message.is_empty());
    let not = format!("The disruption budget {name} does not allow evicting pods currently");
    match denied {
        Some(("SyncFailed", message)) => format!("{not} because it failed sync: {message}"),
        _ if healthy <= desired => {
            format!("The disruption budget {name} needs {desired} healthy pods and has {healthy} currently")
        }
        Some((reason, message)) => format!("{not} ({reason}): {message}"),
        None => not,
    }
}

/// Sets the condition by which controllers tell an eviction from a failure (KEP-3329).
fn mark(pod: &mut Value) {
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting", "lastProbeTime": null, "lastTransitionTime": timestamp(),
    });
    let conditions = pod.section_mut("status").entry("conditions").or_insert_with(|| json!([]));
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(list) = conditions.as_array_mut() else { return };
    match list.iter_mut().find(|own| own["type"] == "DisruptionTarget") {
        Some(own) if own["status"] == "True" => {}
        Some(own) => *own = condition,
        None => list.push(condition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(status: Value) -> Value {
        json!({"metadata": {"name": "pd", "generation": 1}, "status": status})
    }

    #[test]
    fn a_disruption_is_counted_and_the_last_one_shown() {
        let mut two = budget(json!({"observedGeneration": 1, "disruptionsAllowed": 2}));
        decrement(&mut two, "a").expect("allowed");
        assert_eq!(two["status"]["disruptionsAllowed"], 1);
        assert!(two["status"]["disruptedPods"]["a"].is_string());
        assert!(two["status"].get("conditions").is_none());
        decrement(&mut two, "b").expect("allowed");
        assert_eq!(two["status"]["conditions"][0]["reason"], "InsufficientPods");
        assert_eq!(decrement(&mut two, "c").expect_err("no more").code, 429);
    }

    #[test]
    fn the_refusal_says_why() {
        let said = |status: Value| {
            let status = decrement(&mut budget(status), "a").expect_err("refused");
            let details = status.details.expect("details");
            (details.retry_after_seconds, details.causes[0].message.clone())
        };
        assert_eq!(
            said(json!({})),
            (10, "The disruption budget pd is still being processed by the server.".to_owned())
        );
        assert_eq!(
            said(json!({"observedGeneration": 1, "currentHealthy": 1, "desiredHealthy": 1})),
            (0, "The disruption budget pd needs 1 healthy pods and has 1 currently".to_owned())
        );
        let failed = json!({"observedGeneration": 1, "conditions": [
            {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "no scale"}]});
        assert!(said(failed).1.ends_with("because it failed sync: no scale"));
    }

    #[test]
    fn a_pod_that_is_not_ready_goes_where_enough_are() {
        let of = |policy: &str, healthy: i64| {
            let mut budget = budget(json!({"currentHealthy": healthy, "desiredHealthy": 2}));
            budget["spec"] = json!({"unhealthyPodEvictionPolicy": policy});
            lets_unready_go(&budget)
        };
        assert!(of("", 2) && of("AlwaysAllow", 0));
        assert!(!of("", 1) && !of("IfHealthyBudget", 1));
    }
}
