"""Serves the media of a store over HTTP, with ranges and ETags, and takes uploads of any length.

    MEDIACASK_STORE=media.cask uvicorn serve_fastapi:app

    curl -T clip.mp4 -H 'Content-Type: video/mp4' localhost:8000/media/5500001/clip.mp4
    curl -r 0-99 localhost:8000/media/5500001/clip.mp4

One process has a store at a time: run it with one worker. Each request runs in the store's own threads, so the
event loop goes on while the disk works.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from email.utils import format_datetime

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

import mediacask
import mediacask.aio


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    """The store is open as long as the application runs: opened after any fork, closed at the end."""
    async with mediacask.aio.open(os.environ["MEDIACASK_STORE"]) as store:
        app.state.store = store
        yield


app = FastAPI(lifespan=lifespan)


def account_of(request: Request, account: str) -> mediacask.aio.Account:
    """The account that a request names."""
    store: mediacask.aio.Store = request.app.state.store
    return store.account(account)


def asked_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The one range that is asked for, as start and stop (RFC 9110, 14.2); None for all of it."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if found is None or found.groups() == ("", ""):
        # None, several, or another unit: a server may answer with all of it.
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
    if start >= stop:
        raise HTTPException(416, headers={"Content-Range": f"bytes */{size}"})
    return start, stop


def headers_of(entry: mediacask.Entry) -> dict[str, str]:
    """What is said of the content: the digest is an ETag that is as strong as can be."""
    headers = {
        "ETag": f'"{entry.digest}"',
        "Accept-Ranges": "bytes",
        "Last-Modified": format_datetime(entry.updated_at, usegmt=True),
        "Cache-Control": entry.cache_control or "private",
    }
    if entry.content_disposition:
        headers["Content-Disposition"] = entry.content_disposition
    if entry.expires_at:
        headers["Expires"] = format_datetime(entry.expires_at, usegmt=True)
    return headers


async def pieces(media: mediacask.aio.Account, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
    """The bytes from start to before stop, in pieces; each is checked before it leaves."""
    async with media.open(name) as file:
        await file.seek(start)
        while start < stop and (piece := await file.read(min(stop - start, 256 * 1024))):
            start += len(piece)
            yield piece


@app.api_route("/media/{account}/{name:path}", methods=["GET", "HEAD"])
async def get(request: Request, account: str, name: str) -> Response:
    """The content, a range of it, or that it is what the client has."""
    media = account_of(request, account)
    entry = await media.head(name)
    if entry is None:
        raise HTTPException(404, "there is no such medium")
    headers = headers_of(entry)
    known = re.findall(r'"[^"]*"|\*', request.headers.get("if-none-match", ""))
    if headers["ETag"] in known or "*" in known:
        return Response(status_code=304, headers=headers)
    wanted = None
    if request.headers.get("if-range", headers["ETag"]) == headers["ETag"]:
        wanted = asked_range(request.headers.get("range"), entry.size)
    start, stop = wanted or (0, entry.size)
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{entry.size}"
    headers["Content-Length"] = str(stop - start)
    media_type = entry.content_type or "application/octet-stream"
    status = 206 if wanted else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    return StreamingResponse(pieces(media, name, start, stop), status, headers, media_type)


@app.put("/media/{account}/{name:path}", status_code=201)
async def put(request: Request, account: str, name: str, response: Response) -> dict[str, object]:
    """Takes an upload of any length in bounded memory; a connection that breaks off stores nothing."""
    media = account_of(request, account)
    try:
        entry = await media.put(
            name,
            request.stream(),
            content_type=request.headers.get("content-type"),
            if_absent=request.headers.get("if-none-match") == "*",
        )
    except mediacask.PreconditionFailedError as error:
        raise HTTPException(412, str(error)) from error
    except (mediacask.QuotaExceededError, mediacask.TooLargeError) as error:
        raise HTTPException(413, str(error)) from error
    response.headers["ETag"] = f'"{entry.digest}"'
    return {"name": entry.name, "size": entry.size, "digest": str(entry.digest)}
