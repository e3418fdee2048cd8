//! Small real file systems that are full: names are deleted, compaction gathers what is left, room comes back and puts
//! go on, by hand and by itself; nothing that was acknowledged is lost.
//!
//! They are mounted for it, an ext4 in a file and a tmpfs, which takes root, and the first a loop device. Where one is
//! not to be had, its test is counted as ignored, with the reason: it was not run, and so has not passed. That is why
//! this has a harness of its own. It is alone in its process, too: who starts another one shares its locks with that
//! for a moment.

mod compaction {
    pub(crate) mod full;
}
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use compaction::full::{Full, options};
use mediacask::Upkeep;
use support::wait_until;

const MIB: u64 = 24;
const SEGMENT: u64 = 512 << 10;
/// How often each is filled.
const ROUNDS: u64 = 3;

/// A test: what it is called, and what it mounts.
const TESTS: [(&str, Mount); 2] =
    [("room_comes_back_on_an_ext4_that_is_full", mount_ext4), ("room_comes_back_on_a_tmpfs_that_is_full", mount_tmpfs)];

/// Mounts a file system at the second of these, the first is beside it; or says why there cannot be one here.
type Mount = fn(image: &Path, at: &Path) -> Result<(), String>;

/// A file system; unmounted when it goes.
struct Mounted {
    dir: tempfile::TempDir,
}

impl Mounted {
    fn new(mount: Mount) -> Result<Mounted, String> {
        // In memory, where there is such a place: nobody cuts the power here, so it need not be slow.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let dir = dir.map_err(|error| error.to_string())?;
        let (image, at) = (dir.path().join("image"), dir.path().join("mounted"));
        std::fs::create_dir(&at).map_err(|error| error.to_string())?;
        mount(&image, &at)?;
        Ok(Mounted { dir })
    }

    fn at(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg("-l").arg(self.at()));
    }
}

fn mount_ext4(image: &Path, at: &Path) -> Result<(), String> {
    let file = std::fs::File::create(image).map_err(|error| error.to_string())?;
    file.set_len(MIB << 20).map_err(|error| error.to_string())?;
    run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(image))?;
    run(Command::new("mount").args(["-o", "loop"]).arg(image).arg(at))
}

fn mount_tmpfs(_: &Path, at: &Path) -> Result<(), String> {
    run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={MIB}m"), "tmpfs"]).arg(at))
}

fn run(command: &mut Command) -> Result<(), String> {
    let told = command.get_program().display().to_string();
    let output = command.output().map_err(|error| format!("{told}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{told}: {}", text.trim())) }
}

fn room_comes_back(mounted: &Mounted) {
    for upkeep in [Upkeep::ByHand, Upkeep::Background] {
        let path = mounted.at().join(format!("{upkeep:?}"));
        let mut full = Full::new(options(SEGMENT).upkeep(upkeep), &path, SEGMENT);
        for round in 0..ROUNDS {
            let when = format!("{upkeep:?}, round {round}");
            assert!(full.fill() > 4, "{when}");
            full.thin_out(3, round);
            full.compare(&when);
            if upkeep == Upkeep::ByHand {
                let report = full.store.compact().unwrap_or_else(|error| panic!("{when}: {error}"));
                assert!(report.segments_freed > 0, "{when}: {report:?}");
            }
            wait_until(&format!("{when}: there is room"), || full.put().is_ok());
            full.compare(&when);
            full = full.reopen(options(SEGMENT).upkeep(upkeep), &path);
            full.compare(&format!("{when}, opened again"));
        }
        full.store.close().unwrap();
        drop(full);
        std::fs::remove_dir_all(&path).unwrap();
    }
}

/// What a test came to.
enum Outcome {
    Passed,
    Failed,
    NotRun(String),
}

fn try_one(mount: Mount) -> Outcome {
    let mounted = match Mounted::new(mount) {
        Ok(mounted) => mounted,
        Err(why) => return Outcome::NotRun(why),
    };
    // The panic has said what is wrong.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| room_comes_back(&mounted)));
    if outcome.is_ok() { Outcome::Passed } else { Outcome::Failed }
}

/// Runs those that the arguments name, and tells of them as the harness of the others does.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|word| word == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let is_asked_for = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    let asked: Vec<_> = TESTS.iter().filter(|(name, _)| is_asked_for(name)).collect();
    println!("\nrunning {} tests", asked.len());
    let (mut passed, mut failed, mut not_run) = (0, 0, 0);
    for (name, mount) in &asked {
        match try_one(*mount) {
            Outcome::Passed => {
                println!("test {name} ... ok");
                passed += 1;
            }
            Outcome::Failed => {
                println!("test {name} ... FAILED");
                failed += 1;
            }
            Outcome::NotRun(why) => {
                println!("test {name} ... ignored, not run: it cannot be mounted here ({why})");
                not_run += 1;
            }
        }
    }
    println!(
        "\ntest result: {}. {passed} passed; {failed} failed; {not_run} ignored; 0 measured; {} filtered out\n",
        if failed == 0 { "ok" } else { "FAILED" },
        TESTS.len() - asked.len()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
