//! Copying what must be kept of segments to new ones, as many as it takes.

use super::Upkeep;
use super::survivors::{Survivor, Victim};
use crate::catalog::Place;
use crate::catalog::relocate::{Copied, Move};
use crate::error::{Error, Result};
use crate::log::format::CHUNK;
use crate::log::gather::{Breathe, Gathering, frame_len};
use crate::log::record::{BlobView, chunk_crcs};
use crate::log::segment::Segment;

/// Why copying ended.
pub(super) enum Stop {
    /// Something that is alive in this segment does not stand, or cannot be read.
    Damaged(u32, Error),
    Failed(Error),
}

/// What was copied, durably.
pub(super) struct Copies {
    pub(super) moves: Vec<Move>,
    /// Of the new segments.
    pub(super) bytes: u64,
}

/// The new segments, one after the other.
struct Outputs<'a> {
    upkeep: &'a Upkeep,
    /// Most bytes that are yet to come.
    left: u64,
    texts: u64,
    lowest: u64,
    /// The one that is written, and what it has room for.
    current: Option<(Gathering<'a>, u64)>,
    copies: Copies,
}

impl Upkeep {
    /// Copies what must be kept of a batch. When it fails, what was finished by then holds copies that nobody
    /// looks for.
    pub(super) fn copy(&self, batch: &[Victim], breathe: Breathe<'_>) -> Result<Copies, Stop> {
        let mut outputs = Outputs {
            upkeep: self,
            left: batch.iter().map(|victim| victim.len + victim.ends_len).sum(),
            texts: batch.iter().map(|victim| victim.texts).sum(),
            lowest: batch.iter().map(|victim| victim.lowest).min().unwrap_or(0),
            current: None,
            copies: Copies { moves: Vec::new(), bytes: 0 },
        };
        for victim in batch {
            // Contents first: what is told of names then lies together.
            let (contents, entries): (Vec<_>, Vec<_>) =
                victim.alive.iter().partition(|survivor| matches!(survivor.what, Copied::Content { .. }));
            // What has died since it was chosen is not copied.
            for survivor in contents.into_iter().filter(|survivor| self.is_alive(survivor)) {
                outputs.content(&victim.segment, survivor, breathe)?;
            }
            for survivor in entries.into_iter().filter(|survivor| self.is_alive(survivor)) {
                let to = outputs.op(&victim.segment, survivor.place.offset, survivor.len, breathe)?;
                outputs.moved(survivor, to);
            }
            for (_, offset) in &victim.ends {
                outputs.op(&victim.segment, *offset, victim.ends_len, breathe)?;
            }
        }
        outputs.close(breathe)?;
        Ok(outputs.copies)
    }
}

impl<'a> Outputs<'a> {
    /// The segment that the next `len` bytes go to.
    fn with_room(&mut self, len: u64, breathe: Breathe<'_>) -> Result<&mut Gathering<'a>, Stop> {
        if self.current.as_ref().is_some_and(|(_, room)| *room < len) {
            self.close(breathe)?;
        }
        if self.current.is_none() {
            let frame = frame_len(self.texts);
            let room = self.left.min(self.upkeep.log.segment_len().saturating_sub(frame)).max(len);
            let begun = self.upkeep.log.gather(frame + room, self.lowest).map_err(Stop::Failed)?;
            self.current = Some((begun, room));
        }
        self.left = self.left.saturating_sub(len);
        let (gathering, room) = self.current.as_mut().expect("begun above");
        *room -= len;
        Ok(gathering)
    }

    /// Copies the record of a content, if all of it stands.
    fn content(&mut self, segment: &Segment, survivor: &Survivor, breathe: Breathe<'_>) -> Result<(), Stop> {
        let damaged = |error| Stop::Damaged(segment.id(), error);
        let at = survivor.place.record_at();
        let missing = || Error::corrupt(&segment.path, at, "the record of a content does not stand");
        let (header, head) = segment.record(at).and_then(|found| found.ok_or_else(missing)).map_err(damaged)?;
        let blob = BlobView::decode(&header, &head).ok_or_else(missing).map_err(damaged)?;
        let output = self.with_room(survivor.len, breathe)?;
        let mut unread = None;
        let mut body = |offset: u64, len: usize| {
            let place = at + header.body_at() + offset;
            let bytes = segment.bytes(place, len);
            let bytes = bytes.and_then(|bytes| {
                let first = offset as usize / CHUNK;
                let bad = chunk_crcs(&bytes).enumerate().find(|(n, crc)| blob.crc(first + n) != Some(*crc));
                match bad {
                    None => Ok(bytes),
                    Some((n, _)) => {
                        let found = "a chunk of a content has not the CRC that was stored";
                        Err(Error::corrupt(&segment.path, place + (n * CHUNK) as u64, found))
                    }
                }
            });
            bytes.inspect_err(|error| unread = Some(error.clone()))
        };
        let copied = output.copy_blob((&header, &head), &mut body, breathe);
        let segment = output.segment();
        match (copied, unread) {
            (_, Some(error)) => Err(damaged(error)),
            (Err(error), None) => Err(Stop::Failed(error)),
            (Ok(at), None) => {
                let offset = at as u32 | u32::from(survivor.place.is_file());
                self.moved(survivor, Place { segment, offset });
                Ok(())
            }
        }
    }

    /// Copies an operation.
    fn op(&mut self, segment: &Segment, offset: u32, len_max: u64, breathe: Breathe<'_>) -> Result<Place, Stop> {
        let bytes = segment.op(offset.into()).map_err(|error| Stop::Damaged(segment.id(), error))?;
        let output = self.with_room(len_max.min(crate::log::gather::op_len(bytes.len())), breathe)?;
        let offset = output.copy_op(&bytes, breathe).map_err(Stop::Failed)? as u32;
        Ok(Place { segment: output.segment(), offset })
    }

    fn moved(&mut self, Survivor { place, what, .. }: &Survivor, to: Place) {
        self.copies.moves.push(Move { what: what.clone(), from: *place, to });
    }

    fn close(&mut self, breathe: Breathe<'_>) -> Result<(), Stop> {
        if let Some((gathering, _)) = self.current.take() {
            let segment = gathering.finish(breathe).map_err(Stop::Failed)?;
            self.copies.bytes += segment.len();
        }
        Ok(())
    }
}
