"""Lifetimes: timedelta or seconds in, aware UTC datetimes out, exact to the millisecond, by a clock in the hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import mediacask
import pytest

from conftest import BEGIN


@pytest.fixture
def store(path: Path, clock: mediacask.ManualClock) -> Iterator[mediacask.Store]:
    with mediacask.open(path, clock=clock, upkeep="by_hand") as store:
        yield store


@pytest.mark.parametrize(
    ("ttl", "lives"),
    [
        (timedelta(hours=48), timedelta(hours=48)),
        (90, timedelta(seconds=90)),
        (0.25, timedelta(milliseconds=250)),
        (timedelta(days=36500), timedelta(days=36500)),
    ],
)
def test_a_time_to_live_is_exact(
    media: mediacask.Account, clock: mediacask.ManualClock, ttl: timedelta | float, lives: timedelta
) -> None:
    entry = media.put("x", b"x", ttl=ttl)
    assert entry.created_at == entry.updated_at == BEGIN and entry.expires_at == BEGIN + lives
    clock.advance(lives - timedelta(milliseconds=1))
    assert "x" in media
    clock.advance(0.001)
    assert "x" not in media and media.get("x") is None and list(media) == [] and len(media) == 0


def test_datetimes_are_aware_and_in_utc(media: mediacask.Account) -> None:
    plus_two = timezone(timedelta(hours=2))
    at = (BEGIN + timedelta(days=1)).astimezone(plus_two)
    entry = media.put("x", b"x", expires_at=at)
    assert entry.expires_at == at and entry.expires_at.tzinfo is timezone.utc
    assert entry.created_at.tzinfo is timezone.utc
    with pytest.raises(mediacask.InvalidOptionError, match="has no time zone"):
        media.put("x", b"x", expires_at=datetime(2030, 1, 1))
    with pytest.raises(mediacask.InvalidOptionError, match="has no time zone"):
        media.list(created_from=datetime(2030, 1, 1))
    with pytest.raises(TypeError, match="aware datetime"):
        media.put("x", b"x", expires_at=1_800_000_000)  # type: ignore[arg-type]


@pytest.mark.parametrize("ttl", [0, -1, timedelta(seconds=-1), timedelta(microseconds=10), float("nan"), 1e30, "soon"])
def test_a_lifetime_that_is_none_is_refused(media: mediacask.Account, ttl: object) -> None:
    with pytest.raises(mediacask.InvalidOptionError):
        media.put("x", b"x", ttl=ttl)  # type: ignore[arg-type]
    assert "x" not in media


def test_one_lifetime_at_a_time(media: mediacask.Account) -> None:
    with pytest.raises(mediacask.InvalidOptionError, match="both"):
        media.put("x", b"x", ttl=1, expires_at=BEGIN + timedelta(days=1))
    with pytest.raises(TypeError, match="timedelta or a number"):
        media.put("x", b"x", ttl=[])  # type: ignore[arg-type]


def test_update_moves_the_lifetime_and_leaves_the_rest(
    media: mediacask.Account, clock: mediacask.ManualClock
) -> None:
    first = media.put(
        "x", b"x", ttl=60, content_type="a/b", cache_control="no-store", metadata={"a": "1", "b": "2"}
    )
    clock.advance(10)
    touched = media.update("x", ttl=60)
    assert touched is not None and touched.expires_at == BEGIN + timedelta(seconds=70)
    assert touched.content_type == "a/b" and touched.metadata == {"a": "1", "b": "2"}
    assert touched.generation > first.generation and touched.created_at == BEGIN < touched.updated_at
    kept = media.update("x", ttl="never", content_type=None, metadata={"a": None, "c": "3"})
    assert kept is not None and kept.expires_at is None and kept.content_type is None
    assert kept.cache_control == "no-store" and kept.metadata == {"b": "2", "c": "3"}
    same = media.update("x")
    assert same is not None and same.cache_control == "no-store" and same.expires_at is None


def test_policies_rule_lifetimes_and_quotas(media: mediacask.Account, clock: mediacask.ManualClock) -> None:
    assert media.policy() == mediacask.Policy()
    policy = mediacask.Policy(
        default_ttl=timedelta(hours=1), longest_ttl=timedelta(days=2), largest_blob=100, quota_bytes=150, quota_count=3
    )
    media.set_policy(policy)
    assert media.policy() == policy and media.stats().policy == policy
    assert media.put("x", b"x").expires_at == BEGIN + timedelta(hours=1)
    with pytest.raises(mediacask.InvalidOptionError):
        media.put("y", b"y", ttl="never")
    with pytest.raises(mediacask.TooLargeError):
        media.put("y", bytes(101))
    media["y"] = bytes(100)
    with pytest.raises(mediacask.QuotaExceededError) as caught:
        media["z"] = bytes(range(90))
    assert isinstance(caught.value, OSError)
    media.set_policy(mediacask.Policy())
    assert media.put("x", b"x").expires_at is None
    limit = mediacask.PrefixLimit("msg/", count=2, bytes=100)
    media.put("msg/1", b"1", prefix_limit=limit)
    media.put("msg/2", b"2", prefix_limit=limit)
    with pytest.raises(mediacask.QuotaExceededError):
        media.put("msg/3", b"3", prefix_limit=limit)


def test_a_sweep_frees_what_has_expired(
    store: mediacask.Store, media: mediacask.Account, clock: mediacask.ManualClock
) -> None:
    for number in range(20):
        media.put(f"{number}", f"{number}".encode(), ttl=60)
    clock.advance(timedelta(minutes=2))
    assert store.stats().names == 20
    assert store.sweep().expired == 20
    assert store.stats().names == 0 and store.stats().contents == 0


def test_the_clock_goes_where_it_is_told(clock: mediacask.ManualClock) -> None:
    assert clock.now() == BEGIN
    clock.set(BEGIN - timedelta(days=1))
    assert clock.now() == BEGIN - timedelta(days=1)
    clock.advance(timedelta(days=2))
    assert clock.now() == BEGIN + timedelta(days=1)
    with pytest.raises(mediacask.InvalidOptionError):
        clock.advance(-1)
    with pytest.raises(mediacask.InvalidOptionError):
        clock.set(datetime(2026, 1, 1))
    near = mediacask.ManualClock().now() - datetime.now(timezone.utc)
    assert abs(near) < timedelta(minutes=5)
