//! Objects of custom kinds between the store and those who read and write them: kept in one version,
//! shown in the one asked for.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use super::{Catalog, Registry};
use crate::kinds::Kind;
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::status::Status;
use crate::store::{Event, Key, Record};

/// A stored object as its kind shows it.
pub(super) fn shown(kind: &Kind, record: Record) -> Record {
    let Some(custom) = kind.custom() else { return record };
    let mut object = record.to_value();
    custom.show(&mut object);
    Record { revision: record.revision, ..Record::from_value(record.key, &object) }
}

/// An object as it is stored.
pub(super) fn record(kind: &Kind, key: Key, object: &Value) -> Record {
    match kind.custom().and_then(|custom| custom.stored(object)) {
        Some(stored) => Record::from_value(key, &stored),
        None => Record::from_value(key, object),
    }
}

/// A change in the store as the kind shows it.
pub(super) fn event(kind: &Kind, event: Event) -> Event {
    if kind.custom().is_none() {
        return event;
    }
    let show = |record: Arc<Record>| Arc::new(shown(kind, Record::clone(&record)));
    Event { record: show(event.record), previous: event.previous.map(show), ..event }
}

/// Objects of a custom kind must say that they are of it; of others the server says so.
pub(super) fn check_type(kind: &Kind, object: &Value) -> Result<(), Status> {
    let said = object.text("/kind");
    if kind.custom().is_none() || said.is_empty() || said == kind.kind {
        return Ok(());
    }
    let mut errors = Errors::new();
    errors.invalid_text(&Path::new("kind"), said, &format!("must be {}", kind.kind));
    Err(Status::invalid(&kind.group, said, object.name(), &errors))
}

/// Tells when a custom kind is served no more as it was.
pub(super) struct Served {
    kind: Arc<Kind>,
    catalog: watch::Receiver<Arc<Catalog>>,
}

impl Served {
    pub(super) fn new(registry: &Registry, kind: &Arc<Kind>) -> Self {
        Self { kind: Arc::clone(kind), catalog: registry.changes() }
    }

    /// Comes back when the kind has gone or changed.
    pub(super) async fn ends(&mut self) {
        let kind = Arc::clone(&self.kind);
        let gone = |catalog: &Arc<Catalog>| {
            let now = catalog.resource(&kind.group, &kind.version, &kind.plural);
            now.is_none_or(|now| !Arc::ptr_eq(now, &kind))
        };
        if self.catalog.wait_for(gone).await.is_err() {
            // The registry is gone, and with it the store, which ends the watch by itself.
            std::future::pending::<()>().await;
        }
    }
}
