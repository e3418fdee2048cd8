//! Signed grants: texts that let whoever shows one read one name for a while, and nothing else.
//!
//! A grant is what makes a URL a signed one, whatever the URL looks like; there is no HTTP in here. Its text is
//! base64 for URLs without padding, and there is one text for one grant: any other is refused.
//!
//! ```text
//! at  len        what
//!  0    1        version, 1
//!  1    1        method: 0 get (and head), 1 head
//!  2    8        the instant from which it is over, Unix milliseconds, little-endian
//! 10    1        n, the length of the key's id
//! 11    n        the key's id
//! 11+n 16        keyed BLAKE3 over bytes 0..11+n, account and name, with the key's secret
//! ```
//!
//! Account and name are not in it: who verifies knows them, from the path of the URL.

use std::fmt;
use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;

use crate::clock::Clock;
use crate::digest::{MAC_LEN, Secret};
use crate::entry::{check_account, check_name, time_of};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{GRANT_TTL_MS_MAX, SIGNING_KEY_ID_LEN_MAX, SIGNING_KEYS_MAX};

const VERSION: u8 = 1;
/// Bytes before the key's id.
const HEAD_LEN: usize = 11;
/// Longest text of a grant, in characters.
const TEXT_LEN_MAX: usize = ((HEAD_LEN + SIGNING_KEY_ID_LEN_MAX + MAC_LEN) * 4).div_ceil(3);
/// What the hash of a grant is for, so that a key that signs other things as well signs no grant by it.
const PURPOSE: &[u8] = b"mediacask signed grant";
/// The id of a store's own key.
const STORE_KEY_ID: &str = "store";

/// What a grant lets its bearer do with the name. There is no other: nobody writes by a signed URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// Read facts and content. The default.
    #[default]
    Get,
    /// Read facts only.
    Head,
}

/// What is to be granted: one name, to be read for a while.
///
/// ```
/// use mediacask::{Grant, Method};
/// use std::time::Duration;
///
/// let grant = Grant::new("5500001", "logo.png").method(Method::Head).ttl(Duration::from_secs(60));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    account: String,
    name: String,
    method: Method,
    ttl: Duration,
}

impl Grant {
    /// The name of the account, to be read for four hours: as long as a signed URL of Twilio's lasts.
    pub fn new(account: impl Into<String>, name: impl Into<String>) -> Grant {
        let ttl = Duration::from_hours(4);
        Grant { account: account.into(), name: name.into(), method: Method::Get, ttl }
    }

    /// What may be read. Default: facts and content.
    #[must_use]
    pub fn method(mut self, method: Method) -> Grant {
        self.method = method;
        self
    }

    /// For how long, in whole milliseconds, from one to a week. Default: four hours.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Grant {
        self.ttl = ttl;
        self
    }
}

/// Signs grants, and verifies them. Cheap to clone, and to be used from any thread.
///
/// It has one key that signs, and any number (up to 16) that are accepted as well. To change keys without refusing
/// what is under way: let every process accept the new key; then sign with it, accepting the old one; when the
/// longest grant is over, drop the old one. A grant cannot be taken back but by dropping its key. What it grants is
/// the name, not the content it had: a name that was deleted is not there, whoever asks.
///
/// It needs no store: processes that share a key mint and check each other's grants. [`crate::Store::signer`] gives
/// one with the store's own key.
///
/// ```
/// use mediacask::{ErrorKind, Grant, Method, Signer};
///
/// let old = Signer::new("2026-10", [1; 32])?;
/// let text = old.sign(&Grant::new("5500001", "logo.png"))?;
///
/// let new = Signer::new("2026-11", [2; 32])?.accept("2026-10", [1; 32])?;
/// let until = new.verify(&text, "5500001", "logo.png", Method::Get)?;
/// assert!(until > std::time::SystemTime::now());
///
/// let other_name = new.verify(&text, "5500001", "other.png", Method::Get).unwrap_err();
/// assert_eq!(other_name.kind(), ErrorKind::InvalidToken);
/// # Ok::<(), mediacask::Error>(())
/// ```
#[derive(Clone)]
pub struct Signer {
    /// The first one signs.
    keys: Vec<Key>,
    clock: Clock,
}

