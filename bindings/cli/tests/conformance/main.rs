//! The conformance scripts of the project, run through the tool as a process: one run of it for each step, on a store
//! that no process holds in between. What stands for a kind of error is the exit code.

#[path = "../../../../tests/conformance/script.rs"]
mod script;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use mediacask::{Create, ErrorKind, Store};
use script::{Answer, Face, Failure, Step};
use serde_json::{Value, json};

/// What the tool cannot be asked for: it has no session, and few commands.
const LACKS: &[&str] = &[
    "batch",
    "checkpoint_catalog",
    "clock",
    "copy_options",
    "created",
    "durability",
    "empty_range",
    "events",
    "expected",
    "generation",
    "grants",
    "handle",
    "keep",
    "names_of",
    "nul",
    "options",
    "page_limit",
    "policy",
    "prefix_limit",
    "purge_digest",
    "reader",
    "sync",
    "untyped",
    "update",
    "writer",
];

#[test]
fn every_script_that_the_tool_can_be_asked_for_holds() {
    // In memory where there is some: hundreds of runs each open, sync and close a store.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary directory");
    let tally = script::run_all(&mut Tool::default(), dir.path());
    println!("{tally:?}");
    assert!(tally.ran > 300, "{tally:?}");
}

/// The tool, and where the script's store is.
#[derive(Default)]
struct Tool {
    dir: PathBuf,
    store: PathBuf,
}

type Done = Result<Answer, Failure>;

/// What one run of the tool that did not fail came to.
struct Run {
    /// It exited with 3.
    not_found: bool,
    stdout: Vec<u8>,
}

/// A run that failed: what it says, and what it had told before.
struct Failed {
    failure: Failure,
    stdout: Vec<u8>,
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Failure {
        failed.failure
    }
}

impl Run {
    /// Standard output as JSON, one object a line.
    fn objects(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.stdout).expect("its output is UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
    }

    /// The one object on standard output.
    fn object(&self) -> Value {
        let mut objects = self.objects();
        assert_eq!(objects.len(), 1, "{objects:?}");
        objects.remove(0)
    }

    /// The entry that was shown, unless there is none.
    fn entry(&self) -> Answer {
        if self.not_found { Answer::absent() } else { entry(&self.object()) }
    }
}

impl Face for Tool {
    fn lacks(&self) -> &'static [&'static str] {
        LACKS
    }

    fn begin(&mut self, dir: &Path) -> i64 {
        dir.clone_into(&mut self.dir);
        self.store = dir.join("store");
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        since.as_millis().try_into().expect("in this age")
    }

    /// Each run of the tool has ended.
    fn end(&mut self) {}

    fn code(&self, kind: &mediacask::Face) -> String {
        kind.exit_code.to_string()
    }

    fn step(&mut self, step: &Step) -> Done {
        match step.op() {
            "open" | "open_again" | "reopen" | "wait_ms" => self.stand(step),
            "put" | "put_reader" | "delete" | "copy" | "purge" => self.change(step),
            "get" | "get_range" | "head" | "contains" | "list" | "entries" => self.read(step),
            _ => self.ask(step),
        }
    }
}

impl Tool {
    fn run(&self, arguments: &[&str]) -> Result<Run, Failed> {
        self.run_with(&[], arguments)
    }

    /// Runs the tool on the store, with `input` on its standard input. That a name is not there is no failure.
    fn run_with(&self, input: &[u8], arguments: &[&str]) -> Result<Run, Failed> {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_mediacask"));
        tool.env_remove("MEDIACASK_STORE").arg("--store").arg(&self.store).arg("--json").args(arguments);
        tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = tool.spawn().expect("the tool runs");
        // A tool that fails before it reads closes the pipe: its exit code will tell.
        let _ = child.stdin.take().expect("a pipe").write_all(input);
        let output = child.wait_with_output().expect("the tool ends");
        let message = String::from_utf8(output.stderr).expect("messages are UTF-8");
        // Nor may what this runner gets wrong pass for what the script does.
        assert!(!message.contains("panicked") && !message.contains("unexpected argument"), "{message}");
        match output.status.code().expect("it ends by itself, not by a signal") {
            code @ (0 | 3) => Ok(Run { not_found: code == 3, stdout: output.stdout }),
            code => Err(Failed { failure: Failure { code: code.to_string(), message }, stdout: output.stdout }),
        }
    }

    /// The store itself, and time.
    fn stand(&mut self, step: &Step) -> Done {
        match step.op() {
            "open" => {
                self.store = step.path("store");
                match step.text("create") {
                    Some("never") => {}
                    // What makes a store and puts nothing into it: to take in an empty directory.
                    _ => {
                        let empty = self.dir.join("empty");
                        fs::create_dir_all(&empty).expect("a directory");
                        self.run(&["import", script::ACCOUNT, text_of(&empty)])?;
                    }
                }
                self.run(&["stat"])?;
            }
            "open_again" => {
                let held = Store::options().create(Create::Never).open(&self.store).expect("it is free");
                let refused = self.run(&["stat"]);
                held.close().expect("it closes");
                refused?;
            }
            "reopen" => drop(self.run(&["stat"])?),
            _ => sleep(Duration::from_millis(step.number("ms").expect("milliseconds"))),
        }
        Ok(Answer::default())
    }

