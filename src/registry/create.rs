//! Creating an object.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Part, Registry, Target, WriteOptions, Written, admission, catalog, effect, failed, fields, meta, now};
use crate::kinds::{Kind, NameRule};
use crate::schema::canonical::{canonical, stored};
use crate::schema::field::Errors;
use crate::schema::meta as rules;
use crate::schema::object::Object;
use crate::schema::status::Status;
use crate::schema::table::Type;
use crate::store::{self, Key, Record, Write};

/// How often a generated name is tried again when it is taken, as upstream does.
const NAME_TRIES: usize = 8;

/// How often a write is charged anew when somebody else has changed a quota meanwhile.
const QUOTA_TRIES: usize = 5;

/// Whether `metadata.managedFields` is already right.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Managed {
    Set,
    Unset,
}

impl Registry {
    /// Stores a new object. `object` is decoded, of the version of the target; `target.name` is empty, or must
    /// be its name.
    ///
    /// # Errors
    /// The status that a kube-apiserver gives: 403 by admission, 404 for its namespace, 409 where the
    /// name is taken, 422 for what the rules of the kind say.
    pub async fn create(&self, target: &Target, object: Value, options: &WriteOptions) -> Result<Written, Status> {
        self.create_with(target, object, options, Managed::Unset).await
    }

    /// Stores a new object that a server-side apply has made, with its managed fields.
    ///
    /// # Errors
    /// As [`Registry::create`].
    pub async fn create_applied(
        &self,
        target: &Target,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        self.create_with(target, object, options, Managed::Set).await
    }

    async fn create_with(
        &self,
        target: &Target,
        object: Value,
        options: &WriteOptions,
        managed: Managed,
    ) -> Result<Written, Status> {
        let generated = object.name().is_empty() && !object.text("/metadata/generateName").is_empty();
        let tries = if generated { NAME_TRIES } else { 1 };
        let mut last = Status::internal("no name could be generated");
        for _ in 0..tries {
            match self.create_once(target, object.clone(), options, managed).await {
                Err(status) if status.reason == "AlreadyExists" && generated => last = status,
                other => return other,
            }
        }
        Err(last)
    }

    async fn create_once(
        &self,
        target: &Target,
        mut object: Value,
        options: &WriteOptions,
        managed: Managed,
    ) -> Result<Written, Status> {
        let kind = &target.kind;
        if !object.resource_version().is_empty() {
            return Err(Status::unclassified("resourceVersion should not be set on objects to be created"));
        }
        let at = now();
        let mut warnings: Vec<String> = effect::warning(kind).filter(|_| self.settings().acts).into_iter().collect();
        prepare_type(kind, &mut object);
        kind.strategy.default(&mut object);
        normalise(kind, &mut object);
        warnings.extend(meta::dedup_owners(&mut object));
        meta::wipe(&mut object);
        if managed == Managed::Unset {
            fields::created(&self.catalog(), kind, &mut object, options, at);
        }
        let stored_kind = self.to_stored(kind, &mut object);
        // Admission sees a name that is still to be generated as upstream's does: not at all.
        meta::place(&mut object, &target.namespace);
        admission::create(self, kind, &mut object, options).await?;
        self.guard(target, &object, None, options).await?;
        meta::fill(&mut object, &target.namespace, at);

        if kind.has_status() {
            object.as_object_mut().map(|map| map.remove("status"));
        }
        if kind.strategy.counts_generation(&object, &object).is_some() {
            object.metadata_mut().insert("generation".into(), json!(1));
        }
        kind.strategy.prepare_create(&mut object);
        let allocated = self.allocate_on_create(kind, &mut object).await;
        let mut errors = Errors::new();
        rules::validate(&object, kind.meta_rules(), &mut errors);
        kind.strategy.validate(&object, &mut errors);
        check(&stored_kind, &object, &errors)?;
        // A Service with mistakes of its own is told these before that an address is taken.
        let allocated = allocated?;
        warnings.extend(kind.strategy.warnings(&object, None));
        let change = admission::Change { kind, part: Part::Main, object: &object, old: None };
        match admission::validate(self, &change).await {
            Ok(more) => warnings.extend(more),
            Err(status) => return Err(status.with_warnings(&warnings)),
        }
        settle(&stored_kind, &mut object);
        let stored = self.store_new(target, &object, options).await;
        drop(allocated);
        if let Some(revision) = stored.map_err(|status| status.with_warnings(&warnings))? {
            object.metadata_mut().insert("resourceVersion".into(), revision.to_string().into());
        }
        Ok(Written { object, warnings, created: true })
    }

