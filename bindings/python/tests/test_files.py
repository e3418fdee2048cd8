"""Files over blobs work with what the standard library and others do with files."""

from __future__ import annotations

import copy
import csv
import gc
import io
import pickle
import shutil
import tarfile
import threading
import zipfile
from pathlib import Path

import mediacask
import pytest
from PIL import Image

DATA = bytes(range(256)) * 4096


def test_a_reader_reads_seeks_and_tells(media: mediacask.Account) -> None:
    media.put("x", DATA, content_type="a/b")
    with media.open("x") as file:
        assert isinstance(file, io.BufferedReader) and file.readable() and file.seekable() and not file.writable()
        assert file.entry.content_type == "a/b" and file.name == "x" and file.mode == "rb"
        assert file.read(5) == DATA[:5] and file.tell() == 5
        assert file.seek(-10, io.SEEK_END) == len(DATA) - 10 and file.read() == DATA[-10:] and file.read() == b""
        assert file.seek(100_000) == 100_000 and file.seek(5, io.SEEK_CUR) == 100_005
        assert file.peek(1)[:1] == DATA[100_005:100_006]
        room = bytearray(300_000)
        assert file.readinto(room) == 300_000 and room == DATA[100_005:400_005]
        assert file.seek(9 << 20) and file.read() == b""
        with pytest.raises((ValueError, OSError)):
            file.seek(-1)
        with pytest.raises(io.UnsupportedOperation):
            file.fileno()
    with pytest.raises(ValueError, match="closed"):
        file.read()
    assert media.open("x", buffering=16).read(100) == DATA[:100]


def test_a_reader_stays_with_its_version(media: mediacask.Account) -> None:
    media["x"] = b"old " * 100_000
    with media.open("x") as file:
        assert file.read(4) == b"old "
        media["x"] = b"new"
        del media["x"]
        assert file.read() == b"old " * 99_999


def test_a_clean_end_stores_and_an_exception_does_not(media: mediacask.Account) -> None:
    with media.open("x", "wb", content_type="text/plain", ttl=60) as file:
        assert file.writable() and not file.readable() and file.write(b"one ") == 4
        assert file.write(memoryview(b"two")) == 3 and file.tell() == 7
        assert "x" not in media
    assert file.closed and media["x"] == b"one two" and file.entry == media.head("x")
    assert file.entry is not None and file.entry.content_type == "text/plain" and file.entry.expires_at
    with pytest.raises(ZeroDivisionError), media.open("x", "wb") as file:
        file.write(b"half of it")
        raise ZeroDivisionError
    assert media["x"] == b"one two" and file.closed and file.entry is None
    with media.open("x", "wb") as file:
        file.write(b"given up")
        file.abort()
    assert media["x"] == b"one two"
    file = media.open("y", "wb")
    file.write(b"closed by hand")
    file.close()
    file.close()
    assert media["y"] == b"closed by hand"
    with pytest.raises(ValueError, match="closed"):
        file.write(b"more")


def test_a_forgotten_writer_stores_nothing(media: mediacask.Account) -> None:
    file = media.open("x", "wb")
    file.write(b"half")
    del file
    gc.collect()
    assert "x" not in media


def test_a_writer_is_not_copied(media: mediacask.Account) -> None:
    with media.open("x", "wb") as file:
        file.write(b"first, ")
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            # A copy that is forgotten would abort what the writer has begun.
            with pytest.raises(TypeError, match="cannot be pickled or copied"):
                attempt(file)
            gc.collect()
        file.write(b"second")
    assert media["x"] == b"first, second"


def test_an_exclusive_writer_wants_the_name_free(media: mediacask.Account) -> None:
    with media.open("x", "xb") as file:
        file.write(b"first")
    with pytest.raises(mediacask.PreconditionFailedError), media.open("x", "xb") as file:
        file.write(b"second")
    assert media["x"] == b"first"
    for mode in ("r", "w", "ab", "r+b"):
        with pytest.raises(ValueError, match="TextIOWrapper"):
            media.open("x", mode)
    with pytest.raises(TypeError):
        media.open("x", content_type="a/b")


def test_text_goes_through_a_wrapper_and_an_exception_stores_nothing(media: mediacask.Account) -> None:
    rows = [["name", "size"], ["Zoë", "7"]]
    with media.open("rows.csv", "wb") as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        csv.writer(text).writerows(rows)
    with io.TextIOWrapper(media.open("rows.csv"), encoding="utf-8", newline="") as text:
        assert list(csv.reader(text)) == rows
    before = media["rows.csv"]
    with (
        pytest.raises(ZeroDivisionError),
        media.open("rows.csv", "wb") as file,
        io.TextIOWrapper(file, encoding="utf-8") as text,
    ):
        text.write("half of it")
        raise ZeroDivisionError
    assert media["rows.csv"] == before


def test_what_works_on_files_works_here(media: mediacask.Account, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(DATA)
    with (tmp_path / "data").open("rb") as source, media.open("copied", "wb") as target:
        shutil.copyfileobj(source, target)
    with media.open("copied") as source, (tmp_path / "back").open("wb") as target:
        shutil.copyfileobj(source, target)
    assert (tmp_path / "back").read_bytes() == DATA

    with media.open("a.zip", "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.txt", "one")
        archive.writestr("data", DATA)
    with media.open("a.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None and archive.read("data") == DATA

    with media.open("a.tar", "wb") as file, tarfile.open(fileobj=file, mode="w|gz") as tar:
        tar.add(tmp_path / "data", "data")
    with media.open("a.tar") as file, tarfile.open(fileobj=file) as tar:
        member = tar.extractfile("data")
        assert member is not None and member.read() == DATA


def test_pictures_are_written_and_read_by_pillow(media: mediacask.Account) -> None:
    picture = Image.new("RGB", (60, 40), (200, 30, 30))
    with media.open("picture.png", "wb", content_type="image/png") as file:
        picture.save(file, "PNG")
    with media.open("picture.png") as file, Image.open(file) as again:
        assert again.size == (60, 40) and again.getpixel((5, 5)) == (200, 30, 30)
    with Image.open(io.BytesIO(media["picture.png"])) as again:
        assert again.format == "PNG"


def test_threads_write_through_one_file_in_turns(media: mediacask.Account) -> None:
    with media.open("x", "wb") as file:
        threads = [threading.Thread(target=lambda: [file.write(b"0123456789") for _ in range(500)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert media["x"] == b"0123456789" * 2000
