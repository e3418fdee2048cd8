//! Step 4: where the log stops standing; and the sealing of its end there, a part of step 7.

use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;

use super::{End, Replay};
use crate::catalog::checkpoint::Stamp;
use crate::disk::{Access, DiskFile, map};
use crate::error::{Error, Result};
use crate::log::footer::{FooterView, Rows};
use crate::log::format::{RECORDS_AT, SegmentHeader, TRAILER_LEN, Trailer};
use crate::log::segment::{Segment, path_of};

/// Bytes copied in one go.
const COPY_LEN: usize = 1 << 20;

impl Replay {
    /// A footer that is not whole, at the end of the log: it was being written when the power went. The
    /// segment is taken as one that was not sealed yet.
    pub(super) fn unseal_torn(&mut self, from: u32) -> Result<()> {
        let Some(place) = self.segments.iter().rposition(|segment| !segment.is_compacted()) else { return Ok(()) };
        let last = &self.segments[place];
        if last.id() >= from && last.trailer().is_some() && !last.footer_stands()? {
            let unsealed = self.open_to_write(last.header, last.path.clone(), last.file.clone())?;
            self.segments[place] = Arc::new(unsealed);
        }
        Ok(())
    }

    /// Where the log stops standing: below what is proven to have been durable, damage costs only what it
    /// hits; beyond, a record stands only with its whole body and the record before it.
    pub(super) fn find_end(&mut self, segment: Arc<Segment>, stamp: Option<&Stamp>) -> Result<End> {
        segment.reveal(segment.len());
        let len = segment.len();
        let records_at = RECORDS_AT.min(len);
        let (from, rows) = self.rows_before(&segment, stamp).unwrap_or((records_at, Rows::new()));
        let mut proven = from.max(stamp.map_or(0, |stamp| stamp.offset)).min(len);
        segment.walk(from, len, &mut |_, header, _| proven = proven.max(header.proven.min(len)), &mut |_, _| ())?;
        let mut rows = self.walk_tolerantly(&segment, from, proven, rows)?;
        let mut cut = proven;
        let gap_ends = |at: u64| self.gaps.last().is_some_and(|gap| gap.segment == segment.id() && gap.end == at);
        while let Some((header, head)) = segment.record(cut)? {
            // What the last record before is, nobody knows where that is damaged.
            let follows =
                (header.previous == rows.last_sequence || (cut == proven && gap_ends(cut))) && header.proven <= cut;
            if !follows || !segment.body_is_sound(cut, &header, &head)? || !rows.add(&self.secret, &header, cut, &head)
            {
                break;
            }
            cut += header.len();
        }
        let left = segment.bytes(cut, (len - cut).min(64 << 10) as usize)?;
        let bytes_cut =
            left.chunks(8).rposition(|word| word.iter().any(|byte| *byte != 0)).map_or(0, |n| 8 * (n as u64 + 1));
        let was_closed = stamp.is_some_and(|stamp| stamp.clean && stamp.offset == cut) && self.gaps.is_empty();
        // What another directory has, too, is not gone on with.
        let clean = was_closed && !segment.facts.is_shared();
        Ok(End { segment, rows, proven, cut, bytes_cut: if clean { 0 } else { bytes_cut }, clean })
    }

    /// The rows of a segment up to where the checkpoint had read it, if the checkpoint says so.
    pub(super) fn rows_before(&self, segment: &Segment, stamp: Option<&Stamp>) -> Option<(u64, Rows)> {
        let stamp = stamp.filter(|stamp| stamp.offset <= segment.len())?;
        let tail = self.active.get(self.active.len().checked_sub(TRAILER_LEN)?..)?;
        let trailer = Trailer::decode(tail, &segment.header, u64::MAX)?;
        Some((stamp.offset, FooterView::decode(&self.active, &trailer)?.rows()?))
    }

