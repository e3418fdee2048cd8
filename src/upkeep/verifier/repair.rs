//! Step 5: damaged things put right where the store has what was there, set aside where it has not.
//!
//! ```text
//! a copy of STORE           written anew; this process has read a sound one
//! a copy of a header        written over by the other copy, in place: no slice reaches into the first page
//! a footer                  the segment's file is written anew beside it, its records as they are and the
//!                           footer those make, and takes its name; only where every record stands
//! the catalog's checkpoint  written anew
//! the index                 built anew
//! records and contents      copied to quarantine/ as they are, with a note; a file moves there. Entries that
//!                           can still be read are written again, and so are policies; names that can be read
//!                           no more are ended in the log
//! ```
//!
//! Nothing is invented and nothing cut: the damaged bytes stay where they are until their segment leaves the
//! log, and the note tells later verifications that nothing alive is among them. Bytes of records and
//! contents that are dead are set aside in the same way. `quarantine/` is the operator's: the store adds to it
//! and never removes from it, unless it was told to erase what was deleted (`upkeep/eraser/`). A crash
//! 1. before the note is durable leaves damage that is found again;
//! 2. after it, names that are found again: what is set aside counts as long as something alive is hit.

use std::fmt::Write as _;
use std::io::{ErrorKind as IoKind, IoSlice};
use std::path::Path;
use std::sync::Arc;

use super::rows::{Case, Content, Holder};
use super::{Found, Kind, PIECE};
use crate::commit::request::{Intent, Refused, Request, Target};
use crate::disk::Access;
use crate::error::{Error, ErrorKind, Result};
use crate::home::replace_file;
use crate::log::blob_files::BlobFileName;
use crate::log::footer::Rows;
use crate::log::format::{PAGE, RECORDS_AT, TRAILER_LEN, Trailer};
use crate::log::record::Reason;
use crate::log::segment::Segment;
use crate::options::{Conditions, Durability, UpdateOptions};
use crate::upkeep::Upkeep;

/// How often a name is ended that is changed by others meanwhile.
const TRIES: usize = 100;

/// How the line of a note begins that tells when it was written.
const SET_ASIDE_AT: &str = "set aside at Unix time ";

/// What earlier repairs have set aside: stretches of segments, which are known by id and salt.
#[derive(Default)]
pub(super) struct Aside(Vec<(u32, u64, u64, u64)>);

impl Aside {
    /// Whether a place was set aside.
    pub(super) fn has(&self, found: &Found) -> bool {
        let Kind::Records(segment) = &found.kind else { return false };
        self.0.iter().any(|(id, salt, offset, len)| {
            (*id, *salt) == (segment.id(), segment.header.salt)
                && *offset <= found.offset
                && found.offset + found.len <= offset + len
        })
    }
}

/// The name, without extension, under which a stretch of a segment is set aside.
fn name_of(segment: &Segment, offset: u64, len: u64) -> String {
    format!("{:010}-{:016x}-{offset}-{len}", segment.id(), segment.header.salt)
}

fn parse_name(name: &str) -> Option<(u32, u64, u64, u64)> {
    let mut parts = name.strip_suffix(".txt")?.split('-');
    let id = parts.next()?.parse().ok()?;
    let salt = u64::from_str_radix(parts.next()?, 16).ok()?;
    let (offset, len) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some((id, salt, offset, len))
}

impl Case {
    /// What repair would do about it.
    pub(super) fn remedy(&self) -> String {
        let would = match &self.found.kind {
            Kind::Store => "write STORE anew from what was read of it at open",
            Kind::Catalog => "write the catalog's checkpoint anew",
            Kind::Header(_) => "write it over by the other copy, if that stands",
            Kind::Footer(_) => "write the footer anew from the records, if all of them stand",
            Kind::Records(_) | Kind::File(_) if !self.is_hit() => "set the bytes aside in quarantine/",
            Kind::Records(_) | Kind::File(_) => {
                "set the bytes aside in quarantine/, write again what can still be read, and end the names that \
                 cannot"
            }
            Kind::Missing => "note it in quarantine/, and end the names that cannot be read any more",
        };
        format!("repair would {would}")
    }
}

impl Upkeep {
    /// What earlier repairs have set aside. Nothing, where that cannot be read.
    pub(super) fn aside(&self) -> Aside {
        let found = self.log.disk.read_dir(&self.home.quarantine()).unwrap_or_default();
        Aside(found.iter().filter_map(|file| parse_name(&file.name)).collect())
    }

    /// Whether what a damaged place is in is still the store's.
    pub(super) fn still_has(&self, found: &Found) -> bool {
        match &found.kind {
            Kind::Store | Kind::Catalog => true,
            Kind::Header(segment) | Kind::Footer(segment) | Kind::Records(segment) => self.has(segment),
            // Only what names hold was read.
            Kind::File(_) | Kind::Missing => false,
        }
    }

