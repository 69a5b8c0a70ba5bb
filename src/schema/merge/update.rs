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
use super::reset::Reset;
use super::typed::{Comparison, Typing, compare, reconcile};
use crate::schema::canonical;
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;

/// Longest name of a manager, in bytes.
const MAX_MANAGER: usize = 128;
/// Most entries of updates that an object keeps; the oldest are joined.
const MAX_UPDATERS: usize = 10;
/// The manager of what older updaters did.
const ANCIENT: &str = "ancient-changes";

/// Another version in which the objects of a kind are served.
#[derive(Clone, Copy)]
pub struct Sibling<'a> {
    /// `v1` or `apps/v1`.
    pub api_version: &'a str,
    /// Type of the object in that version.
    pub typing: Typing<'a>,
    /// Makes an object of that version of one in the version of the request.
    pub convert: &'a dyn Fn(&Value) -> Value,
}

/// The kind of the object that is written, in the version of the request.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Type of the object; `None` where there is no schema.
    pub typing: Typing<'a>,
    /// `v1` or `apps/v1`.
    pub api_version: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// The API versions in which the kind exists; entries in others are dropped. Empty for any.
    pub versions: &'a [&'a str],
    /// The versions, other than that of the request, whose entries are kept in their own terms.
    pub siblings: &'a [Sibling<'a>],
}

impl<'a> Subject<'a> {
    fn typing_of(self, api_version: &str) -> Typing<'a> {
        let sibling = self.siblings.iter().find(|sibling| sibling.api_version == api_version);
        sibling.map_or(self.typing, |sibling| sibling.typing)
    }
}

/// A change, in the terms of each version in which there are entries.
pub(super) struct Changes<'a> {
    /// In the version of the request.
    pub own: Comparison<'a>,
    others: Vec<(&'a str, Comparison<'a>)>,
}

impl<'a> Changes<'a> {
    /// The change from `live` to `new` without the fields of `reset`.
    pub fn between(
        subject: Subject<'a>,
        live: &'a Value,
        new: &'a Value,
        reset: &Reset<'_>,
        entries: &[Entry<'_>],
    ) -> Self {
        let own = reset.filter_all(compare(live, new, subject.typing));
        let present = |sibling: &&Sibling<'_>| entries.iter().any(|entry| entry.api_version == sibling.api_version);
        let others = subject
            .siblings
            .iter()
            .filter(present)
            .map(|sibling| {
                let (live, new) = ((sibling.convert)(live), (sibling.convert)(new));
                let change = reset.filter_all(compare(&live, &new, sibling.typing));
                let Comparison { added, modified, removed } = change;
                let change = Comparison {
                    added: added.into_owned(),
                    modified: modified.into_owned(),
                    removed: removed.into_owned(),
                };
                (sibling.api_version, change)
            })
            .collect();
        Self { own, others }
    }

    /// The change in the terms of a version.
    pub fn of(&self, api_version: &str) -> &Comparison<'a> {
        self.others.iter().find(|(version, _)| *version == api_version).map_or(&self.own, |(_, change)| change)
    }
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
    for letter in head.chars().filter(|letter| is_printable(*letter)) {
        if name.len() + letter.len_utf8() > MAX_MANAGER {
            break;
        }
        name.push(letter);
    }
    name
}

/// Checks the `fieldManager` of a request.
pub fn validate_manager(name: &str, path: &Path, errors: &mut Errors) {
    if name.len() > MAX_MANAGER {
        errors.too_long(path, MAX_MANAGER);
    }
    for (position, letter) in name.char_indices().filter(|(_, letter)| !is_printable(*letter)) {
        let words = format!("invalid character U+{:04X} (at position {position})", u32::from(letter));
        errors.invalid_text(path, name, &words);
    }
}

/// Whether Go takes a letter for printable: of all that is white, just the plain space.
fn is_printable(letter: char) -> bool {
    let hidden = matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    letter == ' ' || !(letter.is_control() || letter.is_whitespace() || hidden)
}

/// Sets `metadata.managedFields` of `new`, which is about to take the place of `live` (`None` for a
/// create). Fields of `reset` are not the writer's to change through this address.
pub fn update(subject: Subject<'_>, live: Option<&Value>, new: &mut Value, writer: Writer<'_>, reset: &Reset<'_>) {
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
    reset: &Reset<'_>,
    entries: Vec<Entry<'a>>,
) -> Vec<Entry<'a>> {
    let mut entries = prepared(subject, entries);
    let changes = Changes::between(subject, live, new, reset, &entries);
    if !changes.own.is_empty() {
        give_up(&mut entries, &changes, None);
        let Comparison { added, modified, removed } = changes.own;
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
        let typing = subject.typing_of(&entry.api_version);
        entry.fields = reconcile(std::mem::take(&mut entry.fields), typing);
    }
    entries
}

/// Takes what changed from all entries but the one of the writer.
pub(super) fn give_up(entries: &mut [Entry<'_>], changes: &Changes<'_>, writer: Option<&Entry<'_>>) {
    for entry in entries {
        if writer.is_some_and(|writer| writer.is_same(entry)) {
            continue;
        }
        let change = changes.of(&entry.api_version);
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
    let mut kept: Vec<Entry<'_>> = Vec::new();
    // For each version the place of the oldest entry, and the fields of those that join it.
    let mut buckets: Vec<(usize, Vec<Set<'_>>)> = Vec::new();
    for entry in entries.drain(..) {
        if entry.operation == Operation::Apply || left <= MAX_UPDATERS {
            kept.push(entry);
            continue;
        }
        let same = |place: usize| kept.get(place).is_some_and(|own| own.api_version == entry.api_version);
        let found = buckets.iter_mut().find(|(place, _)| same(*place));
        match found.and_then(|(place, sets)| Some((kept.get_mut(*place)?, sets))) {
            None => {
                buckets.push((kept.len(), Vec::new()));
                kept.push(entry);
            }
            Some((own, sets)) => {
                own.manager = Cow::Borrowed(ANCIENT);
                own.subresource = Cow::Borrowed("");
                own.time = entry.time;
                sets.push(entry.fields);
                left -= 1;
            }
        }
    }
    for (place, sets) in buckets {
        if let Some(own) = kept.get_mut(place) {
            own.fields = std::mem::take(&mut own.fields).union(Set::union_all(sets));
        }
    }
    *entries = kept;
}

#[cfg(test)]
mod tests;
