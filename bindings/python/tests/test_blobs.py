"""Blobs are buffers over the store's own memory: no copy, and valid whatever becomes of the name."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Callable
from pathlib import Path

import mediacask
import numpy
import pytest

DATA = bytes(range(256)) * 4096


def address(buffer: object) -> int:
    return int(numpy.frombuffer(buffer, dtype=numpy.uint8).ctypes.data)  # type: ignore[call-overload]


def test_a_blob_is_a_read_only_buffer_without_a_copy(media: mediacask.Account) -> None:
    media["x"] = DATA
    blob = media["x"]
    view = memoryview(blob)
    assert (view.readonly, view.contiguous, view.format, view.itemsize, view.shape) == (True, True, "B", 1, (1 << 20,))
    assert address(view) == address(blob) == address(media["x"])
    assert address(blob[4096:]) == address(blob) + 4096
    with pytest.raises(TypeError):
        view[0] = 1
    with pytest.raises((TypeError, BufferError)):
        io.BytesIO(b"0123").readinto(blob)  # type: ignore[arg-type]
    assert hashlib.sha256(blob).digest() == hashlib.sha256(DATA).digest()
    assert numpy.frombuffer(blob, dtype="<u4").sum() == numpy.frombuffer(DATA, dtype="<u4").sum()


def test_a_blob_reads_like_bytes(media: mediacask.Account) -> None:
    media["x"] = b"hello world"
    blob = media["x"]
    assert len(blob) == 11 and blob and bytes(blob) == blob.tobytes() == b"hello world"
    assert blob[0] == ord("h") and blob[-1] == ord("d") and list(blob[:3]) == [104, 101, 108]
    assert blob[6:] == b"world" and blob[6:][1:3] == b"or" and blob[-5:] == b"world" and blob[8:2] == b""
    assert isinstance(blob[6:], mediacask.Blob) and blob[6:].entry == blob.entry
    assert blob[::-1] == b"dlrow olleh" and blob[1:9:3] == b"hello world"[1:9:3]
    assert blob.decode() == "hello world" and blob[4:5].decode("ascii") == "o"
    for index in (11, -12, 2**70, -(2**70), -(2**63)):
        with pytest.raises(IndexError):
            blob[index]
    assert blob == bytearray(b"hello world") == blob and blob != b"hello" and blob != "hello world"
    assert media["x"] == blob and {blob: 1}[media["x"]] == 1 and {b"hello world": 2}[blob] == 2  # type: ignore[index]
    assert b"".join([blob[:5], b", ", blob[6:]]) == b"hello, world"
    assert repr(blob) == "<Blob 'x': 11 bytes>"
    media["empty"] = b""
    assert not media["empty"] and bytes(media["empty"]) == b"" and memoryview(media["empty"]).nbytes == 0


def test_a_blob_has_the_facts_of_its_name(media: mediacask.Account) -> None:
    entry = media.put("x", DATA, content_type="image/png", metadata={"campaign": "spring"})
    blob = media["x"]
    assert blob.entry == entry and blob.digest == entry.digest == mediacask.Digest.of(DATA)
    assert blob.hexdigest() == str(entry.digest) == entry.digest.hexdigest() == bytes(entry.digest).hex()
    assert blob.entry.metadata == {"campaign": "spring"}


def test_a_range_reads_what_it_names(media: mediacask.Account) -> None:
    media["x"] = DATA
    part = media.get_range("x", 70_000, 200_000)
    assert part is not None and part == DATA[70_000:200_000] and part.entry.size == len(DATA)
    assert media.get_range("x", 1_000_000, 9_000_000) == DATA[1_000_000:]
    assert media.get_range("x", len(DATA)) == b""
    with pytest.raises(mediacask.InvalidOptionError):
        media.get_range("x", len(DATA) + 1)
    with pytest.raises(mediacask.InvalidOptionError):
        media.get_range("x", 5, 4)
    with pytest.raises(OverflowError):
        media.get_range("x", -1)


def test_blobs_outlive_overwrite_delete_compaction_and_the_store(program: Callable[..., str], path: Path) -> None:
    said = program(
        """
        import gc, sys, mediacask

        def content(number):
            return number.to_bytes(4, "little") * 5000

        store = mediacask.open(sys.argv[1], segment_len=1 << 20, file_threshold=1 << 16, upkeep="by_hand")
        media = store.account("a")
        held, views = [], []
        for number in range(200):
            media.put(f"{number % 7}", content(number))
            if number % 20 == 0:
                held.append((number, media[f"{number % 7}"]))
                views.append((number, memoryview(media[f"{number % 7}"])[100:]))
                media.put("large", content(number) * 5)
                held.append((number, media["large"][:20000]))
        # What is left of each segment moves: by then most of what is held was overwritten, and some was not.
        compacted = store.compact()
        assert compacted.segments_freed > 0 and compacted.bytes_rewritten > 0, compacted
        for number in range(200, 207):
            held.append((number - 7, media[f"{number % 7}"]))
        for name in list(media):
            del media[name]
        assert store.compact().segments_freed > 0
        store.sweep()
        store.checkpoint_catalog()
        store.sweep()
        for number in range(1000, 1150):
            media.put("again", content(number))
        store.close()
        del store, media
        gc.collect()
        for number, blob in held:
            assert blob == content(number), number
        for number, view in views:
            assert view == content(number)[100:], number
        print("valid", len(held) + len(views))
        """,
        path,
    )
    assert said == "valid 37\n"


def test_the_buffer_keeps_the_blob_and_the_blob_its_map(media: mediacask.Account, store: mediacask.Store) -> None:
    media["x"] = DATA
    blob = media["x"]
    references = sys.getrefcount(blob)
    view = memoryview(blob)
    assert sys.getrefcount(blob) == references + 1
    array = numpy.frombuffer(media["x"], dtype=numpy.uint8)
    del media["x"], blob
    store.close()
    assert view == DATA and array.tobytes() == DATA


def test_damage_is_told_and_not_given_out(path: Path) -> None:
    data = b"a content that is nowhere else, and long enough to be found" * 40
    with mediacask.open(path) as store:
        store.account("a").put("x", data)
    segment = next((path / "segments").glob("*.seg"))
    image = bytearray(segment.read_bytes())
    at = image.index(data)
    image[at + 100] ^= 1
    segment.write_bytes(image)
    with mediacask.open(path) as store:
        media = store.account("a")
        with pytest.raises(mediacask.CorruptError, match="damage in .* at offset") as caught:
            media["x"]
        assert caught.value.path == segment and isinstance(caught.value, OSError)
        with pytest.raises(mediacask.CorruptError):
            media.open("x").read()
        assert media.head("x") is not None
        media.put("x", data)
        assert media["x"] == data