    fn has(&self, segment: &Segment) -> bool {
        self.as_it_is(segment).is_some()
    }

    /// The segment as the log has it now: its file may have been written anew since.
    fn as_it_is(&self, segment: &Segment) -> Option<Arc<Segment>> {
        self.log.segment(segment.id()).filter(|known| known.header.salt == segment.header.salt)
    }

    /// Puts a damaged place right or sets it aside, and says how it went.
    pub(super) fn repair(&self, case: &mut Case) {
        let outcome = match case.found.kind.clone() {
            Kind::Store => {
                let bytes = self.home.store.encode();
                let mut write = |file: &dyn crate::disk::DiskFile| file.write_at(&[IoSlice::new(&bytes)], 0);
                let written = replace_file(self.log.disk.as_ref(), &self.home.dir, "STORE", &mut write);
                written.map(|()| Ok("STORE was written anew"))
            }
            Kind::Catalog => self.checkpoint(false).map(|()| Ok("the catalog's checkpoint was written anew")),
            Kind::Header(segment) => self.restore_header(&segment),
            Kind::Footer(segment) => self.rewrite_footer(&segment),
            Kind::Records(_) | Kind::File(_) | Kind::Missing => self.put_aside(case),
        };
        case.is_done = matches!(outcome, Ok(Ok(_)));
        if case.is_done
            && let Kind::Header(segment) | Kind::Footer(segment) | Kind::Records(segment) = &case.found.kind
        {
            // Compaction may have come upon it: what is needed there is sound now.
            self.take_up_again(&mut self.compactor.lock(), segment.id());
        }
        case.outcome = Some(match outcome {
            Ok(Ok(done)) => done.to_owned(),
            Ok(Err(why)) => format!("it stands: {why}"),
            Err(error) => format!("it stands, repair failed: {error}"),
        });
    }

    /// Writes the damaged copy of a header over by the sound one.
    fn restore_header(&self, segment: &Segment) -> Result<Result<&'static str, &'static str>> {
        // Nothing leaves the log, and no file becomes a spare, meanwhile.
        let _one = self.recycler.lock();
        let Some(segment) = self.as_it_is(segment) else { return Ok(Ok("the segment has left the log")) };
        let expected = segment.header.encode();
        let mut page = vec![0; expected.len()];
        let failed = |e| Error::io("read", &segment.path, e);
        segment.file.read_at(&mut page, 0).map_err(failed)?;
        let half = expected.len() / 2;
        let sound = [page[..half] == expected[..half], page[half..] == expected[half..]];
        let (at, bytes) = match sound {
            [true, true] => return Ok(Ok("both copies of the header stand")),
            [false, false] => return Ok(Err("neither copy of the header stands")),
            [false, true] => (0, &expected[..half]),
            [true, false] => (half as u64, &expected[half..]),
        };
        let failed = |e| Error::io("write", &segment.path, e);
        let done = "the copy of the header was written anew";
        let Some(trailer) = segment.trailer() else {
            segment.file.write_at(&[IoSlice::new(bytes)], at).and_then(|()| segment.file.sync()).map_err(failed)?;
            return Ok(Ok(done));
        };
        let footer = segment.bytes(segment.len() - trailer.footer_len, trailer.footer_len as usize)?;
        self.write_anew(&segment, &footer)?;
        Ok(Ok(done))
    }

    /// Writes the footer of a segment anew, as its records make it.
    fn rewrite_footer(&self, segment: &Segment) -> Result<Result<&'static str, &'static str>> {
        // As above.
        let _one = self.recycler.lock();
        let Some(segment) = self.as_it_is(segment) else { return Ok(Ok("the segment has left the log")) };
        let (mut rows, mut whole, end) = (Rows::new(), true, segment.records_end());
        let mut each = |at: u64, header: &_, head: &[u8]| {
            rows.add(&self.log.secret, header, at, head);
        };
        segment.walk(RECORDS_AT, end, &mut each, &mut |_, _| whole = false)?;
        let footer = rows.encode(&segment.header, end);
        if !whole || segment.len() < end + footer.len() as u64 {
            return Ok(Err("some of the segment's records do not stand, and the footer may know of them"));
        }
        self.write_anew(&segment, &footer)?;
        Ok(Ok("the footer was written anew from the records"))
    }

