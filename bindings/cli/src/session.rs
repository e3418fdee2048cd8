//! What one run of the tool works with: the store's directory and the way to standard output.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mediacask::{Create, Store, StoreOptions};

use crate::failure::Failure;
use crate::output::Out;

/// One run: at most one store is opened in it, and closed before the process ends.
pub(crate) struct Session {
    store: Option<PathBuf>,
    erase_within: Option<Duration>,
    out: Out,
}

impl Session {
    /// A session on the store that the command line or the environment names, if one does.
    pub(crate) fn new(store: Option<PathBuf>, erase_within: Option<Duration>, out: Out) -> Session {
        Session { store, erase_within, out }
    }

    /// Whether results go out as JSON.
    pub(crate) fn json(&self) -> bool {
        self.out.json()
    }

    /// Runs `work` on the store, which must exist.
    pub(crate) fn with_store(self, work: impl FnOnce(&Store, &mut Out) -> Result<(), Failure>) -> Result<(), Failure> {
        self.with_options(Store::options().create(Create::Never), work)
    }

    /// Runs `work` on the store, made new where there is none.
    pub(crate) fn with_new_store(
        self,
        work: impl FnOnce(&Store, &mut Out) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.with_options(Store::options().create(Create::IfMissing), work)
    }

    /// Runs `work` on the directory that is named as the store's, without opening it.
    pub(crate) fn with_path(
        mut self,
        work: impl FnOnce(&Path, &mut Out) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let path = self.path()?;
        let done = work(&path, &mut self.out);
        done.and(self.out.flush())
    }

    /// Runs `work` that needs no store of the caller's.
    pub(crate) fn without_store(mut self, work: impl FnOnce(&mut Out) -> Result<(), Failure>) -> Result<(), Failure> {
        let done = work(&mut self.out);
        done.and(self.out.flush())
    }

    /// Runs `work` on the store, opened as `options` say. The first failure counts: of the work, of showing it, of
    /// closing the store.
    pub(crate) fn with_options(
        mut self,
        options: StoreOptions,
        work: impl FnOnce(&Store, &mut Out) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let path = self.path()?;
        let options = match self.erase_within {
            Some(within) => options.erase_within(within),
            None => options,
        };
        let store = options.open(path)?;
        let done = work(&store, &mut self.out);
        let shown = self.out.flush();
        let closed = store.close().map_err(Failure::from);
        done.and(shown).and(closed)
    }

    fn path(&mut self) -> Result<PathBuf, Failure> {
        self.store.take().ok_or_else(|| {
            Failure::Usage("no store was named; give --store DIR, or set MEDIACASK_STORE to its directory".into())
        })
    }
}
