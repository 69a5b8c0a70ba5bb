//! Which pod to look at: from the store's watches and from the engine's events.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::task::JoinSet;

use super::translate::names;
use super::{Error, Inner, PodKey, foreign, lock};
use crate::engine::{ContainerAction, Event, Filter, NetworkSpec};
use crate::registry::delete::DeleteOptions;
use crate::registry::filter::Filter as ObjectFilter;
use crate::registry::list::ListOptions;
use crate::schema::object::Object;
use crate::schema::status::Status;
use crate::store::EventKind;

/// Kinds whose changes concern pods.
const WATCHED: [&str; 6] = ["pods", "configmaps", "secrets", "persistentvolumeclaims", "nodes", "serviceaccounts"];

impl Inner {
    /// Follows the store.
    pub(super) async fn feed(self: Arc<Self>) {
        let mut tasks = JoinSet::new();
        for plural in WATCHED {
            let inner = Arc::clone(&self);
            tasks.spawn(async move {
                loop {
                    if let Err(error) = inner.follow(plural).await {
                        tracing::debug!(plural, %error, "watch begins anew");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn follow(&self, plural: &'static str) -> Result<(), Status> {
        let kind = self.registry.kind("", plural)?;
        let mut lister = self.registry.list(&kind, ObjectFilter::everything(None), ListOptions::default()).await?;
        while let Some(record) = lister.next().await? {
            self.concerns(plural, &record.key.namespace, &record.key.name, None);
        }
        let mut watcher = self.registry.watch(&kind, ObjectFilter::everything(None), Some(lister.revision()))?;
        while let Some(event) = watcher.next().await {
            let event = event?;
            let key = &event.record.key;
            // What only changes a status is mostly written by this node itself.
            let same = event.previous.as_ref().is_some_and(|previous| previous.head == event.record.head);
            let gated = plural == "pods" && has(&event.record.head, b"\"readinessGates\"");
            if same && event.kind == EventKind::Modified && plural != "persistentvolumeclaims" && !gated {
                continue;
            }
            self.concerns(plural, &key.namespace, &key.name, Some(event.kind));
        }
        std::future::pending::<()>().await;
        Ok(())
    }

    /// Puts the pods that an object concerns into the queue.
    fn concerns(&self, plural: &str, namespace: &str, name: &str, change: Option<EventKind>) {
        if plural == "pods" {
            self.queue.add((namespace.to_owned(), name.to_owned()));
            if change == Some(EventKind::Deleted) {
                self.wake_unbound();
            }
            return;
        }
        if plural == "nodes" {
            return self.wake_unbound();
        }
        let memory = lock(&self.memory);
        let concerned = memory.iter().filter(|((of, _), pod)| {
            of == namespace
                && match plural {
                    "configmaps" => pod.refs.config_maps.contains(name),
                    "secrets" => pod.refs.secrets.contains(name),
                    "persistentvolumeclaims" => pod.refs.claims.contains(name),
                    _ => false,
                }
        });
        concerned.for_each(|(key, _)| self.queue.add(key.clone()));
    }

    /// Room may have come for pods that had none.
    pub(super) fn wake_unbound(&self) {
        let memory = lock(&self.memory);
        memory.iter().filter(|(_, pod)| !pod.unbound.is_empty()).for_each(|(key, _)| self.queue.add(key.clone()));
    }

    /// Follows the engine.
    pub(super) async fn follow_engine(self: Arc<Self>) {
        let mut events = self.engine.events();
        while let Some(event) = events.next().await {
            match event {
                Event::Connected => self.engine_is_back().await,
                Event::Disconnected { reason } => {
                    tracing::warn!(reason, "the engine cannot be reached");
                    if self.connected.swap(false, Ordering::Relaxed) {
                        self.losses.fetch_add(1, Ordering::Relaxed);
                    }
                    self.node_changed();
                    if let Err(error) = self.doubt_pods().await {
                        tracing::warn!(%error, "cannot show that pods may have ended");
                    }
                }
                Event::Container { action, id, name, attributes, time, .. } => {
                    let label = |key: &str| attributes.get(key).map(String::as_str).unwrap_or_default();
                    if foreign::is_foreign(|key| attributes.get(key).map(String::as_str)) {
                        self.foreign_event(&action, &name);
                        continue;
                    }
                    if label(names::INSTANCE) != self.settings.instance {
                        continue;
                    }
                    let key = (label(names::POD_NAMESPACE).to_owned(), label(names::POD_NAME).to_owned());
                    let facts = Facts {
                        uid: label(names::POD_UID),
                        container: label(names::CONTAINER),
                        role: label(names::ROLE),
                        id: &id,
                        name: &name,
                        time,
                    };
                    self.container_event(key, &action, &facts).await;
                }
                _ => {}
            }
        }
    }

    fn foreign_event(&self, action: &ContainerAction, name: &str) {
        match action {
            ContainerAction::ExecCreate
            | ContainerAction::ExecStart
            | ContainerAction::ExecDie { .. }
            | ContainerAction::Health(_)
            | ContainerAction::Other(_) => return,
            ContainerAction::Rename { old } if !old.is_empty() => {
                self.queue.add(self.foreign_key(old.trim_start_matches('/')));
            }
            _ => {}
        }
        self.queue.add(self.foreign_key(name));
    }

    async fn engine_is_back(&self) {
        loop {
            match self.take_stock().await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(%error, "cannot take stock of the engine");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
        self.connected.store(true, Ordering::Relaxed);
        self.node_changed();
    }

    /// Makes the pod network, and looks at every pod and every container of this instance.
    async fn take_stock(&self) -> Result<(), Error> {
        let settings = &self.settings;
        let spec = NetworkSpec {
            name: settings.instance.clone(),
            subnet: Some(settings.pods.to_string()),
            gateway: settings.pods.nth(1).map(|address| address.to_string()),
            bridge: Some(settings.bridge.clone()),
            labels: [(names::INSTANCE.to_owned(), settings.instance.clone())].into(),
            ..NetworkSpec::default()
        };
        self.engine.ensure_network(&spec).await?;
        let filter = Filter::label_value(names::INSTANCE, settings.instance.as_str());
        let mut keys = std::collections::BTreeSet::new();
        let mut uids = std::collections::BTreeSet::new();
        for container in self.engine.containers(&filter).await? {
            let label = |key: &str| container.labels.get(key).map(String::as_str).unwrap_or_default();
            if let Ok(address) = label(names::ADDRESS).parse() {
                // Several containers of a pod have the same one.
                let _ = lock(&self.addresses).take(address);
            }
            uids.insert(label(names::POD_UID).to_owned());
            keys.insert((label(names::POD_NAMESPACE).to_owned(), label(names::POD_NAME).to_owned()));
        }
        let pods = self.registry.all(&*self.registry.kind("", "pods")?, None).await?;
        uids.extend(pods.iter().map(|pod| pod.uid().to_owned()));
        self.sweep_volumes(&uids);
        keys.extend(pods.iter().map(|pod| (pod.namespace().to_owned(), pod.name().to_owned())));
        keys.extend(self.foreign_keys(&pods).await?);
        self.connected.store(true, Ordering::Relaxed);
        keys.into_iter().for_each(|key| self.queue.add(key));
        Ok(())
    }

    async fn container_event(&self, key: PodKey, action: &ContainerAction, facts: &Facts<'_>) {
        match action {
            ContainerAction::ExecCreate
            | ContainerAction::ExecStart
            | ContainerAction::ExecDie { .. }
            | ContainerAction::Health(_)
            | ContainerAction::Other(_) => return,
            ContainerAction::Die { exit_code } => {
                let mut memory = lock(&self.memory);
                if let Some(pod) = memory.get_mut(&key).filter(|pod| pod.uid == facts.uid) {
                    let container = pod.containers.entry(facts.container.to_owned()).or_default();
                    container.died(facts.id, exit_code.unwrap_or(137), facts.time);
                }
            }
            ContainerAction::Oom => {
                let mut memory = lock(&self.memory);
                if let Some(pod) = memory.get_mut(&key).filter(|pod| pod.uid == facts.uid) {
                    pod.containers.entry(facts.container.to_owned()).or_default().out_of_memory();
                }
            }
            ContainerAction::Destroy => {
                let mine = lock(&self.removing).remove(facts.id);
                let proper = format!("{}.{}.{}", key.0, key.1, facts.container);
                let counts = matches!(facts.role, "container" | "sidecar" | "pause");
                if !mine && counts && !names::is_earlier(facts.name, &proper) {
                    self.removed_by_hand(&key, facts.uid).await;
                }
            }
            _ => {}
        }
        self.queue.add(key);
    }

    /// What people remove with the engine's own command, they delete.
    async fn removed_by_hand(&self, key: &PodKey, uid: &str) {
        let delete = DeleteOptions { uid: Some(uid.to_owned()), ..DeleteOptions::default() };
        let Ok(target) = self.target(key) else { return };
        if let Err(error) = self.registry.delete(&target, &delete, &Self::options()).await
            && error.code != 404
        {
            tracing::warn!(namespace = key.0, pod = key.1, %error, "cannot delete a pod whose container was removed");
        }
    }

    /// Removes the files of pods that are gone.
    fn sweep_volumes(&self, uids: &std::collections::BTreeSet<String>) {
        let Ok(entries) = std::fs::read_dir(self.volumes_dir()) else { return };
        for entry in entries.flatten() {
            let uid = entry.file_name().to_string_lossy().into_owned();
            if !uids.contains(&uid)
                && let Err(error) = super::volumes::remove(&entry.path())
            {
                tracing::warn!(uid, %error, "cannot remove the files of a pod that is gone");
            }
        }
    }
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// What an event tells of a container.
struct Facts<'a> {
    uid: &'a str,
    container: &'a str,
    role: &'a str,
    id: &'a str,
    name: &'a str,
    time: Option<jiff::Timestamp>,
}
