//! The thread that owns the database. It takes all requests that wait, answers the reads, and puts
//! the commits into one transaction that reaches the disk with one sync.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::disk::{self, Disk};
use super::history::History;
use super::list::ListRequest;
use super::state::State;
use super::table::Table;
use super::{Error, Expect, Key, Listing, Record, Totals, Write};
use crate::failpoint;

/// Most requests that are taken at once.
const BATCH: usize = 128;

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the thread is asked.
pub(super) enum Request {
    Get(Key, Reply<Option<Record>>),
    List(ListRequest, Reply<Listing>),
    Commit(Vec<Write>, Reply<Vec<Record>>),
    VolatileStatus(Key, Expect, Bytes, Reply<Record>),
    Totals(Reply<Totals>),
    Backup(PathBuf, Reply<()>),
    Close(Reply<()>),
}

/// One logical commit and who waits for it.
type Commit = (Vec<Write>, Reply<Vec<Record>>);

/// Serves requests until the store is closed or nobody can ask any more; then closes the database.
pub(super) fn run(disk: Disk, requests: &Receiver<Request>, history: &History) {
    let Disk { conn, revision, lock, .. } = disk;
    let mut closing = None;
    let served = Table::prepare(&conn).map(|table| {
        let mut state = State::new(table, revision, history.clone());
        closing = serve(&mut state, requests);
        state.finish()
    });
    history.close();
    let closed = served.and_then(|finished| finished).and(disk::close(conn));
    drop(lock);
    if let Some(reply) = closing {
        let _ = reply.send(closed);
    }
}

/// The loop. It gives back who asked to close.
fn serve(state: &mut State<'_>, requests: &Receiver<Request>) -> Option<Reply<()>> {
    let mut commits = Vec::new();
    while let Ok(first) = requests.recv() {
        let mut closing = None;
        let waiting = std::iter::once(first).chain(requests.try_iter()).take(BATCH);
        for request in waiting {
            match request {
                Request::Get(key, reply) => {
                    let result = state.get(&key);
                    answer(state, reply, result);
                }
                Request::List(request, reply) => {
                    let result = state.list(&request);
                    answer(state, reply, result);
                }
                Request::Commit(writes, reply) => commits.push((writes, reply)),
                Request::VolatileStatus(key, expect, status, reply) => {
                    let result = state.set_volatile_status(&key, &expect, status);
                    answer(state, reply, result);
                }
                Request::Totals(reply) => {
                    let result = state.table.totals();
                    answer(state, reply, result);
                }
                Request::Backup(to, reply) => {
                    let result = state.backup(&to);
                    answer(state, reply, result);
                }
                Request::Close(reply) => closing = Some(reply),
            }
            if closing.is_some() {
                break;
            }
        }
        commit(state, std::mem::take(&mut commits));
        if closing.is_some() {
            return closing;
        }
    }
    None
}

/// Commits all in one transaction; where that cannot be, each in its own, so that one that the disk
/// has no room for does not take the others with it.
fn commit(state: &mut State<'_>, commits: Vec<Commit>) {
    let all: Vec<&[Write]> = commits.iter().map(|(writes, _)| writes.as_slice()).collect();
    if all.is_empty() {
        return;
    }
    let name = all.first().and_then(|writes| writes.first()).map(name).unwrap_or_default();
    failpoint::pass("before store", &name);
    let done = state.commit(&all);
    failpoint::pass("after store", &name);
    match done {
        Ok(results) => {
            for ((_, reply), result) in commits.into_iter().zip(results) {
                answer(state, reply, result);
            }
        }
        Err(_) if commits.len() > 1 => {
            for single in commits {
                commit(state, vec![single]);
            }
        }
        Err(error) => {
            if let Some((_, reply)) = commits.into_iter().next() {
                answer(state, reply, Err(error));
            }
        }
    }
}

/// What a commit begins with.
fn name(write: &Write) -> String {
    match write {
        Write::Create { record } => format!("create {}", record.key.resource),
        Write::Update { record, .. } => format!("update {}", record.key.resource),
        Write::Delete { key, .. } => format!("delete {}", key.resource),
    }
}

/// Answers; it does not matter whether someone still listens.
fn answer<T>(state: &mut State<'_>, reply: Reply<T>, result: Result<T, Error>) {
    state.note(&result);
    let _ = reply.send(result);
}
