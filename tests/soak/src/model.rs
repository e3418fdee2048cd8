//! What was acknowledged, and what the store may hold after a death.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use mediacask::{Entry, ListOptions, Store};

use crate::account;
use crate::script::{Content, Operation};

/// An instant this near to an answer may have fallen on either side of it.
const NEAR_MS: u64 = 3_000;

/// What a name holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Item {
    content: Content,
    /// 0: never.
    expires_ms: u64,
    /// 0: not told.
    generation: u64,
}

type Names = BTreeMap<String, Item>;

/// What each worker's account holds.
pub struct Model {
    accounts: Vec<Names>,
    seed: u64,
    /// How many operations of this life each worker has had acknowledged.
    acknowledged: Vec<u64>,
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64
}

fn is_gone(item: &Item, at_ms: u64) -> bool {
    item.expires_ms != 0 && item.expires_ms <= at_ms
}

/// An answer, as the worker tells it.
enum Told {
    Was,
    WasNot,
    Is { generation: u64, expires_ms: u64, size: u64 },
}

impl Told {
    fn parse(words: &[&str]) -> Option<Told> {
        Some(match words {
            ["was", ..] => Told::Was,
            ["was-not"] => Told::WasNot,
            ["is", generation, expires, size, _] => Told::Is {
                generation: generation.parse().ok()?,
                expires_ms: expires.parse().ok()?,
                size: size.parse().ok()?,
            },
            _ => return None,
        })
    }
}

impl Model {
    pub fn new(workers: u64) -> Model {
        let count = workers as usize;
        Model { accounts: vec![Names::new(); count], seed: 0, acknowledged: vec![0; count] }
    }

    pub fn begin_life(&mut self, seed: u64) {
        self.seed = seed;
        self.acknowledged.fill(0);
    }

    /// Takes an acknowledgement in; gives how many bytes were put.
    pub fn acknowledge(&mut self, line: &str) -> Result<u64, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |place: usize| words.get(place).and_then(|word| word.parse::<u64>().ok());
        let told = words.get(2..).and_then(Told::parse);
        let (Some(worker), Some(n), Some(told)) = (number(0), number(1), told) else {
            return Err(format!("the worker says {line:?}, which nobody understands"));
        };
        let names = &mut self.accounts[worker as usize];
        let operation = Operation::nth(self.seed, worker, n);
        self.acknowledged[worker as usize] = n + 1;
        apply(names, &operation, &told).map_err(|how| format!("worker {worker}, operation {n}, {operation:?}: {how}"))
    }

    /// After a death: the store holds what was acknowledged, and of what was under way all or nothing.
    pub fn hold_against(&mut self, store: &Store, killed: bool) -> Result<(), String> {
        let health = store.health();
        if !health.damage.is_empty() && !health.damage.iter().all(|damage| damage.path.ends_with("catalog")) {
            return Err(format!("damage that nobody did: {:?}", health.damage));
        }
        let wrong = store.recount().map_err(|e| format!("references cannot be counted: {e}"))?;
        if !wrong.is_empty() {
            return Err(format!("references are miscounted: {wrong:?}"));
        }
        for worker in 0..self.accounts.len() {
            let under_way = Operation::nth(self.seed, worker as u64, self.acknowledged[worker]);
            let before_ms = now_ms();
            let found = read(store, &account(worker as u64))?;
            let span = (before_ms, now_ms());
            let names = &mut self.accounts[worker];
            let free = if killed { under_way.changes() } else { Vec::new() };
            compare(names, &found, span, &free).map_err(|how| format!("account {}: {how}", account(worker as u64)))?;
            all_or_nothing(names, &found, &under_way, span)?;
            for name in free {
                names.remove(name);
                names.extend(found.get(name).map(|item| (name.to_owned(), *item)));
            }
            names.retain(|_, item| !is_gone(item, span.0));
        }
        Ok(())
    }
}

/// Does to the model what was done to the store, and holds the answer against it.
fn apply(names: &mut Names, operation: &Operation, told: &Told) -> Result<u64, String> {
    let now_ms = now_ms();
    // Whether a name is there; `None` when its instant is too near to say.
    let there = |names: &Names, name: &str| match names.get(name) {
        None => Some(false),
        Some(item) if item.expires_ms != 0 && item.expires_ms.abs_diff(now_ms) < NEAR_MS => None,
        Some(item) => Some(!is_gone(item, now_ms)),
    };
    let must_be = |expected: Option<bool>, was: bool| match expected {
        Some(expected) if expected != was => Err(format!("the name was {}there", if expected { "" } else { "not " })),
        _ => Ok(()),
    };
    match (operation, told) {
        (
            Operation::Put { name, content, .. } | Operation::Write { name, content },
            Told::Is { generation, expires_ms, .. },
        ) => {
            names.insert(name.clone(), Item { content: *content, expires_ms: *expires_ms, generation: *generation });
            return Ok(content.len);
        }
        (Operation::Delete { name }, told) => {
            must_be(there(names, name), matches!(told, Told::Was))?;
            names.remove(name);
        }
        (
            Operation::Update { name, .. } | Operation::Copy { from: name, .. } | Operation::Read { name },
            Told::WasNot,
        ) => {
            must_be(there(names, name), false)?;
        }
        (Operation::Update { name, .. }, Told::Is { generation, expires_ms, .. }) => {
            must_be(there(names, name), true)?;
            let item = names.get_mut(name).ok_or("the name was not there")?;
            (item.generation, item.expires_ms) = (*generation, *expires_ms);
        }
        (Operation::Copy { from, to }, Told::Is { generation, expires_ms, .. }) => {
            must_be(there(names, from), true)?;
            let content = names.get(from).ok_or("the name was not there")?.content;
            names.insert(to.clone(), Item { content, expires_ms: *expires_ms, generation: *generation });
        }
        (Operation::Batch { puts, delete }, Told::Was) => {
            names.remove(delete);
            for (name, content) in puts {
                names.insert(name.clone(), Item { content: *content, expires_ms: 0, generation: 0 });
            }
            return Ok(puts.iter().map(|(_, content)| content.len).sum());
        }
        (Operation::Read { name }, Told::Is { generation, size, .. }) => {
            must_be(there(names, name), true)?;
            let item = names.get(name).ok_or("the name was not there")?;
            if item.content.len != *size || (item.generation != 0 && item.generation != *generation) {
                return Err(format!("it was read with {size} bytes and generation {generation}, not {item:?}"));
            }
        }
        (Operation::List { .. }, Told::Was) => {}
        _ => return Err("the answer does not fit the question".into()),
    }
    Ok(0)
}

