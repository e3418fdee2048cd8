//! Continuation tokens: stateless, authenticated, bound to what they continue.
//!
//! A token is the place to go on from and a keyed BLAKE3 hash, in base64 for URLs. The hash covers the
//! place, the account and the filters of the listing, so that a token which was altered, cut or extended,
//! or comes from another account, filter or store, is refused.

use data_encoding::BASE64URL_NOPAD;

use crate::digest::Secret;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::NAME_LEN_MAX;

const VERSION: u8 = 1;
const MAC_LEN: usize = 16;
/// Longest token in characters: the longest name, its marks and its hash, in base64.
const TOKEN_LEN_MAX: usize = (NAME_LEN_MAX + 2 + MAC_LEN).div_ceil(3) * 4;

/// Where a listing goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// Behind this name.
    After(String),
    /// Behind every name that begins with this common prefix.
    Past(String),
}

/// The filters of a listing, as one text that the token is bound to.
pub(crate) fn binding(
    account: &str,
    prefix: &str,
    delimiter: Option<&str>,
    from: Option<u64>,
    to: Option<u64>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in [account, prefix, delimiter.unwrap_or("")] {
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    for time in [from, to] {
        bytes.push(u8::from(time.is_some()));
        bytes.extend_from_slice(&time.unwrap_or(0).to_le_bytes());
    }
    bytes
}

fn mac(secret: &Secret, binding: &[u8], payload: &[u8]) -> [u8; MAC_LEN] {
    let mut hasher = blake3::Hasher::new_keyed(&secret.0);
    hasher.update(b"mediacask continuation token");
    hasher.update(&(binding.len() as u64).to_le_bytes());
    hasher.update(binding);
    hasher.update(payload);
    hasher.finalize().as_bytes()[..MAC_LEN].try_into().expect("16 of 32 bytes")
}

/// The token that goes on from `resume`.
pub(crate) fn seal(secret: &Secret, binding: &[u8], resume: &Resume) -> String {
    let (kind, text) = match resume {
        Resume::After(name) => (0, name),
        Resume::Past(prefix) => (1, prefix),
    };
    let mut payload = vec![VERSION, kind];
    payload.extend_from_slice(text.as_bytes());
    let mac = mac(secret, binding, &payload);
    payload.extend_from_slice(&mac);
    BASE64URL_NOPAD.encode(&payload)
}

/// Where `token` goes on, if it is one of ours for this listing.
pub(crate) fn open(secret: &Secret, binding: &[u8], token: &str) -> Result<Resume> {
    let refused = || {
        let message = "the continuation token was altered, or belongs to another account, filter or store; begin \
                       the listing anew without one";
        Error::new(ErrorKind::InvalidToken, message)
    };
    if token.len() > TOKEN_LEN_MAX {
        return Err(refused());
    }
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).map_err(|_| refused())?;
    let (payload, found) = bytes.split_at_checked(bytes.len().saturating_sub(MAC_LEN)).ok_or_else(refused)?;
    let expected = mac(secret, binding, payload);
    if found.len() != MAC_LEN || !bool::from(subtle::ConstantTimeEq::ct_eq(found, &expected[..])) {
        return Err(refused());
    }
    let text = std::str::from_utf8(payload.get(2..).ok_or_else(refused)?).map_err(|_| refused())?.to_owned();
    match (payload[0], payload[1]) {
        (VERSION, 0) => Ok(Resume::After(text)),
        (VERSION, 1) => Ok(Resume::Past(text)),
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_altered_bit_cut_and_extension_is_refused() {
        let secret = Secret([4; 32]);
        let bound = binding("55", "img/", Some("/"), None, Some(7));
        let resume = Resume::After("img/é.png".into());
        let token = seal(&secret, &bound, &resume);
        assert_eq!(open(&secret, &bound, &token).expect("ours"), resume);
        for at in 0..token.len() {
            for bit in 0..8 {
                let mut altered = token.clone().into_bytes();
                altered[at] ^= 1 << bit;
                if let Ok(altered) = String::from_utf8(altered) {
                    assert!(open(&secret, &bound, &altered).is_err(), "{altered}");
                }
            }
            assert!(open(&secret, &bound, &token[..at]).is_err());
        }
        assert!(open(&secret, &bound, &format!("{token}A")).is_err());
        assert!(open(&secret, &binding("56", "img/", Some("/"), None, Some(7)), &token).is_err());
        assert!(open(&secret, &binding("55", "img/", None, None, Some(7)), &token).is_err());
        assert!(open(&Secret([5; 32]), &bound, &token).is_err());
    }
}
