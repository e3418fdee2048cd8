"""Every route of the three APIs with no, wrong, foreign and right credentials: the table of who may do what."""

from __future__ import annotations

import json

import pytest
from gateway import Gateway, Reply, basic

TWILIO, TWILIO_OTHER, TWILIO_PROTECTED = ("AC" + digit * 32 for digit in "123")
MESSAGE = "MM" + "0" * 32


def key(text: str) -> dict[str, str]:
    return {"Authorization": f"AccessKey {text}"}


# What is right at one API is wrong at the others.
BANDWIDTH_RIGHT, BANDWIDTH_FOREIGN = basic("bwuser", "bw:pass word"), basic("other", "otherpass")
TWILIO_RIGHT, TWILIO_FOREIGN = basic(TWILIO, "twtoken1"), basic(TWILIO_OTHER, "twtoken2")
PROTECTED_RIGHT = basic(TWILIO_PROTECTED, "twtoken3")
KEY_RIGHT, KEY_FOREIGN, KEY_RESTRICTED = key("public_key_1"), key("public_key_2"), key("restricted_key_3")

NONSENSE: tuple[dict[str, str], ...] = (
    {},
    *({"Authorization": text} for text in ("", "Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Bearer x", "xyz")),
    basic("bwuser", "wrong"),
    basic(TWILIO, "wrong"),
    key("wrong"),
)

Row = tuple[str, str, int | tuple[int, ...]]


def check(gateway: Gateway, rows: list[Row], credentials: tuple[dict[str, str], ...], statuses: set[int]) -> None:
    """Each row with each of the credentials, with a body and conditions that must not matter, is one of these."""
    for method, path, _ in rows:
        for given in credentials:
            body = b"changed" if method in ("PUT", "POST") else None
            headers = given | {"Content-Type": "text/plain", "If-None-Match": "*"}
            reply = gateway.send(method, path, headers, body)
            assert reply.status in statuses, (method, path, given, reply)
            assert ("www-authenticate" in reply.headers) == (reply.status == 401), (method, path, given)
            if method != "HEAD":
                assert isinstance(json.loads(reply.body), dict), reply


def right(gateway: Gateway, rows: list[Row], credentials: dict[str, str]) -> list[Reply]:
    replies = []
    for method, path, status in rows:
        body = b"changed" if method in ("PUT", "POST") else None
        replies.append(gateway.send(method, path, credentials | {"Content-Type": "text/plain"}, body))
        assert replies[-1].status == status, (method, path, replies[-1])
    return replies


def test_bandwidth(gateway: Gateway) -> None:
    media = "/api/v2/users/5500001/media"
    assert gateway.send("PUT", f"{media}/a", BANDWIDTH_RIGHT | {"Content-Type": "text/plain"}, b"kept").status == 204
    rows: list[Row] = [("GET", media, 200), ("HEAD", f"{media}/a", 200), ("GET", f"{media}/a", 200)]
    rows += [("PUT", f"{media}/a", 204), ("DELETE", f"{media}/a", 204), ("GET", f"{media}/absent", 404)]
    check(gateway, rows, (*NONSENSE, TWILIO_RIGHT, KEY_RIGHT), {401})
    check(gateway, rows, (BANDWIDTH_FOREIGN,), {403})
    assert gateway.send("GET", f"{media}/a", BANDWIDTH_RIGHT).body == b"kept"
    right(gateway, rows, BANDWIDTH_RIGHT)


@pytest.mark.parametrize(("account", "own"), [(TWILIO, TWILIO_RIGHT), (TWILIO_PROTECTED, PROTECTED_RIGHT)])
def test_twilio(gateway: Gateway, account: str, own: dict[str, str]) -> None:
    root = f"/2010-04-01/Accounts/{account}"
    media = f"{root}/Messages/{MESSAGE}/Media"
    stored = gateway.send("POST", media, own | {"Content-Type": "text/plain"}, b"kept")
    one = f"{media}/{json.loads(stored.body)['sid']}"
    rows: list[Row] = [("GET", f"{media}.json", 200), ("GET", f"{media}.xml", 200), ("POST", media, 201)]
    rows += [("GET", f"{one}.json", 200), ("GET", f"{one}.xml", 200), ("HEAD", f"{one}.json", 200)]
    rows += [("POST", f"{root}/Messages.json", 400), ("DELETE", f"{one}.json", 204), ("DELETE", one, 404)]
    check(gateway, rows, (*NONSENSE, BANDWIDTH_RIGHT, KEY_RIGHT), {401})
    check(gateway, rows, (TWILIO_FOREIGN,), {401, 403, 404})
    if account == TWILIO:
        assert gateway.send("GET", one).body == b"kept"
    else:
        check(gateway, [("GET", one, 307), ("HEAD", one, 307)], (*NONSENSE, BANDWIDTH_RIGHT, KEY_RIGHT), {401})
        check(gateway, [("GET", one, 307)], (TWILIO_FOREIGN,), {401, 403, 404})
        right(gateway, [("GET", one, 307)], own)
    assert len(json.loads(gateway.send("GET", f"{media}.json", own).body)["media_list"]) == 1
    right(gateway, rows, own)


@pytest.mark.parametrize("own", [KEY_RIGHT, KEY_RESTRICTED])
def test_messagebird(gateway: Gateway, own: dict[str, str]) -> None:
    stored = gateway.send("POST", "/v1/files", own | {"Content-Type": "text/plain"}, b"kept")
    one = f"/v1/files/{json.loads(stored.body)['id']}"
    reads: list[Row] = [("GET", one, 200), ("HEAD", one, 200)]
    rows: list[Row] = [("POST", "/v1/files", 200), ("DELETE", one, 204)]
    check(gateway, rows, (*NONSENSE, BANDWIDTH_RIGHT, TWILIO_RIGHT), {401})
    check(gateway, [("DELETE", one, 204)], (KEY_FOREIGN,), {403, 404})
    if own is KEY_RIGHT:
        for given in ({}, KEY_FOREIGN):
            right(gateway, reads, given)
    else:
        check(gateway, reads, (*NONSENSE, BANDWIDTH_RIGHT, TWILIO_RIGHT), {401})
        check(gateway, reads, (KEY_FOREIGN,), {403, 404})
    right(gateway, [*reads, *rows, ("GET", one, 404), ("DELETE", one, 404)], own)
