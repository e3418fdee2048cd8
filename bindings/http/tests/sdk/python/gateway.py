"""A gateway for one test: `mediacask serve` on a free port, over a store that is empty, with a clock that can be moved.

`MEDIACASK` names the program. Requests that no SDK makes go out by `Gateway.send`, of the standard library, so that it
is there beside every SDK.
"""

from __future__ import annotations

import base64
import http.client
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

CONFIG = (Path(__file__).parent.parent / "gateway.toml").read_text()

# What must never stand in the log.
SECRETS = re.findall(r'(?:password|auth_token|key) = "(.*)"', CONFIG)

# How long anything may take before a test fails: long, for a machine that is busy.
PATIENCE_SECS = 120


class Reply(NamedTuple):
    """An answer as it came, its header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def basic(user: str, password: str) -> dict[str, str]:
    """The header of Basic credentials."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class Gateway:
    """A running gateway; `stop` ends it and checks that it ended well."""

    def __init__(self, directory: Path) -> None:
        self._clock = directory / "clock"
        self._log = directory / "log"
        self._ahead_secs = 0
        self.forward(secs=0)
        config = directory / "gateway.toml"
        config.write_text(f'listen = "127.0.0.1:0"\n{CONFIG}')
        command = [os.environ["MEDIACASK"], "--store", str(directory / "store"), "serve"]
        command += ["--config", str(config), "--test-clock", str(self._clock)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        # What it is called by the clients: http://127.0.0.1:PORT.
        self.url = said.removeprefix("listening on ").strip()
        if not said.startswith("listening on "):
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"the gateway did not start: {self._log.read_text()}")
        self.host = self.url.removeprefix("http://")

    def forward(self, *, hours: float = 0, secs: int = 0) -> None:
        """Moves its clock."""
        self._ahead_secs += int(hours * 3600) + secs
        # At once, since it may be read at any time.
        written = self._clock.with_suffix(".new")
        written.write_text(str(self._ahead_secs))
        written.replace(self._clock)

    def send(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        """Sends one request on a connection of its own: a path or a URL of this gateway, exactly as it stands."""
        target = target.removeprefix(self.url)
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE_SECS)
        try:
            connection.request(method, target, body, dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, names, response.read())
        finally:
            connection.close()

    def stop(self) -> None:
        """Tells it to end, as an operator does; the store is closed clean and no secret was told to the log."""
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(PATIENCE_SECS)
        finally:
            self._process.kill()
            assert self._process.stdout is not None
            self._process.stdout.close()
        log = self._log.read_text()
        assert code == 0, f"the gateway ended with {code}: {log}"
        told = [secret for secret in SECRETS if secret in log]
        assert not told, f"secrets in the log: {told}"
