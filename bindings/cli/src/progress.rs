//! Progress bars, on standard error and only where it is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// Work on fewer bytes than this is over before a bar could be read.
const BYTES_SHOWN_MIN: u64 = 32 << 20;

/// A bar over `len` bytes of one content.
pub(crate) fn bytes(len: u64) -> ProgressBar {
    if len < BYTES_SHOWN_MIN {
        return ProgressBar::hidden();
    }
    shown(len, "{bar:40} {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}  {eta}")
}

/// A bar over the bytes that are verified; [`ProgressBar::set_message`] says how many things are damaged.
pub(crate) fn verified(bytes: u64) -> ProgressBar {
    shown(bytes, "{bar:40} {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}  {msg}  {eta}")
}

/// A bar over the bytes of many files; [`ProgressBar::set_message`] says how many are done.
pub(crate) fn files(bytes: u64) -> ProgressBar {
    shown(bytes, "{bar:40} {binary_bytes}/{binary_total_bytes}  {msg}  {eta}")
}

/// A bar over `len` things of one sort.
pub(crate) fn things(len: u64, sort: &'static str) -> ProgressBar {
    shown(len, "{bar:40} {human_pos}/{human_len} {msg}  {eta}").with_message(sort)
}

fn shown(len: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(len).with_style(style.expect("the templates stand above"))
}
