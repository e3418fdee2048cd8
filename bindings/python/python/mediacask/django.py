"""A Django storage backend: uploads of file fields go into an account of a store.

    STORAGES = {
        "default": {
            "BACKEND": "mediacask.django.MediacaskStorage",
            "OPTIONS": {"store": BASE_DIR / "media.cask", "account": "uploads", "base_url": "/media/"},
        },
        ...
    }

One process has a store at a time: with several worker processes, let one of them (or a process of its own) have it,
and the others ask that one. Servers that fork open it after the fork: this backend opens it at the first use.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import Storage
from django.utils import timezone
from django.utils.deconstruct import deconstructible
from django.utils.module_loading import import_string

from ._account import Account
from ._mediacask import Entry
from ._store import Store, _opened

if TYPE_CHECKING:
    from ._mediacask import PutOptions

__all__ = ["MediacaskStorage"]


@deconstructible(path="mediacask.django.MediacaskStorage")
class MediacaskStorage(Storage):  # type: ignore[misc]
    """Keeps files in an account of a store.

    store
        The directory of the store; default: the setting ``MEDIACASK_STORE``.
    account
        The account; default ``"django"``.
    base_url
        What URLs begin with; default: ``MEDIA_URL``.
    url
        What makes a URL of a name and its entry (None where there is no such name): a function, or the dotted path
        of one. Default: ``base_url`` and the name, quoted.
    overwrite
        Whether a file takes the place of one of the same name. Default: it gets a name of its own.
    ttl
        How long files live: a timedelta or seconds. Default: as the account's policy says.
    options
        Options of `mediacask.open`.
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | None = None,
        account: str = "django",
        base_url: str | None = None,
        url: str | Callable[[str, Entry | None], str] | None = None,
        overwrite: bool = False,
        ttl: timedelta | float | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self._directory = store
        self._account = account
        self._base_url = base_url
        self._url = url
        self.overwrite = overwrite
        self._ttl = ttl
        self._options = options or {}
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        """The store, opened at the first use."""
        if self._store is None or self._store.closed:
            directory = self._directory if self._directory is not None else settings.MEDIACASK_STORE
            self._store = _opened(os.path.abspath(directory), self._options)
        return self._store

    @property
    def account(self) -> Account:
        """The account that holds the files."""
        return self.store.account(self._account)

    def put_options(self, name: str, content: File) -> PutOptions:
        """The options a file is stored with; override it for others."""
        content_type = getattr(content, "content_type", None) or getattr(content.file, "content_type", None)
        return {"content_type": content_type, "ttl": self._ttl}

    def _open(self, name: str, mode: str = "rb") -> File:
        return File(self.account.open(name, mode), name)

    def _save(self, name: str, content: File) -> str:
        name = name.replace("\\", "/")
        content.seek(0)
        self.account.put(name, content.chunks(), **self.put_options(name, content))
        return name

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """The name itself where files take each other's place, else one that is free."""
        if self.overwrite and (max_length is None or len(name) <= max_length):
            return name
        available: str = super().get_available_name(name, max_length=max_length)
        return available

    def delete(self, name: str) -> None:
        """Takes a file down, if it is there."""
        if not name:
            raise ValueError("the name of the file to delete is empty")
        self.account.delete(name)

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self.account

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """The directories and files below a path: what names have in common up to a slash, and names."""
        prefix = path.strip("/") + "/" if path.strip("/") else ""
        directories: list[str] = []
        files: list[str] = []
        token = None
        while True:
            page = self.account.list(prefix=prefix, delimiter="/", token=token)
            directories += [common[len(prefix) : -1] for common in page.prefixes]
            files += [entry.name[len(prefix) :] for entry in page.entries if entry.name != prefix]
            token = page.next_token
            if token is None:
                return directories, files

    def size(self, name: str) -> int:
        """The length of a file in bytes."""
        return self._entry(name).size

    def url(self, name: str | None) -> str:
        """Where a file is served; see the option ``url``."""
        name = name or ""
        if self._url is not None:
            make = import_string(self._url) if isinstance(self._url, str) else self._url
            return str(make(name, self.account.head(name) if name else None))
        base = self._base_url if self._base_url is not None else settings.MEDIA_URL
        return base.rstrip("/") + "/" + quote(name.lstrip("/"), safe="/~!*()'")

    def get_created_time(self, name: str) -> datetime:
        """When the name came to life, aware if ``USE_TZ``."""
        return _as_set(self._entry(name).created_at)

    def get_modified_time(self, name: str) -> datetime:
        """When it was last put or updated, aware if ``USE_TZ``."""
        return _as_set(self._entry(name).updated_at)

    def _entry(self, name: str) -> Entry:
        entry = self.account.head(name)
        if entry is None:
            raise FileNotFoundError(name)
        return entry


def _as_set(at: datetime) -> datetime:
    naive: datetime = at if settings.USE_TZ else timezone.make_naive(at)
    return naive
