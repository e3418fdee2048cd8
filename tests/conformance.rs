//! The conformance scripts of tests/conformance/, run through the Rust API, and what they must cover: every
//! operation, every kind of error that can be provoked from outside, every word that README.md documents.

#[path = "conformance/options.rs"]
mod options;
#[path = "conformance/rust.rs"]
mod rust;
#[path = "conformance/script.rs"]
mod script;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use mediacask::FACES;
use serde_json::{Map, Value};

#[test]
fn every_script_holds_in_rust() {
    let dir = support::place::temp_dir();
    let tally = script::run_all(&mut rust::Rust::new(), dir.path());
    println!("{tally:?}");
    assert!(tally.skipped == 0 && tally.ran > 600, "{tally:?}");
}

type Words = BTreeSet<String>;

/// Methods of the public API whose operation, or field of one, has another name. An empty name: there is nothing to
/// ask for.
const OTHERWISE: [(&str, &str, &str); 20] = [
    ("Store", "account", ""),
    ("Store", "options", "open"),
    ("Store", "path", ""),
    ("Store", "signer", "sign"),
    ("Account", "name", ""),
    // A hint, for threads that may not wait: any answer is right.
    ("Account", "is_at_hand", ""),
    ("Account", "writer", "writer_open"),
    ("Account", "copy_to", "copy"),
    ("Account", "batch", "batch_begin"),
    ("Account", "stats", "account_stats"),
    ("Batch", "put", "batch_put"),
    ("Batch", "delete", "batch_delete"),
    ("Batch", "durability", "batch_begin"),
    ("Batch", "commit", "batch_commit"),
    ("Writer", "len", "writer_write"),
    ("Writer", "is_empty", "writer_write"),
    ("Writer", "commit", "writer_commit"),
    // The capability of that name.
    ("StoreOptions", "clock", ""),
    ("StoreOptions", "open", ""),
    ("PutOptions", "prefix_limit", "limit_prefix"),
];

/// The rows of the table under a heading of README.md, cell by cell.
fn table(heading: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(script::folder().join("README.md")).unwrap();
    let section = text.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
    let lines = section.lines().take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with('|'));
    let rows = lines.skip(2).map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect());
    rows.collect()
}

/// The words of a cell that stand in backticks.
fn ticked(cell: &str) -> Words {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The first cell of every row, without its backticks.
fn first(rows: &[Vec<String>]) -> Words {
    rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect()
}

/// Every step, with where it stands and the needs of its script.
fn steps() -> Vec<(String, Words, Map<String, Value>)> {
    let mut all = Vec::new();
    for file in script::files() {
        for script in file.scripts {
            let place = format!("{}, {:?}", file.name, script.name);
            all.extend(script.steps.into_iter().map(|step| (place.clone(), script.needs.clone(), step)));
        }
    }
    all
}

fn op(step: &Map<String, Value>) -> String {
    step["op"].as_str().unwrap().to_owned()
}

#[test]
fn every_operation_that_is_documented_is_in_a_script_and_no_other() {
    let used: Words = steps().iter().map(|(_, _, step)| op(step)).collect();
    assert_eq!(used, first(&table("Operations")));
}

/// The public methods of a type, wherever in src/ it has some; but those that make one and those that are hidden.
fn methods(of: &str) -> Words {
    let (mut methods, mut folders) = (Words::new(), vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|found| found.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            for block in text.split(&format!("\nimpl {of} {{\n")).skip(1) {
                let block = block.split("\n}\n").next().unwrap();
                let parts: Vec<&str> = block.split("    pub fn ").collect();
                for pair in parts.windows(2) {
                    let hidden = pair[0].rsplit("\n\n").next().unwrap().contains("#[doc(hidden)]");
                    let name = pair[1].split(['(', '<']).next().unwrap();
                    methods.extend((name != "new" && !hidden).then(|| name.to_owned()));
                }
            }
        }
    }
    assert!(!methods.is_empty(), "{of} has no methods: this test reads them wrongly");
    methods
}

/// The word that stands for a method of the public API in the scripts.
fn word<'a>(of: &str, method: &'a str) -> &'a str {
    let other = OTHERWISE.iter().find(|(place, name, _)| (*place, *name) == (of, method));
    other.map_or(method, |(_, _, word)| word)
}

#[test]
fn every_method_of_the_public_api_has_an_operation() {
    let known = first(&table("Operations"));
    for of in ["Store", "Account", "Batch", "Writer"] {
        for method in methods(of) {
            let operation = word(of, &method);
            assert!(operation.is_empty() || known.contains(operation), "{of}::{method} has no operation");
        }
    }
}

