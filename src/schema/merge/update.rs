//! Who manages which field after a create, an update or a patch that is not an apply.
//!
//! The caller gives the object as it was and as it is to be, both with defaults and before
//! admission changes it; fields that admission or the server set later belong to nobody. Source:
//! KEP-555 and the field manager of a kube-apiserver.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

use super::fields::Set;
use super::managed::{self, Entry, Operation};
use super::typed::{Comparison, Typing, compare, reconcile};
use crate::schema::canonical;
use crate::schema::object::Object;

/// Most entries of updates that an object keeps; the oldest are joined.
const MAX_UPDATERS: usize = 10;
/// The manager of what older updaters did.
const ANCIENT: &str = "ancient-changes";

/// The kind of the object that is written, in the version of the request.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Type of the object; `None` where there is no schema.
    pub typing: Typing<'a>,
    /// `v1` or `apps/v1`.
    pub api_version: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// The API versions in which the kind exists; entries in others are dropped. Empty for any.
    pub versions: &'a [&'a str],
}

/// Who writes, where and when.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// Name of the manager: `fieldManager`, or [`manager_of_agent`].
    pub manager: &'a str,
    /// The subresource that is written; empty for the object itself.
    pub subresource: &'a str,
    /// The time of the request.
    pub now: Timestamp,
}

impl<'a> Writer<'a> {
    pub(super) fn entry(self, subject: Subject<'a>, operation: Operation, fields: Set<'a>) -> Entry<'a> {
        let manager = if self.manager.is_empty() { "unknown" } else { self.manager };
        Entry {
            manager: Cow::Borrowed(manager),
            operation,
            api_version: Cow::Borrowed(subject.api_version),
            subresource: Cow::Borrowed(self.subresource),
            time: None,
            fields,
        }
    }

    pub(super) fn time(self) -> Cow<'static, str> {
        Cow::Owned(self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }
}

/// The manager's name where a request does not say `fieldManager`: the part of `User-Agent` before
/// the first slash, at most 128 bytes long and without what cannot be printed.
#[must_use]
pub fn manager_of_agent(agent: &str) -> String {
    let head = agent.split('/').next().unwrap_or_default();
    let mut name = String::new();
    for letter in head.chars().filter(|letter| !letter.is_control()) {
        if name.len() + letter.len_utf8() > 128 {
            break;
        }
        name.push(letter);
    }
    name
}

/// Sets `metadata.managedFields` of `new`, which is about to take the place of `live` (`None` for a
/// create). Fields of `reset` are not the writer's to change through this address.
pub fn update(subject: Subject<'_>, live: Option<&Value>, new: &mut Value, writer: Writer<'_>, reset: &Set<'_>) {
    let own = managed::take(new);
    let found = {
        let old = live.and_then(managed::of);
        let entries = if writer.subresource.is_empty() { given(own.as_ref(), old) } else { read(old) };
        // An object that has gone without managers goes on without.
        let untracked = entries.is_empty() && live.is_some_and(|live| !live.uid().is_empty());
        let blank = if live.is_none() { start(subject.typing) } else { Value::Null };
        let live = live.unwrap_or(&blank);
        if untracked { None } else { managed::encode(changed(subject, live, new, writer, reset, entries)) }
    };
    if found.is_some() {
        managed::put(new, found);
    }
}

/// What a create starts from: what Go encodes for an object with nothing in it. Parts that are in
/// it count as there before, so that nobody manages them. A custom resource starts from nothing.
pub(super) fn start(typing: Typing<'_>) -> Value {
    match typing.filter(|typing| typing.as_struct().is_some_and(|found| !found.name().is_empty())) {
        Some(typing) => canonical::zero(typing),
        None => Value::Object(serde_json::Map::new()),
    }
}

/// The entries that a request sends, or those of the live object where it sends none that can be
/// read. An empty list asks to forget them all.
fn given<'a>(own: Option<&'a Value>, old: Option<&'a Value>) -> Vec<Entry<'a>> {
    if managed::is_reset(own) {
        return Vec::new();
    }
    match managed::decode(own) {
        Ok(entries) if !entries.is_empty() => entries,
        _ => read(old),
    }
}

