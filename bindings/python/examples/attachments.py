"""Keeps the attachments of a message for 48 hours.

    python attachments.py media.cask 5500001 FILE...

All parts of a message come in together or not at all; after 48 hours they are gone, to the millisecond, and their
space is used again.
"""

from __future__ import annotations

import mimetypes
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import mediacask

KEPT = timedelta(hours=48)
# As many as a message may have.
PARTS = mediacask.PrefixLimit(prefix="", count=10, bytes=5_000_000)


def keep(media: mediacask.Account, message: str, paths: list[Path]) -> list[mediacask.Entry]:
    """Stores the parts of a message under ``MESSAGE/NAME``; a part that is too many or too large keeps all out."""
    limit = mediacask.PrefixLimit(f"{message}/", PARTS.count, PARTS.bytes)
    with media.batch() as batch:
        for path in paths:
            batch.put(
                f"{message}/{path.name}",
                path.read_bytes(),
                content_type=mimetypes.guess_type(path.name)[0],
                ttl=KEPT,
                prefix_limit=limit,
            )
    return [outcome for outcome in batch.outcomes if isinstance(outcome, mediacask.Entry)]


def main(directory: str, account: str, *files: str) -> None:
    """Keeps files as one message, and shows what is kept."""
    with mediacask.open(directory) as store:
        media = store.account(account)
        message = f"msg-{datetime.now(timezone.utc):%Y%m%dT%H%M%S%f}"
        try:
            kept = keep(media, message, [Path(file) for file in files])
        except mediacask.QuotaExceededError as error:
            sys.exit(f"too much for one message: {error}")
        for entry in kept:
            print(f"{entry.name}: {entry.size} bytes of {entry.content_type}, until {entry.expires_at:%Y-%m-%d %H:%M}")

        # Read without a copy: the blob is the store's own memory.
        for entry in kept:
            with memoryview(media[entry.name]) as view:
                print(f"{entry.name} begins with {bytes(view[:4])!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
