"""Compaction, verification, checkpoints."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import mediacask
import pytest

SMALL = {"segment_len": 1 << 16, "file_threshold": 1 << 14, "upkeep": "by_hand", "durability": "os"}


def test_compaction_frees_what_is_needed_no_more_and_blobs_stay(path: Path) -> None:
    with mediacask.open(path, **SMALL) as store:  # type: ignore[arg-type]
        media = store.account("a")
        blobs = []
        for number in range(400):
            media[f"{number % 20}"] = number.to_bytes(2, "little") * 1000
            if number % 40 == 7:
                blobs.append((number, media[f"{number % 20}"]))
        before = store.stats().total_bytes
        report = store.compact()
        assert report.segments_freed > 3 and report.bytes_freed > 0
        assert store.stats().total_bytes < before
        for number in range(20):
            assert media[f"{number}"] == (380 + number).to_bytes(2, "little") * 1000
        assert all(blob == number.to_bytes(2, "little") * 1000 for number, blob in blobs)
        last = store.health().last.compaction
        assert last is not None and last.error is None and last.counts["segments_freed"] == report.segments_freed
    with mediacask.open(path, space_amplification=1.5, events_keep=60, **SMALL) as store:  # type: ignore[arg-type]
        assert len(store.account("a")) == 20
    with pytest.raises(mediacask.InvalidOptionError):
        mediacask.open(path, space_amplification=0.5)


def test_what_was_deleted_is_erased(path: Path) -> None:
    with mediacask.open(path, erase_within=60, **SMALL) as store:  # type: ignore[arg-type]
        media = store.account("a")
        media["gone-7f3a9c"] = b"secret-51c02e77"
        media["kept"] = b"kept"
        del media["gone-7f3a9c"]
        store.compact()
        health = store.health()
        assert health.erasure_overdue is None
        assert health.last.erasure is not None and health.last.erasure.counts["late_ms"] == 0
        files = [file.read_bytes() for file in path.rglob("*") if file.is_file()]
        assert files and not any(b"7f3a9c" in file or b"51c02e77" in file for file in files)
        assert media["kept"] == b"kept"
    with pytest.raises(mediacask.InvalidOptionError):
        mediacask.open(path, erase_within=1)


def test_a_sound_store_verifies(media: mediacask.Account, store: mediacask.Store) -> None:
    for number in range(10):
        media[f"{number}"] = bytes([number]) * 10_000
    heard: list[mediacask.VerifyProgress] = []
    report = store.verify(progress=heard.append)
    assert report.damaged == [] and not report.damage_stands and report.resume is None
    assert (report.contents_checked, report.entries_checked, report.repaired) == (10, 10, 0)
    assert heard and heard[-1].bytes_checked > 0 and heard[-1].damaged == 0


def test_damage_is_named_with_the_names_that_hold_it(path: Path) -> None:
    data = b"a content that is nowhere else" * 50
    with mediacask.open(path) as store:
        store.account("a")["x"] = store.account("a")["y"] = data
        store.account("a")["sound"] = b"sound"
    segment = next((path / "segments").glob("*.seg"))
    image = bytearray(segment.read_bytes())
    image[image.index(data) + 7] ^= 1
    segment.write_bytes(image)
    with mediacask.open(path) as store:
        report = store.verify()
        [damaged] = report.damaged
        assert damaged.digest == mediacask.Digest.of(data) and damaged.names == [("a", "x"), ("a", "y")]
        assert damaged.path == segment and damaged.what and damaged.remedy and report.damage_stands
        repaired = store.verify(repair=True)
        assert repaired.repaired >= 1 and not repaired.damage_stands
        assert list(store.account("a")) == ["sound"]
        assert store.verify().damaged == []


@pytest.fixture
def large(path: Path) -> Iterator[mediacask.Store]:
    with mediacask.open(path, **SMALL) as store:  # type: ignore[arg-type]
        for number in range(500):
            store.account("a")[f"{number}"] = number.to_bytes(2, "little") * 3000
        yield store


def test_a_verification_is_broken_off_and_goes_on(large: mediacask.Store) -> None:
    report = large.verify(progress=lambda so_far: False)
    assert report.resume is not None and report.contents_checked < 500
    rest = large.verify(resume=report.resume)
    assert rest.resume is None and rest.damaged == []
    with pytest.raises(ZeroDivisionError):
        large.verify(progress=lambda so_far: 1 // 0)
    with pytest.raises(mediacask.InvalidTokenError):
        large.verify(resume="made up")


def test_a_verification_hears_signals(large: mediacask.Store) -> None:
    def heard(*_: object) -> None:
        raise InterruptedError("a signal")

    before = signal.signal(signal.SIGUSR1, heard)
    try:
        with pytest.raises(InterruptedError):
            large.verify(progress=lambda so_far: os.kill(os.getpid(), signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_checkpoint_opens_and_is_brought_back(media: mediacask.Account, store: mediacask.Store, tmp_path: Path) -> None:
    for number in range(20):
        media[f"{number}"] = number.to_bytes(2, "little") * 5000
    report = store.checkpoint(tmp_path / "copy")
    assert report.files_linked + report.files_copied > 0
    assert report.last_sequence >= max(entry.generation for entry in media.entries())
    media["later"] = b"later"
    again = store.checkpoint(str(tmp_path / "copy"))
    assert again.last_sequence > report.last_sequence
    with pytest.raises(mediacask.InvalidOptionError):
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "file").touch()
        store.checkpoint(tmp_path / "other")
    store.close()
    assert mediacask.restore(tmp_path / "copy", tmp_path / "back").last_sequence == again.last_sequence
    for place in ("copy", "back"):
        with mediacask.open(tmp_path / place) as opened:
            copied = opened.account(media.name)
            assert len(copied) == 21 and copied["later"] == b"later" and copied["19"] == b"\x13\x00" * 5000
