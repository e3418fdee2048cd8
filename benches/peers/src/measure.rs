//! Clocks and counters: how long each operation took, what was written, what is on the disk and in memory.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::peer::Result;

/// The longest time a histogram tells apart, in nanoseconds.
const LONGEST: u64 = 600_000_000_000;

/// What a stretch of work came to.
pub struct Slice {
    /// Operations done.
    pub ops: u64,
    pub seconds: f64,
    /// Nanoseconds of each.
    pub times: Histogram<u64>,
    /// Bytes this process has handed to file systems meanwhile. What other stores of the process write behind is in it.
    pub written: u64,
    /// How long it went on working afterwards.
    pub behind: Duration,
}

/// An empty histogram, of nanoseconds.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("bounds that fit")
}

/// A thread's work: called with 0, 1, 2, and so on.
pub type Turns<'a> = Box<dyn FnMut(usize) -> Result<()> + 'a>;

/// Runs the work of each thread `each` times, or until `longest` has passed: then all have done less.
///
/// `make` gives the work of the thread of this number. Operations of less than a microsecond are timed `stride` at a
/// time, or the clock would be most of what is measured.
pub fn on_threads<'a>(
    threads: usize,
    each: usize,
    stride: usize,
    longest: Duration,
    make: &(dyn Fn(usize) -> Result<Turns<'a>> + Sync),
) -> Result<Slice> {
    let barrier = Barrier::new(threads);
    let written = bytes_written();
    let outcomes: Vec<Result<Share>> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let work = make(thread);
                    barrier.wait();
                    share(work?, each, stride, longest)
                })
            })
            .collect();
        all.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    let written = bytes_written() - written;
    let shares = outcomes.into_iter().collect::<Result<Vec<Share>>>()?;
    let begun = shares.iter().map(|share| share.begun).min().expect("at least one thread");
    let ended = shares.iter().map(|share| share.ended).max().expect("at least one thread");
    let mut times = histogram();
    for share in &shares {
        times.add(&share.times)?;
    }
    let ops = shares.iter().map(|share| share.ops).sum();
    Ok(Slice { ops, seconds: (ended - begun).as_secs_f64(), times, written, behind: Duration::ZERO })
}

/// What one thread did.
struct Share {
    ops: u64,
    begun: Instant,
    ended: Instant,
    times: Histogram<u64>,
}

fn share(mut work: Turns<'_>, each: usize, stride: usize, longest: Duration) -> Result<Share> {
    let mut times = histogram();
    let begun = Instant::now();
    let (mut before, mut done) = (begun, 0);
    while done < each && before - begun < longest {
        let count = stride.min(each - done);
        for n in done..done + count {
            work(n)?;
        }
        let now = Instant::now();
        let nanos = (now - before).as_nanos() as u64 / count as u64;
        times.saturating_record_n(nanos, count as u64);
        (before, done) = (now, done + count);
    }
    Ok(Share { ops: done as u64, begun, ended: before, times })
}

/// Times one thing, done once.
pub fn once(work: impl FnOnce() -> Result<()>) -> Result<Slice> {
    let (begun, written) = (Instant::now(), bytes_written());
    work()?;
    let took = begun.elapsed();
    let mut times = histogram();
    times.saturating_record(took.as_nanos() as u64);
    let written = bytes_written() - written;
    Ok(Slice { ops: 1, seconds: took.as_secs_f64(), times, written, behind: Duration::ZERO })
}

/// A field of a file of `/proc/self`, in its own unit; 0 where there is none.
fn of_this_process(file: &str, field: &str) -> u64 {
    let text = fs::read_to_string(Path::new("/proc/self").join(file)).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Bytes this process has handed to write calls so far (`wchar` of proc(5)). Not the pages it has dirtied: the kernel
/// counts those by the folio, a mebibyte for a page where a file was written by mebibytes before. None of the stores
/// writes by way of a map.
fn bytes_written() -> u64 {
    of_this_process("io", "wchar:")
}

/// Waits until this process neither computes nor writes, at most so long; says how long that took.
pub fn come_to_rest(longest: Duration) -> Duration {
    const STEP: Duration = Duration::from_millis(20);
    let cpu = || -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        time.try_into().unwrap_or_default()
    };
    let begun = Instant::now();
    loop {
        let (worked, before, written) = (begun.elapsed(), cpu(), bytes_written());
        std::thread::sleep(STEP);
        if (cpu().saturating_sub(before) < STEP / 10 && bytes_written() == written) || worked >= longest {
            return worked;
        }
    }
}

/// Bytes of anonymous memory this process holds: maps of files are not in it.
pub fn memory() -> u64 {
    of_this_process("status", "RssAnon:") * 1024
}

/// Bytes a directory takes on the disk, with all below it.
pub fn bytes_on_disk(dir: &Path) -> Result<u64> {
    let mut sum = 0;
    each_file(dir, &mut |path| {
        // A file may go meanwhile: upkeep goes on.
        sum += fs::metadata(path).map_or(0, |facts| facts.blocks() * 512);
        Ok(())
    })?;
    Ok(sum)
}

/// Has the system forget what it has of a directory's files in memory. Maps of them keep their pages: close first.
pub fn make_cold(dir: &Path) -> Result<()> {
    each_file(dir, &mut |path| {
        let file = fs::File::open(path)?;
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    })
}

fn each_file(dir: &Path, each: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => each_file(&entry.path(), each)?,
            Ok(kind) if kind.is_file() => each(&entry.path())?,
            _ => {}
        }
    }
    Ok(())
}
