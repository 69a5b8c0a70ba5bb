//! Definitions of custom kinds, kept alive: names that are accepted, the kinds that are served, the
//! APIServices that tell of them, and the end of a definition with all its objects.
//!
//! Of each definition only what is served is kept in memory; all else is read from the store when it
//! changes.

mod end;
mod services;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use super::{Part, Registry, Target, WriteOptions, fields, now};
use crate::kinds::apiextensions::definition::status::{Taken, settle};
use crate::kinds::apiextensions::definition::{self, status};
use crate::kinds::custom::{self, Cache};
use crate::kinds::{Kind, apiregistration};
use crate::schema::object::Object;
use crate::schema::status::Status;
use crate::store::{ListRange, Record, Write};

/// How often a change of a status is tried again when somebody else was quicker.
const TRIES: usize = 10;

/// What is known of the definitions.
#[derive(Default)]
pub(super) struct Definitions {
    cache: Arc<Cache>,
    known: Mutex<Vec<Known>>,
}

/// What is known of one of them.
struct Known {
    name: String,
    group: String,
    taken: Taken,
    accepted: bool,
    /// What its kinds follow from.
    origin: Origin,
    kinds: Vec<Arc<Kind>>,
}

/// A definition as it decides what is served: identity, generation, names and whether it is going.
#[derive(Clone, Debug, PartialEq)]
struct Origin {
    uid: String,
    generation: i64,
    names: Value,
    established: bool,
    ending: bool,
}

impl Origin {
    fn of(definition: &Value) -> Self {
        Self {
            uid: definition.uid().to_owned(),
            generation: definition.generation(),
            names: definition["status"]["acceptedNames"].clone(),
            established: status::holds(definition, "Established"),
            ending: definition.is_deleting(),
        }
    }
}

impl Registry {
    /// Reads all definitions at the start, so that their kinds are served, and goes on with those that
    /// were on their way out.
    ///
    /// # Errors
    /// Where the store fails.
    pub(super) async fn open_definitions(&self) -> Result<(), Status> {
        let kind = self.kind("apiextensions.k8s.io", "customresourcedefinitions")?;
        let resource = super::catalog::storage_name(&kind);
        let listing = self.0.store.list(&resource, None, ListRange::default()).await;
        let names: Vec<String> =
            listing.map_err(|error| super::failed(&error))?.records.into_iter().map(|record| record.key.name).collect();
        let mut known = self.0.definitions.known.lock().await;
        for name in names {
            self.settle_one(&mut known, &name).await?;
        }
        self.serve(&known);
        drop(known);
        self.keep_services().await
    }

    /// What is to be done after a write: that of a definition changes what is served.
    pub(super) async fn written(&self, kind: &Kind, name: &str) -> Result<(), Status> {
        if !definition::is(kind) {
            return Ok(());
        }
        let mut known = self.0.definitions.known.lock().await;
        let before = known.iter().find(|one| one.name == name).map(|one| one.taken.clone());
        self.settle_one(&mut known, name).await?;
        let after = known.iter().find(|one| one.name == name).map(|one| one.taken.clone());
        if before != after {
            self.settle_waiting(&mut known, name).await?;
        }
        self.serve(&known);
        drop(known);
        self.keep_services().await
    }

    /// Definitions that had to wait for a name look again.
    async fn settle_waiting(&self, known: &mut MutexGuard<'_, Vec<Known>>, but: &str) -> Result<(), Status> {
        let waiting = known.iter().filter(|one| !one.accepted && one.name != but).map(|one| one.name.clone());
        let waiting: Vec<String> = waiting.collect();
        for name in waiting {
            self.settle_one(known, &name).await?;
        }
        Ok(())
    }

