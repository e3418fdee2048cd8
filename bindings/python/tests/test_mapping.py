"""An account is a mutable mapping from names to blobs, with the store's own verbs beside."""

from __future__ import annotations

from collections.abc import MutableMapping

import mediacask
import pytest


def test_an_account_is_a_mutable_mapping(media: mediacask.Account) -> None:
    assert isinstance(media, MutableMapping)
    media["b.txt"] = b"two"
    media["a.txt"] = b"one"
    assert "a.txt" in media and "c.txt" not in media and 7 not in media
    assert media["a.txt"] == b"one"
    assert list(media) == list(media.keys()) == ["a.txt", "b.txt"]
    assert [bytes(blob) for blob in media.values()] == [b"one", b"two"]
    assert dict(media.items()) == media == {"a.txt": b"one", "b.txt": b"two"}
    assert len(media) == 2 and media
    del media["a.txt"]
    assert "a.txt" not in media
    assert media.pop("b.txt") == b"two"
    assert not media and len(media) == 0


def test_a_missing_name_raises_where_a_mapping_raises_and_is_a_value_elsewhere(media: mediacask.Account) -> None:
    with pytest.raises(mediacask.BlobNotFoundError, match='there is no "x" in the account "5500001"'):
        media["x"]
    with pytest.raises(KeyError):
        del media["x"]
    with pytest.raises(KeyError):
        media.pop("x")
    with pytest.raises(FileNotFoundError):
        media.open("x")
    assert media.get("x") is None
    assert media.get("x", b"default") == b"default"
    assert media.pop("x", None) is None
    assert media.head("x") is None
    assert media.get_range("x", 5) is None
    assert media.update("x", content_type="text/plain") is None
    assert media.copy("x", "y") is None
    assert media.delete("x") is False


def test_the_mixed_in_methods_work(media: mediacask.Account) -> None:
    assert media.setdefault("a", b"first") == b"first"
    assert media.setdefault("a", b"second") == b"first"
    media.update({"b": b"two"})
    media.update([("c", b"three")])
    assert media.popitem() == ("a", b"first")
    same = media
    media |= {"b": b"2", "d": b"four"}
    media |= [("e", b"five")]
    assert media is same and media == {"b": b"2", "c": b"three", "d": b"four", "e": b"five"}
    for nothing in ("text", 7):
        with pytest.raises((TypeError, ValueError)):
            media |= nothing  # type: ignore[arg-type]
    assert list(media) == ["b", "c", "d", "e"]
    media.clear()
    assert list(media) == []
    with pytest.raises(KeyError):
        media.popitem()


def test_names_are_texts_and_nothing_more(media: mediacask.Account, store: mediacask.Store) -> None:
    names = ["../../etc/passwd", ".", "/", "a\nb", "ü€😀", " ", "%00", "a" * 1024]
    for name in names:
        media[name] = name.encode()
    assert sorted(names, key=str.encode) == list(media)
    assert all(media[name].decode() == name for name in names)
    with pytest.raises(mediacask.InvalidNameError):
        media[""] = b"x"
    with pytest.raises(ValueError, match="NUL"):
        media["a\0b"] = b"x"
    with pytest.raises(mediacask.InvalidNameError, match="at most 1024"):
        media["a" * 1025] = b"x"
    with pytest.raises(mediacask.InvalidNameError):
        store.account("")
    for wrong in (7, b"x", None):
        with pytest.raises(TypeError, match=f"a name is a str, not {type(wrong).__name__}"):
            media[wrong] = b"x"  # type: ignore[index]


@pytest.mark.parametrize(
    "hostile", ["", "a\0b", "\0", "a" * 1025, "ü" * 513, "\udc80", "a\ud800\ud800", "\udfff" * 2000]
)
def test_what_is_no_name_is_refused_by_every_operation(media: mediacask.Account, hostile: str) -> None:
    media["x"] = b"x"
    with media.batch() as batch:
        calls = [
            lambda: media.put(hostile, b"x"),
            lambda: media.put_file(hostile, "/proc/self/exe"),
            lambda: media.get(hostile),
            lambda: media.get_range(hostile),
            lambda: media.head(hostile),
            lambda: media.delete(hostile),
            lambda: media.update(hostile, ttl=60),
            lambda: media.copy(hostile, "y"),
            lambda: media.copy("x", hostile),
            lambda: media.open(hostile),
            lambda: media.open(hostile, "wb"),
            lambda: media[hostile],
            lambda: media.pop(hostile, b""),
            lambda: hostile in media,
            lambda: media.__delitem__(hostile),
            lambda: media.setdefault(hostile, b"x"),
            lambda: batch.put(hostile, b"x"),
            lambda: batch.delete(hostile),
            lambda: media.store.account(hostile),
        ]
        for number, call in enumerate(calls):
            with pytest.raises(mediacask.InvalidNameError) as caught:
                call()
            assert isinstance(caught.value, ValueError), number
    assert list(media) == ["x"]


def test_accounts_see_only_their_own(store: mediacask.Store) -> None:
    ours, theirs = store.account("a"), store.account("b")
    ours["x"] = b"1"
    assert "x" not in theirs and list(theirs) == []
    assert ours != theirs
    assert store.account("a") == ours
    assert [stats.account for stats in store.accounts()] == ["a"]


def test_a_store_puts_and_gets_by_account_and_name(store: mediacask.Store) -> None:
    entry = store.put("a", "x", b"hello", content_type="text/plain", ttl=60)
    assert store.account("a")["x"].entry == entry and entry.content_type == "text/plain" and entry.expires_at
    assert store.get("a", "x") == b"hello" and store.get("b", "x") is None and store.get("b", "x", 7) == 7
    with pytest.raises(mediacask.PreconditionFailedError):
        store.put("a", "x", b"other", if_absent=True)
    with pytest.raises(TypeError, match="colour"):
        store.put("a", "x", b"other", colour="red")  # type: ignore[call-arg]
