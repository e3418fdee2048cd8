//! The C and C++ tests: builds the programs of `tests/c` and `tests/cpp` against the library that cargo made for
//! this test, by each compiler and under each checker, and runs them.
//!
//! Each program takes the path of a store of its own, which does not exist yet, and ends with 0 and without a
//! word if all held. A tool that is missing fails the test with its name; `make test` installs them.

mod build;
mod conformance;
#[path = "../../../../tests/conformance/script.rs"]
mod script;

use std::collections::BTreeMap;

use build::{Program, runs, runs_well, top};
use conformance::Runner;
use mediacask::list::mcask_list_options;
use mediacask::options::{mcask_delete_options, mcask_put_options, mcask_update_options};
use mediacask::policy::mcask_policy;
use mediacask::signer::{mcask_grant_options, mcask_signer_options};
use mediacask::store::mcask_store_options;
use mediacask::upkeep::{mcask_checkpoint_report, mcask_compact_report, mcask_sweep_report, mcask_verify_options};

/// The programs in C.
const PROGRAMS: [&str; 6] = [
    "tests/c/basics.c",
    "tests/c/misuse.c",
    "tests/c/threads.c",
    "tests/c/forks.c",
    "tests/c/older.c",
    "tests/c/manners.c",
];

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
    runs_well(&Program::new("g++", "tests/cpp/basics.cpp", &["-std=c++17", "-g"]), &valgrind);
}

/// A struct's bytes in hex: it has no padding, so all of them are something.
fn hex<T>(value: &T) -> String {
    // SAFETY: as many bytes as it has, all of them initialized.
    let bytes = unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast::<u8>(), size_of::<T>()) };
    conformance::hex(bytes)
}

#[test]
fn the_init_macros_make_the_defaults_of_the_library() {
    let said = runs(&Program::new("gcc", "tests/c/inits.c", &[]), &[]);
    let made: BTreeMap<&str, &str> = said.lines().filter_map(|line| line.split_once(' ')).collect();
    let defaults = [
        ("mcask_store_options", hex(&mcask_store_options::default())),
        ("mcask_put_options", hex(&mcask_put_options::default())),
        ("mcask_update_options", hex(&mcask_update_options::default())),
        ("mcask_delete_options", hex(&mcask_delete_options::default())),
        ("mcask_list_options", hex(&mcask_list_options::default())),
        ("mcask_verify_options", hex(&mcask_verify_options::default())),
        ("mcask_policy", hex(&mcask_policy::default())),
        ("mcask_sweep_report", hex(&mcask_sweep_report::default())),
        ("mcask_compact_report", hex(&mcask_compact_report::default())),
        ("mcask_checkpoint_report", hex(&mcask_checkpoint_report::default())),
        ("mcask_signer_options", hex(&mcask_signer_options::default())),
        ("mcask_grant_options", hex(&mcask_grant_options::default())),
    ];
    assert_eq!(made.len(), defaults.len());
    for (name, default) in &defaults {
        assert_eq!(made.get(name), Some(&default.as_str()), "{name}");
    }
}

/// Runs every conformance script through a runner.
fn conforms(program: Program) {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let mut runner = Runner::new(program);
    let tally = script::run_all(&mut runner, dir.path());
    assert!(tally.ran > 600 && tally.skipped == 0, "{tally:?}");
}

#[test]
fn the_c_interface_conforms() {
    conforms(Program::new("gcc", "tests/c/conformance.c", &SANITIZERS));
}

#[test]
fn the_cpp_interface_conforms() {
    let flags = [&SANITIZERS[..], &["-std=c++17"]].concat();
    conforms(Program::new("g++", "tests/cpp/conformance.cpp", &flags));
}

#[test]
fn the_cpp_interface_holds_by_both_compilers_in_both_standards_and_under_the_sanitizers() {
    for compiler in ["g++", "clang++"] {
        for standard in ["-std=c++17", "-std=c++20"] {
            runs_well(&Program::new(compiler, "tests/cpp/basics.cpp", &[standard]), &[]);
        }
    }
    let flags = [&SANITIZERS[..], &["-std=c++20"]].concat();
    runs_well(&Program::new("g++", "tests/cpp/basics.cpp", &flags), &[]);
}

#[test]
fn the_header_of_c_can_be_included_from_cpp_and_alone() {
    for flags in [["-std=c++17", "-x", "c++"], ["-std=c++20", "-x", "c++"]] {
        runs_well(&Program::new("g++", "tests/c/alone.c", &flags), &[]);
        runs_well(&Program::new("clang++", "tests/c/alone.c", &flags), &[]);
    }
    runs_well(&Program::new("gcc", "tests/c/alone.c", &[]), &[]);
    runs_well(&Program::new("clang", "tests/c/alone.c", &[]), &[]);
}

#[test]
fn the_gateway_of_the_examples_keeps_lists_replaces_reads_and_expires() {
    let said = runs(&Program::new("gcc", "bindings/c/examples/gateway.c", &[]), &[]);
    for line in [
        "  MM1/part-2.gif                  9 bytes  image/gif",
        "  3 parts",
        "replaced what was seen: yes",
        "replaced it once more:  no",
        "  206 Partial Content, 8 bytes: the lake",
        "  404 Not Found",
        "  4 parts swept, 0 left",
    ] {
        assert!(said.lines().any(|told| told == line), "`{line}` is not in:\n{said}");
    }
}

#[test]
fn the_stream_of_the_examples_takes_a_large_file_in_and_out() {
    let program = Program::new("g++", "bindings/c/examples/stream.cpp", &["-std=c++17"]);
    let dir = tempfile::tempdir().unwrap();
    let (file, copy) = (dir.path().join("file"), dir.path().join("copy"));
    let content: Vec<u8> = (0..10_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(&file, &content).unwrap();
    let output = program.command(&[]).arg(program.store()).args([&file, &copy]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty(), "{said}");
    assert!(std::fs::read(&copy).unwrap() == content);
    for line in ["in: 10 %", "in: 100 %", "out: 50 %", "out: 100 %"] {
        assert!(said.lines().any(|told| told == line), "`{line}` is not in:\n{said}");
    }
}

/// The one block of code in this language in the README.
fn block(language: &str) -> &'static str {
    const README: &str = include_str!("../../../../README.md");
    let (_, after) = README.split_once(&format!("\n```{language}\n")).expect("a block of code");
    after.split_once("```").expect("its end").0
}

#[test]
fn the_quick_starts_of_the_readme_run() {
    let dir = tempfile::tempdir().unwrap();
    let (c, cpp) = (dir.path().join("quick.c"), dir.path().join("quick.cpp"));
    std::fs::write(&c, block("c")).unwrap();
    let said = runs(&Program::new("gcc", c.to_str().unwrap(), &[]), &[]);
    assert_eq!(said, "4 bytes\n");
    let body = block("cpp");
    std::fs::write(&cpp, format!("#include <iostream>\n#include <mediacask.hpp>\nint main() {{\n{body}}}\n")).unwrap();
    let said = runs(&Program::new("g++", cpp.to_str().unwrap(), &["-std=c++17"]), &[]);
    assert_eq!(said, "4 bytes\nimg/logo.png\n");
}
