"""What each of Bandwidth's Python SDKs must find at the gateway; what is peculiar to one stands in its own file.

`Contract` is told about an SDK by the class that derives from it: how to call it (`connect`), and what it raises.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import pytest
from gateway import Gateway, basic

ACCOUNT = "5500001"
USER, PASSWORD = "bwuser", "bw:pass word"
OTHER_ACCOUNT = "5500002"
OTHER_USER, OTHER_PASSWORD = "other", "otherpass"

EVERY_BYTE = bytes(range(256)) * 5 + b"\r\n\r\n0\r\n"

# Bytes that the gateway takes at most, and bytes that Bandwidth's guide promises.
BYTES_MAX, BYTES_PROMISED = 3_932_160, 3_750_000


class Listed(NamedTuple):
    """One of a listing."""

    name: str
    size: int
    url: str


class Got(NamedTuple):
    """A download: its bytes and its headers, whatever case the SDK gives their names."""

    body: bytes
    headers: dict[str, str]


class Refused(NamedTuple):
    """What an exception of the SDK says: it has read the body of the answer."""

    status: int
    type: str
    description: str


class Media(Protocol):
    """The four operations, as an SDK calls them."""

    def put(self, name: str, body: bytes, content_type: str, cache_control: str | None = None) -> None: ...
    def get(self, name: str) -> Got: ...
    def delete(self, name: str) -> None: ...
    def list(self, token: str | None = None) -> tuple[list[Listed], str | None]: ...


def lower(headers: Any) -> dict[str, str]:
    """Headers with their names in lower case."""
    return {str(name).lower(): str(value) for name, value in headers.items()}


def content_path(name: str) -> str:
    return f"/api/v2/users/{ACCOUNT}/media/{name}"


class Contract:
    """The tests; an SDK's class says the rest."""

    # The exceptions by status; an SDK may have one for all.
    raises: dict[int, type[Exception]]
    # Names that this SDK can say, in uploads, downloads and deletes alike.
    names: tuple[str, ...]

    def connect(self, url: str, user: str, password: str, account: str) -> Media:
        raise NotImplementedError

    def refused(self, error: Exception) -> Refused:
        raise NotImplementedError

    @pytest.fixture
    def media(self, gateway: Gateway) -> Media:
        return self.connect(gateway.url, USER, PASSWORD, ACCOUNT)

    def refuses(self, status: int, call: Any, *arguments: Any) -> Refused:
        """The call must fail with this status, in the SDK's own exception, whose fields it could read."""
        with pytest.raises(self.raises[status]) as raised:
            call(*arguments)
        refused = self.refused(raised.value)
        assert refused.status == status
        assert isinstance(refused.type, str) and refused.type
        assert isinstance(refused.description, str) and refused.description
        return refused

    def test_what_was_uploaded_comes_back(self, media: Media) -> None:
        media.put("logo.png", EVERY_BYTE, "image/png", "max-age=60, private")
        got = media.get("logo.png")
        assert got.body == EVERY_BYTE
        assert got.headers["content-type"] == "image/png"
        assert got.headers["cache-control"] == "max-age=60, private"
        assert got.headers["content-length"] == str(len(EVERY_BYTE))
        assert got.headers["etag"].startswith('"') and got.headers["last-modified"].endswith(" GMT")

    def test_types_are_kept_with_their_parameters_and_nothing_is_unpacked(self, media: Media) -> None:
        for content_type in ("text/plain; charset=utf-8", "application/gzip", "video/mp4", "x-made/up; a=\"b c\""):
            media.put("typed", b"\x1f\x8b\x08\x00 not really", content_type)
            got = media.get("typed")
            assert (got.body, got.headers["content-type"]) == (b"\x1f\x8b\x08\x00 not really", content_type)
            assert "content-encoding" not in got.headers

    def test_an_empty_body_is_a_medium(self, media: Media) -> None:
        media.put("empty", b"", "text/plain")
        got = media.get("empty")
        assert (got.body, got.headers["content-length"]) == (b"", "0")
        assert [(one.name, one.size) for one in media.list()[0]] == [("empty", 0)]

    def test_an_upload_replaces_bytes_type_and_cache_control(self, media: Media) -> None:
        media.put("a", b"old", "text/plain", "no-store")
        before = media.get("a")
        media.put("a", b"newer", "image/gif")
        after = media.get("a")
        assert (after.body, after.headers["content-type"]) == (b"newer", "image/gif")
        assert after.headers.get("cache-control") != "no-store"
        assert after.headers["etag"] != before.headers["etag"]
        assert [(one.name, one.size) for one in media.list()[0]] == [("a", 5)]

    def test_a_delete_is_final_until_the_next_upload(self, media: Media) -> None:
        media.put("a", b"1", "text/plain")
        media.put("twin", b"1", "text/html")
        media.delete("a")
        self.refuses(404, media.get, "a")
        self.refuses(404, media.delete, "a")
        # Equal bytes under another name are another medium.
        assert (media.get("twin").body, media.get("twin").headers["content-type"]) == (b"1", "text/html")
        media.put("a", b"2", "text/plain")
        assert media.get("a").body == b"2"

    def test_every_name_that_the_sdk_can_say_is_kept_as_it_is(self, gateway: Gateway, media: Media) -> None:
        for number, name in enumerate(self.names):
            media.put(name, f"{number}".encode(), "text/plain")
        listed, token = media.list()
        assert token is None and sorted(one.name for one in listed) == sorted(self.names)
        urls = {one.name: one.url for one in listed}
        for number, name in enumerate(self.names):
            assert media.get(name).body == f"{number}".encode(), name
            reply = gateway.send("GET", urls[name], basic(USER, PASSWORD))
            assert (reply.status, reply.body) == (200, f"{number}".encode()), urls[name]
        for name in self.names:
            media.delete(name)
            self.refuses(404, media.get, name)
        assert media.list() == ([], None)

    def test_a_listing_says_name_size_and_where(self, gateway: Gateway, media: Media) -> None:
        assert media.list() == ([], None)
        media.put("b", b"22", "text/plain")
        media.put("a", b"1", "text/plain")
        listed, token = media.list()
        assert token is None
        assert [(one.name, one.size, type(one.size)) for one in listed] == [("a", 1, int), ("b", 2, int)]
        for one in listed:
            assert one.url == f"{gateway.url}{content_path(one.name)}"
            assert gateway.send("GET", one.url).status == 401
            assert gateway.send("GET", one.url, basic(USER, PASSWORD)).status == 200

    def test_1205_come_as_1000_and_205(self, gateway: Gateway, media: Media) -> None:
        names = [f"{number:04}/é" for number in range(1205)]
        connections: list[Media] = [self.connect(gateway.url, USER, PASSWORD, ACCOUNT) for _ in range(8)]

        def upload(number: int) -> None:
            for name in names[number::8]:
                connections[number].put(name, name.encode(), "text/plain")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(upload, range(8)))
        first, token = media.list()
        assert token is not None and len(first) == 1000 and token.isascii() and token.isprintable()
        second, end = media.list(token)
        assert end is None and len(second) == 205
        assert [one.name for one in first + second] == names
        assert media.list(token) == (second, None), "a token is good for more than once"

        # While things change, what stays is seen once and nothing twice.
        for name in names[:5] + names[1100:1105]:
            media.delete(name)
        media.put(names[500], b"again", "text/plain")
        media.put("0000/added", b"", "text/plain")
        media.put("zzzz", b"", "text/plain")
        second, end = media.list(token)
        assert end is None and [one.name for one in second] == names[1000:1100] + names[1105:] + ["zzzz"]

        other = self.connect(gateway.url, OTHER_USER, OTHER_PASSWORD, OTHER_ACCOUNT)
        self.refuses(400, other.list, token)
        changed = token[:-1] + ("A" if token[-1] != "A" else "B")
        for bad in (changed, token[:-1], token + "A", token[1:], names[1000].encode().hex(), "0999", "1000", "x"):
            self.refuses(400, media.list, bad)

        # 1000 are one page.
        for one in media.list(token)[0]:
            media.delete(one.name)
        media.put("1", b"", "text/plain")
        remaining, end = media.list()
        while len(remaining) > 1000:
            media.delete(remaining.pop().name)
        while len(remaining) < 1000:
            media.put(f"fill/{len(remaining)}", b"", "text/plain")
            remaining, end = media.list()
        remaining, end = media.list()
        assert (len(remaining), end) == (1000, None)

    def test_a_medium_lives_48_hours_from_its_last_upload(self, gateway: Gateway, media: Media) -> None:
        media.put("once", b"1", "text/plain")
        media.put("twice", b"1", "text/plain")
        gateway.forward(hours=24)
        media.put("twice", b"2", "text/plain")
        gateway.forward(hours=23.9)
        assert media.get("once").body == b"1"
        gateway.forward(hours=0.2)
        self.refuses(404, media.get, "once")
        self.refuses(404, media.delete, "once")
        assert [one.name for one in media.list()[0]] == ["twice"]
        gateway.forward(hours=23.8)
        assert media.get("twice").body == b"2"
        gateway.forward(hours=0.2)
        self.refuses(404, media.get, "twice")
        assert media.list() == ([], None)
        media.put("once", b"3", "text/plain")
        assert media.get("once").body == b"3"

    def test_too_large_is_refused_in_words_and_changes_nothing(self, media: Media) -> None:
        promised = EVERY_BYTE * (BYTES_PROMISED // len(EVERY_BYTE)) + EVERY_BYTE[: BYTES_PROMISED % len(EVERY_BYTE)]
        media.put("large", promised, "video/mp4")
        self.refuses(400, media.put, "large", bytes(BYTES_MAX + 1), "video/mp4")
        assert media.get("large").body == promised
        self.refuses(400, media.put, "new", bytes(2 * BYTES_MAX), "video/mp4")
        self.refuses(404, media.get, "new")
        media.put("new", bytes(BYTES_MAX), "video/mp4")
        assert [(one.name, one.size) for one in media.list()[0]] == [("large", BYTES_PROMISED), ("new", BYTES_MAX)]

    def test_wrong_credentials_are_401_for_every_operation(self, gateway: Gateway, media: Media) -> None:
        media.put("a", b"kept", "text/plain")
        for user, password in ((USER, "wrong"), ("nobody", PASSWORD), ("", ""), (USER, OTHER_PASSWORD)):
            wrong = self.connect(gateway.url, user, password, ACCOUNT)
            for name in ("a", "absent"):
                self.refuses(401, wrong.get, name)
                self.refuses(401, wrong.delete, name)
                self.refuses(401, wrong.put, name, b"changed", "text/plain")
            self.refuses(401, wrong.list)
            # Read and dropped, so that the SDK sees the status.
            self.refuses(401, wrong.put, "a", bytes(BYTES_PROMISED), "text/plain")
        assert media.get("a").body == b"kept"
        assert [one.name for one in media.list()[0]] == ["a"]

    def test_another_account_is_403_for_every_operation(self, gateway: Gateway, media: Media) -> None:
        media.put("a", b"ours", "text/plain")
        other = self.connect(gateway.url, OTHER_USER, OTHER_PASSWORD, OTHER_ACCOUNT)
        other.put("a", b"theirs", "text/plain")
        trespasser = self.connect(gateway.url, OTHER_USER, OTHER_PASSWORD, ACCOUNT)
        for name in ("a", "absent"):
            self.refuses(403, trespasser.get, name)
            self.refuses(403, trespasser.delete, name)
            self.refuses(403, trespasser.put, name, b"changed", "text/plain")
        self.refuses(403, trespasser.list)
        assert (media.get("a").body, other.get("a").body) == (b"ours", b"theirs")
        other.delete("a")
        assert media.get("a").body == b"ours"

    def test_readers_beside_writers_see_whole_versions(self, gateway: Gateway) -> None:
        versions = {bytes([number]) * 50_000: f"x/{number}" for number in range(4)}

        def write(version: tuple[bytes, str]) -> None:
            media = self.connect(gateway.url, USER, PASSWORD, ACCOUNT)
            for _ in range(10):
                media.put("contested", *version)

        def read(_: int) -> Iterator[Got]:
            media = self.connect(gateway.url, USER, PASSWORD, ACCOUNT)
            return iter([media.get("contested") for _ in range(20)])

        write(next(iter(versions.items())))
        with ThreadPoolExecutor(8) as pool:
            writing = pool.map(write, versions.items())
            reading = pool.map(read, range(4))
            seen = [got for reads in reading for got in reads]
            list(writing)
        assert all(versions.get(got.body) == got.headers["content-type"] for got in seen)

    def test_the_errors_are_json_of_two_texts(self, gateway: Gateway, media: Media) -> None:
        """What the SDKs need to make their exceptions, seen without one."""
        for status, headers in ((401, {}), (403, basic(OTHER_USER, OTHER_PASSWORD)), (404, basic(USER, PASSWORD))):
            reply = gateway.send("GET", content_path("absent"), headers)
            assert (reply.status, reply.headers["content-type"]) == (status, "application/json")
            body = json.loads(reply.body)
            assert set(body) >= {"type", "description"} and all(isinstance(text, str) for text in body.values())
            assert ("www-authenticate" in reply.headers) == (status == 401)
