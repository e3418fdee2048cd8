//! The layout of a row: the only place that encodes and decodes keys and values of the index.
//!
//! | row | key | value |
//! |---|---|---|
//! | a name | account, NUL, name | sequence, 8 bytes |
//! | the position | NUL | layout (1 byte), store id (16), segment (4), offset (8) |
//!
//! Neither accounts nor names hold NUL, and both are at least one byte long. So the keys of an account
//! stand together, in the order of its names by bytes; an account that begins like another never
//! runs into it; and no account can have the key of the position. Integers are little-endian.

use std::str;

/// The key of the position, below the keys of all accounts.
pub(super) const POSITION_KEY: &[u8] = &[0];

/// The least key a name can have.
pub(super) const NAMES_BEGIN: &[u8] = &[1];

/// Above the keys of all names: no UTF-8 has this byte.
pub(super) const NAMES_END: &[u8] = &[0xFF];

/// The layout of rows this crate writes; an index of another one is begun afresh.
const LAYOUT: u8 = 1;

const POSITION_LEN: usize = 1 + 16 + 4 + 8;

/// Where in the log the rows stand: all changes before it are in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The id of the segment.
    pub(crate) segment: u32,
    /// The offset of the next record in it, in bytes.
    pub(crate) offset: u64,
    /// The store the rows belong to.
    pub(crate) store_id: [u8; 16],
}

impl Position {
    pub(super) fn encode(&self) -> [u8; POSITION_LEN] {
        let mut bytes = [0; POSITION_LEN];
        bytes[0] = LAYOUT;
        bytes[1..17].copy_from_slice(&self.store_id);
        bytes[17..21].copy_from_slice(&self.segment.to_le_bytes());
        bytes[21..].copy_from_slice(&self.offset.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Position> {
        let bytes: &[u8; POSITION_LEN] = bytes.try_into().ok()?;
        if bytes[0] != LAYOUT {
            return None;
        }
        Some(Position {
            store_id: bytes[1..17].try_into().ok()?,
            segment: u32::from_le_bytes(bytes[17..21].try_into().ok()?),
            offset: u64::from_le_bytes(bytes[21..].try_into().ok()?),
        })
    }
}

/// Writes the key of a name over what `key` held.
pub(super) fn encode(key: &mut Vec<u8>, account: &str, name: &str) {
    key.clear();
    key.extend_from_slice(account.as_bytes());
    key.push(0);
    key.extend_from_slice(name.as_bytes());
}

/// Writes the least key above all names of `account` that begin with `prefix` over what `key` held.
pub(super) fn encode_end(key: &mut Vec<u8>, account: &str, prefix: &str) {
    encode(key, account, prefix);
    // The last byte is one of UTF-8 or NUL, never 255: one more has no carry.
    if let Some(last) = key.last_mut() {
        *last += 1;
    }
}

/// The account and the name of a key, unless it is none that was ever written.
pub(super) fn decode(key: &[u8]) -> Option<(&str, &str)> {
    let nul = key.iter().position(|&byte| byte == 0)?;
    let (account, name) = (str::from_utf8(&key[..nul]).ok()?, str::from_utf8(&key[nul + 1..]).ok()?);
    let stands = !account.is_empty() && !name.is_empty() && !name.as_bytes().contains(&0);
    stands.then_some((account, name))
}

/// The sequence a value holds, unless it is none that was ever written.
pub(super) fn decode_sequence(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_encoding_and_nothing_else_passes_for_one() {
        let position = Position { segment: 7, offset: 1 << 40, store_id: *b"sixteen bytes ok" };
        let bytes = position.encode();
        assert_eq!(Position::decode(&bytes), Some(position));
        assert_eq!(Position::decode(&bytes[1..]), None);
        assert_eq!(Position::decode(&[]), None);
        let mut newer = bytes;
        newer[0] += 1;
        assert_eq!(Position::decode(&newer), None);
    }

    #[test]
    fn a_key_that_no_name_can_have_is_refused() {
        for key in [&b""[..], b"\0", b"account", b"account\0", b"\0name", b"a\0b\0c", b"a\0\xFF", b"\xFE\0b"] {
            assert_eq!(decode(key), None, "{key:?}");
        }
        assert_eq!(decode(b"a\0b"), Some(("a", "b")));
    }

    #[test]
    fn the_end_of_a_prefix_is_above_its_names_and_below_all_others() {
        let (mut end, mut key) = (Vec::new(), Vec::new());
        for (prefix, inside, outside) in
            [("", "\u{10FFFF}", None), ("img/", "img/\u{10FFFF}z", Some("img0")), ("é", "éé", Some("ê"))]
        {
            encode_end(&mut end, "a", prefix);
            encode(&mut key, "a", inside);
            assert!(key < end, "{prefix:?}");
            if let Some(outside) = outside {
                encode(&mut key, "a", outside);
                assert!(key >= end, "{prefix:?}");
            }
        }
        encode(&mut key, "a\u{1}", "x");
        encode_end(&mut end, "a", "");
        assert!(key > end, "an account that begins like another is not inside it");
    }
}
