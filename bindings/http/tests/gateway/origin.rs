//! A server on this machine that a gateway is told to fetch from: answers what a test says, and keeps what it was asked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// It answers each connection with what the test makes of the head of the request, until the process ends.
pub(crate) struct Origin {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    pub(crate) fn start(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let head = head(&stream);
                notes.lock().unwrap().push(head.clone());
                let _ = (&stream).write_all(&answer(&head));
            }
        });
        Origin { address, asked }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The heads of the requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn head(stream: &TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let lines: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// An answer with these headers and this body.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}
