//! Runs the conformance scripts beside this file through a face: every script in every face, each step either done
//! and compared, or skipped because the face lacks a capability that the step names.
//!
//! The format is told in README.md. What is unknown here fails: an operation, a field, a fact, a capability.

// Each runner takes its own part of this.
#![allow(dead_code)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use mediacask::FACES;
use serde_json::{Map, Value};

/// The account of a step that names none.
pub(crate) const ACCOUNT: &str = "5500001";

/// What a face answers: facts by name, and content where there is some.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) facts: Map<String, Value>,
    pub(crate) content: Option<Vec<u8>>,
}

impl Answer {
    /// An answer of these facts.
    pub(crate) fn of<const N: usize>(facts: [(&str, Value); N]) -> Answer {
        Answer { facts: facts.map(|(fact, value)| (fact.to_owned(), value)).into_iter().collect(), content: None }
    }

    /// There is no such name.
    pub(crate) fn absent() -> Answer {
        Answer::of([("absent", true.into())])
    }

    pub(crate) fn with_content(mut self, content: impl Into<Vec<u8>>) -> Answer {
        self.content = Some(content.into());
        self
    }
}

/// How a face failed: what stands for the kind there (its name, an exit code, a status), and its sentence.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// A way to use a store.
pub(crate) trait Face {
    /// The capabilities it lacks.
    fn lacks(&self) -> &'static [&'static str];

    /// Begins a script in an empty directory; gives the instant its times count from, in Unix milliseconds.
    fn begin(&mut self, dir: &Path) -> i64;

    /// Does a step; panics where it does not know the operation.
    fn step(&mut self, step: &Step) -> Result<Answer, Failure>;

    /// Lets go of whatever the script left open, and works on no file of it any more.
    fn end(&mut self);

    /// What stands for a kind of error in this face.
    fn code(&self, kind: &mediacask::Face) -> String;
}

/// A file of scripts, read.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) scripts: Vec<Script>,
}

/// A story in steps, on a store of its own.
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) needs: BTreeSet<String>,
    pub(crate) steps: Vec<Map<String, Value>>,
}

/// The directory of the scripts.
pub(crate) fn folder() -> PathBuf {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above.map(|root| root.join("tests/conformance")).find(|path| path.join("README.md").exists()).expect("the scripts")
}

