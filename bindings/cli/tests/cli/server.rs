//! The tool as a server: a process of `serve`, and a client that speaks to it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::bench::Bench;
use crate::wait::wait_until;

/// With all the patience that a busy machine may need.
pub(crate) const CONFIG: &str = "\
listen = \"127.0.0.1:0\"
log = { requests = \"json\" }
[limits]
bandwidth_bytes = 104857600
stall_secs = 3600
header_secs = 3600
[[bandwidth.users]]
username = \"bwuser\"
password = \"bw-hidden-pass\"
account = \"5500001\"
";

/// `bwuser:bw-hidden-pass`
const BASIC: &str = "Basic Ynd1c2VyOmJ3LWhpZGRlbi1wYXNz";

/// A server process; killed when the test ends before it.
pub(crate) struct Server {
    pub(crate) child: Child,
    /// `http`, or `https`.
    pub(crate) scheme: String,
    address: String,
}

impl Server {
    /// Starts one on the store of the bench, with `gateway.toml` beside it; its log goes to `log`.
    pub(crate) fn start(bench: &Bench) -> Server {
        let store = bench.store();
        Server::run(bench, &["--store", store.to_str().unwrap(), "serve", "--config", "gateway.toml"])
    }

    /// Starts the tool with these arguments, which must make a server of it.
    pub(crate) fn run(bench: &Bench, arguments: &[&str]) -> Server {
        let mut tool = bench.tool();
        tool.args(arguments);
        Server::spawn(bench, tool)
    }

    /// Starts what becomes a server; its log goes to `log`.
    pub(crate) fn spawn(bench: &Bench, mut tool: Command) -> Server {
        let log = fs::OpenOptions::new().create(true).append(true).open(bench.path("log")).unwrap();
        tool.env("RUST_LOG", "trace").stdout(Stdio::piped()).stderr(log);
        let mut child = tool.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let log = || fs::read_to_string(bench.path("log")).unwrap();
        let url = line.trim().strip_prefix("listening on ").and_then(|url| url.split_once("://"));
        let (scheme, address) = url.unwrap_or_else(|| panic!("{line}{}", log()));
        Server { child, scheme: scheme.to_owned(), address: address.to_owned() }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap().success());
    }

    pub(crate) fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(std::time::Duration::from_mins(2)))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    pub(crate) fn get(&self, name: &str) -> (u16, Vec<u8>) {
        let mut stream = self.connect().unwrap();
        stream.write_all(head("GET", name, "Connection: close\r\n").as_bytes()).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        (status(&reply), reply.split_off(end))
    }

    /// Waits for its end; gives its exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        wait_until("the server ends", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The head of a request, credentials included.
pub(crate) fn head(method: &str, name: &str, more: &str) -> String {
    let path = format!("/api/v2/users/5500001/media/{name}");
    format!("{method} {path} HTTP/1.1\r\nHost: g\r\nAuthorization: {BASIC}\r\n{more}\r\n")
}

fn status(reply: &[u8]) -> u16 {
    let line = String::from_utf8_lossy(&reply[..reply.len().min(15)]).into_owned();
    line.split(' ').nth(1).and_then(|status| status.trim().parse().ok()).unwrap_or_else(|| panic!("{line:?}"))
}

/// Reads the head of an answer.
pub(crate) fn answered(stream: &mut TcpStream) -> std::io::Result<u16> {
    let (mut reply, mut byte) = (Vec::new(), [0]);
    while !reply.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        reply.push(byte[0]);
    }
    Ok(status(&reply))
}

/// Puts it on a connection that stays; gives the status.
pub(crate) fn put(stream: &mut TcpStream, name: &str, content: &[u8]) -> std::io::Result<u16> {
    let head = head("PUT", name, &format!("Content-Length: {}\r\n", content.len()));
    stream.write_all(&[head.as_bytes(), content].concat())?;
    answered(stream)
}
