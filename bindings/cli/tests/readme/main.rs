//! The README says what is so: its quick starts run, its limits are those of the code, and what it names is there.

mod quick_start;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use mediacask::limits;

const README: &str = include_str!("../../../../README.md");

/// The top of the project.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The one block of code in this language.
fn block(language: &str) -> &'static str {
    let (_, after) = README.split_once(&format!("\n```{language}\n")).expect("a block of code");
    let (block, after) = after.split_once("```").expect("its end");
    assert!(!after.contains(&format!("\n```{language}\n")), "a second block of {language}");
    block
}

/// The rows of the table below a heading, cell by cell.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = README.split_once(&format!("\n## {heading}\n")).expect("the heading");
    let lines = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    lines.skip(2).map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

#[test]
fn the_quick_start_of_the_command_line_runs() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("tests")).unwrap();
    symlink(top().join("tests/media").canonicalize().unwrap(), temp.path().join("tests/media")).unwrap();
    let folder = Path::new(env!("CARGO_BIN_EXE_mediacask")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.current_dir(temp.path()).env("PATH", path).env_remove("MEDIACASK_STORE");
    let ran = shell.args(["-euc", block("sh")]).output().unwrap();
    let (shown, told) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
    assert!(ran.status.success() && told.is_empty(), "{}\n{shown}\n{told}", ran.status);
    for wanted in ["stored img/lake.jpg", "4471", "\"metadata\":{\"campaign\":\"spring\"}", "none known"] {
        assert!(shown.contains(wanted), "`{wanted}` is not in: {shown}");
    }
}

#[test]
fn the_quick_start_of_the_library_is_the_program_that_runs_here() {
    assert!(include_str!("quick_start.rs").contains(block("rust")), "one of the two was changed without the other");
    let temp = tempfile::tempdir().unwrap();
    // The other tests of this file know no relative paths.
    std::env::set_current_dir(temp.path()).unwrap();
    quick_start::run().unwrap();
    assert!(temp.path().join("media.cask/STORE").is_file());
}

/// A limit as the README writes it, as a number: `8 KiB`, `1,000`, `100 years of 366 days` (in milliseconds).
fn number(text: &str) -> u64 {
    let mut words = text.split(' ');
    let number: u64 = words.next().unwrap().replace(',', "").parse().expect("a number comes first");
    number
        * match words.next() {
            None | Some("bytes") => 1,
            Some("KiB") => 1 << 10,
            Some("MiB") => 1 << 20,
            Some("GiB") => 1 << 30,
            Some("hours") => 3_600_000,
            Some("minute") => 60_000,
            Some("years") => 366 * 24 * 3_600_000,
            Some(unit) => panic!("`{unit}` is no unit that the table of limits has"),
        }
}

#[test]
fn the_limits_are_those_of_the_code_and_none_is_left_out() {
    let code = [
        ("ACCOUNT_LEN_MAX", limits::ACCOUNT_LEN_MAX as u64),
        ("NAME_LEN_MAX", limits::NAME_LEN_MAX as u64),
        ("BLOB_LEN_MAX", limits::BLOB_LEN_MAX),
        ("METADATA_LEN_MAX", limits::METADATA_LEN_MAX as u64),
        ("BATCH_OPERATIONS_MAX", limits::BATCH_OPERATIONS_MAX as u64),
        ("BATCH_RECORD_LEN_MAX", limits::BATCH_RECORD_LEN_MAX as u64),
        ("PAGE_ENTRIES_MAX", limits::PAGE_ENTRIES_MAX as u64),
        ("PREFIX_LIMIT_COUNT_MAX", limits::PREFIX_LIMIT_COUNT_MAX),
        ("TTL_MS_MAX", limits::TTL_MS_MAX),
        ("GRANT_TTL_MS_MAX", limits::GRANT_TTL_MS_MAX),
        ("SIGNING_KEY_ID_LEN_MAX", limits::SIGNING_KEY_ID_LEN_MAX as u64),
        ("SIGNING_KEYS_MAX", limits::SIGNING_KEYS_MAX as u64),
        ("ERASE_WITHIN_MS_MIN", limits::ERASE_WITHIN_MS_MIN),
        ("SEGMENT_LEN_MIN", limits::SEGMENT_LEN_MIN),
        ("SEGMENT_LEN_MAX", limits::SEGMENT_LEN_MAX),
    ];
    let rows = table("Limits");
    let written: Vec<_> = rows.iter().map(|row| (row[2].trim_matches('`'), number(row[1]))).collect();
    assert_eq!(written, code);
    let source = fs::read_to_string(top().join("src/limits.rs")).unwrap();
    let constants = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    assert_eq!(constants.collect::<Vec<_>>(), code.map(|(name, _)| name));
}

#[test]
fn every_command_and_every_exit_code_is_told() {
    let help = Command::new(env!("CARGO_BIN_EXE_mediacask")).arg("--help").output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let (_, commands) = help.split_once("\nCommands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    let commands = commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let commands: Vec<_> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    let told: Vec<_> = table("The command line").into_iter().map(|row| row[0]).collect();
    let told: Vec<_> = told.iter().flat_map(|cell| cell.split(", ")).map(|cell| cell.trim_matches('`')).collect();
    let told: Vec<_> = told.iter().filter_map(|command| command.split(' ').next()).collect();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands.iter().filter(|command| **command != "help") {
        assert!(told.contains(command), "the README does not tell of `{command}`");
    }
    for command in &told {
        assert!(commands.contains(command), "the README tells of `{command}`, and there is no such command");
    }
    let codes = help.split("Exit codes:").nth(1).unwrap().split("\n\n").next().unwrap();
    for face in mediacask::FACES {
        assert!(codes.contains(&format!("{} ", face.exit_code)), "{face:?}");
    }
    for code in ["0 ok", "1 error", "2 usage", "3 not found", "4 corrupt", "6 precondition failed"] {
        assert!(codes.replace('\n', " ").contains(code) && README.replace('\n', " ").contains(code), "{code}");
    }
}

#[test]
fn what_it_refers_to_is_there() {
    let paths = README
        .split(['`', '(', ')'])
        .filter(|text| ["src/", "tests/", "bindings/", ".ci/", "LICENSE"].iter().any(|begin| text.starts_with(begin)));
    let paths: Vec<_> = paths.filter(|text| !text.contains(char::is_whitespace)).collect();
    assert!(paths.len() > 8, "{paths:?}");
    for path in paths {
        assert!(top().join(path).exists(), "the README names {path}");
    }
    let makefile = fs::read_to_string(top().join("Makefile")).unwrap();
    for line in README.lines().filter_map(|line| line.strip_prefix("    make ")) {
        let target = line.split(' ').next().unwrap();
        assert!(makefile.contains(&format!("\n{target}:")), "the README names make {target}");
    }
}
