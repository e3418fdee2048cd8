"""MessageBird, whose SDK has no calls for files: its generic client, `requests`, and curl."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest
import requests
from gateway import PATIENCE_SECS, Gateway
from messagebird.client import Client, ErrorException
from messagebird.http_client import HttpClient

KEY, OTHER_KEY, RESTRICTED_KEY = "public_key_1", "public_key_2", "restricted_key_3"
INVALID = "You are requesting with an invalid credential."

EVERY_BYTE = bytes(range(256)) * 3


class Files:
    """The three calls, by `requests`."""

    def __init__(self, gateway: Gateway, authorization: str | None = f"AccessKey {KEY}") -> None:
        self.root = f"{gateway.url}/v1/files"
        self.headers = {} if authorization is None else {"Authorization": authorization}

    def call(self, method: str, path: str = "", **options: Any) -> requests.Response:
        headers = self.headers | options.pop("headers", {})
        return requests.request(method, self.root + path, headers=headers, timeout=PATIENCE_SECS, **options)

    def post(self, body: Any, content_type: str = "image/png", disposition: str | bytes | None = None) -> dict:
        headers: dict[str, Any] = {"Content-Type": content_type}
        if disposition is not None:
            headers["Content-Disposition"] = disposition
        response = self.call("POST", data=body, headers=headers)
        assert response.status_code == 200, response.text
        return response.json()

    def get(self, name: str, **options: Any) -> requests.Response:
        return self.call("GET", f"/{name}", **options)


def is_error(response: requests.Response, *statuses: int) -> bool:
    """Whether it is an error of these statuses, in MessageBird's form."""
    assert response.headers["content-type"].startswith("application/json")
    (error,) = json.loads(response.text)["errors"]
    assert set(error) == {"code", "description", "parameter"}
    assert isinstance(error["code"], int) and isinstance(error["description"], str)
    if response.status_code == 401:
        assert error == {"code": 1001, "description": INVALID, "parameter": None}
    return response.status_code in statuses


def sdk(gateway: Gateway, key: str = KEY) -> Client:
    return Client(key, HttpClient(f"{gateway.url}/", key, "tests"))


@pytest.fixture
def files(gateway: Gateway) -> Files:
    return Files(gateway)


def test_what_was_posted_comes_back(gateway: Gateway, files: Files) -> None:
    stored = files.post(EVERY_BYTE, "image/png; a=b", 'attachment; filename="contract.pdf"')
    assert stored["name"] == "contract.pdf"
    assert str(uuid.UUID(stored["id"])) == stored["id"]
    for reader in (files, Files(gateway, None)):
        got = reader.get(stored["id"])
        assert (got.status_code, got.content) == (200, EVERY_BYTE)
        assert got.headers["content-type"] == "image/png; a=b"
        assert got.headers["content-disposition"] == 'attachment; filename="contract.pdf"'
        assert got.headers["content-length"] == str(len(EVERY_BYTE))
    assert files.get(stored["id"], headers={"Range": "bytes=0-1"}).content == EVERY_BYTE[:2]
    etag = got.headers["etag"]
    assert files.get(stored["id"], headers={"If-None-Match": etag}).status_code == 304


