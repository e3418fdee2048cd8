"""What calls answer with, and what they take, when it has several fields. All of it by value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from ._mediacask import Digest, Entry


class Page(NamedTuple):
    """A page of a listing."""

    #: Entries in the bytewise order of their names.
    entries: list[Entry]
    #: Common prefixes, each ending with the delimiter, in the same order.
    prefixes: list[str]
    #: Where to go on; ``None`` on the last page. A page may be short and still have a token.
    next_token: str | None


class Event(NamedTuple):
    """Something that happened to a name."""

    #: Its place in the order of all events of the store. Of a put and an update it is the entry's generation.
    sequence: int
    #: What happened: a put or a copy; a change of facts or lifetime; a delete or a purge; its time was over.
    kind: Literal["put", "update", "delete", "expire"]
    #: The account.
    account: str
    #: The name.
    name: str
    #: The content: of a put and an update the name's own, of an end the one that it lets go.
    digest: Digest
    #: When, by the store's clock.
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What holds for all puts of an account. What is ``None`` is not limited."""

    #: How long an entry lives that was put without saying so.
    default_ttl: timedelta | None = None
    #: The longest time to live a put may ask for.
    longest_ttl: timedelta | None = None
    #: The largest blob, in bytes.
    largest_blob: int | None = None
    #: Most bytes of content of all names together; shared content counts for each of its names.
    quota_bytes: int | None = None
    #: Most names.
    quota_count: int | None = None


