//! The containers of a pod as they are on the engine.

use std::net::Ipv4Addr;

use super::super::translate::names::{self, Role};
use super::super::{Error, Inner, PodKey};
use crate::engine::{ContainerDetail, ContainerState, Filter, RemoveOptions};

/// A container of this instance.
#[derive(Clone, Debug)]
pub(in crate::pods) struct Found {
    pub(in crate::pods) detail: ContainerDetail,
    /// Name of the container in its pod.
    name: String,
    /// An earlier attempt, kept for its log.
    pub(in crate::pods) earlier: bool,
}

impl Found {
    fn label(&self, key: &str) -> &str {
        self.detail.config.labels.get(key).map(String::as_str).unwrap_or_default()
    }

    /// Name of the container in its pod.
    pub(in crate::pods) fn container(&self) -> &str {
        &self.name
    }

    /// A container that k2d did not make, shown under that name.
    pub(in crate::pods) fn foreign(detail: ContainerDetail, name: &str) -> Self {
        Self { detail, name: name.to_owned(), earlier: false }
    }

    pub(super) fn uid(&self) -> &str {
        self.label(names::POD_UID)
    }

    pub(super) fn cluster(&self) -> &str {
        self.label(names::CLUSTER)
    }

    pub(super) fn spec_hash(&self) -> &str {
        self.label(names::SPEC)
    }

    pub(in crate::pods) fn is(&self, role: Role) -> bool {
        self.label(names::ROLE) == role.as_str()
    }

    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        self.label(names::ADDRESS).parse().ok()
    }

    /// Where the part of the latest run begins in its log, if it is not all of it. The engine notes the start a
    /// moment after the program has begun, and waits 100 ms at least before it starts one again.
    pub(in crate::pods) fn log_begins(&self) -> Option<jiff::Timestamp> {
        let begun = self.detail.state.started_at.filter(|_| self.detail.restart_count > 0)?;
        begun.checked_sub(jiff::SignedDuration::from_millis(100)).ok()
    }

    /// How often it was started again, with all before it.
    pub(super) fn restarts(&self) -> u64 {
        self.label(names::RESTARTS).parse::<u64>().unwrap_or(0).saturating_add(self.detail.restart_count)
    }

    /// Whether a process is there, or the engine is about to start one.
    pub(in crate::pods) fn lives(&self) -> bool {
        self.detail.state.state.is_alive() || self.detail.state.state == ContainerState::Restarting
    }
}

/// The container that counts of those with that name, if it is there.
pub(in crate::pods) fn current<'a>(own: &'a [Found], name: &str) -> Option<&'a Found> {
    own.iter().filter(|found| found.container() == name && !found.earlier).max_by_key(|found| found.detail.created)
}

/// The latest of the earlier attempts.
pub(in crate::pods) fn earlier<'a>(own: &'a [Found], name: &str) -> Option<&'a Found> {
    own.iter().filter(|found| found.container() == name && found.earlier).max_by_key(|found| found.detail.created)
}

impl Inner {
    /// The containers of a pod, and those that have its name but another uid.
    pub(in crate::pods) async fn find(&self, key: &PodKey, uid: &str) -> Result<(Vec<Found>, Vec<Found>), Error> {
        let label = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        let filter = Filter {
            labels: vec![
                label(names::INSTANCE, &self.settings.instance),
                label(names::POD_NAMESPACE, &key.0),
                label(names::POD_NAME, &key.1),
            ],
            ..Filter::default()
        };
        let mut all = Vec::new();
        for summary in self.engine.containers(&filter).await? {
            let detail = match self.engine.inspect_container(&summary.id).await {
                Ok(detail) => detail,
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error.into()),
            };
            let of = detail.config.labels.get(names::CONTAINER).cloned().unwrap_or_default();
            let earlier = names::is_earlier(&detail.name, &format!("{}.{}.{of}", key.0, key.1));
            all.push(Found { detail, name: of, earlier });
        }
        Ok(all.into_iter().partition(|found| found.uid() == uid))
    }

    /// Removes a container; one that is gone already is as well.
    pub(super) async fn remove_container(&self, id: &str) -> Result<(), Error> {
        super::lock(&self.removing).insert(id.to_owned());
        match self.engine.remove_container(id, RemoveOptions { force: true, volumes: true }).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_not_found() => {
                super::lock(&self.removing).remove(id);
                Ok(())
            }
            // What an engine was asked for before it went away it may still have done.
            Err(error) if error.is_unreachable() => Err(error.into()),
            Err(error) => {
                super::lock(&self.removing).remove(id);
                Err(error.into())
            }
        }
    }
}
