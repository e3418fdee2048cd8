//! What grows with names, in one table of mediacask alone: time an operation, and memory beside what README states.

use std::fmt::Write as _;

use crate::report::Row;

const OURS: &str = "mediacask";
/// Bytes that README states for a name and its own content in the table, once the store was opened: 66 and 76;
const STATED: f64 = 66.0 + 76.0;
/// for a name in the index;
const STATED_INDEX: f64 = 40.0;
/// and without names.
const STATED_EMPTY: f64 = 4e6;

/// A figure of a row of the table: its title, the work it is of, how it is read, digits after the point.
type Line = (&'static str, &'static str, fn(&Row) -> Option<f64>, usize);

const LINES: [Line; 15] = [
    ("load, us a name", "load", |row| Some(1e6 / row.ops_per_s), 2),
    ("lookup, us", "get_slice", |row| Some(1e6 / row.ops_per_s), 2),
    ("list, us a name", "list", |row| Some(1e6 / row.ops_per_s), 2),
    ("put of 16 KiB, us", "put", |row| Some(1e6 / row.ops_per_s), 0),
    ("open, ms", "open", |row| Some(row.p50_us / 1e3), 0),
    ("open, us a name", "open", |row| Some(row.p50_us / row.names? as f64), 2),
    ("first listing, ms", "open_list", |row| Some(row.p50_us / 1e3), 0),
    ("open after kill -9, ms", "open_killed", |row| Some(row.p50_us / 1e3), 0),
    ("open from the log alone, ms", "rebuild", |row| Some(row.p50_us / 1e3), 0),
    ("its first listing, ms", "rebuild_list", |row| Some(row.p50_us / 1e3), 0),
    ("memory, opened, MB", "open", |row| Some(row.memory_bytes? as f64 / 1e6), 0),
    ("memory, opened / what is stated", "open", by_stated, 2),
    ("memory, listed, MB", "open_list", |row| Some(row.memory_bytes? as f64 / 1e6), 0),
    ("table, bytes a name", "open", table_by_names, 1),
    ("table / what is stated", "open", |row| Some(table_by_names(row)? / STATED), 2),
];

fn table_by_names(row: &Row) -> Option<f64> {
    Some(row.table_bytes? as f64 / row.names? as f64)
}

fn by_stated(row: &Row) -> Option<f64> {
    Some(row.memory_bytes? as f64 / (STATED_EMPTY + (STATED + STATED_INDEX) * row.names? as f64))
}

/// Markdown: a row for each figure, a column for each number of names. Empty when there is one number or none.
pub fn table(heading: &str, rows: &[Row]) -> String {
    let ours = || rows.iter().filter(|row| row.peer == OURS);
    let mut counts: Vec<u64> = ours().filter(|row| row.work == "load").filter_map(|row| row.names).collect();
    counts.sort_unstable();
    if counts.len() < 2 {
        return String::new();
    }
    let titles: Vec<String> = counts.iter().map(|count| grouped(*count)).collect();
    let mut text = format!("{heading}\n\n| names | {} |\n|---|{}\n", titles.join(" | "), "---:|".repeat(counts.len()));
    for (title, work, figure, digits) in LINES {
        let _ = write!(text, "| {title} |");
        for count in &counts {
            let row = ours().find(|row| row.work == work && row.names == Some(*count));
            let _ = match row.and_then(figure) {
                Some(value) => write!(text, " {value:.digits$} |"),
                None => write!(text, " |"),
            };
        }
        text.push('\n');
    }
    text
}

/// With a comma after each thousand.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}
