//! The file `catalog`: a checkpoint of the catalog, so that opening need not read the log.
//!
//! Derived and disposable: any doubt, and it is left aside. All numbers are little-endian.
//!
//! ```text
//!   0  8  magic "MCASKCT1"     8  4  version (1)        12  4  1: closed cleanly, else 0
//!  16 16  store id            32  8  sequence S         40  4  segment of the position   44  4  next segment's id
//!  48  8  offset of the position                        56  4  accounts   60  4  segments
//!  64  4  length of the active segment's footer         68  4  zero
//!  72  8  contents            80  8  names              88  8  length of what follows the header
//!  96  4  CRC-32 of what follows the header            100  4  CRC-32 of bytes 0..100
//! accounts  each: 2 length, 1 has a policy, 1 zero, text; with one: 4 segment, 4 offset, 8 sequence, 5 x 8 as in a
//!           record
//! segments  each: 4 id
//! active    the footer the active segment would have at the position
//! contents  each: 4 id, 4 account (u32::MAX: the store), 32 digest, 8 length, 4 segment, 4 offset
//! names     each: 16 key, 8 sequence, 8 expires, 4 segment, 4 offset, 4 id of the content, 4 account
//! ```
//!
//! It holds all that the records up to S and up to the position did. Rows above S may be in it and are left
//! out when it is read: replay brings them. It is written shard by shard while others write; a name at or
//! below S that is found at the end was there all along, and so was its content under the same id.

use std::time::Duration;

use super::accounts::PolicyRow;
use super::parts::{rows_of_parts, shards_each, side_by_side};
use super::table::Table;
use super::{Catalog, ContentId, ContentRow, NameRow, Place, content_shard, name_shard};
use crate::digest::{Digest, NameKey};
use crate::disk::locks::RwLock;
use crate::error::Result;
use crate::limits::BLOB_LEN_MAX;
use crate::options::Policy;

const MAGIC: &[u8; 8] = b"MCASKCT1";
const VERSION: u32 = 1;
pub(crate) const HEADER_LEN: usize = 104;
const NAME_LEN: usize = 48;
const CONTENT_LEN: usize = 56;
const POLICY_LEN: usize = 56;

/// What a checkpoint says of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) store_id: [u8; 16],
    /// All records up to this sequence are in it.
    pub(crate) sequence: u64,
    /// All records before this place are in it.
    pub(crate) segment: u32,
    pub(crate) offset: u64,
    pub(crate) next_segment: u32,
    /// Nothing was written after it.
    pub(crate) clean: bool,
}

/// A checkpoint that was read.
pub(crate) struct Loaded {
    pub(crate) stamp: Stamp,
    pub(crate) segments: Vec<u32>,
    /// The footer of the segment that was active.
    pub(crate) active: Vec<u8>,
    pub(crate) catalog: Catalog,
}

