//! The rules of the house, read out of the sources: layers import downwards only, one word stands in one file,
//! files are small and say what they are for, and nothing builds that should not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The layers, the highest first, as the module doc of `src/lib.rs` has them. A module imports from its own layer
/// and those below. A folder ends with a slash; a file in it may stand elsewhere.
const LAYERS: [(&str, &[&str]); 6] = [
    (
        "facade",
        &[
            "store", "account", "batch", "upload", "buffers", "prefix", "listing", "events", "stats", "engine",
            "testing",
        ],
    ),
    ("flows", &["commit/", "recovery/", "upkeep/", "checkpoint/", "lookup", "home"]),
    ("state", &["log/", "catalog/", "index/", "blob"]),
    ("matter", &["log/record", "log/format"]),
    ("words", &["digest", "entry", "token", "signer", "options/", "clock", "limits", "error", "telemetry"]),
    // The options of a store carry the disk it is opened on, so the disk stands below the words; it imports nothing.
    ("machine", &["disk/"]),
];

/// Modules of one layer that never see each other; `blob` stands on log and catalog, and no flow is needed for it.
const STRANGERS: [&str; 3] = ["log/", "catalog/", "index/"];

/// A word, and the only files (or folders) whose code has it.
const WORDS: [(&str, &[&str]); 15] = [
    ("sled", &["index/"]),
    ("blake3", &["digest.rs", "token.rs"]),
    ("memmap2", &["disk/map.rs"]),
    ("unsafe", &["disk/map.rs", "disk/fork.rs"]),
    ("libc", &["disk/"]),
    ("std::fs", &["disk/files.rs"]),
    ("fs::read", &["disk/files.rs"]),
    ("File::open", &["disk/files.rs"]),
    ("parking_lot", &["disk/locks.rs"]),
    ("metrics", &["telemetry.rs"]),
    ("tracing", &["telemetry.rs"]),
    ("thread::spawn", &["upkeep/mod.rs"]),
    ("thread::Builder", &["upkeep/mod.rs"]),
    ("SystemTime::now", &["clock.rs"]),
    ("clock_gettime", &["clock.rs"]),
];

/// Most lines of a file, its tests aside.
const FILE_LINES_MAX: usize = 660;

/// Most lines of a function, its signature included.
const FUNCTION_LINES_MAX: usize = 80;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust sources below a folder of the project.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for found in fs::read_dir(&folder).into_iter().flatten().map(Result::unwrap) {
            let path = found.path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push(path);
            }
        }
    }
    all.sort();
    all
}

/// A source of the core: its path below src/, and its lines without those of its unit tests.
fn core() -> Vec<(String, Vec<String>)> {
    let all = sources("src").into_iter().map(|path| {
        let name = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let tests =
            text.find("#[cfg(test)]\nmod tests {").or(text.find("#[cfg(test)]\npub(in crate::disk) mod tests {"));
        let text = &text[..tests.unwrap_or(text.len())];
        (name, text.lines().map(String::from).collect())
    });
    all.filter(|(name, _)| name != "index/tests.rs").collect()
}

/// A line without its comment.
fn code(line: &str) -> &str {
    if line.trim_start().starts_with("//") { "" } else { line.split(" // ").next().unwrap_or_default() }
}

/// A module by its file: `log/record.rs` is `log/record`, `log/mod.rs` is `log/`.
fn module(file: &str) -> String {
    file.strip_suffix("mod.rs").or(file.strip_suffix(".rs")).unwrap().to_owned()
}

/// The layer of a module, 0 being the highest: that of the longest name that fits.
fn layer(module: &str) -> usize {
    let fits = |name: &str| module == name || (name.ends_with('/') && module.starts_with(name));
    let places = LAYERS.iter().enumerate().flat_map(|(place, (_, names))| names.iter().map(move |name| (place, *name)));
    let best = places.filter(|(_, name)| fits(name)).max_by_key(|(_, name)| name.len());
    best.unwrap_or_else(|| panic!("{module} is in no layer")).0
}

