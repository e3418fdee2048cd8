//! What is given for running the gateway on a machine, held against the tool: the unit of systemd and the Dockerfile.
//!
//! Neither a systemd nor a container is started here: the commands in both are run as they stand, the paths aside.
//! `make lint` has `systemd-analyze` read the unit, and `make demo` runs the build command of the Dockerfile.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bench::Bench;
use crate::server::{CONFIG, Server};
use crate::wait::wait_until;

/// Where both have the store and the configuration.
const STORE: &str = "/var/lib/mediacask";
const CONFIGURATION: &str = "/etc/mediacask";

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap()
}

/// Runs the arguments that stand behind the program's name, on the folders of a bench.
fn started(bench: &Bench, arguments: &[String]) -> Server {
    fs::create_dir(bench.path("state")).unwrap();
    bench.file("etc/gateway.toml", CONFIG);
    let here = |word: &String| {
        let word = word.replace(STORE, bench.path("state").to_str().unwrap());
        word.replace(CONFIGURATION, bench.path("etc").to_str().unwrap())
    };
    let arguments: Vec<String> = arguments.iter().map(here).collect();
    assert!(arguments.iter().all(|word| !word.starts_with("/var") && !word.starts_with("/etc")), "{arguments:?}");
    let server = Server::run(bench, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(bench.path("state/media.cask/STORE").exists(), "the store is where it was said to be");
    server
}

fn log(bench: &Bench) -> String {
    fs::read_to_string(bench.path("log")).unwrap()
}

/// The values of a directive, in the order of the unit.
fn directive(unit: &str, name: &str) -> Vec<String> {
    let lines = unit.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.filter(|(known, _)| *known == name).map(|(_, value)| value.to_owned()).collect()
}

#[test]
fn the_unit_starts_the_gateway_has_it_read_again_and_stops_it() {
    let unit = read("bindings/http/mediacask.service");
    let one = |name: &str| {
        let [value] = directive(&unit, name).try_into().unwrap_or_else(|all| panic!("{name}: {all:?}"));
        value
    };
    let start: Vec<String> = one("ExecStart").split(' ').map(str::to_owned).collect();
    assert_eq!(start[0], "/usr/local/bin/mediacask");
    assert_eq!(format!("/var/lib/{}", one("StateDirectory")), STORE);
    assert_eq!(format!("/etc/{}", one("ConfigurationDirectory")), CONFIGURATION);
    let bench = Bench::new();
    let server = started(&bench, &start[1..]);

    let reload = one("ExecReload");
    assert_eq!(server.get("a").0, 404);
    bench.file("etc/gateway.toml", CONFIG.replace("bw-hidden-pass", "another"));
    server.signal(reload.strip_prefix("/bin/kill -").and_then(|rest| rest.strip_suffix(" $MAINPID")).unwrap());
    wait_until("the other password holds", || server.get("a").0 == 401);
    // What systemd sends when nothing else is said; it waits for longer than the gateway takes.
    assert_eq!(directive(&unit, "KillSignal"), Vec::<String>::new());
    let default = mediacask_http::Config::parse("", "gateway.toml".as_ref(), &mediacask_http::Overrides::default());
    let default = default.unwrap().limits;
    assert!(one("TimeoutStopSec").parse::<u64>().unwrap() > default.shutdown_time.as_secs());
    // A descriptor for each connection, and as many again for the store's files.
    assert!(one("LimitNOFILE").parse::<usize>().unwrap() >= 2 * default.connections);
    server.signal("TERM");
    assert_eq!(server.end(), Some(0), "{}", log(&bench));
}

/// The arguments of an instruction, in the order of the file; lines that end in a backslash go on.
fn instructions(dockerfile: &str, name: &str) -> Vec<String> {
    let text = dockerfile.replace("\\\n", " ");
    let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_container_starts_the_gateway_and_stops_it() {
    let dockerfile = read("bindings/http/Dockerfile");
    let one = |name: &str| {
        let [value] = instructions(&dockerfile, name).try_into().unwrap_or_else(|all| panic!("{name}: {all:?}"));
        value
    };
    let words = |name: &str| serde_json::from_str::<Vec<String>>(&one(name)).unwrap();
    let command = [words("ENTRYPOINT"), words("CMD")].concat();
    let bench = Bench::new();
    let server = started(&bench, &command[1..]);
    assert_eq!(server.get("a").0, 404);
    server.signal(one("STOPSIGNAL").strip_prefix("SIG").unwrap());
    assert_eq!(server.end(), Some(0), "{}", log(&bench));

    // The program: built where it is copied from, copied to where it is found.
    let [whole, program] = instructions(&dockerfile, "COPY").try_into().unwrap();
    let (from, to) = program.strip_prefix("--from=build ").and_then(|paths| paths.split_once(' ')).unwrap();
    assert_eq!(from, format!("{}/target/release/{}", one("WORKDIR"), command[0]));
    assert_eq!(to, format!("/usr/local/bin/{}", command[0]));
    assert_eq!((whole.as_str(), one("VOLUME").as_str()), (". .", STORE));
    let runs = instructions(&dockerfile, "RUN");
    let owner = one("USER");
    assert!(runs.iter().any(|run| run.contains(&format!("useradd --system --no-create-home {owner}"))));
    assert!(runs.iter().any(|run| run.contains(&format!("install -d -o {owner} -m 700 {STORE}"))));
    let build = runs.iter().find(|run| run.starts_with("cargo ")).unwrap();
    let makefile = read("Makefile");
    let demo = makefile.split("\ndemo:").nth(1).unwrap().split("\n\n").next().unwrap();
    assert!(demo.lines().any(|line| line.trim() == build), "CI runs it: `{build}` is not in: {demo}");
    let rust = instructions(&dockerfile, "FROM").remove(0);
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert!(rust.starts_with(&format!("rust:{version}-")), "{rust} is not of Rust {version}");

    // Nothing that the build takes is kept from it.
    let ignored = read("bindings/http/Dockerfile.dockerignore");
    for part in ["src", "bindings", "include", "Cargo.toml", "Cargo.lock", "benches", "tests", ".cargo"] {
        assert!(ignored.lines().all(|line| line.trim_start_matches("**/") != part), "{part} is ignored");
    }
}
