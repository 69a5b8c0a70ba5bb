//! What the store's thread keeps beside the rows: the revision, and statuses that are not on disk.
//! The rules of a write are here; it knows nothing of channels and of who asked.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use super::history::{Event, EventKind, History};
use super::table::{Place, Table};
use super::{Error, Expect, Key, Record, Write, copy, disk};

/// Revisions that are reserved by one write. After a kill the revision goes on above them.
const RESERVE: u64 = 10_000;

/// The objects as they are now.
pub(super) struct State<'c> {
    pub(super) table: Table<'c>,
    pub(super) history: History,
    /// Revision of the latest change.
    pub(super) revision: u64,
    /// The statuses that are not on disk, by the row to which each belongs.
    pub(super) volatile: HashMap<i64, Volatile>,
    /// No revision above it may be given out before a higher one is on disk.
    bound: u64,
    /// A page did not read as one: the next start has to look at all of them.
    damaged: bool,
}

/// A status that stands over that of the row.
pub(super) struct Volatile {
    resource: Arc<str>,
    revision: u64,
    status: Bytes,
}

impl Volatile {
    /// The record as it is seen with this status.
    pub(super) fn over(&self, record: Record) -> Record {
        Record { revision: self.revision, status: Some(self.status.clone()), ..record }
    }
}

/// What a transaction changes beside the rows; comes into force when it is on disk.
#[derive(Default)]
struct Staged {
    revision: u64,
    events: Vec<Event>,
    volatile: Vec<(i64, Option<Volatile>)>,
}

/// What became of one logical commit.
pub(super) type Outcome = Result<Vec<Record>, Error>;

/// An object and its row.
struct Current {
    place: Place,
    record: Arc<Record>,
    volatile: bool,
}

/// Why a logical commit is not done.
enum Failure {
    /// It may not be; others are not concerned.
    Refused(Error),
    /// The database failed; the whole transaction is lost.
    Broken(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl<'c> State<'c> {
    /// The state when a database was opened that stands at `revision`.
    pub(super) fn new(table: Table<'c>, revision: u64, history: History) -> Self {
        Self { table, history, revision, volatile: HashMap::new(), bound: revision, damaged: false }
    }

    /// One object.
    pub(super) fn get(&mut self, key: &Key) -> Result<Option<Record>, Error> {
        let current = self.current(key, &Staged::default())?;
        Ok(current.map(|current| Arc::unwrap_or_clone(current.record)))
    }

    /// Does all commits in one transaction. A commit that may not be done fails by itself; an error
    /// of the database means that none is done.
    pub(super) fn commit(&mut self, commits: &[&[Write]]) -> Result<Vec<Outcome>, Error> {
        let (outcomes, staged) = match self.attempt(commits) {
            // The log may hold room that nothing needs any more.
            Err(Error::Full) if self.table.restart_log().is_ok() => self.attempt(commits)?,
            done => done?,
        };
        self.revision = staged.revision;
        for (id, volatile) in staged.volatile {
            match volatile {
                Some(volatile) => self.volatile.insert(id, volatile),
                None => self.volatile.remove(&id),
            };
        }
        if !staged.events.is_empty() {
            self.history.publish(staged.events);
        }
        Ok(outcomes)
    }

    /// Gives an object another status that is not written.
    pub(super) fn set_volatile_status(&mut self, key: &Key, expect: &Expect, status: Bytes) -> Result<Record, Error> {
        let current = self.current(key, &Staged::default())?.ok_or(Error::NotFound)?;
        match expect {
            Expect::Any => {}
            Expect::Revision(revision) if *revision == current.record.revision => {}
            Expect::Revision(_) => return Err(Error::Conflict { current: current.record.revision }),
            Expect::Uid(uid) if *uid == uid_of(&current.record) => {}
            Expect::Uid(_) => return Err(Error::NotFound),
        }
        if current.record.status.as_ref() == Some(&status) {
            return Ok(Arc::unwrap_or_clone(current.record));
        }
        let revision = self.revision + 1;
        if revision > self.bound {
            let bound = revision + RESERVE;
            match self.table.reserve(bound) {
                Err(Error::Full) if self.table.restart_log().is_ok() => self.table.reserve(bound)?,
                reserved => reserved?,
            }
            self.bound = bound;
        }
        self.revision = revision;
        let volatile = Volatile { resource: key.resource.clone(), revision, status: status.clone() };
        self.volatile.insert(current.place.id, volatile);
        let previous = current.record;
        let record = Record { revision, status: Some(status), ..Record::clone(&previous) };
        let event =
            Event { kind: EventKind::Modified, record: Arc::new(record.clone()), previous: Some(previous), revision };
        self.history.publish(vec![event]);
        Ok(record)
    }

    /// Copies the database to a new file.
    pub(super) fn backup(&self, to: &Path) -> Result<(), Error> {
        copy::backup_from(self.table.conn, to)
    }

    /// Remembers what a request met.
    pub(super) fn note<T>(&mut self, result: &Result<T, Error>) {
        self.damaged |= matches!(result, Err(Error::Damaged(_)));
    }

    /// Says on disk where the store ends. The statuses that are lost by it count as one more change
    /// of their resources, so that nobody goes on from a state that is not there any more.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        if self.bound == self.revision || self.damaged {
            return Ok(());
        }
        let mut floors = self.history.lock().final_floors();
        if !self.volatile.is_empty() {
            self.revision += 1;
        }
        for volatile in self.volatile.values() {
            floors.lift(&volatile.resource, self.revision);
        }
        disk::finish(self.table.conn, self.revision, &floors)
    }

