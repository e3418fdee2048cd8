//! The conformance scripts through a runner in C or C++: a process for each script, which is asked for each step on
//! its standard input. How both speak stands in `tests/c/fields.h`.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use mediacask::FACES;
use serde_json::Value;

use crate::build::Program;
use crate::script::{Answer, Face, Failure, Step, bytes_of};

/// The instant at which every script begins, in Unix milliseconds.
const BEGIN_MS: i64 = 1_700_000_000_000;

/// Fields of a step that are texts, and go as they are.
const TEXTS: [&str; 22] = [
    "to_account",
    "to_name",
    "content_type",
    "cache_control",
    "content_disposition",
    "expiry",
    "if_match",
    "expect_digest",
    "durability",
    "limit_prefix",
    "prefix",
    "delimiter",
    "create",
    "dedup",
    "verify",
    "upkeep",
    "digest",
    "resume",
    "path",
    "grant",
    "grant_suffix",
    "method",
];

/// Fields that are bytes in hex.
const BYTES: [&str; 2] = ["expect_md5", "expect_sha256"];

/// Fields that are numbers.
const NUMBERS: [&str; 24] = [
    "ttl_ms",
    "if_generation",
    "limit_count",
    "limit_bytes",
    "start",
    "end",
    "seek",
    "limit",
    "ms",
    "after",
    "file_threshold",
    "segment_len",
    "os_sync_interval_ms",
    "index_cache_bytes",
    "default_ttl_ms",
    "longest_ttl_ms",
    "largest_blob",
    "quota_bytes",
    "quota_count",
    "space_amplification",
    "erase_within_ms",
    "events_keep_ms",
    "bytes_per_sec",
    "timeout_ms",
];

/// Fields that are instants.
const INSTANTS: [&str; 3] = ["expires_at", "created_from", "created_to"];

/// Fields that are true or false.
const TRUTHS: [&str; 2] = ["if_absent", "repair"];

/// A runner, and its process while a script runs.
pub(crate) struct Runner {
    program: Program,
    running: Option<Running>,
}

struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Runner {
    pub(crate) fn new(program: Program) -> Runner {
        Runner { program, running: None }
    }
}

