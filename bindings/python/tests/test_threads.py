"""Threads: the interpreter lock is released, whoever races sees whole answers, and nothing grows."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mediacask
import pytest


@pytest.fixture
def no_forced_switches() -> Iterator[None]:
    """A thread keeps the interpreter until it gives it up by itself: by a wait, or by a call that releases it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


class Counter:
    """A thread that counts whenever it gets the interpreter."""

    def __init__(self) -> None:
        self.count = 0
        self.over = False
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while not self.over:
            self.count += 1
            time.sleep(0)

    def __enter__(self) -> Counter:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        self.thread.join()


def test_four_threads_put_while_a_fifth_counts(media: mediacask.Account, no_forced_switches: None) -> None:
    def putting(thread: int) -> int:
        counted = 0
        for number in range(10):
            content = bytes([thread, number]) * (1 << 19)
            before = counter.count
            media.put(f"{thread}/{number}", content)
            # Nobody takes the interpreter from this thread: it was let go of while the store worked.
            counted += counter.count > before
        return counted

    with Counter() as counter, ThreadPoolExecutor(4) as pool:
        counted = sum(pool.map(putting, range(4)))
    assert len(media) == 40
    assert counted > 10, f"the fifth thread counted during {counted} of 40 puts"


def test_reads_and_digests_let_go_of_the_interpreter(media: mediacask.Account, no_forced_switches: None) -> None:
    content = bytes(16 << 20)
    media["x"] = content
    room = bytearray(16 << 20)
    with Counter() as counter, media.open("x") as file:
        calls = {
            "get": lambda: media["x"],
            "digest": lambda: mediacask.Digest.of(content),
            "read": lambda: file.raw.readinto(room) and file.raw.seek(0),
            "compare": lambda: media["x"] == content,
            "copy": lambda: bytes(media["x"]),
            "put_file": lambda: media.put_file("y", "/proc/self/exe"),
        }
        for name, call in calls.items():
            before = counter.count
            # A busy machine may leave the counter waiting for a processor; if nothing lets go, it waits for ever.
            for _ in range(200):
                call()
                if counter.count > before:
                    break
            assert counter.count > before, name


def test_closing_while_others_work_breaks_nothing(path: Path) -> None:
    for turn in range(5):
        store = mediacask.open(path, durability="os")
        media = store.account("a")
        began, stored = threading.Barrier(5), []

        def work(thread: int) -> None:
            began.wait()
            number = 0
            try:
                while True:
                    name = f"{turn}/{thread}/{number}"
                    media.put(name, name.encode() * 100)
                    stored.append(name)
                    assert media[name] == name.encode() * 100
                    with media.open(name) as file:
                        file.read(10)
                    next(iter(media.entries(limit=10)))
                    number += 1
            except mediacask.StoreClosedError:
                pass

        with ThreadPoolExecutor(4) as pool:
            working = [pool.submit(work, thread) for thread in range(4)]
            began.wait()
            while len(stored) < 20:
                time.sleep(0)
            store.close()
            for future in working:
                future.result(timeout=60)
        with mediacask.open(path) as again:
            held = again.account("a")
            assert all(held[name] == name.encode() * 100 for name in stored)


def test_one_name_is_written_by_many_and_read_whole(media: mediacask.Account) -> None:
    def write(thread: int) -> None:
        for number in range(30):
            media["x"] = bytes([thread * 30 + number]) * 50_000

    def read() -> None:
        for _ in range(200):
            blob = media["x"]
            assert blob == bytes([blob[0]]) * 50_000

    media["x"] = bytes(50_000)
    with ThreadPoolExecutor(6) as pool:
        for future in [*(pool.submit(write, thread) for thread in range(4)), *(pool.submit(read) for _ in range(2))]:
            future.result(timeout=120)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_million_gets_do_not_grow(media: mediacask.Account) -> None:
    for number in range(100):
        media.put(f"{number}", bytes([number]) * 1000, content_type="a/b", metadata={"a": "b"}, durability="os")
    names = [f"{number}" for number in range(100)]

    def gets(rounds: int) -> None:
        for _ in range(rounds):
            for name in names:
                media[name]

    def others(rounds: int) -> None:
        for _ in range(rounds):
            for name in names:
                blob = media.get(name)
                assert blob is not None
                memoryview(blob[5:10]).release()
                assert blob.entry.metadata and name in media and media.get("absent") is None
                media.head(name)
            for entry in media.entries():
                entry.created_at
            with media.open("5") as file:
                file.read()
            with pytest.raises(KeyError):
                media["absent"]

    gets(1000)
    others(100)
    before = resident()
    gets(9000)
    others(300)
    grown = resident() - before
    assert grown < 4 << 20, f"{grown} bytes more after 900,000 gets and 30,000 of all the rest"
