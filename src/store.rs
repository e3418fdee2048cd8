//! A store: opened, asked for accounts, looked after, closed.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::account::{Account, end_all};
use crate::checkpoint::CheckpointReport;
use crate::commit::request::Intent;
use crate::digest::Digest;
use crate::disk::Disk;
use crate::disk::files::RealDisk;
use crate::engine::{Engine, Handle};
use crate::entry::{Entry, check_account};
use crate::error::{ErrorKind, Result};
use crate::events::Events;
use crate::log::record::Reason;
use crate::options::{Conditions, StoreOptions};
use crate::signer::Signer;
use crate::stats::{AccountStats, Health, Stats};
use crate::telemetry;
use crate::upkeep::{CompactReport, SweepReport, VerifyOptions, VerifyProgress, VerifyReport};

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
        let opened = Engine::open(path.as_ref(), self).inspect_err(telemetry::failed);
        Ok(Store { handle: Handle::new(opened?) })
    }
}

impl Store {
    pub(crate) fn engine(&self) -> Result<&crate::engine::Engine> {
        self.handle.engine()
    }

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
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// assert!(store.account("5500002").is_ok());
    /// assert!(store.account("").is_err());
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn account(&self, account: &str) -> Result<Account> {
        self.handle.engine()?;
        check_account(account)?;
        Ok(Account::new(self.handle.clone(), account.to_owned()))
    }

    /// Signs and verifies by the store's own key, with the store's clock. The key's id is `store`; it is made with
    /// the store, and kept in it and its checkpoints.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// use mediacask::{Grant, Method};
    /// let signer = store.signer()?;
    /// let text = signer.sign(&Grant::new("5500001", "a.txt"))?;
    /// assert!(signer.verify(&text, "5500001", "a.txt", Method::Get).is_ok());
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn signer(&self) -> Result<Signer> {
        let engine = self.handle.engine()?;
        Ok(Signer::of_store(&engine.log.secret, engine.clock.clone()))
    }

    /// The accounts that hold names or have a policy, in bytewise order.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// assert_eq!(store.accounts()?[0].account, "5500001");
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn accounts(&self) -> Result<Vec<AccountStats>> {
        Ok(crate::stats::accounts(self.handle.engine()?))
    }

    /// Makes every write that was acknowledged so far durable, those of [`crate::Durability::Os`], too.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// use mediacask::{Durability, PutOptions};
    /// media.put("a.txt", "hello", &PutOptions::new().durability(Durability::Os))?;
    /// store.sync()?; // now it survives the power cut, too
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn sync(&self) -> Result<()> {
        self.handle.engine()?.commit.sync()
    }

