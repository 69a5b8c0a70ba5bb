//! One round over a Deployment: the steps of its strategy, in order, each from what the one before
//! left.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::amounts::{is_rolling, max_unavailable, new_size, replicas};
use super::conditions::{self, PROGRESSING};
use super::{scale, sets, status};
use crate::controllers::cluster::{Cluster, Head, namespace_is_going};
use crate::controllers::template_hash::template_hash;
use crate::kinds::Propagation;
use crate::registry::events::EventType;
use crate::schema::object::Object;
use crate::schema::status::Status;

/// A deployment with its replica sets, while they are being looked after.
pub struct Round<'a> {
    cluster: &'a Cluster,
    deployment: Value,
    new: Option<Value>,
    old: Vec<Value>,
    now: Timestamp,
}

impl<'a> Round<'a> {
    /// A round over these.
    pub fn new(cluster: &'a Cluster, deployment: Value, mut all: Vec<Value>) -> Self {
        let new = sets::find_new(&deployment, &all);
        all.retain(|set| new.as_ref().is_none_or(|new| new.uid() != set.uid()));
        all.sort_by(sets::by_creation);
        Self { cluster, deployment, new, old: all, now: Timestamp::now() }
    }

    /// Does what is to be done now; says when to look again if nothing happens before.
    pub async fn run(mut self) -> Result<Option<Duration>, Status> {
        if self.deployment.is_deleting() {
            return self.finish(status::counted).await;
        }
        self.note_pause().await?;
        if self.deployment["spec"]["paused"] == true || self.must_scale() {
            self.adopt_new(false).await?;
            self.apply_scale().await?;
            if self.deployment["spec"]["paused"] == true {
                self.clean_up().await?;
            }
            return self.finish(status::counted).await;
        }
        if is_rolling(&self.deployment) {
            self.roll().await?;
        } else {
            self.recreate().await?;
        }
        self.finish(status::rolling).await
    }

    async fn finish(
        mut self,
        of: fn(&Value, Option<&Value>, &[Value], Timestamp) -> Value,
    ) -> Result<Option<Duration>, Status> {
        let status = of(&self.deployment, self.new.as_ref(), &self.old, self.now);
        if status != self.deployment["status"] {
            self.deployment["status"] = status;
            self.write().await?;
        }
        Ok(status::look_again(&self.deployment, self.now))
    }

    /// Writes the status, and annotations with it.
    async fn write(&mut self) -> Result<(), Status> {
        self.deployment = self.cluster.update_status("apps", "deployments", &self.deployment).await?;
        Ok(())
    }

    /// Time does not run for a paused rollout.
    async fn note_pause(&mut self) -> Result<(), Status> {
        if conditions::deadline(&self.deployment).is_none() {
            return Ok(());
        }
        let reason = conditions::get(&self.deployment["status"], PROGRESSING).map(|found| found.text("/reason"));
        if reason == Some("ProgressDeadlineExceeded") {
            return Ok(());
        }
        let noted = reason == Some("DeploymentPaused");
        let (reason, message) = match (self.deployment["spec"]["paused"] == true, noted) {
            (true, false) => ("DeploymentPaused", "Deployment is paused"),
            (false, true) => ("DeploymentResumed", "Deployment is resumed"),
            _ => return Ok(()),
        };
        let condition = conditions::new(PROGRESSING, "Unknown", reason, message, self.now);
        conditions::set(&mut self.deployment["status"], condition);
        self.write().await
    }

    fn must_scale(&self) -> bool {
        let all: Vec<&Value> = self.old.iter().chain(&self.new).collect();
        scale::is_needed(&self.deployment, &all)
    }

    async fn apply_scale(&mut self) -> Result<(), Status> {
        for (name, size) in scale::plan(&self.deployment, self.new.as_ref(), &self.old) {
            self.resize(&name, size, true).await?;
        }
        Ok(())
    }

    /// Gives a set a size. With `notes`, what is noted on it is brought up to date also where the size
    /// is right already. Says whether the size changed.
    async fn resize(&mut self, name: &str, size: i64, notes: bool) -> Result<bool, Status> {
        let found = self.old.iter_mut().chain(&mut self.new).find(|set| set.name() == name);
        let Some(set) = found else { return Ok(false) };
        let before = replicas(set);
        if before == size && !notes {
            return Ok(false);
        }
        let mut wanted = set.clone();
        if !sets::resize(&self.deployment, &mut wanted, size) {
            return Ok(false);
        }
        *set = self.cluster.update("apps", "replicasets", &wanted).await?;
        if before == size {
            return Ok(false);
        }
        let way = if before < size { "up" } else { "down" };
        let message = format!("Scaled {way} replica set {name} from {before} to {size}");
        self.cluster.tell(&self.deployment, EventType::Normal, "ScalingReplicaSet", &message).await;
        Ok(true)
    }