    /// Brings the status of a definition up to date and takes note of what it serves.
    async fn settle_one(&self, known: &mut MutexGuard<'_, Vec<Known>>, name: &str) -> Result<(), Status> {
        let target = self.target("apiextensions.k8s.io", "customresourcedefinitions", "", name)?;
        let Some(record) = self.raw(&target).await? else {
            known.retain(|one| one.name != name);
            return Ok(());
        };
        let group = record.to_value().text("/spec/group").to_owned();
        let mut taken = Taken::default();
        for other in known.iter().filter(|other| other.name != name && other.group == group) {
            taken.resources.extend(other.taken.resources.iter().cloned());
            taken.kinds.extend(other.taken.kinds.iter().cloned());
        }
        let at = now().to_string();
        let change = |object: &mut Value| {
            if !object.is_deleting() {
                settle(object, &taken, &at);
            }
        };
        let Some(object) = self.change_status(&target, change).await? else { return Ok(()) };
        let origin = Origin::of(&object);
        let mut own = Taken::default();
        own.add(&object);
        let accepted = status::holds(&object, "NamesAccepted");
        match known.iter_mut().find(|one| one.name == name) {
            Some(one) if one.origin == origin => {
                one.taken = own;
                one.accepted = accepted;
            }
            found => {
                let kinds = custom::kinds(&object, &self.0.definitions.cache).into_iter().map(Arc::new).collect();
                let new = Known { name: name.to_owned(), group, taken: own, accepted, origin: origin.clone(), kinds };
                let began = found.as_ref().is_none_or(|one| !one.origin.ending || one.origin.uid != origin.uid);
                match found {
                    Some(one) => *one = new,
                    None => known.push(new),
                }
                if origin.ending && began {
                    tokio::spawn(end::end(self.clone(), name.to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Changes the status of a definition as the API server itself; `None` where it is not there.
    async fn change_status(&self, target: &Target, change: impl Fn(&mut Value)) -> Result<Option<Value>, Status> {
        let options = WriteOptions::internal("kube-apiserver");
        for _ in 0..TRIES {
            let Some(record) = self.raw(target).await? else { return Ok(None) };
            let old = record.to_value();
            let mut object = old.clone();
            change(&mut object);
            if object == old {
                return Ok(Some(object));
            }
            fields::updated(&self.catalog(), &target.kind, Part::Status, &old, &mut object, &options, now());
            let gone = object.is_deleting() && object.finalizers().is_empty();
            let next = Record::from_value(record.key.clone(), &object);
            let write = if gone {
                Write::Delete { key: record.key.clone(), expect: Some(record.revision), last: Some(next) }
            } else {
                Write::Update { record: next, expect: record.revision }
            };
            match self.commit_all(&target.kind, &target.name, vec![write]).await {
                Ok(_) => return Ok(Some(object)),
                Err(status) if status.code == 409 => {}
                Err(status) => return Err(status),
            }
        }
        Err(Status::modified(&target.kind.group, &target.kind.plural, &target.name))
    }

    /// Makes what is known what is served.
    fn serve(&self, known: &[Known]) {
        let mut list: Vec<&Known> = known.iter().collect();
        list.sort_by(|a, b| (&a.group, &a.name).cmp(&(&b.group, &b.name)));
        let builtin = self.catalog();
        // A kind of the program is never hidden by one that is made.
        let free = |kind: &&Arc<Kind>| {
            builtin.resource(&kind.group, &kind.version, &kind.plural).is_none_or(|found| found.custom().is_some())
        };
        let mut kinds: Vec<Arc<Kind>> = list.iter().flat_map(|one| one.kinds.iter().filter(free).cloned()).collect();
        // Versions of a group stand in the order of preference, whichever definition has them.
        kinds.sort_by(|a, b| {
            a.group.cmp(&b.group).then_with(|| custom::order(&b.version).cmp(&custom::order(&a.version)))
        });
        let before: Vec<&Arc<Kind>> = builtin.iter().filter(|kind| kind.custom().is_some()).collect();
        let same = before.len() == kinds.len() && before.iter().zip(&kinds).all(|(a, b)| Arc::ptr_eq(a, b));
        if !same {
            self.0.catalog.send_replace(Arc::new(builtin.with_custom(kinds)));
        }
    }

    /// The group versions that k2d serves, and whether a definition made them.
    fn group_versions(&self) -> Vec<(String, String, bool)> {
        let mut list: Vec<(String, String, bool)> = Vec::new();
        for kind in self.catalog().iter().filter(|kind| kind.group != apiregistration::GROUP) {
            if !list.iter().any(|(group, version, _)| *group == kind.group && *version == kind.version) {
                list.push((kind.group.to_string(), kind.version.to_string(), kind.custom().is_some()));
            }
        }
        list
    }
}
