"""The exceptions: the table of the core, importable, picklable, under one class and the fitting builtin."""

from __future__ import annotations

import copy
import errno
import pickle
import subprocess
import sys
from pathlib import Path

import mediacask
import pytest
from mediacask import _errors, _mediacask

BUILTINS = {
    "InvalidNameError": ValueError,
    "InvalidOptionError": ValueError,
    "TooLargeError": ValueError,
    "QuotaExceededError": OSError,
    "PreconditionFailedError": RuntimeError,
    "InvalidTokenError": ValueError,
    "DigestMismatchError": ValueError,
    "CorruptError": OSError,
    "StoreLockedError": BlockingIOError,
    "VersionError": RuntimeError,
    "StorePoisonedError": OSError,
    "ReadOnlyError": PermissionError,
    "NoSpaceError": OSError,
    "ForkedStoreError": RuntimeError,
    "StoreClosedError": ValueError,
    "StoreIOError": OSError,
    "ExpiredTokenError": PermissionError,
    "UnknownKeyError": PermissionError,
}


def test_every_kind_of_the_core_has_its_class_and_no_class_is_without_one() -> None:
    assert {python for _, python in _mediacask.FACES} == set(BUILTINS)
    for kind, python in _mediacask.FACES:
        cls = getattr(mediacask, python)
        assert cls.kind == kind and issubclass(cls, mediacask.MediacaskError) and issubclass(cls, BUILTINS[python])
    own = {name for name, cls in vars(_errors).items() if isinstance(cls, type) and name.endswith("Error")}
    assert own - set(BUILTINS) == {"MediacaskError", "BlobNotFoundError", "InternalError"}
    assert own <= set(mediacask.__all__)
    assert issubclass(mediacask.BlobNotFoundError, KeyError) and issubclass(mediacask.BlobNotFoundError, OSError)


@pytest.mark.parametrize("name", [*BUILTINS, "MediacaskError", "BlobNotFoundError", "InternalError"])
def test_exceptions_pickle_and_copy_by_value(name: str) -> None:
    error = getattr(mediacask, name)("what it says", path="/some/where", errno=5, pid=7)
    for again in (copy.copy(error), *(pickle.loads(pickle.dumps(error, protocol)) for protocol in range(6))):
        assert type(again) is type(error) and str(again) == "what it says" == again.message
        assert (again.path, again.errno, again.pid, again.kind) == (Path("/some/where"), 5, 7, error.kind)


def test_a_locked_store_names_its_holder(path: Path) -> None:
    program = "import mediacask, sys; s = mediacask.open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdin
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(mediacask.StoreLockedError) as caught:
            mediacask.open(path)
        holder.stdin.close()
        assert holder.wait(timeout=60) == 0
    assert caught.value.pid == holder.pid and str(holder.pid) in str(caught.value)
    assert caught.value.errno == errno.EAGAIN and caught.value.path is not None
    with pytest.raises(BlockingIOError):
        raise caught.value
    mediacask.open(path).close()


def test_conditions_that_do_not_hold_change_nothing(media: mediacask.Account) -> None:
    first = media.put("x", b"one", if_absent=True)
    with pytest.raises(mediacask.PreconditionFailedError):
        media.put("x", b"two", if_absent=True)
    with pytest.raises(mediacask.PreconditionFailedError):
        media.delete("x", if_match=mediacask.Digest.of(b"other"))
    with pytest.raises(mediacask.PreconditionFailedError):
        media.update("x", if_generation=first.generation + 1, content_type="a/b")
    second = media.put("x", b"two", if_match=first.digest.hexdigest())
    with pytest.raises(mediacask.PreconditionFailedError):
        media.put("x", b"three", if_generation=first.generation)
    assert media.delete("x", if_match=bytes(second.digest), if_generation=second.generation)


def test_expected_digests_are_compared(media: mediacask.Account) -> None:
    import hashlib

    good = {"expect_md5": hashlib.md5(b"x"), "expect_sha256": hashlib.sha256(b"x")}
    for option, hashed in good.items():
        media.put("x", b"x", **{option: hashed.digest()})  # type: ignore[arg-type]
        media.put("x", b"x", **{option: hashed.hexdigest()})  # type: ignore[arg-type]
        with pytest.raises(mediacask.DigestMismatchError):
            media.put("x", b"y", **{option: hashed.digest()})  # type: ignore[arg-type]
        with pytest.raises(mediacask.InvalidOptionError, match="hex digits"):
            media.put("x", b"y", **{option: b"short"})  # type: ignore[arg-type]
    media.put("x", b"x", expect_digest=mediacask.Digest.of(b"x"))
    with pytest.raises(mediacask.DigestMismatchError):
        media.put("x", b"y", expect_digest=mediacask.Digest.of(b"x"))
    assert media["x"] == b"x"


def test_options_that_make_no_sense_say_what_does(media: mediacask.Account, path: Path) -> None:
    with pytest.raises(mediacask.InvalidOptionError, match='"sync" or "os"'):
        media.put("x", b"", durability="later")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        media.put("x", b"", colour="red")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        media.put("x", b"", colour=None)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="mapping of texts"):
        media.put("x", b"", metadata={"a": 1})  # type: ignore[dict-item]
    with pytest.raises(mediacask.InvalidOptionError, match="64 hex digits"):
        mediacask.Digest("12")
    with pytest.raises(mediacask.InvalidOptionError, match="always"):
        mediacask.open(path.with_name("other"), verify="sometimes")  # type: ignore[arg-type]
    with pytest.raises(mediacask.InvalidTokenError):
        media.list(token="made up")
    with pytest.raises(mediacask.TooLargeError):
        media.put("x", b"", metadata={"a": "b" * 9000})
    with pytest.raises(mediacask.StoreIOError) as caught:
        mediacask.open(path.with_name("absent"), create=False)
    assert caught.value.errno == errno.ENOENT and caught.value.filename is not None


def test_a_closed_store_says_so_and_blobs_stay(path: Path) -> None:
    store = mediacask.open(path)
    media = store.account("a")
    media["x"] = b"hello"
    blob, entries = media["x"], media.entries()
    assert not store.closed
    store.close()
    store.close()
    assert store.closed and blob == b"hello"
    for call in (lambda: media["x"], lambda: next(entries), lambda: store.stats(), lambda: store.account("b")):
        with pytest.raises(mediacask.StoreClosedError, match="closed"):
            call()
    assert store.health().poisoned is None


def test_a_panic_is_an_exception_and_the_interpreter_goes_on(media: mediacask.Account) -> None:
    with pytest.raises(mediacask.InternalError, match="a panic that was asked for") as caught:
        _mediacask._panic_for_tests()
    assert isinstance(caught.value, Exception) and caught.value.kind == "internal"
    media["x"] = b"still here"