    /// Ends every entry whose time has come and frees what can be freed, now; the background does the same
    /// behind. Readers do not need it: what has expired is gone for them at once. Erases what is due for it
    /// ([`StoreOptions::erase_within`]).
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// use mediacask::PutOptions;
    /// use std::time::Duration;
    /// media.put("a.txt", "hello", &PutOptions::new().ttl(Duration::from_millis(1)))?;
    /// while media.contains("a.txt")? {}
    /// store.sweep()?;
    /// assert_eq!(store.stats()?.names, 0);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn sweep(&self) -> Result<SweepReport> {
        let engine = self.handle.engine()?;
        let _open = engine.hold_open()?;
        engine.upkeep.sweep_by_hand()
    }

    /// Frees what segments hold that is needed no more, now: of all that are worth it, what is needed is gathered in
    /// new segments, and they leave. The background does the same when the store takes more than
    /// [`StoreOptions::space_amplification`] allows. Blobs that are held stay what they are; what was not synced
    /// before is synced.
    ///
    /// With [`StoreOptions::erase_within`] it first ends every entry whose time has come, and erases all that was let
    /// go of by then, due or not: each segment that holds any of it is compacted, worth it or not, and the index is
    /// built anew.
    ///
    /// A segment in which something that is needed does not stand is left as it is; [`Store::health`] names it.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let small = mediacask::Store::options().segment_len(64 << 10).file_threshold(16 << 10);
    /// # let store = small.upkeep(mediacask::Upkeep::ByHand).open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// for n in 0..200u8 {
    ///     media.put("a.txt", [n; 1000], &Default::default())?;
    /// }
    /// let report = store.compact()?;
    /// assert!(report.segments_freed > 0 && report.bytes_freed > 0);
    /// assert_eq!(media.get("a.txt")?.expect("still there")[..], [199; 1000]);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn compact(&self) -> Result<CompactReport> {
        let engine = self.handle.engine()?;
        let _open = engine.hold_open()?;
        engine.upkeep.compact_by_hand()
    }

    /// Writes the catalog down, so that the next open need not read the log; the background and
    /// [`Store::close`] do the same.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// store.checkpoint_catalog()?;
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn checkpoint_catalog(&self) -> Result<()> {
        let engine = self.handle.engine()?;
        let _open = engine.hold_open()?;
        engine.upkeep.checkpoint(false)
    }

    /// Drops the index and builds it anew from the log; gives the number of rows. `progress` hears how many
    /// are done, and of how many.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// assert_eq!(store.rebuild_index(&mut |done, total| println!("{done} of {total}"))?, 1);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn rebuild_index(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<u64> {
        let engine = self.handle.engine()?;
        let _open = engine.hold_open()?;
        engine.upkeep.rebuild_index(&mut |done, total| engine.tell(|| progress(done, total)))
    }

    /// Reads everything that was written and holds it against its checksums, while others read and write;
    /// `progress` hears how far it is and may break it off, to go on later by [`VerifyReport::resume`].
    ///
    /// Finds every changed bit of STORE, of the segments' headers, records (also those nobody needs any more)
    /// and footers, of the files of large contents and of the catalog's checkpoint; counts references anew;
    /// compares the index with the log. Room that was not written, spares and what is under way in `staging/`
    /// mean nothing and are not looked at. What is sound is never blamed, whatever others write, free or move
    /// meanwhile.
    ///
    /// Putting the same bytes again heals a damaged content. [`VerifyOptions::repair`] sets aside in
    /// `quarantine/` what cannot be read, ends the names that held it, and writes anew what can be told from
    /// elsewhere: second copies, footers, the catalog's checkpoint, the index. On a sound store it changes
    /// nothing.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// use mediacask::VerifyOptions;
    /// use std::ops::ControlFlow;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// let report = store.verify(&VerifyOptions::new(), &mut |progress| {
    ///     println!("{} of {} bytes", progress.bytes_checked, progress.bytes_total);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert!(report.damaged.is_empty() && report.resume.is_none());
    /// assert_eq!((report.contents_checked, report.entries_checked), (1, 1));
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn verify(
        &self,
        options: &VerifyOptions,
        progress: &mut dyn FnMut(&VerifyProgress) -> ControlFlow<()>,
    ) -> Result<VerifyReport> {
        let engine = self.handle.engine()?;
        engine.upkeep.verify(options, &|| engine.hold_open(), &mut |told| engine.tell(|| progress(told)))
    }

    /// Makes a consistent copy of the store in a directory of its own, while others write: what was acknowledged
    /// before the call, and batches whole. Durable when this returns.
    ///
    /// Segments that are complete and large blobs are hard links where the file system allows it, and cost no
    /// space; the rest is copied. Another checkpoint into the same directory brings only what is new. The
    /// directory is new, empty, or holds an earlier checkpoint of this store; anything else is refused with
    /// [`ErrorKind::InvalidOption`]. [`Store::restore`] brings it back.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path().join("media.cask"))?;
    /// # let media = store.account("5500001")?;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// let report = store.checkpoint(dir.path().join("backup"))?;
    /// assert_eq!(report.files_linked + report.files_copied, 1);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn checkpoint(&self, dest: impl AsRef<Path>) -> Result<CheckpointReport> {
        let engine = self.handle.engine()?;
        let _open = engine.hold_open()?;
        engine.upkeep.checkpoint_to(dest.as_ref())
    }

    /// Brings a checkpoint back into a directory that is new or empty, by hard links where the file system allows
    /// it; it opens as a store then, and the checkpoint stays as it is. Durable when this returns.
    ///
    /// What is done with the one does not touch the other. Fails with [`ErrorKind::InvalidOption`] when
    /// `checkpoint` is not one, or `dest` holds something, and with [`ErrorKind::Corrupt`] when a file of the
    /// checkpoint is missing or has another length.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path().join("media.cask"))?;
    /// # let media = store.account("5500001")?;
    /// # media.put("a.txt", "hello", &Default::default())?;
    /// use mediacask::Store;
    /// store.checkpoint(dir.path().join("backup"))?;
    /// Store::restore(dir.path().join("backup"), dir.path().join("restored"))?;
    /// let restored = Store::open(dir.path().join("restored"))?;
    /// assert!(restored.account("5500001")?.contains("a.txt")?);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn restore(checkpoint: impl AsRef<Path>, dest: impl AsRef<Path>) -> Result<CheckpointReport> {
        Store::restore_on(Arc::new(RealDisk), checkpoint, dest)
    }

    /// The same on another disk.
    #[doc(hidden)]
    pub fn restore_on(
        disk: Arc<dyn Disk>,
        checkpoint: impl AsRef<Path>,
        dest: impl AsRef<Path>,
    ) -> Result<CheckpointReport> {
        crate::checkpoint::restore(disk, checkpoint.as_ref(), dest.as_ref())
    }

    /// Writes the index anew, whatever shape it is in; the background does it when it is due. For tests.
    #[doc(hidden)]
    pub fn renew_index(&self) -> Result<()> {
        let engine = self.handle.engine()?;
        let _open = engine.hold_open()?;
        engine.upkeep.renew_index()
    }

    /// Every name, of whatever account, that holds this content, with its account. A scan of all names.
    ///
    /// For the owner of the store: a digest is not a permission.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// media.put("b.txt", "hello", &Default::default())?;
    /// let names = store.names_of(&mediacask::Digest::of(b"hello"))?;
    /// assert_eq!(names.len(), 2);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
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
            let found = match engine.lookup.head(key) {
                // What a damaged entry is called, the index may still know.
                Err(error) if error.kind() == ErrorKind::Corrupt => engine.damaged_entry(&account.name, key)?,
                found => found?,
            };
            if let Some(entry) = found.filter(|entry| entry.digest == *digest) {
                names.push((account.name.to_string(), entry));
            }
        }
        names.sort_by(|a, b| (&a.0, &a.1.name).cmp(&(&b.0, &b.1.name)));
        Ok(names)
    }

    /// Takes down every name, of whatever account, that holds this content; gives their number. While it
    /// runs, the content cannot be put. If it is broken off, calling it again goes on.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// media.put("b.txt", "hello", &Default::default())?;
    /// assert_eq!(store.purge_digest(&mediacask::Digest::of(b"hello"))?, 2);
    /// assert!(media.get("a.txt")?.is_none());
    /// # Ok::<(), mediacask::Error>(())
    /// ```
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

    /// What happens to names from now on and happened since `after`, a sequence number: what [`Events::seen`] said
    /// last, [`Store::events_floor`], or 0 for all there is. One that is yet to come is waited for.
    ///
    /// Only what is durable is told, in the order in which it happened, and the same again whenever it is asked
    /// for. What has been compacted away cannot be told: an `after` below the floor is refused with
    /// [`crate::ErrorKind::InvalidToken`]. List the accounts then, and go on from the floor.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// use mediacask::EventKind;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// media.delete("a.txt", &Default::default())?;
    /// let mut events = store.events(0)?;
    /// for event in &mut events {
    ///     let event = event?;
    ///     println!("{} {} {}/{}", event.sequence, event.kind, event.account, event.name);
    /// }
    /// let seen = events.seen(); // to be kept, for the next process
    /// media.put("a.txt", "again", &Default::default())?;
    /// let event = store.events(seen)?.next().expect("put")?;
    /// assert_eq!((event.kind, event.name.as_str()), (EventKind::Put, "a.txt"));
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn events(&self, after: u64) -> Result<Events> {
        Events::new(&self.handle, after)
    }

    /// The highest sequence number of which a record may have been compacted away: [`Store::events`] goes back
    /// as far as this. 0 while everything is there; after a fork, in the child, `u64::MAX`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// assert_eq!(store.events_floor(), 0);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn events_floor(&self) -> u64 {
        match self.handle.check() {
            // A thread that is not in this child may have held the lock.
            Err(error) if error.kind() == ErrorKind::Forked => u64::MAX,
            _ => self.handle.log.dropped_up_to(),
        }
    }

    /// What the store holds and has done.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// media.put("b.txt", "hello", &Default::default())?;
    /// let stats = store.stats()?;
    /// assert_eq!((stats.names, stats.contents, stats.dedup_ratio()), (2, 1, 2.0));
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn stats(&self) -> Result<Stats> {
        Ok(crate::stats::store(self.handle.engine()?))
    }

    /// How the store does; works after an error has stopped all writing, too.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// assert!(store.health().poisoned.is_none() && store.health().damage.is_empty());
    /// # Ok::<(), mediacask::Error>(())
    /// ```
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
        let wrong = self.handle.engine()?.catalog.miscounted();
        Ok(wrong.into_iter().map(|(digest, ..)| digest).collect())
    }

    /// Makes everything durable, writes catalog and index down, and lets others have the store. An index that is far
    /// behind, as after names by the million were put, gets two seconds to follow: the next open goes on from there.
    /// Other clones answer [`crate::ErrorKind::Closed`] from then on; blobs that are held stay valid. It waits for calls
    /// that are under way, so from within what one of them tells of its progress it is refused with
    /// [`crate::ErrorKind::InvalidOption`], and nothing is closed.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// let blob = media.get("a.txt")?.expect("just put");
    /// store.close()?;
    /// assert_eq!(media.get("a.txt").unwrap_err().kind(), mediacask::ErrorKind::Closed);
    /// assert_eq!(&blob[..], b"hello");
    /// # Ok::<(), mediacask::Error>(())
    /// ```
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Change;
    use crate::options::{PutOptions, Upkeep};

    #[test]
    fn a_reference_that_was_miscounted_is_found_and_counted_right_by_the_next_open() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Store::options().upkeep(Upkeep::ByHand).open(dir.path()).unwrap();
        let wrong = |store: &Store| {
            let report = store.verify(&VerifyOptions::new(), &mut |_| ControlFlow::Continue(())).unwrap();
            assert_eq!(report.damage_stands(), report.wrong_references > 0);
            report.wrong_references
        };
        let store = open();
        let account = store.account("5500001").unwrap();
        let digest = account.put("a", "content", &PutOptions::default()).unwrap().digest;
        account.copy("a", "b", &PutOptions::default()).unwrap();
        assert_eq!(wrong(&store), 0);
        // As if one of its two names had gone without a word.
        let engine = store.handle.engine().unwrap();
        let scope = engine.scope("5500001").unwrap();
        engine.catalog.apply(vec![Change::Unpin { digest, scope }]);
        assert_eq!((wrong(&store), store.recount().unwrap()), (1, vec![digest]));
        store.close().unwrap();
        assert_eq!(wrong(&open()), 0);
    }
}
