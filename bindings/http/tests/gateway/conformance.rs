//! The conformance scripts of the project, over HTTP: each step is a request of the native API. What stands for a kind
//! of error is the word in the JSON. Opening and closing the store and setting its clock are done in this process: they
//! are the server's, and no client's.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use data_encoding::BASE64;
use jiff::Timestamp;
use mediacask::{Clock, Store, StoreOptions};
use mediacask_http::{Config, Gateway, Listen, Overrides};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::options::store_options;
use crate::script::{self, Answer, Face, Failure, Step};
use crate::support::{Reply, Wire};

type Done = Result<Answer, Failure>;

const CONFIG: &str = "
log = { requests = \"off\" }
[[native.tokens]]
token = \"t\"
access = \"admin\"
";

/// What HTTP cannot express: a range without bytes, a check before the end of a body. Paths of the server's disk are
/// not for clients, and who has its keys signs grants where they are.
const LACKS: &[&str] = &["checkpoint", "early", "empty_range", "grants", "reader"];

#[test]
fn every_script_that_http_can_express_holds() {
    // In memory where there is some: every script has a store of its own.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary directory");
    let tally = script::run_all(&mut Http::new(), dir.path());
    println!("{tally:?}");
    assert!(tally.ran > 400, "{tally:?}");
}

/// An upload whose body is sent in pieces.
struct Writing {
    wire: Wire,
    written: usize,
}

/// A gateway over the script's store, and what is open.
pub(crate) struct Http {
    clock_ms: Arc<AtomicU64>,
    store: Option<Store>,
    options: StoreOptions,
    gateway: Option<Gateway>,
    writing: Option<Writing>,
    batch: Option<(String, Map<String, Value>)>,
    held: Option<(Answer, Vec<u8>)>,
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A store's own error, of an operation that is the server's.
impl From<mediacask::Error> for Failure {
    fn from(error: mediacask::Error) -> Failure {
        Failure { code: error.kind().face().name.into(), message: error.to_string() }
    }
}

/// The JSON of an answer, or the error that it tells; `None` where there is no such name.
fn read(reply: &Reply) -> Result<Option<Value>, Failure> {
    match reply.status {
        200..=299 if reply.body.is_empty() => Ok(Some(json!({}))),
        200..=299 => Ok(Some(reply.json())),
        404 if reply.json()["error"] == "not_found" => Ok(None),
        status => {
            let error = reply.json();
            let text = |field: &str| error[field].as_str().expect("a text").to_owned();
            let known = mediacask::FACES.iter().find(|face| face.name == text("error"));
            // A range that begins behind the content has a status of its own in HTTP.
            let code = if status == 416 { "invalid_option".to_owned() } else { text("error") };
            assert!(status == 416 || known.is_some_and(|face| face.http_status == status), "{status} {error}");
            Err(Failure { code, message: text("message") })
        }
    }
}

/// An entry as the scripts have it: times in Unix milliseconds, pairs as texts.
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

fn entry_or_absent(object: Option<Value>) -> Answer {
    object.map_or_else(Answer::absent, |object| entry(&object))
}

/// The fields that every write may have.
fn write_fields(step: &Step) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    for name in ["if_match", "durability", "expiry"] {
        set(name, step.text(name).map(Value::from));
    }
    for name in ["ttl_ms", "if_generation"] {
        set(name, step.number(name).map(Value::from));
    }
    set("expires_at", step.instant_ms("expires_at").map(instant).map(Value::from));
    fields
}

fn instant(ms: i64) -> String {
    Timestamp::from_millisecond(ms).expect("an instant").to_string()
}

fn put_fields(step: &Step) -> Map<String, Value> {
    let mut fields = write_fields(step);
    for name in [
        "content_type",
        "cache_control",
        "content_disposition",
        "expect_digest",
        "expect_md5",
        "expect_sha256",
        "limit_prefix",
    ] {
        fields.extend(step.text(name).map(|text| (name.to_owned(), text.into())));
    }
    for name in ["limit_count", "limit_bytes"] {
        fields.extend(step.number(name).map(|number| (name.to_owned(), number.into())));
    }
    let metadata: Map<String, Value> = step.metadata().into_iter().map(|(key, value)| (key, value.into())).collect();
    if !metadata.is_empty() {
        fields.insert("metadata".into(), metadata.into());
    }
    if step.is_set("if_absent") {
        fields.insert("if_absent".into(), true.into());
    }
    fields
}

/// The same fields as headers.
fn headers_of(fields: Map<String, Value>) -> Vec<(String, String)> {
    let header = |(field, value): (String, Value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match field.as_str() {
            "content_type" | "cache_control" | "content_disposition" => (field.replace('_', "-"), text),
            "if_absent" => ("If-None-Match".into(), "*".into()),
            "limit_prefix" => ("Mediacask-Limit-Prefix".into(), encoded(&text)),
            "metadata" => {
                let pairs = value.as_object().expect("pairs").iter();
                let pair =
                    |(key, value): (&String, &Value)| format!("{}={}", encoded(key), encoded(value.as_str().unwrap()));
                ("Mediacask-Metadata".into(), pairs.map(pair).collect::<Vec<_>>().join(","))
            }
            _ => (format!("Mediacask-{}", field.replace('_', "-")), text),
        }
    };
    fields.into_iter().map(header).collect()
}

impl Http {
    pub(crate) fn new() -> Http {
        let clock_ms = Arc::new(AtomicU64::new(1_700_000_000_000));
        let (options, held) = (Store::options(), None);
        Http { clock_ms, store: None, options, gateway: None, writing: None, batch: None, held }
    }

    fn clock(&self) -> Clock {
        let ms = self.clock_ms.clone();
        Clock::from_fn(move || UNIX_EPOCH + Duration::from_millis(ms.load(Ordering::SeqCst)))
    }

    fn serve(&mut self, path: &Path) -> Result<(), Failure> {
        // Its threads hold the store that was served before.
        self.gateway = None;
        let store = self.options.clone().open(path)?;
        let overrides = Overrides { listen: Some("127.0.0.1:0".into()), ..Overrides::default() };
        let config = Config::parse(CONFIG, Path::new("gateway.toml"), &overrides).expect("a configuration");
        self.gateway = Some(Gateway::start(store.clone(), self.clock(), config).expect("it listens"));
        self.store = Some(store);
        Ok(())
    }

    fn address(&self) -> SocketAddr {
        let Listen::Tcp(address) = *self.gateway.as_ref().expect("the script has opened a store").address() else {
            unreachable!("it was told so")
        };
        address
    }

    fn send(&self, method: &str, path: &str, headers: &[(String, String)], body: Option<&[u8]>) -> Reply {
        let mut all = vec![("Authorization", "Bearer t")];
        all.extend(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let mut wire = Wire::to(self.address());
        wire.request(method, &format!("/mediacask/v1{path}"), &all, body);
        wire.reply(method)
    }

    fn ask(&self, method: &str, path: &str) -> Result<Option<Value>, Failure> {
        read(&self.send(method, path, &[], None))
    }

    /// Asks for what is always there.
    fn must(&self, method: &str, path: &str) -> Result<Value, Failure> {
        Ok(self.ask(method, path)?.expect("it is no name"))
    }

    fn tell(&self, method: &str, path: &str, body: &Value) -> Result<Option<Value>, Failure> {
        read(&self.send(method, path, &[], Some(body.to_string().as_bytes())))
    }
}

impl Face for Http {
    fn lacks(&self) -> &'static [&'static str] {
        LACKS
    }

    fn begin(&mut self, _: &Path) -> i64 {
        *self = Http::new();
        self.clock_ms.load(Ordering::SeqCst).try_into().expect("in this age")
    }

    fn end(&mut self) {
        *self = Http::new();
    }

    fn code(&self, kind: &mediacask::Face) -> String {
        kind.name.into()
    }

    fn step(&mut self, step: &Step) -> Done {
        let account = format!("/accounts/{}", encoded(&step.account()));
        match step.op() {
            "open" | "open_again" | "reopen" | "close" | "wait_ms" => self.stand(step),
            "writer_open" | "writer_write" | "writer_commit" | "writer_drop" => self.write(step, &account),
            "batch_begin" | "batch_put" | "batch_delete" | "batch_commit" | "batch_drop" => self.gather(step, &account),
            "put" | "put_reader" | "delete" | "update" | "copy" | "purge" => self.change(step, &account),
            "get" | "get_range" | "hold" | "held" | "head" | "contains" => self.read(step, &account),
            _ => self.look(step, &account),
        }
    }
}

impl Http {
    /// The store itself, and time.
    fn stand(&mut self, step: &Step) -> Done {
        match step.op() {
            "open" => {
                self.options = store_options(step).clock(self.clock());
                self.serve(&step.path("store"))?;
            }
            "open_again" => drop(Store::open(step.path("store"))?),
            "reopen" => {
                self.store.as_ref().expect("open").close()?;
                self.serve(&step.path("store"))?;
            }
            "close" => self.store.as_ref().expect("open").close()?,
            _ => {
                self.clock_ms.fetch_add(step.number("ms").expect("milliseconds"), Ordering::SeqCst);
            }
        }
        Ok(Answer::default())
    }

    fn change(&self, step: &Step, account: &str) -> Done {
        let at = |kind: &str| format!("{account}/{kind}/{}", encoded(&step.name()));
        match step.op() {
            "put" | "put_reader" => {
                let content = step.content();
                let reply = self.send("PUT", &at("blobs"), &headers_of(put_fields(step)), Some(&content));
                Ok(entry_or_absent(read(&reply)?))
            }
            "delete" => {
                let reply = self.send("DELETE", &at("blobs"), &headers_of(write_fields(step)), None);
                Ok(Answer::of([("existed", read(&reply)?.is_some().into())]))
            }
            "update" => {
                let mut fields = write_fields(step);
                for name in ["content_type", "cache_control", "content_disposition"] {
                    if step.has(name) {
                        fields.insert(name.into(), step.text(name).into());
                    }
                }
                let pairs = step.pairs("set_metadata").into_iter().map(|(key, value)| (key, value.into()));
                fields.insert("set_metadata".into(), pairs.collect::<Map<_, _>>().into());
                fields.insert("unset_metadata".into(), step.list("unset_metadata").into());
                Ok(entry_or_absent(self.tell("PATCH", &at("blobs"), &fields.into())?))
            }
            "copy" => {
                let mut fields =
                    json!({ "from": step.name(), "to": step.must("to_name"), "options": put_fields(step) });
                if let Some(other) = step.text("to_account") {
                    fields["to_account"] = other.into();
                }
                Ok(entry_or_absent(self.tell("POST", &format!("{account}/copy"), &fields)?))
            }
            _ => {
                let path = format!("{account}/blobs?prefix={}", encoded(step.must("prefix")));
                Ok(Answer::of([("count", self.must("DELETE", &path)?["count"].clone())]))
            }
        }
    }

    /// An upload in chunks: what is wrong with it, its end tells.
    fn write(&mut self, step: &Step, account: &str) -> Done {
        match step.op() {
            "writer_open" => {
                let mut headers = headers_of(put_fields(step));
                headers.push(("Authorization".into(), "Bearer t".into()));
                headers.push(("Transfer-Encoding".into(), "chunked".into()));
                let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let mut wire = Wire::to(self.address());
                wire.request("PUT", &format!("/mediacask/v1{account}/blobs/{}", encoded(&step.name())), &headers, None);
                self.writing = Some(Writing { wire, written: 0 });
                Ok(Answer::default())
            }
            "writer_write" => {
                let (content, writing) = (step.content(), self.writing.as_mut().expect("an open writer"));
                writing.wire.raw(format!("{:x}\r\n", content.len()).as_bytes());
                writing.wire.raw(&content);
                writing.wire.raw(b"\r\n");
                writing.written += content.len();
                Ok(Answer::of([("written", writing.written.into())]))
            }
            "writer_commit" => {
                let mut writing = self.writing.take().expect("an open writer");
                writing.wire.raw(b"0\r\n\r\n");
                Ok(entry_or_absent(read(&writing.wire.reply("PUT"))?))
            }
            _ => {
                drop(self.writing.take().expect("an open writer"));
                Ok(Answer::default())
            }
        }
    }

    /// A batch is gathered here and sent when it is committed.
    fn gather(&mut self, step: &Step, account: &str) -> Done {
        let mut add = |operation: Value| {
            let (_, batch) = self.batch.as_mut().expect("a batch");
            batch["operations"].as_array_mut().expect("operations").push(operation);
        };
        match step.op() {
            "batch_begin" => {
                let mut batch = Map::new();
                batch.insert("operations".into(), json!([]));
                batch.extend(step.text("durability").map(|word| ("durability".to_owned(), word.into())));
                self.batch = Some((account.to_owned(), batch));
            }
            "batch_put" => {
                let base64 = BASE64.encode(&step.content());
                add(json!({ "put": { "name": step.name(), "base64": base64, "options": put_fields(step) } }));
            }
            "batch_delete" => add(json!({ "delete": { "name": step.name(), "options": write_fields(step) } })),
            "batch_drop" => drop(self.batch.take().expect("a batch")),
            _ => {
                let (account, batch) = self.batch.take().expect("a batch");
                let done = self.tell("POST", &format!("{account}/batch"), &batch.into())?.expect("it is no name");
                let word = |outcome: &Value| match outcome.get("deleted") {
                    None => "put",
                    Some(Value::Bool(true)) => "deleted",
                    Some(_) => "absent",
                };
                let outcomes = done["outcomes"].as_array().expect("outcomes").iter().map(word);
                return Ok(Answer::of([("outcomes", outcomes.collect())]));
            }
        }
        Ok(Answer::default())
    }

    fn read(&mut self, step: &Step, account: &str) -> Done {
        if step.op() == "held" {
            let (facts, content) = self.held.as_ref().expect("a blob");
            return Ok(Answer { facts: facts.facts.clone(), content: Some(content.clone()) });
        }
        let name = encoded(&step.name());
        let facts = format!("{account}/entries/{name}");
        match step.op() {
            "head" => return Ok(entry_or_absent(self.ask("GET", &facts)?)),
            "contains" => return Ok(Answer::of([("exists", self.ask("GET", &facts)?.is_some().into())])),
            _ => {}
        }
        let range = step.number("start").map(|start| match step.number("end") {
            Some(end) => ("Range".to_owned(), format!("bytes={start}-{}", end - 1)),
            None => ("Range".to_owned(), format!("bytes={start}-")),
        });
        let headers: Vec<_> = range.into_iter().collect();
        let reply = self.send("GET", &format!("{account}/blobs/{name}"), &headers, None);
        if reply.status >= 300 {
            return Ok(entry_or_absent(read(&reply)?));
        }
        let answer = entry_or_absent(self.ask("GET", &facts)?);
        assert_eq!(answer.facts["digest"].as_str(), reply.header("mediacask-digest"), "of one version");
        if step.op() == "hold" {
            self.held = Some((Answer { facts: answer.facts.clone(), content: None }, reply.body.clone()));
        }
        Ok(answer.with_content(reply.body))
    }

    /// A listing's page, or all of them.
    fn list(&self, step: &Step, account: &str) -> Done {
        let mut query: Vec<String> = ["prefix", "delimiter"]
            .into_iter()
            .filter_map(|field| Some(format!("{field}={}", encoded(step.text(field)?))))
            .collect();
        for field in ["created_from", "created_to"] {
            query.extend(step.instant_ms(field).map(|ms| format!("{field}={}", encoded(&instant(ms)))));
        }
        query.extend(step.number("limit").map(|limit| format!("limit={limit}")));
        let (mut token, mut names) = (step.token(), Vec::new());
        loop {
            let mut query = query.clone();
            query.extend(token.map(|token| format!("token={}", encoded(&token))));
            let page = self.must("GET", &format!("{account}/blobs?{}", query.join("&")))?;
            names.extend(page["entries"].as_array().expect("entries").iter().map(|entry| entry["name"].clone()));
            let next = page["next_token"].clone();
            if step.op() == "list" {
                let (more, prefixes) = ((!next.is_null()).into(), page["prefixes"].clone());
                return Ok(Answer::of([
                    ("names", names.into()),
                    ("prefixes", prefixes),
                    ("more", more),
                    ("token", next),
                ]));
            }
            token = next.as_str().map(str::to_owned);
            if token.is_none() {
                return Ok(Answer::of([("names", names.into())]));
            }
        }
    }

    fn look(&self, step: &Step, account: &str) -> Done {
        let all = |value: Value| Answer { facts: value.as_object().expect("an object").clone(), content: None };
        let upkeep = || self.tell("POST", &format!("/upkeep/{}", step.op()), &json!({}));
        match step.op() {
            "list" | "entries" => self.list(step, account),
            "policy" => Ok(all(self.must("GET", &format!("{account}/policy"))?)),
            "set_policy" => {
                let mut policy = Map::new();
                for field in ["default_ttl_ms", "longest_ttl_ms", "largest_blob", "quota_bytes", "quota_count"] {
                    policy.extend(step.number(field).map(|number| (field.to_owned(), number.into())));
                }
                self.tell("PUT", &format!("{account}/policy"), &policy.into())?;
                Ok(Answer::default())
            }
            "account_stats" => Ok(all(self.must("GET", account)?)),
            "accounts" => {
                let accounts = self.must("GET", "/accounts")?;
                let names = accounts["accounts"].as_array().expect("accounts").iter();
                Ok(Answer::of([("accounts", names.map(|stats| stats["account"].clone()).collect())]))
            }
            "stats" => Ok(all(self.must("GET", "/stats")?)),
            "events_floor" => Ok(Answer::of([("floor", self.must("GET", "/stats")?["events_floor"].clone())])),
            "health" => {
                let health = self.must("GET", "/health")?;
                let erasure = &health["last"]["erasure"];
                Ok(Answer::of([
                    ("poisoned", (!health["poisoned"].is_null()).into()),
                    ("index", health["index"]["state"].clone()),
                    ("damage", health["damage"].as_array().expect("an array").len().into()),
                    ("last_erasure", (!erasure.is_null() && erasure["error"].is_null()).into()),
                    ("erasure_overdue", (!health["erasure_overdue"].is_null()).into()),
                ]))
            }
            "names_of" => {
                let found = self.must("GET", &format!("/digests/{}", step.must("digest")))?;
                let names = found["names"].as_array().expect("names").iter();
                let text = |value: &Value| value.as_str().expect("a text").to_owned();
                let names = names.map(|held| format!("{}/{}", text(&held["account"]), text(&held["entry"]["name"])));
                Ok(Answer::of([("names", names.collect())]))
            }
            "purge_digest" => Ok(all(self.must("DELETE", &format!("/digests/{}", step.must("digest")))?)),
            "sync" | "sweep" | "compact" | "checkpoint_catalog" | "rebuild_index" => {
                Ok(all(upkeep()?.expect("it is no name")))
            }
            "verify" => self.verify(step),
            "events" => self.events(step),
            _ => step.unknown(),
        }
    }

    fn verify(&self, step: &Step) -> Done {
        let mut told = json!({ "repair": step.is_set("repair"), "secs": 3600 });
        if let Some(bytes) = step.number("bytes_per_sec") {
            told["bytes_per_sec"] = bytes.into();
        }
        if let Some(place) = step.text("resume") {
            told["resume"] = place.into();
        }
        let report = self.tell("POST", "/upkeep/verify", &told)?.expect("it is no name");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let places = report["damaged"].as_array().expect("damage").iter();
        let names = places.flat_map(|place| place["names"].as_array().expect("names"));
        let names = names.map(|hit| format!("{}/{}", text(&hit["account"]), text(&hit["name"])));
        let mut facts = report.as_object().expect("an object").clone();
        facts.insert("damaged".into(), names.collect());
        Ok(Answer { facts, content: None })
    }

    /// What has happened so far: the stream is read until it says that there is nothing new.
    fn events(&self, step: &Step) -> Done {
        let after = step.number("after").expect("where to begin");
        let request = format!(
            "GET /mediacask/v1/events?after={after} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer t\r\n\
             Connection: close\r\n\r\n"
        );
        let mut socket = TcpStream::connect(self.address()).expect("it listens");
        socket.set_read_timeout(Some(Duration::from_mins(1))).expect("a time");
        socket.write_all(request.as_bytes()).expect("it reads");
        let (mut lines, mut line) = (BufReader::new(socket), String::new());
        lines.read_line(&mut line).expect("an answer");
        if !line.starts_with("HTTP/1.1 200") {
            let mut rest = String::new();
            lines.read_to_string(&mut rest).expect("an error");
            let (_, error) = rest.split_once("\r\n\r\n").expect("a head");
            let error: Value = serde_json::from_str(error).expect("JSON");
            let text = |field: &str| error[field].as_str().expect("a text").to_owned();
            return Err(Failure { code: text("error"), message: text("message") });
        }
        let (mut told, mut last) = (Vec::new(), Value::from(after));
        // A heartbeat ends what was there.
        while !line.starts_with(": nothing new") {
            line.clear();
            assert!(lines.read_line(&mut line).expect("a line") > 0, "the stream ended");
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let event: Value = serde_json::from_str(data).expect("JSON");
            let text = |field: &str| event[field].as_str().expect("a text").to_owned();
            told.push(Value::from(format!("{} {}/{}", text("kind"), text("account"), text("name"))));
            last = event["sequence"].clone();
        }
        Ok(Answer::of([("events", told.into()), ("last", last)]))
    }
}