#[test]
fn every_option_of_the_public_api_has_a_field() {
    let mut known = Words::from(["ttl_ms", "expires_at", "expiry"].map(String::from));
    for row in table("Operations") {
        known.extend(ticked(&row[1]));
    }
    for of in ["StoreOptions", "PutOptions", "UpdateOptions", "DeleteOptions", "ListOptions"] {
        for method in methods(of) {
            let field = word(of, &method);
            let named = field.is_empty() || known.contains(field) || known.contains(&format!("{field}_ms"));
            assert!(named, "{of}::{method} has no field");
        }
    }
}

#[test]
fn every_kind_of_error_is_provoked_or_said_to_be_out_of_reach() {
    let errors = steps().into_iter().filter_map(|(_, _, step)| Some(step.get("error")?.as_str().unwrap().to_owned()));
    let provoked: Words = errors.collect();
    let rows = table("Errors no script can provoke");
    let beyond = first(&rows);
    assert!(provoked.is_disjoint(&beyond), "{provoked:?}");
    let all: Words = FACES.iter().map(|face| face.name.to_owned()).collect();
    assert_eq!(provoked.union(&beyond).cloned().collect::<Words>(), all);
    for row in rows {
        let words: Vec<String> = row[1].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&words[0])).unwrap();
        let begin = format!("#[test]\nfn {}() {{", words[1]);
        assert!(text.contains(&begin), "{} has no test {}", words[0], words[1]);
    }
}

#[test]
fn every_capability_that_is_documented_is_needed_and_no_other() {
    let mut needed = Words::new();
    for (_, needs, step) in steps() {
        let own = step.get("needs").and_then(Value::as_array).into_iter().flatten();
        needed.extend(own.map(|need| need.as_str().unwrap().to_owned()).chain(needs));
    }
    assert_eq!(needed, first(&table("Capabilities")));
}

/// The capability that an operation stands for, if it does.
fn need_of_operation(op: &str) -> Option<&str> {
    match op {
        "close" | "hold" | "held" | "remove_store" => Some("handle"),
        "policy" | "set_policy" => Some("policy"),
        "reader" | "update" | "names_of" | "purge_digest" | "sync" | "checkpoint_catalog" | "health" | "compact"
        | "verify" => Some(op),
        "events" | "events_floor" => Some("events"),
        "checkpoint" | "restore" => Some("checkpoint"),
        "sign" | "verify_grant" => Some("grants"),
        _ => ["writer", "batch"].into_iter().find(|word| op.starts_with(&format!("{word}_"))),
    }
}

/// The capability that a field of an operation stands for, if it does.
fn need_of_field(op: &str, field: &str) -> Option<&'static str> {
    match (op, field) {
        (
            "open",
            "dedup"
            | "durability"
            | "verify"
            | "upkeep"
            | "file_threshold"
            | "segment_len"
            | "os_sync_interval_ms"
            | "index_cache_bytes"
            | "space_amplification"
            | "events_keep_ms"
            | "erase_within_ms",
        ) => Some("options"),
        ("update", "expiry") => None,
        (_, "durability") => Some("durability"),
        (_, "expiry") => Some("keep"),
        (_, "if_generation") => Some("generation"),
        (_, "expect_digest" | "expect_md5" | "expect_sha256") => Some("expected"),
        (_, "limit_prefix") => Some("prefix_limit"),
        (_, "created_from" | "created_to") => Some("created"),
        ("copy", "if_absent" | "content_type" | "metadata" | "ttl_ms") => Some("copy_options"),
        _ => None,
    }
}

#[test]
fn a_step_needs_what_its_operation_and_its_fields_stand_for() {
    for (place, mut needs, step) in steps() {
        let op = op(&step);
        let own = step.get("needs").and_then(Value::as_array).into_iter().flatten();
        needs.extend(own.map(|need| need.as_str().unwrap().to_owned()));
        let of_fields = step.keys().filter_map(|field| need_of_field(&op, field));
        for need in of_fields.chain(need_of_operation(&op)) {
            assert!(needs.contains(need), "{place}: {op} needs {need}: {step:?}");
        }
    }
}

