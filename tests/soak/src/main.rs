//! The soak: a store under everything at once, for as long as one likes.
//!
//! A process works on the store with several threads and is killed again and again; this one keeps a model of
//! what was acknowledged, and after each death opens the store, and the copy made last, and holds both against
//! it. Every ten seconds it prints a line of figures. It ends at the first difference.
//!
//! Usage: mediacask-soak [MINUTES [DIRECTORY]]

mod model;
mod script;
mod worker;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mediacask::{Clock, Store, StoreOptions, Upkeep};

use model::Model;
use script::Random;

const WORKERS: u64 = 4;
const LINE: Duration = Duration::from_secs(10);
const ERASE_WITHIN: Duration = Duration::from_mins(1);

/// The account a worker has to itself.
fn account(worker: u64) -> String {
    format!("550000{worker}")
}

/// How the store is opened: small enough to turn over within minutes. In some lives what was deleted is erased within
/// a minute, and the index written anew with it; in the others segments are written over.
fn options(seed: u64) -> StoreOptions {
    let options = Store::options().segment_len(16 << 20).events_keep(Duration::from_secs(20)).clock(Clock::system());
    if seed.is_multiple_of(3) { options.erase_within(ERASE_WITHIN) } else { options }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|word| word == "work") {
        let seed = arguments[3].parse().expect("a seed");
        return match worker::work(Path::new(&arguments[2]), seed, WORKERS) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("soak: the worker failed: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let minutes: u64 = arguments.get(1).map_or(60, |text| text.parse().expect("how many minutes"));
    let dir = arguments.get(2).map_or_else(|| PathBuf::from("target/soak/store"), PathBuf::from);
    match watch(&dir, Duration::from_secs(60 * minutes)) {
        Ok(figures) => {
            println!("soak: {minutes} minutes without a difference; {figures}");
            ExitCode::SUCCESS
        }
        Err(difference) => {
            println!("soak: FAILED: {difference}\nsoak: the store is left in {}", dir.display());
            ExitCode::FAILURE
        }
    }
}

/// What was done so far.
#[derive(Clone, Default)]
struct Figures {
    acknowledged: u64,
    bytes_put: u64,
    kills: u64,
    closes: u64,
    rebuilt: u64,
    erased: u64,
    renewed: u64,
    compacted: u64,
    copies: u64,
    copies_checked: u64,
    verified: u64,
    events: u64,
    names: u64,
    live: u64,
    total: u64,
    spare: u64,
    memory_kib: u64,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mb = |bytes: u64| bytes >> 20;
        write!(
            f,
            "{} operations, {} MiB put, {} kills, {} closes, {} rebuilds, {} passes of erasure, {} indexes written anew, {} names, {} MiB live in {} MiB ({} spare), {} MiB \
             compacted, {} copies ({} checked), {} MiB verified, {} events, {} MiB of memory",
            self.acknowledged,
            mb(self.bytes_put),
            self.kills,
            self.closes,
            self.rebuilt,
            self.erased,
            self.renewed,
            self.names,
            mb(self.live),
            mb(self.total),
            mb(self.spare),
            mb(self.compacted),
            self.copies,
            self.copies_checked,
            mb(self.verified),
            self.events,
            self.memory_kib >> 10
        )
    }
}

