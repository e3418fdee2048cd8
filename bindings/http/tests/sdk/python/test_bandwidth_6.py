"""PyPI bandwidth-sdk 6.14.2: the length is an argument, and names are encoded in uploads and deletes but not in
downloads."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from bandwidth_contract import ACCOUNT
from bandwidth_older import OlderContract, Sdk


class Sdk6(Sdk):
    def upload(self, name: str, body: bytes, content_type: str, cache_control: str | None) -> Any:
        return self.api.upload_media(
            self.account, name, str(len(body)), body=body, content_type=content_type, cache_control=cache_control
        )


class TestBandwidth6(OlderContract):
    sdk = Sdk6

    def test_only_a_download_is_not_encoded(self, media: Sdk) -> None:
        """So a name with a meaning of its own in a path is downloaded by its encoded form."""
        for name in ("a%2Fb", "100%", "what?", "page#2", "double//slash", "back\\slash"):
            media.put(name, name.encode(), "text/plain")
            assert [one.name for one in media.list()[0]] == [name]
            assert media.api.get_media(ACCOUNT, quote(name, safe="")).body == name.encode()
            media.delete(name)
            assert media.list() == ([], None)
