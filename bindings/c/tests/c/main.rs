//! The C tests: builds the programs of `tests/c` against the library that cargo made for this test, by each
//! compiler and under each checker, and runs them.
//!
//! Each program takes the path of a store of its own, which does not exist yet, and ends with 0 and without a
//! word if all held. A tool that is missing fails the test with its name; `make test` installs them.

mod build;

use build::{Program, runs_well, top};

/// Every program of `tests/c`, with what it is for.
const PROGRAMS: [&str; 1] = ["basics"];

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

/// Out of bounds, after free, freed twice, leaked, misaligned, overflown: any of it ends the program.
#[test]
fn programs_hold_under_the_address_and_undefined_behaviour_sanitizers() {
    let flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g"];
    for name in PROGRAMS {
        runs_well(&Program::new("gcc", name, &flags), &[]);
    }
}

#[test]
fn valgrind_finds_neither_errors_nor_leaks() {
    let suppressions = format!("--suppressions={}", top().join("tests/c/valgrind.supp").display());
    let leaks = "definite,indirect,possible";
    let (kinds, shown) = (format!("--errors-for-leak-kinds={leaks}"), format!("--show-leak-kinds={leaks}"));
    let valgrind = ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full", &kinds, &shown, &suppressions];
    for name in PROGRAMS {
        runs_well(&Program::new("gcc", name, &["-g"]), &valgrind);
    }
}
