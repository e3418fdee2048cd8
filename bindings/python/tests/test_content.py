"""What can be put: any contiguous buffer, binary files, iterables of buffers; and nothing that is text."""

from __future__ import annotations

import array
import ctypes
import io
import mmap
import os
import pickle
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import mediacask
import numpy
import pytest

DATA = bytes(range(256)) * 5000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        DATA,
        bytearray(DATA),
        memoryview(DATA),
        memoryview(DATA)[100:2000],
        memoryview(bytearray(DATA)).cast("I"),
        memoryview(bytearray(DATA)).cast("B", (1280, 1000)),
        *(array.array(code, [1, 2, 3]) for code in "bBhHiIlLqQfd"),
        *(numpy.array([1, 0, 2]).astype(kind) for kind in "?bBhHiIlLqQefdgFDG"),
        numpy.array(["text", "ü"]),
        numpy.array([b"bytes", b"x"]),
        numpy.arange(1000, dtype=">u2"),
        numpy.ones((30, 40), dtype=numpy.complex128),
        numpy.array(7.0),
        numpy.zeros(3, dtype=[("a", "i4"), ("Offset", "f8")]),
        (ctypes.c_int * 5)(1, 2, 3, 4, 5),
        ctypes.c_double(2.5),
    ],
    ids=lambda content: f"{type(content).__name__}",
)
def test_any_contiguous_buffer_goes_in(media: mediacask.Account, content: object) -> None:
    wanted = bytes(memoryview(content))  # type: ignore[arg-type]
    entry = media.put("x", content)  # type: ignore[arg-type]
    assert entry.size == len(wanted)
    assert media["x"] == wanted
    assert entry.digest == mediacask.Digest.of(wanted) == mediacask.Digest.of(content)  # type: ignore[arg-type]


def test_dates_of_numpy_go_in_though_they_have_no_item_format(media: mediacask.Account) -> None:
    dates = numpy.array(["2026-01-02", "2026-01-03"], dtype="datetime64[s]")
    media["x"] = dates
    assert media["x"] == dates.tobytes()


def test_a_blob_goes_in_again(media: mediacask.Account) -> None:
    media["x"] = DATA
    media["y"] = media["x"]
    media["z"] = media["x"][3:9]
    assert media["y"] == DATA and media["z"] == DATA[3:9]


def test_files_go_in_without_being_read_as_a_whole(media: mediacask.Account, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    with source.open("rb") as file:
        assert media.put("buffered", file).size == len(DATA)
    with source.open("rb", buffering=0) as raw:
        media["raw"] = raw
    media["memory"] = io.BytesIO(DATA)
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        media["mapped"] = mapped
    assert media.put_file("path", source, content_type="a/b").content_type == "a/b"
    assert media.put_file("text", str(source)).size == len(DATA)
    assert {media[name].digest for name in media} == {mediacask.Digest.of(DATA)}


class Pieces:
    """A file of 300 MB that never was in memory; it counts how much was asked for at once."""

    def __init__(self, length: int) -> None:
        self.left, self.most = length, 0

    def read(self, size: int) -> bytes:
        self.most = max(self.most, size)
        length = min(size, self.left)
        self.left -= length
        return bytes(length)


def test_a_long_file_is_asked_for_in_pieces(media: mediacask.Account) -> None:
    file = Pieces(20_000_000)
    assert media.put("long", file).size == 20_000_000
    assert 0 < file.most <= 1 << 20


def test_iterables_of_buffers_go_in(media: mediacask.Account) -> None:
    def pieces() -> Iterator[bytes | bytearray]:
        yield b"one "
        yield b""
        yield bytearray(b"two")

    assert media.put("generated", pieces()).size == 7
    assert media["generated"] == b"one two"
    media["listed"] = [b"a", memoryview(b"b")]
    assert media["listed"] == b"ab"
    media["none"] = []
    assert media["none"] == b""


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("text", "encode it first"),
        (7, "not int"),
        (None, "not NoneType"),
        ([1, 2], "gave int"),
        (["a"], "gave text"),
        (io.StringIO("text"), "binary mode"),
    ],
)
def test_what_is_no_content_is_refused_with_a_hint(media: mediacask.Account, content: object, hint: str) -> None:
    with pytest.raises(TypeError, match=hint):
        media.put("x", content)  # type: ignore[arg-type]
    assert "x" not in media


