//! What the store promises, against everything that can happen to it: random operations from a seed, held
//! against a plain map, on a disk that loses its power at any call, fails, and lies.
//!
//! After every crash the store holds what was acknowledged as durable, and of the rest a prefix of its
//! order; nothing else, nothing older, no generation twice, no reference miscounted.
//!
//! `MEDIACASK_SEEDS` is how many seeds are run (1,000 without); `MEDIACASK_SEED` runs a single one.

mod model {
    pub(crate) mod compaction;
    pub(crate) mod history;
    pub(crate) mod observed;
    pub(crate) mod operations;
    pub(crate) mod state;
    pub(crate) mod syncs;
    pub(crate) mod tally;
    pub(crate) mod world;
}
mod support;

use std::io::Write;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use mediacask::{DeleteOptions, Durability};
use model::state::{Condition, Content, Wish};
use model::syncs::{NEEDED, Noticed, Sync};
use model::tally::Tally;
use model::world::{Setup, World};
use parking_lot::Mutex;
use support::Crash;

/// Operations of one seed.
const OPERATIONS: u64 = 220;
const SEEDS: u64 = 1000;
/// The run that is crashed at each of its calls; a world with policies, content shared within accounts.
const FIXED_SEED: u64 = 2;
/// Seeds tried until one notices that a sync is missing.
const SEEDS_TO_NOTICE: u64 = 1000;
/// Calls after a process has died at which the power goes.
const DEATH_CALLS: u64 = 12;
/// How often the power goes after each death of a process.
const KILL_CRASHES: u64 = 12;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")))
}

/// Runs the operations of one world.
fn run(setup: Setup) -> Option<Tally> {
    in_world(setup, |world| {
        world.create();
        for _ in 0..OPERATIONS {
            if !world.is_over() {
                world.step();
            }
        }
    })
}

/// Does things in one world; `None` when that fails, and then it tells what was done last.
fn in_world(setup: Setup, act: impl FnOnce(&mut World)) -> Option<Tally> {
    let trace = Arc::new(Mutex::new(Vec::new()));
    let (seed, crash) = (setup.seed, setup.crash);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(setup, trace.clone());
        act(&mut world);
        world.finish()
    }));
    if outcome.is_err() {
        let trace = trace.lock();
        let last = trace[trace.len().saturating_sub(60)..].join("\n");
        eprintln!("seed {seed}, crash {crash:?} failed; MEDIACASK_SEED={seed} runs a seed alone.\n{last}");
    }
    outcome.ok()
}

/// Runs many worlds, a thread for each core, until one fails; says what they did, or which one failed.
fn run_all(range: Range<u64>, setup: impl Fn(u64) -> Setup + std::marker::Sync) -> Result<Tally, u64> {
    let (next, failed) = (AtomicU64::new(range.start), AtomicBool::new(false));
    let (tally, first) = (Mutex::new(Tally::default()), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if !range.contains(&nth) || failed.load(Ordering::Relaxed) {
                        return;
                    }
                    match run(setup(nth)) {
                        Some(of_seed) => tally.lock().merge(&of_seed),
                        None => {
                            failed.store(true, Ordering::Relaxed);
                            first.lock().get_or_insert(nth);
                        }
                    }
                }
            });
        }
    });
    first.into_inner().map_or_else(|| Ok(tally.into_inner()), Err)
}

/// Past the test harness, which shows nothing of tests that pass.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[test]
fn whatever_happens_the_store_holds_what_it_acknowledged() {
    let (seeds, begun) = (number("MEDIACASK_SEEDS").unwrap_or(SEEDS), Instant::now());
    let alone = number("MEDIACASK_SEED");
    let range = alone.map_or(0..seeds, |seed| seed..seed + 1);
    let count = range.end - range.start;
    let outcome = run_all(range, |seed| Setup { seed, faults: true, skips: None, crash: None, kill: None });
    let tally = outcome.unwrap_or_else(|seed| panic!("seed {seed} failed; see above"));
    tell(&format!("model: {count} seeds in {:.0?}:\n{tally}", begun.elapsed()));
    assert!(tally.of("operations") >= 200 * count && tally.of("crashes") >= 3 * count);
    if count >= 100 {
        let begun_and_cut = ["segments begun", "poisonings", "recoveries cut", "kills", "openings with the log alone"];
        let kept_up = ["entries expired", "segments compacted", "erasures", "indexes written anew"];
        for what in begun_and_cut.iter().chain(&kept_up) {
            assert!(tally.of(what) > 0, "{what}: never happened");
        }
        let again = tally.of("in a recycled spare");
        assert!(again >= count, "{again} segments only were begun in spares that had been segments");
    }
}

#[test]
fn a_crash_at_any_call_of_a_run_loses_nothing() {
    let begun = Instant::now();
    let setup = |crash| Setup { seed: FIXED_SEED, faults: false, skips: None, crash, kill: None };
    let calls = run(setup(None)).expect("the run succeeds when nothing happens").of("disk calls");
    assert!(calls > 200);
    // Each call twice: once nothing survives that was not synced, once some of it.
    let crash = |nth: u64| (1 + nth / 2, if nth.is_multiple_of(2) { Crash::NOTHING_KEPT } else { Crash::random(nth) });
    let outcome = run_all(0..2 * calls, |nth| setup(Some(crash(nth))));
    let tally = outcome.unwrap_or_else(|nth| panic!("crash {:?} failed; see above", crash(nth)));
    tell(&format!("model: {} crashes, two at each call of a run, in {:.0?}", tally.of("crashes"), begun.elapsed()));
}

