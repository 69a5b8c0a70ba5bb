//! Server-side apply (KEP-555): laying what a manager applies over the live object, taking away what
//! it applied before and no longer does, and refusing what belongs to others.
//!
//! The caller sees to the address of the object, to defaults, admission and validation; the object
//! that comes out has its `metadata.managedFields` already.

use serde_json::Value;

use super::fields::Set;
use super::last_applied;
use super::managed::{self, Entry, Operation};
use super::reset::Reset;
use super::typed::{Typing, combine, field_set, remove, validate, with_named_fields};
use super::update::{Changes, Subject, Writer, changed, give_up, prepared, start, strip};
use crate::schema::object::Object;
use crate::schema::status::{Cause, Details, Status};

/// The manager of what was there before the first apply to an object without managers.
const BEFORE: &str = "before-first-apply";

/// Fields that others manage and an apply would change.
struct Conflicts<'a>(Vec<Entry<'a>>);

/// Why an apply fails inside.
enum Failure<'a> {
    Conflicts(Conflicts<'a>),
    Status(Status),
}

impl From<Status> for Failure<'_> {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// An object with its entries.
struct Applied<'a> {
    /// `None` where the object is as it was.
    object: Option<Value>,
    entries: Vec<Entry<'a>>,
}

/// Applies `patch` to `live` (`None` makes the object) and returns the new object, not yet
/// defaulted; members that went come back as `null` or not at all.
///
/// # Errors
/// 400 for a patch of another kind or with `managedFields`, 409 for conflicts unless `force` is
/// set, 500 for what does not fit the schema.
pub fn apply(
    subject: Subject<'_>,
    live: Option<&Value>,
    patch: &Value,
    writer: Writer<'_>,
    force: bool,
    reset: &Reset<'_>,
) -> Result<Value, Status> {
    if patch.text("/apiVersion") != subject.api_version || patch.text("/kind") != subject.kind {
        return Err(Status::bad_request(format!("invalid object type: {}", go_kind(patch))));
    }
    if managed::of(patch).is_some() {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    validate(patch, subject.typing, false)
        .map_err(|words| failed("failed to create typed patch object", patch, &words))?;
    if let Some(live) = live {
        validate(live, subject.typing, true)
            .map_err(|words| failed("failed to create typed live object", live, &words))?;
    }
    let entries = managed::decode(live.and_then(managed::of))
        .map_err(|words| Status::unclassified(format!("failed to decode managed fields: {words}")))?;
    let blank;
    let entries = match live {
        Some(live) if entries.is_empty() => {
            blank = start(subject.typing);
            let before = Writer { manager: BEFORE, ..writer };
            changed(subject, &blank, live, before, reset, entries)
        }
        _ => entries,
    };

    let again = (writer.manager == last_applied::MANAGER).then(|| entries.clone());
    let mut applied = lay(subject, live, patch, writer, force, reset, entries);
    if let (Err(Failure::Conflicts(conflicts)), Some(entries), Some(live)) = (&mut applied, again, live)
        && let Some(own) = last_applied::owned(subject, live)
    {
        // What was applied by the client before, and is still as it was applied, may be taken over.
        conflicts.forget(&own);
        if conflicts.0.is_empty() {
            applied = lay(subject, Some(live), patch, writer, true, reset, entries);
        }
    }
    let Applied { object, entries } = match applied {
        Ok(applied) => applied,
        Err(Failure::Status(status)) => return Err(status),
        Err(Failure::Conflicts(conflicts)) => return Err(conflicts.status()),
    };
    let list = managed::encode(entries);
    let mut object = object.unwrap_or_else(|| live.cloned().unwrap_or_default());
    if writer.manager == last_applied::MANAGER {
        last_applied::refresh(&mut object, patch);
    }
    managed::put(&mut object, list);
    Ok(object)
}

/// `apps/v1, Kind=Deployment`; the core group shows as a bare slash.
fn go_kind(object: &Value) -> String {
    let version = object.text("/apiVersion");
    let slash = if version.contains('/') { "" } else { "/" };
    format!("{slash}{version}, Kind={}", object.text("/kind"))
}

fn failed(what: &str, object: &Value, words: &str) -> Status {
    let (namespace, name) = (object.namespace(), object.name());
    Status::unclassified(format!("{what} ({namespace}/{name}; {}): {words}", go_kind(object)))
}

fn lay<'a>(
    subject: Subject<'a>,
    live: Option<&'a Value>,
    patch: &'a Value,
    writer: Writer<'a>,
    force: bool,
    reset: &Reset<'_>,
    entries: Vec<Entry<'a>>,
) -> Result<Applied<'a>, Failure<'a>> {
    let typing = subject.typing;
    let mut entries = prepared(subject, entries);
    let merged = match live {
        None => patch.clone(),
        Some(live) => combine(live, patch, typing)
            .map_err(|words| Status::unclassified(format!("failed to merge config: {words}")))?,
    };
    let set = reset.filter(field_set(patch, typing));
    let own = writer.entry(subject, Operation::Apply, set);
    let last = match entries.iter().position(|entry| entry.is_same(&own)) {
        Some(at) => {
            let last = entries.remove(at);
            let time = last.time.clone();
            entries.push(Entry { time, ..own.clone() });
            last.fields
        }
        None => {
            entries.push(own.clone());
            Set::new()
        }
    };
    let object = prune(merged, &last, &entries, typing);
    if let Some(live) = live {
        let changes = Changes::between(subject, live, &object, reset, &entries);
        if !force {
            let conflicts = Conflicts::between(&entries, &own, &changes);
            if !conflicts.0.is_empty() {
                return Err(Failure::Conflicts(conflicts));
            }
        }
        give_up(&mut entries, &changes, Some(&own));
    }
    let same = live.is_some_and(|live| *live == object);
    for entry in entries.iter_mut().filter(|entry| entry.is_same(&own)) {
        entry.fields = strip(std::mem::take(&mut entry.fields));
        if !same {
            entry.time = Some(writer.time());
        }
    }
    entries.retain(|entry| !entry.fields.is_empty());
    Ok(Applied { object: (!same).then_some(object), entries })
}

