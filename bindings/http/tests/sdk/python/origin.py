"""A web server for one test, from which the gateway fetches media."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Page(NamedTuple):
    status: int
    content_type: str
    body: bytes
    etag: str | None = None
    location: str | None = None


class Origin:
    """Serves `pages` by their path, and keeps what was asked: the path, and the tag that it was asked with."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, str | None]] = []
        origin = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                tag = self.headers.get("If-None-Match")
                origin.asked.append((self.path, tag))
                page = origin.pages.get(self.path, Page(404, "text/plain", b"no such page"))
                if page.etag is not None and page.etag == tag:
                    page = Page(304, page.content_type, b"", page.etag)
                self.send_response(page.status)
                self.send_header("Content-Type", page.content_type)
                for name, value in (("ETag", page.etag), ("Location", page.location)):
                    if value is not None:
                        self.send_header(name, value)
                if page.status != 304:
                    self.send_header("Content-Length", str(len(page.body)))
                self.end_headers()
                self.wfile.write(page.body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
