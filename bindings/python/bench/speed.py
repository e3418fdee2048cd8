"""How fast the package is: beside the Rust library it stands on, and beside what else a Python program might use.

    make bench-python

Both sides of a comparison do the same work in turns, so that a machine that changes its mind changes both. Every
put is durable before the next begins, in the store and in the others, but in diskcache, which syncs now and then.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import diskcache
import lmdb

import mediacask

HOT = 100
ROUNDS = 7
# Bytes, puts and gets of a round.
WORK = [(16 << 10, 300, 100_000), (1 << 20, 40, 3_000)]
PEER_GETS = 3_000

# On the disk the build is on: a file system in memory syncs for nothing.
PLACE = Path(os.environ.get("CARGO_TARGET_DIR", "target")).absolute()


@contextmanager
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="bench-") as path:
        yield Path(path)


def seconds(work: Callable[[], None]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


def puts(length: int, count: int) -> float:
    contents = [os.urandom(length) for _ in range(count)]
    names = [str(number) for number in range(count)]
    with directory() as path, mediacask.open(path) as store:
        media = store.account("bench")

        def work() -> None:
            for name, content in zip(names, contents, strict=True):
                media.put(name, content)

        return seconds(work)


def gets(length: int, count: int) -> float:
    names = [str(number) for number in range(HOT)]
    with directory() as path, mediacask.open(path) as store:
        media = store.account("bench")
        for name in names:
            media.put(name, os.urandom(length), durability="os")
        store.sync()

        def work() -> None:
            for _ in range(count // HOT):
                for name in names:
                    media[name]

        return seconds(work)


def rust() -> Callable[[str, int, int], float]:
    """The same work in Rust: a program that says how long it took."""
    command = ["cargo", "bench", "--locked", "--bench", "faces", "--no-run", "--message-format=json"]
    root = Path(__file__).parents[3]
    built = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in built.splitlines()]
    [program] = [message["executable"] for message in messages if message.get("executable")]

    def run(work: str, length: int, count: int) -> float:
        arguments = [program, work, str(length), str(count)]
        return float(subprocess.run(arguments, cwd=PLACE, check=True, stdout=subprocess.PIPE).stdout)

    return run


def beside_rust() -> None:
    run = rust()
    print(f"{'':>10} {'Python':>12} {'Rust':>12}   Python/Rust (median of {ROUNDS} pairs; least, most)")
    for length, put_count, get_count in WORK:
        for work, here, count in (("put", puts, put_count), ("get", gets, get_count)):
            pairs = [(here(length, count), run(work, length, count)) for _ in range(ROUNDS)]
            ratios = sorted(there / own for own, there in pairs)
            own, there = (count / statistics.median(side) for side in zip(*pairs, strict=True))
            print(
                f"{work} {length >> 10:>4} KB {own:>10,.0f}/s {there:>10,.0f}/s   "
                f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}, {ratios[-1]:.2f})"
            )


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


def measured(peer: Any, length: int, put_count: int) -> tuple[float, float]:
    contents = [os.urandom(length) for _ in range(put_count)]
    names = [str(number) for number in range(put_count)]
    with directory() as path:
        store = peer(path)

        def put() -> None:
            for name, content in zip(names, contents, strict=True):
                store.put(name, content)

        def get() -> None:
            for number in range(PEER_GETS):
                store.get(names[number % put_count])

        answer = put_count / seconds(put), PEER_GETS / seconds(get)
        store.close()
        return answer


def beside_others() -> None:
    peers = {
        "mediacask": Mediacask,
        "mediacask, bytes()": MediacaskCopied,
        "sqlite3 (WAL, FULL)": Sqlite,
        "lmdb": Lmdb,
        "diskcache (no fsync)": Diskcache,
    }
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for _ in range(ROUNDS):
        for length, put_count, _count in WORK:
            for name, peer in peers.items():
                found.setdefault((name, length), []).append(measured(peer, length, put_count))
    heads = [f"{work} {length >> 10} KB" for length, *_ in WORK for work in ("put", "get")]
    print(f"\n{'per second, one thread':<24}" + "".join(f"{head:>14}" for head in heads))
    for name in peers:
        row = [statistics.median(side) for length, *_ in WORK for side in zip(*found[name, length], strict=True)]
        print(f"{name:<24}" + "".join(f"{figure:>14,.0f}" for figure in row))


if __name__ == "__main__":
    beside_rust()
    beside_others()
    sys.stdout.flush()