/// Every file of scripts, in the order of their names.
pub(crate) fn files() -> Vec<File> {
    let all = fs::read_dir(folder()).expect("a folder").map(|found| found.expect("a file").path());
    let mut paths: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> File {
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name in UTF-8").to_owned();
    let text = fs::read_to_string(path).expect("UTF-8");
    let file: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let scripts = file["scripts"].as_array().expect("an array of scripts").iter().map(|script| {
        let steps = script["steps"].as_array().expect("an array of steps").iter();
        Script {
            name: script["name"].as_str().expect("a script has a name").to_owned(),
            needs: texts(script.get("needs")).into_iter().collect(),
            steps: steps.map(|step| step.as_object().expect("a step is an object").clone()).collect(),
        }
    });
    File { scripts: scripts.collect(), name }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let list = value.map(|list| list.as_array().expect("an array of texts"));
    list.into_iter().flatten().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

/// What a run of all scripts came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) scripts: usize,
    pub(crate) ran: usize,
    pub(crate) skipped: usize,
}

/// Runs every script through the face, each in a directory of its own below `dir`.
///
/// A step is skipped if, and only if, it or its script needs what the face lacks; and what the face is said to
/// lack must be needed somewhere.
pub(crate) fn run_all(face: &mut dyn Face, dir: &Path) -> Tally {
    let lacks: BTreeSet<String> = face.lacks().iter().map(|lack| (*lack).to_owned()).collect();
    let (mut tally, mut missed, mut all) = (Tally::default(), BTreeSet::new(), 0);
    for file in files() {
        for script in &file.scripts {
            all += script.steps.len();
            let dir = dir.join(tally.scripts.to_string());
            fs::create_dir(&dir).expect("a directory for the script");
            tally.scripts += 1;
            let place = format!("{}, {:?}", file.name, script.name);
            let mut run = Run { vars: BTreeMap::new(), begin_ms: face.begin(&dir), dir };
            for (number, fields) in script.steps.iter().enumerate() {
                let needs: BTreeSet<String> = texts(fields.get("needs")).into_iter().collect();
                let missing: Vec<&String> = script.needs.union(&needs).filter(|need| lacks.contains(*need)).collect();
                missed.extend(missing.iter().map(|need| (*need).clone()));
                if missing.is_empty() {
                    run.step(face, &format!("{place}, step {}", number + 1), fields);
                    tally.ran += 1;
                } else {
                    tally.skipped += 1;
                }
            }
            face.end();
            fs::remove_dir_all(&run.dir).expect("the directory goes");
        }
    }
    assert_eq!(missed, lacks, "of the capabilities the face is said to lack, these were needed");
    assert_eq!(tally.ran + tally.skipped, all);
    tally
}

/// A script under way.
struct Run {
    vars: BTreeMap<String, Value>,
    begin_ms: i64,
    dir: PathBuf,
}

impl Run {
    fn step(&mut self, face: &mut dyn Face, place: &str, fields: &Map<String, Value>) {
        let step = Step { place, fields, run: self, used: RefCell::default() };
        for field in ["op", "needs", "expect", "error"] {
            step.field(field);
        }
        let outcome = on_files(&step).map_or_else(|| face.step(&step), Ok);
        let mut kept = Vec::new();
        match (fields.get("error"), outcome) {
            (None, Ok(answer)) => {
                step.compare(&answer);
                for (field, var) in fields.iter().filter(|(field, _)| field.starts_with("save_")) {
                    let value = answer.facts.get(&field[5..]).unwrap_or_else(|| panic!("{place}: no {field}"));
                    step.field(field);
                    kept.push((var.as_str().expect("the name of a variable").to_owned(), value.clone()));
                }
                let unseen: Vec<&String> = fields.keys().filter(|field| !step.used.borrow().contains(*field)).collect();
                assert!(unseen.is_empty(), "{place}, {}: fields nobody looked at: {unseen:?}", step.op());
            }
            (Some(error), Err(failure)) => {
                let kind = FACES.iter().find(|kind| *error == kind.name);
                let kind = kind.unwrap_or_else(|| panic!("{place}: there is no error {error}"));
                assert_eq!(failure.code, face.code(kind), "{place} is to fail with {error}: {}", failure.message);
                assert!(!failure.message.is_empty(), "{place}: an error without a sentence");
            }
            (None, Err(failure)) => panic!("{place} failed, {}: {}", failure.code, failure.message),
            (Some(error), Ok(answer)) => panic!("{place} is to fail with {error}, and answered {answer:?}"),
        }
        self.vars.extend(kept);
    }
}

/// One step of a script. A field that no one has asked for fails the run.
pub(crate) struct Step<'a> {
    place: &'a str,
    fields: &'a Map<String, Value>,
    run: &'a Run,
    used: RefCell<BTreeSet<String>>,
}

