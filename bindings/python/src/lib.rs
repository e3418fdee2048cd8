//! The native half of the Python package: `mediacask._mediacask`.
//!
//! It converts, calls, converts. What is Python's own (mappings, files, pickling, asyncio) stands in
//! `python/mediacask/`, over the classes made here. Three rules hold in every file:
//!
//! 1. Whatever may hash, wait or touch the disk runs in [`call::call`]: without the interpreter lock, and
//!    with a panic caught, so that it becomes an exception under `Exception`.
//! 2. A lock is taken inside such a call only: whoever waits for it never holds the interpreter lock.
//! 3. Bytes that Python can change are copied before the store hashes them.

// The docs of classes and methods are Python's, as `help` shows them; and pyo3 hands arguments over by value.
#![allow(clippy::doc_markdown, clippy::needless_pass_by_value)]

mod account;
mod batch;
mod blob;
mod call;
mod clock;
mod content;
mod entry;
mod errors;
mod events;
mod files;
mod name;
mod options;
mod signer;
mod store;
mod times;
mod values;

use pyo3::prelude::*;

/// The native half of `mediacask`; import `mediacask` instead.
#[pymodule(gil_used = false)]
mod _mediacask {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::account::{Account, Entries};
    #[pymodule_export]
    use super::batch::Batch;
    #[pymodule_export]
    use super::blob::Blob;
    #[pymodule_export]
    use super::clock::ManualClock;
    #[pymodule_export]
    use super::entry::{Digest, Entry};
    #[pymodule_export]
    use super::events::Events;
    #[pymodule_export]
    use super::files::{Reader, Writer};
    #[pymodule_export]
    use super::panic_for_tests;
    #[pymodule_export]
    use super::signer::Signer;
    #[pymodule_export]
    use super::store::{Store, restore};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        let faces: Vec<_> = mediacask::FACES.iter().map(|face| (face.name, face.python)).collect();
        module.add("FACES", faces)
    }
}

/// Panics where every call of the store runs: so that a test can see what a bug in it would look like.
#[pyfunction]
#[pyo3(name = "_panic_for_tests")]
fn panic_for_tests(py: Python<'_>) -> PyResult<()> {
    call::call(py, || panic!("a panic that was asked for"))
}