/// What README.md lets a step of each operation have, and expect.
fn documented() -> BTreeMap<String, (Words, Words)> {
    let rows = table("Operations");
    let words = |row: &[String]| {
        let (mut fields, mut facts) = (ticked(&row[1]), ticked(&row[2]));
        let content = ["text", "hex", "pattern", "len"].map(String::from);
        if row[1].contains("content") {
            fields.extend(content.clone());
        }
        if row[2].contains("content") {
            facts.extend(content);
        }
        if row[1].contains("lifetime") {
            fields.extend(["ttl_ms", "expires_at", "expiry"].map(String::from));
        }
        (fields, facts)
    };
    let plain: BTreeMap<String, (Words, Words)> = first(&rows)
        .into_iter()
        .map(|name| {
            let row = rows.iter().find(|row| row[0] == format!("`{name}`")).unwrap();
            (name, words(row))
        })
        .collect();
    let entry = plain["put"].1.clone();
    let complete = plain.iter().map(|(name, (fields, facts))| {
        let row = rows.iter().find(|row| row[0] == format!("`{name}`")).unwrap();
        let (mut fields, mut facts) = (fields.clone(), facts.clone());
        for other in ticked(&row[1]).iter().filter_map(|word| plain.get(word)) {
            fields.extend(other.0.iter().chain(&other.1).cloned());
        }
        if row[2].contains("an entry's") {
            facts.extend(entry.iter().cloned());
        }
        (name.clone(), (fields, facts))
    });
    complete.collect()
}

#[test]
fn a_step_has_no_field_and_expects_no_fact_that_is_not_documented() {
    let documented = documented();
    let common = ["op", "needs", "expect", "error", "account", "account_len", "name_len", "metadata_len"];
    let derived = ["absent", "ttl_ms", "generation_above"];
    for (place, _, step) in steps() {
        let (fields, facts) = &documented[&op(&step)];
        for field in step.keys() {
            let kept = field.strip_prefix("save_").is_some_and(|fact| facts.contains(fact));
            let known = kept || fields.contains(field) || common.contains(&field.as_str());
            assert!(known, "{place}: {field} is not documented: {step:?}");
        }
        for fact in step.get("expect").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            let known = facts.contains(fact) || derived.contains(&fact.as_str());
            assert!(known, "{place}: the fact {fact} is not documented: {step:?}");
        }
        assert!(!(step.contains_key("error") && step.contains_key("expect")), "{place}: {step:?}");
    }
}

#[test]
fn every_field_and_fact_that_is_documented_is_in_a_script() {
    let mut used = Words::new();
    for (_, _, step) in steps() {
        let expected = step.get("expect").and_then(Value::as_object).into_iter().flatten();
        for (field, value) in step.iter().chain(expected) {
            used.insert(field.trim_start_matches("save_").to_owned());
            used.extend(value.as_str().map(str::to_owned));
            let list = value.as_array().into_iter().flatten();
            used.extend(list.filter_map(Value::as_str).map(str::to_owned));
        }
    }
    for row in table("Operations") {
        let words = ticked(&row[1]).into_iter().chain(ticked(&row[2]));
        for word in words.filter(|word| !word.contains('/')) {
            assert!(used.contains(&word), "{}: {word} is in no script", row[0]);
        }
    }
}

#[test]
fn a_step_is_flat_and_waits_long_only_by_the_clock() {
    let plain = |value: &Value| match value {
        Value::Array(list) => list.iter().all(Value::is_string),
        Value::Object(_) => false,
        Value::Number(number) => number.is_i64(),
        _ => true,
    };
    for (place, mut needs, step) in steps() {
        let own = step.get("needs").and_then(Value::as_array).into_iter().flatten();
        needs.extend(own.map(|need| need.as_str().unwrap().to_owned()));
        let expected = step.get("expect").and_then(Value::as_object).into_iter().flatten();
        for (field, value) in step.iter().filter(|(field, _)| *field != "expect").chain(expected) {
            assert!(plain(value), "{place}: {field} is {value}");
        }
        let wait_ms = step.get("ms").and_then(Value::as_u64).unwrap_or(0);
        assert!(wait_ms <= 20 || needs.contains("clock"), "{place}: {wait_ms} ms is long for a face without a clock");
    }
}

#[test]
fn the_files_hold_only_the_escapes_that_are_documented() {
    for file in script::files() {
        let text = fs::read_to_string(script::folder().join(&file.name)).unwrap();
        let mut rest = text.as_str();
        while let Some(at) = rest.find('\\') {
            let escape = ["\\\"", "\\\\", "\\n", "\\u0000"].into_iter().find(|escape| rest[at..].starts_with(escape));
            let escape = escape.unwrap_or_else(|| panic!("{}: an escape by itself", file.name));
            rest = &rest[at + escape.len()..];
        }
    }
}
