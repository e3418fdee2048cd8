"""The exceptions: one class for each kind of error, under `MediacaskError` and the fitting builtin.

They pickle and copy by value. `_made` is what the native module calls.
"""

from __future__ import annotations

import os
from errno import EACCES, EAGAIN, EDQUOT, EIO, ENOENT, ENOSPC, EROFS
from pathlib import Path
from typing import Any, ClassVar


class MediacaskError(Exception):
    """What every error of a store is.

    ``str(error)`` is a sentence: what was tried, on which file, what was found, what to do.
    """

    #: The class of the error, the same word in every language and in logs.
    kind: ClassVar[str] = "error"

    _errno: ClassVar[int | None] = None

    #: The sentence.
    message: str
    #: The file or directory it is about, if any.
    path: Path | None
    #: The operating system's number for it, where there is one.
    errno: int | None
    #: The process that holds a locked store, where it left its number.
    pid: int | None

    def __init__(
        self,
        message: str,
        *,
        path: str | os.PathLike[str] | None = None,
        errno: int | None = None,
        pid: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = None if path is None else Path(path)
        self.errno = self._errno if errno is None else errno
        self.pid = pid
        if isinstance(self, OSError):
            as_python_fills_it: Any = self
            as_python_fills_it.filename = None if path is None else os.fspath(path)
            as_python_fills_it.strerror = message

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (type(self), self.message, self.path, self.errno, self.pid)


class InvalidNameError(MediacaskError, ValueError):
    """A name or account is empty, too long, holds a NUL byte, or cannot be told in UTF-8."""

    kind = "invalid_name"


class InvalidOptionError(MediacaskError, ValueError):
    """An option, a range or a limit makes no sense."""

    kind = "invalid_option"


class TooLargeError(MediacaskError, ValueError):
    """The content, the metadata or the batch is larger than a limit."""

    kind = "too_large"


class QuotaExceededError(MediacaskError, OSError):
    """The account's quota or a prefix limit would be exceeded."""

    kind = "quota_exceeded"
    _errno = EDQUOT


class PreconditionFailedError(MediacaskError, RuntimeError):
    """A condition of the call does not hold; nothing was changed."""

    kind = "precondition_failed"


class InvalidTokenError(MediacaskError, ValueError):
    """A continuation token or a signed grant was altered, or belongs to something else."""

    kind = "invalid_token"


class DigestMismatchError(MediacaskError, ValueError):
    """The content does not have the digest that was expected; nothing was stored."""

    kind = "digest_mismatch"


class CorruptError(MediacaskError, OSError):
    """Bytes on the disk are not what was written there."""

    kind = "corrupt"
    _errno = EIO


class StoreLockedError(MediacaskError, BlockingIOError):
    """Another process holds the store; ``pid`` is its number, where it left one."""

    kind = "locked"
    _errno = EAGAIN


class VersionError(MediacaskError, RuntimeError):
    """The store was written by a newer version of the format."""

    kind = "version"


class StorePoisonedError(MediacaskError, OSError):
    """An earlier failure of the disk stopped writing; reads go on. Open the store again."""

    kind = "poisoned"
    _errno = EIO


class ReadOnlyError(MediacaskError, PermissionError):
    """The directory cannot be written to."""

    kind = "read_only"
    _errno = EROFS


class NoSpaceError(MediacaskError, OSError):
    """The disk is full; nothing was changed."""

    kind = "no_space"
    _errno = ENOSPC


class ForkedStoreError(MediacaskError, RuntimeError):
    """The store was opened by another process and came here by fork."""

    kind = "forked"


class StoreClosedError(MediacaskError, ValueError):
    """The store was closed."""

    kind = "closed"


class StoreIOError(MediacaskError, OSError):
    """The operating system refused a call."""

    kind = "io"
    _errno = EIO


class ExpiredTokenError(MediacaskError, PermissionError):
    """The time of a signed grant is over."""

    kind = "expired_token"
    _errno = EACCES


class UnknownKeyError(MediacaskError, PermissionError):
    """A signed grant names a key that is not accepted."""

    kind = "unknown_key"
    _errno = EACCES


class BlobNotFoundError(MediacaskError, KeyError, FileNotFoundError):
    """There is no such name; raised where Python's own protocols ask for it: ``[]``, ``del`` and ``open``."""

    kind = "not_found"
    _errno = ENOENT


class InternalError(MediacaskError, RuntimeError):
    """The store met a bug of its own."""

    kind = "internal"


def _remade(
    cls: type[MediacaskError], message: str, path: Path | None, errno: int | None, pid: int | None
) -> MediacaskError:
    return cls(message, path=path, errno=errno, pid=pid)


def _made(name: str, message: str, path: Path | None, errno: int | None, pid: int | None) -> MediacaskError:
    cls: type[MediacaskError] = globals()[name]
    return _remade(cls, message, path, errno, pid)
