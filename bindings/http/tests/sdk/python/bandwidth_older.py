"""What PyPI bandwidth-sdk 6.14.2 and 12.0.0 have in common: all but how an upload is called, and what becomes of names."""

from __future__ import annotations

from typing import Any

from bandwidth.bandwidth_client import BandwidthClient
from bandwidth.configuration import Environment
from bandwidth.messaging.exceptions.messaging_exception import MessagingException
from bandwidth_contract import Contract, Got, Listed, Media, Refused, lower


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

    def upload(self, name: str, body: bytes, content_type: str, cache_control: str | None) -> Any:
        """The one call that each of the two has its own form of."""
        raise NotImplementedError

    def put(self, name: str, body: bytes, content_type: str, cache_control: str | None = None) -> None:
        response = self.upload(name, body, content_type, cache_control)
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


class OlderContract(Contract):
    # The one that derives says which.
    sdk: type[Sdk]
    raises = dict.fromkeys((400, 401, 403, 404), MessagingException)
    # Those that mean the same in a path, whether an SDK encodes them or leaves that to `requests`.
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
        return self.sdk(url, user, password, account)

    def refused(self, error: Exception) -> Refused:
        assert isinstance(error, MessagingException)
        return Refused(error.response_code, error.mtype, error.description)
