//! What `serve` writes to its log: a line for each request, as text or JSON or not at all, and never a secret.

use std::fs;
use std::io::{Read as _, Write as _};

use crate::bench::Bench;
use crate::server::Server;
use crate::wait::wait_until;

const ACCOUNT: &str = "AC11111111111111111111111111111111";

/// `hidden-1` to `hidden-3` are secrets, and so is what can be made of them.
fn config(requests: &str) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\nlog = {{ requests = \"{requests}\" }}\n\
         [[bandwidth.users]]\nusername = \"bwuser\"\npassword = \"hidden-1\"\naccount = \"5500001\"\n\
         [[twilio.accounts]]\nsid = \"{ACCOUNT}\"\nauth_token = \"hidden-2\"\nprotect_media = true\n\
         [[messagebird.keys]]\nkey = \"hidden-3\"\naccount = \"mb1\"\n"
    )
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        let digit = |n: usize| char::from(DIGITS[(bits >> (18 - 6 * n)) as usize & 63]);
        text.extend((0..4).map(|n| if n <= three.len() { digit(n) } else { '=' }));
    }
    text
}

/// Sends one request; gives all of the answer.
fn ask(server: &Server, method: &str, path: &str, authorization: &str, body: &str) -> String {
    let mut stream = server.connect().unwrap();
    let len = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\nContent-Type: text/plain\r\n");
    let head = format!("{head}Authorization: {authorization}\r\nContent-Length: {len}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

/// Asks each API rightly and wrongly; gives what must not be told of it.
fn asked(server: &Server) -> Vec<String> {
    let mut secrets = Vec::new();
    let mut ask = |method: &str, path: &str, authorization: String, body: &str| {
        let reply = ask(server, method, path, &authorization, body);
        let (_, credential) = authorization.split_once(' ').unwrap();
        secrets.push(credential.to_owned());
        reply
    };
    let medium = "/api/v2/users/5500001/media/lake.jpg";
    assert!(ask("PUT", medium, basic("bwuser", "hidden-1"), "jpg").starts_with("HTTP/1.1 204"));
    assert!(ask("GET", medium, basic("bwuser", "hidden-wrong"), "").starts_with("HTTP/1.1 401"));
    let root = format!("/2010-04-01/Accounts/{ACCOUNT}");
    let media = format!("{root}/Messages/MMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/Media");
    let right = basic(ACCOUNT, "hidden-2");
    let stored = ask("POST", &media, right.clone(), "png");
    let (_, sid) = stored.split_once("\"sid\":\"").unwrap();
    let redirect = ask("GET", &format!("{media}/{}", &sid[..34]), right.clone(), "");
    let (_, link) = redirect.split_once("location: ").unwrap();
    let link = link.lines().next().unwrap();
    assert!(ask("GET", link, "None at-all".to_owned(), "").ends_with("png"));
    let cut = &link[..link.len() - 1];
    assert!(ask("GET", cut, "None at-all".to_owned(), "").starts_with("HTTP/1.1 403"));
    let form = "To=1&MediaUrl=http%3A%2F%2Fuser:hidden-4%40127.0.0.1%2F&Body=hidden-5";
    assert!(ask("POST", &format!("{root}/Messages.json"), right, form).starts_with("HTTP/1.1 400"));
    assert!(ask("POST", "/v1/files", "AccessKey hidden-3".to_owned(), "pdf").starts_with("HTTP/1.1 200"));
    assert!(ask("POST", "/v1/files", "AccessKey hidden-6".to_owned(), "pdf").starts_with("HTTP/1.1 401"));
    let (_, grant) = link.split_once("Grant=").unwrap();
    secrets.extend([grant[..grant.len() - 1].to_owned(), "hidden".to_owned()]);
    secrets.retain(|secret| secret != "at-all");
    secrets
}

#[test]
fn each_request_is_a_line_of_text_or_json_or_none_and_no_secret_is_told() {
    for requests in ["text", "json", "off"] {
        let bench = Bench::new();
        bench.file("gateway.toml", config(requests));
        let server = Server::start(&bench);
        let secrets = asked(&server);
        // Nor is it told in a complaint about the configuration.
        bench.file("gateway.toml", config(requests).replace("\"hidden-3\"", "hidden-3"));
        server.signal("HUP");
        wait_until("the mistake is told", || fs::read_to_string(bench.path("log")).unwrap().contains("gateway.toml:"));
        server.signal("TERM");
        assert_eq!(server.end(), Some(0));
        let log = fs::read_to_string(bench.path("log")).unwrap();
        assert!(secrets.len() > 8, "{secrets:?}");
        for secret in &secrets {
            assert!(!log.contains(secret.as_str()), "{requests}: {secret} is in the log: {log}");
        }
        let lines: Vec<_> = log.lines().filter(|line| line.contains("mediacask_http::access")).collect();
        assert_eq!(lines.len(), if requests == "off" { 0 } else { 9 }, "{log}");
        for line in lines {
            if requests == "json" {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert!(line["method"].is_string() && line["path"].is_string() && line["status"].is_u64(), "{line}");
                assert!(line["sent"].is_u64() && line["milliseconds"].is_u64(), "{line}");
            } else {
                assert!(line.contains(" INFO ") && line.contains(" method=") && line.contains(" status="), "{line}");
            }
        }
    }
}