@dataclass(frozen=True, slots=True)
class PrefixLimit:
    """How many names, of how many bytes together, may live under a prefix: e.g. the parts of one message."""

    #: What the counted names begin with; the put's own name must begin with it, too.
    prefix: str
    #: Most names, up to 1000.
    count: int
    #: Most bytes of content of all of them.
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStats:
    """What one account holds."""

    #: The account.
    account: str
    #: Names; expired ones until they are swept, normally within a second.
    count: int
    #: Bytes of content of all names; shared content counts for each of its names.
    bytes: int
    #: Its policy, if it has one.
    policy: Policy | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What a store holds and has done."""

    #: Names of all accounts; expired ones until they are swept, normally within a second.
    names: int
    #: Accounts that hold names or have a policy.
    accounts: int
    #: Bytes of content of all names; shared content counts for each of its names.
    logical_bytes: int
    #: Distinct contents.
    contents: int
    #: Bytes of distinct contents.
    content_bytes: int
    #: Bytes of records that are needed, about.
    live_bytes: int
    #: Bytes of segments that are neither needed nor spare, about.
    dead_bytes: int
    #: Bytes of segments that wait to be written again.
    spare_bytes: int
    #: Bytes of all segments, spares and blob files.
    total_bytes: int
    #: Segments in the log.
    segments: int
    #: Segments that wait to be written again.
    spare_segments: int
    #: Contents that have files of their own.
    blob_files: int
    #: fdatasync calls on the log since open.
    syncs: int
    #: Groups of writes since open.
    groups: int
    #: Bytes written to the log since open, headers and padding included.
    log_bytes_written: int
    #: Bytes that compaction has written since open.
    compacted_bytes: int
    #: Requests to write since open.
    puts: int
    #: Puts since open whose content was there already.
    dedup_hits: int
    #: Bytes of memory the catalog takes.
    catalog_bytes: int
    #: Bytes of the catalog's checkpoint.
    catalog_checkpoint_bytes: int
    #: The last sequence number that the checkpoint covers.
    catalog_checkpoint_sequence: int
    #: Bytes of the log since then: what an open after a crash would read.
    catalog_behind_bytes: int
    #: Bytes of the index's files.
    index_bytes: int
    #: Bytes of the log that the index has not followed yet; ``None`` while it is worked on.
    index_behind_bytes: int | None
    #: The last sequence number that is durable: no event has a higher one.
    last_sequence: int
    #: The highest sequence number of which a record may have left the log; see `Store.events`.
    events_floor: int

    @property
    def dedup_ratio(self) -> float:
        """How many bytes of content are kept for each byte that is stored; 1 when nothing is."""
        return self.logical_bytes / self.content_bytes if self.content_bytes else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What a sweep did."""

    #: Entries whose time had come.
    expired: int
    #: Segments that left the log.
    segments_freed: int
    #: Files of large blobs that were removed.
    files_freed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactReport:
    """What a compaction did."""

    #: Segments of which what was needed was gathered elsewhere.
    segments_compacted: int
    #: Segments that left the log, those in which nothing was needed included.
    segments_freed: int
    #: Files of large blobs that were removed.
    files_freed: int
    #: Bytes written: what was gathered.
    bytes_rewritten: int
    #: Bytes of the segments and files that have gone, less those written.
    bytes_freed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointReport:
    """What a checkpoint, or bringing one back, did."""

    #: Files that are in both directories now, by a hard link.
    files_linked: int
    #: Files whose bytes were copied.
    files_copied: int
    #: Files that were there from an earlier checkpoint.
    files_kept: int
    #: Bytes of the files that were linked.
    bytes_linked: int
    #: Bytes that were copied.
    bytes_copied: int
    #: The last sequence number that may stand in it: no entry of it has a later generation.
    last_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyProgress:
    """How far a verification is."""

    #: Bytes that this run has read.
    bytes_checked: int
    #: Bytes that this run has to read, about: others write meanwhile.
    bytes_total: int
    #: Damaged places that were found so far.
    damaged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """Bytes that are not what was written, and what they cost."""

    #: The file.
    path: Path
    #: Where in the file it begins, in bytes.
    offset: int
    #: How many bytes are concerned; 0 when the whole file is, or what should be there is missing.
    len: int
    #: The content that was hit, if one was.
    digest: Digest | None
    #: The names (account, name) that were hit; empty when nothing alive was.
    names: list[tuple[str, str]]
    #: What was found, as a sentence.
    what: str
    #: What repair would do about it; after a repair, what it did.
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What a verification found."""

    #: Bytes that were read.
    bytes_checked: int
    #: Contents that were read as a whole and hashed, those nobody holds any more included.
    contents_checked: int
    #: Names whose entries were looked up in the log.
    entries_checked: int
    #: What is damaged.
    damaged: list[Damaged]
    #: Contents whose count of references, in memory, is not the number of their names.
    wrong_references: int
    #: Accounts whose rows in the index are not what the log says. Listings do not believe such rows.
    index_differences: int
    #: How many of the damaged things and differing accounts were put right or set aside; 0 without repair.
    repaired: int
    #: Where to go on, if it was broken off.
    resume: str | None

    @property
    def damage_stands(self) -> bool:
        """Whether something was found that was not put right or set aside."""
        return len(self.damaged) + self.wrong_references + self.index_differences > self.repaired


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Bytes of a store's files that are not what was written there."""

    #: The file.
    path: Path
    #: Where in the file it begins, in bytes.
    offset: int
    #: How many bytes are concerned; 0 when the whole file is.
    len: int
    #: What was found, as a sentence.
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryReport:
    """What opening the store found and did."""

    #: The store had been closed; nothing had to be done.
    clean: bool
    #: The checkpoint of the catalog was whole, and only what came after it was read.
    from_checkpoint: bool
    #: Rows of footers and records that were read.
    records_replayed: int
    #: Bytes at the end of the log that did not stand: writes under way when the power went.
    bytes_cut: int
    #: Segments in the log.
    segments: int
    #: How long it took.
    duration: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What a run of upkeep came to."""

    #: When it ended, by the store's clock.
    at: datetime
    #: How long it took.
    duration: timedelta
    #: What it failed with, if so.
    error: str | None
    #: What it did, by name; empty when it failed.
    counts: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Activities:
    """What upkeep did last of each kind; ``None``: nothing that is known of."""

    #: Entries whose time had come were ended.
    sweep: Activity | None
    #: Segments were compacted.
    compaction: Activity | None
    #: What was deleted was erased; ``late_ms`` of its counts tells by how much the deadline was missed.
    erasure: Activity | None
    #: What is stored was read and checked.
    verify: Activity | None
    #: The catalog was written down.
    catalog_checkpoint: Activity | None
    #: The index was written anew, since its files were far larger than what they held, or slow to open.
    index_renewal: Activity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a store does."""

    #: Why nothing can be written any more, if so. Reads go on; open the store again.
    poisoned: str | None
    #: How the index does: it follows the log, is to be built anew, or is kept in memory for this process.
    index: Literal["current", "stale", "in_memory"]
    #: Why, unless it is current.
    index_reason: str | None
    #: What went wrong behind the scenes last.
    trouble: str | None
    #: Damage that was found when the store was opened, and since: by compaction, and by verifications that did not
    #: repair it.
    damage: list[Damage]
    #: Contents that were found damaged when they were read since, and not put again.
    damaged_contents: list[Digest]
    #: By how much what was deleted is late to be erased, and why; ``None``: nothing is, or no time was set.
    erasure_overdue: str | None
    #: What opening the store found and did.
    recovery: RecoveryReport
    #: What upkeep did last.
    last: Activities
