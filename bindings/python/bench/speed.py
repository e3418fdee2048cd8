"""How fast the package is beside the Rust library it stands on; `test_peers.py` has what else there is.

    make bench-python

Both sides do the same work in turns, so that a machine that changes its mind changes both. Every put is durable before
the next begins. Gets wait for nothing, and what is told of them is the median pass over the names, on both sides: a
pass is short enough for the most to run through on a machine that has other work.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import mediacask

HOT = 100
ROUNDS = 7
# Bytes, puts and gets of a round.
WORK = [(16 << 10, 300, 100_000), (1 << 20, 40, 3_000)]

# On the disk the build is on: a file system in memory syncs for nothing.
PLACE = Path(os.environ.get("CARGO_TARGET_DIR", "target")).absolute()


@contextmanager
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="bench-") as path:
        yield Path(path)


def puts(length: int, count: int) -> float:
    contents = [os.urandom(length) for _ in range(count)]
    names = [str(number) for number in range(count)]
    with directory() as path, mediacask.open(path) as store:
        media = store.account("bench")
        begun = perf_counter()
        for name, content in zip(names, contents, strict=True):
            media.put(name, content)
        return (perf_counter() - begun) / count


def gets(length: int, count: int) -> float:
    names = [str(number) for number in range(HOT)]
    with directory() as path, mediacask.open(path) as store:
        media = store.account("bench")
        for name in names:
            media.put(name, os.urandom(length), durability="os")
        store.sync()

        def one_pass() -> float:
            begun = perf_counter()
            for name in names:
                media[name]
            return perf_counter() - begun

        return statistics.median(one_pass() for _ in range(count // HOT)) / HOT


def rust() -> Callable[[str, int, int], float]:
    """The same work in Rust: a program that says how many seconds one took."""
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
            own, there = (1 / statistics.median(side) for side in zip(*pairs, strict=True))
            print(
                f"{work} {length >> 10:>4} KB {own:>10,.0f}/s {there:>10,.0f}/s   "
                f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}, {ratios[-1]:.2f})"
            )


if __name__ == "__main__":
    beside_rust()
    sys.stdout.flush()