    /// Writes the last segment's footer once more: a process may have died before it was synced. Of the
    /// segments before it that is certain, each has a successor.
    pub(super) fn seal_again(&self) -> Result<()> {
        let Some((segment, trailer)) = self.last_of_chain().and_then(|last| Some((last, last.trailer()?))) else {
            return Ok(());
        };
        let failed = |e| Error::io("seal", &segment.path, e);
        // It was durable before it was shared, unless somebody linked it by hand.
        if segment.facts.is_shared() {
            return segment.file.sync().map_err(failed);
        }
        let file = self.disk.open(&segment.path, Access::Write).map_err(failed)?;
        let at = segment.len() - trailer.footer_len;
        let footer = segment.bytes(at, trailer.footer_len as usize)?.into_owned();
        file.write_at(&[IoSlice::new(&footer)], at).map_err(failed)?;
        file.sync().map_err(failed)
    }

    /// Writes again what is not proven to be durable, cuts the file if nobody has it mapped, and seals it.
    pub(super) fn seal(&mut self, end: End) -> Result<Segment> {
        if end.segment.facts.is_shared() {
            return self.seal_copy(end);
        }
        let End { segment, rows, proven, cut, .. } = end;
        let (path, header, file, facts) = (segment.path.clone(), segment.header, segment.file.clone(), segment.facts);
        let failed = |e| Error::io("seal", &path, e);
        if cut > proven {
            let bytes = segment.bytes(proven, (cut - proven) as usize)?.into_owned();
            file.write_at(&[IoSlice::new(&bytes)], proven).map_err(failed)?;
            file.sync().map_err(failed)?;
        }
        // The one map of this recovery goes before the file is cut.
        self.segments.retain(|known| known.id() != segment.id());
        drop(segment);
        let footer = rows.encode(&header, cut);
        let mut len = facts.len;
        if !map::is_mapped(facts.id) || cut + footer.len() as u64 > len {
            len = cut + footer.len() as u64;
            file.set_len(len).map_err(failed)?;
        }
        file.write_at(&[IoSlice::new(&footer)], len - footer.len() as u64).map_err(failed)?;
        file.sync().map_err(failed)?;
        sealed(header, path.clone(), file, &footer)
    }

    /// Seals a segment whose file another directory has, too: in a file of its own, which takes its place. Until
    /// then, that is a spare.
    fn seal_copy(&mut self, end: End) -> Result<Segment> {
        let End { segment, rows, cut, .. } = end;
        let (path, header) = (segment.path.clone(), segment.header);
        let spare = path_of(&self.dir, self.next_segment, "spare");
        self.next_segment += 1;
        let failed = |e| Error::io("write", &spare, e);
        let file = self.disk.open(&spare, Access::Create).map_err(|e| Error::io("create", &spare, e))?;
        let mut at = 0;
        while at < cut {
            let part = segment.bytes(at, COPY_LEN.min((cut - at) as usize))?;
            file.write_at(&[IoSlice::new(&part)], at).map_err(failed)?;
            at += part.len() as u64;
        }
        let footer = rows.encode(&header, cut);
        file.write_at(&[IoSlice::new(&footer)], cut).and_then(|()| file.sync()).map_err(failed)?;
        self.disk.rename(&spare, &path).map_err(|e| Error::io("rename to", &path, e))?;
        self.disk.sync_dir(&self.dir).map_err(|e| Error::io("sync the directory", &self.dir, e))?;
        self.segments.retain(|known| known.id() != segment.id());
        sealed(header, path, file, &footer)
    }
}

/// A segment whose file ends with this footer.
fn sealed(header: SegmentHeader, path: PathBuf, file: Arc<dyn DiskFile>, footer: &[u8]) -> Result<Segment> {
    let sealed = Segment::new(header, path, file)?;
    let trailer = Trailer::decode(&footer[footer.len() - TRAILER_LEN..], &header, sealed.len());
    sealed.set_sealed(trailer.expect("just encoded"));
    Ok(sealed)
}