    fn change(&self, step: &Step) -> Done {
        let account = step.account();
        match step.op() {
            "put" | "put_reader" => {
                let (flags, name, content) = (put_flags(step), step.name(), step.content());
                let mut arguments: Vec<&str> = vec!["put"];
                arguments.extend(flags.iter().map(String::as_str));
                let file = self.dir.join("content");
                let (input, source) = match step.op() {
                    "put" => {
                        fs::write(&file, content).expect("a file");
                        (Vec::new(), text_of(&file))
                    }
                    _ => (content, "-"),
                };
                arguments.extend(["--", &account, &name, source]);
                Ok(self.run_with(&input, &arguments)?.entry())
            }
            "delete" => {
                let condition = step.text("if_match").map(|digest| format!("--if-match={digest}"));
                let mut arguments = vec!["rm"];
                arguments.extend(condition.as_deref());
                let name = step.name();
                arguments.extend(["--", &account, &name]);
                let run = self.run(&arguments)?;
                let deleted = run.object()["deleted"].clone();
                assert_eq!(deleted, json!(!run.not_found), "the exit code and the object agree");
                Ok(Answer::of([("existed", deleted)]))
            }
            "copy" => {
                let other = step.text("to_account").map(|account| format!("--to-account={account}"));
                let mut arguments = vec!["cp"];
                arguments.extend(other.as_deref());
                let name = step.name();
                arguments.extend(["--", &account, &name, step.must("to_name")]);
                Ok(self.run(&arguments)?.entry())
            }
            _ => {
                let prefix = format!("--prefix={}", step.must("prefix"));
                let run = self.run(&["rm", &prefix, "--yes", "--", &account])?;
                Ok(Answer::of([("count", run.object()["deleted"].clone())]))
            }
        }
    }

    fn read(&self, step: &Step) -> Done {
        let account = step.account();
        match step.op() {
            "head" => Ok(self.run(&["head", "--", &account, &step.name()])?.entry()),
            "contains" => {
                let run = self.run(&["head", "--", &account, &step.name()])?;
                Ok(Answer::of([("exists", (!run.not_found).into())]))
            }
            "list" | "entries" => {
                let flags = list_flags(step);
                let mut arguments = vec!["ls"];
                arguments.extend(flags.iter().map(String::as_str));
                arguments.extend(["--", &account]);
                Ok(page(&self.run(&arguments)?))
            }
            _ => {
                let range = step.number("start").map(|start| match step.number("end") {
                    Some(end) => format!("--range={start}-{}", end - 1),
                    None => format!("--range={start}-"),
                });
                let file = self.dir.join("content");
                let (name, output) = (step.name(), format!("--output={}", text_of(&file)));
                let mut arguments = vec!["get", &output];
                arguments.extend(range.as_deref());
                arguments.extend(["--", &account, &name]);
                let run = self.run(&arguments)?;
                let answer = run.entry();
                Ok(if run.not_found { answer } else { answer.with_content(fs::read(file).expect("it was written")) })
            }
        }
    }

    fn ask(&self, step: &Step) -> Done {
        match step.op() {
            "accounts" => {
                let accounts = self.run(&["accounts"])?.objects();
                let accounts = accounts.iter().map(|account| account["account"].clone());
                Ok(Answer::of([("accounts", accounts.collect())]))
            }
            "account_stats" => {
                let accounts = self.run(&["accounts"])?.objects();
                let own = accounts.into_iter().find(|stats| stats["account"] == step.account().as_str());
                // One that holds nothing is not listed.
                let own = own.unwrap_or_else(|| json!({ "account": step.account(), "count": 0, "bytes": 0 }));
                let fact = |fact: &str| own[fact].clone();
                Ok(Answer::of([("account", fact("account")), ("count", fact("count")), ("bytes", fact("bytes"))]))
            }
            "stats" => {
                let stats = self.run(&["stat"])?.object()["stats"].clone();
                Ok(Answer { facts: stats.as_object().expect("an object").clone(), content: None })
            }
            "health" => {
                let health = self.run(&["stat"])?.object()["health"].clone();
                Ok(Answer::of([
                    ("poisoned", (!health["poisoned"].is_null()).into()),
                    ("index", health["index"].clone()),
                    ("damage", health["damage"].as_array().expect("an array").len().into()),
                ]))
            }
            "compact" => Ok(report(&self.run(&["compact"])?)),
            "verify" => self.verify(step),
            "sweep" => Ok(Answer::of([("expired", self.run(&["sweep"])?.object()["expired"].clone())])),
            "checkpoint" => Ok(report(&self.run(&["checkpoint", text_of(&step.path("copy"))])?)),
            "restore" => {
                let other = Tool { dir: self.dir.clone(), store: step.path_of(step.must("to_path")) };
                Ok(report(&other.run(&["restore", text_of(&step.path("copy"))])?))
            }
            "rebuild_index" => Ok(Answer::of([("rows", self.run(&["rebuild-index"])?.object()["rows"].clone())])),
            _ => step.unknown(),
        }
    }

