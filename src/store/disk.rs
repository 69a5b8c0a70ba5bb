//! The database file: how it is laid out, opened, brought up to date, and set aside when it is
//! damaged. It does not know revisions beyond the number that it keeps.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, ffi, params};

use super::history::Floors;
use super::{Error, Notice, StoreOptions};

/// Marks a database as one of k2d ("k2d" and a zero, as SQLite's `application_id`).
const APPLICATION: i64 = 0x6b32_6400;

/// Brings the layout from each version to the next, in order; the first one makes it from nothing.
pub(super) const STEPS: &[&str] = &["
    CREATE TABLE objects (
        id INTEGER PRIMARY KEY,
        resource TEXT NOT NULL,
        path TEXT NOT NULL,
        revision INTEGER NOT NULL,
        head BLOB NOT NULL,
        status BLOB
    ) STRICT;
    CREATE UNIQUE INDEX objects_path ON objects (resource, path);
    CREATE TABLE meta (
        revision INTEGER NOT NULL,
        clean INTEGER NOT NULL
    ) STRICT;
    INSERT INTO meta VALUES (1, 1);
    CREATE TABLE floors (
        resource TEXT PRIMARY KEY,
        revision INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO floors VALUES ('', 1);
"];

/// Bytes of a page: three objects of 2 KB fit, where a page of 4 KiB would hold one.
const PAGE: u32 = 8192;

/// Pages in the write-ahead log after which they are written to their places (1 MiB).
const CHECKPOINT: u32 = 128;

/// Empty pages that are not worth the work of giving them back (1 MiB).
const SPARE: i64 = 128;

/// An open database.
pub(super) struct Disk {
    /// The connection.
    pub(super) conn: Connection,
    /// A revision that no earlier one exceeds.
    pub(super) revision: u64,
    /// From where the changes of each resource are known.
    pub(super) floors: Floors,
    /// What happened to an earlier database.
    pub(super) notice: Option<Notice>,
    /// Kept until the connection is closed, so that no second k2d writes the same file.
    pub(super) lock: Option<File>,
}

/// Opens the database at `path`, or one in memory.
pub(super) fn open(path: Option<&Path>, options: &StoreOptions) -> Result<Disk, Error> {
    let Some(path) = path else {
        return prepare(Connection::open_in_memory()?, options, STEPS);
    };
    let lock = Some(lock(path)?);
    let disk = match open_file(path, options, STEPS) {
        Err(Error::Damaged(reason)) => {
            let revision = last_words(path);
            let moved_to = set_aside(path, "damaged")?;
            let disk = open_file(path, options, STEPS)?;
            let floors = Floors::at(revision);
            finish(&disk.conn, revision, &floors)?;
            Disk { revision, floors, notice: Some(Notice::SetAside { moved_to, reason }), ..disk }
        }
        opened => opened?,
    };
    Ok(Disk { lock, ..disk })
}

/// Gives back room if much of it is empty, writes the log to its place and closes the file.
pub(super) fn close(conn: Connection) -> Result<(), Error> {
    let number = |pragma: &str| conn.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
    let (free, pages) = (number("freelist_count")?, number("page_count")?);
    if free >= SPARE && free * 4 > pages {
        // A row for each page.
        let mut vacuum = conn.prepare("PRAGMA incremental_vacuum")?;
        let mut steps = vacuum.query([])?;
        while steps.next()?.is_some() {}
    }
    let checkpoint = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(Error::from);
    let closed = conn.close().map_err(|(_, error)| Error::from(error));
    checkpoint.and(closed)
}

/// Takes the lock that an open database holds.
pub(super) fn lock(path: &Path) -> Result<File, Error> {
    let place = beside(path, "-lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&place);
    let file = file.map_err(|e| io(&place, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse),
        Err(TryLockError::Error(error)) => Err(io(&place, &error)),
    }
}

/// Opens a database file; `steps` are the layouts that are known.
pub(super) fn open_file(path: &Path, options: &StoreOptions, steps: &[&str]) -> Result<Disk, Error> {
    // The log and its index get the mode of the database file.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|e| io(path, &e))?;
        }
        Err(error) => return Err(io(path, &error)),
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match prepare(Connection::open_with_flags(path, flags)?, options, steps) {
        Err(Error::Full) => {
            // The index of the log has no room either; kept in memory, it lets everything be read.
            let conn = Connection::open_with_flags_and_vfs(path, flags, "unix-excl")?;
            prepare(conn, options, steps)
        }
        prepared => prepared,
    }
}

/// Checks, brings up to date and tunes what was opened; gives it with the revision that it holds.
fn prepare(mut conn: Connection, options: &StoreOptions, steps: &[&str]) -> Result<Disk, Error> {
    let version = check(&conn, steps)?;
    if version == 0 {
        conn.pragma_update(None, "page_size", PAGE)?;
        conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    conn.pragma_update(None, "cache_size", -i64::from(options.cache_kib))?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "mmap_size", 0)?;
    // What is deleted, a secret perhaps, is overwritten where that costs no further write.
    conn.pragma_update(None, "secure_delete", "FAST")?;
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "journal_size_limit", 2 * PAGE * CHECKPOINT)?;
    conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT)?;
    if let Some(limit) = options.max_bytes {
        let pages = limit / u64::from(PAGE);
        conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    migrate(&mut conn, version, steps)?;
    let (revision, floors) = standing(&conn)?;
    Ok(Disk { conn, revision, floors, notice: None, lock: None })
}

/// The revision where the store begins, and from where it knows all changes: after a kill from that
/// revision on, else from where it knew them at its end.
fn standing(conn: &Connection) -> Result<(u64, Floors), Error> {
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, bool>(1)?));
    let (revision, clean) = conn.query_row("SELECT revision, clean FROM meta", [], read)?;
    let mut floors = Floors::at(revision);
    if clean {
        let mut all = conn.prepare("SELECT resource, revision FROM floors")?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            let (resource, floor): (String, i64) = (row.get(0)?, row.get(1)?);
            match resource.as_str() {
                "" => floors.rest = floor.cast_unsigned(),
                resource => floors.lift(&resource.into(), floor.cast_unsigned()),
            }
        }
    }
    Ok((revision, floors))
}

