"""The package beside what else a Python program might use, in one table (pytest-benchmark).

    make bench-python

Every put is durable before the next begins, in the store and in the others, but in diskcache, which syncs now and
then. A get of mediacask checks every byte it gives; "bytes" says that it copies them, too, as the others do.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import diskcache
import lmdb
import pytest

import mediacask

# On the disk the build is on: a file system in memory syncs for nothing.
PLACE = Path(os.environ.get("CARGO_TARGET_DIR", "target")).absolute()

# Bytes, and puts; there are as many names to get from.
LENGTHS = {"16 KB": (16 << 10, 300), "1 MB": (1 << 20, 40)}
GETS = 3_000


class Mediacask:
    def __init__(self, path: Path) -> None:
        self.store = mediacask.open(path / "store")
        self.media = self.store.account("bench")
        self.put: Callable[[str, bytes], Any] = self.media.put
        self.get: Callable[[str], Any] = self.media.__getitem__
        self.close: Callable[[], None] = self.store.close


class MediacaskCopied(Mediacask):
    """With a copy of the bytes at each get, as the others give them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        media = self.media
        self.get = lambda name: bytes(media[name])


class Sqlite:
    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path / "db", isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute("CREATE TABLE media (name TEXT PRIMARY KEY, content BLOB)")
        self.close = self.db.close

    def put(self, name: str, content: bytes) -> None:
        self.db.execute("INSERT OR REPLACE INTO media VALUES (?, ?)", (name, content))

    def get(self, name: str) -> object:
        return self.db.execute("SELECT content FROM media WHERE name = ?", (name,)).fetchone()[0]


class Lmdb:
    def __init__(self, path: Path) -> None:
        self.env = lmdb.open(str(path / "lmdb"), map_size=4 << 30)
        self.close = self.env.close

    def put(self, name: str, content: bytes) -> None:
        with self.env.begin(write=True) as transaction:
            transaction.put(name.encode(), content)

    def get(self, name: str) -> object:
        with self.env.begin() as transaction:
            return transaction.get(name.encode())


class Diskcache:
    def __init__(self, path: Path) -> None:
        self.cache = diskcache.Cache(str(path / "cache"), eviction_policy="none")
        self.put = self.cache.set
        self.get = self.cache.__getitem__
        self.close = self.cache.close


PEERS = {
    "mediacask": Mediacask,
    "mediacask, bytes": MediacaskCopied,
    "sqlite3 (WAL, FULL)": Sqlite,
    "lmdb": Lmdb,
    "diskcache (no fsync)": Diskcache,
}


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> Iterator[Any]:
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="bench-") as path:
        peer = PEERS[request.param](Path(path))
        yield peer
        peer.close()


@pytest.mark.parametrize("length", LENGTHS)
def test_put(benchmark: Any, length: str, peer: Any) -> None:
    size, puts = LENGTHS[length]
    numbers = count()

    def another() -> tuple[tuple[str, bytes], dict[str, object]]:
        return (str(next(numbers)), os.urandom(size)), {}

    benchmark.pedantic(peer.put, setup=another, rounds=puts, iterations=1)


@pytest.mark.parametrize("length", LENGTHS)
def test_get(benchmark: Any, length: str, peer: Any) -> None:
    size, puts = LENGTHS[length]
    for number in range(puts):
        peer.put(str(number), os.urandom(size))
    numbers = count()
    benchmark.pedantic(peer.get, setup=lambda: ((str(next(numbers) % puts),), {}), rounds=GETS, iterations=1)