/// Which module gives the crate's root a name: `Error` is of `error`.
fn root_names() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mut names = BTreeMap::new();
    for item in text.split("pub use ").skip(1) {
        let item = item.split(';').next().unwrap().trim_start_matches("crate::");
        let (module, list) = item.split_once("::").unwrap();
        for name in list.trim_matches(['{', '}']).split(',').map(str::trim).filter(|name| !name.is_empty()) {
            names.insert(name.to_owned(), module.to_owned());
        }
    }
    names
}

/// The modules a line's `crate::` paths lead to.
fn imports(line: &str, root_names: &BTreeMap<String, String>, files: &BTreeSet<String>) -> Vec<String> {
    let paths = line.split("crate::").skip(1);
    let modules = paths.map(|path| {
        let mut words = path.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        let first = words.next().unwrap_or_default();
        let first = root_names.get(first).map_or(first, String::as_str);
        let below = words.next().map(|second| format!("{first}/{second}"));
        let folder = format!("{first}/");
        if let Some(below) = below.filter(|below| files.contains(below)) {
            below
        } else if files.contains(&folder) {
            folder
        } else {
            first.to_owned()
        }
    });
    modules.collect()
}

#[test]
fn every_module_imports_from_its_own_layer_and_those_below() {
    let core = core();
    let root_names = root_names();
    let files: BTreeSet<String> = core.iter().map(|(name, _)| module(name)).collect();
    let mut seen = 0;
    for (name, lines) in core.iter().filter(|(name, _)| name != "lib.rs") {
        let from = module(name);
        let home = STRANGERS.iter().find(|folder| from.starts_with(**folder));
        for (number, line) in lines.iter().enumerate() {
            for to in imports(code(line).trim_start_matches("pub(in crate::disk)"), &root_names, &files) {
                seen += 1;
                let place = format!("src/{name}:{} imports {to}", number + 1);
                assert!(layer(&to) >= layer(&from), "{place}, of a higher layer: {}", LAYERS[layer(&to)].0);
                let stranger = STRANGERS.iter().find(|folder| to.starts_with(**folder));
                assert!(home.is_none() || stranger.is_none() || home == stranger, "{place}, which it must not see");
            }
        }
    }
    assert!(seen > 100, "only {seen} imports were found: this test reads them wrongly");
}

#[test]
fn the_module_doc_tells_the_same_layers() {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let table = text.split("each importing only from below:").nth(1).unwrap();
    let lines = table.lines().map(|line| line.trim_start_matches("//!").trim());
    let told: Vec<Vec<&str>> = lines
        .skip_while(|line| *line != "```text")
        .skip(1)
        .take_while(|line| *line != "```")
        .map(|line| line.split_whitespace().collect())
        .collect();
    let here: Vec<Vec<&str>> = LAYERS
        .iter()
        .map(|(layer, modules)| std::iter::once(*layer).chain(modules.iter().copied()).collect())
        .collect();
    assert_eq!(told, here);
}

/// Whether a line has a word of its own: not a part of another.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(part) && (!line[at + word.len()..].starts_with(part) || word.contains("::"))
    })
}

#[test]
fn one_word_stands_in_one_place() {
    for (word, places) in WORDS {
        let mut found = false;
        for (name, lines) in core() {
            let allowed =
                places.iter().any(|place| name == *place || (place.ends_with('/') && name.starts_with(place)));
            for (number, line) in lines.iter().enumerate().filter(|(_, line)| has_word(code(line), word)) {
                found = true;
                assert!(allowed, "src/{name}:{}: {word:?} belongs into {places:?}: {line}", number + 1);
            }
        }
        assert!(found || word == "thread::spawn", "{word:?} is nowhere: this test reads wrongly");
    }
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    for folder in ["src", "tests", "bindings", "benches"] {
        for path in sources(folder) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("//! ") && text.lines().nth(1).is_some(), "{} has no module doc", path.display());
        }
    }
}

