"""An fsspec file system over a store: ``mediacask://ACCOUNT/NAME``.

    import fsspec, pandas

    fs = fsspec.filesystem("mediacask", store="media.cask")
    fs.ls("5500001/img")
    pandas.read_csv("mediacask://5500001/rows.csv", storage_options={"store": "media.cask"})

It is registered when the package is installed. ``store`` is the directory of the store, by default that of the
environment variable ``MEDIACASK_STORE``; other options are those of `mediacask.open`. A store that is open in this
process already is used as it is.

The first part of a path is the account, the rest the name. Directories are what names have in common up to a slash:
they come and go with their names, and making one does nothing. Names that begin or end with a slash, or hold two in
a row, cannot be reached by such paths. Keyword arguments of writing calls are the options of `Account.put`:
``fs.open(path, "wb", ttl=3600)``.

A binary file stores nothing when an exception leaves its ``with`` block. In text mode, or with compression, fsspec
wraps it in a file that knows no such thing: that one stores what it was given by then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.spec import AbstractFileSystem

from ._account import Account
from ._errors import PreconditionFailedError
from ._files import BlobReader, BlobWriter
from ._mediacask import Entry
from ._store import Store, _opened

if TYPE_CHECKING:
    from ._mediacask import Content

__all__ = ["MediacaskFileSystem"]

Info = dict[str, Any]


class MediacaskFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The names of a store's accounts, as files."""

    protocol = "mediacask"
    root_marker = ""

    def __init__(self, store: str | os.PathLike[str] | None = None, **options: Any) -> None:
        # What fsspec itself takes for every file system.
        own = {key: options[key] for key in options if key in ("skip_instance_cache", "use_listings_cache", "asynchronous")}
        super().__init__(**own)
        if self._cached and hasattr(self, "_directory"):
            return
        directory = store if store is not None else os.environ.get("MEDIACASK_STORE")
        if directory is None:
            raise ValueError("no store was named: give store=DIRECTORY, or set MEDIACASK_STORE")
        self._directory = os.path.abspath(directory)
        self._options = {key: options[key] for key in options if key not in own}
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        """The store, opened at the first use."""
        if self._store is None or self._store.closed:
            self._store = _opened(self._directory, self._options)
        return self._store

    def close(self) -> None:
        """Closes the store."""
        self.store.close()

    def _parts(self, path: str) -> tuple[Account, str]:
        """The account and the name, which is empty where the path is the account's own."""
        account, _, name = self._strip_protocol(path).partition("/")
        if not account:
            raise ValueError(f"{path!r} names no account: a path is ACCOUNT/NAME")
        return self.store.account(account), name

    def _named(self, path: str) -> tuple[Account, str]:
        account, name = self._parts(path)
        if not name:
            raise IsADirectoryError(f"{path!r} is an account; a file is ACCOUNT/NAME")
        return account, name

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """What is in a directory, or a file by itself."""
        path = self._strip_protocol(path)
        infos = self._listed(path) if path else [self._directory_info(stats.account) for stats in self.store.accounts()]
        if not infos and path:
            infos = [self.info(path)]
            if infos[0]["type"] == "directory":
                infos = []
        infos.sort(key=lambda info: str(info["name"]))
        return infos if detail else [info["name"] for info in infos]

    def _listed(self, path: str) -> list[Info]:
        account, name = self._parts(path)
        prefix = name + "/" if name else ""
        infos: list[Info] = []
        token = None
        while True:
            page = account.list(prefix=prefix, delimiter="/", token=token)
            infos += [_file_info(account, entry) for entry in page.entries if entry.name != prefix]
            infos += [self._directory_info(f"{account.name}/{common[:-1]}") for common in page.prefixes]
            token = page.next_token
            if token is None:
                return infos

    def info(self, path: str, **_: Any) -> Info:
        """What is known of a file or directory."""
        path = self._strip_protocol(path)
        if not path:
            return self._directory_info("")
        account, name = self._parts(path)
        entry = account.head(name) if name else None
        if entry is not None:
            return _file_info(account, entry)
        if any(True for _ in account.entries(prefix=name + "/" if name else "", limit=1)):
            return self._directory_info(path)
        raise FileNotFoundError(path)

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **options: Any
    ) -> Any:
        """All files below a path: one listing of their common prefix."""
        path = self._strip_protocol(path)
        if not path or maxdepth is not None or withdirs:
            return super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **options)
        account, name = self._parts(path)
        found = {info["name"]: info for info in self._below(account, name)}
        if not found and self.isfile(path):
            found[path] = self.info(path)
        names = sorted(found)
        return {name: found[name] for name in names} if detail else names

    def _below(self, account: Account, name: str) -> Iterator[Info]:
        for entry in account.entries(prefix=name + "/" if name else ""):
            if not entry.name.endswith("/"):
                yield _file_info(account, entry)

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Does nothing: directories come with the names in them."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Does nothing: directories come with the names in them."""

    def rmdir(self, path: str) -> None:
        """Does nothing for a directory, which goes with the names in it; refuses while there are some."""
        if self.isfile(path):
            raise NotADirectoryError(path)
        if self.exists(path):
            raise OSError(f"the directory {path!r} holds names; remove them, or say rm(path, recursive=True)")

    def rm_file(self, path: str) -> None:
        """Takes a name down."""
        account, name = self._named(path)
        if not account.delete(name):
            raise FileNotFoundError(path)

    _rm = rm_file

    def rm(self, path: str | list[str], recursive: bool = False, maxdepth: int | None = None) -> None:
        """Takes names down; with ``recursive`` all below, too."""
        for each in self.expand_path(path, recursive=recursive and maxdepth is not None, maxdepth=maxdepth):
            account, name = self._parts(each)
            existed = bool(name) and account.delete(name)
            if recursive and maxdepth is None:
                account.purge(name + "/" if name else "")
            elif not existed and not recursive:
                if self.exists(each):
                    raise IsADirectoryError(f"{each!r} is a directory; say rm(path, recursive=True)")
                raise FileNotFoundError(each)

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:
        """Gives the content a second name; within an account no byte is moved."""
        source, name = self._parts(path1)
        if not name or (source.head(name) is None and self.isdir(path1)):
            return
        target, other = self._named(path2)
        if source.copy(name, other, account=target, **options) is None:
            raise FileNotFoundError(path1)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """The content of a file, or a range of it; negative offsets count from its end."""
        account, name = self._named(path)
        if start is None and end is None:
            blob = account.get(name)
        else:
            size = self.info(path)["size"]
            first, last, _step = slice(start, end).indices(size)
            blob = account.get_range(name, first, max(first, last))
        if blob is None:
            raise FileNotFoundError(path)
        return bytes(blob)

    def pipe_file(self, path: str, value: Content, mode: str = "overwrite", **options: Any) -> None:
        """Stores a file's content; ``mode="create"`` only where there is none."""
        account, name = self._named(path)
        try:
            account.put(name, value, if_absent=mode == "create", **options)
        except PreconditionFailedError as error:
            raise FileExistsError(path) from error

    def put_file(
        self,
        lpath: str,
        rpath: str,
        callback: Any = DEFAULT_CALLBACK,
        mode: str = "overwrite",
        **options: Any,
    ) -> None:
        """Stores the content of a local file."""
        if os.path.isdir(lpath):
            return
        account, name = self._named(rpath)
        callback.set_size(os.path.getsize(lpath))
        try:
            entry = account.put_file(name, lpath, if_absent=mode == "create", **options)
        except PreconditionFailedError as error:
            raise FileExistsError(rpath) from error
        callback.absolute_update(entry.size)

    def touch(self, path: str, truncate: bool = True, **options: Any) -> None:
        """Makes an empty file; without ``truncate`` one that is there keeps its content, and is updated now."""
        account, name = self._named(path)
        if truncate or account.update(name) is None:
            account.put(name, b"", **options)

    def created(self, path: str) -> datetime:
        """When the name came to life."""
        created: datetime = self._file(path).created_at
        return created

    def modified(self, path: str) -> datetime:
        """When it was last put or updated."""
        return self._file(path).updated_at

    def checksum(self, path: str) -> int:
        """The BLAKE3 digest of the content, as a number."""
        return int(self._file(path).digest.hexdigest(), 16)

    def ukey(self, path: str) -> str:
        """The BLAKE3 digest of the content."""
        return self._file(path).digest.hexdigest()

    def _file(self, path: str) -> Entry:
        account, name = self._named(path)
        entry = account.head(name)
        if entry is None:
            raise FileNotFoundError(path)
        return entry

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: Any = None,
        **options: Any,
    ) -> BlobReader | BlobWriter:
        account, name = self._named(path)
        if mode == "rb":
            return account.open(name)
        if mode == "xb":
            # Told at once, as a local file tells it; and again when it is stored.
            if name in account:
                raise FileExistsError(path)
            options["if_absent"] = True
        elif mode != "wb":
            raise NotImplementedError(f"a file is opened by 'rb', 'wb' or 'xb', not {mode!r}")
        return _Writer(account._writer(name, **options), name, autocommit)

    @staticmethod
    def _directory_info(path: str) -> Info:
        return {"name": path, "size": 0, "type": "directory"}


class _Writer(BlobWriter):
    """A file that is stored when it is closed, or, within a transaction, when that ends."""

    def __init__(self, writer: Any, name: str, autocommit: bool) -> None:
        super().__init__(writer, name)
        # Within a transaction its end decides, as that of a `with` block does.
        self._held = not autocommit
        self._within = self._held

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None and self._held:
            self.close()
        else:
            super().__exit__(kind, error, trace)

    def __del__(self) -> None:
        # fsspec's wrappers for compression leave it to this.
        if not getattr(self, "_over", True) and not self._within:
            self.close()
        super().__del__()

    def discard(self) -> None:
        """Stores nothing."""
        self.abort()


def _file_info(account: Account, entry: Entry) -> Info:
    return {
        "name": f"{account.name}/{entry.name}",
        "size": entry.size,
        "type": "file",
        "created": entry.created_at,
        "mtime": entry.updated_at,
        "expires": entry.expires_at,
        "digest": entry.digest.hexdigest(),
        "content_type": entry.content_type,
        "metadata": entry.metadata,
        "generation": entry.generation,
    }
