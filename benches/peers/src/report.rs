//! What was measured: rows, a table of them for people, and JSON for programs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::measure::{Slice, histogram};
use crate::peer::Result;
use crate::{ratios, scaling};

/// What a peer did of a work.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub work: &'static str,
    /// Bytes of content of each operation.
    pub size: u64,
    pub threads: u64,
    pub peer: &'static str,
    /// The median of the rounds.
    pub ops_per_s: f64,
    /// Of each operation; of a mean of 16 where they are timed together, as hot reads are.
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
    /// Operations that were measured.
    pub ops: u64,
    /// Names in the store meanwhile, where that is the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<u64>,
    /// Bytes handed to the file system for each byte put.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_per_byte: Option<f64>,
    /// Seconds it went on working, unmeasured, for each second that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<f64>,
    /// Bytes on the disk at the end for each byte that lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_per_byte: Option<f64>,
    /// Anonymous memory of a process that has nothing else open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// What of it the store's table of names takes, as it says itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The rounds of a peer at a work.
pub struct Tally {
    speeds: Vec<f64>,
    times: Histogram<u64>,
    ops: u64,
    seconds: f64,
    written: u64,
    behind: Duration,
}

impl Default for Tally {
    fn default() -> Tally {
        let behind = Duration::ZERO;
        Tally { speeds: Vec::new(), times: histogram(), ops: 0, seconds: 0.0, written: 0, behind }
    }
}

impl Tally {
    pub fn add(&mut self, slice: &Slice) -> Result<()> {
        // What took no time at all took a nanosecond.
        self.speeds.push(slice.ops as f64 / slice.seconds.max(1e-9));
        self.times.add(&slice.times)?;
        self.ops += slice.ops;
        self.seconds += slice.seconds;
        self.written += slice.written;
        self.behind += slice.behind;
        Ok(())
    }

    /// It went on for so long, unmeasured.
    pub fn add_behind(&mut self, time: Duration) {
        self.behind += time;
    }

    /// Operations a second of all rounds together: where what stalls one of them is part of the question.
    pub fn overall(&self) -> f64 {
        self.ops as f64 / self.seconds.max(1e-9)
    }

    /// Bytes written for each of so many an operation.
    pub fn written_per_byte(&self, size: u64) -> Option<f64> {
        let payload = self.ops * size;
        (payload > 0).then(|| self.written as f64 / payload as f64)
    }

    pub fn row(&self, work: &'static str, size: u64, threads: u64, peer: &'static str) -> Row {
        let mut speeds = self.speeds.clone();
        speeds.sort_by(f64::total_cmp);
        let micros = |nanos: u64| nanos as f64 / 1000.0;
        Row {
            work,
            size,
            threads,
            peer,
            ops_per_s: speeds.get(speeds.len() / 2).copied().unwrap_or(0.0),
            p50_us: micros(self.times.value_at_quantile(0.5)),
            p99_us: micros(self.times.value_at_quantile(0.99)),
            max_us: micros(self.times.max()),
            ops: self.ops,
            names: None,
            written_per_byte: None,
            behind: Some(self.behind.as_secs_f64() / self.seconds.max(1e-9)).filter(|behind| *behind >= 0.005),
            disk_per_byte: None,
            memory_bytes: None,
            table_bytes: None,
            note: None,
        }
    }
}

/// A row of one slice.
pub fn row_of(slice: &Slice, work: &'static str, size: u64, threads: u64, peer: &'static str) -> Result<Row> {
    let mut tally = Tally::default();
    tally.add(slice)?;
    Ok(tally.row(work, size, threads, peer))
}

/// All that was measured, and what failed.
pub struct Report {
    /// Of which form, on what machine, when.
    heading: String,
    /// Where it goes.
    dir: PathBuf,
    pub rows: Vec<Row>,
    pub failures: Vec<String>,
}

impl Report {
    pub fn new(form: &str, dir: &Path) -> Report {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let heading = format!(
            "The {form} form; {cpus} CPUs, Linux {}, {}, mediacask beside its peers in one run.",
            kernel.trim(),
            date(seconds / 86_400)
        );
        Report { heading, dir: dir.to_owned(), rows: Vec::new(), failures: Vec::new() }
    }

    /// Notes a failure, and says so at once.
    pub fn fail(&mut self, peer: &str, work: &str, error: &dyn std::fmt::Display) {
        let failure = format!("{peer} failed at {work}: {error}");
        eprintln!("peers: {failure}");
        self.failures.push(failure);
    }

    /// Markdown: a table for each work, size and number of threads, each row beside the physical limit.
    pub fn table(&self) -> String {
        let mut text = self.heading.clone() + "\n";
        let mut rest = &self.rows[..];
        while let Some(first) = rest.first() {
            let of_one = rest.iter().take_while(|row| same_question(row, first)).count();
            let (rows, after) = rest.split_at(of_one);
            table_of(rows, &mut text);
            rest = after;
        }
        for failure in &self.failures {
            let _ = writeln!(text, "\nFAILED: {failure}");
        }
        text
    }

    /// Writes `peers.json`, `peers.md` and, for who wants it short, `ratios.md` and `scaling.md`: after each work, should
    /// a run of hours be cut short.
    pub fn write(&self) -> Result<()> {
        let dir = &self.dir;
        std::fs::create_dir_all(dir)?;
        std::fs::write(dir.join("peers.json"), serde_json::to_string_pretty(&self.rows)? + "\n")?;
        std::fs::write(dir.join("peers.md"), self.table())?;
        std::fs::write(dir.join("ratios.md"), ratios::table(&self.heading, &self.rows))?;
        std::fs::write(dir.join("scaling.md"), scaling::table(&self.heading, &self.rows))?;
        Ok(())
    }
}

/// The date of a day since 1970, as ISO 8601 writes it (`civil_from_days` of Howard Hinnant's
/// `chrono`-compatible low-level date algorithms).
fn date(days: u64) -> String {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

pub fn same_question(a: &Row, b: &Row) -> bool {
    (a.work, a.size, a.threads, a.names) == (b.work, b.size, b.threads, b.names)
}

/// Bytes as people write them.
pub fn size_text(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

fn table_of(rows: &[Row], text: &mut String) {
    let first = &rows[0];
    let names = first.names.map(|names| format!(", {names} names")).unwrap_or_default();
    let plural = if first.threads == 1 { "" } else { "s" };
    let _ = writeln!(
        text,
        "\n### {}, {}, {} thread{plural}{names}\n\n\
         | peer | ops/s | x raw | x rawpre | p50 us | p99 us | max us | written/byte | behind | disk/byte | memory MB | note |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
        first.work,
        size_text(first.size),
        first.threads
    );
    let speed_of = |peer: &str| rows.iter().find(|row| row.peer == peer).map(|row| row.ops_per_s);
    let (raw, rawpre) = (speed_of("raw"), speed_of("rawpre"));
    let or_dash = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {:.0} | {} | {} | {:.1} | {:.1} | {:.1} | {} | {} | {} | {} | {} |",
            row.peer,
            row.ops_per_s,
            or_dash(raw.map(|raw| row.ops_per_s / raw), 2),
            or_dash(rawpre.map(|rawpre| row.ops_per_s / rawpre), 2),
            row.p50_us,
            row.p99_us,
            row.max_us,
            or_dash(row.written_per_byte, 3),
            or_dash(row.behind, 2),
            or_dash(row.disk_per_byte, 3),
            or_dash(row.memory_bytes.map(|bytes| bytes as f64 / 1e6), 0),
            row.note.as_deref().unwrap_or("")
        );
    }
}