def test_each_post_makes_a_file_of_its_own(gateway: Gateway, files: Files) -> None:
    first, second = files.post(b"same", "text/plain"), files.post(b"same", "text/html")
    assert first["id"] != second["id"] and not first.get("name")
    assert files.call("DELETE", f"/{first['id']}").status_code == 204
    assert files.get(first["id"]).status_code == 404
    assert is_error(files.call("DELETE", f"/{first['id']}"), 404)
    gateway.forward(hours=24 * 400)
    got = files.get(second["id"])
    assert (got.content, got.headers["content-type"]) == (b"same", "text/html")


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('inline; filename="a b;c.txt"', "a b;c.txt"),
        ('attachment; filename="say \\"hi\\".txt"', 'say "hi".txt'),
        ("ATTACHMENT; FILENAME=bare.txt", "bare.txt"),
        ("attachment; filename*=UTF-8''na%C3%AFve%20file.txt", "naïve file.txt"),
        ("attachment; filename=\"fallback.txt\"; filename*=UTF-8''%E2%82%AC.txt", "€.txt"),
        ("attachment; filename*=UTF-8''%E2%82%AC.txt; filename=\"fallback.txt\"", "€.txt"),
        ("inline", None),
        ("attachment; other=1", None),
    ],
)
def test_the_name_is_the_filename_of_the_disposition(files: Files, disposition: str, name: str | None) -> None:
    stored = files.post(b"1", "text/plain", disposition)
    assert (stored.get("name") or None) == name
    assert files.get(stored["id"]).headers["content-disposition"] == disposition


def test_strange_dispositions_are_taken_or_refused(files: Files) -> None:
    strange = [
        'attachment; filename="../../x"',
        "",
        f'attachment; filename="{"x" * 1000}"',
        'attachment; filename="unterminated',
        "; filename=x",
        "filename=x",
        "attachment; filename*=UTF-8''%zz",
        "attachment; filename=",
        b'attachment; filename="\xff\xfe"',
    ]
    for disposition in strange:
        headers = {"Content-Type": "text/plain", "Content-Disposition": disposition}
        response = files.call("POST", data=b"1", headers=headers)
        assert response.status_code == 200 or is_error(response, 400), disposition
        if response.status_code == 200:
            assert files.get(response.json()["id"]).content == b"1"


def test_bodies_come_empty_and_in_chunks(files: Files) -> None:
    assert files.get(files.post(b"", "text/plain")["id"]).content == b""
    stored = files.post((EVERY_BYTE for _ in range(1000)), "video/mp4")
    got = files.get(stored["id"])
    assert (got.content, got.headers["content-length"]) == (EVERY_BYTE * 1000, str(len(EVERY_BYTE) * 1000))
    assert is_error(files.call("POST", data=b"untyped"), 400, 415)


def test_the_limit_is_100_megabytes(tmp_path: Path, files: Files) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(100_000_000 - 4)
        file.seek(0, 2)
        file.write(b"last")
    with path.open("rb") as file:
        stored = files.post(file, "video/mp4")
    head = files.call("HEAD", f"/{stored['id']}")
    assert (head.status_code, head.headers["content-length"]) == (200, "100000000")
    assert files.get(stored["id"], headers={"Range": "bytes=-4"}).content == b"last"
    path.write_bytes(b"")
    with path.open("r+b") as file:
        file.truncate(104_857_601)
        assert is_error(files.call("POST", data=file, headers={"Content-Type": "video/mp4"}), 400)


def test_posting_and_deleting_take_a_valid_key(gateway: Gateway, files: Files) -> None:
    name = files.post(b"kept")["id"]
    wrong = (None, "AccessKey wrong", "AccessKey", "AccessKey ", KEY, f"Basic {KEY}", f"Bearer {KEY}", "")
    for authorization in wrong:
        stranger = Files(gateway, authorization)
        posted = stranger.call("POST", data=b"1", headers={"Content-Type": "text/plain"})
        assert is_error(posted, 401), authorization
        assert is_error(stranger.call("DELETE", f"/{name}"), 401), authorization
        assert is_error(stranger.call("DELETE", f"/{uuid.uuid4()}"), 401), authorization
    large = {"Content-Type": "text/plain"}
    assert is_error(Files(gateway, None).call("POST", data=bytes(5_000_000), headers=large), 401)
    other = Files(gateway, f"AccessKey {OTHER_KEY}")
    assert is_error(other.call("DELETE", f"/{name}"), 403, 404)
    assert files.get(name).content == b"kept"
    assert is_error(Files(gateway, "AccessKey wrong").get(name), 401)
    assert other.get(name).content == b"kept", "files are public"