    /// Writes a sealed segment's file anew, with this footer, and puts it in the place of the old one: that may be
    /// a checkpoint's, too, and is not written. A crash before the renaming leaves a file in staging; maps of the
    /// old file keep it.
    fn write_anew(&self, segment: &Segment, footer: &[u8]) -> Result<()> {
        let (len, end) = (segment.len(), segment.records_end());
        let staged = self.home.staging().join(format!("{:010}.seg", segment.id()));
        let failed = |e| Error::io("write", &staged, e);
        let _ = self.log.disk.unlink(&staged);
        let file = self.log.disk.open(&staged, Access::Create).map_err(failed)?;
        file.allocate(len).map_err(failed)?;
        file.write_at(&[IoSlice::new(&segment.header.encode())], 0).map_err(failed)?;
        for offset in (RECORDS_AT..end).step_by(PIECE as usize) {
            let bytes = segment.bytes(offset, (end - offset).min(PIECE) as usize)?;
            file.write_at(&[IoSlice::new(&bytes)], offset).map_err(failed)?;
        }
        file.write_at(&[IoSlice::new(footer)], len - footer.len() as u64).map_err(failed)?;
        file.sync().map_err(failed)?;
        let fresh = Segment::new(segment.header, segment.path.clone(), file)?;
        match Trailer::decode(&footer[footer.len() - TRAILER_LEN..], &segment.header, len) {
            Some(trailer) => fresh.set_sealed(trailer),
            None => fresh.set_ended(end),
        }
        self.log.disk.rename(&staged, &segment.path).map_err(|e| Error::io("rename to", &segment.path, e))?;
        let dir = self.home.segments();
        self.log.disk.sync_dir(&dir).map_err(|e| Error::io("sync the directory", &dir, e))?;
        self.log.exchange(Arc::new(fresh));
        Ok(())
    }

    /// Copies what is damaged to quarantine/; then ends or writes again what is hit.
    fn put_aside(&self, case: &Case) -> Result<Result<&'static str, &'static str>> {
        // While a content is barred nobody heals it; who began to before is through after a look at the tail.
        let _bars: Vec<_> = case.contents.iter().map(|content| self.commit.bar(content.row.digest)).collect();
        drop(self.log.tail());
        let (name, text) = note_of(case, self.clock.now_ms());
        self.owe_aside(&format!("{name}.txt"));
        let dir = self.home.quarantine();
        match self.log.disk.create_dir(&dir) {
            Err(error) if error.kind() != IoKind::AlreadyExists => return Err(Error::io("create", &dir, error)),
            _ => self.log.disk.sync_dir(&self.home.dir).map_err(|e| Error::io("sync the directory", &dir, e))?,
        }
        match &case.found.kind {
            Kind::Records(segment) => self.copy_aside(&name, segment, case.found.offset, case.found.len)?,
            Kind::File(file) if case.contents.iter().any(|content| self.is_still(content.id, &content.row)) => {
                self.move_aside(file)?;
            }
            _ => {}
        }
        let mut write = |file: &dyn crate::disk::DiskFile| file.write_at(&[IoSlice::new(text.as_bytes())], 0);
        replace_file(self.log.disk.as_ref(), &dir, &format!("{name}.txt"), &mut write)?;

        let mut all = true;
        for content in &case.contents {
            all &= self.end_names_of(content)?;
        }
        for holder in &case.entries {
            all &= self.end_or_write_again(holder)?;
        }
        for (account, row) in &case.policies {
            let known = self.catalog.accounts.intern(account).state.lock().policy;
            if known.is_some_and(|known| known.place == row.place) {
                self.submit(Intent::Policy { account: account.clone(), policy: row.policy })?;
            }
        }
        self.commit.sync()?;
        Ok(if all { Ok("it was set aside in quarantine/") } else { Err("it is not known how its names are called") })
    }

    fn copy_aside(&self, name: &str, segment: &Segment, offset: u64, len: u64) -> Result<()> {
        let mut write = |file: &dyn crate::disk::DiskFile| {
            for at in (0..len).step_by(PAGE as usize) {
                // A page that the disk cannot give stays one of zeros.
                if let Ok(bytes) = segment.bytes(offset + at, (len - at).min(PAGE) as usize) {
                    file.write_at(&[IoSlice::new(&bytes)], at)?;
                }
            }
            Ok(())
        };
        self.owe_aside(&format!("{name}.bytes"));
        replace_file(self.log.disk.as_ref(), &self.home.quarantine(), &format!("{name}.bytes"), &mut write)
    }

    fn move_aside(&self, name: &BlobFileName) -> Result<()> {
        let from = self.files.path_of(name);
        let file = from.file_name().unwrap_or_default();
        let to = self.home.quarantine().join(file);
        self.owe_aside(&file.to_string_lossy());
        match self.log.disk.rename(&from, &to) {
            Err(error) if error.kind() != IoKind::NotFound => Err(Error::io("rename to", &to, error)),
            _ => Ok(()),
        }
    }

