"""Files over blobs: what `Account.open` gives.

A reader is an `io.BufferedReader` over one version of the content. A writer stores nothing until it is closed: a
clean close commits, an exception that leaves its ``with`` block aborts, and so does being forgotten.
"""

from __future__ import annotations

import io
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from . import _mediacask
from ._mediacask import Entry

if TYPE_CHECKING:
    from typing_extensions import Buffer

    # What functions that want a binary file ask for; `io.BufferedReader` is one to type checkers, too.
    class _BinaryFile(io.BufferedIOBase, BinaryIO):
        pass

else:
    _BinaryFile = io.BufferedIOBase


class _Raw(io.RawIOBase):
    def __init__(self, reader: _mediacask.Reader, name: str) -> None:
        super().__init__()
        self._reader = reader
        self._at = 0
        self.name = name
        self.mode = "rb"

    def readinto(self, buffer: Buffer, /) -> int:
        self._checked()
        length = self._reader.readinto(buffer)
        self._at += length
        return length

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._checked()
        self._at = self._reader.seek(offset, whence)
        return self._at

    def tell(self) -> int:
        self._checked()
        return self._at

    def readable(self) -> bool:
        self._checked()
        return True

    def seekable(self) -> bool:
        self._checked()
        return True

    def close(self) -> None:
        if not self.closed:
            self._reader.close()
        super().close()

    def _checked(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file.")


class BlobReader(io.BufferedReader):
    """A file open for reading: ``media.open(name)``.

    It reads the version of the content that was current when it was opened, whatever becomes of the name; each
    chunk of 64 KiB is checked before its bytes are given out.
    """

    def __init__(self, reader: _mediacask.Reader, name: str, buffer_size: int = 256 * 1024) -> None:
        super().__init__(_Raw(reader, name), buffer_size)
        self._entry = reader.entry

    @property
    def entry(self) -> Entry:
        """The facts of the name when it was opened."""
        return self._entry

    @property
    def size(self) -> int:
        """The length of the content in bytes."""
        return self.entry.size


class BlobWriter(_BinaryFile):
    """A file open for writing: ``media.open(name, "wb")``.

    Within ``with``, nothing is stored before the block ends: cleanly, and the content is stored, all or nothing;
    by an exception, and nothing happened. Without, ``close()`` stores. ``abort()`` lets go of everything. After a
    commit ``entry`` has what was made.

    A wrapper closes the file it wraps, also on its way out of an exception. So open the file in a ``with`` of its
    own, around the wrapper's:

        with media.open("rows.csv", "wb") as file, io.TextIOWrapper(file, newline="") as text:
            csv.writer(text).writerows(rows)
    """

    #: The entry that was made, once it is.
    entry: Entry | None = None

    def __init__(self, writer: _mediacask.Writer, name: str) -> None:
        super().__init__()
        self._writer = writer
        self._at = 0
        self._over = False
        self._within = False
        self._name = name

    @property
    def name(self) -> str:
        """The name that is written."""
        return self._name

    @property
    def mode(self) -> str:
        """How it is open: ``"wb"``."""
        return "wb"

    def write(self, data: Buffer, /) -> int:
        """Takes a buffer's bytes, all of them."""
        self._checked()
        length = self._writer.write(data)
        self._at += length
        return length

    def tell(self) -> int:
        """How many bytes were written."""
        self._checked()
        return self._at

    def writable(self) -> bool:
        """Yes."""
        self._checked()
        return True

    def commit(self) -> Entry:
        """Stores what was written and closes the file; on an error nothing is stored."""
        self._checked(open_to_wrappers=True)
        self._end()
        self.entry = self._writer.commit()
        return self.entry

    def abort(self) -> None:
        """Closes the file; nothing is stored."""
        if not self._over:
            self._end()
            self._writer.abort()

    def close(self) -> None:
        """Stores what was written, at once or, within ``with``, when the block ends cleanly."""
        if self._over:
            return
        if self._within:
            # Of the block's end this knows nothing yet: it may be an exception that a wrapper closes it for.
            io.BufferedIOBase.close(self)
        else:
            self.commit()

    def __enter__(self) -> BlobWriter:
        self._checked()
        self._within = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._over:
            return
        if kind is None:
            self.commit()
        else:
            self.abort()

    def __del__(self) -> None:
        # Whoever forgets a file has not said that it is whole.
        if not getattr(self, "_over", True):
            self.abort()

    def __reduce_ex__(self, protocol: object, /) -> NoReturn:
        # A copy would share what is being written, and take it down when it is forgotten.
        raise TypeError("a file open for writing cannot be pickled or copied: what was written so far is in one place")

    def _end(self) -> None:
        self._over = True
        io.BufferedIOBase.close(self)

    def _checked(self, *, open_to_wrappers: bool = False) -> None:
        if self._over or (self.closed and not open_to_wrappers):
            raise ValueError("I/O operation on closed file.")
