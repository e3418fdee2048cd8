"""PyPI bandwidth-sdk 12.0.0: names go out raw, slashes too, and what `requests` would quote is quoted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bandwidth_contract import ACCOUNT, EVERY_BYTE
from bandwidth_older import OlderContract, Sdk


class Sdk12(Sdk):
    def upload(self, name: str, body: bytes, content_type: str, cache_control: str | None) -> Any:
        return self.api.upload_media(self.account, name, body, content_type=content_type, cache_control=cache_control)


class TestBandwidth12(OlderContract):
    sdk = Sdk12

    def test_a_name_goes_out_as_it_stands_and_is_decoded_once(self, media: Sdk) -> None:
        """Escapes in a name are escapes of the path, and the SDK squeezes slashes."""
        said = {"a%2Fb": "a/b", "a%252Fb": "a%2Fb", "p%20q%2b+": "p q++", "100%25": "100%", "double//slash": "double/slash"}
        for number, (name, stored) in enumerate(said.items()):
            media.put(name, f"{number}".encode(), "text/plain")
            assert media.get(name).body == f"{number}".encode()
            assert [one.name for one in media.list()[0]] == [stored]
            media.delete(name)

    def test_files_go_out_with_their_length_and_iterators_in_chunks(self, media: Sdk, tmp_path: Path) -> None:
        path = tmp_path / "upload"
        path.write_bytes(EVERY_BYTE * 50)
        with path.open("rb") as file:
            assert media.api.upload_media(ACCOUNT, "file", file).status_code == 204
        pieces = (EVERY_BYTE for _ in range(50))
        assert media.api.upload_media(ACCOUNT, "pieces", pieces, content_type="video/3gpp").status_code == 204
        file_got, pieces_got = media.get("file"), media.get("pieces")
        assert file_got.body == pieces_got.body == EVERY_BYTE * 50
        assert file_got.headers["content-type"] == "application/octet-stream", "the SDK's own default"
        assert pieces_got.headers["content-type"] == "video/3gpp"
        assert media.api.upload_media(ACCOUNT, "nothing", iter(())).status_code == 204
        assert media.get("nothing").body == b""
        # In chunks nothing says beforehand that it is too large.
        self.refuses(400, media.api.upload_media, ACCOUNT, "pieces", (bytes(100_000) for _ in range(50)))
        assert media.get("pieces").body == EVERY_BYTE * 50