    /// Ends every name that holds a damaged content; says whether none is left.
    fn end_names_of(&self, content: &Content) -> Result<bool> {
        for holder in &content.holders {
            self.end(holder, &|row| row.content == content.id)?;
        }
        // Names that came since the place was found.
        let mut late = Vec::new();
        if self.is_still(content.id, &content.row) {
            self.catalog.for_each_name(|row| late.extend((row.content == content.id).then_some(*row)));
        }
        let mut all = true;
        for row in late {
            if let Some(holder) = self.holder(&row)? {
                all &= self.end(&holder, &|row| row.content == content.id)?;
            }
        }
        Ok(all)
    }

    /// Writes an entry again that can still be read, with a content that can be; ends the name else.
    fn end_or_write_again(&self, holder: &Holder) -> Result<bool> {
        let Some(row) = self.catalog.name(holder.row.key).filter(|row| row.place == holder.row.place) else {
            return Ok(true);
        };
        let can_be_read = self.target(&row)?.is_some() && !self.catalog.is_suspect(&holder.digest);
        let Some(target) = target_of(holder).filter(|_| can_be_read && !row.is_over(self.clock.now_ms())) else {
            return self.end(holder, &|row| row.place == holder.row.place);
        };
        let conditions = Conditions { generation: Some(row.sequence), ..Conditions::default() };
        let options = UpdateOptions { conditions, ..UpdateOptions::default() };
        match self.submit(Intent::Update { target, options }) {
            // Somebody else has written it meanwhile.
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => Ok(true),
            outcome => outcome.map(|()| true),
        }
    }

    /// Ends a name for as long as its row is one that `is_hit` says yes to; `false` when nobody knows what it
    /// is called.
    fn end(&self, holder: &Holder, is_hit: &dyn Fn(&crate::catalog::NameRow) -> bool) -> Result<bool> {
        for _ in 0..TRIES {
            let Some(row) = self.catalog.name(holder.row.key).filter(is_hit) else { return Ok(true) };
            let Some(target) = target_of(holder) else { return Ok(false) };
            let intent = if row.is_over(self.clock.now_ms()) {
                Intent::Expire { target, sequence: row.sequence }
            } else {
                let conditions = Conditions { generation: Some(row.sequence), ..Conditions::default() };
                Intent::End { target, reason: Reason::Purge, conditions }
            };
            match self.submit(intent) {
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                outcome => outcome?,
            }
        }
        Ok(self.catalog.name(holder.row.key).is_none_or(|row| !is_hit(&row)))
    }

    /// Has one thing done; durable with the sync at the end.
    fn submit(&self, intent: Intent) -> Result<()> {
        match self.commit.submit(Request::one(intent, Durability::Os)).1 {
            Ok(_) | Err(Refused::PrefixUnknown) => Ok(()),
            Err(Refused::Error(error)) => Err(error),
        }
    }
}

fn target_of(holder: &Holder) -> Option<Target> {
    let name = holder.name.clone()?;
    Some(Target { account: holder.account.clone(), name, key: holder.row.key })
}

/// The name and the text of the note on what is set aside.
fn note_of(case: &Case, now_ms: u64) -> (String, String) {
    let Found { path, offset, len, what, .. } = &case.found;
    let file = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = match &case.found.kind {
        Kind::Records(segment) => name_of(segment, *offset, *len),
        _ => file(path),
    };
    let mut text = format!("{}, offset {offset}, {len} bytes: {what}\n", path.display());
    let _ = writeln!(text, "{SET_ASIDE_AT}{now_ms} ms");
    for content in &case.contents {
        let _ = writeln!(text, "content {} of {} bytes; names that held it:", content.row.digest, content.row.len);
        content.holders.iter().for_each(|holder| text += &line_of(holder));
    }
    if !case.entries.is_empty() {
        text += "names whose entries stood there:\n";
        case.entries.iter().for_each(|holder| text += &line_of(holder));
    }
    for (account, row) in &case.policies {
        let _ = writeln!(text, "the policy of account {account:?}: {:?}", row.policy);
    }
    (name, text)
}

/// When that was of which the note tells, Unix ms.
pub(crate) fn time_of_note(note: &str) -> Option<u64> {
    note.lines().find_map(|line| line.strip_prefix(SET_ASIDE_AT)?.strip_suffix(" ms")?.parse().ok())
}

fn line_of(holder: &Holder) -> String {
    let name = holder.name.as_ref().map_or_else(|| "unknown".into(), |name| format!("{name:?}"));
    let Holder { row, account, digest, .. } = holder;
    format!("  account {account:?} name {name} generation {} digest {digest}\n", row.sequence)
}
