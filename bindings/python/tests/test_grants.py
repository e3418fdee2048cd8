"""Signed grants: keys of one's own, the store's key, the clock of a test."""

from __future__ import annotations

import secrets
from datetime import timedelta

import mediacask
import mediacask.aio
import pytest

from conftest import BEGIN


def test_processes_that_share_a_key_take_each_others_grants(clock: mediacask.ManualClock) -> None:
    old, new = secrets.token_bytes(32), bytearray(secrets.token_bytes(32))
    text = mediacask.Signer({"old": old}, clock=clock).sign("5500001", "a b/é.png")
    assert len(text) <= 79 and text.replace("-", "").replace("_", "").isalnum() and text.isascii()
    signer = mediacask.Signer({"new": bytes(new), "old": old}, clock=clock)
    assert signer.verify(text, "5500001", "a b/é.png") == BEGIN + timedelta(hours=4)
    assert signer.verify(text, "5500001", "a b/é.png", method="head") == BEGIN + timedelta(hours=4)
    with pytest.raises(mediacask.InvalidTokenError, match="another name"):
        signer.verify(text, "5500001", "b")
    with pytest.raises(mediacask.UnknownKeyError, match="not accepted"):
        mediacask.Signer({"new": bytes(new)}).verify(text, "5500001", "a b/é.png")
    clock.advance(timedelta(hours=4))
    with pytest.raises(mediacask.ExpiredTokenError, match="is over"):
        signer.verify(text, "5500001", "a b/é.png")
    with pytest.raises(PermissionError):
        signer.verify(text, "5500001", "a b/é.png")


def test_facts_alone_can_be_granted_and_for_less_or_more_than_four_hours(clock: mediacask.ManualClock) -> None:
    signer = mediacask.Signer({"a": bytes(32)}, clock=clock)
    for ttl in (timedelta(minutes=1), 60, 60.0):
        text = signer.sign("5500001", "a", method="head", ttl=ttl)
        assert signer.verify(text, "5500001", "a", method="head") == BEGIN + timedelta(minutes=1)
        with pytest.raises(mediacask.InvalidTokenError):
            signer.verify(text, "5500001", "a")
    for bad in (0, -1, timedelta(days=8)):
        with pytest.raises(mediacask.InvalidOptionError):
            signer.sign("5500001", "a", ttl=bad)
    with pytest.raises(mediacask.InvalidOptionError, match='"get" or "head"'):
        signer.sign("5500001", "a", method="put")  # type: ignore[arg-type]


def test_keys_are_secrets_of_32_bytes() -> None:
    with pytest.raises(mediacask.InvalidOptionError, match="32 bytes"):
        mediacask.Signer({"a": b"password"})
    with pytest.raises(mediacask.InvalidOptionError, match="needs a key"):
        mediacask.Signer({})
    with pytest.raises(mediacask.InvalidOptionError, match="id"):
        mediacask.Signer({"": bytes(32)})
    with pytest.raises(TypeError):
        mediacask.Signer({"a": "x" * 32})  # type: ignore[dict-item]


def test_a_store_has_a_key_of_its_own(store: mediacask.Store) -> None:
    text = store.signer().sign("5500001", "a")
    assert store.signer().verify(text, "5500001", "a")
    assert mediacask.aio.Store(store).signer().verify(text, "5500001", "a")
    store.close()
    with pytest.raises(mediacask.StoreClosedError):
        store.signer()
