//! The C and C++ tests: builds the programs of `tests/c` and `tests/cpp` against the library that cargo made for
//! this test, by each compiler and under each checker, and runs them.
//!
//! Each program takes the path of a store of its own, which does not exist yet, and ends with 0 and without a
//! word if all held. A tool that is missing fails the test with its name; `make test` installs them.

mod build;
mod conformance;
#[path = "../../../../tests/conformance/script.rs"]
mod script;

use build::{Program, runs_well, top};
use conformance::Runner;

/// The programs in C.
const PROGRAMS: [&str; 5] =
    ["tests/c/basics.c", "tests/c/misuse.c", "tests/c/threads.c", "tests/c/forks.c", "tests/c/older.c"];

/// What finds bounds overstepped, memory used after it was freed, freed twice, leaked, and what C does not define.
const SANITIZERS: [&str; 4] =
    ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g"];

#[test]
fn programs_built_by_gcc_hold() {
    for name in PROGRAMS {
        runs_well(&Program::new("gcc", name, &[]), &[]);
    }
}

#[test]
fn programs_built_by_clang_hold() {
    for name in PROGRAMS {
        runs_well(&Program::new("clang", name, &[]), &[]);
    }
}

#[test]
fn programs_hold_under_the_address_and_undefined_behaviour_sanitizers() {
    for name in PROGRAMS {
        runs_well(&Program::new("gcc", name, &SANITIZERS), &[]);
    }
}

#[test]
fn valgrind_finds_neither_errors_nor_leaks() {
    let suppressions = format!("--suppressions={}", top().join("tests/c/valgrind.supp").display());
    // What is only possibly lost is the index's, which tags its pointers, and glibc's, which keeps the stacks of
    // threads that were.
    let (kinds, shown) = ("--errors-for-leak-kinds=definite,indirect", "--show-leak-kinds=definite,indirect");
    let valgrind = ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full", kinds, shown, &suppressions];
    for name in PROGRAMS {
        runs_well(&Program::new("gcc", name, &["-g"]), &valgrind);
    }
}

/// Runs every conformance script through a runner.
fn conforms(program: Program) {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let mut runner = Runner::new(program);
    let tally = script::run_all(&mut runner, dir.path());
    runner.end();
    assert!(tally.ran > 600 && tally.skipped == 0, "{tally:?}");
}

#[test]
fn the_c_interface_conforms() {
    conforms(Program::new("gcc", "tests/c/conformance.c", &SANITIZERS));
}
