"""The feed of what happens to names."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta

import mediacask
import pytest


def test_what_happens_is_told_in_order(media: mediacask.Account, store: mediacask.Store) -> None:
    entry = media.put("a", b"one")
    media.update("a", content_type="a/b")
    media.copy("a", "b")
    del media["a"]
    events = store.events()
    told = list(events)
    assert [(event.kind, event.account, event.name) for event in told] == [
        ("put", "5500001", "a"),
        ("update", "5500001", "a"),
        ("put", "5500001", "b"),
        ("delete", "5500001", "a"),
    ]
    assert told[0].sequence == entry.generation and told[0].digest == entry.digest and told[0].at == entry.updated_at
    assert list(events) == []
    media["c"] = b"c"
    assert [event.name for event in events] == ["c"]
    assert [event.name for event in store.events(told[2].sequence)] == ["a", "c"]
    assert store.events_floor() == 0
    assert events.seen() >= told[-1].sequence and list(store.events(events.seen())) == []


def test_a_wait_lasts_until_something_happens_or_its_time_is_over(
    media: mediacask.Account, store: mediacask.Store
) -> None:
    events = store.events()
    assert events.wait(0) is None and events.wait(timedelta(milliseconds=60)) is None
    thread = threading.Thread(target=lambda: media.put("a", b"a"))
    thread.start()
    event = events.wait()
    thread.join()
    assert event is not None and event.name == "a"
    with pytest.raises(mediacask.InvalidOptionError):
        events.wait(-1)


def test_a_wait_ends_with_the_store(store: mediacask.Store) -> None:
    events = store.events()
    thread = threading.Timer(0.1, store.close)
    thread.start()
    with pytest.raises(mediacask.StoreClosedError):
        events.wait(60)
    thread.join()


@pytest.fixture
def alarm() -> Iterator[None]:
    def heard(*_: object) -> None:
        raise InterruptedError("a signal")

    before = signal.signal(signal.SIGUSR1, heard)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_a_wait_hears_signals(store: mediacask.Store, alarm: None) -> None:
    timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGUSR1))
    timer.start()
    with pytest.raises(InterruptedError):
        store.events().wait(60)
    timer.join()
