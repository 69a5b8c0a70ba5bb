//! What controllers read and write: the registry by names of resources, under the name of the
//! controller manager. It knows no rules.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::kinds::Propagation;
use crate::registry::delete::{DeleteOptions, Deleted, FOREGROUND};
use crate::registry::events::{EventType, Involved, Recorder};
use crate::registry::filter::Filter;
use crate::registry::list::ListOptions;
use crate::registry::{Changed, Part, Registry, Target, WriteOptions};
use crate::schema::object::Object;
use crate::schema::status::Status;
use crate::store::Record;

/// The name under which controllers write.
pub const MANAGER: &str = "kube-controller-manager";

/// The cluster, as one controller sees it.
#[derive(Clone)]
pub struct Cluster {
    /// The registry below.
    pub registry: Registry,
    options: WriteOptions,
    events: Recorder,
}

/// What most controllers need to know of an object to decide whether it concerns them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Head {
    /// `metadata`.
    pub metadata: HeadMeta,
}

/// Its `metadata`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HeadMeta {
    /// Identity.
    pub uid: String,
    /// Labels.
    pub labels: Map<String, Value>,
    /// Owners.
    pub owner_references: Vec<Owner>,
    /// Finalizers.
    pub finalizers: Vec<String>,
    /// When it is to go.
    pub deletion_timestamp: Option<String>,
}

/// An owner reference.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Owner {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Identity.
    pub uid: String,
    /// Whether it is the one that controls.
    pub controller: bool,
    /// Whether the owner waits for this object when it goes in the foreground.
    pub block_owner_deletion: bool,
}

impl Head {
    /// Reads it of a stored object, without the rest.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        serde_json::from_slice(&record.head).unwrap_or_default()
    }

    /// Whether the object is to go once its dependents are gone.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.metadata.deletion_timestamp.is_some() && self.metadata.finalizers.iter().any(|one| one == FOREGROUND)
    }

    /// The identity of the owner that controls.
    #[must_use]
    pub fn controller(&self) -> Option<&str> {
        self.metadata.owner_references.iter().find(|owner| owner.controller).map(|owner| owner.uid.as_str())
    }
}

impl Cluster {
    /// For the controller whose events are those of `component`.
    #[must_use]
    pub fn new(registry: &Registry, component: &str) -> Self {
        Self {
            registry: registry.clone(),
            options: WriteOptions::internal(MANAGER),
            events: Recorder::new(registry, component, "", MANAGER),
        }
    }

    /// One object.
    ///
    /// # Errors
    /// Where the store fails or the kind is not served.
    pub async fn get(&self, group: &str, plural: &str, key: (&str, &str)) -> Result<Option<Value>, Status> {
        self.registry.read(&self.registry.target(group, plural, key.0, key.1)?).await
    }

    /// The objects of a kind in a namespace (`None`: in all).
    ///
    /// # Errors
    /// As [`Cluster::get`].
    pub async fn all(&self, group: &str, plural: &str, namespace: Option<&str>) -> Result<Vec<Value>, Status> {
        self.those(group, plural, namespace, |_| true).await
    }

    /// Those of them that `wanted` picks by their head; the others are never made into trees.
    ///
    /// # Errors
    /// As [`Cluster::get`].
    pub async fn those(
        &self,
        group: &str,
        plural: &str,
        namespace: Option<&str>,
        wanted: impl Fn(&Head) -> bool,
    ) -> Result<Vec<Value>, Status> {
        let kind = self.registry.kind(group, plural)?;
        let mut list = self.registry.list(&kind, Filter::everything(namespace), ListOptions::default()).await?;
        let mut found = Vec::new();
        while let Some(record) = list.next().await? {
            if wanted(&Head::of(&record)) {
                found.push(record.to_value());
            }
        }
        Ok(found)
    }

    /// Stores a new object.
    ///
    /// # Errors
    /// What the registry says.
    pub async fn create(&self, group: &str, plural: &str, object: Value) -> Result<Value, Status> {
        let target = self.registry.target(group, plural, object.namespace(), "")?;
        self.registry.create(&target, object, &self.options).await.map(|written| written.object)
    }

    /// Replaces an object; 409 where it is no longer of the version from which `object` was made.
    ///
    /// # Errors
    /// What the registry says.
    pub async fn update(&self, group: &str, plural: &str, object: &Value) -> Result<Value, Status> {
        self.write(group, plural, Part::Main, object).await
    }

    /// Replaces the status of an object; 409 as [`Cluster::update`].
    ///
    /// # Errors
    /// What the registry says.
    pub async fn update_status(&self, group: &str, plural: &str, object: &Value) -> Result<Value, Status> {
        self.write(group, plural, Part::Status, object).await
    }

    /// Replaces a part of an object; 409 as [`Cluster::update`].
    ///
    /// # Errors
    /// What the registry says.
    pub async fn write(&self, group: &str, plural: &str, part: Part, object: &Value) -> Result<Value, Status> {
        let target = self.registry.target(group, plural, object.namespace(), object.name())?;
        let change = &mut |_: &Value| Ok(Changed::new(object.clone()));
        self.registry.update(&target, part, change, &self.options).await.map(|written| written.object)
    }

    /// Changes an object of that identity, whatever its version is now; nothing happens where it is
    /// gone or another of the same name.
    ///
    /// # Errors
    /// What the registry says.
    pub async fn change(
        &self,
        target: &Target,
        uid: &str,
        edit: impl Fn(&mut Value) + Send + Sync,
    ) -> Result<(), Status> {
        let change = &mut |old: &Value| {
            let mut object = old.clone();
            if old.uid() == uid {
                edit(&mut object);
            }
            Ok(Changed::new(object))
        };
        match self.registry.update(target, Part::Main, change, &self.options).await {
            Err(status) if status.code == 404 => Ok(()),
            other => other.map(drop),
        }
    }

    /// Deletes an object of that identity. It is no failure when it is gone or another.
    ///
    /// # Errors
    /// What else the registry says.
    pub async fn delete(
        &self,
        target: &Target,
        uid: &str,
        propagation: Option<Propagation>,
    ) -> Result<Option<Deleted>, Status> {
        let uid = (!uid.is_empty()).then(|| uid.to_owned());
        let delete = DeleteOptions { uid, propagation, ..DeleteOptions::default() };
        match self.registry.delete(target, &delete, &self.options).await {
            Ok(deleted) => Ok(Some(deleted)),
            Err(status) if status.code == 404 || status.code == 409 => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Tells something about an object.
    pub async fn tell(&self, object: &Value, kind: EventType, reason: &str, message: &str) {
        self.events.record(&Involved::of(object), kind, reason, message).await;
    }
}

/// Whether a write failed because its namespace is going.
#[must_use]
pub fn namespace_is_going(status: &Status) -> bool {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
}
