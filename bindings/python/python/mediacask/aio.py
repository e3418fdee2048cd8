"""The same names, awaitable: `mediacask` for asyncio.

    import mediacask.aio

    async with mediacask.aio.open("media.cask") as store:
        media = store.account("5500001")
        entry = await media.put("voice.ogg", request.stream())     # an async iterable goes in, too
        blob = await media.get("voice.ogg")
        async for entry in media.entries(prefix="img/"):
            ...

Each store has a pool of threads of its own: what waits for the disk holds up neither the event loop nor the loop's
default executor. When a task is cancelled, what it has begun in the store happens as a whole or not at all: a put
that was under way may still complete; content that was coming in pieces is dropped.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from types import EllipsisType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, ParamSpec, TypeVar, Unpack, overload

import mediacask

from ._mediacask import Blob, Entry, Signer
from ._values import (
    AccountStats,
    CheckpointReport,
    CompactReport,
    Event,
    Health,
    Page,
    Policy,
    Stats,
    SweepReport,
    VerifyProgress,
    VerifyReport,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ._mediacask import Content, DigestLike, PutFacts, PutOptions

__all__ = ["Account", "Batch", "BlobReader", "BlobWriter", "Events", "Store", "open"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_D = TypeVar("_D")

# How long one thread is kept by a wait for events that nobody may be waiting for any more.
_TURN = 0.25


class _Pool:
    """Threads that do the calls of one store."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="mediacask")
        self._process = os.getpid()
        self._ended = False

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "what mediacask.aio gives belongs to its process and its threads, and cannot be pickled or copied deeply: "
            "pickle the mediacask.Store or the path, and open it where it arrives"
        )

    def submit(self, call: Callable[_P, _T], *args: _P.args, **named: _P.kwargs) -> Future[_T]:
        if self._ended or self._process != os.getpid():
            # There are no threads any more, or none in this child; the store answers at once that it was closed, or
            # forked.
            future: Future[_T] = Future()
            try:
                future.set_result(call(*args, **named))
            except Exception as error:
                future.set_exception(error)
            return future
        return self._threads.submit(call, *args, **named)

    async def run(self, call: Callable[_P, _T], *args: _P.args, **named: _P.kwargs) -> _T:
        return await asyncio.wrap_future(self.submit(call, *args, **named))

    async def finish(self, call: Callable[_P, _T], *args: _P.args, **named: _P.kwargs) -> _T:
        """Runs to its end, also when the task that waits is cancelled."""
        return await asyncio.shield(asyncio.wrap_future(self.submit(call, *args, **named)))

    def end(self) -> None:
        self._ended = True
        self._threads.shutdown(wait=False)


