"""The file system of fsspec: its own abstract tests, and what is particular here."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import fsspec.tests.abstract as abstract
import mediacask
import pytest
from mediacask.fsspec import MediacaskFileSystem


class Fixtures(abstract.AbstractFixtures):  # type: ignore[misc]
    @pytest.fixture
    def fs(self, tmp_path: Path) -> Iterator[MediacaskFileSystem]:
        # Not the fixture `path`: some of fsspec's tests give that name to a pattern of theirs.
        fs = MediacaskFileSystem(store=tmp_path / "media.cask", durability="os", skip_instance_cache=True)
        yield fs
        fs.close()

    @pytest.fixture
    def fs_path(self) -> str:
        return "5500001/tests"

    @pytest.fixture
    def fs_join(self) -> Any:
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestCopy(abstract.AbstractCopyTests, Fixtures):  # type: ignore[misc]
    pass


class TestGet(abstract.AbstractGetTests, Fixtures):  # type: ignore[misc]
    pass


class TestPut(abstract.AbstractPutTests, Fixtures):  # type: ignore[misc]
    pass


class TestPipe(abstract.AbstractPipeTests, Fixtures):  # type: ignore[misc]
    pass


class TestOpen(abstract.AbstractOpenTests, Fixtures):  # type: ignore[misc]
    pass


@pytest.fixture
def fs(path: Path) -> Iterator[MediacaskFileSystem]:
    fs = fsspec.filesystem("mediacask", store=path)
    yield fs
    fs.close()
    MediacaskFileSystem.clear_instance_cache()


def test_it_is_registered_and_its_urls_are_read(fs: MediacaskFileSystem, path: Path) -> None:
    assert type(fs) is MediacaskFileSystem
    with fsspec.open("mediacask://a/img/x.txt", "wb", store=path) as file:
        file.write(b"hello")
    with fsspec.open("mediacask://a/img/x.txt", "rt", store=path) as file:
        assert file.read() == "hello"
    assert fs.store.account("a")["img/x.txt"] == b"hello"
    found, name = fsspec.url_to_fs("mediacask://a/img/x.txt", store=path)
    assert found is fs and name == "a/img/x.txt" and fs.unstrip_protocol(name) == "mediacask://a/img/x.txt"


def test_a_store_that_is_open_is_used(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIACASK_STORE", str(path))
    with mediacask.open(path) as store:
        fs = MediacaskFileSystem(skip_instance_cache=True)
        store.account("a")["x"] = b"hello"
        assert fs.store is store and fs.cat("a/x") == b"hello"
        again = pickle.loads(pickle.dumps(fs))
        assert again.cat("a/x") == b"hello" and again.store is store
    monkeypatch.delenv("MEDIACASK_STORE")
    with pytest.raises(ValueError, match="MEDIACASK_STORE"):
        MediacaskFileSystem(skip_instance_cache=True)


def test_directories_are_what_names_have_in_common(fs: MediacaskFileSystem) -> None:
    for name in ("a/1.txt", "a/img/2.png", "a/img/deep/3.png", "b/4"):
        fs.pipe(name, name.encode())
    assert fs.ls("", detail=False) == ["a", "b"] and fs.ls("a", detail=False) == ["a/1.txt", "a/img"]
    assert fs.ls("a/1.txt", detail=False) == ["a/1.txt"]
    assert fs.isdir("a/img") and fs.isfile("a/img/2.png") and not fs.exists("a/im") and not fs.exists("c")
    assert fs.find("a") == ["a/1.txt", "a/img/2.png", "a/img/deep/3.png"] == sorted(fs.find("a", detail=True))
    assert fs.find("a/1.txt") == ["a/1.txt"] and fs.find("a/none") == []
    assert fs.find("a", maxdepth=1, withdirs=True) == ["a", "a/1.txt", "a/img"]
    assert fs.glob("a/**/*.png") == ["a/img/2.png", "a/img/deep/3.png"]
    assert fs.du("a") == sum(map(len, ["a/1.txt", "a/img/2.png", "a/img/deep/3.png"]))
    with pytest.raises(FileNotFoundError):
        fs.ls("a/none")
    with pytest.raises(FileNotFoundError):
        fs.info("c")
    fs.mkdir("a/new")
    fs.makedirs("a/new/deeper", exist_ok=True)
    assert not fs.exists("a/new")
    with pytest.raises(OSError, match="recursive"):
        fs.rmdir("a/img")
    with pytest.raises(OSError):
        fs.rm("a/img")
    fs.rm("a/img", recursive=True)
    assert fs.find("") == ["a/1.txt", "b/4"]
    fs.rm(["a/1.txt", "b/4"])
    assert fs.find("") == []
    with pytest.raises(FileNotFoundError):
        fs.rm("a/1.txt")


def test_facts_of_files(fs: MediacaskFileSystem) -> None:
    fs.pipe_file("a/x", b"hello", content_type="text/plain", ttl=60, metadata={"k": "v"})
    info, entry = fs.info("a/x"), fs.store.account("a").head("x")
    assert entry is not None
    assert (info["size"], info["type"], info["content_type"], info["metadata"]) == (5, "file", "text/plain", {"k": "v"})
    assert info["expires"] == entry.expires_at and fs.created("a/x") == entry.created_at
    assert fs.modified("a/x") == entry.updated_at and fs.ukey("a/x") == entry.digest.hexdigest()
    assert fs.checksum("a/x") == int(fs.ukey("a/x"), 16) and fs.size("a/x") == 5
    fs.touch("a/x", truncate=False)
    assert fs.cat("a/x") == b"hello" and fs.modified("a/x") >= entry.updated_at
    fs.touch("a/x")
    assert fs.size("a/x") == 0


def test_contents_are_read_in_parts(fs: MediacaskFileSystem) -> None:
    fs.pipe("a/x", b"0123456789")
    for start, end in [(None, None), (3, None), (None, 4), (-3, None), (2, -2), (8, 90), (20, 30), (5, 2)]:
        assert fs.cat_file("a/x", start, end) == b"0123456789"[start:end], (start, end)
    with fs.open("a/x") as file:
        assert file.size == 10 and file.read(3) == b"012" and file.seek(-1, 2) == 9 and file.read() == b"9"
    assert fs.read_block("a/x", 2, 3) == b"234" and fs.head("a/x", 2) == b"01" and fs.tail("a/x", 2) == b"89"
    for call in (lambda: fs.cat_file("a/y"), lambda: fs.open("a/y"), lambda: fs.checksum("a/y")):
        with pytest.raises(FileNotFoundError):
            call()


def test_copies_move_no_bytes(fs: MediacaskFileSystem) -> None:
    fs.pipe("a/x", b"hello")
    fs.cp("a/x", "a/y")
    fs.cp("a/x", "b/z")
    fs.mv("a/x", "a/w")
    assert fs.find("") == ["a/w", "a/y", "b/z"] and fs.store.account("a").stats().count == 2
    with pytest.raises(FileNotFoundError):
        fs.cp_file("a/x", "a/v")
    with pytest.raises(FileExistsError):
        fs.pipe_file("a/y", b"other", mode="create")


def test_an_exception_and_a_transaction_decide_what_is_stored(fs: MediacaskFileSystem) -> None:
    with pytest.raises(ZeroDivisionError), fs.open("a/x", "wb") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert not fs.exists("a/x")
    with fs.transaction:
        with fs.open("a/1", "wb") as file:
            file.write(b"one")
        fs.open("a/2", "wb").close()
        assert not fs.exists("a/1")
    assert fs.cat("a/1") == b"one" and fs.exists("a/2")
    with pytest.raises(ZeroDivisionError), fs.transaction:
        with fs.open("a/3", "wb") as file:
            file.write(b"three")
        raise ZeroDivisionError
    assert not fs.exists("a/3")
    with fs.open("a/text", "wt", compression="gzip") as file:
        file.write("packed")
    with fs.open("a/text", "rt", compression="gzip") as file:
        assert file.read() == "packed"
    with pytest.raises(NotImplementedError):
        fs.open("a/1", "ab")


def test_a_mapper_and_local_files(fs: MediacaskFileSystem, tmp_path: Path) -> None:
    mapper = fs.get_mapper("a/map")
    mapper["one"], mapper["deep/two"] = b"1", b"2"
    assert sorted(mapper) == ["deep/two", "one"] and mapper["deep/two"] == b"2"
    (tmp_path / "local").write_bytes(b"local")
    fs.put(str(tmp_path / "local"), "a/put")
    fs.get("a/put", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b"local"
    with pytest.raises(FileExistsError):
        fs.put_file(str(tmp_path / "local"), "a/put", mode="create")


def test_pandas_reads_and_writes(fs: MediacaskFileSystem, path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed: this test did not run")
    frame = pandas.DataFrame({"name": ["a", "b"], "size": [1, 2]})
    options = {"store": path}
    frame.to_csv("mediacask://a/rows.csv", index=False, storage_options=options)
    assert pandas.read_csv("mediacask://a/rows.csv", storage_options=options).equals(frame)
    assert fs.cat("a/rows.csv") == b"name,size\na,1\nb,2\n"


def test_pyarrow_reads_and_writes(fs: MediacaskFileSystem) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: this test did not run")
    import pyarrow
    import pyarrow.fs
    import pyarrow.parquet

    table = pyarrow.table({"name": ["a", "b"], "size": [1, 2]})
    files = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fs))
    pyarrow.parquet.write_table(table, "a/rows.parquet", filesystem=files)
    assert pyarrow.parquet.read_table("a/rows.parquet", filesystem=files).equals(table)
    infos = files.get_file_info(pyarrow.fs.FileSelector("a", recursive=True))
    assert [info.path for info in infos] == ["a/rows.parquet"]
    assert pyarrow.parquet.read_table(io.BytesIO(fs.cat("a/rows.parquet"))).equals(table)
