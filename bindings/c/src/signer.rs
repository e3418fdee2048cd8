//! Signed grants: texts that let whoever shows one read one name for a while.

use std::ffi::{CString, c_char, c_void};
use std::ptr::null_mut;
use std::time::Duration;

use cask::{Grant, Method, Signer};

use crate::entry::unix_ms;
use crate::error::{Failure, Result, mcask_error};
use crate::guard::{self, call, clear, give, wanted};
use crate::handle::{self, opaque, shared};
use crate::list::c_text;
use crate::store::{MCASK_DEFAULT, clock_of, mcask_store};
use crate::text::{self, ACCOUNT, KEY_ID, KEYS, Struct, TOKEN};

/// A grant lets its bearer read content and facts.
pub const MCASK_METHOD_GET: i32 = 0;
/// A grant lets its bearer read facts only.
pub const MCASK_METHOD_HEAD: i32 = 1;

/// Bytes of a secret.
const SECRET_LEN: usize = 32;

/// Signs grants, and verifies them. Any number of threads may use it at once.
///
/// A grant is what makes a URL a signed one: whoever shows it may read one name for a while. To change keys without
/// refusing what is under way: let every process accept the new key; then sign with it, accepting the old one; when
/// the longest grant is over, drop the old one.
pub struct mcask_signer {
    _opaque: [u8; 0],
}

opaque!(mcask_signer, Signer, b"Sg\0\0", "signer");

/// A key of a signer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_signing_key {
    /// What it is called: 1 to 32 visible characters of ASCII. It stands in every grant in the clear.
    pub id: *const c_char,
    /// Its length.
    pub id_len: usize,
    /// 32 random bytes that nobody else may know.
    pub secret: *const u8,
}

/// How a signer is made. Begin with MCASK_SIGNER_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_signer_options {
    /// Set by the _INIT macro.
    pub struct_size: usize,
    /// Where it reads the time, as of mcask_store_options; NULL: the machine's clock. Called until it is freed.
    pub clock: Option<unsafe extern "C" fn(context: *mut c_void) -> i64>,
    /// Given to `clock`.
    pub clock_context: *mut c_void,
}

impl Struct for mcask_signer_options {}

impl Default for mcask_signer_options {
    fn default() -> mcask_signer_options {
        mcask_signer_options { struct_size: size_of::<mcask_signer_options>(), clock: None, clock_context: null_mut() }
    }
}

/// What is granted. Begin with MCASK_GRANT_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_grant_options {
    /// Set by the _INIT macro.
    pub struct_size: usize,
    /// One of MCASK_METHOD_.
    pub method: i32,
    /// Leave it 0.
    pub reserved: i32,
    /// For how long, in milliseconds, at most a week. MCASK_DEFAULT: four hours.
    pub ttl_ms: u64,
}

impl Struct for mcask_grant_options {}

impl Default for mcask_grant_options {
    fn default() -> mcask_grant_options {
        mcask_grant_options {
            struct_size: size_of::<mcask_grant_options>(),
            method: MCASK_METHOD_GET,
            reserved: 0,
            ttl_ms: MCASK_DEFAULT,
        }
    }
}

/// A signed grant. Yours: free it with mcask_grant_free().
///
/// The library may add fields at the end; it alone makes such structs.
#[repr(C)]
pub struct mcask_grant {
    /// Its text, of characters that stand in a URL as they are. Ends with NUL.
    pub text: *const c_char,
    /// Its length.
    pub text_len: usize,
}

/// A grant with what it points to.
#[repr(C)]
struct Kept {
    shown: mcask_grant,
    _text: CString,
}

fn lend(text: &str) -> *mut mcask_grant {
    let kept = c_text(text);
    let shown = mcask_grant { text: kept.as_ptr(), text_len: text.len() };
    Box::into_raw(Box::new(Kept { shown, _text: kept })).cast()
}

fn method(given: i32) -> Result<Method> {
    text::choice("method", given, &[Method::Get, Method::Head])
}

/// # Safety
/// `key` keeps the header's word.
unsafe fn key(key: &mcask_signing_key) -> Result<(&str, [u8; SECRET_LEN])> {
    // SAFETY: the caller's word.
    unsafe {
        let id = text::needed(&KEY_ID, key.id, key.id_len)?;
        let secret = key.secret.cast::<[u8; SECRET_LEN]>().as_ref();
        let secret = secret.ok_or_else(|| Failure::misuse("the secret of a signing key is NULL; it has 32 bytes"))?;
        Ok((id, *secret))
    }
}

