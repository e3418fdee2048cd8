"""The Django storage backend, in a small project that keeps uploads of a FileField."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
import mediacask
import pytest
from django.conf import settings

settings.configure(
    SECRET_KEY="for tests",
    ALLOWED_HOSTS=["*"],
    USE_TZ=True,
    MEDIA_URL="/media/",
    ROOT_URLCONF="uploads",
    INSTALLED_APPS=["django.contrib.contenttypes", "uploads"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)

from django.core.files.base import ContentFile  # noqa: E402
from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: E402
from mediacask.django import MediacaskStorage  # noqa: E402


@pytest.fixture
def storage(path: Path) -> Iterator[MediacaskStorage]:
    storage = MediacaskStorage(store=path, account="uploads")
    yield storage
    storage.store.close()


def test_files_are_saved_opened_and_deleted(storage: MediacaskStorage) -> None:
    name = storage.save("img/a b.png", ContentFile(b"picture"))
    assert name == "img/a b.png" and storage.exists(name) and storage.size(name) == 7
    with storage.open(name) as file:
        assert file.read() == b"picture" and file.size == 7 and list(file.chunks(3)) == [b"pic", b"tur", b"e"]
    with storage.open("written", "wb") as file:
        file.write(b"by hand")
    assert storage.account["written"] == b"by hand"
    assert storage.listdir("") == (["img"], ["written"]) and storage.listdir("img/") == ([], ["a b.png"])
    assert storage.url(name) == "/media/img/a%20b.png"
    assert storage.get_created_time(name) == storage.account["img/a b.png"].entry.created_at
    assert storage.get_modified_time(name).utcoffset() == timedelta()
    storage.delete(name)
    storage.delete(name)
    assert not storage.exists(name)
    with pytest.raises(FileNotFoundError):
        storage.open(name)
    with pytest.raises(FileNotFoundError):
        storage.size(name)


def test_names_are_kept_apart_or_overwritten_as_asked(storage: MediacaskStorage, path: Path) -> None:
    first, second = (storage.save("x.txt", ContentFile(content)) for content in (b"one", b"two"))
    assert first == "x.txt" and re.fullmatch(r"x_\w{7}\.txt", second)
    over = MediacaskStorage(store=path, account="uploads", overwrite=True, ttl=timedelta(hours=1))
    assert over.store is storage.store
    assert over.save("x.txt", ContentFile(b"three")) == "x.txt" and storage.account["x.txt"] == b"three"
    entry = storage.account["x.txt"].entry
    assert entry.expires_at == entry.updated_at + timedelta(hours=1)


def test_uploads_keep_their_type_and_come_in_pieces(storage: MediacaskStorage) -> None:
    name = storage.save("x", SimpleUploadedFile("x.png", bytes(5_000_000), content_type="image/png"))
    entry = storage.account[name].entry
    assert (entry.content_type, entry.size) == ("image/png", 5_000_000)


def of_digest(name: str, entry: mediacask.Entry | None) -> str:
    return f"https://cdn.example/{name}?v={entry.digest.hexdigest()[:8] if entry else 'none'}"


def test_urls_are_made_by_a_hook(path: Path) -> None:
    for hook in (of_digest, f"{__name__}.of_digest"):
        storage = MediacaskStorage(store=path, url=hook)
        name = storage.save("x", ContentFile(b"x"))
        assert storage.url(name).endswith(f"?v={mediacask.Digest.of(b'x').hexdigest()[:8]}")
        assert storage.url("absent") == "https://cdn.example/absent?v=none"
        storage.delete(name)
    assert MediacaskStorage(store=path, base_url="https://x/").url("a/ü") == "https://x/a/%C3%BC"
    storage.store.close()


def test_it_is_written_into_migrations_as_it_was_made(path: Path) -> None:
    storage = MediacaskStorage(store=path, account="a", ttl=5)
    assert storage.deconstruct() == (
        "mediacask.django.MediacaskStorage",
        (),
        {"store": path, "account": "a", "ttl": 5},
    )


PROJECT = '''
import os

from django.db import models
from django.http import JsonResponse
from django.urls import path
from mediacask.django import MediacaskStorage


def versioned(name, entry):
    return f"https://cdn.example/{name}?v={entry.digest.hexdigest()[:8]}"


def logos():
    return MediacaskStorage(os.environ["STORE"], account="logos", overwrite=True, url=versioned)


class Upload(models.Model):
    file = models.FileField(upload_to="in/%Y")

    # Each takes the place of the one before, and its URL says which it is.
    logo = models.FileField(upload_to="logos", storage=logos)

    class Meta:
        app_label = "uploads"


def upload(request):
    if "logo" in request.FILES:
        kept, _ = Upload.objects.get_or_create(pk=1000)
        kept.logo = request.FILES["logo"]
        kept.save()
        return JsonResponse({"name": kept.logo.name, "url": kept.logo.url})
    kept = Upload.objects.create(file=request.FILES["file"])
    return JsonResponse({"id": kept.pk, "name": kept.file.name, "url": kept.file.url, "size": kept.file.size})


urlpatterns = [path("upload", upload)]
'''


def test_a_project_keeps_the_uploads_of_a_file_field(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    (project / "uploads").mkdir(parents=True)
    (project / "uploads" / "__init__.py").write_text("from django.urls import path\n")
    (project / "uploads" / "models.py").write_text(PROJECT)
    monkeypatch.syspath_prepend(project)
    monkeypatch.setenv("STORE", str(path))
    options: dict[str, Any] = {"store": path, "account": "uploads", "base_url": "/files/"}
    monkeypatch.setattr(
        settings,
        "STORAGES",
        {"default": {"BACKEND": "mediacask.django.MediacaskStorage", "OPTIONS": options}},
        raising=False,
    )
    monkeypatch.setattr(settings, "ROOT_URLCONF", "uploads.models")
    django.setup()
    from django.core.files.storage import default_storage
    from django.db import connection
    from django.test import Client

    from uploads.models import Upload  # type: ignore[import-not-found]

    with connection.schema_editor() as schema:
        schema.create_model(Upload)
    data = bytes(range(256)) * 20_000
    sent = io.BytesIO(data)
    sent.name = "voice note.ogg"
    answer = Client().post("/upload", {"file": sent}).json()
    assert re.fullmatch(r"in/\d{4}/voice_note\.ogg", answer["name"]) and answer["size"] == len(data)
    assert answer["url"] == f"/files/{answer['name']}"
    kept = Upload.objects.get(pk=answer["id"])
    with kept.file.open() as file:
        assert file.read() == data
    assert default_storage.account[answer["name"]].entry.content_type in ("audio/ogg", "application/octet-stream")
    again = Client().post("/upload", {"file": io.BytesIO(b"other")}).json()
    assert again["name"] != answer["name"]
    urls = set()
    for number in range(3):
        logo = io.BytesIO(b"logo %d" % number)
        logo.name = "logo.png"
        told = Client().post("/upload", {"logo": logo}).json()
        assert told["name"] == "logos/logo.png"
        version = mediacask.Digest.of(b"logo %d" % number).hexdigest()[:8]
        assert told["url"] == f"https://cdn.example/logos/logo.png?v={version}"
        urls.add(told["url"])
    held = default_storage.store.account("logos")
    assert len(urls) == 3 and list(held) == ["logos/logo.png"] and held["logos/logo.png"] == b"logo 2"
    kept.file.delete()
    assert answer["name"] not in default_storage.account and again["name"] in default_storage.account
    default_storage.store.close()
    connection.close()