class Store:
    """A store, awaitable; made by `open`, or around a `mediacask.Store` that is open."""

    def __init__(self, store: mediacask.Store, *, threads: int = 8) -> None:
        self._store = store
        self._pool = _Pool(threads)

    @property
    def path(self) -> Path:
        """The store's directory."""
        return self._store.path

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._store.closed

    def account(self, name: str) -> Account:
        """The account of this name. It needs no making and no waiting."""
        return Account(self._store.account(name), self._pool)

    async def put(
        self, account: str, name: str, content: Content | AsyncIterable[Buffer], **options: Unpack[PutOptions]
    ) -> Entry:
        """Stores ``content`` under ``name`` of ``account``, as `Account.put` does."""
        return await self.account(account).put(name, content, **options)

    @overload
    async def get(self, account: str, name: str, default: None = None, /) -> Blob | None: ...
    @overload
    async def get(self, account: str, name: str, default: _D, /) -> Blob | _D: ...
    async def get(self, account: str, name: str, default: object = None, /) -> object:
        """The content of ``name`` of ``account``, or ``default`` when there is no such name."""
        return await self.account(account).get(name, default)

    def batch(self, account: str, *, durability: Literal["sync", "os"] | None = None) -> Batch:
        """A batch of puts and deletes of one account: ``async with store.batch(account) as batch``."""
        return self.account(account).batch(durability=durability)

    def signer(self) -> Signer:
        """Signs and verifies grants by the store's own key. It waits for nothing."""
        return self._store.signer()

    async def accounts(self) -> list[AccountStats]:
        """The accounts that hold names or have a policy, with what they hold."""
        return await self._pool.run(self._store.accounts)

    async def stats(self) -> Stats:
        """What the store holds and has done."""
        return await self._pool.run(self._store.stats)

    async def health(self) -> Health:
        """How the store does."""
        return await self._pool.run(self._store.health)

    async def sync(self) -> None:
        """Makes every write that was acknowledged so far durable."""
        await self._pool.run(self._store.sync)

    async def sweep(self) -> SweepReport:
        """Ends every entry whose time has come and frees what can be freed, now."""
        return await self._pool.run(self._store.sweep)

    async def compact(self) -> CompactReport:
        """Frees what segments hold that is needed no more, now."""
        return await self._pool.run(self._store.compact)

    async def verify(
        self,
        *,
        bytes_per_sec: int = 0,
        resume: str | None = None,
        repair: bool = False,
        progress: Callable[[VerifyProgress], object] | None = None,
    ) -> VerifyReport:
        """Reads everything and holds it against its checksums; ``progress`` is called in a thread of the pool.

        When the task is cancelled, the verification is broken off.
        """
        cancelled = threading.Event()

        def hear(so_far: VerifyProgress) -> object:
            return False if cancelled.is_set() else progress and progress(so_far)

        try:
            return await self._pool.run(
                self._store.verify, bytes_per_sec=bytes_per_sec, resume=resume, repair=repair, progress=hear
            )
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def checkpoint(self, dest: str | os.PathLike[str]) -> CheckpointReport:
        """Makes a consistent copy of the store in a directory of its own, while others write."""
        return await self._pool.run(self._store.checkpoint, dest)

    async def checkpoint_catalog(self) -> None:
        """Writes the catalog down, so that the next open need not read the log."""
        await self._pool.run(self._store.checkpoint_catalog)

    async def rebuild_index(self, progress: Callable[[int, int], object] | None = None) -> int:
        """Drops the index and builds it anew; ``progress(done, total)`` is called in a thread of the pool."""
        return await self._pool.run(self._store.rebuild_index, progress)

    async def names_of(self, digest: DigestLike, /) -> list[tuple[str, Entry]]:
        """Every name, of whatever account, that holds this content."""
        return await self._pool.run(self._store.names_of, digest)

    async def purge_digest(self, digest: DigestLike, /) -> int:
        """Takes down every name, of whatever account, that holds this content; gives their number."""
        return await self._pool.run(self._store.purge_digest, digest)

    async def events(self, after: int = 0) -> Events:
        """The feed of what happens to names: what has a higher sequence number than ``after``."""
        return Events(await self._pool.run(self._store.events, after), self._pool)

    async def events_floor(self) -> int:
        """The highest sequence number of which a record may have been compacted away."""
        return await self._pool.run(self._store.events_floor)

    async def close(self) -> None:
        """Closes the store and lets its threads go."""
        try:
            await self._pool.finish(self._store.close)
        finally:
            self._pool.end()

    async def __aenter__(self) -> Store:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<mediacask.aio.Store {str(self._store.path)!r}>"


class _Opening:
    """An open under way: to be awaited, or entered."""

    def __init__(self, path: str | os.PathLike[str], threads: int, options: dict[str, Any]) -> None:
        self._path, self._threads, self._options = path, threads, options
        self._store: Store | None = None

    async def _open(self) -> Store:
        pool = _Pool(1)
        opening = pool.submit(mediacask.Store, self._path, **self._options)
        try:
            return Store(await asyncio.wrap_future(opening), threads=self._threads)
        except asyncio.CancelledError:
            # Nobody will have the store that may still be opened: it is closed as soon as it is.
            opening.add_done_callback(_close_unwanted)
            raise
        finally:
            pool.end()

    def __await__(self) -> Generator[Any, None, Store]:
        return self._open().__await__()

    async def __aenter__(self) -> Store:
        self._store = await self._open()
        return self._store

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._store is not None:
            await self._store.close()


