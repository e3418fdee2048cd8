//! The calls: each changes the real directory and the record alike, or fails as was planned.

use std::fs;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use mediacask::disk::files::{RealDisk, RealFile};
use mediacask::disk::map::{self, Map};
use mediacask::disk::{Access, Disk, DiskFile, FileFacts, Found};
use parking_lot::Mutex;

use super::content::Bytes;
use super::names::Child;
use super::plan::{CallKind, Fault, Verdict};
use super::state::{Node, State};
use super::{FaultDisk, NAME_ROOM, label};

impl Disk for FaultDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let below = self.below(path).unwrap_or(path);
        let (node, real) = self.call(CallKind::Open, path, |state, slot| {
            if access == Access::Create {
                state.take_room(NAME_ROOM)?;
            }
            let known = slot.as_ref().and_then(|slot| state.names.look_up(slot));
            if let Some(Child::File(node)) = known.filter(|_| access == Access::Write)
                && node.lock().mode & 0o200 == 0
            {
                // Whoever runs the tests: root would be let through.
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let real = RealFile::open(path, access)?;
            let node = match slot {
                Some(slot) if access == Access::Create => {
                    let node = state.add_node(Bytes::default(), label(below));
                    state.names.give(slot, Child::File(Arc::clone(&node)));
                    node
                }
                Some(slot) => state.known(slot, path)?,
                // Not in a directory of this disk, or in one that it did not make.
                None => state.add_node(Bytes::of(&fs::read(path)?), label(below)),
            };
            Ok((node, real))
        })?;
        node.lock().handles += 1;
        let disk = FaultDisk(Arc::clone(&self.0));
        Ok(Arc::new(FaultFile { disk, node, real }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.call(CallKind::CreateDir, path, |state, slot| {
            state.take_room(NAME_ROOM)?;
            RealDisk.create_dir(path)?;
            if let Some(slot) = slot {
                let dir = state.names.new_dir();
                state.names.give(slot, Child::Dir(dir));
            }
            Ok(())
        })
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Found>> {
        self.call(CallKind::ReadDir, path, |_, _| {
            let mut found = RealDisk.read_dir(path)?;
            // In an order of its own, whatever file system lies below: a run is to be the same anywhere.
            found.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(found)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(CallKind::Rename, from, |state, slot| {
            let below = self.below(to);
            let to_slot = below.and_then(|below| state.slot(below));
            let (Some(slot), Some(below), Some(to_slot)) = (slot, below, to_slot) else {
                return RealDisk.rename(from, to);
            };
            let moved = if from.is_file() { Some(state.known(slot.clone(), from)?) } else { None };
            RealDisk.rename(from, to)?;
            if slot == to_slot {
                return Ok(());
            }
            if let Some(Child::File(replaced)) = state.names.look_up(&to_slot) {
                replaced.lock().names -= 1;
            }
            if let Some(node) = moved {
                node.lock().path = label(below);
            }
            state.names.rename(slot, to_slot);
            Ok(())
        })
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(CallKind::HardLink, from, |state, slot| {
            if state.refuses_links {
                return Err(io::ErrorKind::CrossesDevices.into());
            }
            state.take_room(NAME_ROOM)?;
            let to_slot = self.below(to).and_then(|below| state.slot(below));
            let linked = slot.map(|slot| state.known(slot, from)).transpose()?;
            RealDisk.hard_link(from, to)?;
            if let Some((node, slot)) = linked.zip(to_slot) {
                node.lock().names += 1;
                state.names.give(slot, Child::File(node));
            }
            Ok(())
        })
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.call(CallKind::Unlink, path, |state, slot| {
            RealDisk.unlink(path)?;
            if let Some(slot) = slot {
                state.take_name(slot);
            }
            Ok(())
        })
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.call(CallKind::RemoveDirAll, path, |state, slot| {
            RealDisk.remove_dir_all(path)?;
            if let Some(slot) = slot {
                state.take_name(slot);
            }
            Ok(())
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.call(CallKind::SyncDir, path, |state, _| {
            if !path.is_dir() {
                return Err(io::ErrorKind::NotFound.into());
            }
            let Some(below) = self.below(path) else {
                return Ok(());
            };
            let dir = state.dir(below);
            if state.skips_dir(dir, &label(below)) {
                return Ok(());
            }
            if let Some(dir) = dir {
                state.names.sync(dir);
            }
            Ok(())
        })
    }

    fn index_at(&self, path: &Path) {
        if let Some(below) = self.below(path) {
            self.0.state.lock().index = below.to_path_buf();
        }
    }
}

/// An open file of a [`FaultDisk`].
struct FaultFile {
    disk: FaultDisk,
    node: Arc<Mutex<Node>>,
    real: RealFile,
}

impl FaultFile {
    /// Counts a call, and says what becomes of it.
    fn begin(&self, state: &mut State, kind: CallKind) -> Verdict {
        let path = Arc::clone(&self.node.lock().path);
        let verdict = state.plan.call(kind, &path);
        state.fill_up();
        verdict
    }

    /// A call that changes nothing, on the real file.
    fn ask<T>(&self, kind: CallKind, act: impl FnOnce(&RealFile) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.0.state.lock();
        match self.begin(&mut state, kind) {
            Verdict::Go => act(&self.real),
            Verdict::Fail(fault) => Err(fault.error()),
            Verdict::Die => Err(Fault::Eio.error()),
        }
    }

    fn resize(&self, kind: CallKind, len: u64) -> io::Result<()> {
        let mut state = self.disk.0.state.lock();
        let verdict = self.begin(&mut state, kind);
        if let Verdict::Fail(fault) = verdict {
            return Err(fault.error());
        }
        let facts = self.real.facts()?;
        if len < facts.len && map::is_mapped(facts.id) {
            let path = Arc::clone(&self.node.lock().path);
            state.broken_rule = Some(format!("{path} was cut to {len} bytes while it was mapped"));
        }
        if kind == CallKind::Allocate {
            let allocated = self.node.lock().allocated;
            state.take_room(len.saturating_sub(allocated))?;
        }
        state.check_unshared(&self.node.lock());
        // Not `allocate`: it would fill memory with the zeros that a length alone stands for.
        self.real.set_len(len)?;
        let mut node = self.node.lock();
        node.content.set_len(len);
        node.allocated = if kind == CallKind::Allocate { len } else { node.allocated.min(len) };
        match verdict {
            Verdict::Go => Ok(()),
            Verdict::Fail(_) | Verdict::Die => Err(Fault::Eio.error()),
        }
    }
}

impl DiskFile for FaultFile {
    fn facts(&self) -> io::Result<FileFacts> {
        self.ask(CallKind::Facts, RealFile::facts)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.ask(CallKind::Read, |real| real.read_at(into, offset))
    }

    fn write_at(&self, from: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(from.iter().map(|slice| slice.len()).sum());
        for slice in from {
            bytes.extend_from_slice(slice);
        }
        let mut state = self.disk.0.state.lock();
        let mut fault = match self.begin(&mut state, CallKind::Write) {
            Verdict::Go => None,
            Verdict::Die => Some(Fault::Eio),
            Verdict::Fail(Fault::ShortWrite) => {
                bytes.truncate(state.random.below(bytes.len() as u64 + 1) as usize);
                Some(if state.random.sixteenths(8) { Fault::Eio } else { Fault::Enospc })
            }
            Verdict::Fail(fault) => return Err(fault.error()),
        };
        let allocated = self.node.lock().allocated;
        let more = (offset + bytes.len() as u64).saturating_sub(allocated);
        let lacking = more - state.room_for(more);
        if lacking > 0 {
            bytes.truncate(bytes.len().saturating_sub(lacking as usize));
            fault = fault.or(Some(Fault::Enospc));
        }
        self.real.write_at(&[IoSlice::new(&bytes)], offset)?;
        if !bytes.is_empty() {
            state.check_unshared(&self.node.lock());
            state.plan.counts.bytes_written += bytes.len() as u64;
            let mut node = self.node.lock();
            node.allocated = node.allocated.max(offset + bytes.len() as u64);
            node.content.write(offset, bytes);
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.0.state.lock();
        let verdict = self.begin(&mut state, CallKind::Sync);
        let mut node = self.node.lock();
        if let Verdict::Fail(fault) = verdict {
            if state.drops_after_failed_sync && !state.plan.is_off {
                node.content.forget_writes();
            }
            return Err(fault.error());
        }
        if !state.skips_file(&node) {
            node.content.sync();
            node.durable_mode = node.mode;
        }
        Ok(())
    }

    fn push_out(&self, _offset: u64, _len: u64) -> io::Result<()> {
        self.ask(CallKind::PushOut, |_| Ok(()))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.resize(CallKind::Allocate, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.resize(CallKind::SetLen, len)
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        let mut state = self.disk.0.state.lock();
        let verdict = self.begin(&mut state, CallKind::SetMode);
        if let Verdict::Fail(fault) = verdict {
            return Err(fault.error());
        }
        self.real.set_mode(mode)?;
        self.node.lock().mode = mode;
        if matches!(verdict, Verdict::Die) { Err(Fault::Eio.error()) } else { Ok(()) }
    }

    fn map(&self, len: u64) -> io::Result<Map> {
        self.ask(CallKind::Map, |real| real.map(len))
    }

    fn try_lock(&self) -> io::Result<()> {
        self.ask(CallKind::Lock, RealFile::try_lock)
    }
}

impl Drop for FaultFile {
    fn drop(&mut self) {
        self.node.lock().handles -= 1;
    }
}