/// Takes out of `merged` what was applied last time, unless it is applied again or another manager
/// has it too. `entries` has the new fields of the applier.
fn prune(merged: Value, last: &Set<'_>, entries: &[Entry<'_>], typing: Typing<'_>) -> Value {
    let everyone = Set::union_all(entries.iter().map(|entry| entry.fields.clone()).collect());
    if last.clone().difference(&everyone).is_empty() {
        return merged;
    }
    let last = with_named_fields(last.clone(), typing);
    let pruned = remove(merged.clone(), &last, typing);
    let gone = {
        let before = with_named_fields(field_set(&merged, typing), typing);
        let after = with_named_fields(field_set(&pruned, typing), typing);
        before.difference(&after).difference(&with_named_fields(everyone, typing)).into_owned()
    };
    // What nobody else has is gone; of that, only what this applier had goes in the end.
    let pruned = remove(merged.clone(), &gone, typing);
    let gone = {
        let before = with_named_fields(field_set(&merged, typing), typing);
        let after = with_named_fields(field_set(&pruned, typing), typing);
        before.difference(&after).intersection(&last).into_owned()
    };
    remove(merged, &gone, typing)
}

impl<'a> Conflicts<'a> {
    /// What of the fields that changed the other entries have.
    fn between(entries: &[Entry<'a>], own: &Entry<'a>, changes: &Changes<'_>) -> Self {
        let touched = |entry: &Entry<'a>| {
            let change = changes.of(&entry.api_version);
            entry.fields.intersection(&change.modified.clone().union(change.added.clone()))
        };
        let mut found: Vec<Entry<'a>> = entries
            .iter()
            .filter(|entry| !entry.is_same(own))
            .map(|entry| Entry { fields: touched(entry), ..entry.clone() })
            .filter(|entry| !entry.fields.is_empty())
            .collect();
        found.sort_by(Entry::order);
        Self(found)
    }

    fn forget(&mut self, allowed: &Set<'_>) {
        for entry in &mut self.0 {
            entry.fields = std::mem::take(&mut entry.fields).difference(allowed);
        }
        self.0.retain(|entry| !entry.fields.is_empty());
    }

    fn status(&self) -> Status {
        let mut causes = Vec::new();
        let mut lines = Vec::new();
        for entry in &self.0 {
            let manager = entry.shown();
            lines.push(format!("conflicts with {manager}:"));
            for path in entry.fields.paths() {
                lines.push(format!("- {path}"));
                let message = format!("conflict with {manager}");
                causes.push(Cause { reason: "FieldManagerConflict".to_owned(), message, field: path });
            }
        }
        let message = match causes.as_slice() {
            [one] => format!("Apply failed with 1 conflict: {}: {}", one.message, one.field),
            many => format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n")),
        };
        Status::new(409, "Conflict", message).with_details(Details { causes, ..Details::default() })
    }
}

#[cfg(test)]
mod custom;
#[cfg(test)]
mod tests;
