//! Digests and keyed hashes: the only file (with `token.rs`) that names BLAKE3.
//!
//! Three hashes live here: the [`Digest`] of content, the [`NameKey`] that stands for an
//! (account, name) pair in memory and in footers, and the CRC of a chunk of content.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// Bytes of account and name, with the length of the former, that are brought together for hashing: nearly always,
const SHORT: usize = 256;
/// and at most.
const LONG: usize = 2 + crate::limits::ACCOUNT_LEN_MAX + crate::limits::NAME_LEN_MAX;

/// The BLAKE3 hash of a blob's content: 32 bytes, shown as 64 lower-case hex digits.
///
/// ```
/// use mediacask::Digest;
///
/// let digest = Digest::of(b"hello");
/// assert_eq!(digest.to_string().parse::<Digest>()?, digest);
/// # Ok::<(), mediacask::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `content`.
    pub fn of(content: &[u8]) -> Digest {
        Digest(*blake3::hash(content).as_bytes())
    }

    /// A digest from its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Digest {
        Digest(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Digest, Error> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Digest).ok_or_else(|| {
            let message = format!("a digest is 64 hex digits, not {} characters of something else", text.len());
            Error::new(ErrorKind::InvalidOption, message)
        })
    }
}

/// A BLAKE3 hash under way.
#[derive(Clone, Default)]
pub(crate) struct Hasher(blake3::Hasher);

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

/// What stands for one (account, name) pair: 128 bits of BLAKE3 keyed with the store's secret.
///
/// Nobody outside can make two names meet, so the key is the identity: no table holds names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(crate) struct NameKey(pub(crate) u128);

/// Bytes of a keyed hash that vouches for something: 128 bits, which nobody guesses.
pub(crate) const MAC_LEN: usize = 16;

/// A secret to hash with: the store's, made at random when the store was created, or a caller's.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) [u8; 32]);

impl Secret {
    /// A secret for another use, of which this one cannot be told.
    pub(crate) fn derive(&self, purpose: &str) -> Secret {
        Secret(blake3::derive_key(purpose, &self.0))
    }

    /// What vouches for the parts, for one purpose. Lengths are hashed along, so that no two lists read alike.
    pub(crate) fn mac(&self, purpose: &[u8], parts: &[&[u8]]) -> [u8; MAC_LEN] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in std::iter::once(&purpose).chain(parts) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().as_bytes()[..MAC_LEN].try_into().expect("16 of 32 bytes")
    }

    /// The key of a name. The account's length leads, so that no two pairs read alike.
    pub(crate) fn name_key(&self, account: &str, name: &str) -> NameKey {
        let len = 2 + account.len() + name.len();
        // Clearing room for the longest of names would take as long as hashing one of the usual length.
        if len <= SHORT {
            self.key_of(account, name, &mut [0; SHORT][..len])
        } else {
            self.key_of(account, name, &mut [0; LONG][..len])
        }
    }

    fn key_of(&self, account: &str, name: &str, text: &mut [u8]) -> NameKey {
        let (head, texts) = text.split_at_mut(2);
        let (a, n) = texts.split_at_mut(account.len());
        head.copy_from_slice(&(account.len() as u16).to_le_bytes());
        a.copy_from_slice(account.as_bytes());
        n.copy_from_slice(name.as_bytes());
        let hash = blake3::keyed_hash(&self.0, text);
        NameKey(u128::from_le_bytes(hash.as_bytes()[..16].try_into().expect("16 of 32 bytes")))
    }
}

impl NameKey {
    /// One entry's share in its account's sum over (name, sequence): addition modulo 2^128, so the
    /// order of changes does not matter and a change is taken back by subtracting it.
    pub(crate) fn share(self, sequence: u64) -> u128 {
        self.0.wrapping_mul(u128::from(sequence) << 1 | 1)
    }
}

/// The CRC-32 of one chunk of content.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// A CRC-32 under way.
#[derive(Clone, Default)]
pub(crate) struct Crc(crc32fast::Hasher);

impl Crc {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> u32 {
        self.0.finalize()
    }
}

/// The CRC-32 of two slices, one after the other.
pub(crate) fn crc_of_two(first: &[u8], second: &[u8]) -> u32 {
    crc_of_three(first, second, &[])
}

/// The CRC-32 of three slices, one after the other.
pub(crate) fn crc_of_three(first: &[u8], second: &[u8], third: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    [first, second, third].iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_names_do_not_run_into_each_other() {
        let secret = Secret([7; 32]);
        assert_ne!(secret.name_key("ab", "c"), secret.name_key("a", "bc"));
    }

    #[test]
    fn a_digest_refuses_what_is_not_64_hex_digits() {
        assert!("12".parse::<Digest>().is_err());
        assert!("g".repeat(64).parse::<Digest>().is_err());
    }
}