fn read(list: Option<&Value>) -> Vec<Entry<'_>> {
    managed::decode(list).unwrap_or_default()
}

/// The entries after the change from `live` to `new` by `writer`.
pub(super) fn changed<'a>(
    subject: Subject<'a>,
    live: &'a Value,
    new: &'a Value,
    writer: Writer<'a>,
    reset: &Set<'_>,
    entries: Vec<Entry<'a>>,
) -> Vec<Entry<'a>> {
    let change = compare(live, new, subject.typing).without(reset);
    let mut entries = prepared(subject, entries);
    if !change.is_empty() {
        give_up(&mut entries, &change, None);
        let Comparison { added, modified, removed } = change;
        let taken = strip(modified.union(added).difference(&removed));
        if !taken.is_empty() {
            let mut entry = writer.entry(subject, Operation::Update, taken);
            entry.time = Some(writer.time());
            match entries.iter_mut().find(|own| own.is_same(&entry)) {
                Some(own) => {
                    own.fields = std::mem::take(&mut own.fields).union(entry.fields);
                    own.time = entry.time;
                }
                None => entries.push(entry),
            }
        }
    }
    entries.retain(|entry| !entry.fields.is_empty());
    cap(&mut entries);
    entries
}

/// The entries in the versions that exist, in the shape of the present schema.
pub(super) fn prepared<'a>(subject: Subject<'a>, mut entries: Vec<Entry<'a>>) -> Vec<Entry<'a>> {
    entries.retain(|entry| {
        subject.versions.is_empty()
            || entry.api_version == subject.api_version
            || subject.versions.contains(&entry.api_version.as_ref())
    });
    for entry in &mut entries {
        entry.fields = reconcile(std::mem::take(&mut entry.fields), subject.typing);
    }
    entries
}

/// Takes what changed from all entries but the one of the writer.
pub(super) fn give_up(entries: &mut [Entry<'_>], change: &Comparison<'_>, writer: Option<&Entry<'_>>) {
    for entry in entries {
        if writer.is_some_and(|writer| writer.is_same(entry)) {
            continue;
        }
        let fields = std::mem::take(&mut entry.fields);
        entry.fields = fields.difference(&change.modified).difference(&change.added).difference(&change.removed);
    }
}

/// A set without the fields of `metadata` that the server keeps.
pub(super) fn strip<'a>(fields: Set<'a>) -> Set<'a> {
    const KEPT: [&[&str]; 12] = [
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ];
    let kept = KEPT.iter().fold(Set::new(), |all, path| all.union(Set::of_path(path)));
    fields.difference(&kept)
}

/// Joins the oldest entries of updates of each version, until few enough are left.
fn cap(entries: &mut Vec<Entry<'_>>) {
    let mut left = entries.iter().filter(|entry| entry.operation == Operation::Update).count();
    if left <= MAX_UPDATERS {
        return;
    }
    entries.sort_by(|a, b| (a.operation, &a.time).cmp(&(b.operation, &b.time)).then_with(|| a.order(b)));
    let mut at = entries.iter().take_while(|entry| entry.operation == Operation::Apply).count();
    let mut buckets: Vec<usize> = Vec::new();
    while left > MAX_UPDATERS && at < entries.len() {
        let version = |index: usize| entries.get(index).map(|entry| entry.api_version.clone());
        match buckets.iter().copied().find(|bucket| version(*bucket) == version(at)) {
            None => {
                buckets.push(at);
                at += 1;
            }
            Some(bucket) => {
                let entry = entries.remove(at);
                if let Some(own) = entries.get_mut(bucket) {
                    own.manager = Cow::Borrowed(ANCIENT);
                    own.subresource = Cow::Borrowed("");
                    own.time = entry.time;
                    own.fields = std::mem::take(&mut own.fields).union(entry.fields);
                }
                left -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