def test_files_of_a_restricted_account_take_its_key(gateway: Gateway) -> None:
    owner = Files(gateway, f"AccessKey {RESTRICTED_KEY}")
    name = owner.post(b"secret")["id"]
    assert owner.get(name).content == b"secret"
    for headers in ({}, {"If-None-Match": "*"}, {"If-None-Match": owner.get(name).headers["etag"]}):
        assert is_error(Files(gateway, None).get(name, headers=headers), 401)
        assert is_error(Files(gateway, "AccessKey wrong").get(name, headers=headers), 401)
        assert is_error(Files(gateway, f"AccessKey {OTHER_KEY}").get(name, headers=headers), 403, 404)


def test_what_is_no_file_is_not_found(files: Files) -> None:
    for path in ("/nope", "/%00", "/..%2F..", f"/{'x' * 3000}", f"/{uuid.uuid4()}", "/" + str(uuid.uuid4()).upper()):
        assert is_error(files.call("GET", path), 400, 404), path
        assert is_error(files.call("DELETE", path), 400, 404), path
    assert is_error(files.call("GET"), 400, 404, 405)


def test_the_generic_client_of_the_sdk(gateway: Gateway, files: Files, tmp_path: Path) -> None:
    name = files.post(EVERY_BYTE)["id"]
    path = tmp_path / "downloaded"
    assert sdk(gateway).request_store_as_file(f"v1/files/{name}", str(path)) == str(path)
    assert path.read_bytes() == EVERY_BYTE
    text = files.post("words".encode(), "text/plain")["id"]
    assert sdk(gateway).request_plain_text(f"v1/files/{text}") == "words"
    with pytest.raises(ErrorException) as raised:
        sdk(gateway, "wrong").request(f"v1/files/{name}", "DELETE")
    (error,) = raised.value.errors
    assert (error.code, error.description, error.parameter) == (1001, INVALID, None)
    # It sends a body of `{}` along.
    assert sdk(gateway).request(f"v1/files/{name}", "DELETE") == ""
    with pytest.raises(ErrorException):
        sdk(gateway).request(f"v1/files/{name}", "DELETE")


def curl(*arguments: str, sent: bytes | None = None) -> bytes:
    command = ["curl", "--silent", "--show-error", "--max-time", str(PATIENCE_SECS), *arguments]
    return subprocess.run(command, input=sent, stdout=subprocess.PIPE, check=True).stdout


def test_curl_with_a_file_and_from_a_pipe(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "contract.pdf"
    # More than a megabyte: curl asks whether it may go on.
    path.write_bytes(EVERY_BYTE * 2000)
    typed = ("-H", "Content-Type: application/pdf", "-H", 'Content-Disposition: attachment; filename="contract.pdf"')
    keyed = ("-H", f"Authorization: AccessKey {KEY}")
    stored = json.loads(curl(*keyed, *typed, "--data-binary", f"@{path}", files.root))
    assert stored["name"] == "contract.pdf"
    assert curl(f"{files.root}/{stored['id']}") == EVERY_BYTE * 2000
    status = ("--output", "/dev/null", "--write-out", "%{http_code} %{content_type}")
    assert curl(*status, f"{files.root}/{stored['id']}") == b"200 application/pdf"
    assert curl("--range", "256-511", f"{files.root}/{stored['id']}") == bytes(range(256))

    chunked = ("-X", "POST", "-H", "Transfer-Encoding: chunked", "-T", "-")
    piped = json.loads(curl(*keyed, *typed, *chunked, files.root, sent=EVERY_BYTE * 2000))
    assert curl(f"{files.root}/{piped['id']}") == EVERY_BYTE * 2000

    waiting = ("-H", "Expect: 100-continue", "--data-binary", f"@{path}")
    assert curl(*status, *typed, *waiting, files.root) == b"401 application/json"
    assert curl(*status, *keyed, "-X", "DELETE", f"{files.root}/{stored['id']}").startswith(b"204")
    assert curl(*status, f"{files.root}/{stored['id']}") == b"404 application/json"
