"""Walks a listing page by page, as a client that is given tokens does.

    python listing.py media.cask 5500001 [PREFIX]

A token says where to go on. It survives the end of this process, restarts, and the deletion of the name it points
at; whoever alters it, or takes it to another account or prefix, is told so.
"""

from __future__ import annotations

import sys

import mediacask


def page_of(media: mediacask.Account, prefix: str, token: str | None) -> tuple[list[str], str | None]:
    """What an HTTP handler would answer with: a page of lines, and the token of the next."""
    page = media.list(prefix=prefix, delimiter="/", limit=5, token=token)
    lines = [f"{common:<40} (a folder)" for common in page.prefixes]
    lines += [f"{entry.name:<40} {entry.size:>12,} bytes" for entry in page.entries]
    return lines, page.next_token


def main(directory: str, account: str, prefix: str = "") -> None:
    """Shows every page, each from a store that was opened anew."""
    token: str | None = None
    number = 0
    while True:
        with mediacask.open(directory) as store:
            lines, token = page_of(store.account(account), prefix, token)
        number += 1
        print(f"page {number}:", *lines, sep="\n  ")
        if token is None:
            break


if __name__ == "__main__":
    main(*sys.argv[1:])
