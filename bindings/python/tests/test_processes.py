"""Processes: forks hear at once that they are forks, spawned ones open anew, and every interpreter ends well."""

from __future__ import annotations

import copy
import http.client
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mediacask
import pytest


def test_handles_pickle_as_path_and_options(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with mediacask.open("media.cask", verify="once", file_threshold=1 << 16) as store:
        media = store.account("a")
        media["x"] = b"hello"
        pickled = pickle.dumps((store, media))
        again, account = pickle.loads(pickled)
        assert again is store and account == media and copy.deepcopy(media)["x"] == b"hello"
        assert b"hello" not in pickled and str(path).encode() in pickled
    monkeypatch.chdir("/")
    store, account = pickle.loads(pickled)
    assert account["x"] == b"hello" and account.store is store and store.path == path
    store.close()
    with mediacask.open(path, clock=mediacask.ManualClock()) as store, pytest.raises(TypeError, match="clock"):
        pickle.dumps(store)


def test_entries_and_digests_pickle_by_value(media: mediacask.Account) -> None:
    entry = media.put(
        "x", b"x", content_type="a/b", cache_control="c", content_disposition="d", metadata={"k": "v"}, ttl=60
    )
    other = media.put("y", b"y")
    for value in (entry, other, entry.digest, media.list(), media.stats(), media.policy(), media.store.stats()):
        for protocol in range(2, 6):
            assert pickle.loads(pickle.dumps(value, protocol)) == value
        assert copy.copy(value) == copy.deepcopy(value) == value
    assert entry != other and len({entry, other, copy.copy(entry)}) == 2
    assert sorted([other.digest, entry.digest])[0] == min(entry.digest, other.digest)
    with pytest.raises(TypeError):
        pickle.dumps(media["x"])


FORKED = """
import os, sys, mediacask
path, how = sys.argv[1:]
store = mediacask.open(path)
media = store.account("a")
media["x"] = b"hello" * 10000
blob, file, entries = media["x"], media.open("x"), media.entries()
writer = media.open("y", "wb")
writer.write(b"half")
child = os.fork()
if child == 0:
    calls = [
        lambda: media["x"], lambda: media.put("z", b"z"), lambda: list(media), lambda: store.stats(),
        lambda: store.sync(), lambda: store.close(), lambda: store.account("b"), lambda: media.delete("x"),
        lambda: next(entries), lambda: writer.write(b"more"), lambda: media.batch().put("x", b"x"),
    ]
    for number, call in enumerate(calls):
        try:
            call()
        except mediacask.ForkedStoreError as error:
            assert "fork" in str(error)
        else:
            print("call", number, "went through", flush=True)
            os._exit(3)
    assert blob == b"hello" * 10000
    del writer, file, entries, media, store
    if how == "exec":
        os.execv(sys.executable, [sys.executable, "-c", "print('executed')"])
    if how == "_exit":
        os._exit(0)
    sys.exit(0)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
writer.write(b" and half")
writer.close()
assert media["y"] == b"half and half" and media["x"] == b"hello" * 10000
media["z"] = b"the parent goes on"
store.close()
with mediacask.open(path) as store:
    assert len(store.account("a")) == 3
print("well")
"""


@pytest.mark.parametrize("how", ["exit", "_exit", "exec"])
def test_a_forked_child_hears_so_at_once_and_the_parent_goes_on(
    program: Callable[..., str], path: Path, how: str
) -> None:
    assert program(FORKED, path, how, timeout=60).endswith("well\n")


MULTIPROCESSING = """
import multiprocessing, os, pickle, sys, mediacask

def child(account, queue):
    try:
        if isinstance(account, bytes):
            account = pickle.loads(account)
        queue.put(bytes(account["x"]))
    except mediacask.MediacaskError as error:
        queue.put(error)

if __name__ == "__main__":
    path, method = sys.argv[1:]
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    store = mediacask.open(path)
    media = store.account("a")
    media["x"] = b"hello"

    def ask():
        # A forked child has it; others get it as it pickles, which opens the store where it is not open.
        given = media if method == "fork" else pickle.dumps(media)
        process = context.Process(target=child, args=(given, queue))
        process.start()
        answer = queue.get(timeout=60)
        process.join(timeout=60)
        assert process.exitcode == 0, process.exitcode
        return answer

    error = ask()
    if method == "fork":
        assert type(error) is mediacask.ForkedStoreError, error
    else:
        assert type(error) is mediacask.StoreLockedError and error.pid == os.getpid(), error
        # Once this process lets go, a spawned one opens the store by what was pickled.
        store.close()
        assert ask() == b"hello"
    print("well")
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(tmp_path: Path, path: Path, method: str) -> None:
    # Its children import it: it must be a file.
    program = tmp_path / "program.py"
    program.write_text(MULTIPROCESSING)
    command = [sys.executable, str(program), str(path), method]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0 and ran.stdout == "well\n", ran.stdout + ran.stderr


APP = """
import os
import mediacask

# What a module does that is imported before the workers are forked.
store = mediacask.open(os.environ["STORE"])
media = store.account("a")
media["x"] = b"hello"

def app(environ, start_response):
    try:
        said = bytes(media["x"]).decode()
    except mediacask.ForkedStoreError as error:
        said = f"{type(error).__name__}: {error}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [said.encode()]
"""


class UnixConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.host)


def test_gunicorn_with_preload(tmp_path: Path, path: Path) -> None:
    (tmp_path / "served.py").write_text(APP)
    address = tmp_path / "socket"
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--no-control-socket"]
    command += ["--bind", f"unix:{address}", "served:app"]
    log = (tmp_path / "log").open("wb")
    server = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "STORE": str(path)}, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not address.exists():
            assert server.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.01)
        for _ in range(4):
            connection = UnixConnection(str(address))
            connection.request("GET", "/")
            said = connection.getresponse().read().decode()
            connection.close()
            assert said.startswith("ForkedStoreError: this store was opened before a fork"), said
    finally:
        server.send_signal(signal.SIGTERM)
        status = server.wait(timeout=60)
        log.close()
    assert status == 0, (tmp_path / "log").read_text()
    with mediacask.open(path) as store:
        assert store.health().recovery.clean and store.account("a")["x"] == b"hello"


OPEN_ENDS = {
    "everything": """
        blob, view, entries = media["x"], memoryview(media["x"]), media.entries()
        next(entries)
        reader, writer, batch = media.open("x"), media.open("half", "wb"), media.batch()
        reader.read(5)
        writer.write(b"half")
        batch.put("half", b"half")
        """,
    "a cycle": """
        class Holder: pass
        holder = Holder()
        holder.all = (store, media, media["x"], media.entries(), holder)
        """,
    "a thread that puts": """
        import threading
        def put():
            number = 0
            while True:
                number += 1
                media["again"] = bytes(10000)
        threading.Thread(target=put, daemon=True).start()
        while "again" not in media: pass
        """,
    "threads that read": """
        import threading
        def read():
            while True:
                for entry in media.entries():
                    media[entry.name] == media[entry.name]
        for _ in range(4):
            threading.Thread(target=read, daemon=True).start()
        """,
    "pools of asyncio": """
        import asyncio, mediacask.aio
        async def leave():
            wrapped = mediacask.aio.Store(store, threads=4)
            again = wrapped.account("a")
            file = again.open("half", "wb")
            await file.__aenter__()
            await file.write(b"half")
            events = await wrapped.events()
            reading = again.entries()
            await anext(reading)
            # Waits that nobody ends, and puts that are under way when the loop is over.
            kept.extend(asyncio.ensure_future(events.wait()) for _ in range(2))
            kept.extend(asyncio.ensure_future(again.put(f"late/{n}", bytes(100_000))) for n in range(8))
            kept.extend([wrapped, file, events, reading])
            await asyncio.sleep(0)
        kept = []
        asyncio.run(leave())
        """,
    "a thread that waits for events": """
        import threading
        events = store.events(store.stats().last_sequence)
        begun = threading.Event()
        def wait():
            begun.set()
            events.wait()
        threading.Thread(target=wait, daemon=True).start()
        begun.wait()
        """,
    "an exit in the middle": """
        import builtins
        builtins.kept = [store, media, media["x"]]
        raise SystemExit(0)
        """,
    "an atexit of its own": """
        import atexit
        late = lambda: print("late", len(media), bytes(media["x"][:5]))
        atexit.register(late)
        """,
}


@pytest.mark.parametrize("ending", OPEN_ENDS)
def test_an_interpreter_ends_well_with_all_of_it_open(program: Callable[..., str], path: Path, ending: str) -> None:
    import textwrap

    text = """
        import sys, mediacask
        store = mediacask.open(sys.argv[1])
        media = store.account("a")
        for number in range(1500):
            media.put(f"{number}", b"x", durability="os")
        media["x"] = b"hello" * 100000
        """
    said = program(textwrap.dedent(text) + textwrap.dedent(OPEN_ENDS[ending]), path, timeout=60)
    assert said == ("late 1501 b'hello'\n" if ending == "an atexit of its own" else "")
    with mediacask.open(path) as store:
        # The interpreter's end has closed it.
        assert store.health().recovery.clean
        assert "half" not in store.account("a") and store.account("a")["x"] == b"hello" * 100000