    /// Charges an object to the quotas and stores it with them; gives its revision, but for a dry run.
    async fn store_new(&self, target: &Target, object: &Value, options: &WriteOptions) -> Result<Option<u64>, Status> {
        let kind = &target.kind;
        let key = Key::new(catalog::storage_name(kind), &target.namespace, object.name());
        let change = admission::Change { kind, part: Part::Main, object, old: None };
        let mut last = Status::internal("quotas change faster than they can be charged");
        for _ in 0..QUOTA_TRIES {
            let charged = admission::charge(self, &change).await?;
            if options.dry_run {
                if self.0.store.get(&key).await.map_err(|error| failed(&error))?.is_some() {
                    return Err(self.taken(target, object, exists(kind, object.name())).await);
                }
                return Ok(None);
            }
            let changes_quotas = charged.is_some();
            let record = Record::from_value(key.clone(), object);
            match self.commit_charged(kind, object.name(), charged, Write::Create { record }).await {
                Ok(record) => return Ok(Some(record.revision)),
                Err(status) if status.reason == "AlreadyExists" => {
                    return Err(self.taken(target, object, status).await);
                }
                // Somebody wrote a quota meanwhile.
                Err(status) if changes_quotas && matches!(status.code, 404 | 409) => last = status,
                Err(status) => return Err(status),
            }
        }
        Err(last)
    }

    /// Stores a write together with the quotas that it is charged to.
    pub(super) async fn commit_charged(
        &self,
        kind: &Arc<Kind>,
        name: &str,
        charged: admission::Charged<'_>,
        write: Write,
    ) -> Result<Record, Status> {
        let (mut writes, held) = charged.into_parts();
        writes.push(write);
        let outcome = self.commit_all(kind, name, writes).await;
        drop(held);
        outcome
    }

    /// The refusal of a name that is taken; that of an object on its way out says so.
    async fn taken(&self, target: &Target, object: &Value, mut status: Status) -> Status {
        let place = Target::new(&target.kind, &target.namespace, object.name());
        if let Ok(Some(existing)) = self.read(&place).await
            && existing.is_deleting()
        {
            status.message = format!("object is being deleted: {}", status.message);
        }
        status
    }

    /// Stores several writes of one object as one, and answers the last.
    pub(super) async fn commit_all(&self, kind: &Arc<Kind>, name: &str, writes: Vec<Write>) -> Result<Record, Status> {
        let outcome = self.0.store.commit(writes).await;
        let mut records = outcome.map_err(|error| match error {
            store::Error::Exists => exists(kind, name),
            store::Error::NotFound => Status::not_found(kind.home_group(), &kind.plural, name),
            store::Error::Conflict { .. } => Status::modified(kind.home_group(), &kind.plural, name),
            other => failed(&other),
        })?;
        records.pop().ok_or_else(|| Status::internal("the store answered a write with nothing"))
    }
}

/// 409, as a create says it.
pub(super) fn exists(kind: &Kind, name: &str) -> Status {
    Status::already_exists(kind.home_group(), &kind.plural, name)
}

/// Sets `apiVersion` and `kind`.
pub(super) fn prepare_type(kind: &Kind, object: &mut Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".into(), kind.api_version().into());
        map.insert("kind".into(), kind.kind.to_string().into());
    }
}

/// Brings an object of a built-in kind into the form in which it is stored.
pub(super) fn normalise(kind: &Kind, object: &mut Value) {
    if let Some(ty) = type_of(kind) {
        canonical(object, ty);
    }
}

/// Brings a whole object into the form in which it comes back from the store.
pub(super) fn settle(kind: &Kind, object: &mut Value) {
    if let Some(ty) = type_of(kind) {
        canonical(object, ty);
        stored(object, ty);
    }
}

/// The schema of a kind.
pub(super) fn type_of(kind: &Kind) -> Option<Type<'static>> {
    Type::builtin(&kind.group, &kind.version, &kind.kind)
}

/// 422 where there are mistakes.
pub(super) fn check(kind: &Kind, object: &Value, errors: &Errors) -> Result<(), Status> {
    if errors.is_empty() {
        return Ok(());
    }
    let name = if object.name().is_empty() && kind.names != NameRule::Own {
        object.text("/metadata/generateName")
    } else {
        object.name()
    };
    Err(Status::invalid(&kind.group, &kind.kind, name, errors))
}
