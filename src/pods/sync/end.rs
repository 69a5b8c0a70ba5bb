//! The end of a pod: its containers are asked to stop, then removed, and then the pod is gone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::super::events::Level;
use super::super::translate::names::Role;
use super::super::{Error, Inner, PodKey, lock, volumes};
use super::View;
use super::found::Found;
use crate::registry::delete::DeleteOptions;
use crate::schema::object::Object;

/// In the order of their removal: Podman keeps a container whose network others still join.
fn pause_last(containers: &[Found]) -> impl Iterator<Item = &Found> {
    let of = |pause: bool| containers.iter().filter(move |found| found.is(Role::Pause) == pause);
    of(false).chain(of(true))
}

/// What a container gets whose pod is gone already.
const SHORT: Duration = Duration::from_secs(2);

impl Inner {
    /// Removes what is left of a pod that the store no longer has. What was made for another store stays: that
    /// store may have been lost, and its workloads are not to blame.
    pub(super) async fn clean(self: &Arc<Self>, key: &PodKey) -> Result<Option<Duration>, Error> {
        if !self.is_connected() {
            return Ok(None);
        }
        let (_, left) = self.find(key, "").await?;
        let cluster = self.owner().await?.cluster.clone();
        let ours: Vec<Found> = left.into_iter().filter(|found| found.cluster() == cluster).collect();
        self.remove_strangers(&ours).await?;
        let memory = lock(&self.memory).remove(key);
        if let Some(memory) = memory {
            self.forget_pulls(&memory.uid);
            self.devices.release(&memory.uid);
            self.release(memory.address);
            self.probes.forget(key);
            self.remove_files(&memory.uid)?;
        }
        Ok(None)
    }

    /// Stops and removes containers that belong to no pod of the store, and their files.
    pub(super) async fn remove_strangers(self: &Arc<Self>, strangers: &[Found]) -> Result<(), Error> {
        let alive = strangers.iter().filter(|found| found.lives());
        let stops = alive.map(|found| self.engine.stop_container(&found.detail.id, None, Some(SHORT)));
        for result in join_all(stops).await {
            if let Err(error) = result
                && !error.is_not_found()
            {
                return Err(error.into());
            }
        }
        for found in pause_last(strangers) {
            self.remove_container(&found.detail.id).await?;
            self.remove_files(found.uid())?;
            self.release(found.address());
        }
        Ok(())
    }

    fn remove_files(&self, uid: &str) -> Result<(), Error> {
        if uid.is_empty() || uid.contains(['/', '.']) {
            return Ok(());
        }
        volumes::remove(&self.pod_dir(uid))
            .map_err(|source| Error::File { what: format!("cannot remove the files of pod {uid}"), source })
    }

    /// Ends a pod that is being deleted.
    pub(super) async fn terminate(self: &Arc<Self>, mut view: View<'_>) -> Result<Option<Duration>, Error> {
        self.forget_pulls(view.pod.uid());
        self.probes.forget(view.key);
        let pod = view.pod;
        if !view.own.is_empty() {
            let seen = self.observe(&view).await?;
            let status = super::super::translate::status::pod_status(pod, &seen, &pod["status"], Timestamp::now());
            self.set_status(pod, status).await?;
        }
        let workers = |found: &&Found| !found.is(Role::Pause) && found.lives();
        if view.own.iter().any(|found| workers(&found)) {
            let ends = pod.text("/metadata/deletionTimestamp").parse().unwrap_or_else(|_| Timestamp::now());
            self.begin_stop(&view, ends);
            return Ok(None);
        }
        for found in pause_last(&std::mem::take(&mut view.own)) {
            self.remove_container(&found.detail.id).await?;
        }
        self.remove_files(pod.uid())?;
        self.devices.release(pod.uid());
        let memory = lock(&self.memory).remove(view.key);
        self.release(memory.and_then(|memory| memory.address));
        let delete = DeleteOptions {
            grace_period_seconds: Some(0),
            uid: Some(pod.uid().to_owned()),
            ..DeleteOptions::default()
        };
        match self.registry.delete(&self.target(view.key)?, &delete, &Self::options()).await {
            Err(status) if status.code != 404 && status.code != 409 => Err(status.into()),
            _ => Ok(None),
        }
    }

    /// Asks the containers to stop until `ends`, unless that was done with no more time.
    pub(super) fn begin_stop(self: &Arc<Self>, view: &View<'_>, ends: Timestamp) {
        let pod = view.pod;
        let now = Timestamp::now();
        {
            let mut memory = lock(&self.memory);
            let entry = memory.entry(view.key.clone()).or_default();
            if entry.ends.is_some_and(|known| known <= ends) {
                return;
            }
            entry.ends = Some(ends);
        }
        let left = ends.duration_since(now);
        // A clock that was set back since the deletion gives nobody more time.
        let most = super::super::container_stop_grace(pod).max(super::super::translate::container::grace(pod));
        let grace = Duration::try_from(left).unwrap_or_default().min(most).max(Duration::from_millis(1));
        let (mut sidecars, main): (Vec<Found>, Vec<Found>) = view
            .own
            .iter()
            .filter(|found| found.lives() && !found.is(Role::Pause))
            .cloned()
            .partition(|found| found.is(Role::Sidecar));
        // They end in the reverse of the order in which they began.
        let place = |found: &Found| {
            pod.list("/spec/initContainers").iter().position(|one| one.text("/name") == found.container())
        };
        sidecars.sort_by_key(place);
        for found in main.iter().chain(&sidecars) {
            self.say_stopping(pod, found.container());
        }
        let (inner, pod, key) = (Arc::clone(self), pod.clone(), view.key.clone());
        self.spawn(async move {
            let begun = Instant::now();
            let stops = main.iter().map(|found| inner.stop(&pod, found, grace));
            join_all(stops).await;
            for found in sidecars.iter().rev() {
                inner.stop(&pod, found, grace.saturating_sub(begun.elapsed())).await;
            }
            if let Some(entry) = lock(&inner.memory).get_mut(&key) {
                entry.ends = None;
            }
            inner.queue.add(key);
        });
    }

    fn say_stopping(&self, pod: &Value, container: &str) {
        let field = super::containers::field(pod, container);
        self.tell(pod, &field, Level::Normal, "Killing", format!("Stopping container {container}"));
    }

    /// Runs the hook before a stop, and stops a container within `grace`.
    pub(super) async fn stop(&self, pod: &Value, found: &Found, grace: Duration) {
        let begun = Instant::now();
        let name = found.container();
        let hook = super::containers::definition(pod, name).and_then(|one| one.pointer("/lifecycle/preStop"));
        let mut left = grace;
        if let Some(hook) = hook
            && !grace.is_zero()
        {
            let run = self.hook(pod, name, &found.detail.id, hook);
            if let Ok(Err(cause)) = tokio::time::timeout(grace, run).await {
                let field = super::containers::field(pod, name);
                let message = format!("PreStopHook failed: {cause}");
                self.tell(pod, &field, Level::Warning, "FailedPreStopHook", message);
            }
            // As the kubelet: what the hook leaves, but two seconds at least.
            left = grace.saturating_sub(begun.elapsed()).max(SHORT);
        }
        if let Err(error) = self.engine.stop_container(&found.detail.id, None, Some(left)).await
            && !error.is_not_found()
        {
            tracing::warn!(container = found.detail.name, %error, "cannot stop a container");
        }
    }
}