#[derive(Clone)]
struct Key {
    id: String,
    secret: Secret,
}

impl Signer {
    /// Signs with this key: an id of 1 to 32 bytes of visible ASCII, and 32 random bytes that nobody else may know.
    ///
    /// The id stands in every grant in the clear. It reads the machine's clock. Fails with
    /// [`ErrorKind::InvalidOption`] when the id is none.
    pub fn new(id: &str, secret: [u8; 32]) -> Result<Signer> {
        Signer { keys: Vec::new(), clock: Clock::system() }.accept(id, secret)
    }

    /// The signer of a store: a key derived from the store's secret, which is made with the store and kept in it.
    pub(crate) fn of_store(secret: &Secret, clock: Clock) -> Signer {
        let secret = secret.derive("mediacask 2026-11 the key of a store's own grants");
        Signer { keys: vec![Key { id: STORE_KEY_ID.into(), secret }], clock }
    }

    /// Takes grants that another key has signed, too: an old one, or one that others sign with soon.
    ///
    /// Fails with [`ErrorKind::InvalidOption`] when the id is none, when there is a key of that id already, or when
    /// there are 16.
    ///
    /// ```
    /// # use mediacask::{Grant, Method, Signer};
    /// let old = Signer::new("2026-10", [1; 32])?;
    /// let text = old.sign(&Grant::new("5500001", "logo.png"))?;
    /// let new = Signer::new("2026-11", [2; 32])?;
    /// assert!(new.verify(&text, "5500001", "logo.png", Method::Get).is_err());
    /// assert!(new.accept("2026-10", [1; 32])?.verify(&text, "5500001", "logo.png", Method::Get).is_ok());
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn accept(mut self, id: &str, secret: [u8; 32]) -> Result<Signer> {
        let complaint = if !(1..=SIGNING_KEY_ID_LEN_MAX).contains(&id.len())
            || !id.bytes().all(|b| b.is_ascii_graphic())
        {
            format!("a key's id is 1 to {SIGNING_KEY_ID_LEN_MAX} visible characters of ASCII, not {id:?}")
        } else if self.keys.iter().any(|key| key.id == id) {
            format!("there is a signing key {id:?} already; give each key an id of its own, and never use one again")
        } else if self.keys.len() == SIGNING_KEYS_MAX {
            format!("{SIGNING_KEYS_MAX} signing keys are there already; drop those whose grants are over")
        } else {
            self.keys.push(Key { id: id.to_owned(), secret: Secret(secret) });
            return Ok(self);
        };
        Err(Error::new(ErrorKind::InvalidOption, complaint))
    }

