"""PyPI bandwidth-sdk 6.14.2: the length is an argument, and names are encoded in uploads and deletes but not in
downloads."""

from __future__ import annotations

from urllib.parse import quote

from bandwidth.bandwidth_client import BandwidthClient
from bandwidth.configuration import Environment
from bandwidth.messaging.exceptions.messaging_exception import MessagingException
from bandwidth_contract import ACCOUNT, Contract, Got, Listed, Media, Refused, lower


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
            self.account, name, str(len(body)), body=body, content_type=content_type, cache_control=cache_control
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


class TestBandwidth6(Contract):
    raises = dict.fromkeys((400, 401, 403, 404), MessagingException)
    # Those that mean the same in a path, encoded or not.
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

    def test_only_a_download_is_not_encoded(self, media: Sdk) -> None:
        """So a name with a meaning of its own in a path is downloaded by its encoded form."""
        for name in ("a%2Fb", "100%", "what?", "page#2", "double//slash", "back\\slash"):
            media.put(name, name.encode(), "text/plain")
            assert [one.name for one in media.list()[0]] == [name]
            assert media.api.get_media(ACCOUNT, quote(name, safe="")).body == name.encode()
            media.delete(name)
            assert media.list() == ([], None)
