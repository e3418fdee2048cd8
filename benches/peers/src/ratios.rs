//! How many times as fast as each peer: one table of everything, for who wants it short.

use std::fmt::Write as _;

use crate::report::{Row, same_question, size_text};

const OURS: &str = "mediacask";
/// The same, with each chunk checked when it is read first, and not each time.
const ONCE: &str = "mediacask-once";
/// The first listing after an expiry is over in no time with most: how many times that is says nothing.
const LEFT_OUT: &str = "expire_index";

/// Markdown: a row for each work, a column for each peer; above 1 mediacask is ahead, below 1 the peer.
pub fn table(heading: &str, rows: &[Row]) -> String {
    let mut peers: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| !row.peer.starts_with(OURS)) {
        if !peers.contains(&row.peer) {
            peers.push(row.peer);
        }
    }
    let mut text = format!("{heading}\n\n| work | ops/s | p99 us |");
    for peer in &peers {
        let _ = write!(text, " {peer} |");
    }
    let _ = writeln!(text, "\n|---|---:|---:|{}", "---:|".repeat(peers.len()));
    for ours in rows.iter().filter(|row| [OURS, ONCE].contains(&row.peer) && row.work != LEFT_OUT) {
        let threads = if ours.threads == 1 { String::new() } else { format!(" x {}", ours.threads) };
        let names = ours.names.map(|names| format!(", {names} names")).unwrap_or_default();
        let once = if ours.peer == ONCE { ", checked once" } else { "" };
        let work = format!("{}, {}{threads}{names}{once}", ours.work, size_text(ours.size));
        let _ = write!(text, "| {work} | {:.0} | {:.0} |", ours.ops_per_s, ours.p99_us);
        for peer in &peers {
            let theirs = rows.iter().find(|row| row.peer == *peer && same_question(row, ours));
            let ratio = theirs.map(|theirs| ours.ops_per_s / theirs.ops_per_s);
            let _ = write!(text, " {} |", ratio.map_or_else(String::new, figure));
        }
        text.push('\n');
    }
    text
}

/// Two digits that count.
fn figure(ratio: f64) -> String {
    match ratio {
        0.0..0.01 => "< 0.01".to_owned(),
        0.01..1.0 => format!("{ratio:.2}"),
        1.0..10.0 => format!("{ratio:.1}"),
        _ => format!("{ratio:.0}"),
    }
}
