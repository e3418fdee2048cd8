"""Listings, batches, copies and look-ups."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import mediacask
import pytest

from conftest import BEGIN


def test_pages_follow_each_other_by_token(media: mediacask.Account) -> None:
    names = [f"img/{number:03}.png" for number in range(25)]
    for name in names:
        media[name] = name.encode()
    found, token, pages = [], None, 0
    while True:
        page = media.list(prefix="img/", limit=10, token=token)
        found += [entry.name for entry in page.entries]
        token, pages = page.next_token, pages + 1
        if token is None:
            break
        # Deleting the name a token points at loses nothing.
        del media[page.entries[-1].name]
    assert found == names and pages == 3
    entries, prefixes, token = media.list()
    assert len(entries) == 23 and prefixes == [] and token is None


def test_a_delimiter_rolls_names_up(media: mediacask.Account) -> None:
    for name in ("a/1", "a/2", "b/1", "c", "d/e/f"):
        media[name] = b""
    page = media.list(delimiter="/")
    assert page.prefixes == ["a/", "b/", "d/"] and [entry.name for entry in page.entries] == ["c"]
    assert media.list(prefix="d/", delimiter="/").prefixes == ["d/e/"]
    assert [entry.name for entry in media.entries(prefix="a/")] == ["a/1", "a/2"]
    assert [entry.name for entry in media.entries(delimiter="/")] == ["c"]


def test_tokens_are_bound_to_their_listing(media: mediacask.Account, store: mediacask.Store) -> None:
    for number in range(5):
        media[f"{number}"] = store.account("other")[f"{number}"] = b""
    token = media.list(limit=2).next_token
    assert token is not None
    for wrong in (token[:-1], token + "A", token[::-1]):
        with pytest.raises(mediacask.InvalidTokenError):
            media.list(token=wrong)
    with pytest.raises(mediacask.InvalidTokenError):
        media.list(prefix="1", token=token)
    with pytest.raises(mediacask.InvalidTokenError):
        store.account("other").list(token=token)
    for limit in (0, 1001):
        with pytest.raises(mediacask.InvalidOptionError):
            media.list(limit=limit)


def test_listings_are_narrowed_by_birth(path: Path, clock: mediacask.ManualClock) -> None:
    with mediacask.open(path, clock=clock) as store:
        media = store.account("a")
        for number in range(5):
            media[f"{number}"] = b""
            clock.advance(60)
        minute = timedelta(minutes=1)
        page = media.list(created_from=BEGIN + minute, created_to=BEGIN + 3 * minute)
        assert [entry.name for entry in page.entries] == ["1", "2"]


def test_a_batch_happens_as_a_whole(media: mediacask.Account, store: mediacask.Store) -> None:
    media["draft"] = b"draft"
    with media.batch() as batch:
        batch.put("msg/0.png", b"picture", content_type="image/png", ttl=60)
        batch.put("msg/1.ogg", bytearray(b"voice"))
        batch.put("msg/2.txt", [b"in ", b"pieces"])
        batch.delete("draft")
        batch.delete("absent")
        assert "msg/0.png" not in media and "draft" in media
    assert list(media) == ["msg/0.png", "msg/1.ogg", "msg/2.txt"] and media["msg/2.txt"] == b"in pieces"
    assert batch.outcomes == [media.head(name) for name in media] + [True, False]
    with pytest.raises(ValueError, match="begin another"):
        batch.put("late", b"")

    with pytest.raises(ZeroDivisionError), store.batch("5500001", durability="os") as batch:
        batch.put("x", b"x")
        raise ZeroDivisionError
    assert "x" not in media and batch.outcomes == []

    with pytest.raises(mediacask.PreconditionFailedError), media.batch() as batch:
        batch.put("x", b"x")
        batch.put("msg/0.png", b"y", if_absent=True)
    assert "x" not in media
    batch = media.batch()
    batch.put("x", b"x")
    assert batch.commit() == [media.head("x")]
    with pytest.raises(TypeError, match="encode it"):
        media.batch().put("x", "text")  # type: ignore[arg-type]
    with pytest.raises(mediacask.TooLargeError), media.batch() as batch:
        for number in range(1001):
            batch.delete(f"{number}")


def test_copies_share_the_content(media: mediacask.Account, store: mediacask.Store) -> None:
    source = media.put("x", b"hello", content_type="text/plain", metadata={"a": "1"}, ttl=60)
    copy = media.copy("x", "y", content_type="text/html", metadata={"b": "2"})
    assert copy is not None and copy.digest == source.digest and copy.expires_at is None
    assert copy.content_type == "text/html" and copy.metadata == {"a": "1", "b": "2"}
    assert store.stats().contents == 1 and store.stats().dedup_ratio == 2.0
    theirs = store.account("theirs")
    media.copy("x", "z", account=theirs)
    assert theirs["z"] == b"hello" and "z" not in media
    with pytest.raises(mediacask.PreconditionFailedError):
        media.copy("x", "y", if_absent=True)


def test_contents_are_found_and_purged_across_accounts(store: mediacask.Store) -> None:
    ours, theirs = store.account("ours"), store.account("theirs")
    ours["a"] = ours["b"] = theirs["c"] = b"the same"
    theirs["d"] = b"another"
    digest = mediacask.Digest.of(b"the same")
    assert [(account, entry.name) for account, entry in store.names_of(digest)] == [
        ("ours", "a"),
        ("ours", "b"),
        ("theirs", "c"),
    ]
    assert store.purge_digest(str(digest)) == 3 and store.names_of(digest) == []
    for number in range(30):
        ours[f"msg/{number}"] = b"x"
    assert ours.purge("msg/1") == 11 and len(ours) == 19
    assert ours.purge("") == 19 and not ours


def test_upkeep_by_hand_and_what_a_store_tells(path: Path) -> None:
    with mediacask.open(path, upkeep="by_hand", durability="os", dedup="store", verify="once") as store:
        media = store.account("a")
        for number in range(10):
            media[f"{number}"] = b"x"
        store.sync()
        store.checkpoint_catalog()
        heard: list[tuple[int, int]] = []
        assert store.rebuild_index(lambda done, total: heard.append((done, total))) == 10
        assert store.rebuild_index() == 10
        assert heard and heard[-1][0] <= heard[-1][1]
        with pytest.raises(ZeroDivisionError):
            store.rebuild_index(lambda done, total: 1 // 0)
        assert len(media) == 10
        stats, health = store.stats(), store.health()
        assert (stats.names, stats.accounts, stats.contents, stats.logical_bytes) == (10, 1, 1, 10)
        assert stats.total_bytes > 0 and stats.puts == 10 and stats.dedup_hits == 9
        assert health.index == "current" and health.damage == [] and health.recovery.clean
        assert isinstance(health.recovery.duration, timedelta) and store.path == path
        [account] = store.accounts()
        assert (account.account, account.count, account.bytes, account.policy) == ("a", 10, 10, None)
    with mediacask.open(path) as store:
        assert len(store.account("a")) == 10 and store.health().recovery.from_checkpoint
