"""The package has what the Rust API has: every method, every option, every field, read out of the sources."""

from __future__ import annotations

import dataclasses
import inspect
import pydoc
import re
from pathlib import Path

import mediacask
import pytest

SOURCES = [path.read_text() for path in sorted((Path(__file__).parents[3] / "src").rglob("*.rs"))]


def blocks(begin: str) -> list[str]:
    """What stands between a line and the next brace in the first column."""
    found = [part.split("\n}\n")[0] for text in SOURCES for part in text.split(f"\n{begin} {{\n")[1:]]
    assert found, f"{begin!r} is nowhere: this test reads wrongly"
    return found


def fields(struct: str) -> set[str]:
    [block] = blocks(f"pub struct {struct}")
    return set(re.findall(r"^    pub (\w+):", block, re.MULTILINE))


def methods(struct: str) -> set[str]:
    shown = set()
    for block in blocks(f"impl {struct}"):
        for comment, name in re.findall(r"((?:^    (?:///|#\[).*\n)*)^    pub fn (\w+)", block, re.MULTILINE):
            if "doc(hidden)" not in comment:
                shown.add(name)
    return shown - {"new"}


@pytest.mark.parametrize(
    "name",
    [
        "AccountStats",
        "Activities",
        "Activity",
        "CheckpointReport",
        "CompactReport",
        "Damage",
        "Damaged",
        "Health",
        "Page",
        "Policy",
        "PrefixLimit",
        "RecoveryReport",
        "Stats",
        "SweepReport",
        "VerifyProgress",
        "VerifyReport",
    ],
)
def test_values_have_every_field(name: str) -> None:
    cls = getattr(mediacask, name)
    here = set(cls._fields) if issubclass(cls, tuple) else {field.name for field in dataclasses.fields(cls)}
    # A reason stands beside the state it is of.
    assert here - ({"index_reason"} if name == "Health" else set()) == fields(name)


def test_entries_and_events_have_every_field() -> None:
    assert {name for name in dir(mediacask.Entry) if not name.startswith("_")} == fields("Entry")
    assert set(mediacask.Event._fields) == fields("Event")


def test_every_method_is_there() -> None:
    # What Python says otherwise: a subscript, `in`, a mode of `open`, another argument.
    said = {"options": "open", "reader": "open", "writer": "open", "put_reader": "put", "copy_to": "copy"}
    said |= {"contains": "__contains__", "next_chunk": "read", "is_empty": "tell", "len": "tell"}
    # Who signs is given keys and clock when it is made.
    said |= {"accept": "__new__", "clock": "__new__"}
    for struct, cls in [
        ("Store", mediacask.Store),
        ("Account", mediacask.Account),
        ("Events", mediacask.Events),
        ("Signer", mediacask.Signer),
        ("Writer", mediacask.BlobWriter),
        ("BlobReader", mediacask.BlobReader),
        ("Blob", mediacask.Blob),
    ]:
        # A hint for threads that may not wait: here every call lets the others run.
        for method in methods(struct) - {"is_at_hand"}:
            name = said.get(method, method)
            # Who opens stands in the module.
            assert hasattr(cls, name) or (struct == "Store" and hasattr(mediacask, name)), f"{struct}::{method}"


def test_every_option_is_there() -> None:
    def parameters(call: object) -> set[str]:
        return set(inspect.signature(call).parameters)  # type: ignore[arg-type]

    assert methods("StoreOptions") - {"open"} <= parameters(mediacask.open)
    # Two words of `ttl` are variants of Rust's expiry.
    assert methods("PutOptions") - {"expiry"} <= parameters(mediacask.Account.put)
    changed = {"set_metadata": "metadata", "unset_metadata": "metadata", "expiry": "ttl"}
    assert {changed.get(name, name) for name in methods("UpdateOptions")} <= parameters(mediacask.Account.update)
    assert methods("DeleteOptions") <= parameters(mediacask.Account.delete)
    assert methods("ListOptions") == parameters(mediacask.Account.list) - {"self"}
    assert methods("VerifyOptions") == parameters(mediacask.Store.verify) - {"self", "progress"}
    assert methods("Grant") | {"self", "account", "name"} == parameters(mediacask.Signer.sign)
    # The native class is made by the same.
    assert parameters(mediacask.open) == parameters(mediacask.Store.__base__)


def test_help_reads_well() -> None:
    for call in (mediacask.Store.put, mediacask.Account.put):
        said = pydoc.plain(pydoc.render_doc(call))
        assert "put(self, " in said and "name" in said and "anything with a contiguous buffer" in said
        for option in ("content_type", "metadata", "ttl", "expires_at", "if_absent", "if_match"):
            assert option in said, option
        assert "PreconditionFailedError" in said and ">>> entry = " in said
        assert max(map(len, said.splitlines()[4:])) <= 120
    # Nobody has to guess: every class, and every name of it that is not Python's own, has its sentences.
    for name in mediacask.__all__:
        cls = getattr(mediacask, name)
        if isinstance(cls, type):
            assert cls.__doc__, name
            for method, value in vars(cls).items():
                assert method.startswith("_") or not callable(value) or inspect.getdoc(value), f"{name}.{method}"
