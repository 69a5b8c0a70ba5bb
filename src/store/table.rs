//! The SQL: each statement prepared once. Rows in, rows out; what they mean is decided elsewhere.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, Rows, Statement, params};

use super::{Error, Record, Totals};

/// The statements of one connection.
pub(super) struct Table<'c> {
    pub(super) conn: &'c Connection,
    find: Statement<'c>,
    read: Statement<'c>,
    range: Statement<'c>,
    count: Statement<'c>,
    insert: Statement<'c>,
    update: Statement<'c>,
    update_head: Statement<'c>,
    delete: Statement<'c>,
    reserve: Statement<'c>,
    restart_log: Statement<'c>,
    begin: Statement<'c>,
    commit: Statement<'c>,
    rollback: Statement<'c>,
    save: Statement<'c>,
    undo: Statement<'c>,
    keep: Statement<'c>,
}

/// Where a row is, and the revision that it holds.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) id: i64,
    pub(super) revision: u64,
}

impl<'c> Table<'c> {
    /// Prepares all statements.
    pub(super) fn prepare(conn: &'c Connection) -> Result<Self, Error> {
        let sql = |text| conn.prepare(text);
        Ok(Self {
            conn,
            find: sql("SELECT id, revision FROM objects WHERE resource = ?1 AND path = ?2")?,
            read: sql("SELECT head, status FROM objects WHERE id = ?1")?,
            range: sql("SELECT path, id, revision, head, status FROM objects
                WHERE resource = ?1 AND path > ?2 AND path < ?3 ORDER BY path")?,
            count: sql("SELECT count(*) FROM objects WHERE resource = ?1 AND path > ?2 AND path < ?3")?,
            insert: sql("INSERT INTO objects (resource, path, revision, head, status) VALUES (?1, ?2, ?3, ?4, ?5)")?,
            update: sql("UPDATE objects SET revision = ?2, head = ?3, status = ?4 WHERE id = ?1")?,
            update_head: sql("UPDATE objects SET revision = ?2, head = ?3 WHERE id = ?1")?,
            delete: sql("DELETE FROM objects WHERE id = ?1")?,
            reserve: sql("UPDATE meta SET revision = ?1, clean = 0")?,
            restart_log: sql("PRAGMA wal_checkpoint(RESTART)")?,
            begin: sql("BEGIN IMMEDIATE")?,
            commit: sql("COMMIT")?,
            rollback: sql("ROLLBACK")?,
            save: sql("SAVEPOINT one")?,
            undo: sql("ROLLBACK TO one")?,
            keep: sql("RELEASE one")?,
        })
    }

    /// Finds a row.
    pub(super) fn find(&mut self, resource: &str, path: &str) -> Result<Option<Place>, Error> {
        let place = self.find.query_row([resource, path], |row| {
            Ok(Place { id: row.get(0)?, revision: row.get::<_, i64>(1)?.cast_unsigned() })
        });
        Ok(place.optional()?)
    }

    /// Reads head and status of a row.
    pub(super) fn read(&mut self, place: Place) -> Result<(Bytes, Option<Bytes>), Error> {
        Ok(self.read.query_row([place.id], |row| parts(row, 0))?)
    }

    /// The rows between two paths, both excluded, in order: path, id, revision, head, status.
    pub(super) fn range(&mut self, resource: &str, low: &str, high: &str) -> Result<Rows<'_>, Error> {
        Ok(self.range.query([resource, low, high])?)
    }

    /// How many rows there are between two paths, both excluded.
    pub(super) fn count(&mut self, resource: &str, low: &str, high: &str) -> Result<u64, Error> {
        let count: i64 = self.count.query_row([resource, low, high], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }

    /// How many rows each resource has, and how large the file is. Asked too seldom for statements of
    /// their own.
    pub(super) fn totals(&self) -> Result<Totals, Error> {
        let mut counted = self.conn.prepare("SELECT resource, count(*) FROM objects GROUP BY resource")?;
        let rows = counted.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        let objects = rows.collect::<Result<Vec<_>, _>>()?;
        let number = |text: &str| self.conn.query_row(text, [], |row| row.get::<_, i64>(0));
        let bytes = number("PRAGMA page_count")?.saturating_mul(number("PRAGMA page_size")?);
        Ok(Totals { objects, bytes: bytes.cast_unsigned() })
    }

    /// Adds a row.
    pub(super) fn insert(&mut self, record: &Record) -> Result<(), Error> {
        let (revision, head, status) = (record.revision.cast_signed(), &record.head[..], record.status.as_deref());
        self.insert.execute(params![&*record.key.resource, record.key.path(), revision, head, status])?;
        Ok(())
    }

    /// Replaces a row; its status only if `with_status`.
    pub(super) fn update(&mut self, place: Place, record: &Record, with_status: bool) -> Result<(), Error> {
        let (revision, head) = (record.revision.cast_signed(), &record.head[..]);
        if with_status {
            self.update.execute(params![place.id, revision, head, record.status.as_deref()])?;
        } else {
            self.update_head.execute(params![place.id, revision, head])?;
        }
        Ok(())
    }

    /// Removes a row.
    pub(super) fn delete(&mut self, place: Place) -> Result<(), Error> {
        self.delete.execute([place.id])?;
        Ok(())
    }

    /// Says that no revision above `bound` is given out, and that the store did not end properly yet.
    pub(super) fn reserve(&mut self, bound: u64) -> Result<(), Error> {
        self.reserve.execute([bound.cast_signed()])?;
        Ok(())
    }

    /// Writes the log to its place, so that it begins anew in the room that it has.
    pub(super) fn restart_log(&mut self) -> Result<(), Error> {
        Ok(self.restart_log.query_row([], |_| Ok(()))?)
    }

    /// Begins a transaction.
    pub(super) fn begin(&mut self) -> Result<(), Error> {
        self.begin.execute([])?;
        Ok(())
    }

    /// Ends the transaction; on the disk when it returns.
    pub(super) fn commit(&mut self) -> Result<(), Error> {
        self.commit.execute([])?;
        Ok(())
    }

    /// Drops the transaction if there still is one.
    pub(super) fn rollback(&mut self) {
        if !self.conn.is_autocommit() {
            // It fails only where SQLite has already rolled back.
            let _ = self.rollback.execute([]);
        }
    }

    /// Marks a point in the transaction to which [`Table::undo`] returns.
    pub(super) fn save(&mut self) -> Result<(), Error> {
        self.save.execute([])?;
        Ok(())
    }

    /// Drops what was done since [`Table::save`].
    pub(super) fn undo(&mut self) -> Result<(), Error> {
        self.undo.execute([])?;
        self.keep()
    }

    /// Keeps what was done since [`Table::save`].
    pub(super) fn keep(&mut self) -> Result<(), Error> {
        self.keep.execute([])?;
        Ok(())
    }
}

/// Head and status of a row, from the column of the head on.
pub(super) fn parts(row: &Row<'_>, column: usize) -> rusqlite::Result<(Bytes, Option<Bytes>)> {
    let head = Bytes::copy_from_slice(row.get_ref(column)?.as_blob()?);
    let status = row.get_ref(column + 1)?.as_blob_or_null()?.map(Bytes::copy_from_slice);
    Ok((head, status))
}
