//! What a store is asked here: the same of every one, and all with the same promise.
//!
//! The promise: when [`Peer::put`], [`Peer::put_many`], [`Peer::delete_many`] or [`Peer::expire`] returns, what it
//! did survives the power cut. Each peer keeps it with its own means where it has them; one that commits for a
//! single caller at a time gets a [`crate::front::Front`], so that many writers share its syncs as they do
//! mediacask's. How each is set up, and why, stands at the head of its file.

use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Whatever a peer says when it fails.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What comes of asking a peer.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Bytes to put, made outside the timed part and shared without a copy.
pub type Content = Arc<[u8]>;

/// What is known of the work before a store is opened for it.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The most bytes of content that will be put: room for who allocates.
    pub bytes: u64,
    /// The most requests they come in: each may be padded to a page.
    pub puts: u64,
    /// After how many puts the time of a name has come; `None`: never.
    pub lifetime: Option<u64>,
    /// Bytes of a segment, for who writes segments; `None`: its default.
    pub segment_len: Option<u64>,
}

/// What a store counts of itself.
pub struct Counts {
    /// Names that take room, expired ones among them until that is freed.
    pub names: u64,
    /// Bytes of memory its table of names takes.
    pub table_bytes: u64,
}

/// A store at work.
pub trait Peer: Send + Sync {
    /// Stores the content under the name, replacing what was there; durable when it returns.
    fn put(&self, name: &str, content: &Content) -> Result<()>;

    /// Stores them all; durable when it returns. The fastest way to load a store.
    fn put_many(&self, items: &[(String, Content)]) -> Result<()>;

    /// Takes the names away; durable when it returns.
    fn delete_many(&self, names: &[String]) -> Result<()>;

    /// Something to read with, one for each thread.
    fn reader(&self) -> Result<Box<dyn Reader + '_>>;

    /// Lets so many puts' time pass, for who has a clock.
    fn pass(&self, _ticks: u64) {}

    /// Ends what is past its [`Setup::lifetime`]. The names are given to who keeps no lifetimes: finding what has
    /// expired costs it nothing here. It deletes them a thousand to a transaction, to let others write between.
    fn expire(&self, names: &[String]) -> Result<()> {
        names.chunks(1_000).try_for_each(|group| self.delete_many(group))
    }

    /// Brings to an end what is done behind, outside the timed part: what has expired is freed, and what is put is
    /// where it will be read from in the long run, not in a buffer.
    fn settle(&self) -> Result<()> {
        Ok(())
    }

    /// What it counts, if it does.
    fn counts(&self) -> Option<Counts> {
        None
    }

    /// What it says of itself, for the table.
    fn note(&self) -> Option<String> {
        None
    }
}

/// A thread's way to read from a store.
pub trait Reader {
    /// Shows the content of the name; says whether there is one.
    fn get(&mut self, name: &str, look: &mut dyn FnMut(&[u8])) -> Result<bool>;

    /// Shows a part of it. Who can only read a whole value reads it.
    fn range(&mut self, name: &str, part: Range<usize>, look: &mut dyn FnMut(&[u8])) -> Result<bool> {
        self.get(name, &mut |bytes| look(&bytes[part.clone()]))
    }

    /// The names after one, in order, at most so many. Pages follow each other: `after` is `None`, or the last
    /// name of the page before.
    fn list(&mut self, after: Option<&str>, limit: usize, each: &mut dyn FnMut(&str)) -> Result<()>;
}

/// A kind of store.
#[derive(Clone, Copy)]
pub struct Kind {
    /// As the report calls it.
    pub name: &'static str,
    /// Opens or creates one in a directory.
    pub open: fn(&Path, &Setup) -> Result<Box<dyn Peer>>,
    /// What it can be asked.
    pub role: Role,
}

/// What a kind can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Store,
    /// Reads only: another setting of a store that is there as well.
    Reads,
    /// The physical limit: puts and reads; it keeps no names across a close.
    Limit,
}