/// Writes where the store stands at its end, so that the next start neither checks all pages nor
/// leaves out revisions nor forgets what every client has seen.
pub(super) fn finish(conn: &Connection, revision: u64, floors: &Floors) -> Result<(), Error> {
    let change = conn.unchecked_transaction()?;
    change.execute("UPDATE meta SET revision = ?1, clean = 1", [revision.cast_signed()])?;
    change.execute("DELETE FROM floors", [])?;
    let mut insert = change.prepare("INSERT INTO floors VALUES (?1, ?2)")?;
    insert.execute(params!["", floors.rest.cast_signed()])?;
    for (resource, floor) in &floors.own {
        insert.execute(params![&**resource, floor.cast_signed()])?;
    }
    drop(insert);
    change.commit()?;
    Ok(())
}

/// The version of the layout, 0 for an empty file; or why it cannot be used.
pub(super) fn check(conn: &Connection, steps: &[&str]) -> Result<usize, Error> {
    let number = |pragma: &str| conn.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(0);
    }
    if application != APPLICATION {
        return Err(Error::Foreign);
    }
    let known = steps.len();
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > known {
        return Err(Error::Newer { found: version, known });
    }
    let clean: Option<i64> = match version {
        0 => None,
        _ => conn.query_row("SELECT clean FROM meta", [], |row| row.get(0)).optional()?,
    };
    if clean != Some(1) {
        check_pages(conn)?;
    }
    Ok(version)
}

/// Looks at every page.
pub(super) fn check_pages(conn: &Connection) -> Result<(), Error> {
    let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(Error::Damaged(verdict)) }
}

fn migrate(conn: &mut Connection, version: usize, steps: &[&str]) -> Result<(), Error> {
    let missing = steps.get(version..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    let change = conn.transaction()?;
    for step in missing {
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "application_id", APPLICATION)?;
    change.execute_batch(&format!("PRAGMA user_version = {}", steps.len()))?;
    change.commit()?;
    Ok(())
}

/// The revision that a damaged database still tells, or else one that it cannot have reached: the
/// seconds since 1970, as no store made a change each second from then on.
pub(super) fn last_words(path: &Path) -> u64 {
    let told = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .and_then(|conn| conn.query_row("SELECT revision FROM meta", [], |row| row.get::<_, i64>(0)));
    told.unwrap_or_else(|_| Timestamp::now().as_second()).cast_unsigned()
}

/// Moves a database and its log to a name that is free: `<path>.<why>-<time>`.
pub(super) fn set_aside(path: &Path, why: &str) -> Result<PathBuf, Error> {
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut to = beside(path, &format!(".{why}-{time}"));
    for number in 2.. {
        if !to.exists() {
            break;
        }
        to = beside(path, &format!(".{why}-{time}-{number}"));
    }
    // The log goes first: without it the file is as it was before, with a foreign one it is not.
    for part in ["-wal", "-shm", ""] {
        match std::fs::rename(beside(path, part), beside(&to, part)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(io(path, &error)),
        }
    }
    Ok(to)
}

/// The path with something appended to its last name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(super) fn io(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull => Error::Full,
        _ => Error::Io(format!("{}: {error}", path.display())),
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        if error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE) {
            return Self::Full;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Io(error.to_string()),
        }
    }
}
