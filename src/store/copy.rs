//! Backup and restore: a database becomes one file, and such a file becomes the database.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::disk::{STEPS, beside, check, check_pages, close, finish, io, last_words, lock, open_file, set_aside};
use super::history::Floors;
use super::{Error, StoreOptions};

/// Copies the database at `from`, which may be in use, to the new file `to` (mode 0600).
pub(super) fn backup(from: &Path, to: &Path) -> Result<(), Error> {
    let conn = open(from)?;
    check(&conn, STEPS)?;
    backup_from(&conn, to)
}

/// Copies what the connection sees to the new file `to` (mode 0600).
pub(super) fn backup_from(conn: &Connection, to: &Path) -> Result<(), Error> {
    let name = to.to_str().ok_or_else(|| Error::Io(format!("{}: not a name in UTF-8", to.display())))?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(|e| io(to, &e))?;
    let copied = conn.execute("VACUUM INTO ?1", [name]).map_err(Error::from);
    let copied = copied.and_then(|_| file.sync_all().map_err(|e| io(to, &e)));
    if copied.is_err() {
        let _ = std::fs::remove_file(to);
    }
    copied
}

/// Puts a copy of the backup `from` in the place of the database at `to`, which nobody may have open
/// and which is kept under another name; gives that name. The revision goes on above both, so that
/// no client takes what is restored for what it knows.
pub(super) fn restore(from: &Path, to: &Path) -> Result<Option<PathBuf>, Error> {
    let _lock = lock(to)?;
    let source = open(from)?;
    if check(&source, STEPS)? == 0 {
        return Err(Error::Foreign);
    }
    check_pages(&source)?;
    let draft = beside(to, ".restore");
    let _ = std::fs::remove_file(&draft);
    backup_from(&source, &draft)?;
    let revision = last_words(from).max(last_words(to)) + 1;
    let copy = open_file(&draft, &StoreOptions::default(), STEPS)?;
    finish(&copy.conn, revision, &Floors::at(revision))?;
    close(copy.conn)?;

    let kept = if to.exists() { Some(set_aside(to, "replaced")?) } else { None };
    std::fs::rename(&draft, to).map_err(|e| io(to, &e))?;
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| io(folder, &e))?;
    }
    Ok(kept)
}

fn open(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(path, flags)?)
}
