//! The list of what belongs to a checkpoint: encoded and decoded here only. Its layout stands in [`super::format`].

use super::blob_files::BlobFileName;
use super::format::{Refusal, VERSION, array_at, u32_at, u64_at};
use crate::digest::{Digest, crc};

const MAGIC: &[u8; 8] = b"MCASKMF1";
const HEADER_LEN: usize = 56;
const SEGMENT_LEN: usize = 16;
const FILE_LEN: usize = 48;
const CRC_LEN: usize = 4;

/// What a checkpoint holds, and of which store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// All it lists is there, durably; else it says only whose directory this is to be.
    pub(crate) is_complete: bool,
    pub(crate) store_id: [u8; 16],
    pub(crate) last_sequence: u64,
    pub(crate) at_ms: u64,
    pub(crate) segments: Vec<ListedSegment>,
    pub(crate) files: Vec<ListedFile>,
}

/// A segment of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ListedSegment {
    pub(crate) id: u32,
    /// It was not sealed: the file ends where its records did.
    pub(crate) is_tail: bool,
    pub(crate) len: u64,
}

/// A large blob's file in a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ListedFile {
    pub(crate) name: BlobFileName,
    pub(crate) len: u64,
}

impl ListedSegment {
    /// Its file, within `segments/`.
    pub(crate) fn file_name(&self) -> String {
        if self.is_tail { format!("{:010}.{:016x}.tail", self.id, self.len) } else { self.name_in_log() }
    }

    /// What the file is called in the log of a store.
    pub(crate) fn name_in_log(&self) -> String {
        format!("{:010}.seg", self.id)
    }
}

impl Manifest {
    /// A list of nothing: the directory is taken, and no more.
    pub(crate) fn begun(store_id: [u8; 16], at_ms: u64) -> Manifest {
        let (segments, files) = (Vec::new(), Vec::new());
        Manifest { is_complete: false, store_id, last_sequence: 0, at_ms, segments, files }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let count = |len: usize| u32::try_from(len).expect("ids of segments have 32 bits; no disk has more files");
        let mut bytes = Vec::with_capacity(self.encoded_len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&u32::from(self.is_complete).to_le_bytes());
        bytes.extend_from_slice(&self.store_id);
        bytes.extend_from_slice(&self.last_sequence.to_le_bytes());
        bytes.extend_from_slice(&self.at_ms.to_le_bytes());
        bytes.extend_from_slice(&count(self.segments.len()).to_le_bytes());
        bytes.extend_from_slice(&count(self.files.len()).to_le_bytes());
        for segment in &self.segments {
            bytes.extend_from_slice(&segment.id.to_le_bytes());
            bytes.extend_from_slice(&u32::from(segment.is_tail).to_le_bytes());
            bytes.extend_from_slice(&segment.len.to_le_bytes());
        }
        for file in &self.files {
            bytes.extend_from_slice(file.name.digest.as_bytes());
            bytes.extend_from_slice(&file.name.id.to_le_bytes());
            bytes.extend_from_slice(&file.len.to_le_bytes());
        }
        bytes.extend_from_slice(&crc(&bytes).to_le_bytes());
        bytes
    }

