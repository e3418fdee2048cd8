//! Events: what happened to names, in order.

use std::ffi::{CString, c_char};
use std::time::Duration;

use cask::{ErrorKind, Event, EventKind, Events};

use crate::digest::mcask_digest;
use crate::entry::unix_ms;
use crate::error::{Failure, mcask_error};
use crate::guard::{self, call, clear, give, wanted};
use crate::handle::{self, opaque, shared, turn};
use crate::list::c_text;
use crate::store::mcask_store;

/// A name was given content, by a put or a copy; whether it had some before or not.
pub const MCASK_EVENT_PUT: i32 = 0;
/// Its metadata or its expiry changed; its content did not.
pub const MCASK_EVENT_UPDATE: i32 = 1;
/// It was deleted, or purged.
pub const MCASK_EVENT_DELETE: i32 = 2;
/// Its time had come. Said when it is swept, normally within a second; nothing is said of an entry that was
/// overwritten in between.
pub const MCASK_EVENT_EXPIRE: i32 = 3;

const FORKED: &str = "the store was opened by the parent of this process; open it here, or let the parent ask";

/// A feed of events. One thread at a time may use it.
pub struct mcask_events {
    _opaque: [u8; 0],
}

opaque!(mcask_events, Events, b"Ev\0\0", "feed of events");

/// Something that happened to a name. Yours: free it with mcask_event_free(). Texts end with NUL.
///
/// The library may add fields at the end; it alone makes such structs.
#[repr(C)]
pub struct mcask_event {
    /// Its place in the order of all events of the store. Of a put and an update it is the entry's generation.
    pub sequence: u64,
    /// One of MCASK_EVENT_; later versions may have more.
    pub kind: i32,
    /// 0.
    pub reserved: i32,
    /// The account of the name.
    pub account: *const c_char,
    /// The name.
    pub name: *const c_char,
    /// Its length.
    pub name_len: usize,
    /// What the name holds, or held.
    pub digest: mcask_digest,
    /// When it happened, in Unix milliseconds.
    pub at_unix_ms: i64,
}

/// An event with what it points to.
#[repr(C)]
struct Kept {
    shown: mcask_event,
    _account: CString,
    _name: CString,
}

fn lend(event: &Event) -> *mut mcask_event {
    let (account, name) = (c_text(&event.account), c_text(&event.name));
    let kind = match event.kind {
        EventKind::Put => MCASK_EVENT_PUT,
        EventKind::Update => MCASK_EVENT_UPDATE,
        EventKind::Delete => MCASK_EVENT_DELETE,
        EventKind::Expire => MCASK_EVENT_EXPIRE,
        // Of a kind that this version does not know.
        _ => i32::MAX,
    };
    let shown = mcask_event {
        sequence: event.sequence,
        kind,
        reserved: 0,
        account: account.as_ptr(),
        name: name.as_ptr(),
        name_len: event.name.len(),
        digest: event.digest.into(),
        at_unix_ms: unix_ms(event.at),
    };
    Box::into_raw(Box::new(Kept { shown, _account: account, _name: name })).cast()
}

/// A feed of what happens after a sequence number: the last one that was seen, mcask_store_events_floor(), or 0
/// for all there is. Free it with mcask_events_free().
///
/// What has been compacted away cannot be told: an `after` below the floor is MCASK_E_INVALID_TOKEN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_events_open(
    store: *const mcask_store,
    after: u64,
    events: *mut *mut mcask_events,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(events);
        call(error, || {
            wanted("events", events)?;
            give(events, handle::new(shared(store)?.events(after)?));
            Ok(())
        })
    }
}

/// The next event; NULL when there is none yet after waiting `timeout_ms` for it, which may be 0. Free it with
/// mcask_event_free(). Only what is durable is told.
///
/// MCASK_E_CORRUPT tells of a stretch of the log that is damaged: its events are lost, and the feed goes on behind
/// it. A wait ends early with MCASK_E_CLOSED when the store is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_events_next(
    events: *mut mcask_events,
    timeout_ms: u64,
    event: *mut *mut mcask_event,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(event);
        call(error, || {
            wanted("event", event)?;
            let mut events = turn(events)?;
            let next = match timeout_ms {
                0 => events.next().transpose()?,
                _ => events.wait(Duration::from_millis(timeout_ms))?,
            };
            if let Some(next) = next {
                give(event, lend(&next));
            }
            Ok(())
        })
    }
}

/// How far the feed has come: where a later feed goes on, also in another process. When there are no more events it
/// is a better thing to keep than the number of the last one: it falls behind the floor later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_events_seen(
    events: *mut mcask_events,
    sequence: *mut u64,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(sequence);
        call(error, || {
            wanted("sequence", sequence)?;
            give(sequence, turn(events)?.seen());
            Ok(())
        })
    }
}

/// The highest sequence number of which a record may have been compacted away: mcask_events_open() goes back no
/// further.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_events_floor(
    store: *const mcask_store,
    floor: *mut u64,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(floor);
        call(error, || {
            wanted("floor", floor)?;
            match shared(store)?.events_floor() {
                // What the core says in a child made by fork, where it has no error to give.
                u64::MAX => Err(Failure::new(ErrorKind::Forked, FORKED)),
                told => {
                    give(floor, told);
                    Ok(())
                }
            }
        })
    }
}

/// Frees an event; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_event_free(event: *mut mcask_event) {
    // SAFETY: convention 4: it is NULL, or `lend` made it and nobody has freed it.
    guard::free(|| drop((!event.is_null()).then(|| unsafe { Box::from_raw(event.cast::<Kept>()) })));
}

/// Frees a feed; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_events_free(events: *mut mcask_events) {
    // SAFETY: convention 4.
    guard::free(|| unsafe { handle::free(events) });
}
