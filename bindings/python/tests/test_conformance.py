"""The conformance scripts, which every face of the store runs, through the Python package, which lacks nothing.

Their format is told in tests/conformance/README.md. What is unknown here fails: an operation, a field, a fact.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

import mediacask
import numpy
import pytest

from conftest import BEGIN

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
SCRIPTS = Path(os.environ.get("MEDIACASK_CONFORMANCE", Path(__file__).parents[3] / "tests" / "conformance"))

Facts = dict[str, Any]


def scripts() -> Iterator[Any]:
    for file in sorted(SCRIPTS.glob("*.json")):
        for script in json.loads(file.read_text())["scripts"]:
            yield pytest.param(script, id=f"{file.stem}: {script['name']}")


class Step:
    """One step; a field that no one has asked for fails it."""

    def __init__(self, fields: Facts, run: Run) -> None:
        self.fields, self.run = fields, run
        self.used = {"op", "needs", "expect", "error"}

    def resolved(self, value: Any) -> Any:
        return self.run.variables[value[1:]] if isinstance(value, str) and value.startswith("$") else value

    def __contains__(self, field: str) -> bool:
        self.used.add(field)
        return field in self.fields

    def get(self, field: str, default: Any = None) -> Any:
        self.used.add(field)
        return self.resolved(self.fields.get(field, default))

    def instant(self, field: str) -> datetime | None:
        value = self.get(field)
        if value is None:
            return None
        begin = 0 if isinstance(self.fields[field], str) else self.run.begin_ms
        return EPOCH + timedelta(milliseconds=begin + value)

    @property
    def name(self) -> str:
        return "x" * self.get("name_len") if "name_len" in self else self.get("name")

    @property
    def account(self) -> mediacask.Account:
        account = "x" * self.get("account_len") if "account_len" in self else self.get("account", "5500001")
        return self.run.store.account(account)

    def content(self) -> bytes:
        self.used |= {"text", "hex", "pattern", "len"}
        content = content_of(self.fields)
        assert content is not None
        return content

    def path(self, otherwise: str) -> Path:
        return self.run.directory / self.get("path", otherwise)


@lru_cache
def pattern(seed: int, length: int) -> bytes:
    """The bytes of a linear generator: x after n + m steps is x after n, then m, so that arrays double."""
    factors, terms = numpy.array([1664525], dtype=numpy.uint32), numpy.array([1013904223], dtype=numpy.uint32)
    while len(factors) < length:
        factors, terms = (
            numpy.concatenate([factors, factors * factors[-1]]),
            numpy.concatenate([terms, factors * terms[-1] + terms]),
        )
    states = factors * numpy.uint32(seed % 2**32) + terms
    return (states >> 24).astype(numpy.uint8).tobytes()[:length]


def content_of(fields: Facts) -> bytes | None:
    if "text" in fields:
        return str(fields["text"]).encode()
    if "hex" in fields:
        return bytes.fromhex(fields["hex"])
    if "pattern" in fields:
        return pattern(fields["pattern"], fields["len"])
    return None


def milliseconds(span: timedelta | None) -> int | None:
    return None if span is None else span // timedelta(milliseconds=1)


def entry_facts(entry: mediacask.Entry | None) -> Facts:
    if entry is None:
        return {"absent": True}
    assert entry.created_at.tzinfo is entry.updated_at.tzinfo is timezone.utc
    return {
        "name": entry.name,
        "digest": entry.digest.hexdigest(),
        "size": entry.size,
        "content_type": entry.content_type,
        "cache_control": entry.cache_control,
        "content_disposition": entry.content_disposition,
        "metadata": [f"{key}={value}" for key, value in entry.metadata.items()],
        "created_at": milliseconds(entry.created_at - EPOCH),
        "updated_at": milliseconds(entry.updated_at - EPOCH),
        "expires_at": None if entry.expires_at is None else milliseconds(entry.expires_at - EPOCH),
        "generation": entry.generation,
    }


def blob_facts(blob: mediacask.Blob | None) -> Facts:
    return {"absent": True} if blob is None else {**entry_facts(blob.entry), "content": bytes(blob)}


def seconds(step: Step, field: str) -> timedelta | None:
    value = step.get(field)
    return None if value is None else timedelta(milliseconds=value)


def lifetime(step: Step) -> Facts:
    if "expiry" in step:
        return {"ttl": step.get("expiry")}
    return {"ttl": seconds(step, "ttl_ms"), "expires_at": step.instant("expires_at")}


def put_options(step: Step, *, durability: bool = True) -> Facts:
    pairs = [pair.split("=", 1) for pair in step.get("metadata", [])]
    metadata = {key: value for key, value in pairs}
    if "metadata_len" in step:
        metadata["k"] = "x" * step.get("metadata_len")
    same = ["content_type", "cache_control", "content_disposition", "if_match", "if_generation"]
    same += ["expect_digest", "expect_md5", "expect_sha256"] + ["durability"] * durability
    options = {field: step.get(field) for field in same}
    if "limit_prefix" in step:
        limit = (step.get("limit_prefix"), step.get("limit_count"), step.get("limit_bytes"))
        options["prefix_limit"] = mediacask.PrefixLimit(*limit)
    return {**options, **lifetime(step), "metadata": metadata, "if_absent": step.get("if_absent", False)}


def update_options(step: Step) -> Facts:
    options = {
        field: step.get(field) for field in ("content_type", "cache_control", "content_disposition") if field in step
    }
    metadata: dict[str, str | None] = {key: None for key in step.get("unset_metadata", [])}
    metadata.update(pair.split("=", 1) for pair in step.get("set_metadata", []))
    for field in ("if_match", "if_generation", "durability"):
        options[field] = step.get(field)
    return {**options, **lifetime(step), "metadata": metadata}


def delete_options(step: Step) -> Facts:
    return {field: step.get(field) for field in ("if_match", "if_generation")}


def list_options(step: Step) -> Facts:
    options = {"prefix": step.get("prefix", "")}
    options |= {field: step.get(field) for field in ("delimiter", "limit", "token")}
    options |= {field: step.instant(field) for field in ("created_from", "created_to")}
    if "token_suffix" in step:
        options["token"] += step.get("token_suffix")
    return options


class Run:
    """A script under way: a store, its clock, and what is open on it. Each operation is a method."""

    store: mediacask.Store

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = mediacask.ManualClock(BEGIN)
        self.begin_ms: int = (BEGIN - EPOCH) // timedelta(milliseconds=1)
        self.variables: Facts = {}

    def do(self, fields: Facts) -> None:
        step = Step(fields, self)
        operation: Callable[[Step], Facts | None] = getattr(self, f"op_{fields['op']}")
        try:
            answer = operation(step) or {}
        except mediacask.MediacaskError as error:
            assert error.kind == fields.get("error"), f"{type(error).__name__}: {error}"
            assert str(error) and isinstance(error, getattr(mediacask, type(error).__name__))
            answer = {}
        else:
            assert "error" not in fields, f"it is to fail, and answered {answer}"
            self.compare(step, answer)
            assert set(fields) - {f for f in fields if f.startswith("save_")} <= step.used, "fields nobody looked at"
        for field in [field for field in fields if field.startswith("save_")]:
            self.variables[fields[field]] = answer[field[5:]]

    def compare(self, step: Step, answer: Facts) -> None:
        expect: Facts = step.fields.get("expect", {})
        assert answer.get("absent", False) == expect.get("absent", False), answer
        for field, value in expect.items():
            wanted = step.resolved(value)
            if field in ("absent", "text", "hex", "pattern", "len"):
                continue
            if field == "ttl_ms":
                assert answer["expires_at"] - answer["updated_at"] == wanted
            elif field == "generation_above":
                assert answer["generation"] > wanted
            elif field in ("created_at", "updated_at", "expires_at") and isinstance(value, int):
                assert answer[field] - self.begin_ms == wanted
            else:
                assert answer[field] == wanted, field
        content = content_of(expect)
        if content is not None:
            assert answer["content"] == content
        elif "len" in expect:
            assert len(answer["content"]) == expect["len"]

    def opened(self, path: Path, options: Facts) -> mediacask.Store:
        return mediacask.open(path, clock=self.clock, **options)

    def op_open(self, step: Step) -> None:
        same = ["dedup", "durability", "verify", "upkeep", "file_threshold", "segment_len", "index_cache_bytes"]
        self.options = {field: step.get(field) for field in same if field in step}
        self.options["create"] = {"if_missing": True, "never": False}[step.get("create", "if_missing")]
        for option in ("os_sync_interval", "events_keep", "erase_within"):
            if f"{option}_ms" in step:
                self.options[option] = seconds(step, f"{option}_ms")
        if "space_amplification" in step:
            self.options["space_amplification"] = step.get("space_amplification") / 100
        self.at = step.path("store")
        self.store = self.opened(self.at, self.options)

    def op_open_again(self, step: Step) -> None:
        mediacask.open(step.path("store"))

    def op_reopen(self, step: Step) -> None:
        self.store.close()
        self.store = self.opened(self.at, self.options)

    def op_close(self, step: Step) -> None:
        self.store.close()

    def op_wait_ms(self, step: Step) -> None:
        self.clock.advance(timedelta(milliseconds=step.get("ms")))

    def op_put(self, step: Step) -> Facts:
        return entry_facts(step.account.put(step.name, step.content(), **put_options(step)))

    def op_put_reader(self, step: Step) -> Facts:
        content = step.content()
        pieces = (content[at : at + 1000] for at in range(0, len(content), 1000))
        return entry_facts(step.account.put(step.name, pieces, **put_options(step)))

    def op_writer_open(self, step: Step) -> None:
        self.writer = step.account.open(step.name, "wb", **put_options(step))

    def op_writer_write(self, step: Step) -> Facts:
        self.writer.write(step.content())
        return {"written": self.writer.tell()}

    def op_writer_commit(self, step: Step) -> Facts:
        return entry_facts(self.writer.commit())

    def op_writer_drop(self, step: Step) -> None:
        del self.writer

    def op_get(self, step: Step) -> Facts:
        return blob_facts(step.account.get(step.name))

    def op_get_range(self, step: Step) -> Facts:
        return blob_facts(step.account.get_range(step.name, step.get("start"), step.get("end")))

    def op_reader(self, step: Step) -> Facts:
        try:
            file = step.account.open(step.name)
        except mediacask.BlobNotFoundError:
            return {"absent": True}
        with file:
            file.seek(step.get("seek", 0))
            return {**entry_facts(file.entry), "content": file.read()}

    def op_hold(self, step: Step) -> Facts:
        self.held = step.account.get(step.name)
        return blob_facts(self.held)

    def op_held(self, step: Step) -> Facts:
        return blob_facts(self.held)

    def op_head(self, step: Step) -> Facts:
        return entry_facts(step.account.head(step.name))

    def op_contains(self, step: Step) -> Facts:
        return {"exists": step.name in step.account}

    def op_delete(self, step: Step) -> Facts:
        existed = step.account.delete(step.name, durability=step.get("durability"), **delete_options(step))
        return {"existed": existed}

    def op_list(self, step: Step) -> Facts:
        page = step.account.list(**list_options(step))
        names = [entry.name for entry in page.entries]
        return {"names": names, "prefixes": page.prefixes, "more": page.next_token is not None, "token": page.next_token}

    def op_entries(self, step: Step) -> Facts:
        return {"names": [entry.name for entry in step.account.entries(**list_options(step))]}

    def op_update(self, step: Step) -> Facts:
        return entry_facts(step.account.update(step.name, **update_options(step)))

    def op_copy(self, step: Step) -> Facts:
        account = self.store.account(step.get("to_account")) if "to_account" in step else None
        options = put_options(step)
        return entry_facts(step.account.copy(step.name, step.get("to_name"), account=account, **options))

    def op_purge(self, step: Step) -> Facts:
        return {"count": step.account.purge(step.get("prefix"))}

    def op_batch_begin(self, step: Step) -> None:
        self.batch = step.account.batch(durability=step.get("durability"))

    def op_batch_put(self, step: Step) -> None:
        self.batch.put(step.name, step.content(), **put_options(step, durability=False))

    def op_batch_delete(self, step: Step) -> None:
        self.batch.delete(step.name, **delete_options(step))

    def op_batch_commit(self, step: Step) -> Facts:
        words = {True: "deleted", False: "absent"}
        outcomes = self.batch.commit()
        return {"outcomes": [words[outcome] if isinstance(outcome, bool) else "put" for outcome in outcomes]}

    def op_batch_drop(self, step: Step) -> None:
        self.batch.abort()

    def op_policy(self, step: Step) -> Facts:
        policy = step.account.policy()
        return {
            "default_ttl_ms": milliseconds(policy.default_ttl),
            "longest_ttl_ms": milliseconds(policy.longest_ttl),
            "largest_blob": policy.largest_blob,
            "quota_bytes": policy.quota_bytes,
            "quota_count": policy.quota_count,
        }

    def op_set_policy(self, step: Step) -> None:
        policy = mediacask.Policy(
            default_ttl=seconds(step, "default_ttl_ms"),
            longest_ttl=seconds(step, "longest_ttl_ms"),
            largest_blob=step.get("largest_blob"),
            quota_bytes=step.get("quota_bytes"),
            quota_count=step.get("quota_count"),
        )
        step.account.set_policy(policy)

    def op_account_stats(self, step: Step) -> Facts:
        stats = step.account.stats()
        return {"account": stats.account, "count": stats.count, "bytes": stats.bytes}

    def op_accounts(self, step: Step) -> Facts:
        return {"accounts": [stats.account for stats in self.store.accounts()]}

    def op_stats(self, step: Step) -> Facts:
        stats = self.store.stats()
        fields = ("names", "accounts", "logical_bytes", "contents", "content_bytes", "blob_files")
        return {field: getattr(stats, field) for field in fields}

    def op_health(self, step: Step) -> Facts:
        health = self.store.health()
        return {
            "poisoned": health.poisoned is not None,
            "index": health.index,
            "damage": len(health.damage),
            "last_erasure": health.last.erasure is not None and health.last.erasure.error is None,
            "erasure_overdue": health.erasure_overdue is not None,
        }

    def op_names_of(self, step: Step) -> Facts:
        names = self.store.names_of(step.get("digest"))
        return {"names": [f"{account}/{entry.name}" for account, entry in names]}

    def op_purge_digest(self, step: Step) -> Facts:
        return {"count": self.store.purge_digest(step.get("digest"))}

    def op_sync(self, step: Step) -> None:
        self.store.sync()

    def op_sweep(self, step: Step) -> Facts:
        return {"expired": self.store.sweep().expired}

    def op_compact(self, step: Step) -> Facts:
        return dataclasses.asdict(self.store.compact())

    def op_verify(self, step: Step) -> Facts:
        options = {field: step.get(field) for field in ("repair", "bytes_per_sec", "resume") if field in step}
        report = self.store.verify(**options)
        names = [f"{account}/{name}" for damaged in report.damaged for account, name in damaged.names]
        return {**dataclasses.asdict(report), "damaged": names}

    def op_checkpoint(self, step: Step) -> Facts:
        return dataclasses.asdict(self.store.checkpoint(step.path("")))

    def op_restore(self, step: Step) -> Facts:
        return dataclasses.asdict(mediacask.restore(step.path(""), self.directory / step.get("to_path")))

    def op_checkpoint_catalog(self, step: Step) -> None:
        self.store.checkpoint_catalog()

    def op_rebuild_index(self, step: Step) -> Facts:
        return {"rows": self.store.rebuild_index()}

    def op_events(self, step: Step) -> Facts:
        events = list(self.store.events(step.get("after")))
        told = [f"{event.kind} {event.account}/{event.name}" for event in events]
        return {"events": told, "last": events[-1].sequence if events else step.get("after")}

    def op_events_floor(self, step: Step) -> Facts:
        return {"floor": self.store.events_floor()}

    def signer(self, step: Step) -> mediacask.Signer:
        if "keys" not in step:
            return self.store.signer()
        keys = [key.split("=", 1) for key in step.get("keys")]
        if len({id for id, _ in keys}) < len(keys):
            # A mapping cannot say so.
            raise mediacask.InvalidOptionError("one key for each id")
        return mediacask.Signer({id: bytes.fromhex(secret) for id, secret in keys}, clock=self.clock)

    def op_sign(self, step: Step) -> Facts:
        account = "x" * step.get("account_len") if "account_len" in step else step.get("account", "5500001")
        options = {"method": step.get("method", "get"), "ttl": seconds(step, "ttl_ms")}
        return {"grant": self.signer(step).sign(account, step.name, **options)}

    def op_verify_grant(self, step: Step) -> Facts:
        text = step.get("grant") + step.get("grant_suffix", "")
        account, method = step.get("account", "5500001"), step.get("method", "get")
        until = self.signer(step).verify(text, account, step.name, method=method)
        return {"expires_at": milliseconds(until - EPOCH)}

    def op_write_file(self, step: Step) -> None:
        path = step.path("")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(step.content())

    def op_remove_store(self, step: Step) -> None:
        import shutil

        shutil.rmtree(self.directory / "store")

    def op_find(self, step: Step) -> Facts:
        files = [path for path in (self.directory / "store").rglob("*") if path.is_file()]
        return {"found": any(step.content() in path.read_bytes() for path in files)}

    def op_damage(self, step: Step) -> None:
        sought, hits = step.content()[:32], 0
        for folder in ("segments", "files"):
            for path in (self.directory / "store" / folder).rglob("*"):
                image = path.read_bytes() if path.is_file() else b""
                if sought in image:
                    hits += image.count(sought)
                    with path.open("r+b") as file:
                        file.seek(image.index(sought))
                        file.write(bytes([sought[0] ^ 1]))
        assert hits == 1


@pytest.mark.parametrize("script", list(scripts()))
def test_script(script: Facts, tmp_path: Path) -> None:
    run = Run(tmp_path)
    for number, step in enumerate(script["steps"], 1):
        try:
            run.do(step)
        except Exception as error:
            error.add_note(f"step {number}: {step}")
            raise
    if hasattr(run, "store"):
        run.store.close()


def test_there_are_scripts() -> None:
    assert sum(len(script.values[0]["steps"]) for script in scripts()) > 600
