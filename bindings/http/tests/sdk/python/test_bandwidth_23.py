"""PyPI bandwidth-sdk, the newest: generated from OpenAPI, strict about types, all of a name encoded."""

from __future__ import annotations

import bandwidth
import pytest
from bandwidth_contract import ACCOUNT, Contract, Got, Listed, Media, Refused, lower
from gateway import Gateway


class Sdk:
    def __init__(self, url: str, user: str, password: str, account: str) -> None:
        # Each operation has servers of its own, which would be asked and not this one.
        configuration = bandwidth.Configuration(
            host=f"{url}/api/v2", username=user, password=password, ignore_operation_servers=True
        )
        self.api = bandwidth.MediaApi(bandwidth.ApiClient(configuration))
        self.account = account

    def put(self, name: str, body: bytes, content_type: str, cache_control: str | None = None) -> None:
        # `content_type` would be overwritten by the default of what is generated, application/json.
        self.api.upload_media(self.account, name, body, cache_control=cache_control, _content_type=content_type)

    def get(self, name: str) -> Got:
        response = self.api.get_media_with_http_info(self.account, name)
        return Got(bytes(response.data), lower(response.headers))

    def delete(self, name: str) -> None:
        assert self.api.delete_media_with_http_info(self.account, name).status_code == 204

    def list(self, token: str | None = None) -> tuple[list[Listed], str | None]:
        response = self.api.list_media_with_http_info(self.account, continuation_token=token)
        listed = [Listed(one.media_name, one.content_length, one.content) for one in response.data]
        return listed, lower(response.headers).get("continuation-token")


class TestBandwidth23(Contract):
    raises = {
        400: bandwidth.exceptions.BadRequestException,
        401: bandwidth.exceptions.UnauthorizedException,
        403: bandwidth.exceptions.ForbiddenException,
        404: bandwidth.exceptions.NotFoundException,
    }
    names = (
        "logo.png",
        "14762070468292kw2fuqty55yp2b2/0/bw.png",
        "d/é 1%.png",
        "a+b & c=d?e#f;g,h@i:j$k!l*m'(n).txt",
        'quote"backslash\\',
        "🎉.gif",
        "e\u0301 is not \u00e9",
        "\u00e9 is not e\u0301",
        "media",
        "users/5500001/media/media",
        "a/b",
        "a%2Fb",
        "a%252Fb",
        "double//slash",
        "slash at the end/",
        "t",
        "t/A",
        "t/a",
        "t/A/b",
        "%",
        "%zz",
        "x" * 255,
        "/".join(["deep"] * 200),
    )

    def connect(self, url: str, user: str, password: str, account: str) -> Media:
        return Sdk(url, user, password, account)

    def refused(self, error: Exception) -> Refused:
        assert isinstance(error, bandwidth.exceptions.ApiException)
        assert isinstance(error.data, bandwidth.models.MessagingRequestError)
        return Refused(error.status, error.data.type, error.data.description)

    def test_it_asks_for_json_even_where_it_downloads_a_picture(self, gateway: Gateway, media: Sdk) -> None:
        media.put("a.jpg", b"\xff\xd8\xff", "image/jpeg")
        response = media.api.get_media_without_preload_content(ACCOUNT, "a.jpg")
        assert (response.status, response.headers["Content-Type"], response.read()) == (
            200,
            "image/jpeg",
            b"\xff\xd8\xff",
        )

    def test_the_types_of_a_listing_are_strict(self, media: Sdk) -> None:
        media.put("a", b"123", "text/plain")
        (one,) = media.api.list_media(ACCOUNT)
        assert isinstance(one, bandwidth.models.Media)
        assert (one.content_length, one.media_name) == (3, "a")

    @pytest.mark.parametrize("name", ["..", "../../etc/passwd", "/lead", "line\nbreak", "."])
    def test_strange_names_are_only_names_or_refused(self, media: Sdk, name: str) -> None:
        try:
            media.put(name, b"strange", "text/plain")
        except bandwidth.exceptions.ApiException as error:
            assert 400 <= error.status < 500
            assert media.list() == ([], None)
        else:
            assert media.get(name).body == b"strange"
            assert [one.name for one in media.list()[0]] == [name]