/// All an account holds, every byte of it read.
fn read(store: &Store, account: &str) -> Result<Names, String> {
    let account = store.account(account).map_err(|e| e.to_string())?;
    let mut names = Names::new();
    for entry in account.entries(ListOptions::new()) {
        let entry: Entry = entry.map_err(|e| format!("the listing fails: {e}"))?;
        // It may expire between the two.
        let Some(blob) = account.get(&entry.name).map_err(|e| format!("{} cannot be read: {e}", entry.name))? else {
            continue;
        };
        let content = Content::told_by(&blob).ok_or_else(|| format!("{} holds what nobody has put", entry.name))?;
        let expires_ms =
            entry.expires_at.map_or(0, |at| at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64));
        names.insert(entry.name, Item { content, expires_ms, generation: entry.generation });
    }
    Ok(names)
}

/// Holds what was found between two instants against the model; the names in `free` may be either way.
fn compare(names: &Names, found: &Names, (before_ms, after_ms): (u64, u64), free: &[&str]) -> Result<(), String> {
    for (name, item) in names.iter().filter(|(name, _)| !free.contains(&name.as_str())) {
        match found.get(name) {
            None if is_gone(item, after_ms) => {}
            None => return Err(format!("{name} is lost, with {item:?}")),
            Some(_) if is_gone(item, before_ms) => return Err(format!("{name} is there, and expired, {item:?}")),
            Some(there) => {
                let known = item.generation == 0 || there.generation == item.generation;
                if there.content != item.content || there.expires_ms != item.expires_ms || !known {
                    return Err(format!("{name} holds {there:?}, not {item:?}"));
                }
            }
        }
    }
    let extra = found.keys().find(|name| !names.contains_key(*name) && !free.contains(&name.as_str()));
    extra.map_or(Ok(()), |name| Err(format!("{name} is there, and was gone")))
}

/// What was under way has happened in whole, or not at all.
fn all_or_nothing(names: &Names, found: &Names, under_way: &Operation, span: (u64, u64)) -> Result<(), String> {
    let same = |name: &str| match (names.get(name), found.get(name)) {
        (None, None) => true,
        (Some(item), None) => is_gone(item, span.1),
        (None, Some(_)) => false,
        (Some(item), Some(there)) => {
            item.content == there.content && (item.generation == 0 || item.generation == there.generation)
        }
    };
    let holds = |name: &str, content: &Content| found.get(name).is_some_and(|item| item.content == *content);
    let nothing = under_way.changes().into_iter().all(same);
    let all = match under_way {
        Operation::Put { name, content, ttl_ms } => {
            holds(name, content) || (ttl_ms.is_some() && !found.contains_key(name))
        }
        Operation::Write { name, content } => holds(name, content),
        Operation::Delete { name } => !found.contains_key(name),
        Operation::Batch { puts, delete } => {
            puts.iter().all(|(name, content)| holds(name, content)) && !found.contains_key(delete)
        }
        Operation::Update { name, .. } => match (names.get(name), found.get(name)) {
            (Some(item), Some(there)) => item.content == there.content,
            (_, there) => there.is_none(),
        },
        Operation::Copy { from, to } => match (names.get(from), found.get(to)) {
            (Some(item), Some(there)) => item.content == there.content,
            (_, there) => there.is_none(),
        },
        Operation::Read { .. } | Operation::List { .. } => true,
    };
    if nothing || all { Ok(()) } else { Err(format!("{under_way:?} has happened in part")) }
}

/// Reads all of a store whose moment nobody knows.
pub fn look_over(store: &Store, workers: u64) -> Result<(), String> {
    for worker in 0..workers {
        read(store, &account(worker))?;
    }
    let wrong = store.recount().map_err(|e| format!("references cannot be counted: {e}"))?;
    if wrong.is_empty() { Ok(()) } else { Err(format!("references are miscounted: {wrong:?}")) }
}
