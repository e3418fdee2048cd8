"""PyPI bandwidth-sdk 12.0.0: names go out raw, slashes too, and what `requests` would quote is quoted."""

from __future__ import annotations

from pathlib import Path

from bandwidth.bandwidth_client import BandwidthClient
from bandwidth.configuration import Environment
from bandwidth.messaging.exceptions.messaging_exception import MessagingException
from bandwidth_contract import ACCOUNT, EVERY_BYTE, Contract, Got, Listed, Media, Refused, lower


class Sdk:
    def __init__(self, url: str, user: str, password: str, account: str) -> None:
        client = BandwidthClient(
            environment=Environment.CUSTOM,
            base_url=f"{url}/api/v2",
            messaging_basic_auth_user_name=user,
            messaging_basic_auth_password=password,
        )
        self.api = client.messaging_client.client
        self.account = account

    def put(self, name: str, body: bytes, content_type: str, cache_control: str | None = None) -> None:
        response = self.api.upload_media(
            self.account, name, body, content_type=content_type, cache_control=cache_control
        )
        assert (response.status_code, response.text) == (204, "")

    def get(self, name: str) -> Got:
        response = self.api.get_media(self.account, name)
        return Got(response.body, lower(response.headers))

    def delete(self, name: str) -> None:
        assert self.api.delete_media(self.account, name).status_code == 204

    def list(self, token: str | None = None) -> tuple[list[Listed], str | None]:
        response = self.api.list_media(self.account, token)
        listed = [Listed(one.media_name, one.content_length, one.content) for one in response.body]
        return listed, response.headers.get("Continuation-Token")


class TestBandwidth12(Contract):
    raises = dict.fromkeys((400, 401, 403, 404), MessagingException)
    # Those that mean themselves in a path as they stand.
    names = (
        "logo.png",
        "14762070468292kw2fuqty55yp2b2/0/bw.png",
        "d/é 1.png",
        "a+b & c=d;g,h@i:j$k!l*m'(n).txt",
        'quote"',
        "🎉.gif",
        "e\u0301 is not \u00e9",
        "media",
        "a/b",
        "slash at the end/",
        "t",
        "t/A",
        "t/a",
        "t/A/b",
        "x" * 255,
    )

    def connect(self, url: str, user: str, password: str, account: str) -> Media:
        return Sdk(url, user, password, account)

    def refused(self, error: Exception) -> Refused:
        assert isinstance(error, MessagingException)
        return Refused(error.response_code, error.mtype, error.description)

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
