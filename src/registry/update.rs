//! Changing an object: by its main resource, its status or another subresource.

use serde_json::Value;

use super::create::{check, normalise, prepare_type, settle};
use super::{Registry, Target, WriteOptions, Written, admission, catalog, effect, fields, meta, now, versions};
use crate::kinds::Kind;
use crate::schema::field::{Errors, Path};
use crate::schema::merge::managed;
use crate::schema::meta as rules;
use crate::schema::object::Object;
use crate::schema::status::Status;
use crate::store::{Record, Write};

/// How often a change is tried again when somebody else was quicker, as upstream does for patches.
const TRIES: usize = 5;

/// Which part of an object a request writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything but the status.
    Main,
    /// The status.
    Status,
    /// Another subresource that takes the kind itself: `resize`, `approval`, `finalize`, …
    Sub(&'static str),
}

impl Part {
    /// Whether a change through it may count as a generation.
    fn counts_generation(self) -> bool {
        matches!(self, Self::Main | Self::Sub("scale" | "resize" | "ephemeralcontainers"))
    }

    /// Name of the subresource; empty for the main resource.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "",
            Self::Status => "status",
            Self::Sub(name) => name,
        }
    }
}

/// What a [`Change`] makes of the current object.
pub struct Changed {
    /// The whole object as it shall be, decoded.
    pub object: Value,
    /// Whether `metadata.managedFields` is already right (server-side apply).
    pub managed: bool,
    /// The uid that the object must have; without one, another uid is a change that is refused.
    pub uid: Option<String>,
}

impl Changed {
    /// A whole object that a patch or a part of k2d has made.
    #[must_use]
    pub fn new(object: Value) -> Self {
        Self { object, managed: false, uid: None }
    }
}

/// Makes the wanted object of the current one, both in the version of the target. It is called again when somebody else has changed the
/// object meanwhile, unless it sets a resourceVersion.
pub type Change<'a> = dyn FnMut(&Value) -> Result<Changed, Status> + Send + 'a;

impl Registry {
    /// Changes an object that is there.
    ///
    /// # Errors
    /// 404 where it is not, 409 where the version it was made from is no longer the current one, 422
    /// for what the rules say, and what `change` says.
    pub async fn update(
        &self,
        target: &Target,
        part: Part,
        change: &mut Change<'_>,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let mut tries = 0;
        loop {
            tries += 1;
            let record = self.get(target).await?;
            let old = record.to_value();
            let shown = versions::shown(&target.kind, &old);
            let changed = change(&shown)?;
            let conditional = {
                let wanted = changed.object.resource_version();
                !wanted.is_empty() && wanted != old.resource_version()
            };
            let outcome = self.update_once(target, part, &record, (&old, &shown), changed, options).await;
            match outcome {
                Err(Raced::Race) if tries < TRIES && !conditional => {}
                Err(Raced::Race) => return Err(modified(target)),
                Err(Raced::Refused(status)) => return Err(status),
                Ok(written) => return Ok(written),
            }
        }
    }