    fn encoded_len(&self) -> usize {
        HEADER_LEN + SEGMENT_LEN * self.segments.len() + FILE_LEN * self.files.len() + CRC_LEN
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Manifest, Refusal> {
        let end = bytes.len().checked_sub(CRC_LEN).filter(|end| *end >= HEADER_LEN).ok_or(Refusal::Damaged)?;
        if &bytes[..8] != MAGIC || u32_at(bytes, end) != crc(&bytes[..end]) {
            return Err(Refusal::Damaged);
        }
        if u32_at(bytes, 8) != VERSION {
            return Err(Refusal::Version(u32_at(bytes, 8)));
        }
        let (segments, files) = (u32_at(bytes, 48) as usize, u32_at(bytes, 52) as usize);
        let lens = segments.checked_mul(SEGMENT_LEN).zip(files.checked_mul(FILE_LEN));
        let Some((files_at, _)) = lens
            .and_then(|(segments, files)| Some((HEADER_LEN.checked_add(segments)?, files)))
            .filter(|(files_at, files)| files_at.checked_add(*files) == Some(end))
        else {
            return Err(Refusal::Damaged);
        };
        let segment = |row: &[u8]| {
            let is_tail = match u32_at(row, 4) {
                0 => false,
                1 => true,
                _ => return Err(Refusal::Damaged),
            };
            Ok(ListedSegment { id: u32_at(row, 0), is_tail, len: u64_at(row, 8) })
        };
        let file = |row: &[u8]| {
            let name = BlobFileName { digest: Digest::from_bytes(array_at(row, 0)), id: u64_at(row, 32) };
            ListedFile { name, len: u64_at(row, 40) }
        };
        Ok(Manifest {
            is_complete: u32_at(bytes, 12) & 1 == 1,
            store_id: array_at(bytes, 16),
            last_sequence: u64_at(bytes, 32),
            at_ms: u64_at(bytes, 40),
            segments: bytes[HEADER_LEN..files_at].chunks_exact(SEGMENT_LEN).map(segment).collect::<Result<_, _>>()?,
            files: bytes[files_at..end].chunks_exact(FILE_LEN).map(file).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Manifest {
        let name = BlobFileName { digest: Digest::from_bytes([0xEE; 32]), id: 0x0123_4567_89ab_cdef };
        Manifest {
            is_complete: true,
            store_id: [0x11; 16],
            last_sequence: (1 << 40) + 7,
            at_ms: 1_700_000_000_000,
            segments: vec![
                ListedSegment { id: 6, is_tail: false, len: 0x80_0000 },
                ListedSegment { id: 7, is_tail: true, len: 0x1058 },
            ],
            files: vec![ListedFile { name, len: 0x40_0000 }],
        }
    }

    #[test]
    fn the_bytes_are_those_of_version_one() {
        let golden = "4d4341534b4d4631 01000000 01000000 11111111111111111111111111111111 \
                      0700000000010000 0068e5cf8b010000 02000000 01000000 \
                      06000000 00000000 0000800000000000 07000000 01000000 5810000000000000 \
                      eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee efcdab8967452301 0000400000000000";
        let golden = data_encoding::HEXLOWER.decode(golden.replace(' ', "").as_bytes()).unwrap();
        let bytes = example().encode();
        assert_eq!(bytes[..bytes.len() - CRC_LEN], golden);
        assert_eq!(bytes[bytes.len() - CRC_LEN..], crc(&golden).to_le_bytes());
        assert_eq!(Manifest::decode(&bytes), Ok(example()));
        let names = example().segments.iter().map(ListedSegment::file_name).collect::<Vec<_>>();
        assert_eq!(names, ["0000000006.seg", "0000000007.0000000000001058.tail"]);
    }

    #[test]
    fn whatever_is_cut_or_turned_is_refused() {
        let bytes = example().encode();
        for len in 0..bytes.len() {
            assert_eq!(Manifest::decode(&bytes[..len]), Err(Refusal::Damaged), "cut to {len}");
        }
        for bit in 0..8 * bytes.len() {
            let mut turned = bytes.clone();
            turned[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Manifest::decode(&turned), Err(Refusal::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_later_version_and_counts_that_do_not_fit_are_refused() {
        let with = |at: usize, value: u32| {
            let mut bytes = example().encode();
            let end = bytes.len() - CRC_LEN;
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let check = crc(&bytes[..end]).to_le_bytes();
            bytes[end..].copy_from_slice(&check);
            Manifest::decode(&bytes)
        };
        assert_eq!(with(8, 2), Err(Refusal::Version(2)));
        for count in [0, 1, 3, u32::MAX] {
            assert_eq!(with(48, count), Err(Refusal::Damaged));
        }
        assert_eq!(with(60, 2), Err(Refusal::Damaged));
    }
}
