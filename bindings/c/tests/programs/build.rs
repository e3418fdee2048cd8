//! Builds a C or C++ program against this library, and runs it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What the compilers are to find fault with.
const WARNINGS: [&str; 6] = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"];

/// The top of the project.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Where cargo has put the library that this test was built with.
fn built() -> PathBuf {
    let place = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    assert!(place.join("libmediacask.so").is_file(), "no libmediacask.so in {}", place.display());
    place
}

/// A program, built, in a directory that also has the library under its SONAME.
pub(crate) struct Program {
    dir: TempDir,
    title: String,
}

impl Program {
    /// Builds a source below the top of the project. What it is written in, its name says: `.c` or `.cpp`.
    pub(crate) fn new(compiler: &str, source: &str, flags: &[&str]) -> Program {
        let dir = TempDir::new().unwrap();
        symlink(built().join("libmediacask.so"), dir.path().join("libmediacask.so.0")).unwrap();
        symlink("libmediacask.so.0", dir.path().join("libmediacask.so")).unwrap();
        let mut command = Command::new(compiler);
        command.args(WARNINGS).args(["-O1", "-pthread"]);
        if !compiler.ends_with("++") {
            command.args(["-std=c11", "-D_GNU_SOURCE", "-Wstrict-prototypes"]);
        }
        command.args(flags);
        command.arg(format!("-DMEDIACASK_VERSION=\"{}\"", env!("CARGO_PKG_VERSION")));
        command.arg("-I").arg(top().join("include")).arg("-I").arg(top().join("tests/c"));
        command.arg(top().join(source)).arg("-o").arg(dir.path().join("program"));
        command.arg("-L").arg(dir.path()).args(["-lmediacask", "-Wl,-rpath,$ORIGIN"]);
        let title = format!("{source}, built by {compiler} {}", flags.join(" "));
        let output = command.output().unwrap_or_else(|error| missing(compiler, &error));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{title}:\n{said}");
        Program { dir, title }
    }

    /// The program as a command, `wrapper` around it.
    pub(crate) fn command(&self, wrapper: &[&str]) -> Command {
        let program = self.dir.path().join("program");
        let mut command = match wrapper.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir(self.dir.path());
        command
    }

    /// A path for a store, where nothing is yet.
    pub(crate) fn store(&self) -> PathBuf {
        let path = self.dir.path().join("store");
        if path.exists() {
            fs::remove_dir_all(&path).unwrap();
        }
        path
    }

    pub(crate) fn title(&self) -> &str {
        &self.title
    }
}

fn missing(tool: &str, error: &std::io::Error) -> ! {
    panic!("{tool} is needed and does not start ({error}); on Debian: scripts/system-packages.sh {tool}")
}

/// Runs a program on a new store; it is to end well and say nothing.
pub(crate) fn runs_well(program: &Program, wrapper: &[&str]) {
    let said = runs(program, wrapper);
    assert!(said.is_empty(), "{}: {said}", program.title());
}

/// Runs a program on a new store; it is to end well. Gives all it said.
pub(crate) fn runs(program: &Program, wrapper: &[&str]) -> String {
    let store = program.store();
    let mut command = program.command(wrapper);
    let output = command.arg(store).output().unwrap_or_else(|error| missing(wrapper.first().unwrap_or(&"it"), &error));
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{} {}: {}\n{said}", program.title(), wrapper.join(" "), output.status);
    said
}
