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