def test_buffers_that_are_not_contiguous_are_refused(media: mediacask.Account) -> None:
    square = numpy.arange(9).reshape(3, 3)
    views = memoryview(b"abcdef")[::2], memoryview(b"abc")[::-1]
    for content in (numpy.arange(10)[::2], square[:, 1], square.T, *views):
        with pytest.raises(BufferError, match="not contiguous .* copy it first"):
            media["x"] = content
        with pytest.raises(BufferError, match="copy it first"), media.batch() as batch:
            batch.put("x", content)
    assert "x" not in media


def test_buffers_of_python_objects_are_refused(media: mediacask.Account) -> None:
    # What they hold are addresses.
    fields = numpy.zeros(3, dtype=[("a", "i4"), ("b", object)])
    for content in (numpy.array([b"a", None], dtype=object), fields, (ctypes.py_object * 2)(b"a", b"b")):
        with pytest.raises(TypeError, match="items are Python objects"):
            media["x"] = content  # type: ignore[assignment]
    assert "x" not in media


def test_a_buffer_that_was_let_go_of_says_so(media: mediacask.Account) -> None:
    view = memoryview(b"abc")
    view.release()
    with pytest.raises(ValueError, match="released"):
        media["x"] = view
    with mmap.mmap(-1, 10) as mapped:
        pass
    with pytest.raises(ValueError, match="closed"):
        media["x"] = mapped
    assert "x" not in media


def test_what_a_source_raises_comes_out_and_nothing_is_stored(media: mediacask.Account) -> None:
    class Broken:
        def read(self, size: int) -> bytes:
            raise ConnectionResetError("the upload broke off")

    def breaking() -> Iterator[bytes]:
        yield b"one"
        raise LookupError("no more")

    media["x"] = b"before"
    with pytest.raises(ConnectionResetError, match="broke off"):
        media.put("x", Broken())
    with pytest.raises(LookupError, match="no more"):
        media.put("x", breaking())
    with pytest.raises(LookupError, match="no more"), media.batch() as batch:
        batch.put("x", breaking())
    assert media["x"] == b"before"


def test_a_file_that_is_not_there_is_said_by_its_name(media: mediacask.Account, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        media.put_file("x", tmp_path / "absent")
    assert caught.value.filename == str(tmp_path / "absent")
    with pytest.raises(mediacask.StoreIOError):
        media.put_file("x", tmp_path)
    # As Python's own open has it.
    with pytest.raises(ValueError, match="embedded null byte"):
        media.put_file("x", "a\0b")


def test_paths_need_not_be_texts(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    odd.mkdir()
    (odd / "source").write_bytes(DATA)
    with mediacask.open(odd / "store") as store:
        media = store.account("a")
        assert media.put_file("x", odd / "source").size == len(DATA)
        assert store.path == odd / "store" and pickle.loads(pickle.dumps(media)) == media
        assert "udcff" in repr(store)
    with mediacask.open(odd / "store") as store, pytest.raises(mediacask.StoreIOError):
        store.account("a").put_file("x", odd)


def test_a_file_that_gives_nothing_is_left_when_a_signal_says_so(media: mediacask.Account, tmp_path: Path) -> None:
    class HeardError(Exception):
        pass

    def handler(*_: object) -> None:
        raise HeardError

    source = tmp_path / "source"
    os.mkfifo(source)
    # Open to be written to, and nobody writes: who reads waits.
    writing = os.open(source, os.O_RDWR)
    # Were no signal heard, the file's end would be reached in the end.
    timers = [
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)),
        threading.Timer(60, os.close, (writing,)),
    ]
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        for timer in timers:
            timer.start()
        with pytest.raises(HeardError):
            media.put_file("x", source)
        # One that gives without end.
        timers.append(threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)))
        timers[-1].start()
        with pytest.raises(HeardError):
            media.put_file("x", "/dev/zero", durability="os")
    finally:
        for timer in timers:
            timer.cancel()
            timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert "x" not in media
    os.close(writing)


def test_content_that_changes_while_it_is_put_is_stored_soundly(media: mediacask.Account) -> None:
    content, over = bytearray(6_000_000), threading.Event()

    def change() -> None:
        number = 0
        while not over.is_set():
            number = (number + 1) % 256
            content[::1000] = bytes([number]) * 6000

    changer = threading.Thread(target=change)
    changer.start()
    try:
        for size in (100_000, 6_000_000):
            entry = media.put("x", memoryview(content)[:size])
            assert mediacask.Digest.of(media["x"]) == entry.digest
    finally:
        over.set()
        changer.join()
