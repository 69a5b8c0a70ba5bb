//! Reading a range of objects in order, as it is now or as it was at an earlier revision.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::state::State;
use super::table::parts;
use super::{Error, Key, Record};

/// Sorts after every path.
const END: &str = "\u{10ffff}";

/// Which part of a list to read.
#[derive(Clone, Debug, Default)]
pub struct ListRange {
    /// Begins after this namespace and name.
    pub after: Option<(String, String)>,
    /// At most so many.
    pub limit: Option<usize>,
    /// As it was at this revision, which may be as old as the history reaches.
    pub at: Option<u64>,
    /// Does not count what remains: for a reader of many parts who need not know.
    pub skip_count: bool,
}

/// A part of a list.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The revision whose state it shows.
    pub revision: u64,
    /// The objects, sorted by `namespace/name` as bytes, as a kube-apiserver lists them.
    pub records: Vec<Record>,
    /// Whether more follow.
    pub more: bool,
    /// How many follow, if they were counted.
    pub remaining: Option<u64>,
}

/// A range of one resource, in one namespace or all.
pub(super) struct ListRequest {
    pub(super) resource: Arc<str>,
    pub(super) namespace: Option<String>,
    pub(super) range: ListRange,
}

impl ListRequest {
    /// The paths between which the objects are.
    fn bounds(&self) -> (String, String) {
        let (low, high) = match &self.namespace {
            // The character after the slash.
            Some(namespace) => (format!("{namespace}/"), format!("{namespace}0")),
            None => (String::new(), END.to_owned()),
        };
        let after = self.range.after.as_ref().map(|(namespace, name)| format!("{namespace}/{name}"));
        (after.map_or(low.clone(), |after| after.max(low)), high)
    }
}

impl State<'_> {
    /// Reads a range.
    pub(super) fn list(&mut self, request: &ListRequest) -> Result<Listing, Error> {
        let (low, high) = request.bounds();
        let revision = request.range.at.unwrap_or(self.revision);
        let older = self.history.lock().undo(&request.resource, revision, &low, &high)?;
        let mut page = Page { limit: request.range.limit.unwrap_or(usize::MAX), records: Vec::new() };
        let more = self.fill(&mut page, request, &older, &low, &high)?.is_break();
        let mut remaining = None;
        if more && !request.range.skip_count {
            let last = page.records.last().map_or(low, |record| record.key.path());
            remaining = Some(self.count(&request.resource, &older, &last, &high)?);
        }
        Ok(Listing { revision, records: page.records, more, remaining })
    }

    /// Merges the rows with what was there before they changed; breaks off when the page is full.
    fn fill(
        &mut self,
        page: &mut Page,
        request: &ListRequest,
        older: &Older,
        low: &str,
        high: &str,
    ) -> Result<ControlFlow<()>, Error> {
        let mut older = older.iter().peekable();
        let mut rows = self.table.range(&request.resource, low, high)?;
        loop {
            let row = rows.next()?;
            let path = match row {
                Some(row) => Some(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?),
                None => None,
            };
            let mut replaced = false;
            while let Some((old_path, old)) = older.next_if(|(old, _)| path.is_none_or(|path| old.as_str() <= path)) {
                replaced = path == Some(old_path);
                if let Some(old) = old
                    && page.add(|| Ok(Record::clone(old)))?.is_break()
                {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let (Some(row), Some(path)) = (row, path) else { return Ok(ControlFlow::Continue(())) };
            if replaced {
                continue;
            }
            let added = page.add(|| {
                let (namespace, name) = path.split_once('/').unwrap_or_default();
                let key = Key::new(request.resource.clone(), namespace, name);
                let (head, status) = parts(row, 3)?;
                let record = Record { key, revision: row.get::<_, i64>(2)?.cast_unsigned(), head, status };
                Ok(match self.volatile.get(&row.get(1)?) {
                    Some(volatile) => volatile.over(record),
                    None => record,
                })
            })?;
            if added.is_break() {
                return Ok(added);
            }
        }
    }

    /// How many objects were between two paths.
    fn count(&mut self, resource: &str, older: &Older, low: &str, high: &str) -> Result<u64, Error> {
        let mut count = self.table.count(resource, low, high)?;
        for (path, old) in older.iter().filter(|(path, _)| path.as_str() > low) {
            match (old.is_some(), self.table.find(resource, path)?.is_some()) {
                (true, false) => count += 1,
                (false, true) => count = count.saturating_sub(1),
                _ => {}
            }
        }
        Ok(count)
    }
}

/// What was at the paths that changed since the revision that is listed.
type Older = BTreeMap<String, Option<Arc<Record>>>;

/// The records of a page that is being filled.
struct Page {
    limit: usize,
    records: Vec<Record>,
}

impl Page {
    /// Adds a record, or breaks off without making it because the page is full.
    fn add(&mut self, record: impl FnOnce() -> Result<Record, Error>) -> Result<ControlFlow<()>, Error> {
        if self.records.len() >= self.limit {
            return Ok(ControlFlow::Break(()));
        }
        self.records.push(record()?);
        Ok(ControlFlow::Continue(()))
    }
}