    /// Reads the time from this clock, that of a test or a store.
    ///
    /// ```
    /// # use mediacask::{Clock, ErrorKind, Grant, Method, Signer};
    /// # use std::time::{Duration, UNIX_EPOCH};
    /// let text = Signer::new("a", [1; 32])?.sign(&Grant::new("5500001", "logo.png"))?;
    /// let later = Clock::from_fn(|| Clock::system().now() + Duration::from_secs(4 * 3600));
    /// let error = Signer::new("a", [1; 32])?.clock(later).verify(&text, "5500001", "logo.png", Method::Get);
    /// assert_eq!(error.unwrap_err().kind(), ErrorKind::ExpiredToken);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Signer {
        self.clock = clock;
        self
    }

    /// The text of a grant that begins now: at most 79 characters, of those that stand in a URL as they are.
    ///
    /// Nobody is asked whether the name is there. Fails with [`ErrorKind::InvalidName`] when it can be none, and
    /// with [`ErrorKind::InvalidOption`] when the time is under a millisecond or beyond a week.
    ///
    /// ```
    /// # use mediacask::{Grant, Signer};
    /// let signer = Signer::new("2026-11", [1; 32])?;
    /// let text = signer.sign(&Grant::new("5500001", "logo.png"))?;
    /// let url = format!("https://media.example.com/5500001/logo.png?grant={text}");
    /// # assert!(text.len() <= 79);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn sign(&self, grant: &Grant) -> Result<String> {
        check_account(&grant.account)?;
        check_name(&grant.name)?;
        let ttl_ms = u64::try_from(grant.ttl.as_millis()).unwrap_or(u64::MAX);
        if !(1..=GRANT_TTL_MS_MAX).contains(&ttl_ms) {
            let message = format!("a grant lasts from 1 ms to {GRANT_TTL_MS_MAX} ms (a week), not {ttl_ms} ms");
            return Err(Error::new(ErrorKind::InvalidOption, message));
        }
        let key = &self.keys[0];
        let mut bytes = vec![VERSION, matches!(grant.method, Method::Head).into()];
        bytes.extend_from_slice(&self.clock.now_ms().saturating_add(ttl_ms).to_le_bytes());
        bytes.push(key.id.len() as u8);
        bytes.extend_from_slice(key.id.as_bytes());
        let mac = mac(&key.secret, &bytes, &grant.account, &grant.name);
        bytes.extend_from_slice(&mac);
        Ok(BASE64URL_NOPAD.encode(&bytes))
    }

    /// Until when this text lets its bearer do that with that name. One that grants content grants the facts, too.
    ///
    /// Fails with [`ErrorKind::InvalidToken`] when the text was altered or made up, or is for another name, account
    /// or method; with [`ErrorKind::UnknownKey`] when its key is none of these; and with
    /// [`ErrorKind::ExpiredToken`] when it is genuine, and its time is over. How long this takes tells nothing of
    /// how near a forgery is.
    ///
    /// ```
    /// # use mediacask::{ErrorKind, Grant, Method, Signer};
    /// let signer = Signer::new("2026-11", [1; 32])?;
    /// let text = signer.sign(&Grant::new("5500001", "logo.png").method(Method::Head))?;
    /// signer.verify(&text, "5500001", "logo.png", Method::Head)?;
    /// let get = signer.verify(&text, "5500001", "logo.png", Method::Get);
    /// assert_eq!(get.unwrap_err().kind(), ErrorKind::InvalidToken);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn verify(&self, text: &str, account: &str, name: &str, method: Method) -> Result<SystemTime> {
        let bytes = (text.len() <= TEXT_LEN_MAX).then(|| BASE64URL_NOPAD.decode(text.as_bytes()).ok()).flatten();
        let bytes = bytes.ok_or_else(refused)?;
        let (signed, found) = bytes.split_at_checked(bytes.len().saturating_sub(MAC_LEN)).ok_or_else(refused)?;
        let (head, id) = signed.split_first_chunk::<HEAD_LEN>().ok_or_else(refused)?;
        let [VERSION, granted @ (0 | 1), expiry @ .., id_len] = *head else { return Err(refused()) };
        if usize::from(id_len) != id.len() {
            return Err(refused());
        }
        let key = self.keys.iter().find(|key| key.id.as_bytes() == id).ok_or_else(unknown)?;
        let expected = mac(&key.secret, signed, account, name);
        if !bool::from(subtle::ConstantTimeEq::ct_eq(found, &expected[..])) || (granted == 1 && method == Method::Get) {
            return Err(refused());
        }
        let expires_ms = u64::from_le_bytes(expiry);
        if self.clock.now_ms() >= expires_ms {
            let message = "the time of this grant is over; have a new one signed";
            return Err(Error::new(ErrorKind::ExpiredToken, message));
        }
        Ok(time_of(expires_ms))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|key| &key.id).collect();
        f.debug_struct("Signer").field("keys", &ids).finish_non_exhaustive()
    }
}

fn mac(secret: &Secret, signed: &[u8], account: &str, name: &str) -> [u8; MAC_LEN] {
    secret.mac(PURPOSE, &[signed, account.as_bytes(), name.as_bytes()])
}

fn refused() -> Error {
    let message = "the signed grant was altered, or is for another name, account or method; use the text as it was \
                   signed, for what it was signed";
    Error::new(ErrorKind::InvalidToken, message)
}

fn unknown() -> Error {
    let message = "the signed grant names a key that is not accepted here; have it signed anew, or accept its key";
    Error::new(ErrorKind::UnknownKey, message)
}
