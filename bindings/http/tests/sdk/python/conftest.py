"""A gateway for each test, and an environment in which no SDK is led elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("bandwidth_contract", "bandwidth_older")

from gateway import Gateway  # noqa: E402

# No proxy of this machine for requests to itself, and none of Twilio's own regions.
for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "TWILIO_EDGE", "TWILIO_REGION"):
    os.environ.pop(name, None)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path)
    try:
        yield gateway
    finally:
        gateway.stop()
