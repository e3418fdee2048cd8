//! What the cargo features `metrics` and `tracing` promise: what happens in a store is counted under the names of
//! the table in `src/telemetry.rs`, with labels that hold no account, name or digest, and told as spans and
//! events. Built with both features only.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mediacask::{DeleteOptions, PutOptions};
use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use parking_lot::Mutex;
use support::place::{Hand, small, temp_dir};
use support::{CallKind, Fault, FaultDisk};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber, subscriber};

/// A recorder that counts: of a histogram, how often something was recorded.
#[derive(Default)]
struct Counting {
    values: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    described: Mutex<BTreeSet<String>>,
}

struct Times(Arc<AtomicU64>);

impl HistogramFn for Times {
    fn record(&self, value: f64) {
        assert!(value >= 0.0);
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Counting {
    fn value(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = [vec![key.name().to_owned()], labels].concat().join(" ");
        self.values.lock().entry(name).or_default().clone()
    }

    /// What was counted under a name and its labels.
    fn get(&self, name: &str) -> u64 {
        let value = self.values.lock().get(name).map(|value| value.load(Ordering::SeqCst));
        value.unwrap_or_else(|| panic!("nothing was told of {name}; of these: {:?}", self.values.lock().keys()))
    }

    /// What a gauge shows.
    fn gauge(&self, name: &str) -> f64 {
        f64::from_bits(self.get(name))
    }
}

impl Recorder for Counting {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, what: SharedString) {
        assert!(key.as_str().ends_with("_total") && !what.is_empty(), "{key:?}");
        self.described.lock().insert(key.as_str().to_owned());
    }

    fn describe_gauge(&self, key: KeyName, _: Option<Unit>, what: SharedString) {
        assert!(!key.as_str().ends_with("_total") && !what.is_empty(), "{key:?}");
        self.described.lock().insert(key.as_str().to_owned());
    }

    fn describe_histogram(&self, key: KeyName, _: Option<Unit>, what: SharedString) {
        assert!(!key.as_str().ends_with("_total") && !what.is_empty(), "{key:?}");
        self.described.lock().insert(key.as_str().to_owned());
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.value(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.value(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Times(self.value(key))))
    }
}

/// A subscriber that keeps what it hears: spans as they are entered, and events.
#[derive(Clone, Default)]
struct Hearing(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    names: BTreeMap<u64, &'static str>,
    open: Vec<&'static str>,
    spans: BTreeSet<String>,
    events: Vec<String>,
}

/// The fields of an event, in a line.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Hearing {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "mediacask"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut heard = self.0.lock();
        let id = heard.names.len() as u64 + 1;
        heard.names.insert(id, span.metadata().name());
        Id::from_u64(id)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().events.push(line.0);
    }

    fn enter(&self, span: &Id) {
        let mut heard = self.0.lock();
        let name = heard.names[&span.into_u64()];
        heard.open.push(name);
        let path = heard.open.join("/");
        heard.spans.insert(path);
    }

    fn exit(&self, span: &Id) {
        let mut heard = self.0.lock();
        let name = heard.names[&span.into_u64()];
        assert_eq!(heard.open.pop(), Some(name));
    }
}

/// One test at a time: `tracing` asks whoever comes to a span first, in whatever thread, whether anybody listens.
static ALONE: Mutex<()> = Mutex::new(());

const ACCOUNT: &str = "an account of somebody's";

/// Does some of everything in a store, in this thread alone.
fn use_store() {
    let (dir, hand) = (temp_dir(), Hand::new());
    let open = || small().clock(hand.clock()).open(dir.path()).unwrap();
    let store = open();
    let media = store.account(ACCOUNT).unwrap();
    let first = media.put("a", "hello", &PutOptions::new()).unwrap();
    media.put("b", "hello", &PutOptions::new()).unwrap();
    media.put("c", vec![1; 1000], &PutOptions::new().ttl(Duration::from_secs(1))).unwrap();
    media.put("a", "x", &PutOptions::new().if_absent()).unwrap_err();
    assert_eq!(media.get("a").unwrap().unwrap().len(), 5);
    assert_eq!(media.get_range("a", 1..3).unwrap().unwrap().len(), 2);
    assert!(media.reader("a").unwrap().is_some() && media.get("absent").unwrap().is_none());
    assert!(media.delete("b", &DeleteOptions::new().if_match(first.digest)).unwrap());
    hand.advance_ms(1000);
    assert_eq!(store.sweep().unwrap().expired, 1);
    store.stats().unwrap();
    store.close().unwrap();
    open().close().unwrap();
}

