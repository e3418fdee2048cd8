//! Which calls fail, and how many of each kind there were.

use std::io;
use std::sync::Arc;

/// What a disk or a file is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CallKind {
    Open,
    CreateDir,
    ReadDir,
    Rename,
    HardLink,
    Unlink,
    RemoveDirAll,
    SyncDir,
    Facts,
    Read,
    Write,
    Sync,
    PushOut,
    Allocate,
    SetLen,
    SetMode,
    Map,
    Lock,
}

impl CallKind {
    const COUNT: usize = CallKind::Lock as usize + 1;

    /// Whether [`FaultDisk::calls`](super::FaultDisk::calls) counts it.
    fn is_counted(self) -> bool {
        !matches!(self, CallKind::Facts | CallKind::Read)
    }

    /// Whether it changes what may be found after a crash. A sync that fails changes nothing.
    fn is_change(self) -> bool {
        use CallKind as K;
        let of_names = matches!(self, K::CreateDir | K::Rename | K::HardLink | K::Unlink | K::RemoveDirAll);
        of_names || matches!(self, K::Open | K::Write | K::Allocate | K::SetLen | K::SetMode)
    }
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `EIO`.
    Eio,
    /// `ENOSPC`.
    Enospc,
    /// A write writes some of its bytes and then fails; another call fails with `EIO`.
    ShortWrite,
}

impl Fault {
    pub(super) fn error(self) -> io::Error {
        io::Error::from_raw_os_error(match self {
            Fault::Eio | Fault::ShortWrite => libc::EIO,
            Fault::Enospc => libc::ENOSPC,
        })
    }
}

/// What becomes of a call.
pub(super) enum Verdict {
    Go,
    Fail(Fault),
    /// The power goes during the call: it may be on the disk after the crash, and nobody hears.
    Die,
}

/// How many calls there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    by_kind: [u64; CallKind::COUNT],
    /// Bytes that were written.
    pub(crate) bytes_written: u64,
    /// Syncs that were skipped on request.
    pub(crate) syncs_skipped: u64,
}

impl Counts {
    /// Calls of one kind.
    pub(crate) fn of(&self, kind: CallKind) -> u64 {
        self.by_kind[kind as usize]
    }

    /// Syncs of files and of directories.
    pub(crate) fn syncs(&self) -> u64 {
        self.of(CallKind::Sync) + self.of(CallKind::SyncDir)
    }
}

struct Rule {
    /// Counts the calls of one kind, or all that count.
    kind: Option<CallKind>,
    first: u64,
    last: u64,
    fault: Fault,
}

/// The counters and what is to happen at which count. The first call is number 1.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) counts: Counts,
    calls: Vec<(CallKind, Arc<str>)>,
    rules: Vec<Rule>,
    full_from: Option<u64>,
    dies_at: Option<u64>,
    pub(super) is_off: bool,
}

impl Plan {
    pub(super) fn fail(&mut self, kind: Option<CallKind>, nth: u64, fault: Fault) {
        self.rules.push(Rule { kind, first: nth, last: nth, fault });
    }

    pub(super) fn fail_from(&mut self, nth: u64, fault: Fault) {
        if fault == Fault::Enospc {
            self.full_from = Some(nth);
        } else {
            self.rules.push(Rule { kind: None, first: nth, last: u64::MAX, fault });
        }
    }

    pub(super) fn die_at(&mut self, nth: u64) {
        self.dies_at = Some(nth);
    }

    pub(super) fn heal(&mut self) {
        self.rules.clear();
        self.full_from = None;
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.len() as u64
    }

    pub(super) fn each_call(&self, tell: &mut dyn FnMut(CallKind, &str)) {
        self.calls.iter().for_each(|(kind, path)| tell(*kind, path));
    }

    /// A call in words.
    pub(super) fn tell(&self, nth: u64) -> Option<String> {
        let (kind, path) = self.calls.get(usize::try_from(nth).ok()?.checked_sub(1)?)?;
        Some(format!("{kind:?} {path}"))
    }

    /// Whether the disk has been full since a call that is past.
    pub(super) fn is_full(&self) -> bool {
        self.full_from.is_some_and(|nth| self.calls() >= nth)
    }

    /// Counts a call, and says what becomes of it.
    pub(super) fn call(&mut self, kind: CallKind, path: &Arc<str>) -> Verdict {
        if self.is_off {
            return Verdict::Fail(Fault::Eio);
        }
        self.counts.by_kind[kind as usize] += 1;
        if kind.is_counted() {
            self.calls.push((kind, Arc::clone(path)));
            if self.dies_at.is_some_and(|nth| self.calls() >= nth) {
                self.is_off = true;
                return if kind.is_change() { Verdict::Die } else { Verdict::Fail(Fault::Eio) };
            }
        }
        let (calls, of_kind) = (self.calls(), self.counts.of(kind));
        let hit = self.rules.iter().find(|rule| {
            let count = match rule.kind {
                Some(named) if named == kind => of_kind,
                None if kind.is_counted() => calls,
                _ => return false,
            };
            (rule.first..=rule.last).contains(&count)
        });
        hit.map_or(Verdict::Go, |rule| Verdict::Fail(rule.fault))
    }
}