/// A signer with these keys, of which the first signs and all are accepted; at least one, at most 16, each with an id
/// of its own. It needs no store: processes that share a key sign and verify each other's grants. `options` may be
/// NULL. Free it with mcask_signer_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_signer_open(
    keys: *const mcask_signing_key,
    key_count: usize,
    options: *const mcask_signer_options,
    signer: *mut *mut mcask_signer,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(signer);
        call(error, || {
            wanted("signer", signer)?;
            let keys = text::items(&KEYS, keys, key_count)?;
            let options = text::options(options)?;
            let Some((first, others)) = keys.split_first() else {
                return Err(Failure::misuse("no key was given for a signer; it takes one to sign with"));
            };
            let (id, secret) = key(first)?;
            let mut made = Signer::new(id, secret)?;
            for other in others {
                let (id, secret) = key(other)?;
                made = made.accept(id, secret)?;
            }
            if let Some(clock) = clock_of(options.clock, options.clock_context) {
                made = made.clock(clock);
            }
            give(signer, handle::new(made));
            Ok(())
        })
    }
}

/// The signer of a store, with a key of its own, which is made with the store and kept in it and its checkpoints, and
/// with the store's clock. It is good after the store was closed. Free it with mcask_signer_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_signer(
    store: *const mcask_store,
    signer: *mut *mut mcask_signer,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(signer);
        call(error, || {
            wanted("signer", signer)?;
            give(signer, handle::new(shared(store)?.signer()?));
            Ok(())
        })
    }
}

/// Signs a grant of a name, which begins now; free it with mcask_grant_free(). Nobody is asked whether the name is
/// there. It cannot be taken back, but by dropping its key. `options` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_signer_sign(
    signer: *const mcask_signer,
    account: *const c_char,
    account_len: usize,
    name: *const c_char,
    name_len: usize,
    options: *const mcask_grant_options,
    grant: *mut *mut mcask_grant,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(grant);
        call(error, || {
            wanted("grant", grant)?;
            let signer = shared(signer)?;
            let options = text::options(options)?;
            if options.reserved != 0 {
                return Err(Failure::misuse("`reserved` is not 0; initialize the options with their _INIT macro"));
            }
            let account = text::needed(&ACCOUNT, account, account_len)?;
            let mut asked = Grant::new(account, text::name(name, name_len)?).method(method(options.method)?);
            if options.ttl_ms != MCASK_DEFAULT {
                asked = asked.ttl(Duration::from_millis(options.ttl_ms));
            }
            give(grant, lend(&signer.sign(&asked)?));
            Ok(())
        })
    }
}

/// Whether a text is a grant that lets its bearer do this with this name now; `expires_at_unix_ms`, which may be NULL,
/// is the instant from which it does no more. One that grants content grants the facts, too.
///
/// A text that was altered or made up, or is for another name, account or method, is MCASK_E_INVALID_TOKEN; one whose
/// key is none of the signer's MCASK_E_UNKNOWN_KEY; one whose time is over MCASK_E_EXPIRED_TOKEN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_signer_verify(
    signer: *const mcask_signer,
    grant: *const c_char,
    grant_len: usize,
    account: *const c_char,
    account_len: usize,
    name: *const c_char,
    name_len: usize,
    method: i32,
    expires_at_unix_ms: *mut i64,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(expires_at_unix_ms);
        call(error, || {
            let signer = shared(signer)?;
            let grant = text::needed(&TOKEN, grant, grant_len)?;
            let account = text::needed(&ACCOUNT, account, account_len)?;
            let name = text::name(name, name_len)?;
            let until = signer.verify(grant, account, name, self::method(method)?)?;
            give(expires_at_unix_ms, unix_ms(until));
            Ok(())
        })
    }
}

/// Frees a grant; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_grant_free(grant: *mut mcask_grant) {
    // SAFETY: convention 4: it is NULL, or `lend` made it and nobody has freed it.
    guard::free(|| drop((!grant.is_null()).then(|| unsafe { Box::from_raw(grant.cast::<Kept>()) })));
}

/// Frees a signer; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_signer_free(signer: *mut mcask_signer) {
    // SAFETY: convention 4.
    guard::free(|| unsafe { handle::free(signer) });
}
