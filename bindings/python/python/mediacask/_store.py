"""Stores as context managers that pickle by path, and that the end of the interpreter closes."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from . import _mediacask
from ._account import Account, Batch
from ._errors import MediacaskError
from ._mediacask import Blob, Entry, ManualClock

if TYPE_CHECKING:
    from ._mediacask import Content, PutOptions

_D = TypeVar("_D")

# The stores that are open in this process, for pickles that come back to it and for the end of the interpreter.
_open_stores: weakref.WeakSet[Store] = weakref.WeakSet()
_guard = threading.Lock()
# Held while a store is looked for and opened, so that two threads that want the same one get the same one.
_opening = threading.Lock()


def _renew() -> None:
    """In a child of a fork: whoever held these is not in it."""
    global _guard, _opening
    _guard, _opening = threading.Lock(), threading.Lock()


os.register_at_fork(after_in_child=_renew)


class Store(_mediacask.Store):
    """A store of media in a directory, open in this process and in no other; made by `mediacask.open`.

    To be used from any thread. Leaving its ``with`` block closes it, and so does the end of the interpreter.
    It pickles as path and options: unpickling gives the store that is open in the process, or opens it there.
    """

    _options: dict[str, Any]

    def __new__(cls, path: str | os.PathLike[str], **options: Any) -> Store:
        self = super().__new__(cls, path, **options)
        self._options = options
        with _guard:
            _open_stores.add(self)
        return self

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None: ...

    def account(self, name: str) -> Account:
        """The account of this name, 1 to 255 bytes of UTF-8 without NUL. It needs no making."""
        return Account(self, name)

    def put(self, account: str, name: str, content: Content, **options: Unpack[PutOptions]) -> Entry:
        """Stores ``content`` under ``name`` of ``account``, in the place of what was there; gives the new entry.

        All or nothing, and durable when this returns. ``content`` is anything with a contiguous buffer (bytes,
        bytearray, memoryview, numpy, array, ...), a binary file, or an iterable of buffers. The same as
        ``store.account(account).put(name, content, ...)``; of its options these are used most:

        content_type, cache_control, content_disposition
            How the content is to be served.
        metadata
            Pairs of texts of your own.
        ttl, expires_at
            How long it lives, a timedelta or seconds; or until when, an aware datetime.
        if_absent, if_match
            Only if the name is free; only if it still holds this digest. Else PreconditionFailedError.

        ``help(mediacask.Account.put)`` has all of them.

        >>> entry = store.put("5500001", "logo.png", data, content_type="image/png", ttl=timedelta(hours=48))
        """
        return self.account(account).put(name, content, **options)

    @overload
    def get(self, account: str, name: str, default: None = None, /) -> Blob | None: ...
    @overload
    def get(self, account: str, name: str, default: _D, /) -> Blob | _D: ...
    def get(self, account: str, name: str, default: object = None, /) -> object:
        """The content of ``name`` of ``account``, or ``default`` when there is no such name.

        The same as ``store.account(account).get(name, default)``.
        """
        return self.account(account).get(name, default)

    def batch(self, account: str, *, durability: Literal["sync", "os"] | None = None) -> Batch:
        """A batch of puts and deletes of one account; see `Account.batch`."""
        return self.account(account).batch(durability=durability)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        if self._options.get("clock") is not None:
            raise TypeError("a store with a clock of its own cannot be pickled: the clock is of this process")
        return _opened, (os.fspath(self.path.absolute()), self._options)

    def __repr__(self) -> str:
        return f"<mediacask.Store {str(self.path)!r}>"


def open(
    path: str | os.PathLike[str],
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
) -> Store:
    """Opens the store in the directory ``path``, or makes it.

    What an earlier process left is brought back first, however it ended. StoreLockedError while another process
    has it; its ``pid`` says which.

    create
        Whether a missing or empty directory becomes a store.
    dedup
        Among whose names equal content is stored once: those of each account, or of the whole store, where one
        account could learn by timing what another has. Fixed when the store is made.
    durability
        When writes that do not say otherwise are acknowledged: after fdatasync (``"sync"``), or after the write
        (``"os"``), synced behind.
    verify
        How much of the content is checked when it is read: every chunk that is touched, at each read, or once
        since the store was opened, or none.
    upkeep
        Who sweeps, writes checkpoints and prepares segments: a thread of the store's, or the caller by hand.
    os_sync_interval
        How long an ``"os"`` write may stay unsynced: a timedelta or seconds. Default 100 ms.
    file_threshold
        Content of this many bytes or more is kept as a file of its own. Default 4 MiB.
    segment_len
        Bytes of every segment of the log. Default 8 MiB while the store is small, then 128 MiB.
    index_cache_bytes
        Bytes the index may cache. Default 64 MiB.
    space_amplification
        How many bytes the segments may take for each byte of them that is needed, at least 1.05. Default 1.3;
        beyond it compaction frees the rest.
    events_keep
        For how long what happened is kept to be told of, when there is the room: a timedelta or seconds. Default
        an hour.
    erase_within
        When this long has passed, what was deleted, overwritten or has expired is in no file of the store: a
        timedelta or seconds, a minute at least. The background sees to it from half of it on; by hand
        `Store.sweep` does when it is due, `Store.compact` at once. `Store.health` says when it could not be kept.
    clock
        A `ManualClock` for tests of what happens in time.
    """
    options = {
        "create": create,
        "dedup": dedup,
        "durability": durability,
        "verify": verify,
        "upkeep": upkeep,
        "os_sync_interval": os_sync_interval,
        "file_threshold": file_threshold,
        "segment_len": segment_len,
        "index_cache_bytes": index_cache_bytes,
        "space_amplification": space_amplification,
        "events_keep": events_keep,
        "erase_within": erase_within,
        "clock": clock,
    }
    return Store(path, **options)


def _opened(path: str, options: dict[str, Any]) -> Store:
    """The store that is open at ``path`` in this process, or else one that is opened now."""
    wanted = os.path.realpath(path)
    with _opening:
        with _guard:
            known = list(_open_stores)
        for store in known:
            if os.path.realpath(store.path) == wanted and not store.closed and not _is_forked(store):
                return store
        return Store(Path(path), **options)


def _is_forked(store: Store) -> bool:
    try:
        store.stats()
    except MediacaskError:
        return True
    return False


@atexit.register
def _close_all() -> None:
    """Closes what is still open, so that the next open finds everything written down."""
    for store in list(_open_stores):
        try:
            store.close()
        except MediacaskError:
            # A child that inherited it has nothing to close; another error has nobody left to hear it.
            pass
