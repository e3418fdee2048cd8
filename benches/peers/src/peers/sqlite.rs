//! SQLite, as its documentation has it for blobs.
//!
//! - WAL with `synchronous=FULL`: a commit is on the disk when it returns (NORMAL would lose the last ones).
//! - One connection writes, a group to a transaction: SQLite has one writer at a time anyway, and a transaction each
//!   would be a sync each. One connection a thread reads, from a map of the file.
//! - Pages of 16 KiB: large blobs are chains of pages (sqlite.org/intern-v-extern-blob.html found 8 and 16 KiB best).
//! - A checkpoint every 64 MB instead of every 4, so that the WAL is not copied in small pieces.
//! - Names in a table of their own, without row ids: a listing walks small rows, not blobs.

use std::ops::Range;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rusqlite::{Connection, MAIN_DB, OptionalExtension, Transaction, TransactionBehavior};

use super::Item;
use crate::front::Front;
use crate::peer::{Content, Peer, Reader, Result, Setup};

const SETUP: &str = "
    PRAGMA page_size = 16384;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 4096;
    PRAGMA cache_size = -65536;
    PRAGMA mmap_size = 2147418112;
";
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS blobs (id INTEGER PRIMARY KEY, content BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS names (name TEXT PRIMARY KEY, size INTEGER NOT NULL, blob INTEGER NOT NULL)
        WITHOUT ROWID;
";
const FIND: &str = "SELECT blob FROM names WHERE name = ?1";

struct Sqlite {
    path: PathBuf,
    writer: Mutex<Connection>,
    front: Front<Item>,
}

fn connect(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_mins(1))?;
    connection.execute_batch(SETUP)?;
    Ok(connection)
}

pub fn open(dir: &Path, _setup: &Setup) -> Result<Box<dyn Peer>> {
    let path = dir.join("media.sqlite");
    let writer = connect(&path)?;
    writer.execute_batch(TABLES)?;
    Ok(Box::new(Sqlite { path, writer: Mutex::new(writer), front: Front::new() }))
}

/// As SQLite counts.
fn len_of(content: &[u8]) -> Result<i64> {
    Ok(i64::try_from(content.len())?)
}

fn put(transaction: &Transaction<'_>, name: &str, content: &[u8]) -> Result<()> {
    let known: Option<i64> = transaction.prepare_cached(FIND)?.query_row([name], |row| row.get(0)).optional()?;
    if let Some(id) = known {
        let mut update = transaction.prepare_cached("UPDATE blobs SET content = ?2 WHERE id = ?1")?;
        update.execute((id, content))?;
        let mut update = transaction.prepare_cached("UPDATE names SET size = ?2 WHERE name = ?1")?;
        update.execute((name, len_of(content)?))?;
    } else {
        let mut insert = transaction.prepare_cached("INSERT INTO blobs (content) VALUES (?1)")?;
        let id = insert.insert([content])?;
        transaction.prepare_cached("INSERT INTO names VALUES (?1, ?2, ?3)")?.execute((name, len_of(content)?, id))?;
    }
    Ok(())
}

fn delete(transaction: &Transaction<'_>, name: &str) -> Result<()> {
    let known: Option<i64> = transaction.prepare_cached(FIND)?.query_row([name], |row| row.get(0)).optional()?;
    if let Some(id) = known {
        transaction.prepare_cached("DELETE FROM blobs WHERE id = ?1")?.execute([id])?;
        transaction.prepare_cached("DELETE FROM names WHERE name = ?1")?.execute([name])?;
    }
    Ok(())
}

impl Sqlite {
    fn transact(&self, work: impl FnOnce(&Transaction<'_>) -> Result<()>) -> Result<()> {
        let mut writer = self.writer.lock();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        work(&transaction)?;
        Ok(transaction.commit()?)
    }
}

impl Peer for Sqlite {
    fn put(&self, name: &str, content: &Content) -> Result<()> {
        self.front.submit((name.to_owned(), content.clone()), |group| self.put_many(&group))
    }

    fn put_many(&self, items: &[Item]) -> Result<()> {
        self.transact(|transaction| items.iter().try_for_each(|(name, content)| put(transaction, name, content)))
    }

    fn delete_many(&self, names: &[String]) -> Result<()> {
        self.transact(|transaction| names.iter().try_for_each(|name| delete(transaction, name)))
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(SqliteReader(connect(&self.path)?)))
    }
}

struct SqliteReader(Connection);

impl Reader for SqliteReader {
    fn get(&mut self, name: &str, look: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let mut select = self
            .0
            .prepare_cached("SELECT content FROM names JOIN blobs ON blobs.id = names.blob WHERE names.name = ?1")?;
        let mut rows = select.query([name])?;
        let Some(row) = rows.next()? else { return Ok(false) };
        look(row.get_ref(0)?.as_blob()?);
        Ok(true)
    }

    fn range(&mut self, name: &str, part: Range<usize>, look: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let id: Option<i64> = self.0.prepare_cached(FIND)?.query_row([name], |row| row.get(0)).optional()?;
        let Some(id) = id else { return Ok(false) };
        let blob = self.0.blob_open(MAIN_DB, "blobs", "content", id, true)?;
        let mut buffer = vec![0; part.len()];
        blob.read_at_exact(&mut buffer, part.start)?;
        look(&buffer);
        Ok(true)
    }

    fn list(&mut self, after: Option<&str>, limit: usize, each: &mut dyn FnMut(&str)) -> Result<()> {
        let mut select =
            self.0.prepare_cached("SELECT name, size FROM names WHERE name > ?1 ORDER BY name LIMIT ?2")?;
        let mut rows = select.query((after.unwrap_or_default(), i64::try_from(limit)?))?;
        while let Some(row) = rows.next()? {
            each(row.get_ref(0)?.as_str()?);
        }
        Ok(())
    }
}
