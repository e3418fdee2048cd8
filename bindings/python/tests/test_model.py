"""A store does what a dict with a clock does, whatever is called in whatever order (hypothesis)."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import mediacask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from conftest import BEGIN

NAMES = st.sampled_from(["a", "a/1", "a/2", "b", "ü", "a\n", "/"])
CONTENTS = st.one_of(st.binary(max_size=20), st.integers(0, 255).map(lambda byte: bytes([byte]) * 20_000))
TTLS = st.one_of(st.none(), st.integers(1, 5000).map(lambda ms: timedelta(milliseconds=ms)))


class Model(RuleBasedStateMachine):
    """The dict: name -> (content, the instant it ends or None)."""

    @initialize(dedup=st.sampled_from(["account", "store"]))
    def begin(self, dedup: str) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.clock = mediacask.ManualClock(BEGIN)
        self.dedup = dedup
        self.held: dict[str, tuple[bytes, timedelta | None]] = {}
        self.now = timedelta()
        self.open()

    def open(self) -> None:
        self.store = mediacask.open(
            self.directory / "store",
            clock=self.clock,
            durability="os",
            upkeep="by_hand",
            dedup=self.dedup,  # type: ignore[arg-type]
            segment_len=128 << 10,
            file_threshold=16 << 10,
        )
        self.media = self.store.account("a")

    def living(self) -> dict[str, bytes]:
        return {name: content for name, (content, end) in self.held.items() if end is None or end > self.now}

    def put_here(self, name: str, content: bytes, ttl: timedelta | None) -> None:
        self.held[name] = (content, None if ttl is None else self.now + ttl)

    @rule(name=NAMES, content=CONTENTS, ttl=TTLS)
    def put(self, name: str, content: bytes, ttl: timedelta | None) -> None:
        entry = self.media.put(name, content, ttl=ttl)
        assert entry.size == len(content)
        self.put_here(name, content, ttl)

    @rule(name=NAMES, content=CONTENTS)
    def put_if_absent(self, name: str, content: bytes) -> None:
        there = name in self.living()
        try:
            self.media.put(name, [content], if_absent=True)
        except mediacask.PreconditionFailedError:
            assert there
        else:
            assert not there
            self.put_here(name, content, None)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        assert self.media.delete(name) == (name in self.living())
        self.held.pop(name, None)

    @rule(name=NAMES, ttl=TTLS)
    def update(self, name: str, ttl: timedelta | None) -> None:
        entry = self.media.update(name, ttl=ttl or "never")
        content = self.living().get(name)
        assert (entry is None) == (content is None)
        if content is not None:
            self.put_here(name, content, ttl)

    @rule(names=st.tuples(NAMES, NAMES), ttl=TTLS)
    def copy(self, names: tuple[str, str], ttl: timedelta | None) -> None:
        source, target = names
        entry = self.media.copy(source, target, ttl=ttl)
        content = self.living().get(source)
        assert (entry is None) == (content is None)
        if content is not None:
            self.put_here(target, content, ttl)

    @rule(puts=st.lists(st.tuples(NAMES, CONTENTS), max_size=4), deletes=st.lists(NAMES, max_size=2))
    def batch(self, puts: list[tuple[str, bytes]], deletes: list[str]) -> None:
        with self.media.batch() as batch:
            for name, content in puts:
                batch.put(name, content)
                self.put_here(name, content, None)
            for name in deletes:
                batch.delete(name)
                self.held.pop(name, None)
        assert len(batch.outcomes) == len(puts) + len(deletes)

    @rule(prefix=st.sampled_from(["", "a", "a/", "x"]))
    def purge(self, prefix: str) -> None:
        gone = [name for name in self.living() if name.startswith(prefix)]
        assert self.media.purge(prefix) == len(gone)
        self.held = {name: held for name, held in self.held.items() if not name.startswith(prefix)}

    @rule(ms=st.integers(0, 4000))
    def time_passes(self, ms: int) -> None:
        self.clock.advance(timedelta(milliseconds=ms))
        self.now += timedelta(milliseconds=ms)

    @rule()
    def sweep(self) -> None:
        self.store.sweep()
        assert self.media.stats().count == len(self.living())

    @rule()
    def compact(self) -> None:
        self.store.compact()

    @rule()
    def close_and_open(self) -> None:
        self.store.close()
        self.open()

    @invariant()
    def it_holds_what_the_dict_holds(self) -> None:
        if not hasattr(self, "media"):
            return
        living = self.living()
        assert dict(self.media.items()) == living
        assert list(self.media) == sorted(living, key=str.encode)
        assert len(self.media) == len(living) and bool(self.media) == bool(living)
        for name, (_, end) in self.held.items():
            assert (name in self.media) == (name in living)
            entry = self.media.head(name)
            if entry is not None:
                assert entry.expires_at == (None if end is None else BEGIN + end)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.directory)


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    # Nothing is written beside the sources; a failure prints what repeats it.
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