impl Step<'_> {
    fn field(&self, name: &str) -> Option<&Value> {
        self.used.borrow_mut().insert(name.to_owned());
        self.fields.get(name).map(|value| self.resolved(value))
    }

    /// A value, or that of the variable it names.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.as_str().and_then(|text| text.strip_prefix('$')) {
            Some(var) => self.run.vars.get(var).unwrap_or_else(|| panic!("{}: no variable {var}", self.place)),
            None => value,
        }
    }

    pub(crate) fn op(&self) -> &str {
        self.text("op").unwrap_or_else(|| panic!("{} has no op", self.place))
    }

    pub(crate) fn unknown(&self) -> ! {
        panic!("{}: this face does not know {:?}", self.place, self.op())
    }

    /// Whether the field is there, `null` or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// A text; `None` where it is left out or `null`.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let value = self.field(name).filter(|value| !value.is_null())?;
        Some(value.as_str().unwrap_or_else(|| panic!("{}: {name} is no text", self.place)))
    }

    pub(crate) fn must(&self, name: &str) -> &str {
        self.text(name).unwrap_or_else(|| panic!("{} has no {name}", self.place))
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.field(name).map(|value| value.as_u64().unwrap_or_else(|| panic!("{}: {name} is no number", self.place)))
    }

    /// Whether the field is there and true.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.field(name).is_some_and(|value| value.as_bool().unwrap_or_else(|| panic!("{}: {name}", self.place)))
    }

    /// An instant in Unix milliseconds: a variable has it so, a number counts from the script's beginning.
    pub(crate) fn instant_ms(&self, name: &str) -> Option<i64> {
        let value = self.field(name)?.as_i64().unwrap_or_else(|| panic!("{}: {name} is no instant", self.place));
        Some(if self.fields[name].is_string() { value } else { self.run.begin_ms + value })
    }

    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        texts(self.field(name))
    }

    /// Pairs, each a text `key=value`.
    pub(crate) fn pairs(&self, name: &str) -> Vec<(String, String)> {
        let pairs = self.list(name).into_iter();
        pairs.map(|pair| pair.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).expect("k=v")).collect()
    }

    /// The pairs of a put; `metadata_len` stands for one of that many bytes.
    pub(crate) fn metadata(&self) -> Vec<(String, String)> {
        let long = self.number("metadata_len").map(|len| ("k".to_owned(), "x".repeat(len as usize)));
        self.pairs("metadata").into_iter().chain(long).collect()
    }

    /// The step's name; `name_len` stands for one of that many letters.
    pub(crate) fn name(&self) -> String {
        let long = self.number("name_len").map(|len| "x".repeat(len as usize));
        long.unwrap_or_else(|| self.must("name").to_owned())
    }

    /// The step's account; `account_len` stands for one of that many letters.
    pub(crate) fn account(&self) -> String {
        let long = self.number("account_len").map(|len| "x".repeat(len as usize));
        long.unwrap_or_else(|| self.text("account").unwrap_or(ACCOUNT).to_owned())
    }

    /// The content the step brings.
    pub(crate) fn content(&self) -> Vec<u8> {
        for field in ["text", "hex", "pattern", "len"] {
            self.field(field);
        }
        content(self.fields).unwrap_or_else(|| panic!("{} has no content", self.place))
    }

    /// The token of a listing; `token_suffix` spoils it.
    pub(crate) fn token(&self) -> Option<String> {
        let suffix = self.text("token_suffix").unwrap_or_default();
        self.text("token").map(|token| format!("{token}{suffix}"))
    }

    /// A path in the directory of the script: the field `path`, or this one.
    pub(crate) fn path(&self, otherwise: &str) -> PathBuf {
        self.path_of(self.text("path").unwrap_or(otherwise))
    }

    /// A path in the script's directory.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.run.dir.join(name)
    }

    /// Compares what was answered with what the script expects.
    fn compare(&self, answer: &Answer) {
        let nothing = Map::new();
        let expect = self.fields.get("expect").map_or(&nothing, |expect| expect.as_object().expect("an object"));
        let fact = |fact: &str| {
            let found = answer.facts.get(fact);
            found.unwrap_or_else(|| panic!("{}: the face answers no {fact}: {answer:?}", self.place))
        };
        let absent = |facts: &Map<String, Value>| facts.get("absent") == Some(&Value::Bool(true));
        assert_eq!(absent(&answer.facts), absent(expect), "{}: absent? {answer:?}", self.place);
        for (field, wanted) in expect.iter().filter(|(field, _)| *field != "absent") {
            let resolved = self.resolved(wanted);
            let number = |fact: &Value| fact.as_i64().unwrap_or_else(|| panic!("{}: {field}", self.place));
            match field.as_str() {
                "text" | "hex" | "pattern" | "len" => {}
                "ttl_ms" => {
                    let ttl_ms = number(fact("expires_at")) - number(fact("updated_at"));
                    assert_eq!(ttl_ms, number(resolved), "{}: ttl_ms", self.place);
                }
                "generation_above" => {
                    let (found, old) = (number(fact("generation")), number(resolved));
                    assert!(found > old, "{}: generation {found} after {old}", self.place);
                }
                "created_at" | "updated_at" | "expires_at" if wanted.is_number() => {
                    assert_eq!(number(fact(field)) - self.run.begin_ms, number(wanted), "{}: {field}", self.place);
                }
                _ => assert_eq!(fact(field), resolved, "{}: {field}", self.place),
            }
        }
        if let Some(wanted) = content(expect) {
            let found = answer.content.as_ref().unwrap_or_else(|| panic!("{}: no content", self.place));
            assert!(*found == wanted, "{}: other content, of {} bytes", self.place, found.len());
        } else if let Some(len) = expect.get("len") {
            let found = answer.content.as_ref().map(Vec::len);
            assert_eq!(found, len.as_u64().map(|len| len as usize), "{}: bytes of content", self.place);
        }
    }
}