    /// Brings the new set's annotations up to date, or makes it where it is missing.
    async fn adopt_new(&mut self, make: bool) -> Result<(), Status> {
        let revision = self.old.iter().map(sets::revision).max().unwrap_or(0) + 1;
        let Some(mut new) = self.new.take() else {
            return if make { self.make_new(revision).await } else { Ok(()) };
        };
        let mut changed = sets::annotate_new(&self.deployment, &mut new, revision, true);
        let seconds = self.deployment["spec"].get("minReadySeconds").cloned();
        if new["spec"].get("minReadySeconds").cloned() != seconds {
            match seconds {
                Some(seconds) => new["spec"]["minReadySeconds"] = seconds,
                None => drop(new.section_mut("spec").remove("minReadySeconds")),
            }
            changed = true;
        }
        if changed {
            new = self.cluster.update("apps", "replicasets", &new).await?;
        }
        let own = new.annotation(sets::REVISION).unwrap_or_default().to_owned();
        let mut needed = self.note_revision(&own);
        let current = conditions::get(&self.deployment["status"], PROGRESSING);
        if conditions::deadline(&self.deployment).is_some() && current.is_none() {
            let message = format!("Found new replica set {:?}", new.name());
            let condition = conditions::new(PROGRESSING, "True", "FoundNewReplicaSet", &message, self.now);
            conditions::set(&mut self.deployment["status"], condition);
            needed = true;
        }
        self.new = Some(new);
        if needed { self.write().await } else { Ok(()) }
    }

    fn note_revision(&mut self, revision: &str) -> bool {
        if self.deployment.annotation(sets::REVISION) == Some(revision) {
            return false;
        }
        let annotations = self.deployment.metadata_mut().entry("annotations").or_insert_with(|| serde_json::json!({}));
        annotations[sets::REVISION] = revision.into();
        true
    }

    async fn make_new(&mut self, revision: i64) -> Result<(), Status> {
        let collisions = self.deployment.int("/status/collisionCount");
        let hash = template_hash(&self.deployment["spec"]["template"], collisions);
        let mut set = sets::make(&self.deployment, &hash);
        let size = new_size(&self.deployment, sets::wanted(&self.old), 0);
        set["spec"]["replicas"] = size.into();
        sets::annotate_new(&self.deployment, &mut set, revision, false);
        let name = set.name().to_owned();
        let made = match self.cluster.create("apps", "replicasets", set).await {
            Ok(made) => made,
            Err(status) if status.reason == "AlreadyExists" => return self.collided(&name, status).await,
            Err(status) if namespace_is_going(&status) => return Ok(()),
            Err(status) => {
                let message = format!("Failed to create new replica set {name:?}: {status}");
                if conditions::deadline(&self.deployment).is_some() {
                    let reason = "ReplicaSetCreateError";
                    let condition = conditions::new(PROGRESSING, "False", reason, &message, self.now);
                    conditions::set(&mut self.deployment["status"], condition);
                    self.write().await?;
                }
                let (kind, reason) = (EventType::Warning, "ReplicaSetCreateError");
                self.cluster.tell(&self.deployment, kind, reason, &message).await;
                return Err(status);
            }
        };
        if size > 0 {
            let message = format!("Scaled up replica set {name} from 0 to {size}");
            self.cluster.tell(&self.deployment, EventType::Normal, "ScalingReplicaSet", &message).await;
        }
        let mut needed = self.note_revision(&revision.to_string());
        if conditions::deadline(&self.deployment).is_some() {
            let message = format!("Created new replica set {name:?}");
            let condition = conditions::new(PROGRESSING, "True", "NewReplicaSetCreated", &message, self.now);
            conditions::set(&mut self.deployment["status"], condition);
            needed = true;
        }
        self.new = Some(made);
        if needed { self.write().await } else { Ok(()) }
    }

    /// The name is taken: by its own set of the same template, or by another whose hash is the same.
    async fn collided(&mut self, name: &str, status: Status) -> Result<(), Status> {
        let key = (self.deployment.namespace(), name);
        let Some(taken) = self.cluster.get("apps", "replicasets", key).await? else { return Err(status) };
        let own = taken.controller().is_some_and(|owner| owner["uid"] == self.deployment.uid());
        if own && sets::same_template(&self.deployment, &taken) {
            self.new = Some(taken);
            return Ok(());
        }
        let count = self.deployment.int("/status/collisionCount").unwrap_or(0) + 1;
        self.deployment.section_mut("status").insert("collisionCount".into(), count.into());
        self.write().await?;
        Err(status)
    }