impl Face for Runner {
    fn lacks(&self) -> &'static [&'static str] {
        &[]
    }

    fn begin(&mut self, _: &Path) -> i64 {
        let mut command = self.program.command(&[]);
        command.arg(BEGIN_MS.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it was built");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        self.running = Some(Running { child, input, output: BufReader::new(output) });
        BEGIN_MS
    }

    /// Ends the script's process, which frees all it holds and has nothing to say.
    fn end(&mut self) {
        let Some(Running { mut child, input, output }) = self.running.take() else { return };
        drop((input, output));
        let mut said = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("UTF-8");
        let status = child.wait().expect("it ends");
        assert!(status.success() && said.is_empty(), "{}: {status}: {said}", self.program.title());
    }

    fn code(&self, kind: &mediacask::Face) -> String {
        kind.name.into()
    }

    fn step(&mut self, step: &Step) -> Result<Answer, Failure> {
        let request = request(step);
        let running = self.running.as_mut().expect("begun");
        let sent = running.input.write_all(request.as_bytes()).and_then(|()| running.input.flush());
        let mut answer = Answer::default();
        let mut line = String::new();
        while running.output.read_line(&mut line).expect("a line") > 1 {
            take(&mut answer, line.trim_end_matches('\n'));
            line.clear();
        }
        if sent.is_err() || line.is_empty() {
            self.end();
            panic!("{} ended at: {}\n{request}", self.program.title(), step.op());
        }
        match (answer.facts.remove("error"), answer.facts.remove("message")) {
            (Some(code), Some(message)) => {
                let [code, message] = [code, message].map(|text| text.as_str().expect("a text").to_owned());
                assert!(FACES.iter().any(|face| face.name == code), "{code} is no error of the store: {message}");
                Err(Failure { code, message })
            }
            _ => Ok(answer),
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

/// Bytes in hex.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A step as lines; what is told by others' lengths, and where a path leads, is resolved.
fn request(step: &Step) -> String {
    let mut lines = format!("op t {}\n", hex(step.op()));
    let mut add = |key: &str, kind: char, value: &str| lines.extend([key, " ", &kind.to_string(), " ", value, "\n"]);
    let on_store = ["open", "open_again", "reopen"].contains(&step.op());
    for field in TEXTS.into_iter().filter(|field| *field != "path" && step.has(field)) {
        match step.text(field) {
            Some(text) => add(field, 't', &hex(text)),
            None => add(field, 'z', ""),
        }
    }
    if on_store || ["checkpoint", "restore"].contains(&step.op()) {
        add("path", 't', &hex(step.path(if on_store { "store" } else { "copy" }).to_str().expect("UTF-8")));
    }
    if step.has("to_path") {
        add("to_path", 't', &hex(step.path_of(step.must("to_path")).to_str().expect("UTF-8")));
    }
    for field in BYTES.into_iter().filter(|field| step.has(field)) {
        add(field, 't', &hex(bytes_of(step.must(field))));
    }
    for field in NUMBERS.into_iter().filter(|field| step.has(field)) {
        add(field, 'n', &step.number(field).expect("a number").to_string());
    }
    for field in INSTANTS.into_iter().filter(|field| step.has(field)) {
        add(field, 'n', &step.instant_ms(field).expect("an instant").to_string());
    }
    for field in TRUTHS.into_iter().filter(|field| step.has(field)) {
        add(field, 'b', if step.is_set(field) { "1" } else { "0" });
    }
    if step.has("name") || step.has("name_len") {
        add("name", 't', &hex(step.name()));
    }
    if step.has("token") {
        add("token", 't', &hex(step.token().expect("a token")));
    }
    let content = ["text", "hex", "pattern"].map(|field| step.has(field));
    if content.contains(&true) {
        add("content", 't', &hex(step.content()));
    }
    if step.has("metadata") || step.has("metadata_len") {
        let pairs = step.metadata().into_iter().map(|(key, value)| hex(format!("{key}={value}")) + ",");
        add("metadata", 'l', &pairs.collect::<String>());
    }
    for field in ["set_metadata", "unset_metadata", "keys"].into_iter().filter(|field| step.has(field)) {
        let texts = step.list(field).into_iter().map(|text| hex(text) + ",");
        add(field, 'l', &texts.collect::<String>());
    }
    if of_an_account(step.op()) {
        add("account", 't', &hex(step.account()));
    }
    lines + "\n"
}

/// Whether an operation is one of an account's.
fn of_an_account(op: &str) -> bool {
    let others = [
        "open",
        "open_again",
        "reopen",
        "close",
        "wait_ms",
        "held",
        "accounts",
        "stats",
        "health",
        "sync",
        "sweep",
        "checkpoint_catalog",
        "rebuild_index",
        "names_of",
        "purge_digest",
        "events",
        "events_floor",
        "compact",
        "verify",
        "checkpoint",
        "restore",
        "writer_write",
        "writer_commit",
        "writer_drop",
        "batch_put",
        "batch_delete",
        "batch_commit",
        "batch_drop",
    ];
    !others.contains(&op)
}

/// Takes a line of an answer in.
fn take(answer: &mut Answer, line: &str) {
    let mut parts = line.splitn(3, ' ');
    let [key, kind, value] = [(); 3].map(|()| parts.next().unwrap_or_else(|| panic!("a line as agreed, not {line}")));
    let text = |hex: &str| String::from_utf8(bytes_of(hex)).expect("UTF-8");
    let value: Value = match kind {
        "t" if key == "content" => {
            answer.content = Some(bytes_of(value));
            return;
        }
        "t" => text(value).into(),
        "n" => value.parse::<u64>().expect("a number").into(),
        "b" => (value == "1").into(),
        "l" => value.split_terminator(',').map(text).collect(),
        _ => Value::Null,
    };
    answer.facts.insert(key.to_owned(), value);
}