/// The content that fields describe: a text, hex digits, or so many bytes of a pattern.
fn content(fields: &Map<String, Value>) -> Option<Vec<u8>> {
    let number = |field: &str| fields.get(field).and_then(Value::as_u64);
    if let Some(text) = fields.get("text") {
        Some(text.as_str().expect("a text").into())
    } else if let Some(hex) = fields.get("hex") {
        Some(bytes_of(hex.as_str().expect("hex digits")))
    } else {
        let seed = number("pattern")?;
        Some(pattern(u32::try_from(seed).expect("a seed"), number("len").expect("a pattern has a length")))
    }
}

/// The bytes that hex digits stand for.
pub(crate) fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("hex digits"));
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("hex digits")).collect()
}

/// The generator of README.md.
fn pattern(seed: u32, len: u64) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(next).collect()
}

/// Does a step that is done to files, the same in every face; `None` where it is none.
fn on_files(step: &Step) -> Option<Answer> {
    match step.op() {
        "write_file" => {
            let path = step.path("");
            fs::create_dir_all(path.parent().expect("it is below the script's directory")).expect("folders");
            fs::write(path, step.content()).expect("a file");
        }
        "remove_store" => fs::remove_dir_all(step.path("store")).expect("a store is there"),
        "damage" => damage(step),
        "find" => {
            let content = step.content();
            let holds = |path: &PathBuf| {
                let bytes = fs::read(path).expect("a file");
                bytes.windows(content.len()).any(|window| window == content)
            };
            return Some(Answer::of([("found", files_below(vec![step.path("store")]).iter().any(holds).into())]));
        }
        _ => return None,
    }
    Some(Answer::default())
}

/// Every file below folders.
fn files_below(mut folders: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).expect("a folder").map(|found| found.expect("a file").path()) {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

/// Flips the lowest bit of the first byte of a content, in the one place below the store where its first 32 stand.
fn damage(step: &Step) {
    let content = step.content();
    let mut hits = 0;
    for path in files_below(vec![step.path("store/segments"), step.path("store/files")]) {
        let bytes = fs::read(&path).expect("a file");
        for (at, _) in bytes.windows(32).enumerate().filter(|(_, window)| *window == &content[..32]) {
            let file = fs::File::options().write(true).open(&path).expect("a file to write to");
            std::os::unix::fs::FileExt::write_all_at(&file, &[bytes[at] ^ 1], at as u64).expect("written");
            hits += 1;
        }
    }
    assert_eq!(hits, 1, "{}: places where the content stands", step.place);
}