/// What of the runs that should notice fails without a sync, if any does.
fn first_to_notice(sync: Sync) -> Option<u64> {
    let skips: model::world::Skips = Arc::new(sync.is_it);
    let setup = |seed| Setup { seed, faults: false, skips: Some(skips.clone()), crash: None, kill: None };
    let outcome = match sync.noticed {
        Noticed::ByChance => run_all(0..SEEDS_TO_NOTICE, |seed| Setup { faults: true, ..setup(seed) }),
        Noticed::InCreation => run_all(0..1000, |nth| {
            let crash = Some((1 + nth / 40, Crash::random(nth)));
            Setup { crash, ..setup(FIXED_SEED) }
        }),
        Noticed::AfterKill => {
            return (1..=DEATH_CALLS).find(|nth| lose_a_spare(setup(FIXED_SEED), *nth).is_none());
        }
        Noticed::AfterLostCheckpoint => return lose_a_checkpoint(setup(FIXED_SEED)).is_none().then_some(0),
    };
    outcome.err()
}

/// Processes die at each sync of segments/ of a run, and the power goes soon after the next one has begun.
fn run_killed() -> Result<Tally, u64> {
    let setup = |crash, kill| Setup { seed: FIXED_SEED, faults: false, skips: None, crash, kill };
    let kills = run(setup(None, None)).expect("the run succeeds when nothing happens").names_synced;
    let how = |nth: u64| if nth.is_multiple_of(2) { Crash::NOTHING_KEPT } else { Crash::random(nth) };
    run_all(0..KILL_CRASHES * kills.len() as u64, |nth| {
        setup(Some((1 + nth % KILL_CRASHES, how(nth))), Some(kills[(nth / KILL_CRASHES) as usize]))
    })
}

/// A process dies before the name of a spare is durable that was a segment; the next one writes it again,
/// and the power goes.
fn lose_a_spare(setup: Setup, nth: u64) -> Option<Tally> {
    in_world(setup, |world| {
        world.create();
        let (name, wish) = (world.universe[4].clone(), Wish::default());
        let fill = |world: &mut World| {
            for n in 0..14 {
                let content = Content::new(vec![n; 11_000]);
                if !world.is_over() {
                    world.put_as(&name, &content, &wish, Durability::Sync);
                    world.mend();
                }
            }
        };
        fill(world);
        world.checkpoint();
        world.sweep();
        fill(world);
        world.checkpoint();
        world.fail_next_dir_sync();
        world.sweep();
        world.kill_and_doom(nth);
        fill(world);
    })
}

/// A process dies before the name of its checkpoint is durable; the next one, which reads it, frees segments
/// that the checkpoint before knew; then the power goes.
fn lose_a_checkpoint(setup: Setup) -> Option<Tally> {
    in_world(setup, |world| {
        world.create();
        let (kept, other) = (world.universe[4].clone(), world.universe[5].clone());
        let (wish, sync) = (Wish::default(), Durability::Sync);
        let contents: Vec<_> = (0..14).map(|n| Content::new(vec![n; 11_000])).collect();
        world.put_as(&kept, &contents[0], &wish, sync);
        contents[..7].iter().for_each(|content| world.put_as(&other, content, &wish, sync));
        world.checkpoint();
        world.delete_as(&kept, &Condition::None, &DeleteOptions::new(), true);
        contents[7..].iter().for_each(|content| world.put_as(&other, content, &wish, sync));
        world.fail_next_dir_sync();
        world.checkpoint();
        world.kill();
        (0..4).for_each(|_| world.sweep());
        assert!(world.tally.of("segments freed") >= 2);
        world.crash_hard();
    })
}

#[test]
fn a_process_killed_before_its_names_are_durable_and_a_power_cut_lose_nothing() {
    let tally = run_killed().unwrap_or_else(|nth| panic!("death and crash {nth} failed; see above"));
    assert!(tally.of("kills") > 0 && tally.of("crashes") > 0);
    let setup = Setup { seed: FIXED_SEED, faults: false, skips: None, crash: None, kill: None };
    for nth in 1..=DEATH_CALLS {
        assert!(lose_a_spare(setup.clone(), nth).is_some(), "crash {nth}; see above");
    }
    assert!(lose_a_checkpoint(setup).is_some(), "a checkpoint that was lost takes names with it; see above");
}

#[test]
fn removing_any_sync_is_noticed() {
    let begun = Instant::now();
    let unnoticed: Vec<&str> = NEEDED.iter().filter(|s| first_to_notice(**s).is_none()).map(|s| s.name).collect();
    assert!(unnoticed.is_empty(), "no run fails without the sync of: {unnoticed:#?}");
    tell(&format!("model: {} syncs, each found necessary, in {:.0?}", NEEDED.len(), begun.elapsed()));
}

#[test]
fn a_delete_that_found_nothing_rests_on_nothing_that_a_power_cut_takes_back() {
    let setup = Setup { seed: FIXED_SEED, faults: false, skips: None, crash: None, kill: None };
    let done = in_world(setup, |world| {
        world.create();
        let (name, wish) = (world.universe[4].clone(), Wish::default());
        world.put_as(&name, &Content::new(vec![1; 100]), &wish, Durability::Sync);
        let os = DeleteOptions::new().durability(Durability::Os);
        world.delete_as(&name, &Condition::None, &os, false);
        // It is gone already, and must stay so once this has said so.
        world.delete_as(&name, &Condition::None, &DeleteOptions::new(), true);
        world.crash_hard();
    });
    assert!(done.is_some(), "the name came back; see above");
}
