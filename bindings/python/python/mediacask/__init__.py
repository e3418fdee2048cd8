"""mediacask: an embedded, crash-safe, content-addressed store for messaging media.

A process opens a directory and puts, gets, lists and expires blobs, each under an account and a name. What was
acknowledged survives the power cut; equal content is stored once; what has expired is gone to the millisecond.

    import mediacask
    from datetime import timedelta

    with mediacask.open("media.cask") as store:
        media = store.account("5500001")
        entry = media.put("logo.png", data, content_type="image/png", ttl=timedelta(hours=48))
        blob = media["logo.png"]            # a buffer over the store's own memory, no copy
        for entry in media.entries(prefix="img/"):
            print(entry.name, entry.size)

Absence is a value (``get``, ``head``, ``update`` and ``copy`` give None, ``delete`` gives False), except where
Python's own protocols have an exception for it: ``media[name]``, ``del media[name]`` and ``media.open(name)`` raise
BlobNotFoundError. Every error is a MediacaskError and the fitting builtin as well.

Stores, accounts and blobs are used from any thread; the interpreter lock is released while the store hashes, waits
or touches the disk. After ``os.fork()`` a child's use of a store it inherited raises ForkedStoreError at once.

`mediacask.aio` has the same names, awaitable; `mediacask.fsspec` and `mediacask.django` are a file system and a
storage backend.
"""

from ._account import Account, Batch
from ._errors import (
    BlobNotFoundError,
    CorruptError,
    DigestMismatchError,
    ExpiredTokenError,
    ForkedStoreError,
    InternalError,
    InvalidNameError,
    InvalidOptionError,
    InvalidTokenError,
    MediacaskError,
    NoSpaceError,
    PreconditionFailedError,
    QuotaExceededError,
    ReadOnlyError,
    StoreClosedError,
    StoreIOError,
    StoreLockedError,
    StorePoisonedError,
    TooLargeError,
    UnknownKeyError,
    VersionError,
)
from ._files import BlobReader, BlobWriter
from ._mediacask import Blob, Digest, Entry, Events, ManualClock, Signer, __version__, restore
from ._store import Store, open
from ._values import (
    AccountStats,
    Activities,
    Activity,
    CheckpointReport,
    CompactReport,
    Damage,
    Damaged,
    Event,
    Health,
    Page,
    Policy,
    PrefixLimit,
    RecoveryReport,
    Stats,
    SweepReport,
    VerifyProgress,
    VerifyReport,
)

__all__ = [
    "Account",
    "AccountStats",
    "Activities",
    "Activity",
    "Batch",
    "Blob",
    "BlobNotFoundError",
    "BlobReader",
    "BlobWriter",
    "CheckpointReport",
    "CompactReport",
    "CorruptError",
    "Damage",
    "Damaged",
    "Digest",
    "DigestMismatchError",
    "Entry",
    "Event",
    "Events",
    "ExpiredTokenError",
    "ForkedStoreError",
    "Health",
    "InternalError",
    "InvalidNameError",
    "InvalidOptionError",
    "InvalidTokenError",
    "ManualClock",
    "MediacaskError",
    "NoSpaceError",
    "Page",
    "Policy",
    "PreconditionFailedError",
    "PrefixLimit",
    "QuotaExceededError",
    "ReadOnlyError",
    "RecoveryReport",
    "Signer",
    "Stats",
    "Store",
    "StoreClosedError",
    "StoreIOError",
    "StoreLockedError",
    "StorePoisonedError",
    "SweepReport",
    "TooLargeError",
    "UnknownKeyError",
    "VerifyProgress",
    "VerifyReport",
    "VersionError",
    "__version__",
    "open",
    "restore",
]

# Where a class is imported from is where it says it is.
for _name in __all__:
    _found = globals()[_name]
    if isinstance(_found, type) and _found.__module__.startswith("mediacask._"):
        _found.__module__ = "mediacask"
del _name, _found