    async fn roll(&mut self) -> Result<(), Status> {
        self.adopt_new(true).await?;
        if self.grow_new().await? || self.shrink_old().await? {
            return Ok(());
        }
        if status::is_complete(&self.deployment, &self.deployment["status"]) {
            self.clean_up().await?;
        }
        Ok(())
    }

    async fn grow_new(&mut self) -> Result<bool, Status> {
        let Some(new) = &self.new else { return Ok(false) };
        let (name, size, wanted) = (new.name().to_owned(), replicas(new), replicas(&self.deployment));
        if size == wanted {
            return Ok(false);
        }
        let all = sets::wanted(self.old.iter().chain(&self.new));
        let size = if size > wanted { wanted } else { new_size(&self.deployment, all, size) };
        self.resize(&name, size, false).await
    }

    async fn shrink_old(&mut self) -> Result<bool, Status> {
        if sets::wanted(&self.old) == 0 {
            return Ok(false);
        }
        let least = replicas(&self.deployment) - max_unavailable(&self.deployment);
        let new_missing =
            self.new.as_ref().map_or(0, |new| replicas(new) - new.int("/status/availableReplicas").unwrap_or(0));
        let room = sets::wanted(self.old.iter().chain(&self.new)) - least - new_missing;
        if room <= 0 {
            return Ok(false);
        }
        let mut shrunk = 0;
        for (name, size, available) in self.sizes() {
            let unhealthy = size - available;
            if shrunk < room && unhealthy > 0 {
                let fewer = unhealthy.min(room - shrunk);
                self.resize(&name, size - fewer, false).await?;
                shrunk += fewer;
            }
        }
        let available = sets::counted(self.old.iter().chain(&self.new), "availableReplicas");
        let mut room = available - least;
        for (name, size, _) in self.sizes() {
            let fewer = size.min(room).max(0);
            if fewer > 0 {
                self.resize(&name, size - fewer, false).await?;
                room -= fewer;
                shrunk += fewer;
            }
        }
        Ok(shrunk > 0)
    }

    /// Name, size and number of available pods of the old sets that have a size, oldest first.
    fn sizes(&self) -> Vec<(String, i64, i64)> {
        let active = self.old.iter().filter(|set| sets::is_active(set));
        let available = |set: &Value| set.int("/status/availableReplicas").unwrap_or(0);
        active.map(|set| (set.name().to_owned(), replicas(set), available(set))).collect()
    }

    async fn recreate(&mut self) -> Result<(), Status> {
        self.adopt_new(false).await?;
        let mut shrunk = false;
        for (name, ..) in self.sizes() {
            shrunk |= self.resize(&name, 0, false).await?;
        }
        if shrunk || self.old_pods_run().await? {
            return Ok(());
        }
        if self.new.is_none() {
            self.adopt_new(true).await?;
        }
        let wanted = replicas(&self.deployment);
        if let Some(name) = self.new.as_ref().map(|new| new.name().to_owned()) {
            self.resize(&name, wanted, false).await?;
        }
        if status::is_complete(&self.deployment, &self.deployment["status"]) {
            self.clean_up().await?;
        }
        Ok(())
    }

    /// Whether pods of an old template are still there.
    async fn old_pods_run(&self) -> Result<bool, Status> {
        if sets::counted(&self.old, "replicas") > 0 {
            return Ok(true);
        }
        let uids: Vec<&str> = self.old.iter().map(Object::uid).collect();
        let of = |head: &Head| head.controller().is_some_and(|uid| uids.contains(&uid));
        let pods = self.cluster.those("", "pods", Some(self.deployment.namespace()), of).await?;
        Ok(pods.iter().any(|pod| !matches!(pod.text("/status/phase"), "Failed" | "Succeeded")))
    }

    /// Lets the oldest sets go that are beyond the history.
    async fn clean_up(&mut self) -> Result<(), Status> {
        let limit = self.deployment.int("/spec/revisionHistoryLimit").filter(|limit| *limit != i64::from(i32::MAX));
        let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return Ok(()) };
        let mut alive: Vec<&Value> = self.old.iter().filter(|set| !set.is_deleting()).collect();
        alive.sort_by_key(|set| sets::revision(set));
        let excess = alive.len().saturating_sub(limit);
        for set in alive.into_iter().take(excess) {
            let empty = replicas(set) == 0 && set.int("/status/replicas").unwrap_or(0) == 0;
            let seen = set.int("/status/observedGeneration").unwrap_or(0) >= set.generation();
            if empty && seen {
                let target = self.cluster.registry.target("apps", "replicasets", set.namespace(), set.name())?;
                self.cluster.delete(&target, set.uid(), Some(Propagation::Background)).await?;
            }
        }
        Ok(())
    }
}
