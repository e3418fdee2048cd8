//! The header is what cbindgen makes of the sources, and is committed: whoever changes one and not the other is
//! told so here. `make header` writes it.
//!
//! Beside what cbindgen makes stand the conventions on top, a line above each group of functions, and the macros
//! that initialize structs; all of these are `header.txt`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The top of the project.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The sections of `header.txt`: what each is for, and its text.
fn sections() -> Vec<(String, String)> {
    let text = include_str!("../header.txt");
    let sections = text.split("\n%% ").skip(1).map(|section| {
        let (title, body) = section.split_once('\n').expect("a title and a text");
        (title.to_owned(), body.trim_end().to_owned())
    });
    sections.collect()
}

fn generate() -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(here.join("cbindgen.toml")).unwrap();
    let sections = sections();
    let part = |name: &str| sections.iter().find(|(title, _)| title == name).map(|(_, body)| body.clone());
    (config.header, config.after_includes) = (part("conventions"), part("includes"));
    assert!(config.header.is_some() && config.after_includes.is_some());
    let bindings = cbindgen::Builder::new().with_crate(here).with_config(config).generate().unwrap();
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    let mut header = in_parentheses(&String::from_utf8(bytes).unwrap());
    for (title, body) in sections.iter().filter(|(title, _)| title.contains(' ')) {
        header = match title.split_once(' ').unwrap() {
            // What follows a struct.
            ("after", name) => insert(&header, &format!("}} {name};\n"), &format!("\n{body}\n"), true),
            // What leads a group of functions: it stands above the comment of the first.
            ("before", name) => insert(&header, name, &format!("{body}\n\n"), false),
            _ => panic!("`{title}` is neither before nor after something"),
        };
    }
    // One line between paragraphs, also where cbindgen leaves something out.
    while header.contains("\n\n\n") {
        header = header.replace("\n\n\n", "\n\n");
    }
    header
}