    async fn update_once(
        &self,
        target: &Target,
        part: Part,
        record: &Record,
        (old, shown): (&Value, &Value),
        changed: Changed,
        options: &WriteOptions,
    ) -> Result<Written, Raced> {
        let kind = &target.kind;
        let Changed { mut object, managed, uid } = changed;
        let at = now();
        let mut warnings: Vec<String> = effect::warning(kind).filter(|_| self.settings().acts).into_iter().collect();
        prepare_type(kind, &mut object);
        kind.strategy.default(&mut object);
        normalise(kind, &mut object);
        preconditions(target, &object, uid.as_deref(), old)?;
        warnings.extend(meta::dedup_owners(&mut object));
        if !managed {
            fields::updated(&self.catalog(), kind, part, shown, &mut object, options, at);
        } else {
            managed::settle(shown, &mut object);
        }
        let stored_kind = self.to_stored(kind, &mut object);

        meta::keep(&mut object, old);
        admission::update(self, kind, part, &mut object, old, options).await?;
        if part == Part::Main {
            self.guard(target, &object, Some(old), options).await?;
        }
        prepare(kind, part, &mut object, old);
        normalise(&stored_kind, &mut object);
        let allocated =
            if part == Part::Main { self.allocate_on_update(kind, &mut object, old).await } else { Ok(None) };
        let mut errors = Errors::new();
        rules::validate_update(&object, old, kind.meta_rules(), &mut errors);
        match part {
            Part::Main => kind.strategy.validate_update(&object, old, &mut errors),
            Part::Status => kind.strategy.validate_status(&object, old, &mut errors),
            Part::Sub(name) => kind.strategy.validate_subresource(name, &object, old, &mut errors),
        }
        check(&stored_kind, &object, &errors)?;
        let allocated = allocated?;
        if part == Part::Main {
            warnings.extend(kind.strategy.warnings(&object, Some(old)));
        }
        let change = admission::Change { kind, part, object: &object, old: Some(old) };
        match admission::validate(self, &change).await {
            Ok(more) => warnings.extend(more),
            Err(status) => return Err(Raced::Refused(status.with_warnings(&warnings))),
        }
        let charged = admission::charge(self, &change).await.map_err(|status| status.with_warnings(&warnings))?;
        settle(&stored_kind, &mut object);

        if object == *old || options.dry_run {
            return Ok(Written { object, warnings, created: false });
        }
        let next = Record::from_value(record.key.clone(), &object);
        let ends = ends(kind, &object, old);
        let write = if ends {
            Write::Delete { key: record.key.clone(), expect: Some(record.revision), last: Some(next) }
        } else {
            Write::Update { record: next, expect: record.revision }
        };
        let changes_quotas = charged.is_some();
        let stored = self.commit_charged(kind, &target.name, charged, write).await;
        drop(allocated);
        let stored = stored.map_err(|status| match status.code {
            409 => Raced::Race,
            404 if changes_quotas => Raced::Race,
            _ => Raced::Refused(status.with_warnings(&warnings)),
        })?;
        // What goes with its last finalizer is shown in the version that it had.
        let revision = if ends { record.revision } else { stored.revision };
        object.metadata_mut().insert("resourceVersion".into(), revision.to_string().into());
        Ok(Written { object, warnings, created: false })
    }
}

/// Why one try failed: for good, or because another write came between.
enum Raced {
    Race,
    Refused(Status),
}

impl From<Status> for Raced {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

fn modified(target: &Target) -> Status {
    Status::modified(target.kind.home_group(), &target.kind.plural, &target.name)
}

/// Identity and version, where the client named them.
fn preconditions(target: &Target, object: &Value, uid: Option<&str>, old: &Value) -> Result<(), Status> {
    let kind = &target.kind;
    let wanted = object.resource_version();
    if wanted.is_empty() || wanted == "0" {
        if !kind.strategy.allows_unconditional_update() {
            let mut errors = Errors::new();
            let path = Path::new("metadata").child("resourceVersion");
            errors.invalid_raw(&path, "0", "must be specified for an update");
            return Err(Status::invalid(kind.home_group(), &kind.kind, &target.name, &errors));
        }
    } else if wanted.parse::<u64>().is_err() {
        return Err(Status::unclassified(format!(
            "strconv.ParseUint: parsing {}: invalid syntax",
            crate::schema::field::quote(wanted)
        )));
    }
    if let Some(uid) = uid.filter(|uid| *uid != old.uid()) {
        let detail = format!(
            "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
             failed: UID in precondition: {uid}, UID in object meta: {}",
            catalog::storage_path(kind, &target.namespace, &target.name),
            old.uid()
        );
        return Err(Status::conflict(kind.home_group(), &kind.plural, &target.name, &detail));
    }
    if !wanted.is_empty() && wanted != "0" && wanted != old.resource_version() {
        return Err(modified(target));
    }
    Ok(())
}

/// Puts back what this part of the object may not change, and counts the generation.
fn prepare(kind: &Kind, part: Part, object: &mut Value, old: &Value) {
    match part {
        Part::Main => {
            if kind.has_status()
                && let Some(map) = object.as_object_mut()
            {
                match old.get("status") {
                    Some(status) => map.insert("status".into(), status.clone()),
                    None => map.remove("status"),
                };
            }
            kind.strategy.prepare_update(object, old);
        }
        Part::Status => kind.strategy.prepare_status(object, old),
        Part::Sub(name) => kind.strategy.prepare_subresource(name, object, old),
    }
    if part.counts_generation() && kind.strategy.counts_generation(object, old) == Some(true) {
        meta::count_generation(object);
    }
}

/// Whether the change takes away the last thing that kept a deleted object.
fn ends(kind: &Kind, object: &Value, old: &Value) -> bool {
    let waits = object.list("/spec/finalizers").len();
    let held = kind.group.is_empty() && kind.plural == "namespaces" && waits > 0;
    old.is_deleting()
        && old.int("/metadata/deletionGracePeriodSeconds").unwrap_or(0) == 0
        && object.finalizers().is_empty()
        && !held
}
