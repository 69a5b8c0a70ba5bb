//! Disruption budgets: how many of the pods that one selects are healthy, how many must be, and how
//! many may go. Upstream: disruption controller. Evictions take from what is shown here.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::cluster::{Cluster, Head};
use super::{Controller, ObjectKey, Source, pods};
use crate::kinds::parts::intstr::scaled;
use crate::kinds::policy::disruption_budget;
use crate::registry::Registry;
use crate::registry::events::EventType;
use crate::schema::object::Object;
use crate::schema::selector::Selector;
use crate::schema::status::Status;

/// How long a pod whose eviction was allowed counts as gone although it is still there.
const DELETION_TIMEOUT: SignedDuration = SignedDuration::from_mins(2);

const UNMANAGED: &str = "As a result, the status of the PDB cannot be calculated correctly, which may result in \
    undefined behavior. To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer \
    value.";

/// The controller.
pub struct DisruptionController {
    cluster: Cluster,
}

/// What is counted of the pods of a budget.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    expected: i64,
    desired: i64,
    healthy: i64,
    disrupted: Map<String, Value>,
}

impl DisruptionController {
    /// The controller.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self { cluster: Cluster::new(registry, "controllermanager") }
    }

    /// All budgets of a namespace, because a pod in it has changed.
    async fn sync_all(&self, namespace: &str) -> Result<Option<Duration>, Status> {
        let mut next: Option<Duration> = None;
        for name in self.cluster.registry.budget_names(namespace).await? {
            let pause = self.sync(namespace, &name).await?;
            next = [next, pause].into_iter().flatten().min();
        }
        Ok(next)
    }

    async fn sync(&self, namespace: &str, name: &str) -> Result<Option<Duration>, Status> {
        let found = self.cluster.get("policy", "poddisruptionbudgets", (namespace, name)).await?;
        let Some(budget) = found else { return Ok(None) };
        let now = Timestamp::now();
        let pods = self.pods_of(&budget).await?;
        let outcome = self.count(&budget, &pods, now).await;
        let mut shown = budget.clone();
        let mut pause = None;
        match &outcome {
            Ok(counts) => {
                show(&mut shown, counts, now);
                let ends = counts.disrupted.values().filter_map(expected_end);
                pause = ends.min().and_then(|end| Duration::try_from(end.duration_since(now)).ok());
            }
            Err(failure) => {
                let message = format!("Failed to calculate the number of expected pods: {failure}");
                let reason = "CalculateExpectedPodCountFailed";
                self.cluster.tell(&budget, EventType::Warning, reason, &message).await;
                shown.section_mut("status").insert("disruptionsAllowed".into(), json!(0));
                let condition = ("False", "SyncFailed", failure.as_str());
                disruption_budget::show_condition(&mut shown, condition, &super::time(now));
            }
        }
        if shown["status"] != budget["status"] {
            match self.cluster.update_status("policy", "poddisruptionbudgets", &shown).await {
                Err(status) if status.code == 404 => return Ok(None),
                other => drop(other?),
            }
            if pods.is_empty() {
                self.cluster.tell(&budget, EventType::Normal, "NoPods", "No matching pods found").await;
            }
        }
        Ok(pause.map(|pause| pause + Duration::from_millis(100)))
    }

    async fn pods_of(&self, budget: &Value) -> Result<Vec<Value>, Status> {
        let selector = Selector::from_object(&budget["spec"]["selector"]).map_err(Status::internal)?;
        let wanted = |head: &Head| selector.matches(Some(&head.metadata.labels));
        self.cluster.those("", "pods", Some(budget.namespace()), wanted).await
    }

    /// The counts, or why they cannot be told.
    async fn count(&self, budget: &Value, pods: &[Value], now: Timestamp) -> Result<Counts, String> {
        let (least, most) = (&budget["spec"]["minAvailable"], &budget["spec"]["maxUnavailable"]);
        let number = i64::try_from(pods.len()).unwrap_or(i64::MAX);
        let (expected, desired) = if !most.is_null() {
            let expected = self.expected_scale(budget, pods).await?;
            (expected, (expected - scaled(most, expected, true)).max(0))
        } else if let Some(least) = least.as_i64() {
            (number, least)
        } else if least.is_string() {
            let expected = self.expected_scale(budget, pods).await?;
            (expected, scaled(least, expected, true))
        } else {
            (0, 0)
        };
        let disrupted = disrupted(budget, pods, now);
        let healthy = pods.iter().filter(|pod| is_healthy(pod, &disrupted)).count();
        Ok(Counts { expected, desired, healthy: i64::try_from(healthy).unwrap_or(i64::MAX), disrupted })
    }

    /// How many pods all controllers of these pods are to have together.
    async fn expected_scale(&self, budget: &Value, pods: &[Value]) -> Result<i64, String> {
        let mut scales: Map<String, Value> = Map::new();
        let mut unmanaged = false;
        for pod in pods {
            let Some(owner) = pod.controller() else {
                unmanaged = true;
                continue;
            };
            if scales.contains_key(owner.text("/uid")) {
                continue;
            }
            let (uid, replicas) = self
                .scale_of(owner, pod.namespace())
                .await
                .map_err(|status| status.message)?
                .ok_or_else(|| format!("found no controllers for pod {:?}", pod.name()))?;
            // Several ReplicaSets of one Deployment are one controller.
            scales.insert(owner.text("/uid").to_owned(), json!([uid, replicas]));
        }
        if unmanaged {
            let message = format!(
                "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. {UNMANAGED}",
                crate::schema::selector::format_object(&budget["spec"]["selector"])
            );
            self.cluster.tell(budget, EventType::Warning, "UnmanagedPods", &message).await;
        }
        let mut counted: Vec<&Value> = Vec::new();
        let mut sum = 0;
        for scale in scales.values() {
            if !counted.contains(&&scale[0]) {
                counted.push(&scale[0]);
                sum += scale[1].as_i64().unwrap_or(0);
            }
        }
        Ok(sum)
    }

    /// Identity and wanted replicas of what controls a pod in the end.
    async fn scale_of(&self, owner: &Value, namespace: &str) -> Result<Option<(String, i64)>, Status> {
        let group = owner.text("/apiVersion").split_once('/').map_or("", |(group, _)| group);
        let plural = match (group, owner.text("/kind")) {
            ("apps", "ReplicaSet") => "replicasets",
            ("apps", "StatefulSet") => "statefulsets",
            ("", "ReplicationController") => "replicationcontrollers",
            _ => return Ok(None),
        };
        let found = self.cluster.get(group, plural, (namespace, owner.text("/name"))).await?;
        let Some(set) = found.filter(|set| set.uid() == owner.text("/uid")) else { return Ok(None) };
        let of = |object: &Value| Some((object.uid().to_owned(), object.int("/spec/replicas").unwrap_or(1)));
        let Some(above) = set.controller().filter(|above| above["kind"] == "Deployment") else { return Ok(of(&set)) };
        let deployment = self.cluster.get("apps", "deployments", (namespace, above.text("/name"))).await?;
        Ok(deployment.filter(|deployment| deployment.uid() == above.text("/uid")).and_then(|found| of(&found)))
    }
}