#[test]
fn what_happens_is_counted_under_the_names_of_the_table() {
    let _alone = ALONE.lock();
    let recorder = Counting::default();
    metrics::with_local_recorder(&recorder, use_store);
    for (name, count) in [
        ("mediacask_opens_total clean=true", 2),
        ("mediacask_open_seconds", 2),
        ("mediacask_damage_total", 0),
        ("mediacask_puts_total", 3),
        ("mediacask_put_bytes_total", 1010),
        ("mediacask_dedup_hits_total", 1),
        ("mediacask_deletes_total", 1),
        ("mediacask_expired_total", 1),
        ("mediacask_gets_total found=true", 3),
        ("mediacask_gets_total found=false", 1),
        ("mediacask_get_bytes_total", 7),
        ("mediacask_errors_total kind=precondition_failed", 1),
        ("mediacask_upkeep_runs_total task=sweep outcome=ok", 1),
        ("mediacask_upkeep_items_total task=sweep item=expired", 1),
        ("mediacask_upkeep_seconds task=sweep", 1),
        ("mediacask_upkeep_runs_total task=catalog_checkpoint outcome=ok", 2),
    ] {
        assert_eq!(recorder.get(name), count, "{name}");
    }
    let groups = recorder.get("mediacask_group_commits_total");
    assert!(groups >= 6);
    assert_eq!(recorder.get("mediacask_group_requests"), groups);
    assert_eq!(recorder.get("mediacask_group_commit_seconds"), groups);
    assert!((recorder.gauge("mediacask_names") - 1.0).abs() < 0.1);
    assert!((recorder.gauge("mediacask_content_bytes") - 5.0).abs() < 0.1);

    let described = recorder.described.lock();
    assert_eq!(described.len(), 30);
    let digest = mediacask::Digest::of(b"hello").to_string();
    for name in recorder.values.lock().keys() {
        assert!(described.contains(name.split(' ').next().unwrap()), "{name} is not in the table");
        assert!(!name.contains(ACCOUNT) && !name.contains(&digest), "{name}");
    }
}

#[test]
fn what_happens_is_told_in_spans_and_events() {
    let _alone = ALONE.lock();
    let hearing = Hearing::default();
    subscriber::with_default(hearing.clone(), use_store);
    let heard = hearing.0.lock();
    let spans = ["open", "open/recovery", "group", "sweep", "sweep/group", "close", "close/catalog_checkpoint"];
    assert!(spans.iter().all(|span| heard.spans.contains(*span)), "{:?}", heard.spans);
    assert!(heard.open.is_empty());
    let told = |words: &[&str]| heard.events.iter().any(|event| words.iter().all(|word| event.contains(word)));
    assert!(told(&["INFO", "store opened", "clean=true"]), "{:?}", heard.events);
    assert!(told(&["DEBUG", "upkeep done", "sweep", "expired"]));
    assert!(told(&["DEBUG", "precondition_failed"]));
    assert!(!told(&[ACCOUNT]), "what is told of a refused call names nobody");
}

#[test]
fn a_store_that_stops_writing_says_so() {
    let _alone = ALONE.lock();
    let (recorder, hearing) = (Counting::default(), Hearing::default());
    let fail = || {
        let disk = FaultDisk::new(1);
        let store = small().disk(disk.clone()).open(disk.root()).unwrap();
        let media = store.account("a").unwrap();
        media.put("a", "1", &PutOptions::new()).unwrap();
        disk.fail_nth_of(CallKind::Sync, disk.counts().of(CallKind::Sync) + 1, Fault::Eio);
        media.put("b", "2", &PutOptions::new()).unwrap_err();
        media.put("c", "3", &PutOptions::new()).unwrap_err();
    };
    metrics::with_local_recorder(&recorder, || subscriber::with_default(hearing.clone(), fail));
    assert_eq!(recorder.get("mediacask_errors_total kind=poisoned"), 2);
    assert_eq!(recorder.get("mediacask_puts_total"), 1);
    let heard = hearing.0.lock();
    assert_eq!(heard.events.iter().filter(|event| event.starts_with("ERROR")).count(), 1);
    assert!(heard.events.iter().any(|event| event.starts_with("ERROR") && event.contains("writing has stopped")));
}
