"""Accounts as mappings, and batches as blocks."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from datetime import datetime, timedelta
from types import EllipsisType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, overload

from . import _mediacask
from ._errors import BlobNotFoundError, PreconditionFailedError
from ._files import BlobReader, BlobWriter
from ._mediacask import Blob, Entry

if TYPE_CHECKING:
    from ._mediacask import Content, DigestLike, PutOptions
    from ._store import Store

_T = TypeVar("_T")


class Account(_mediacask.Account, MutableMapping[str, Blob]):
    """The names of one account: a mapping from names to blobs, with the store's own verbs beside.

    Names are 1 to 1024 bytes of UTF-8 without NUL; slashes and dots are plain characters. Names come in the
    bytewise order of their UTF-8, which for a mapping is its order of iteration.

    Cheap, to be used from any thread, and pickled as the store's path and options and the account's name.
    """

    def __new__(cls, store: Store, name: str) -> Account:
        self = super().__new__(cls, store, name)
        self._store = store
        return self

    _store: Store

    def __init__(self, store: Store, name: str) -> None: ...

    @property
    def store(self) -> Store:
        """The store it is of."""
        return self._store

    @overload
    def open(
        self, name: str, mode: Literal["rb"] = "rb", *, buffering: int = ..., **options: Unpack[PutOptions]
    ) -> BlobReader: ...
    @overload
    def open(
        self, name: str, mode: Literal["wb", "xb"], *, buffering: int = ..., **options: Unpack[PutOptions]
    ) -> BlobWriter: ...
    @overload
    def open(
        self, name: str, mode: str, *, buffering: int = ..., **options: Unpack[PutOptions]
    ) -> BlobReader | BlobWriter: ...
    def open(
        self, name: str, mode: str = "rb", *, buffering: int = 256 * 1024, **options: Unpack[PutOptions]
    ) -> BlobReader | BlobWriter:
        """A binary file over ``name``.

        ``"rb"``: an io.BufferedReader over the content that is current now; BlobNotFoundError when there is no
        such name. ``"wb"``: a writer, which takes the options of ``put``; a clean end of its ``with`` block
        stores, an exception stores nothing. ``"xb"``: the same, only if the name is free.

        For text, wrap it: ``io.TextIOWrapper(file, encoding="utf-8")``.
        """
        if mode == "rb":
            if options:
                raise TypeError("a file open for reading takes no options of a put")
            reader = self._reader(name)
            if reader is None:
                raise self._absent(name)
            return BlobReader(reader, name, buffering)
        if mode == "xb":
            options["if_absent"] = True
        elif mode != "wb":
            raise ValueError(
                f"mode is 'rb', 'wb' or 'xb', not {mode!r}: wrap a file in io.TextIOWrapper to read or write text"
            )
        return BlobWriter(self._writer(name, **options), name)

    def batch(self, *, durability: Literal["sync", "os"] | None = None) -> Batch:
        """Several puts and deletes that happen all together or not at all: ``with media.batch() as batch``."""
        return Batch(self, durability=durability)

    @overload  # type: ignore[override]
    def update(
        self,
        name: str,
        /,
        *,
        content_type: str | None | EllipsisType = ...,
        cache_control: str | None | EllipsisType = ...,
        content_disposition: str | None | EllipsisType = ...,
        metadata: Mapping[str, str | None] | None = ...,
        ttl: timedelta | float | Literal["never", "policy"] | None = ...,
        expires_at: datetime | None = ...,
        if_match: DigestLike | None = ...,
        if_generation: int | None = ...,
        durability: Literal["sync", "os"] | None = ...,
    ) -> Entry | None: ...
    @overload
    def update(self, contents: Mapping[str, Content] | Iterable[tuple[str, Content]], /) -> None: ...
    def update(
        self,
        name: str | Mapping[str, Content] | Iterable[tuple[str, Content]],
        /,
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
        """Changes the facts and the lifetime of ``name`` without touching its content.

        What is not named stays as it is. ``None`` takes content_type, cache_control or content_disposition away;
        a ``None`` in ``metadata`` takes that pair away. ``ttl`` is a timedelta or seconds from now on,
        ``"never"``, or ``"policy"`` to restart the account's default. Conditions are those of ``put``.

        Gives the entry, or None when there is no such name.

        With a mapping (or pairs) of names and contents in the place of the name it is a mapping's update: each of
        them is put.
        """
        if isinstance(name, str):
            return super().update(
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
        self._put_all(name)
        return None

    def __ior__(self, contents: Mapping[str, Content] | Iterable[tuple[str, Content]], /) -> Self:
        """``media |= contents``: each of them is put, as by a mapping's update."""
        self._put_all(contents)
        return self

    def _put_all(self, contents: Mapping[str, Content] | Iterable[tuple[str, Content]]) -> None:
        pairs = contents.items() if isinstance(contents, Mapping) else contents
        for name, content in pairs:
            self.put(name, content)

    def __iter__(self) -> Iterator[str]:
        return (entry.name for entry in self.entries())

    def __len__(self) -> int:
        """How many names a walk finds, by walking; ``stats().count`` is at hand at once."""
        return self._count()

    def __bool__(self) -> bool:
        return any(True for _ in self.entries(limit=1))

    def setdefault(self, name: str, content: Content, /) -> Blob:
        """The content of ``name``; if there is none, ``content`` is put before."""
        while True:
            blob = self.get(name)
            if blob is not None:
                return blob
            try:
                self.put(name, content, if_absent=True)
            except PreconditionFailedError:
                # Another thread was first; what it has put is the answer.
                continue

    def popitem(self) -> tuple[str, Blob]:
        """Takes the first name down, and gives it with its content."""
        for entry in self.entries(limit=1):
            return entry.name, self.pop(entry.name)
        raise KeyError("the account holds no names")

    def clear(self) -> None:
        """Takes every name down."""
        self.purge("")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Account) and self._store is other._store and self.name == other.name:
            return True
        return MutableMapping.__eq__(self, other)

    # As every mapping that changes.
    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return Account, (self._store, self.name)

    def __repr__(self) -> str:
        return f"<mediacask.Account {self.name!r} of {str(self._store.path)!r}>"

    def _absent(self, name: str) -> BlobNotFoundError:
        try:
            self[name]
        except BlobNotFoundError as error:
            return error
        # It came to be in between; the caller asked before that.
        return BlobNotFoundError(f"there was no {name!r} in the account {self.name!r} when it was opened")


class Batch(_mediacask.Batch):
    """Several puts and deletes of one account, all or nothing, across a crash too.

        with media.batch() as batch:
            batch.put("msg1/0.png", picture)
            batch.put("msg1/1.ogg", voice)
            batch.delete("draft")
        batch.outcomes

    A clean end of the block does all of it, an exception nothing. Operations see those before them. At most 1000
    of them, and 1 MiB of names and metadata; contents are held in memory until then.
    """

    #: What became of each operation, in their order, once it is committed: the entry that a put has made, and
    #: whether there was something to delete.
    outcomes: list[Entry | bool]

    def __new__(cls, account: Account, *, durability: Literal["sync", "os"] | None = None) -> Batch:
        self = super().__new__(cls, account, durability=durability)
        self.outcomes = []
        return self

    def __init__(self, account: Account, *, durability: Literal["sync", "os"] | None = None) -> None: ...

    def commit(self) -> builtins.list[Entry | bool]:
        """Does all of it, or, on an error, nothing; gives the outcomes."""
        self.outcomes = super().commit()
        return self.outcomes

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()
