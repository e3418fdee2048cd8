"""The examples run, and do what they say."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import mediacask
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_attachments_are_kept_for_48_hours(path: Path, tmp_path: Path) -> None:
    files = [tmp_path / "picture.png", tmp_path / "voice.ogg"]
    for file in files:
        file.write_bytes(file.name.encode())
    said = run("attachments.py", path, "5500001", *files)
    assert "picture.png: 11 bytes of image/png, until" in said and "voice.ogg begins with b'voic'" in said
    with mediacask.open(path) as store:
        entries = list(store.account("5500001").entries())
        assert len(entries) == 2
        for entry in entries:
            assert entry.expires_at is not None and entry.expires_at - entry.updated_at == timedelta(hours=48)
    (tmp_path / "large").write_bytes(bytes(6_000_000))
    command = [sys.executable, str(EXAMPLES / "attachments.py"), str(path), "5500001", *map(str, files)]
    refused = subprocess.run([*command, str(tmp_path / "large")], capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "too much for one message" in refused.stderr
    with mediacask.open(path) as store:
        assert len(store.account("5500001")) == 2


def test_a_listing_is_walked_by_tokens(path: Path) -> None:
    with mediacask.open(path) as store:
        for number in range(12):
            store.account("a")[f"img/{number:02}.png"] = bytes(number)
        store.account("a")["img/deep/x"] = b"x"
    said = run("listing.py", path, "a", "img/")
    assert said.count("page ") == 3 and said.count(".png") == 12 and said.count("img/deep/  ") == 1


@pytest.fixture
def served(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setenv("MEDIACASK_STORE", str(path))
    spec = importlib.util.spec_from_file_location("serve_fastapi", EXAMPLES / "serve_fastapi.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    # FastAPI looks annotations up there.
    monkeypatch.setitem(sys.modules, "serve_fastapi", module)
    spec.loader.exec_module(module)
    yield module


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


async def ask(app: object, method: str, target: str, *pieces: bytes, breaks: bool = False, **headers: str) -> Answer:
    """One request to an ASGI application, without a server between."""
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": target, "raw_path": target.encode(), "query_string": b"", "root_path": "", "headers": sent,
        "server": ("test", 80), "client": ("test", 1),
    }  # fmt: skip
    left = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    left.append({"type": "http.disconnect"} if breaks else {"type": "http.request", "body": b"", "more_body": False})
    heard: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        if left:
            return left.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, object]) -> None:
        heard.append(message)

    await app(scope, receive, send)  # type: ignore[operator]
    body = b"".join(message.get("body", b"") for message in heard)  # type: ignore[misc]
    fields = {name.decode(): value.decode() for name, value in heard[0]["headers"]}  # type: ignore[attr-defined]
    return Answer(heard[0]["status"], fields, body)  # type: ignore[arg-type]


def test_files_are_served_with_ranges_and_etags(served: ModuleType, path: Path) -> None:
    data, at = bytes(range(256)) * 8000, "/media/5500001/img/clip.mp4"

    async def body() -> None:
        app = served.app
        async with app.router.lifespan_context(app):
            made = await ask(app, "PUT", at, data[:9000], data[9000:], content_type="video/mp4")
            etag = made.headers["etag"]
            assert made.status == 201 and etag == f'"{mediacask.Digest.of(data)}"'
            refused = await ask(app, "PUT", at, b"other", if_none_match="*")
            assert refused.status == 412

            whole = await ask(app, "GET", at)
            assert whole.status == 200 and whole.body == data and whole.headers["content-type"] == "video/mp4"
            assert whole.headers["etag"] == etag and whole.headers["accept-ranges"] == "bytes"
            head = await ask(app, "HEAD", at)
            assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(data)))

            for asked, start, stop in [
                ("bytes=0-99", 0, 100),
                ("bytes=300000-", 300_000, len(data)),
                ("bytes=-5", len(data) - 5, len(data)),
                ("bytes=10-99999999", 10, len(data)),
            ]:
                part = await ask(app, "GET", at, range=asked)
                assert part.status == 206 and part.body == data[start:stop], asked
                assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(data)}"
            beyond = await ask(app, "GET", at, range="bytes=99999999-")
            assert beyond.status == 416 and beyond.headers["content-range"] == f"bytes */{len(data)}"
            assert (await ask(app, "GET", at, range="bytes=0-1,5-6")).status == 200
            assert (await ask(app, "GET", at, range="bytes=0-99", if_range='"old"')).status == 200
            assert (await ask(app, "GET", at, range="bytes=0-99", if_range=etag)).status == 206

            same = await ask(app, "GET", at, if_none_match=f'"x", {etag}')
            assert same.status == 304 and same.body == b""
            assert (await ask(app, "GET", "/media/5500001/absent")).status == 404

            try:
                await ask(app, "PUT", "/media/5500001/half", data, breaks=True)
            except Exception as error:
                assert type(error).__name__ == "ClientDisconnect"
            assert (await ask(app, "GET", "/media/5500001/half")).status == 404

    asyncio.run(body())
    with mediacask.open(path) as store:
        assert list(store.account("5500001")) == ["img/clip.mp4"]


def test_the_quick_start_of_the_readme_runs(tmp_path: Path) -> None:
    readme = (EXAMPLES.parents[2] / "README.md").read_text()
    [block] = [part.split("```")[0] for part in readme.split("\n```python\n")[1:]]
    ran = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("img/logo.png 7 ")
    assert (tmp_path / "media.cask" / "STORE").is_file()
    own = (EXAMPLES.parent / "PYTHON.md").read_text()
    [block] = [part.split("```")[0] for part in own.split("\n```python\n")[1:]]
    ran = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and "<Entry 'logo.png'" in ran.stdout, ran.stderr
