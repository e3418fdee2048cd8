"""What all tests of the Python package stand on: a store in a directory of its own, and the wheel that is installed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import mediacask
import pytest

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "media.cask"


@pytest.fixture
def clock() -> mediacask.ManualClock:
    return mediacask.ManualClock(BEGIN)


@pytest.fixture
def store(path: Path) -> Iterator[mediacask.Store]:
    with mediacask.open(path) as store:
        yield store


@pytest.fixture
def media(store: mediacask.Store) -> mediacask.Account:
    return store.account("5500001")


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., str]:
    """Runs a program in an interpreter of its own, where it must end well, and gives what it said."""

    def run(text: str, *arguments: object, timeout: float = 120) -> str:
        command = [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(text), *map(str, arguments)]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=timeout, check=False)
        assert ran.returncode == 0, f"it ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout

    return run


def pytest_report_header() -> str:
    return f"mediacask {mediacask.__version__} from {Path(mediacask.__file__).parent}"
