//! Listings, page by page.

use std::ffi::{CString, c_char};
use std::ptr::null;

use cask::{Entry, ListOptions, Page};

use crate::account::mcask_account;
use crate::entry::{MCASK_NO_TIME, lend, mcask_entry, release};
use crate::error::{Result, mcask_error};
use crate::guard::{call, clear, free, give, wanted};
use crate::handle::shared;
use crate::options::time;
use crate::text::{self, DELIMITER, MCASK_NTS, PREFIX, Struct, TOKEN};

/// Which names a listing shows. Begin with MCASK_LIST_OPTIONS_INIT, which sets the lengths of texts to
/// MCASK_NTS. What is NULL is not set.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_list_options {
    /// Set by the _INIT macro.
    pub struct_size: usize,
    /// Only names that begin with this.
    pub prefix: *const c_char,
    /// Its length.
    pub prefix_len: usize,
    /// Names that hold this text after the prefix are rolled up into one common prefix each, which ends with it.
    pub delimiter: *const c_char,
    /// Its length.
    pub delimiter_len: usize,
    /// Where to go on: the `next_token` of the page before; NULL for the first page.
    pub token: *const c_char,
    /// Its length.
    pub token_len: usize,
    /// Only entries created at or after this instant, in Unix milliseconds; MCASK_NO_TIME: any. A scan, as is the
    /// next: every name under the prefix is read.
    pub created_from_unix_ms: i64,
    /// Only entries created before this instant; MCASK_NO_TIME: any.
    pub created_to_unix_ms: i64,
    /// Most entries and prefixes on a page: 1 to 1000, which the _INIT macro sets.
    pub limit: usize,
}

impl Struct for mcask_list_options {}

impl Default for mcask_list_options {
    fn default() -> mcask_list_options {
        mcask_list_options {
            struct_size: size_of::<mcask_list_options>(),
            prefix: null(),
            prefix_len: MCASK_NTS,
            delimiter: null(),
            delimiter_len: MCASK_NTS,
            token: null(),
            token_len: MCASK_NTS,
            created_from_unix_ms: MCASK_NO_TIME,
            created_to_unix_ms: MCASK_NO_TIME,
            limit: cask::limits::PAGE_ENTRIES_MAX,
        }
    }
}

/// A page of a listing. Yours: free it with mcask_page_free(), its entries with it.
///
/// The library may add fields at the end; it alone makes such structs.
#[repr(C)]
pub struct mcask_page {
    /// Entries in the bytewise order of their names.
    pub entries: *const *const mcask_entry,
    /// How many there are.
    pub entry_count: usize,
    /// Common prefixes, each ending with the delimiter, in the same order.
    pub prefixes: *const *const c_char,
    /// How many there are.
    pub prefix_count: usize,
    /// Where to go on; NULL on the last page. A page may be short, and even empty, and still have a token.
    pub next_token: *const c_char,
    /// Of mcask_store_names_of() only: the account of each entry. Else NULL.
    pub accounts: *const *const c_char,
}

/// Texts for C that hold no NUL, and the array of pointers to them.
pub(crate) struct TextList {
    _texts: Box<[CString]>,
    pointers: Box<[*const c_char]>,
}

impl TextList {
    pub(crate) fn new<'a>(texts: impl Iterator<Item = &'a str>) -> TextList {
        let texts: Box<[CString]> = texts.map(c_text).collect();
        let pointers = texts.iter().map(|text| text.as_ptr()).collect();
        TextList { _texts: texts, pointers }
    }

    /// The array; NULL when it is empty.
    pub(crate) fn as_ptr(&self) -> *const *const c_char {
        if self.pointers.is_empty() { null() } else { self.pointers.as_ptr() }
    }

    pub(crate) fn len(&self) -> usize {
        self.pointers.len()
    }
}

/// A text for C; what follows a NUL in it, which no text of ours has, is lost.
pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text.split('\0').next().unwrap_or_default()).unwrap_or_default()
}

/// A page with what it points to.
#[repr(C)]
struct Kept {
    shown: mcask_page,
    entries: Box<[*mut mcask_entry]>,
    _prefixes: TextList,
    _next_token: Option<CString>,
    _accounts: TextList,
}

fn lend_page<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    prefixes: &[String],
    next_token: Option<&str>,
    accounts: TextList,
) -> *mut mcask_page {
    let entries: Box<[*mut mcask_entry]> = entries.map(lend).collect();
    let prefixes = TextList::new(prefixes.iter().map(String::as_str));
    let next_token = next_token.map(c_text);
    let shown = mcask_page {
        entries: if entries.is_empty() { null() } else { entries.as_ptr().cast() },
        entry_count: entries.len(),
        prefixes: prefixes.as_ptr(),
        prefix_count: prefixes.len(),
        next_token: next_token.as_ref().map_or(null(), |token| token.as_ptr()),
        accounts: accounts.as_ptr(),
    };
    Box::into_raw(Box::new(Kept { shown, entries, _prefixes: prefixes, _next_token: next_token, _accounts: accounts }))
        .cast()
}

fn page_of(page: &Page) -> *mut mcask_page {
    lend_page(page.entries.iter(), &page.prefixes, page.next_token.as_deref(), TextList::new(std::iter::empty()))
}

/// A page of names with their accounts.
pub(crate) fn page_of_names(names: &[(String, Entry)]) -> *mut mcask_page {
    let accounts = TextList::new(names.iter().map(|(account, _)| account.as_str()));
    lend_page(names.iter().map(|(_, entry)| entry), &[], None, accounts)
}

/// # Safety
/// `given` is NULL, or points to options that keep the header's word.
unsafe fn list_options(given: *const mcask_list_options) -> Result<ListOptions> {
    let mut options = ListOptions::new();
    if given.is_null() {
        return Ok(options);
    }
    // SAFETY: the caller's word, for all the pointers in it.
    unsafe {
        let given = text::options(given)?;
        options = options.limit(given.limit);
        if let Some(prefix) = text::optional(&PREFIX, given.prefix, given.prefix_len)? {
            options = options.prefix(prefix);
        }
        if let Some(delimiter) = text::optional(&DELIMITER, given.delimiter, given.delimiter_len)? {
            options = options.delimiter(delimiter);
        }
        if let Some(token) = text::optional(&TOKEN, given.token, given.token_len)? {
            options = options.token(Some(token.to_owned()));
        }
        if given.created_from_unix_ms != MCASK_NO_TIME {
            options = options.created_from(time(given.created_from_unix_ms));
        }
        if given.created_to_unix_ms != MCASK_NO_TIME {
            options = options.created_to(time(given.created_to_unix_ms));
        }
    }
    Ok(options)
}

/// One page of the account's names, in bytewise order; free it with mcask_page_free(). `options` may be NULL.
///
/// Walking from page to page by `next_token`, a name that lives through the whole walk is returned exactly once,
/// whatever is written meanwhile. Tokens survive restarts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_account_list(
    account: *const mcask_account,
    options: *const mcask_list_options,
    page: *mut *mut mcask_page,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(page);
        call(error, || {
            wanted("page", page)?;
            give(page, page_of(&shared(account)?.list(&list_options(options)?)?));
            Ok(())
        })
    }
}

/// Frees a page and its entries; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_page_free(page: *mut mcask_page) {
    free(|| {
        if !page.is_null() {
            // SAFETY: convention 4: it was lent here, and its entries with it.
            let kept = unsafe { Box::from_raw(page.cast::<Kept>()) };
            // SAFETY: likewise.
            kept.entries.iter().for_each(|entry| unsafe { release(*entry) });
        }
    });
}