def _close_unwanted(opening: Future[mediacask.Store]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def open(path: str | os.PathLike[str], *, threads: int = 8, **options: Any) -> _Opening:
    """Opens the store in the directory ``path``, or makes it: ``async with open(path) as store``, or ``await``.

    ``threads`` is how many calls can be under way at once; the other options are those of `mediacask.open`.
    """
    return _Opening(path, threads, options)


class Account:
    """The names of one account, awaitable. Not a mapping: a subscript cannot be awaited; say ``get`` and ``put``."""

    def __init__(self, account: mediacask.Account, pool: _Pool) -> None:
        self._account, self._pool = account, pool

    @property
    def name(self) -> str:
        """The account's own name."""
        return self._account.name

    async def put(
        self, name: str, content: Content | AsyncIterable[Buffer], **options: Unpack[PutOptions]
    ) -> Entry:
        """Stores ``content`` under ``name``: what `mediacask.Account.put` takes, or an async iterable of buffers.

        An async iterable is stored in bounded memory, as a whole or, when it or the task breaks off, not at all.
        """
        if isinstance(content, AsyncIterable):
            async with self.open(name, "wb", **options) as file:
                async for piece in content:
                    await file.write(piece)
                return await file.commit()
        return await self._pool.run(self._account.put, name, content, **options)

    async def put_file(self, name: str, path: str | os.PathLike[str], **options: Unpack[PutOptions]) -> Entry:
        """Stores the content of the file at ``path`` under ``name``."""
        return await self._pool.run(self._account.put_file, name, path, **options)

    @overload
    async def get(self, name: str, default: None = None, /) -> Blob | None: ...
    @overload
    async def get(self, name: str, default: _D, /) -> Blob | _D: ...
    async def get(self, name: str, default: object = None, /) -> object:
        """The content of ``name``, all of it checked, or ``default``. The blob itself is awaited no more."""
        return await self._pool.run(self._account.get, name, default)

    async def get_range(self, name: str, start: int = 0, stop: int | None = None) -> Blob | None:
        """The bytes from ``start`` to before ``stop`` of the content of ``name``."""
        return await self._pool.run(self._account.get_range, name, start, stop)

    async def head(self, name: str) -> Entry | None:
        """The facts of ``name`` without its content."""
        return await self._pool.run(self._account.head, name)

    async def contains(self, name: str) -> bool:
        """Whether there is such a name; ``in`` cannot be awaited."""
        return await self._pool.run(self._account.__contains__, name)

    async def delete(
        self,
        name: str,
        *,
        if_match: DigestLike | None = None,
        if_generation: int | None = None,
        durability: Literal["sync", "os"] | None = None,
    ) -> bool:
        """Takes ``name`` down; says whether it was there."""
        return await self._pool.run(
            self._account.delete, name, if_match=if_match, if_generation=if_generation, durability=durability
        )

    async def update(
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
        """Changes the facts and the lifetime of ``name`` without touching its content."""

        def update() -> Entry | None:
            return self._account.update(
                name,
                content_type=content_type,
                cache_control=cache_control,
                content_disposition=content_disposition,
                metadata=metadata,
                ttl=ttl,
                expires_at=expires_at,
                if_match=if_match,
                if_generation=if_generation,
                durability=durability,
            )

        return await self._pool.run(update)

    async def copy(
        self, source: str, target: str, *, account: Account | None = None, **options: Unpack[PutOptions]
    ) -> Entry | None:
        """Gives the content of ``source`` a second name, here or in another account of the same store."""
        other = None if account is None else account._account
        return await self._pool.run(self._account.copy, source, target, account=other, **options)

    async def purge(self, prefix: str) -> int:
        """Takes down every name that begins with ``prefix``; gives their number."""
        return await self._pool.run(self._account.purge, prefix)

    async def policy(self) -> Policy:
        """What holds for the puts of this account."""
        return await self._pool.run(self._account.policy)

    async def set_policy(self, policy: Policy) -> None:
        """Sets what holds for the puts of this account from now on."""
        await self._pool.run(self._account.set_policy, policy)

    async def stats(self) -> AccountStats:
        """What the account holds in all."""
        return await self._pool.run(self._account.stats)

    async def list(
        self,
        *,
        prefix: str = "",
        delimiter: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        limit: int | None = None,
        token: str | None = None,
    ) -> Page:
        """One page of names, in the bytewise order of UTF-8."""
        return await self._pool.run(
            self._account.list,
            prefix=prefix,
            delimiter=delimiter,
            created_from=created_from,
            created_to=created_to,
            limit=limit,
            token=token,
        )

    async def entries(
        self,
        *,
        prefix: str = "",
        delimiter: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        limit: int | None = None,
        token: str | None = None,
    ) -> AsyncIterator[Entry]:
        """All entries that the filters let through, page after page, fetched as you go: ``async for``."""
        while True:
            page = await self.list(
                prefix=prefix,
                delimiter=delimiter,
                created_from=created_from,
                created_to=created_to,
                limit=limit,
                token=token,
            )
            for entry in page.entries:
                yield entry
            token = page.next_token
            if token is None:
                return

    async def __aiter__(self) -> AsyncIterator[str]:
        async for entry in self.entries():
            yield entry.name

    @overload
    def open(self, name: str, mode: Literal["rb"] = "rb", **options: Unpack[PutOptions]) -> BlobReader: ...
    @overload
    def open(self, name: str, mode: Literal["wb", "xb"], **options: Unpack[PutOptions]) -> BlobWriter: ...
    def open(
        self, name: str, mode: Literal["rb", "wb", "xb"] = "rb", **options: Unpack[PutOptions]
    ) -> BlobReader | BlobWriter:
        """A file over ``name``: ``async with media.open(name) as file``. BlobNotFoundError when it is entered."""
        if mode == "rb":
            return BlobReader(self._account, name, self._pool)
        return BlobWriter(self._account, name, mode, options, self._pool)

    def batch(self, *, durability: Literal["sync", "os"] | None = None) -> Batch:
        """Puts and deletes that happen all together or not at all: ``async with media.batch() as batch``."""
        return Batch(self._account.batch(durability=durability), self._pool)

    def __repr__(self) -> str:
        return f"<mediacask.aio.Account {self.name!r}>"


class BlobReader:
    """A file open for reading. Iterating over it gives its content in pieces of 256 KiB."""

    def __init__(self, account: mediacask.Account, name: str, pool: _Pool) -> None:
        self._account, self.name, self._pool = account, name, pool
        self._file: mediacask.BlobReader | None = None

    @property
    def entry(self) -> Entry:
        """The facts of the name when the file was opened."""
        return self._opened().entry

    async def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, all that is left without one; none at the end."""
        return await self._pool.run(self._opened().read, size)

    async def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to an offset."""
        return await self._pool.run(self._opened().seek, offset, whence)

    async def tell(self) -> int:
        """Where it stands."""
        return self._opened().tell()

    async def close(self) -> None:
        """Lets go of the content."""
        await self._pool.finish(self._opened().close)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.read(256 * 1024):
            yield piece

    async def __aenter__(self) -> BlobReader:
        self._file = await self._pool.run(self._account.open, self.name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _opened(self) -> mediacask.BlobReader:
        if self._file is None:
            raise ValueError(f"{self.name!r} is not open yet: enter it by `async with`")
        return self._file


class BlobWriter:
    """A file open for writing: a clean end of its block stores, an exception or a cancellation stores nothing."""

    def __init__(
        self, account: mediacask.Account, name: str, mode: Literal["wb", "xb"], options: PutOptions, pool: _Pool
    ) -> None:
        self._account, self.name, self._mode, self._options, self._pool = account, name, mode, options, pool
        self._file: mediacask.BlobWriter | None = None

    @property
    def entry(self) -> Entry | None:
        """The entry that was made, once it is."""
        return self._opened().entry

    async def write(self, data: Buffer) -> int:
        """Takes a buffer's bytes, all of them."""
        return await self._pool.run(self._opened().write, data)

    async def commit(self) -> Entry:
        """Stores what was written; on an error nothing is stored."""
        return await self._pool.run(self._opened().commit)

    async def abort(self) -> None:
        """Stores nothing."""
        await self._pool.finish(self._opened().abort)

    async def __aenter__(self) -> BlobWriter:
        self._file = await self._pool.run(lambda: self._account.open(self.name, self._mode, **self._options))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file = self._opened()
        if file.closed:
            return
        if kind is None:
            await self.commit()
        else:
            await self.abort()

    def _opened(self) -> mediacask.BlobWriter:
        if self._file is None:
            raise ValueError(f"{self.name!r} is not open yet: enter it by `async with`")
        return self._file


class Batch:
    """Puts and deletes that happen all together or not at all."""

    def __init__(self, batch: mediacask.Batch, pool: _Pool) -> None:
        self._batch, self._pool = batch, pool

    @property
    def outcomes(self) -> list[Entry | bool]:
        """What became of each operation, once it is committed."""
        return self._batch.outcomes

    async def put(self, name: str, content: Content, **options: Unpack[PutFacts]) -> None:
        """Adds a put."""
        await self._pool.run(self._batch.put, name, content, **options)

    async def delete(
        self, name: str, *, if_match: DigestLike | None = None, if_generation: int | None = None
    ) -> None:
        """Adds a delete."""
        await self._pool.run(self._batch.delete, name, if_match=if_match, if_generation=if_generation)

    async def commit(self) -> list[Entry | bool]:
        """Does all of it, or, on an error, nothing."""
        return await self._pool.run(self._batch.commit)

    async def abort(self) -> None:
        """Lets go of it: nothing happens."""
        await self._pool.finish(self._batch.abort)

    async def __aenter__(self) -> Batch:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.commit()
        else:
            await self.abort()


class Events:
    """The feed of what happens to names. Iterating gives what has happened so far; ``wait`` waits for more.

    A cancelled wait loses nothing: what came meanwhile is given next.
    """

    def __init__(self, events: mediacask.Events, pool: _Pool) -> None:
        self._events, self._pool = events, pool
        self._ready: deque[Event] = deque()

    async def wait(self, timeout: timedelta | float | None = None) -> Event | None:
        """The next event; waits for it as long as ``timeout``, a timedelta or seconds, and gives None after that."""
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        deadline = None if seconds is None else monotonic() + seconds
        while not self._ready:
            left = _TURN if deadline is None else min(_TURN, max(0.0, deadline - monotonic()))
            await self._pool.run(self._take, left)
            if deadline is not None and monotonic() >= deadline:
                break
        return self._ready.popleft() if self._ready else None

    async def seen(self) -> int:
        """Up to where everything was given: from here another feed goes on."""
        return self._ready[0].sequence - 1 if self._ready else await self._pool.run(self._events.seen)

    def _take(self, seconds: float) -> None:
        event = self._events.wait(seconds)
        if event is not None:
            self._ready.append(event)

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        event = await self.wait(0)
        if event is None:
            raise StopAsyncIteration
        return event
