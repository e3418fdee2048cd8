"""`mediacask.aio`: the same names, awaitable; and cancellation leaves nothing half-done."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import mediacask
import mediacask.aio
import pytest


def run(body: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with asyncio.timeout(60):
            return await body()

    return asyncio.run(main(), debug=True)


def test_the_names_are_those_of_the_package() -> None:
    # The second is there once a batch is made.
    only_here = {"contains", "outcomes"}
    # What cannot be awaited, or is a mapping's.
    only_there = {"keys", "values", "items", "pop", "popitem", "clear", "setdefault", "store"}
    for cls, there in [
        (mediacask.aio.Account, mediacask.Account),
        (mediacask.aio.Store, mediacask.Store),
        (mediacask.aio.Batch, mediacask.Batch),
        (mediacask.aio.Events, mediacask.Events),
    ]:
        awaited = {name for name in dir(cls) if not name.startswith("_")}
        plain = {name for name in dir(there) if not name.startswith("_")}
        assert awaited - only_here == plain - only_there, cls
    # And they take the same arguments.
    for name in ("delete", "update", "list", "entries", "get_range", "purge", "head"):
        here = inspect.signature(getattr(mediacask.aio.Account, name)).parameters
        there = inspect.signature(getattr(mediacask.Account, name)).parameters
        assert [(p, here[p].kind.name.replace("_OR_KEYWORD", "")) for p in here][2:] == [
            (p, there[p].kind.name.replace("_OR_KEYWORD", "")) for p in there
        ][2:], name


def test_every_operation_is_awaited(path: Path) -> None:
    async def body() -> None:
        async with mediacask.aio.open(path, verify="once") as store:
            media = store.account("a")
            entry = await media.put("x", b"hello", content_type="text/plain", ttl=60)
            assert entry.content_type == "text/plain" and media.name == "a" and store.path == path
            blob = await media.get("x")
            assert blob is not None and blob == b"hello" and blob.entry == entry
            assert await media.get("y") is None and await media.get("y", b"default") == b"default"
            assert await media.get_range("x", 1, 3) == b"el" and await media.head("x") == entry
            assert await media.contains("x") and not await media.contains("y")
            updated = await media.update("x", content_type=None, ttl="never")
            assert updated is not None and updated.content_type is None
            await media.copy("x", "y", metadata={"a": "b"})
            await media.copy("x", "z", account=store.account("b"))
            assert await store.get("a", "y") == await media.get("x") and await store.get("a", "none", 7) == 7
            await store.put("a", "file", b"before")
            await media.put_file("file", __file__)
            async with media.batch() as batch:
                await batch.put("batch/1", b"1")
                await batch.delete("file")
            assert [isinstance(outcome, mediacask.Entry) for outcome in batch.outcomes] == [True, False]
            assert [entry.name async for entry in media.entries(limit=1)] == ["batch/1", "x", "y"]
            assert [name async for name in media] == ["batch/1", "x", "y"]
            page = await media.list(limit=2)
            assert len(page.entries) == 2 and page.next_token
            await media.set_policy(mediacask.Policy(quota_count=100))
            assert (await media.policy()).quota_count == 100 and (await media.stats()).count == 3
            assert [stats.account for stats in await store.accounts()] == ["a", "b"]
            assert len(await store.names_of(entry.digest)) == 3 and await store.purge_digest(entry.digest) == 3
            assert await media.purge("batch/") == 1 and await media.delete("x") is False
            assert (await store.sweep()).expired == 0 and await store.rebuild_index() == 0
            await store.sync()
            await store.checkpoint_catalog()
            assert (await store.stats()).names == 0 and (await store.health()).poisoned is None
            assert await store.events_floor() == 0
            assert len([event async for event in await store.events()]) > 5
        assert store.closed
        for call in (media.get("x"), media.put("x", b"x"), store.stats(), store.sync(), media.open("x").__aenter__()):
            with pytest.raises(mediacask.StoreClosedError):
                await call
        assert (await store.health()).poisoned is None
        await store.close()

    run(body)


def test_files_are_read_and_written(path: Path) -> None:
    data = bytes(range(256)) * 4000

    async def body() -> None:
        store = await mediacask.aio.open(path)
        media = store.account("a")
        async with media.open("x", "wb", content_type="a/b") as file:
            assert await file.write(data[:1000]) == 1000
            await file.write(data[1000:])
            assert not await media.contains("x")
        assert file.entry is not None and file.entry.content_type == "a/b"
        async with media.open("x") as file:
            assert file.entry.size == len(data) and await file.read(10) == data[:10] and await file.tell() == 10
            assert await file.seek(-5, 2) and await file.read() == data[-5:]
            await file.seek(0)
            assert b"".join([piece async for piece in file]) == data
        with pytest.raises(ZeroDivisionError):
            async with media.open("x", "wb") as file:
                await file.write(b"half")
                raise ZeroDivisionError
        with pytest.raises(mediacask.PreconditionFailedError):
            async with media.open("x", "xb") as file:
                await file.write(b"other")
        assert await media.get("x") == data
        with pytest.raises(mediacask.BlobNotFoundError):
            async with media.open("y"):
                pass
        with pytest.raises(ValueError, match="async with"):
            await media.open("x").read()
        await store.close()

    run(body)


def test_what_comes_in_pieces_is_stored_as_a_whole(path: Path) -> None:
    async def pieces(fails: bool) -> AsyncIterator[bytes]:
        for _ in range(10):
            await asyncio.sleep(0)
            yield bytes(1000)
        if fails:
            raise ConnectionResetError

    async def body() -> None:
        async with mediacask.aio.open(path) as store:
            media = store.account("a")
            assert (await media.put("x", pieces(False))).size == 10_000
            with pytest.raises(ConnectionResetError):
                await media.put("y", pieces(True))
            assert not await media.contains("y")

    run(body)


def test_a_cancelled_task_leaves_nothing_half_done(path: Path) -> None:
    async def endless(begun: asyncio.Event) -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)
            begun.set()
            await asyncio.sleep(0)

    async def body() -> None:
        async with mediacask.aio.open(path) as store:
            media = store.account("a")
            begun = asyncio.Event()
            task = asyncio.create_task(media.put("endless", endless(begun)))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not await media.contains("endless")

            # Puts that are broken off at any point: each name has all of its content, or none.
            for delay in range(40):
                tasks = [asyncio.create_task(media.put(f"{delay}/{n}", bytes([n]) * 200_000)) for n in range(4)]
                for _ in range(delay):
                    await asyncio.sleep(0)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            async for entry in media.entries():
                blob = await media.get(entry.name)
                assert blob == bytes([int(entry.name.split("/")[1])]) * 200_000
        with mediacask.open(path) as again:
            assert again.health().recovery.clean and not list((path / "staging").iterdir())

    run(body)


def test_a_cancelled_open_leaves_no_store_open(path: Path) -> None:
    path.mkdir()

    async def body() -> None:
        for delay in range(10):
            task = asyncio.create_task(mediacask.aio.open(path / f"{delay}")._open())
            for _ in range(delay):
                await asyncio.sleep(0)
            task.cancel()
            try:
                opened = await task
            except asyncio.CancelledError:
                cancelled.append(delay)
            else:
                # On a busy machine it may have been open before: then whoever opened it has it.
                await opened.close()

    cancelled: list[int] = []
    run(body)
    assert 0 in cancelled
    # The threads that were opening it have ended with their pools, and closed what they got.
    for thread in threading.enumerate():
        if thread.name.startswith("mediacask"):
            thread.join(timeout=60)
    for delay in range(10):
        mediacask.open(path / f"{delay}").close()


def test_a_wait_for_events_is_cancelled_at_once_and_loses_nothing(path: Path) -> None:
    async def body() -> None:
        async with mediacask.aio.open(path, threads=2) as store:
            media, events = store.account("a"), await store.events()
            assert await events.wait(timedelta(milliseconds=10)) is None
            task = asyncio.create_task(events.wait())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await media.put("x", b"x")
            event = await events.wait(60)
            assert event is not None and event.name == "x" and await events.seen() >= event.sequence

    run(body)


def test_the_loop_goes_on_while_the_store_works(path: Path) -> None:
    async def body() -> int:
        turns = 0

        async def turning() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with mediacask.aio.open(path, threads=4) as store:
            media = store.account("a")
            task = asyncio.create_task(turning())
            await asyncio.gather(*(media.put(f"{n}", bytes([n]) * (1 << 20)) for n in range(8)))
            task.cancel()
        return turns

    assert run(body) > 8


def test_a_store_that_is_open_is_wrapped(store: mediacask.Store, media: mediacask.Account) -> None:
    media["x"] = b"hello"

    async def body() -> None:
        wrapped = mediacask.aio.Store(store, threads=1)
        assert await wrapped.account(media.name).get("x") == b"hello"
        for handle in (wrapped, wrapped.account(media.name)):
            with pytest.raises(TypeError, match="pickle the mediacask.Store or the path"):
                pickle.dumps(handle)
        await wrapped.close()

    run(body)
    assert store.closed


def test_a_forked_child_hears_so_at_once(program: Callable[..., str], path: Path) -> None:
    said = program(
        """
        import asyncio, os, sys, mediacask, mediacask.aio
        path = sys.argv[1]
        async def begin():
            store = await mediacask.aio.open(path)
            await store.account("a").put("x", b"x")
            return store
        store = asyncio.run(begin())
        child = os.fork()
        if child == 0:
            async def ask():
                try:
                    await store.account("a").get("x")
                except mediacask.ForkedStoreError:
                    return 0
                return 3
            os._exit(asyncio.run(ask()))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        async def end():
            assert await store.account("a").get("x") == b"x"
            await store.close()
        asyncio.run(end())
        print("well")
        """,
        path,
        timeout=60,
    )
    assert said == "well\n"
