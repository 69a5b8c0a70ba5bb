//! What the store costs: durable creates beside a bare SQLite loop with the same settings, lists,
//! watches, disk and memory. Prints a table; run by `cargo bench --bench store`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k2d::store::{Key, ListRange, Record, Store, StoreOptions, Write};
use rusqlite::{Connection, params};
use serde_json::json;

/// Creates in each measurement.
const CREATES: u32 = 1_000;

/// Bytes of an object.
const SIZE: usize = 2_048;

/// Says to this program which database it only opens, to see what that takes in a fresh process.
const OPEN: &str = "K2D_BENCH_OPEN";

fn main() -> Result<()> {
    if let Some(path) = std::env::var_os(OPEN) {
        return memory(Path::new(&path));
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("store-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let done = runtime.block_on(measure(&folder));
    fs::remove_dir_all(&folder)?;
    done
}

async fn measure(folder: &Path) -> Result<()> {
    let (bare, bare_bytes) = bare_loop(&folder.join("bare.db"))?;
    print("bare SQLite loop, 1 client", bare, &format!("{} KiB written each", bare_bytes / 1024 / u64::from(CREATES)));
    for clients in [1, 8] {
        let path = folder.join(format!("store-{clients}.db"));
        let store = Store::open(&path, &StoreOptions::default())?.store;
        let before = written()?;
        let taken = creates(&store, clients).await?;
        let bytes = (written()? - before) / 1024 / u64::from(CREATES);
        let ratio = bare.as_secs_f64() / taken.as_secs_f64();
        let label = format!("store, {clients} client{}", if clients == 1 { "" } else { "s" });
        print(&label, taken, &format!("{bytes} KiB written each, {ratio:.2} x the bare loop"));
        store.close().await?;
    }
    let path = folder.join("store-1.db");
    let disk = fs::metadata(&path)?.len();
    println!("{:<28} {:>9} B an object of {SIZE} B", "disk", disk / u64::from(CREATES));

    let status = Command::new(std::env::current_exe()?).env(OPEN, &path).status()?;
    anyhow::ensure!(status.success(), "the fresh process failed");

    let store = Store::open(&path, &StoreOptions::default())?.store;
    for round in ["first", "second"] {
        let start = Instant::now();
        let bytes = walk(&store).await?;
        let label = format!("list of {CREATES}, {round}");
        println!("{label:<28} {:>9.2} ms, {} KiB in parts of 50", millis(start.elapsed()), bytes / 1024);
    }
    watchers(&store).await?;
    store.close().await?;
    Ok(())
}

/// Anonymous memory of a process that opens a store and reads it.
fn memory(path: &Path) -> Result<()> {
    let before = anonymous()?;
    let grown = |label: &str| -> Result<()> {
        println!("{label:<28} {:>9} KiB anonymous", anonymous()? - before);
        Ok(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    grown("runtime")?;
    let store = Store::open(path, &StoreOptions::default())?.store;
    grown("with an open store")?;
    runtime.block_on(walk(&store))?;
    grown("after a list")?;
    runtime.block_on(watchers(&store))?;
    grown("with a full history")
}

/// Durable inserts of the same objects by nothing but SQLite, and the bytes that they wrote.
fn bare_loop(path: &Path) -> Result<(Duration, u64)> {
    let conn = Connection::open(path)?;
    conn.execute_batch(
        "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA cache_size = -256;
        PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 128;
        CREATE TABLE objects (id INTEGER PRIMARY KEY, resource TEXT, path TEXT, revision INTEGER, head BLOB, status BLOB);
        CREATE UNIQUE INDEX objects_path ON objects (resource, path);",
    )?;
    let mut insert = conn.prepare("INSERT INTO objects (resource, path, revision, head) VALUES (?1, ?2, ?3, ?4)")?;
    let before = written()?;
    let start = Instant::now();
    for number in 0..CREATES {
        let record = object(number);
        insert.execute(params!["pods", record.key.path(), number, &record.head[..]])?;
    }
    Ok((start.elapsed(), written()? - before))
}

/// Creates by some clients, each of which waits for its answer.
async fn creates(store: &Store, clients: u32) -> Result<Duration> {
    let start = Instant::now();
    let client = |client: u32| async move {
        for number in (client..CREATES).step_by(clients as usize) {
            store.commit(vec![Write::Create { record: object(number) }]).await?;
        }
        Ok::<_, k2d::store::Error>(())
    };
    futures_util::future::try_join_all((0..clients).map(client)).await?;
    Ok(start.elapsed())
}

/// Reads all objects in parts, as JSON; gives their bytes.
async fn walk(store: &Store) -> Result<usize> {
    let (mut bytes, mut out) = (0, Vec::new());
    let mut range = ListRange { limit: Some(50), skip_count: true, ..ListRange::default() };
    loop {
        let part = store.list("pods", None, range.clone()).await?;
        out.clear();
        part.records.iter().for_each(|record| record.render(&mut out));
        bytes += out.len();
        let Some(last) = part.records.last().filter(|_| part.more) else { return Ok(bytes) };
        range.after = Some((last.key.namespace.clone(), last.key.name.clone()));
        range.at = Some(part.revision);
    }
}

/// 1,000 updates of a status that is not written, seen by 100 watches.
async fn watchers(store: &Store) -> Result<()> {
    let local = tokio::task::LocalSet::new();
    let watches: Vec<_> = (0..100)
        .map(|_| {
            let store = store.clone();
            local.spawn_local(async move {
                let mut watch = store.watch("pods", None)?;
                for _ in 0..CREATES {
                    watch.next().await.transpose()?;
                }
                Ok::<_, k2d::store::Error>(())
            })
        })
        .collect();
    let updates = async {
        // The watches begin first.
        tokio::task::yield_now().await;
        let start = Instant::now();
        for number in 0..CREATES {
            let status = json!({"phase": "Running", "n": number}).to_string();
            let key = object(number).key;
            store.set_volatile_status(&key, k2d::store::Expect::Any, status.into()).await?;
        }
        for watch in watches {
            watch.await??;
        }
        println!("{:<28} {:>9.2} ms", "1,000 updates x 100 watches", millis(start.elapsed()));
        Ok(())
    };
    local.run_until(updates).await
}

fn object(number: u32) -> Record {
    let key = Key::new("pods", "default", format!("web-{:08x}", number.wrapping_mul(2_654_435_761)));
    let metadata = json!({"name": key.name, "namespace": key.namespace, "uid": "00000000-0000-0000-0000-000000000000"});
    let mut object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": ""});
    let missing = SIZE.saturating_sub(object.to_string().len());
    object["spec"] = "x".repeat(missing).into();
    Record::from_value(key, &object)
}

fn print(label: &str, taken: Duration, more: &str) {
    println!("{label:<28} {:>9.0} creates/s, {more}", f64::from(CREATES) / taken.as_secs_f64());
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Bytes that this process has sent to the disk.
fn written() -> Result<u64> {
    number("/proc/self/io", "write_bytes:")
}

/// Anonymous memory of this process in KiB.
fn anonymous() -> Result<u64> {
    number("/proc/self/smaps_rollup", "Anonymous:")
}

/// A number in a file of lines of names and numbers.
fn number(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    Ok(line.split_whitespace().next().context("no number")?.parse()?)
}