fn watch(dir: &Path, whole: Duration) -> Result<Figures, String> {
    for path in [dir, &worker::copies(dir), &dir.with_extension("restored")] {
        if path.exists() {
            std::fs::remove_dir_all(path).map_err(|e| format!("{} cannot be emptied: {e}", path.display()))?;
        }
    }
    std::fs::create_dir_all(dir).map_err(|e| format!("{} cannot be made: {e}", dir.display()))?;
    let seed = std::env::var("MEDIACASK_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    println!("soak: seed {seed}, in {}", dir.display());
    let (mut random, mut figures, mut model) = (Random(seed), Figures::default(), Model::new(WORKERS));
    let begun = Instant::now();
    let mut printed = Instant::now();
    while begun.elapsed() < whole {
        let life = Duration::from_millis(500 + random.below(14_000));
        let killed = random.below(4) != 0;
        let seed = random.next();
        live(
            dir,
            seed,
            life,
            killed,
            &mut model,
            &mut figures,
            &mut || {
                |figures: &Figures| {
                    println!("soak: {:>5} s, {figures}", begun.elapsed().as_secs());
                }
            },
            &mut printed,
        )?;
        damage_what_is_derived(dir, &mut random, &mut figures)?;
        let by_hand = options(seed).upkeep(Upkeep::ByHand);
        let store = by_hand.open(dir).map_err(|e| format!("the store does not open: {e}"))?;
        model.hold_against(&store, killed)?;
        store.close().map_err(|e| format!("the store does not close: {e}"))?;
        if random.below(8) == 0 {
            check_copy(dir, &mut figures)?;
        }
    }
    Ok(figures)
}

/// One process: begun, listened to, and killed or ended.
#[allow(clippy::too_many_arguments)]
fn live<P: Fn(&Figures)>(
    dir: &Path,
    seed: u64,
    life: Duration,
    killed: bool,
    model: &mut Model,
    figures: &mut Figures,
    printer: &mut dyn FnMut() -> P,
    printed: &mut Instant,
) -> Result<(), String> {
    let me = std::env::current_exe().map_err(|e| format!("this program is nowhere: {e}"))?;
    let mut child = Command::new(me)
        .args(["work".as_ref(), dir.as_os_str(), seed.to_string().as_ref()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("the worker does not start: {e}"))?;
    model.begin_life(seed);
    let out = BufReader::new(child.stdout.take().expect("piped above"));
    let (send, lines) = mpsc::channel();
    let listener = std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    let end = Instant::now() + life;
    let mut ended = false;
    let mut closed = false;
    loop {
        match lines.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => closed |= take(&line, model, figures)?,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if !ended && Instant::now() >= end {
            ended = true;
            figures.memory_kib = figures.memory_kib.max(memory_kib(&child));
            if killed {
                child.kill().map_err(|e| format!("the worker cannot be killed: {e}"))?;
            } else {
                drop(child.stdin.take());
            }
        }
        if printed.elapsed() >= LINE {
            *printed = Instant::now();
            printer()(figures);
        }
    }
    let status = child.wait().map_err(|e| format!("the worker was not heard of again: {e}"))?;
    listener.join().expect("the listener only listens");
    if ended && killed {
        figures.kills += 1;
    } else if closed && status.success() {
        figures.closes += 1;
    } else {
        return Err(format!("the worker ended by itself with {status} in the life of seed {seed}"));
    }
    Ok(())
}

/// Takes in what the worker tells; says whether it has closed the store.
fn take(line: &str, model: &mut Model, figures: &mut Figures) -> Result<bool, String> {
    let (what, more) = line.split_once(' ').unwrap_or((line, ""));
    let number = || more.trim().parse::<u64>().unwrap_or(0);
    match what {
        "done" => {
            figures.bytes_put += model.acknowledge(more)?;
            figures.acknowledged += 1;
        }
        "compacted" => figures.compacted += number(),
        "copied" => figures.copies += 1,
        "erased" => figures.erased += 1,
        "renewed" => figures.renewed += 1,
        "rebuilt" => figures.rebuilt += 1,
        "verified" => figures.verified += number(),
        "followed" => figures.events += number(),
        "holds" => {
            let numbers: Vec<u64> = more.split_whitespace().filter_map(|text| text.parse().ok()).collect();
            if let [names, live, total, spare] = numbers[..] {
                (figures.names, figures.live, figures.total, figures.spare) = (names, live, total, spare);
            }
        }
        _ => {}
    }
    Ok(what == "closed")
}

fn memory_kib(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Now and then takes away what the log can give back.
fn damage_what_is_derived(dir: &Path, random: &mut Random, figures: &mut Figures) -> Result<(), String> {
    let which = random.below(10);
    let failed = |e: std::io::Error| format!("what is derived cannot be removed: {e}");
    if which == 0 || which == 2 {
        std::fs::remove_dir_all(dir.join("index")).or_else(absent).map_err(failed)?;
        figures.rebuilt += 1;
    }
    if which == 1 || which == 2 {
        std::fs::remove_file(dir.join("catalog")).or_else(absent).map_err(failed)?;
        figures.rebuilt += 1;
    }
    Ok(())
}

fn absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Brings the last copy back and looks it over: a copy is a moment of the past, whole in itself.
fn check_copy(dir: &Path, figures: &mut Figures) -> Result<(), String> {
    let copy = worker::copies(dir);
    if !copy.exists() {
        return Ok(());
    }
    let restored = dir.with_extension("restored");
    if restored.exists() {
        std::fs::remove_dir_all(&restored).map_err(|e| format!("{} cannot be emptied: {e}", restored.display()))?;
    }
    match Store::restore(&copy, &restored) {
        // The first one was cut short by a kill: there is none yet.
        Err(_) if figures.copies == 0 => return Ok(()),
        outcome => outcome.map_err(|e| format!("the copy cannot be brought back: {e}"))?,
    };
    let by_hand = options(1).upkeep(Upkeep::ByHand);
    let store = by_hand.open(&restored).map_err(|e| format!("the copy does not open: {e}"))?;
    model::look_over(&store, WORKERS).map_err(|e| format!("in the copy: {e}"))?;
    figures.copies_checked += 1;
    store.close().map_err(|e| format!("the copy does not close: {e}"))
}
