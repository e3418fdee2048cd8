//! What the border costs: a get of 16 KB through the C functions beside one through the Rust API, in one run, and
//! whether the bytes that C sees are those of the map.
//!
//! Both read hot names of stores that are alike, by turns, with `Verify::Once`, so that little else is measured. The
//! C functions are called by their addresses, as from another language: nothing is inlined. A turn is over in a few
//! milliseconds, so that most turns are not interrupted on a machine that has other work, and the median is of those.

use std::ffi::c_char;
use std::hint::black_box;
use std::ptr::{null_mut, read_volatile};
use std::time::{Duration, Instant};

use cask::{Account, PutOptions, Store, Verify};
use mediacask::account::{mcask_account, mcask_account_free, mcask_account_get, mcask_account_open};
use mediacask::blob::{mcask_blob, mcask_blob_data, mcask_blob_free, mcask_blob_len};
use mediacask::error::mcask_error;
use mediacask::store::{MCASK_VERIFY_ONCE, mcask_store_free, mcask_store_open, mcask_store_options};

const NAMES: usize = 1_000;
const CONTENT: usize = 16_000;
const GETS: usize = 2_000;
const ROUNDS: usize = 1_501;

/// Rounds that do not count.
const WARM_UP: usize = 10;

type Get = unsafe extern "C" fn(
    *const mcask_account,
    *const c_char,
    usize,
    *mut *mut mcask_blob,
    *mut *mut mcask_error,
) -> i32;

/// Gets names by turns; the mean time of one.
fn time(names: &[String], mut get: impl FnMut(&str)) -> Duration {
    let began = Instant::now();
    for n in 0..GETS {
        get(&names[n * 7 % NAMES]);
    }
    began.elapsed() / u32::try_from(GETS).expect("few enough")
}

fn fill(media: &Account, names: &[String]) {
    for (stamp, name) in names.iter().enumerate() {
        let content: Vec<u8> = (0..CONTENT).map(|at| (at * 31 + stamp * 7) as u8).collect();
        let options = PutOptions::new().durability(cask::Durability::Os);
        media.put(name, content, &options).expect("room");
    }
}

fn open_c(path: &str) -> (*mut mediacask::store::mcask_store, *mut mcask_account) {
    let (mut store, mut account) = (null_mut(), null_mut());
    let options = mcask_store_options { verify: MCASK_VERIFY_ONCE, ..mcask_store_options::default() };
    // SAFETY: every pointer is good while the calls last.
    unsafe {
        assert_eq!(
            mcask_store_open(path.as_ptr().cast(), path.len(), &raw const options, &raw mut store, null_mut()),
            0
        );
        assert_eq!(mcask_account_open(store, c"a".as_ptr(), 1, &raw mut account, null_mut()), 0);
    }
    (store, account)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() {
    let names: Vec<String> = (0..NAMES).map(|n| format!("message/{n}/part.bin")).collect();
    let dir = tempfile::tempdir().expect("a directory");
    let [rust, c] = ["rust", "c"].map(|name| dir.path().join(name));
    let store = Store::options().verify(Verify::Once).open(&rust).expect("a store");
    let media = store.account("a").expect("an account");
    fill(&media, &names);
    // The store that C reads is filled by Rust, too, and opened anew.
    let other = Store::options().open(&c).expect("a store");
    fill(&other.account("a").expect("an account"), &names);
    other.close().expect("closed");
    drop(other);
    let (c_store, account) = open_c(c.to_str().expect("UTF-8"));
    let get: Get = black_box(mcask_account_get);
    let free: unsafe extern "C" fn(*mut mcask_blob) = black_box(mcask_blob_free);

    let mut through_rust = |name: &str| {
        let blob = media.get(name).expect("sound").expect("there");
        // SAFETY: the blob has bytes.
        black_box(unsafe { read_volatile(blob.as_ptr()) });
    };
    let mut through_c = |name: &str| {
        let mut blob = null_mut();
        // SAFETY: every pointer is good while the calls last, and the blob has bytes.
        unsafe {
            let status = get(account, name.as_ptr().cast(), name.len(), &raw mut blob, null_mut());
            assert!(status == 0 && mcask_blob_len(blob) == CONTENT);
            black_box(read_volatile(mcask_blob_data(blob)));
            free(blob);
        }
    };
    let (mut rust_times, mut c_times) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + ROUNDS {
        let (rust, c) = (time(&names, &mut through_rust), time(&names, &mut through_c));
        // The first few warm up.
        if round >= WARM_UP {
            rust_times.push(rust);
            c_times.push(c);
        }
    }
    let (rust, c) = (median(rust_times), median(c_times));
    println!("get of 16 KB, hot, Verify::Once, median of {ROUNDS} rounds of {GETS}:");
    println!("  through Rust {:>6} ns", rust.as_nanos());
    println!("  through C    {:>6} ns", c.as_nanos());
    println!("  the border   {:>6} ns", c.as_nanos().saturating_sub(rust.as_nanos()));

    // The same address twice: the map's own, not a copy's.
    let mut blobs = [null_mut(); 2];
    // SAFETY: every pointer is good while the calls last.
    unsafe {
        for blob in &mut blobs {
            assert_eq!(get(account, names[0].as_ptr().cast(), names[0].len(), blob, null_mut()), 0);
        }
        println!(
            "  copied       {:>6}",
            if mcask_blob_data(blobs[0]) == mcask_blob_data(blobs[1]) { "nothing" } else { "the bytes" }
        );
        for blob in blobs {
            free(blob);
        }
        mcask_account_free(account);
        mcask_store_free(c_store);
    }
}