#[test]
fn files_and_functions_are_small_enough_to_be_read() {
    let mut lengths = Vec::new();
    for (name, lines) in core() {
        lengths.push(lines.len());
        assert!(lines.len() <= FILE_LINES_MAX, "src/{name} has {} lines", lines.len());
        let mut begun: Option<(usize, String)> = None;
        for (number, line) in lines.iter().enumerate() {
            let indent = &line[..line.len() - line.trim_start().len()];
            let is_function =
                has_word(code(line), "fn") && !line.trim_start().starts_with('}') && !line.ends_with([';', '}']);
            if is_function && begun.is_none() && !line.contains('|') {
                begun = Some((number, format!("{indent}}}")));
            } else if let Some((first, _)) = begun.take_if(|(_, end)| line == end) {
                let len = number + 1 - first;
                assert!(len <= FUNCTION_LINES_MAX, "src/{name}:{}: a function of {len} lines", first + 1);
            }
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!((100..=320).contains(&median), "the median file has {median} lines");
}

#[test]
fn nothing_is_left_half_done() {
    // Put together here, so that this file does not hold them.
    let words = [["to", "do!("], ["unimple", "mented!("], ["db", "g!("], ["#[ig", "nore"], ["TO", "DO"], ["FIX", "ME"]];
    for folder in ["src", "tests", "bindings", "benches"] {
        for path in sources(folder) {
            let text = fs::read_to_string(&path).unwrap();
            for word in words.map(|halves| halves.concat()) {
                assert!(!text.contains(&word), "{} has {word:?}", path.display());
            }
        }
    }
}

#[test]
fn no_public_signature_names_sled() {
    for (name, lines) in core() {
        for (number, line) in lines.iter().enumerate() {
            let public = line.trim_start().starts_with("pub ");
            assert!(!(public && has_word(code(line), "sled")), "src/{name}:{}: {line}", number + 1);
        }
    }
    // Nor can a public type hold one: the module that names it is private, and two names of it are public.
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    assert!(text.contains("\nmod index;"));
    let of_index = |lines: &[String]| {
        let names = lines.iter().filter(|line| line.starts_with("pub use") && line.contains("index::"));
        names.cloned().collect::<Vec<_>>()
    };
    let shown: Vec<_> = core().iter().flat_map(|(_, lines)| of_index(lines)).collect();
    assert_eq!(shown, ["pub use crate::index::{Fault, break_index};"]);
}

/// What `cargo tree` says of the core's dependencies, those of its tests aside.
fn tree(arguments: &[&str]) -> Vec<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["tree", "-p", "mediacask", "-e", "normal,build", "--locked", "--offline", "--prefix", "none"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_core_needs_a_c_compiler_for_hashing_alone_and_no_async_runtime() {
    let packages: BTreeSet<String> =
        tree(&["-f", "{p}"]).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert!(packages.contains("sled") && packages.len() > 20);
    for package in ["tokio", "async-std", "smol", "futures", "cmake", "bindgen", "pkg-config", "nasm-rs"] {
        assert!(!packages.contains(package), "{package}");
    }
    // Libraries in other languages go by `-sys`; this one is a table of the kernel's numbers, in Rust.
    let foreign: Vec<_> =
        packages.iter().filter(|package| package.ends_with("-sys") && *package != "linux-raw-sys").collect();
    assert_eq!(foreign, Vec::<&String>::new());
    // BLAKE3's assembly is all that is built by a C compiler, and with `pure` not even that.
    let mut drivers = tree(&["-i", "cc", "-f", "{p}"]);
    drivers.iter_mut().for_each(|line| line.truncate(line.find(' ').unwrap_or(line.len())));
    assert_eq!(drivers, ["cc", "blake3", "mediacask"]);
    let features = tree(&["-f", "{p} {f}", "--features", "pure"]);
    let features = features.into_iter().find(|line| line.starts_with("blake3 ")).unwrap();
    assert!(features.split([' ', ',']).any(|feature| feature == "pure"), "{features}");
}