    fn attempt(&mut self, commits: &[&[Write]]) -> Result<(Vec<Outcome>, Staged), Error> {
        let mut staged = Staged { revision: self.revision, ..Staged::default() };
        let done = self.transact(commits, &mut staged);
        if done.is_err() {
            self.table.rollback();
        }
        Ok((done?, staged))
    }

    fn transact(&mut self, commits: &[&[Write]], staged: &mut Staged) -> Result<Vec<Outcome>, Error> {
        self.table.begin()?;
        let mut outcomes = Vec::with_capacity(commits.len());
        for writes in commits {
            outcomes.push(match self.apply(writes, staged) {
                Ok(records) => Ok(records),
                Err(Failure::Refused(error)) => Err(error),
                Err(Failure::Broken(error)) => return Err(error),
            });
        }
        if staged.events.is_empty() {
            self.table.rollback();
            return Ok(outcomes);
        }
        let mut bound = self.bound;
        if staged.revision + RESERVE / 4 > bound {
            bound = staged.revision + RESERVE;
            self.table.reserve(bound)?;
        }
        self.table.commit()?;
        self.bound = bound;
        Ok(outcomes)
    }

    /// Does one logical commit within the transaction, all of it or nothing.
    fn apply(&mut self, writes: &[Write], staged: &mut Staged) -> Result<Vec<Record>, Failure> {
        let (revision, events, volatile) = (staged.revision, staged.events.len(), staged.volatile.len());
        // A single write is checked before anything is changed.
        let several = writes.len() > 1;
        if several {
            self.table.save()?;
        }
        let mut records = Vec::with_capacity(writes.len());
        for write in writes {
            match self.write(write, staged) {
                Ok(record) => records.push(record),
                Err(failure) => {
                    if several && matches!(failure, Failure::Refused(_)) {
                        self.table.undo()?;
                    }
                    staged.revision = revision;
                    staged.events.truncate(events);
                    staged.volatile.truncate(volatile);
                    return Err(failure);
                }
            }
        }
        if several {
            self.table.keep()?;
        }
        Ok(records)
    }

    fn write(&mut self, write: &Write, staged: &mut Staged) -> Result<Record, Failure> {
        let revision = staged.revision + 1;
        let (kind, record, previous) = match write {
            Write::Create { record } | Write::Pass { record } => {
                if self.current(&record.key, staged)?.is_some() {
                    return Err(Failure::Refused(Error::Exists));
                }
                let record = Record { revision, ..record.clone() };
                self.table.insert(&record, matches!(write, Write::Pass { .. }))?;
                (EventKind::Added, record, None)
            }
            Write::Update { record, expect } => {
                let current = self.expect(&record.key, Some(*expect), staged)?;
                let record = Record { revision, ..record.clone() };
                // A status that is not on disk and did not change need not get there.
                let keep = current.volatile && record.status == current.record.status;
                self.table.update(current.place, &record, !keep)?;
                if current.volatile {
                    let status = record.status.clone().filter(|_| keep);
                    let resource = record.key.resource.clone();
                    let volatile = status.map(|status| Volatile { resource, revision, status });
                    staged.volatile.push((current.place.id, volatile));
                }
                (EventKind::Modified, record, Some(current.record))
            }
            Write::Delete { key, expect, last } => {
                let current = self.expect(key, *expect, staged)?;
                self.table.delete(current.place)?;
                if current.volatile {
                    staged.volatile.push((current.place.id, None));
                }
                let last = last.clone().unwrap_or_else(|| Record::clone(&current.record));
                (EventKind::Deleted, Record { revision, key: key.clone(), ..last }, Some(current.record))
            }
        };
        staged.revision = revision;
        staged.events.push(Event { kind, record: Arc::new(record.clone()), previous, revision });
        Ok(record)
    }

    /// The object, if it is there and of the revision that is expected.
    fn expect(&mut self, key: &Key, revision: Option<u64>, staged: &Staged) -> Result<Current, Failure> {
        let Some(current) = self.current(key, staged)? else { return Err(Failure::Refused(Error::NotFound)) };
        match revision {
            Some(revision) if revision != current.record.revision => {
                Err(Failure::Refused(Error::Conflict { current: current.record.revision }))
            }
            _ => Ok(current),
        }
    }

    /// The object as it is, with what the transaction has staged.
    fn current(&mut self, key: &Key, staged: &Staged) -> Result<Option<Current>, Error> {
        let Some(place) = self.table.find(&key.resource, &key.path())? else { return Ok(None) };
        let volatile = match staged.volatile.iter().rev().find(|(id, _)| *id == place.id) {
            Some((_, volatile)) => volatile.as_ref(),
            None => self.volatile.get(&place.id),
        };
        let revision = volatile.map_or(place.revision, |volatile| volatile.revision);
        let at = staged.events.binary_search_by_key(&revision, |event| event.revision).ok();
        let known = match at.and_then(|at| staged.events.get(at)) {
            Some(event) => Some(event.record.clone()),
            None => self.history.lock().record(key, revision),
        };
        let record = match known {
            Some(record) => record,
            None => {
                let (head, status) = self.table.read(place)?;
                let record = Record { key: key.clone(), revision, head, status };
                Arc::new(match volatile {
                    Some(volatile) => volatile.over(record),
                    None => record,
                })
            }
        };
        Ok(Some(Current { place, record, volatile: volatile.is_some() }))
    }
}

/// `metadata.uid` of an object; empty where it has none.
fn uid_of(record: &Record) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Head {
        metadata: Metadata,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Metadata {
        uid: String,
    }
    serde_json::from_slice::<Head>(&record.head).unwrap_or_default().metadata.uid
}