impl Controller for DisruptionController {
    fn name(&self) -> &'static str {
        "disruption-controller"
    }

    fn sources(&self) -> Vec<Source> {
        vec![
            Source::own("policy", "poddisruptionbudgets"),
            Source::new("", "pods", |pod| vec![ObjectKey::new(pod.namespace(), "")]),
        ]
    }

    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(async move {
            if key.name.is_empty() {
                self.sync_all(&key.namespace).await
            } else {
                self.sync(&key.namespace, &key.name).await
            }
        })
    }
}

/// Until when a pod counts as gone.
fn expected_end(at: &Value) -> Option<Timestamp> {
    at.as_str()?.parse::<Timestamp>().ok()?.checked_add(DELETION_TIMEOUT).ok()
}

/// The pods whose eviction was allowed and that are still to go.
fn disrupted(budget: &Value, pods: &[Value], now: Timestamp) -> Map<String, Value> {
    let Some(map) = budget.map("/status/disruptedPods") else { return Map::new() };
    let open = pods.iter().filter(|pod| !pod.is_deleting()).filter_map(|pod| map.get_key_value(pod.name()));
    open.filter(|(_, at)| expected_end(at).is_some_and(|end| end >= now))
        .map(|(name, at)| (name.clone(), at.clone()))
        .collect()
}

fn is_healthy(pod: &Value, disrupted: &Map<String, Value>) -> bool {
    !pod.is_deleting() && !disrupted.contains_key(pod.name()) && pods::is_ready(pod)
}

/// Writes the counts into the status.
fn show(budget: &mut Value, counts: &Counts, now: Timestamp) {
    // A budget that selects nothing yet allows nothing, so that its first pods are safe.
    let allowed = if counts.expected <= 0 { 0 } else { (counts.healthy - counts.desired).max(0) };
    let generation = budget.generation();
    let status = budget.section_mut("status");
    for (field, number) in [
        ("currentHealthy", counts.healthy),
        ("desiredHealthy", counts.desired),
        ("expectedPods", counts.expected),
        ("disruptionsAllowed", allowed),
        ("observedGeneration", generation),
    ] {
        status.insert(field.into(), json!(number));
    }
    if counts.disrupted.is_empty() {
        status.remove("disruptedPods");
    } else {
        status.insert("disruptedPods".into(), counts.disrupted.clone().into());
    }
    disruption_budget::show_allowed(budget, &super::time(now));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_evicted_pod_counts_as_gone_for_two_minutes() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let budget =
            json!({"status": {"disruptedPods": {"a": "1970-01-01T00:00:00Z", "gone": "1970-01-01T00:00:00Z"}}});
        let ready = json!({"metadata": {"name": "a"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let pods = [ready.clone()];
        let open = disrupted(&budget, &pods, at(60));
        assert_eq!(open.keys().collect::<Vec<_>>(), ["a"]);
        assert!(!is_healthy(&ready, &open));
        assert!(disrupted(&budget, &pods, at(200)).is_empty());
        assert!(is_healthy(&ready, &Map::new()));
    }

    #[test]
    fn the_status_says_how_many_may_go() {
        let mut budget = json!({"metadata": {"generation": 2}, "status": {"disruptedPods": {"a": "x"}}});
        let counts = Counts { expected: 3, desired: 2, healthy: 3, disrupted: Map::new() };
        show(&mut budget, &counts, Timestamp::UNIX_EPOCH);
        assert_eq!(budget["status"]["disruptionsAllowed"], 1);
        assert_eq!(budget["status"]["conditions"][0]["reason"], "SufficientPods");
        assert_eq!(budget["status"]["conditions"][0]["observedGeneration"], 2);
        assert!(budget["status"].get("disruptedPods").is_none());
        show(&mut budget, &Counts { expected: 0, healthy: 5, ..counts }, Timestamp::UNIX_EPOCH);
        assert_eq!(budget["status"]["disruptionsAllowed"], 0);
    }
}
