//! `verify`: everything in the store is read again and held against its checksums.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use mediacask::{Damaged, Store, VerifyOptions, VerifyReport};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{Out, count, counted, printable, size, table};
use crate::progress;
use crate::session::Session;
use crate::values;

/// Read everything again and hold it against its checksums; exit code 4 when damage stands.
#[derive(clap::Args)]
pub(crate) struct Verify {
    /// Set damaged things aside in the store's `quarantine/`, end the names that can be read no more, and write
    /// anew what can be told from elsewhere; without it, only say what would be done.
    #[arg(long)]
    repair: bool,
    /// Most bytes to read in a second.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Stop after this long, like 30m, and print where to go on.
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    for_at_most: Option<Duration>,
    /// Go on where an earlier run stopped.
    #[arg(long, value_name = "TOKEN")]
    resume: Option<String>,
}

impl Verify {
    pub(crate) fn run(self, session: Session) -> Result<(), Failure> {
        session.with_store(|store, out| {
            let report = self.verify(store)?;
            show(out, &report)?;
            if report.damage_stands() {
                Err(Failure::Told(mediacask::ErrorKind::Corrupt.face().exit_code))
            } else {
                Ok(())
            }
        })
    }

    fn verify(&self, store: &Store) -> Result<VerifyReport, Failure> {
        let mut options = VerifyOptions::new().bytes_per_sec(self.rate.unwrap_or(0)).repair(self.repair);
        if let Some(resume) = &self.resume {
            options = options.resume(resume);
        }
        let (bar, begun) = (progress::verified(0), Instant::now());
        let report = store.verify(&options, &mut |progress| {
            bar.set_length(progress.bytes_total);
            bar.set_position(progress.bytes_checked);
            bar.set_message(format!("{} damaged", count(progress.damaged)));
            let is_over = self.for_at_most.is_some_and(|longest| begun.elapsed() >= longest);
            if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        bar.finish_and_clear();
        Ok(report?)
    }
}

/// Each damage, then what it comes to.
fn show(out: &mut Out, report: &VerifyReport) -> Result<(), Failure> {
    for damaged in &report.damaged {
        if out.json() {
            out.object(&json!({ "damaged": damaged_object(damaged) }))?;
        } else {
            out.line(format_args!("{}\n", damaged_text(damaged)))?;
        }
    }
    if out.json() {
        return out.object(&json!({
            "bytes_checked": report.bytes_checked,
            "contents_checked": report.contents_checked,
            "entries_checked": report.entries_checked,
            "damaged": report.damaged.len(),
            "wrong_references": report.wrong_references,
            "index_differences": report.index_differences,
            "repaired": report.repaired,
            "damage_stands": report.damage_stands(),
            "resume": report.resume,
        }));
    }
    let mut rows = vec![
        ("read", size(report.bytes_checked)),
        ("contents", count(report.contents_checked)),
        ("entries", count(report.entries_checked)),
        ("damaged", count(report.damaged.len() as u64)),
        ("wrong references", count(report.wrong_references)),
        (
            "index",
            match report.index_differences {
                0 => "says what the log says".into(),
                differing => format!("differs for {}", counted(differing, "account")),
            },
        ),
        ("repaired", count(report.repaired)),
    ];
    if let Some(resume) = &report.resume {
        rows.push(("stopped; go on with", format!("--resume {resume}")));
    }
    out.line(format_args!("{}", table(&rows)))
}

fn damaged_object(damaged: &Damaged) -> Value {
    let names = damaged.names.iter().map(|(account, name)| json!({ "account": account, "name": name }));
    json!({
        "path": damaged.path.display().to_string(),
        "offset": damaged.offset,
        "len": damaged.len,
        "digest": damaged.digest.map(|digest| digest.to_string()),
        "names": names.collect::<Vec<_>>(),
        "what": damaged.what,
        "remedy": damaged.remedy,
    })
}

fn damaged_text(damaged: &Damaged) -> String {
    let place = match (damaged.offset, damaged.len) {
        (0, 0) => damaged.path.display().to_string(),
        (offset, len) => format!("{} at {offset}, {}", damaged.path.display(), counted(len, "byte")),
    };
    let mut rows = vec![("damaged", place), ("found", damaged.what.clone())];
    rows.extend(damaged.digest.map(|digest| ("content", digest.to_string())));
    let named = |(account, name): &(String, String)| ("name", format!("{}  {}", printable(account), printable(name)));
    rows.extend(damaged.names.iter().map(named));
    rows.push(("remedy", damaged.remedy.clone()));
    table(&rows)
}
