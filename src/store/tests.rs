//! What users of the store notice.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::*;

mod commits;
mod files;
mod kill;
mod lists;
mod volatile;
mod watches;

/// A folder that is removed at the end of a test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("k2d-store-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("state.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path) -> Store {
    let opened = Store::open(path, &StoreOptions::default()).unwrap();
    assert_eq!(opened.notice, None);
    opened.store
}

/// A store with a history of so many bytes.
fn with_history(folder: &Folder, history_bytes: usize) -> Store {
    Store::open(&folder.file(), &StoreOptions { history_bytes, ..StoreOptions::default() }).unwrap().store
}

fn key(name: &str) -> Key {
    Key::new("pods", "ns", name)
}

fn object(key: &Key, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": key.name, "namespace": key.namespace}, "data": data})
}

fn record(key: &Key, data: impl Into<Value>) -> Record {
    Record::from_value(key.clone(), &object(key, &data.into()))
}

/// What [`record`] was made of.
fn data(record: &Record) -> Value {
    record.to_value()["data"].clone()
}

fn names(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.key.name.as_str()).collect()
}

async fn one(store: &Store, write: Write) -> Result<Record, Error> {
    Ok(store.commit(vec![write]).await?.remove(0))
}

async fn create(store: &Store, key: &Key, data: impl Into<Value>) -> Record {
    one(store, Write::Create { record: record(key, data) }).await.unwrap()
}

async fn update(store: &Store, old: &Record, data: impl Into<Value>) -> Result<Record, Error> {
    one(store, Write::Update { record: record(&old.key, data), expect: old.revision }).await
}

async fn delete(store: &Store, key: &Key) -> Result<Record, Error> {
    one(store, Write::Delete { key: key.clone(), expect: None, last: None }).await
}

async fn list(store: &Store) -> Listing {
    store.list("pods", None, ListRange::default()).await.unwrap()
}

/// Lets all tasks that can run go on.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
