"""The native half of the package; import `mediacask` instead."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from os import PathLike
from pathlib import Path
from types import EllipsisType
from typing import (
    Any,
    Final,
    Literal,
    Protocol,
    Self,
    SupportsIndex,
    TypeAlias,
    TypedDict,
    TypeVar,
    Unpack,
    final,
    overload,
    type_check_only,
)

from typing_extensions import Buffer, disjoint_base

from ._values import (
    AccountStats,
    CheckpointReport,
    CompactReport,
    Event,
    Health,
    Page,
    Policy,
    PrefixLimit,
    Stats,
    SweepReport,
    VerifyProgress,
    VerifyReport,
)

__all__ = [
    "FACES",
    "Account",
    "Batch",
    "Blob",
    "Digest",
    "Entries",
    "Entry",
    "Events",
    "ManualClock",
    "Reader",
    "Signer",
    "Store",
    "Writer",
    "__version__",
    "_panic_for_tests",
    "restore",
]

_T = TypeVar("_T")

@type_check_only
class BinaryFile(Protocol):
    """What is read from: a file that was opened in binary mode."""

    def read(self, size: int, /) -> Buffer: ...

Content: TypeAlias = Buffer | BinaryFile | Iterable[Buffer]
DigestLike: TypeAlias = Digest | str | bytes

@type_check_only
class PutFacts(TypedDict, total=False):
    """What a put sets and asks for beside the content."""

    content_type: str | None
    cache_control: str | None
    content_disposition: str | None
    metadata: Mapping[str, str] | None
    ttl: timedelta | float | Literal["never", "policy"] | None
    expires_at: datetime | None
    if_absent: bool
    if_match: DigestLike | None
    if_generation: int | None
    expect_digest: DigestLike | None
    expect_md5: str | bytes | None
    expect_sha256: str | bytes | None
    prefix_limit: PrefixLimit | None

@type_check_only
class PutOptions(PutFacts, total=False):
    """The options of a put."""

    durability: Literal["sync", "os"] | None

__version__: Final[str]
FACES: Final[list[tuple[str, str]]]

@final
class Digest:
    """The BLAKE3 hash of a content: 32 bytes, shown as 64 hex digits.

    Made from hex digits or from 32 bytes; ``Digest.of(data)`` computes one. Digests compare, hash, sort and
    pickle by value.
    """

    def __new__(cls, value: DigestLike, /) -> Self: ...
    @staticmethod
    def of(data: Buffer, /) -> Digest:
        """The digest of a buffer's bytes."""

    def hexdigest(self) -> str:
        """The digest as 64 hex digits."""

    def __bytes__(self) -> bytes: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __lt__(self, other: Digest, /) -> bool: ...
    def __le__(self, other: Digest, /) -> bool: ...
    def __gt__(self, other: Digest, /) -> bool: ...
    def __ge__(self, other: Digest, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[type[Digest], tuple[str]]: ...

@final
class Entry:
    """The facts of one name: what it holds, how it is to be served, and since and until when.

    Entries compare, hash and pickle by value. Datetimes are aware, in UTC, in whole milliseconds.
    """

    def __new__(
        cls,
        name: str,
        digest: DigestLike,
        size: int,
        *,
        content_type: str | None = None,
        cache_control: str | None = None,
        content_disposition: str | None = None,
        metadata: Mapping[str, str] | None = None,
        created_at: datetime,
        updated_at: datetime,
        expires_at: datetime | None = None,
        generation: int,
    ) -> Self: ...
    @property
    def name(self) -> str:
        """The name, within its account."""

    @property
    def digest(self) -> Digest:
        """The BLAKE3 digest of the content; a good ETag."""

    @property
    def size(self) -> int:
        """The length of the content in bytes."""

    @property
    def content_type(self) -> str | None:
        """The media type the content was stored with, if any."""

    @property
    def cache_control(self) -> str | None:
        """The ``Cache-Control`` it is to be served with, if any."""

    @property
    def content_disposition(self) -> str | None:
        """The ``Content-Disposition`` it is to be served with, if any."""

    @property
    def metadata(self) -> dict[str, str]:
        """The caller's own pairs; a dict of its own at each call."""

    @property
    def created_at(self) -> datetime:
        """When the name came to life; overwriting keeps it."""

    @property
    def updated_at(self) -> datetime:
        """When the entry was last put or updated."""

    @property
    def expires_at(self) -> datetime | None:
        """From this instant on the name is gone; ``None`` is never."""

    @property
    def generation(self) -> int:
        """Grows with every change of the name; never used twice in a store."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs_ex__(self) -> tuple[tuple[str, Digest, int], dict[str, Any]]: ...

@final
class Blob(Buffer):
    """The content of a name, with the name's facts.

    A read-only buffer over the store's own memory map: ``memoryview(blob)``, ``numpy.frombuffer(blob)`` and
    slices of it copy nothing. It stays valid after the name was overwritten or deleted and after the store was
    compacted or closed. ``bytes(blob)`` copies.
    """

    @property
    def entry(self) -> Entry:
        """The facts of the name at the time of the read."""

    @property
    def digest(self) -> Digest:
        """The BLAKE3 digest of the name's whole content."""

    def hexdigest(self) -> str:
        """The BLAKE3 digest of the name's whole content, as 64 hex digits."""

    def tobytes(self) -> bytes:
        """A copy of the bytes."""

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The bytes as text."""

    if sys.version_info >= (3, 12):
        def __buffer__(self, flags: int, /) -> memoryview: ...

    def __bytes__(self) -> bytes: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    @overload
    def __getitem__(self, index: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, part: slice[Any, Any, None], /) -> Blob: ...
    @overload
    def __getitem__(self, part: slice, /) -> Blob | bytes: ...
    def __iter__(self) -> Iterator[int]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class ManualClock:
    """A clock for tests, which stands still until it is told otherwise.

    ``mediacask.open(path, clock=clock)`` reads the time from it, so that a test of what happens in 48 hours
    takes no 48 hours. It calls nothing in Python: the store may look at it from any thread at any time.
    """

    def __new__(cls, start: datetime | None = None) -> Self: ...
    def now(self) -> datetime:
        """The time it shows, an aware datetime in UTC."""

    def set(self, to: datetime, /) -> None:
        """Sets it to an aware datetime, forward or back."""

    def advance(self, by: timedelta | float, /) -> None:
        """Moves it on by a timedelta or a number of seconds."""

@final
class Reader:
    """Reads the content of a name, of any size; each chunk of 64 KiB is checked as it is touched."""

    @property
    def entry(self) -> Entry:
        """The facts of the name at the time of the opening."""

    @property
    def size(self) -> int:
        """The length of the content in bytes."""

    def readinto(self, buffer: Buffer, /) -> int:
        """Fills a writable buffer as far as the content goes; says how far."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Moves to an offset: from the start (0), from here (1), or from the end (2)."""

    def close(self) -> None:
        """Lets go of the content."""

@final
class Writer:
    """Takes content in pieces; nothing is stored unless it is committed."""

    def write(self, data: Buffer, /) -> int:
        """Takes a buffer's bytes; says how many."""

    def commit(self) -> Entry:
        """Stores what was written, all of it or, on an error, nothing."""

    def abort(self) -> None:
        """Lets go of what was written."""

@final
class Entries:
    """Entries of a listing, fetched page after page; what `Account.entries` gives."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> Entry: ...

@final
class Events:
    """The feed of what happens to names; made by `Store.events`.

    Iterating gives what has happened so far; iterating again gives what has happened since. ``wait`` waits for it.
    """

    def wait(self, timeout: timedelta | float | None = None) -> Event | None:
        """The next event; waits for it as long as ``timeout``, a timedelta or seconds, and gives None after that.
        Without one it waits for ever.

        The interpreter lock is released meanwhile, and signals are heard. StoreClosedError when the store is
        closed.
        """

    def seen(self) -> int:
        """The sequence number up to which everything was given: ``Store.events`` goes on from here, in another
        process, too. A better thing to keep than the last event's: it falls behind the floor later.
        """

    def __iter__(self) -> Self: ...
    def __next__(self) -> Event: ...

@disjoint_base
class Batch:
    """Several puts and deletes of one account, all or nothing, across a crash too."""

    def __new__(cls, account: Account, *, durability: Literal["sync", "os"] | None = None) -> Self: ...
    def put(
        self,
        name: str,
        content: Content,
        *,
        content_type: str | None = None,
        cache_control: str | None = None,
        content_disposition: str | None = None,
        metadata: Mapping[str, str] | None = None,
        ttl: timedelta | float | Literal["never", "policy"] | None = None,
        expires_at: datetime | None = None,
        if_absent: bool = False,
        if_match: DigestLike | None = None,
        if_generation: int | None = None,
        expect_digest: DigestLike | None = None,
        expect_md5: str | bytes | None = None,
        expect_sha256: str | bytes | None = None,
        prefix_limit: PrefixLimit | None = None,
    ) -> None:
        """Adds a put. Takes what ``Account.put`` takes; the durability is the batch's own."""

    def delete(self, name: str, *, if_match: DigestLike | None = None, if_generation: int | None = None) -> None:
        """Adds a delete."""

    def commit(self) -> list[Entry | bool]:
        """Does all of it, or, on an error, nothing. Gives what became of each operation, in their order: the
        entry that a put has made, and whether there was something to delete."""

    def abort(self) -> None:
        """Lets go of it: nothing happens."""

@disjoint_base
class Account:
    """The names of one account; `mediacask.Account` makes a mapping of it."""

    def __new__(cls, store: Store, name: str) -> Self: ...
    @property
    def name(self) -> str:
        """The account's own name."""

    def put(
        self,
        name: str,
        content: Content,
        *,
        content_type: str | None = None,
        cache_control: str | None = None,
        content_disposition: str | None = None,
        metadata: Mapping[str, str] | None = None,
        ttl: timedelta | float | Literal["never", "policy"] | None = None,
        expires_at: datetime | None = None,
        if_absent: bool = False,
        if_match: DigestLike | None = None,
        if_generation: int | None = None,
        expect_digest: DigestLike | None = None,
        expect_md5: str | bytes | None = None,
        expect_sha256: str | bytes | None = None,
        durability: Literal["sync", "os"] | None = None,
        prefix_limit: PrefixLimit | None = None,
    ) -> Entry:
        """Stores ``content`` under ``name``, in the place of what was there; the time to live starts anew.

        All or nothing: readers see the old version or the new one. Durable when this returns, unless
        ``durability`` says otherwise. Content that the account holds already is not written again.

        ``content`` is anything with a contiguous buffer (bytes, bytearray, memoryview, numpy, array, ...), a
        binary file, or an iterable of buffers; files and iterables are read in bounded memory. A ``str`` is
        refused: encode it.

        content_type, cache_control, content_disposition
            How the content is to be served.
        metadata
            Pairs of texts of your own.
        ttl
            How long it lives: a timedelta or seconds; ``"never"`` ends; ``"policy"`` (the default) as the
            account's policy says.
        expires_at
            Until when it lives, an aware datetime; instead of ``ttl``.
        if_absent, if_match, if_generation
            Only if the name is free; still holds this digest; is still this very entry. Else
            PreconditionFailedError, and nothing was changed.
        expect_digest, expect_md5, expect_sha256
            Only if the content has this BLAKE3 digest, MD5, SHA-256. Else DigestMismatchError.
        durability
            ``"sync"``: it survives the power cut when this returns. ``"os"``: it survives the death of this
            process; the store syncs behind.
        prefix_limit
            A PrefixLimit: how many names, of how many bytes together, may live under a prefix.

        Gives the new entry.

        >>> entry = media.put("logo.png", data, content_type="image/png", ttl=timedelta(hours=48))
        """

    def put_file(
        self,
        name: str,
        path: str | PathLike[str],
        *,
        content_type: str | None = None,
        cache_control: str | None = None,
        content_disposition: str | None = None,
        metadata: Mapping[str, str] | None = None,
        ttl: timedelta | float | Literal["never", "policy"] | None = None,
        expires_at: datetime | None = None,
        if_absent: bool = False,
        if_match: DigestLike | None = None,
        if_generation: int | None = None,
        expect_digest: DigestLike | None = None,
        expect_md5: str | bytes | None = None,
        expect_sha256: str | bytes | None = None,
        durability: Literal["sync", "os"] | None = None,
        prefix_limit: PrefixLimit | None = None,
    ) -> Entry:
        """Stores the content of the file at ``path`` under ``name``; takes the options of ``put``.

        The file is read without the interpreter lock, in bounded memory. Signals are heard meanwhile: what their
        handler raises, such as KeyboardInterrupt, breaks it off, and nothing is stored.
        """

    def _writer(self, name: str, **named: Unpack[PutOptions]) -> Writer:
        """A writer of content in pieces; `open` makes a file of it."""

    def _reader(self, name: str, /) -> Reader | None:
        """A reader of the content, ``None`` when there is no such name; `open` makes a file of it."""

    @overload
    def get(self, name: str, default: None = None, /) -> Blob | None:
        """The content of ``name``, all of it checked, or ``default`` when there is no such name. No copy is made."""

    @overload
    def get(self, name: str, default: _T, /) -> Blob | _T: ...
    def get_range(self, name: str, start: int = 0, stop: int | None = None) -> Blob | None:
        """The bytes from ``start`` to before ``stop`` of the content of ``name``; ``None`` when there is no such
        name. Only what they touch is read and checked.

        A stop beyond the content is brought back to it; a start beyond it raises InvalidOptionError.
        """

    def head(self, name: str) -> Entry | None:
        """The facts of ``name`` without its content; ``None`` when there is no such name."""

    def delete(
        self,
        name: str,
        *,
        if_match: DigestLike | None = None,
        if_generation: int | None = None,
        durability: Literal["sync", "os"] | None = None,
    ) -> bool:
        """Takes ``name`` down; says whether it was there. Durable when this returns, unless told otherwise."""

    def list(
        self,
        *,
        prefix: str = "",
        delimiter: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        limit: int | None = None,
        token: str | None = None,
    ) -> Page:
        """One page of names, in the bytewise order of UTF-8.

        prefix
            Only names that begin with it.
        delimiter
            Names that hold it after the prefix are rolled up into one common prefix each.
        created_from, created_to
            Only entries created at or after, and before, these aware datetimes. A scan.
        limit
            Most entries and prefixes on the page, 1 to 1000.
        token
            The ``next_token`` of the page before.

        Going from page to page, a name that lives through the whole walk is returned exactly once, whatever is
        written meanwhile. A page may be short and still have a token; the last has none.
        """

    def entries(
        self,
        *,
        prefix: str = "",
        delimiter: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        limit: int | None = None,
        token: str | None = None,
    ) -> Entries:
        """All entries that the filters of ``list`` let through, page after page, fetched as you go."""

    def _count(self) -> int:
        """How many names a walk finds, without making anything of them."""

    def update(
        self,
        name: str,
        *,
        content_type: str | None | EllipsisType = ...,
        cache_control: str | None | EllipsisType = ...,
        content_disposition: str | None | EllipsisType = ...,
        metadata: Mapping[str, str | None] | None = None,
        ttl: timedelta | float | Literal["never", "policy"] | None = None,
        expires_at: datetime | None = None,
        if_match: DigestLike | None = None,
        if_generation: int | None = None,
        durability: Literal["sync", "os"] | None = None,
    ) -> Entry | None:
        """Changes facts and lifetime of ``name`` without touching its content."""

    def copy(
        self,
        source: str,
        target: str,
        *,
        account: Account | None = None,
        content_type: str | None = None,
        cache_control: str | None = None,
        content_disposition: str | None = None,
        metadata: Mapping[str, str] | None = None,
        ttl: timedelta | float | Literal["never", "policy"] | None = None,
        expires_at: datetime | None = None,
        if_absent: bool = False,
        if_match: DigestLike | None = None,
        if_generation: int | None = None,
        expect_digest: DigestLike | None = None,
        expect_md5: str | bytes | None = None,
        expect_sha256: str | bytes | None = None,
        durability: Literal["sync", "os"] | None = None,
        prefix_limit: PrefixLimit | None = None,
    ) -> Entry | None:
        """Gives the content of ``source`` a second name, ``target``; ``None`` when there is no such source.

        Within an account no byte is moved. ``account`` puts the copy into another account of the same store.
        The options are those of ``put``: facts that are given replace those of the source, whose others come
        along; the lifetime is that of the options, not of the source.
        """

    def purge(self, prefix: str) -> int:
        """Takes down every name that begins with ``prefix``, all of them with ``""``; gives their number.

        In turns, each durable; if it is broken off, calling it again goes on.
        """

    def policy(self) -> Policy:
        """What holds for the puts of this account, a ``Policy``."""

    def set_policy(self, policy: Policy) -> None:
        """Sets what holds for the puts of this account from now on; names that are there stay as they are."""

    def stats(self) -> AccountStats:
        """What the account holds in all, counted as it goes; expired names until they are swept."""

    def __getitem__(self, name: str, /) -> Blob: ...
    def __setitem__(self, name: str, content: Content, /) -> None: ...
    def __delitem__(self, name: str, /) -> None: ...
    def __contains__(self, name: object, /) -> bool: ...

@final
class Signer:
    """Signs grants, and verifies them: texts that let whoever shows one read one name for a while.

    A grant is what makes a URL a signed one, whatever the URL looks like. It needs no store: processes that share a
    key sign and verify each other's grants. ``Store.signer()`` gives one with the store's own key.

    keys
        A mapping of ids, 1 to 32 visible characters of ASCII, to secrets of 32 random bytes. The first one signs,
        all of them are accepted. To change keys, let every process accept the new one; then put it first; when the
        longest grant is over, drop the old one.
    clock
        A `ManualClock` for tests of what happens in time.

    >>> signer = mediacask.Signer({"2026-11": new_secret, "2026-10": old_secret})
    """

    def __new__(cls, keys: Mapping[str, bytes], *, clock: ManualClock | None = None) -> Self: ...
    def sign(
        self,
        account: str,
        name: str,
        *,
        method: Literal["get", "head"] = "get",
        ttl: timedelta | float | None = None,
    ) -> str:
        """The text of a grant that begins now, of at most 79 characters that stand in a URL as they are.

        method
            ``"get"``: facts and content; ``"head"``: facts only.
        ttl
            For how long: a timedelta or seconds, up to a week. Default four hours.

        Nobody is asked whether the name is there.

        >>> url = f"https://media.example.com/5500001/logo.png?grant={signer.sign('5500001', 'logo.png')}"
        """

    def verify(self, text: str, account: str, name: str, *, method: Literal["get", "head"] = "get") -> datetime:
        """Until when ``text`` lets its bearer do that with that name, an aware datetime.

        InvalidTokenError when it was altered or made up, or is for another name, account or method; UnknownKeyError
        when its key is none of these; ExpiredTokenError when it is genuine, and its time is over.
        """

@disjoint_base
class Store:
    """An open store; `mediacask.Store` is what `mediacask.open` gives."""

    def __new__(
        cls,
        path: str | PathLike[str],
        *,
        create: bool = True,
        dedup: Literal["account", "store"] = "account",
        durability: Literal["sync", "os"] = "sync",
        verify: Literal["always", "once", "never"] = "always",
        upkeep: Literal["background", "by_hand"] = "background",
        os_sync_interval: timedelta | float | None = None,
        file_threshold: int | None = None,
        segment_len: int | None = None,
        index_cache_bytes: int | None = None,
        space_amplification: float | None = None,
        events_keep: timedelta | float | None = None,
        erase_within: timedelta | float | None = None,
        clock: ManualClock | None = None,
    ) -> Self: ...
    @property
    def path(self) -> Path:
        """The store's directory."""

    @property
    def closed(self) -> bool:
        """Whether it was closed."""

    def signer(self) -> Signer:
        """Signs and verifies grants by the store's own key, with the store's clock. The key's id is ``store``; it is
        made with the store, and kept in it and its checkpoints.
        """

    def accounts(self) -> list[AccountStats]:
        """The accounts that hold names or have a policy, with what they hold, in the bytewise order of UTF-8."""

    def sync(self) -> None:
        """Makes every write that was acknowledged so far durable, those with ``durability="os"``, too."""

    def sweep(self) -> SweepReport:
        """Ends every entry whose time has come and frees what can be freed, now; the background does the same
        behind. Readers do not need it: what has expired is gone for them at once.
        """

    def compact(self) -> CompactReport:
        """Frees what segments hold that is needed no more, now; the background does the same when the store takes
        more than ``space_amplification`` allows. Blobs that are held stay what they are.
        """

    def verify(
        self,
        *,
        bytes_per_sec: int = 0,
        resume: str | None = None,
        repair: bool = False,
        progress: Callable[[VerifyProgress], object] | None = None,
    ) -> VerifyReport:
        """Reads everything that was written and holds it against its checksums, while others read and write.

        bytes_per_sec
            Most bytes to read in a second, on average; 0 is as many as it can.
        resume
            Goes on where an earlier one was broken off: the ``resume`` of its report.
        repair
            Whether to set aside what cannot be read, end the names that held it, and write anew what can be
            told from elsewhere; else it is only said what would be done.
        progress
            Called with a VerifyProgress now and then. If it returns False, the verification is broken off.

        Gives a VerifyReport. An exception of ``progress``, or a signal's, breaks it off and is raised.
        """

    def checkpoint(self, dest: str | PathLike[str]) -> CheckpointReport:
        """Makes a consistent copy of the store in the directory ``dest``, while others write: what was acknowledged
        before is in it. A store can be opened there, and ``mediacask.restore`` brings it back.

        What never changes any more is linked, where the file system allows, and takes no space; the rest is
        copied. Another checkpoint into the same directory brings only what is new. ``dest`` is new, empty, or
        holds an earlier checkpoint of this store.
        """

    def checkpoint_catalog(self) -> None:
        """Writes the catalog down, so that the next open need not read the log; the background and ``close`` do
        the same.
        """

    def rebuild_index(self, progress: Callable[[int, int], object] | None = None) -> int:
        """Drops the index and builds it anew from the log; gives the number of rows.

        ``progress(done, total)`` is called as it goes. What it raises is raised when the index is built.
        """

    def names_of(self, digest: DigestLike, /) -> list[tuple[str, Entry]]:
        """Every name, of whatever account, that holds this content: pairs of account and entry. A scan.

        For the owner of the store: a digest is not a permission.
        """

    def purge_digest(self, digest: DigestLike, /) -> int:
        """Takes down every name, of whatever account, that holds this content; gives their number.

        While it runs the content cannot be put. If it is broken off, calling it again goes on.
        """

    def events(self, after: int = 0) -> Events:
        """The feed of what happens to names, in order: what has a higher sequence number than ``after``.

        ``after`` is the ``sequence`` of the last event that was seen, ``events_floor()``, or 0 for all there is.
        What has been compacted away cannot be told: below the floor it raises InvalidTokenError. List the
        accounts then, and go on from the floor.
        """

    def events_floor(self) -> int:
        """The highest sequence number of which a record may have been compacted away; 0 while all is there."""

    def stats(self) -> Stats:
        """What the store holds and has done, a ``Stats``."""

    def health(self) -> Health:
        """How the store does, a ``Health``; works after an error has stopped all writing, and after close, too."""

    def close(self) -> None:
        """Makes everything durable, writes catalog and index down, and lets other processes have the store.

        Whatever was got from it answers StoreClosedError from then on; blobs that are held stay valid. Closing
        twice is closing once.
        """

def restore(checkpoint: str | PathLike[str], dest: str | PathLike[str]) -> CheckpointReport:
    """Brings a checkpoint back into the directory ``dest``, which is new or empty; a store can be opened there then.

    By hard links where the file system allows; the checkpoint stays as it is.
    """

def _panic_for_tests() -> None:
    """Panics where every call of the store runs: so that a test can see what a bug in it would look like."""
