//! mediacask beside its peers: the same work, with the same durability, in one run.
//!
//! Prints a table, and writes `peers.json`, `peers.md` and the plots into the directory of `--out`. Losses stand in
//! it like wins. It fails if a peer did not do what it was asked, or did not give back the bytes that were put.
//!
//! ```text
//! works/*     ask            each round a slice of every peer, one after the other
//! peer        is asked       the trait every store stands behind; front gives group commit to who has none
//! peers/*     answer         one file for each, with how it is set up and why
//! measure     times          content is made outside the timed part
//! report      tells          rows, table, JSON; ratios and scaling sum up, plot draws, whole reads it back
//! ```

mod child;
mod content;
mod form;
mod front;
mod measure;
mod peer;
mod peers;
mod plot;
mod ratios;
mod report;
mod scaling;
mod whole;
mod works;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use form::Form;
use peer::Result;
use report::Report;
use works::Bench;

/// Measure mediacask beside its peers.
#[derive(Parser)]
struct Arguments {
    /// Everything but what scaling has; an hour or more, and some 100 GB of disk.
    #[arg(long, conflicts_with_all = ["smoke", "scaling"])]
    full: bool,
    /// What grows: from 1 to 64 writers, and up to 10 million names; half an hour, and 12 GB of disk.
    #[arg(long, conflicts_with = "smoke")]
    scaling: bool,
    /// Seconds: every peer and every work, too little of each for its figures to mean anything.
    #[arg(long)]
    smoke: bool,
    /// Only these peers, by name, with commas between.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Only these works: check, put, `put_recycled`, get, `get_cold`, names, churn, dedup, expire, day.
    #[arg(long, value_delimiter = ',')]
    works: Vec<String>,
    /// Where the stores lie while they are measured: a file system in memory syncs for nothing.
    #[arg(long, default_value = "target/bench")]
    dir: PathBuf,
    /// Where the report goes.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    #[command(subcommand)]
    task: Option<child::Task>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Says whether nothing failed.
fn run(arguments: &Arguments) -> Result<bool> {
    let mut kinds = peers::all();
    if let Some(task) = &arguments.task {
        child::run(&kinds, task)?;
        return Ok(true);
    }
    let (known, unknown) = (kinds.clone(), |name: &&String| !kinds.iter().any(|kind| kind.name == **name));
    if let Some(name) = arguments.peers.iter().find(unknown) {
        let all: Vec<&str> = known.iter().map(|kind| kind.name).collect();
        return Err(format!("there is no peer called {name}; there are {}", all.join(", ")).into());
    }
    if let Some(name) = arguments.works.iter().find(|name| !works::ALL.iter().any(|(work, _)| work == *name)) {
        return Err(format!("there is no work called {name}; --help names them").into());
    }
    kinds.retain(|kind| arguments.peers.is_empty() || arguments.peers.iter().any(|name| name == kind.name));
    let form = match arguments {
        Arguments { full: true, .. } => Form::full(),
        Arguments { scaling: true, .. } => Form::scaling(),
        Arguments { smoke: true, .. } => Form::smoke(),
        _ => Form::short(),
    };
    std::fs::create_dir_all(&arguments.dir)?;
    let stores = tempfile::Builder::new().prefix("stores").tempdir_in(&arguments.dir)?;
    let mut report = Report::new(form.name, &arguments.out);
    for (name, work) in works::ALL {
        let is_asked = arguments.works.is_empty() || arguments.works.iter().any(|asked| asked == name);
        if is_asked && (form.works.is_empty() || form.works.contains(name)) {
            work(&mut Bench { form: &form, kinds: &kinds, dir: stores.path(), report: &mut report });
            report.write()?;
        }
    }
    stores.close()?;
    print!("{}", report.table());
    if arguments.works.is_empty() && form.works.is_empty() {
        for fault in whole::faults(&arguments.out.join("peers.json"), &kinds)? {
            report.fail("the report", "being whole", &fault);
        }
    }
    let plots = plot::all(&report.rows, &arguments.out)?;
    println!("\n{} rows and {} plots are in {}", report.rows.len(), plots.len(), arguments.out.display());
    Ok(report.failures.is_empty())
}
