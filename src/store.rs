//! Objects on disk as JSON bytes, one revision for everything, and a history to watch. It does not
//! know kinds or rules: a key and bytes are all it sees.
//!
//! Every change gets the next revision and an event. The revision grows strictly, also over a kill:
//! a range is reserved on disk before it is given out. A commit is on the disk when it returns; those
//! that come at the same time share a sync.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::oneshot;

mod copy;
mod disk;
mod history;
mod list;
mod record;
mod state;
mod table;
mod worker;

#[cfg(test)]
mod tests;

pub use history::{Event, EventKind, HistoryFacts, Watch};
pub use list::{ListRange, Listing};
pub use record::{Key, Record};

use history::History;
use list::ListRequest;
use table::Table;
use worker::{Reply, Request};

/// Why the store did not do what it was asked.
#[derive(Debug, Error)]
pub enum Error {
    /// There is an object of this key already.
    #[error("the object already exists")]
    Exists,
    /// There is no object of this key.
    #[error("the object does not exist")]
    NotFound,
    /// The object is not of the revision that was expected.
    #[error("the object was changed: it is at revision {current}")]
    Conflict {
        /// Its revision.
        current: u64,
    },
    /// The history does not reach back to the revision that was asked for.
    #[error("the history begins at revision {oldest}")]
    Expired {
        /// The oldest revision from which it is complete.
        oldest: u64,
    },
    /// The revision that was asked for is still to come.
    #[error("the store is at revision {current}")]
    TooLarge {
        /// Revision of the latest change.
        current: u64,
    },
    /// The database does not read as one.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// The database was written by a later version of k2d.
    #[error("the database has layout {found} of a newer k2d; this one knows up to {known}")]
    Newer {
        /// Version of its layout.
        found: usize,
        /// Highest version that this program knows.
        known: usize,
    },
    /// The file is a database, but not one of k2d.
    #[error("the file is a database of another program")]
    Foreign,
    /// Another process has the database open.
    #[error("another k2d uses the database")]
    InUse,
    /// There is no room on the disk. What was stored stays; later writes may succeed.
    #[error("no space is left on the disk")]
    Full,
    /// The disk or the file system failed.
    #[error("the database cannot be read or written: {0}")]
    Io(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Bytes of objects that the history of events holds at the most (or one event, if that is larger).
    pub history_bytes: usize,
    /// KiB of database pages that are kept in memory at the most.
    pub cache_kib: u32,
    /// Bytes that the database may take at the most; `None` is as much as the disk has.
    pub max_bytes: Option<u64>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { history_bytes: 512 * 1024, cache_kib: 256, max_bytes: None }
    }
}

/// A store that was opened, and what the people who run it should be told.
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Something that happened to the database.
    pub notice: Option<Notice>,
}

/// Something that happened to the database when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It was damaged; it was moved, and the store is empty.
    SetAside {
        /// Where it is now.
        moved_to: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// One change within a commit.
#[derive(Clone, Debug)]
pub enum Write {
    /// Stores an object under a key that is free.
    Create {
        /// The object; its revision is ignored.
        record: Record,
    },
    /// Replaces an object.
    Update {
        /// The new state; its revision is ignored. A volatile status that it repeats stays volatile.
        record: Record,
        /// Revision that must be the current one.
        expect: u64,
    },
    /// Removes an object.
    Delete {
        /// Its key.
        key: Key,
        /// Revision that must be the current one, if it matters.
        expect: Option<u64>,
        /// The state that watchers see last; else the current one.
        last: Option<Record>,
    },
}

/// What is stored, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Objects by resource, sorted.
    pub objects: Vec<(String, u64)>,
    /// Bytes of the database.
    pub bytes: u64,
}

/// What must hold for a volatile status to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Only that the object is there.
    Any,
    /// The object is of this revision; else [`Error::Conflict`].
    Revision(u64),
    /// `metadata.uid` is this; else [`Error::NotFound`].
    Uid(String),
}

