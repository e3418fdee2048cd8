//! A store: opened, asked for accounts, looked after, closed.

use std::path::Path;

use crate::account::{Account, end_all};
use crate::commit::request::Intent;
use crate::digest::Digest;
use crate::engine::{Engine, Handle};
use crate::entry::{Entry, check_account};
use crate::error::Result;
use crate::log::record::Reason;
use crate::options::{Conditions, StoreOptions};
use crate::stats::{AccountStats, Health, Stats};
use crate::upkeep::SweepReport;

/// A store of media in a directory, open in this process and in no other.
///
/// Cheap to clone, and to be used from any thread. The last clone that is dropped closes it;
/// [`Store::close`] does the same and says how it went.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// use mediacask::{PutOptions, Store};
///
/// let store = Store::open(dir.path().join("media.cask"))?;
/// let media = store.account("5500001")?;
/// media.put("logo.png", b"\x89PNG", &PutOptions::new().content_type("image/png"))?;
/// store.close()?;
/// # Ok::<(), mediacask::Error>(())
/// ```
#[derive(Clone)]
pub struct Store {
    handle: Handle,
}

impl StoreOptions {
    /// Opens the store at `path`, or makes it.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Store> {
        Ok(Store { handle: Handle::new(Engine::open(path.as_ref(), self)?) })
    }
}

impl Store {
    /// Opens the store at `path` with the default options; makes it when there is none.
    ///
    /// What an earlier process left is brought back first, however it ended. Fails with
    /// [`crate::ErrorKind::Locked`] while another process has it.
    pub fn open(path: impl AsRef<Path>) -> Result<Store> {
        Store::options().open(path)
    }

    /// Options to open a store with.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use mediacask::{Store, Verify};
    /// let store = Store::options().verify(Verify::Once).open(dir.path())?;
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn options() -> StoreOptions {
        StoreOptions::default()
    }

    /// The account of this name: 1 to 255 bytes of UTF-8 without NUL. It needs no making.
    pub fn account(&self, account: &str) -> Result<Account> {
        self.handle.engine()?;
        check_account(account)?;
        Ok(Account::new(self.handle.clone(), account.to_owned()))
    }

    /// The accounts that hold names or have a policy, in bytewise order.
    pub fn accounts(&self) -> Result<Vec<AccountStats>> {
        Ok(crate::stats::accounts(self.handle.engine()?))
    }

    /// Makes every write that was acknowledged so far durable, those of [`crate::Durability::Os`], too.
    pub fn sync(&self) -> Result<()> {
        self.handle.engine()?.commit.sync()
    }

    /// Ends every entry whose time has come and frees what can be freed, now; the background does the same
    /// behind. Readers do not need it: what has expired is gone for them at once.
    pub fn sweep(&self) -> Result<SweepReport> {
        self.handle.engine()?.upkeep.sweep_by_hand()
    }

    /// Writes the catalog down, so that the next open need not read the log; the background and
    /// [`Store::close`] do the same.
    pub fn checkpoint_catalog(&self) -> Result<()> {
        self.handle.engine()?.upkeep.checkpoint(false)
    }

    /// Drops the index and builds it anew from the log; gives the number of rows. `progress` hears how many
    /// are done, and of how many.
    pub fn rebuild_index(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<u64> {
        self.handle.engine()?.upkeep.rebuild_index(progress)
    }

    /// Every name, of whatever account, that holds this content, with its account. A scan of all names.
    ///
    /// For the owner of the store: a digest is not a permission.
    pub fn names_of(&self, digest: &Digest) -> Result<Vec<(String, Entry)>> {
        let engine = self.handle.engine()?;
        let contents = engine.catalog.contents_of(digest);
        let mut keys = Vec::new();
        engine.catalog.for_each_name(|row| {
            if contents.contains(&row.content) {
                keys.push((row.account, row.key));
            }
        });
        let mut names = Vec::new();
        for (account, key) in keys {
            let Some(account) = engine.catalog.accounts.get(account) else { continue };
            if let Some(entry) = engine.lookup.head(key)?.filter(|entry| entry.digest == *digest) {
                names.push((account.name.to_string(), entry));
            }
        }
        names.sort_by(|a, b| (&a.0, &a.1.name).cmp(&(&b.0, &b.1.name)));
        Ok(names)
    }

    /// Takes down every name, of whatever account, that holds this content; gives their number. While it
    /// runs, the content cannot be put. If it is broken off, calling it again goes on.
    pub fn purge_digest(&self, digest: &Digest) -> Result<u64> {
        let engine = self.handle.engine()?;
        let _bar = engine.commit.bar(*digest);
        let mut purged = 0;
        loop {
            let names = self.names_of(digest)?;
            if names.is_empty() {
                return Ok(purged);
            }
            let mut intents = Vec::with_capacity(names.len());
            for (account, entry) in &names {
                let target = engine.target(account, &entry.name)?;
                let conditions = Conditions { digest: None, absent: false, generation: None };
                intents.push(Intent::End { target, reason: Reason::Purge, conditions });
            }
            purged += end_all(engine, intents)?;
        }
    }

    /// What the store holds and has done.
    pub fn stats(&self) -> Result<Stats> {
        Ok(crate::stats::store(self.handle.engine()?))
    }

    /// How the store does; works after an error has stopped all writing, too.
    pub fn health(&self) -> Health {
        crate::stats::health(&self.handle)
    }

    /// The store's directory.
    pub fn path(&self) -> &Path {
        &self.handle.home.dir
    }

    /// Contents whose count of references is not the number of their names: none, always. For tests; only
    /// sound while nothing is written.
    #[doc(hidden)]
    pub fn recount(&self) -> Result<Vec<Digest>> {
        Ok(self.handle.engine()?.catalog.recount())
    }

    /// Makes everything durable, writes catalog and index down, and lets others have the store. Other
    /// clones answer [`crate::ErrorKind::Closed`] from then on; blobs that are held stay valid.
    pub fn close(&self) -> Result<()> {
        self.handle.check().or_else(|error| match error.kind() {
            crate::ErrorKind::Closed => Ok(()),
            _ => Err(error),
        })?;
        self.handle.close()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path()).finish_non_exhaustive()
    }
}