/// Writes the checkpoint through `sink`, all but its header, which is given back: it goes in front.
pub(crate) fn write(
    catalog: &Catalog,
    stamp: &Stamp,
    segments: &[u32],
    active: &[u8],
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<[u8; HEADER_LEN]> {
    let mut checked = crc32fast::Hasher::new();
    let mut len = 0u64;
    let mut out = |bytes: &[u8]| {
        checked.update(bytes);
        len += bytes.len() as u64;
        sink(bytes)
    };
    let accounts = catalog.accounts.all();
    for account in &accounts {
        out(&encode_account(&account.name, account.state.lock().policy.as_ref()))?;
    }
    let ids: Vec<u8> = segments.iter().flat_map(|id| id.to_le_bytes()).collect();
    out(&ids)?;
    out(active)?;
    let (mut contents, mut names) = (0u64, 0u64);
    for (shard, table) in catalog.contents.iter().enumerate() {
        let table = table.read();
        let mut bytes = Vec::with_capacity(table.len() * CONTENT_LEN);
        let mut rows: Vec<_> = table.iter().collect();
        rows.sort_unstable_by_key(|(slot, _)| *slot);
        rows.iter().for_each(|(slot, row)| encode_content(&mut bytes, ContentId::new(shard, *slot), row));
        contents += table.len() as u64;
        drop(table);
        out(&bytes)?;
    }
    for table in &catalog.names {
        let table = table.read();
        let mut bytes = Vec::with_capacity(table.len() * NAME_LEN);
        table.iter().for_each(|(_, row)| encode_name(&mut bytes, row));
        names += table.len() as u64;
        drop(table);
        out(&bytes)?;
    }
    let mut header = [0; HEADER_LEN];
    header[..8].copy_from_slice(MAGIC);
    header[16..32].copy_from_slice(&stamp.store_id);
    let lens = (accounts.len() as u32, segments.len() as u32, active.len() as u32);
    let halves = [(8, VERSION), (12, u32::from(stamp.clean)), (40, stamp.segment), (44, stamp.next_segment)];
    let more = [(56, lens.0), (60, lens.1), (64, lens.2), (96, checked.finalize())];
    for (at, number) in halves.into_iter().chain(more) {
        header[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    for (at, number) in [(32, stamp.sequence), (48, stamp.offset), (72, contents), (80, names), (88, len)] {
        header[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    let check = crc32fast::hash(&header[..100]);
    header[100..].copy_from_slice(&check.to_le_bytes());
    Ok(header)
}

fn encode_account(name: &str, policy: Option<&PolicyRow>) -> Vec<u8> {
    let mut bytes = (name.len() as u16).to_le_bytes().to_vec();
    bytes.extend_from_slice(&[u8::from(policy.is_some()), 0]);
    bytes.extend_from_slice(name.as_bytes());
    if let Some(PolicyRow { policy, sequence, place }) = policy {
        let ms = |ttl: Option<Duration>| ttl.map_or(u64::MAX, |ttl| ttl.as_millis() as u64);
        bytes.extend_from_slice(&place.segment.to_le_bytes());
        bytes.extend_from_slice(&place.offset.to_le_bytes());
        let limits = [policy.largest_blob, policy.quota_bytes, policy.quota_count].map(|n| n.unwrap_or(u64::MAX));
        let numbers = [*sequence, ms(policy.default_ttl), ms(policy.longest_ttl)];
        numbers.iter().chain(&limits).for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    }
    bytes
}

fn encode_content(into: &mut Vec<u8>, id: ContentId, row: &ContentRow) {
    into.extend_from_slice(&id.0.to_le_bytes());
    into.extend_from_slice(&row.scope.to_le_bytes());
    into.extend_from_slice(row.digest.as_bytes());
    into.extend_from_slice(&row.len.to_le_bytes());
    into.extend_from_slice(&row.place.segment.to_le_bytes());
    into.extend_from_slice(&row.place.offset.to_le_bytes());
}

fn encode_name(into: &mut Vec<u8>, row: &NameRow) {
    into.extend_from_slice(&row.key.0.to_le_bytes());
    into.extend_from_slice(&row.sequence.to_le_bytes());
    into.extend_from_slice(&row.expires_ms.to_le_bytes());
    for number in [row.place.segment, row.place.offset, row.content.0, row.account] {
        into.extend_from_slice(&number.to_le_bytes());
    }
}

/// Bytes taken from the front, checked for length.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }
}

/// The length and the CRC-32 of what follows the header, if the header itself is whole.
pub(crate) fn sums_of(header: &[u8; HEADER_LEN]) -> Option<(u64, u32)> {
    let number = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let len = u64::from_le_bytes(header[88..96].try_into().expect("eight bytes"));
    (&header[..8] == MAGIC && number(100) == crc32fast::hash(&header[..100])).then(|| (len, number(96)))
}

/// The checkpoint in `bytes`, if it is whole and of the store `store_id`.
pub(crate) fn read(bytes: &[u8], store_id: &[u8; 16]) -> Option<Loaded> {
    let header = bytes.get(..HEADER_LEN)?;
    let number = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let long = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
    let sound = &header[..8] == MAGIC
        && number(8) == VERSION
        && &header[16..32] == store_id
        && number(100) == crc32fast::hash(&header[..100])
        && long(88) == (bytes.len() - HEADER_LEN) as u64
        && number(96) == crc32fast::hash(&bytes[HEADER_LEN..]);
    if !sound {
        return None;
    }
    let stamp = Stamp {
        store_id: *store_id,
        sequence: long(32),
        segment: number(40),
        offset: long(48),
        next_segment: number(44),
        clean: number(12) == 1,
    };
    let mut catalog = Catalog::new();
    let mut rest = Reader(&bytes[HEADER_LEN..]);
    for _ in 0..number(56) {
        read_account(&mut rest, &catalog)?;
    }
    let segments = (0..number(60)).map(|_| rest.u32()).collect::<Option<Vec<u32>>>()?;
    let active = rest.take(number(64) as usize)?.to_vec();
    let (contents, names) = (long(72) as usize, long(80) as usize);
    let content_rows = rest.take(contents.checked_mul(CONTENT_LEN)?)?;
    let name_rows = rest.take(names.checked_mul(NAME_LEN)?)?;
    catalog.reserve(names, contents);
    let ids = read_contents(content_rows, &mut catalog)?;
    read_names(name_rows, &mut catalog, &ids, stamp.sequence).then_some(())?;
    Some(Loaded { stamp, segments, active, catalog })
}

fn read_account(rest: &mut Reader<'_>, catalog: &Catalog) -> Option<()> {
    let (len, flags) = (rest.u16()?, rest.take(2)?);
    let account = catalog.accounts.intern(std::str::from_utf8(rest.take(len as usize)?).ok()?);
    if flags[0] != 1 {
        return Some(());
    }
    let mut fields = Reader(rest.take(POLICY_LEN)?);
    let place = Place { segment: fields.u32()?, offset: fields.u32()? };
    let sequence = fields.u64()?;
    let mut limit = || fields.u64().map(|number| Some(number).filter(|number| *number != u64::MAX));
    let policy = Policy {
        default_ttl: limit()?.map(Duration::from_millis),
        longest_ttl: limit()?.map(Duration::from_millis),
        largest_blob: limit()?,
        quota_bytes: limit()?,
        quota_count: limit()?,
    };
    account.state.lock().policy = Some(PolicyRow { policy, sequence, place });
    Some(())
}

/// For each shard the new ids of the old slots, in the order of these.
struct Ids(Vec<Vec<(u32, ContentId)>>);

impl Ids {
    fn find(&self, old: ContentId) -> Option<ContentId> {
        let shard = self.0.get(old.shard())?;
        let slot = old.slot();
        // While no content has gone yet, the slots have no holes.
        let place = match shard.get(slot as usize) {
            Some((there, _)) if *there == slot => slot as usize,
            _ => shard.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?,
        };
        Some(shard[place].1)
    }
}

/// Files the contents, which come shard by shard and, today, by their slots.
fn read_contents(rows: &[u8], catalog: &mut Catalog) -> Option<Ids> {
    let each = shards_each(rows.len() / CONTENT_LEN);
    let shard = |row: &[u8]| ContentId(u32::from_le_bytes(row[..4].try_into().expect("four bytes"))).shard();
    let rows = rows_of_parts(rows, CONTENT_LEN, each, shard);
    let tables = catalog.contents.chunks_mut(each).enumerate();
    let parts = rows.into_iter().zip(tables).map(|(rows, (part, tables))| (rows, part * each, tables)).collect();
    let read = side_by_side(parts, |(rows, first, tables)| read_contents_of(rows, first, tables));
    Some(Ids(read.into_iter().collect::<Option<Vec<_>>>()?.concat()))
}

/// Files the contents of the shards from `first` on; gives their new ids.
fn read_contents_of(
    rows: &[u8],
    first: usize,
    tables: &mut [RwLock<Table<ContentRow>>],
) -> Option<Vec<Vec<(u32, ContentId)>>> {
    let mut ids = vec![Vec::new(); tables.len()];
    for row in rows.chunks_exact(CONTENT_LEN) {
        let mut fields = Reader(row);
        let (id, scope) = (ContentId(fields.u32()?), fields.u32()?);
        let digest = Digest::from_bytes(fields.take(32)?.try_into().ok()?);
        let len = fields.u64()?;
        let place = Place { segment: fields.u32()?, offset: fields.u32()? };
        let shard = id.shard();
        if len > BLOB_LEN_MAX || content_shard(&digest) != shard {
            return None;
        }
        let here = shard.checked_sub(first)?;
        let row = ContentRow { digest, len, references: 0, scope, place };
        let slot = super::builder::load_content(tables.get_mut(here)?.get_mut(), row);
        ids[here].push((id.slot(), ContentId::new(shard, slot)));
    }
    let by_slot = |shard: &mut Vec<(u32, ContentId)>| {
        if !shard.is_sorted_by_key(|(slot, _)| *slot) {
            shard.sort_unstable_by_key(|(slot, _)| *slot);
        }
        shard.windows(2).all(|pair| pair[0].0 < pair[1].0)
    };
    ids.iter_mut().all(by_slot).then_some(ids)
}

/// Files the names, which come shard by shard; says whether they are sound.
fn read_names(rows: &[u8], catalog: &mut Catalog, ids: &Ids, floor: u64) -> bool {
    let accounts = catalog.accounts.all().len() as u32;
    let each = shards_each(rows.len() / NAME_LEN);
    let rows = rows_of_parts(rows, NAME_LEN, each, |row| name_shard(key_of(row)));
    let tables = catalog.names.chunks_mut(each).enumerate();
    let parts = rows.into_iter().zip(tables).map(|(rows, (part, tables))| (rows, part * each, tables)).collect();
    let read = |row: &[u8]| -> Option<NameRow> {
        let mut fields = Reader(&row[16..]);
        let (sequence, expires_ms) = (fields.u64()?, fields.u64()?);
        let place = Place { segment: fields.u32()?, offset: fields.u32()? };
        let (old, account) = (ContentId(fields.u32()?), fields.u32()?);
        let content = if sequence <= floor { ids.find(old).filter(|_| account < accounts)? } else { old };
        Some(NameRow { key: key_of(row), sequence, expires_ms, place, content, account })
    };
    let read = side_by_side(parts, |(rows, first, tables): (&[u8], usize, &mut [RwLock<Table<NameRow>>])| {
        rows.chunks_exact(NAME_LEN).all(|row| {
            let row = read(row);
            let table = row.and_then(|row| tables.get_mut(name_shard(row.key).checked_sub(first)?));
            row.zip(table).is_some_and(|(row, table)| {
                if row.sequence <= floor {
                    super::builder::load_name(table.get_mut(), row);
                }
                true
            })
        })
    });
    read.into_iter().all(|sound| sound)
}

fn key_of(row: &[u8]) -> NameKey {
    NameKey(u128::from_le_bytes(row[..16].try_into().expect("sixteen bytes")))
}

impl Catalog {
    fn reserve(&self, names: usize, contents: usize) {
        // Keys are spread evenly; a little more than the mean spares most shards a second growth.
        let share = |all: usize| if all < 4096 { 0 } else { all / super::SHARDS * 33 / 32 };
        self.names.iter().for_each(|shard| shard.write().reserve(share(names)));
        self.contents.iter().for_each(|shard| shard.write().reserve(share(contents)));
    }
}