/// A handle on the store, cheap to clone. When the last one is dropped the database is closed.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    requests: Option<Sender<Request>>,
    history: History,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the database at `path` and makes it where it is not there. Blocks; a damaged one is set
    /// aside, which the notice tells.
    ///
    /// # Errors
    /// [`Error::Newer`], [`Error::Foreign`], [`Error::InUse`], [`Error::Io`], [`Error::Full`].
    pub fn open(path: &Path, options: &StoreOptions) -> Result<Opened, Error> {
        Self::start(Some(path.to_owned()), options.clone())
    }

    /// A store that is gone when it is dropped, for tests.
    ///
    /// # Errors
    /// [`Error::Io`] when no thread can be started.
    pub fn in_memory() -> Result<Self, Error> {
        Ok(Self::start(None, StoreOptions::default())?.store)
    }

    fn start(path: Option<PathBuf>, options: StoreOptions) -> Result<Opened, Error> {
        let history = History::new(options.history_bytes);
        let (requests, inbox) = channel();
        let (ready, opened) = channel();
        let events = history.clone();
        let thread = Builder::new().name("store".into()).stack_size(512 * 1024).spawn(move || {
            let disk = disk::open(path.as_deref(), &options);
            match disk.and_then(|disk| Table::prepare(&disk.conn).map(drop).and(Ok(disk))) {
                Ok(mut disk) => {
                    events.start(disk.revision, std::mem::take(&mut disk.floors));
                    let _ = ready.send(Ok(disk.notice.take()));
                    worker::run(disk, &inbox, &events);
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        });
        let thread = thread.map_err(|error| Error::Io(error.to_string()))?;
        let notice = opened.recv().unwrap_or(Err(Error::Closed))?;
        let inner = Inner { requests: Some(requests), history, thread: Mutex::new(Some(thread)) };
        Ok(Opened { store: Self(Arc::new(inner)), notice })
    }

    /// One object.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Io`], [`Error::Closed`].
    pub async fn get(&self, key: &Key) -> Result<Option<Record>, Error> {
        self.ask(|reply| Request::Get(key.clone(), reply)).await
    }

    /// The objects of a resource in a namespace or in all, sorted by `namespace/name` as bytes. A long
    /// list can be walked in parts: the first one says its revision, the next ones ask for that.
    ///
    /// # Errors
    /// [`Error::Expired`] and [`Error::TooLarge`] for the revision asked for; else as [`Store::get`].
    pub async fn list(&self, resource: &str, namespace: Option<&str>, range: ListRange) -> Result<Listing, Error> {
        let (resource, namespace) = (Arc::from(resource), namespace.map(str::to_owned));
        self.ask(|reply| Request::List(ListRequest { resource, namespace, range }, reply)).await
    }

    /// Does all writes or none; they are on the disk when it returns. Each gets a revision of its own,
    /// in their order. Gives the objects back as they are now (the last state of deleted ones).
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::NotFound`], [`Error::Conflict`] for the first write that may not be
    /// done; [`Error::Full`]; else as [`Store::get`].
    pub async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Record>, Error> {
        self.write(|reply| Request::Commit(writes, reply)).await
    }

    /// Gives an object another status that is seen everywhere but not written to disk: it gets a
    /// revision and an event, and is gone after a restart. A later durable write with another status
    /// replaces it. A status that is the same already changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`]; [`Error::Full`] where revisions must be reserved; else
    /// as [`Store::get`].
    pub async fn set_volatile_status(&self, key: &Key, expect: Expect, status: Bytes) -> Result<Record, Error> {
        self.write(|reply| Request::VolatileStatus(key.clone(), expect, status, reply)).await
    }

    /// Revision of the latest change; at least 1.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.0.history.lock().revision()
    }

    /// Lets the history begin now: watches from before are told that this is too long ago. For the
    /// moment when a new store has been filled in and nobody knows it yet.
    pub fn begin_history(&self) {
        self.0.history.begin();
    }

    /// The changes of a resource after the revision `from`, or from now on.
    ///
    /// # Errors
    /// [`Error::Expired`], [`Error::TooLarge`], [`Error::Closed`].
    pub fn watch(&self, resource: &str, from: Option<u64>) -> Result<Watch, Error> {
        self.0.history.watch(resource, from)
    }

    /// How many objects of each resource there are, and how large the database is.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn totals(&self) -> Result<Totals, Error> {
        self.ask(Request::Totals).await
    }

    /// What the history holds, and who watches.
    #[must_use]
    pub fn history(&self) -> HistoryFacts {
        self.0.history.lock().facts()
    }

    /// Copies the database to the new file `to` (mode 0600), which must not exist yet.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Full`], [`Error::Closed`].
    pub async fn backup(&self, to: &Path) -> Result<(), Error> {
        self.ask(|reply| Request::Backup(to.to_owned(), reply)).await
    }

    /// The same for a database that another process may have open.
    ///
    /// # Errors
    /// As [`Store::open`] and [`Store::backup`].
    pub fn backup_file(from: &Path, to: &Path) -> Result<(), Error> {
        copy::backup(from, to)
    }

    /// Puts a copy of the backup `from` in the place of the database at `to`, which no process may have
    /// open. What was there is kept under the name that it gives. The revision goes on above both.
    ///
    /// # Errors
    /// As [`Store::open`], and [`Error::Damaged`] for the backup; the database is then as it was.
    pub fn restore_file(from: &Path, to: &Path) -> Result<Option<PathBuf>, Error> {
        copy::restore(from, to)
    }

    /// Closes the database after the commits that wait, and ends all watches. Every later request of
    /// any handle gives [`Error::Closed`].
    ///
    /// # Errors
    /// As [`Store::commit`] for what the end itself writes.
    pub async fn close(&self) -> Result<(), Error> {
        self.ask(Request::Close).await
    }

    /// Asks for a change, and lets those who watch see it before the caller makes the next one: a task
    /// with many changes to make would else run ahead of the history.
    async fn write<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Error> {
        let result = self.ask(request).await;
        tokio::task::yield_now().await;
        result
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let requests = self.0.requests.as_ref().ok_or(Error::Closed)?;
        requests.send(request(reply)).map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The thread ends when nobody can ask any more, and has then closed the file.
        self.requests = None;
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}