/// Negative numbers, so that no operator in front of a macro takes their sign.
fn in_parentheses(header: &str) -> String {
    let lines = header.lines().map(|line| match line.rsplit_once(" -") {
        Some((define, number)) if line.starts_with("#define ") => format!("{define} (-{number})\n"),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

/// Puts `text` behind the one `place`, or in front of the comment in front of it.
fn insert(header: &str, place: &str, text: &str, behind: bool) -> String {
    assert_eq!(header.matches(place).count(), 1, "`{place}` stands once in the header");
    let found = header.find(place).unwrap();
    let at = if behind { found + place.len() } else { header[..found].rfind("\n\n").unwrap() + 2 };
    format!("{}{text}{}", &header[..at], &header[at..])
}

#[test]
fn the_header_is_what_the_sources_say() {
    let path = top().join("include/mediacask.h");
    let made = generate();
    if std::env::var_os("MEDIACASK_WRITE_HEADER").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &made).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = made.lines().zip(found.lines()).position(|(made, found)| made != found);
    assert!(
        made == found,
        "include/mediacask.h is stale, from line {} on: run `make header` and commit it",
        differs.unwrap_or(made.lines().count().min(found.lines().count())) + 1
    );
}

/// The name of a field in the core, and its name in C.
type Renamed = (&'static str, &'static str);

/// Where a struct of the core's is, what it is called there and in C, and which of its fields have another name in C:
/// times, which end with their unit, and what is told by several.
const STRUCTS: [(&str, &str, &str, &[Renamed]); 16] = [
    ("src/stats.rs", "Stats", "mcask_stats", &[]),
    (
        "src/stats.rs",
        "Health",
        "mcask_health",
        &[("index", "index_state"), ("recovery", "recovery_clean"), ("last", "last_sweep")],
    ),
    ("src/stats.rs", "AccountStats", "mcask_account_info", &[("account", "name")]),
    ("src/upkeep/activity.rs", "Activity", "mcask_activity", &[("at", "at_unix_ms"), ("duration", "duration_ms")]),
    (
        "src/upkeep/activity.rs",
        "Activities",
        "mcask_health",
        &[
            ("sweep", "last_sweep"),
            ("compaction", "last_compaction"),
            ("erasure", "last_erasure"),
            ("verify", "last_verify"),
            ("catalog_checkpoint", "last_catalog_checkpoint"),
            ("index_renewal", "last_index_renewal"),
        ],
    ),
    (
        "src/recovery/mod.rs",
        "RecoveryReport",
        "mcask_health",
        &[
            ("clean", "recovery_clean"),
            ("from_checkpoint", "recovery_from_checkpoint"),
            ("records_replayed", "recovery_records_replayed"),
            ("bytes_cut", "recovery_bytes_cut"),
            ("segments", "recovery_segments"),
            ("duration", "recovery_duration_ms"),
        ],
    ),
    (
        "src/entry.rs",
        "Entry",
        "mcask_entry",
        &[
            ("created_at", "created_at_unix_ms"),
            ("updated_at", "updated_at_unix_ms"),
            ("expires_at", "expires_at_unix_ms"),
        ],
    ),
    ("src/listing.rs", "Page", "mcask_page", &[]),
    ("src/events.rs", "Event", "mcask_event", &[("at", "at_unix_ms")]),
    (
        "src/options/policy.rs",
        "Policy",
        "mcask_policy",
        &[("default_ttl", "default_ttl_ms"), ("longest_ttl", "longest_ttl_ms")],
    ),
    ("src/upkeep/mod.rs", "SweepReport", "mcask_sweep_report", &[]),
    ("src/upkeep/compactor.rs", "CompactReport", "mcask_compact_report", &[]),
    ("src/checkpoint/mod.rs", "CheckpointReport", "mcask_checkpoint_report", &[]),
    ("src/upkeep/verifier/report.rs", "VerifyReport", "mcask_verify_report", &[]),
    ("src/upkeep/verifier/report.rs", "Damaged", "mcask_damaged", &[]),
    ("src/recovery/mod.rs", "Damage", "mcask_damage", &[]),
];

/// The fields of a struct: those of a Rust source that are public, or those of a struct of the header.
fn fields<'a>(text: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    let (_, body) = text.split_once(begin).unwrap_or_else(|| panic!("no `{begin}`"));
    let (body, _) = body.split_once(end).expect("its end");
    let lines = body.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let fields = lines.filter_map(|line| match line.strip_prefix("pub ") {
        Some(field) => field.split(':').next(),
        None => line.strip_suffix(';')?.rsplit([' ', '*']).next(),
    });
    fields.collect()
}

#[test]
fn every_fact_that_the_core_tells_has_a_field() {
    let header = fs::read_to_string(top().join("include/mediacask.h")).unwrap();
    for (source, of, name, others) in STRUCTS {
        let source = fs::read_to_string(top().join(source)).unwrap();
        let found = fields(&header, &format!("typedef struct {name} {{\n"), &format!("}} {name};"));
        let told = fields(&source, &format!("pub struct {of} {{\n"), "\n}\n");
        assert!(!told.is_empty(), "{of} has no fields: this test reads them wrongly");
        for field in told {
            let field = others.iter().find(|(known, _)| *known == field).map_or(field, |(_, other)| other);
            assert!(found.contains(&field), "{of} of the core has {field}, {name} has {found:?}");
        }
    }
}

#[test]
fn every_status_is_told_by_an_exception_of_its_own() {
    let read = |path: &str| fs::read_to_string(top().join(path)).unwrap();
    let (header, cpp) = (read("include/mediacask.h"), read("include/mediacask.hpp"));
    let codes = header.lines().filter_map(|line| line.strip_prefix("#define MCASK_E_")?.split(' ').next());
    let codes: Vec<&str> = codes.collect();
    assert!(codes.len() > 15, "{codes:?}");
    let all = cpp.split_once("using all_codes =").expect("the list").1.split_once(';').expect("its end").0;
    for code in codes {
        assert!(cpp.contains(&format!(" = error_of<MCASK_E_{code}>;\n")), "no class for MCASK_E_{code}");
        assert!(all.contains(&format!("MCASK_E_{code},")) || all.contains(&format!("MCASK_E_{code}>")), "{code}");
    }
}

/// The functions of the library that a text calls, or a header declares: their names with a parenthesis behind.
fn functions(text: &str) -> BTreeSet<&str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with(['/', '*']));
    let words = code.flat_map(|line| line.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    let called = words.filter_map(|word| word.strip_suffix('('));
    called.filter(|word| word.starts_with("mcask_")).collect()
}

#[test]
fn every_function_is_called_by_a_test_in_c_and_used_by_the_header_of_cpp() {
    let read = |path: PathBuf| fs::read_to_string(path).unwrap();
    let header = read(top().join("include/mediacask.h"));
    let declared = functions(&header);
    assert!(declared.len() > 60 && declared.contains("mcask_account_put"), "{declared:?}");

    let programs = fs::read_dir(top().join("tests/c")).unwrap().map(|found| found.unwrap().path());
    let programs: Vec<String> =
        programs.filter(|path| path.extension().is_some_and(|ext| ext == "c")).map(read).collect();
    let called: BTreeSet<&str> = programs.iter().flat_map(|program| functions(program)).collect();
    let uncalled: Vec<_> = declared.difference(&called).collect();
    assert!(uncalled.is_empty(), "no program of tests/c calls {uncalled:?}");

    let cpp = read(top().join("include/mediacask.hpp"));
    let words: BTreeSet<&str> = cpp.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let unused: Vec<_> = declared.difference(&words).collect();
    assert!(unused.is_empty(), "include/mediacask.hpp does without {unused:?}");
}
