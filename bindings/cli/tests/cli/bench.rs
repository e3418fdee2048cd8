//! A store in a directory of its own, and the tool run on it as a process.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A directory with room for a store and for files beside it; gone when it is dropped.
pub(crate) struct Bench {
    dir: TempDir,
}

/// What a run of the tool came to.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    /// A path beside the store.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("media.cask")
    }

    /// A file beside the store, its folders made.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it has the directory above")).expect("folders");
        fs::write(&path, content).expect("a file");
        path
    }

    /// The tool, in the directory of the bench, with nothing of the caller's environment that it reads.
    pub(crate) fn tool(&self) -> Command {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_mediacask"));
        tool.current_dir(self.dir.path()).env_remove("MEDIACASK_STORE").stdin(Stdio::null());
        tool
    }

    /// Runs the tool on the store.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_on("media.cask", arguments)
    }

    /// Runs the tool on a store beside it.
    pub(crate) fn run_on(&self, store: &str, arguments: &[&str]) -> Run {
        let mut tool = self.tool();
        tool.arg("--store").arg(self.path(store)).args(arguments);
        tool.output().expect("the tool runs").into()
    }

    /// Runs it with `input` on its standard input.
    pub(crate) fn run_with(&self, input: &[u8], arguments: &[&str]) -> Run {
        let mut tool = self.tool();
        tool.arg("--store").arg(self.store()).args(arguments);
        tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = tool.spawn().expect("the tool runs");
        // A tool that fails before it reads closes the pipe: its exit code will tell.
        let _ = child.stdin.take().expect("a pipe").write_all(input);
        child.wait_with_output().expect("the tool ends").into()
    }

    /// Puts `content` under `name` in account `a`, which must work.
    pub(crate) fn put(&self, name: &str, content: &[u8]) {
        self.run_with(content, &["put", "a", "--", name, "-"]).ok();
    }

    /// The content of `name` in account `a`, which must be there.
    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        self.run(&["get", "a", "--", name]).ok().stdout
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        Run {
            code: output.status.code().expect("it ends by itself, not by a signal"),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("messages are UTF-8"),
        }
    }
}

impl Run {
    /// It worked.
    pub(crate) fn ok(self) -> Run {
        self.exits(0)
    }

    /// It ended with this exit code, and did not panic.
    pub(crate) fn exits(self, code: i32) -> Run {
        assert_eq!(self.code, code, "standard error: {}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Its standard error says this.
    pub(crate) fn says(self, text: &str) -> Run {
        assert!(self.stderr.contains(text), "`{text}` is not in: {}", self.stderr);
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("its output is UTF-8")
    }

    /// Standard output as JSON, one object a line.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str(line).expect("a JSON object"));
        lines.collect()
    }

    /// The one object on standard output.
    pub(crate) fn object(&self) -> Value {
        let mut objects = self.objects();
        assert_eq!(objects.len(), 1, "{}", self.text());
        objects.remove(0)
    }

    /// The field of every object that has it, as texts.
    pub(crate) fn texts(&self, field: &str) -> Vec<String> {
        let objects = self.objects();
        let texts = objects.iter().filter_map(|object| object[field].as_str());
        texts.map(str::to_owned).collect()
    }
}

/// The paths of all files below `dir`, with their content, in order.
pub(crate) fn files_below(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for child in fs::read_dir(folder).expect("a folder") {
            let path = child.expect("a child").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(dir).expect("below").to_str().expect("UTF-8");
                found.push((below.to_owned(), fs::read(&path).expect("a file")));
            }
        }
    }
    found.sort();
    found
}
