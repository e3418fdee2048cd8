//! What is done: the n-th operation of a worker in a life, the same whoever asks.

/// Folders each worker has, and names in each.
const FOLDERS: u64 = 30;
const NAMES: u64 = 40;
/// One content in this many is one of a few that many share.
const SHARED_EVERY: u64 = 5;
const SHARED: u64 = 40;

/// Content that says which it is: its first 16 bytes are its number and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    pub number: u64,
    pub len: u64,
}

impl Content {
    pub fn bytes(self) -> Vec<u8> {
        let mut random = Random(self.number ^ 0x5eed);
        let mut bytes = Vec::with_capacity(self.len as usize + 8);
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.len.to_le_bytes());
        while bytes.len() < self.len as usize {
            bytes.extend_from_slice(&random.next().to_le_bytes());
        }
        bytes.truncate(self.len as usize);
        bytes
    }

    /// Which content `bytes` are, if they are one in whole.
    pub fn told_by(bytes: &[u8]) -> Option<Content> {
        let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let content = Content { number: word(0)?, len: word(8)? };
        (content.len == bytes.len() as u64 && content.bytes() == bytes).then_some(content)
    }
}

/// One thing a worker does.
#[derive(Clone, Debug)]
pub enum Operation {
    Put { name: String, content: Content, ttl_ms: Option<u64> },
    Write { name: String, content: Content },
    Delete { name: String },
    Update { name: String, ttl_ms: Option<u64> },
    Copy { from: String, to: String },
    Batch { puts: Vec<(String, Content)>, delete: String },
    Read { name: String },
    List { prefix: String },
}

impl Operation {
    /// The `n`-th operation of a worker in the life that `seed` names.
    pub fn nth(seed: u64, worker: u64, n: u64) -> Operation {
        let mut random = Random(seed ^ worker << 56 ^ n << 8 ^ 0xa5);
        random.next();
        let name = |random: &mut Random| format!("{:02}/{}.bin", random.below(FOLDERS), random.below(NAMES));
        match random.below(100) {
            0..=44 => {
                let ttl_ms = (random.below(3) == 0).then(|| 200 + random.below(60_000));
                Operation::Put { name: name(&mut random), content: content(&mut random), ttl_ms }
            }
            45..=49 => Operation::Write { name: name(&mut random), content: content(&mut random) },
            50..=61 => Operation::Delete { name: name(&mut random) },
            62..=66 => {
                let ttl_ms = (random.below(2) == 0).then(|| 200 + random.below(60_000));
                Operation::Update { name: name(&mut random), ttl_ms }
            }
            67..=72 => Operation::Copy { from: name(&mut random), to: name(&mut random) },
            73..=77 => {
                let mut puts: Vec<(String, Content)> = Vec::new();
                for _ in 0..2 + random.below(6) {
                    let put = (name(&mut random), small(&mut random));
                    if puts.iter().all(|(name, _)| *name != put.0) {
                        puts.push(put);
                    }
                }
                let mut delete = name(&mut random);
                while puts.iter().any(|(name, _)| *name == delete) {
                    delete = name(&mut random);
                }
                Operation::Batch { puts, delete }
            }
            78..=97 => Operation::Read { name: name(&mut random) },
            _ => Operation::List { prefix: format!("{:02}/", random.below(FOLDERS)) },
        }
    }

    /// The names it may change.
    pub fn changes(&self) -> Vec<&str> {
        match self {
            Operation::Put { name, .. }
            | Operation::Write { name, .. }
            | Operation::Delete { name }
            | Operation::Update { name, .. }
            | Operation::Copy { to: name, .. } => vec![name],
            Operation::Batch { puts, delete } => {
                puts.iter().map(|(name, _)| name).chain([delete]).map(String::as_str).collect()
            }
            Operation::Read { .. } | Operation::List { .. } => Vec::new(),
        }
    }
}

fn content(random: &mut Random) -> Content {
    if random.below(SHARED_EVERY) == 0 {
        let number = random.below(SHARED);
        return Content { number, len: 16 + number * 4096 };
    }
    match random.below(200) {
        0 => Content { number: random.next(), len: (4 << 20) + random.below(3 << 20) },
        1..=7 => Content { number: random.next(), len: (200 << 10) + random.below(2 << 20) },
        8..=59 => Content { number: random.next(), len: 16 + random.below(100 << 10) },
        _ => small(random),
    }
}

fn small(random: &mut Random) -> Content {
    Content { number: random.next(), len: 16 + random.below(16 << 10) }
}

/// Random numbers that are the same for the same seed: `SplitMix64`.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
