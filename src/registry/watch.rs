//! Watching: the store's history of a kind, filtered, as the watcher of a selector sees it: an object
//! that begins to match is added, one that ceases to is deleted.

use std::sync::Arc;

use super::filter::Filter;
use super::{Registry, catalog, custom, failed};
use crate::kinds::Kind;
use crate::schema::status::Status;
use crate::store::{self, EventKind, Record};

/// What happened to an object, as seen through a filter.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The object after it; for a deletion, as it was last, at the revision of the deletion.
    pub record: Arc<Record>,
    /// The object before it, where there was one.
    pub previous: Option<Arc<Record>>,
}

/// A running watch.
pub struct Watcher {
    watch: store::Watch,
    kind: Arc<Kind>,
    filter: Filter,
    after: u64,
    /// For custom kinds: what ends the watch when the kind goes or changes.
    served: Option<custom::Served>,
}

impl Registry {
    /// Watches a kind from behind revision `from` (`None`: from now).
    ///
    /// # Errors
    /// 410 where the history no longer reaches back to `from`.
    pub fn watch(&self, kind: &Arc<Kind>, filter: Filter, from: Option<u64>) -> Result<Watcher, Status> {
        let resource = catalog::storage_name(kind);
        let mut watch = self.0.store.watch(&resource, from);
        if matches!(watch, Err(store::Error::TooLarge { .. })) {
            // What lies ahead is waited for.
            watch = self.0.store.watch(&resource, None);
        }
        let watch = watch.map_err(|error| match error {
            store::Error::Expired { oldest } => too_old(from.unwrap_or_default(), oldest),
            other => failed(&other),
        })?;
        let served = kind.custom().map(|_| custom::Served::new(self, kind));
        Ok(Watcher { watch, kind: Arc::clone(kind), filter, after: from.unwrap_or_default(), served })
    }
}

impl Watcher {
    /// The next event that the filter lets through; `None` when the store closes.
    ///
    /// # Errors
    /// 410 where the watcher was too slow and the history has passed it by. It ends then.
    pub async fn next(&mut self) -> Option<Result<Event, Status>> {
        loop {
            let next = match &mut self.served {
                None => self.watch.next().await,
                Some(served) => tokio::select! {
                    biased;
                    event = self.watch.next() => event,
                    () = served.ends() => None,
                },
            };
            let event = match next? {
                Ok(event) => event,
                Err(store::Error::Expired { oldest }) => {
                    return Some(Err(too_old(self.watch.position(), oldest)));
                }
                Err(error) => return Some(Err(failed(&error))),
            };
            if event.revision <= self.after {
                continue;
            }
            let event = custom::event(&self.kind, event);
            let matched = event.previous.as_ref().is_some_and(|old| self.filter.matches(&self.kind, old));
            let kind = match event.kind {
                EventKind::Deleted if matched || self.filter.matches(&self.kind, &event.record) => EventKind::Deleted,
                EventKind::Deleted => continue,
                _ => match (matched, self.filter.matches(&self.kind, &event.record)) {
                    (false, true) => EventKind::Added,
                    (true, true) => EventKind::Modified,
                    (true, false) => EventKind::Deleted,
                    (false, false) => continue,
                },
            };
            // An object that leaves the selector is shown as it was when it still matched, with the
            // version of the change.
            let record = match (&event.previous, kind) {
                (Some(previous), EventKind::Deleted) if event.kind != EventKind::Deleted => {
                    Arc::new(Record { revision: event.revision, ..Record::clone(previous) })
                }
                _ => Arc::clone(&event.record),
            };
            return Some(Ok(Event { kind, record, previous: event.previous }));
        }
    }

    /// The last revision that this watch has seen, for bookmarks.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.watch.position()
    }
}

fn too_old(from: u64, oldest: u64) -> Status {
    Status::expired(format!("too old resource version: {from} ({oldest})"))
}