    /// A verification that finds damage tells it, and exits as a read of it would.
    fn verify(&self, step: &Step) -> Done {
        let rate = step.number("bytes_per_sec").map(|rate| format!("--rate={rate}"));
        let resume = step.text("resume").map(|token| format!("--resume={token}"));
        let mut arguments = vec!["verify"];
        arguments.extend(step.is_set("repair").then_some("--repair"));
        arguments.extend([&rate, &resume].into_iter().filter_map(|flag| flag.as_deref()));
        let (run, code) = match self.run(&arguments) {
            Ok(run) => (run, 0),
            Err(failed) if failed.stdout.is_empty() => return Err(failed.failure),
            Err(failed) => {
                (Run { not_found: false, stdout: failed.stdout }, failed.failure.code.parse().expect("a code"))
            }
        };
        let mut objects = run.objects();
        let mut facts = objects.pop().and_then(|report| report.as_object().cloned()).expect("a report at the end");
        let stands = facts["damage_stands"].as_bool().expect("yes or no");
        assert_eq!(code, if stands { ErrorKind::Corrupt.face().exit_code } else { 0 }, "{facts:?}");
        assert_eq!(facts["damaged"], objects.len(), "{objects:?}");
        let damaged = objects.iter().flat_map(|object| object["damaged"]["names"].as_array().expect("names"));
        let text = |name: &Value, field: &str| name[field].as_str().expect("a text").to_owned();
        let names = damaged.map(|name| format!("{}/{}", text(name, "account"), text(name, "name")));
        facts.insert("damaged".into(), names.collect());
        Ok(Answer { facts, content: None })
    }
}

fn report(run: &Run) -> Answer {
    Answer { facts: run.object().as_object().expect("an object").clone(), content: None }
}

fn text_of(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn put_flags(step: &Step) -> Vec<String> {
    let texts = [
        ("content_type", "--content-type"),
        ("cache_control", "--cache-control"),
        ("content_disposition", "--disposition"),
        ("if_match", "--if-match"),
    ];
    let given = texts.into_iter().filter_map(|(field, flag)| Some(format!("{flag}={}", step.text(field)?)));
    let mut flags: Vec<String> = given.collect();
    flags.extend(step.metadata().into_iter().map(|(key, value)| format!("--meta={key}={value}")));
    flags.extend(step.number("ttl_ms").map(|ms| format!("--ttl={ms}ms")));
    flags.extend(step.instant_ms("expires_at").map(|ms| {
        let instant = Timestamp::from_millisecond(ms).expect("an instant");
        format!("--expires-at={instant}")
    }));
    flags.extend(step.is_set("if_absent").then(|| "--if-absent".into()));
    flags
}

fn list_flags(step: &Step) -> Vec<String> {
    let mut flags = Vec::new();
    flags.extend(step.text("prefix").map(|prefix| format!("--prefix={prefix}")));
    flags.extend(step.text("delimiter").map(|delimiter| format!("--delimiter={delimiter}")));
    flags.extend(step.number("limit").map(|limit| format!("--limit={limit}")));
    flags.extend(step.token().map(|token| format!("--token={token}")));
    flags.extend((step.op() == "entries").then(|| "--all".into()));
    flags
}

/// What `ls` shows: entries, common prefixes, and at the end perhaps where to go on.
fn page(run: &Run) -> Answer {
    let objects = run.objects();
    let all = |field: &str| -> Value { objects.iter().filter_map(|object| object.get(field)).cloned().collect() };
    let token = objects.last().and_then(|object| object.get("next_token")).cloned().unwrap_or_default();
    Answer::of([
        ("names", all("name")),
        ("prefixes", all("prefix")),
        ("more", (!token.is_null()).into()),
        ("token", token),
    ])
}

/// An entry as the tool shows it; its times in Unix milliseconds, its pairs as texts.
fn entry(object: &Value) -> Answer {
    let mut facts = object.as_object().expect("an object").clone();
    for time in ["created_at", "updated_at", "expires_at"] {
        let ms = facts[time].as_str().map(|text| text.parse::<Timestamp>().expect("RFC 3339").as_millisecond());
        facts.insert(time.into(), ms.into());
    }
    let pairs = facts["metadata"].as_object().expect("an object").iter();
    let pairs: Value = pairs.map(|(key, value)| format!("{key}={}", value.as_str().expect("a text"))).collect();
    facts.insert("metadata".into(), pairs);
    Answer { facts, content: None }
}
