"""PyPI twilio: the media of a message, listed, fetched and deleted by the SDK; stored and downloaded as bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from email.utils import format_datetime
from xml.etree import ElementTree

import pytest
import requests
from gateway import PATIENCE_SECS, Gateway
from origin import Origin, Page
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

ACCOUNT, TOKEN = "AC" + "1" * 32, "twtoken1"
OTHER_ACCOUNT, OTHER_TOKEN = "AC" + "2" * 32, "twtoken2"
PROTECTED_ACCOUNT, PROTECTED_TOKEN = "AC" + "3" * 32, "twtoken3"
MESSAGE = "MM" + "0123456789abcdef" * 2
OTHER_MESSAGE = "SM" + "fedcba9876543210" * 2

EVERY_BYTE = bytes(range(256)) * 3


class Twilio:
    """An account, by the SDK and by its URLs."""

    def __init__(self, gateway: Gateway, account: str = ACCOUNT, token: str = TOKEN) -> None:
        self.client = Client(account, token)
        self.client.api.base_url = gateway.url
        self.account = account
        self.auth = (account, token)
        self.root = f"{gateway.url}/2010-04-01/Accounts/{account}"

    def media(self, message: str = MESSAGE):
        return self.client.api.v2010.accounts(self.account).messages(message).media

    def one(self, sid: str, message: str = MESSAGE):
        return self.client.api.v2010.accounts(self.account).messages(message).media(sid)

    def url(self, sid: str = "", message: str = MESSAGE) -> str:
        return f"{self.root}/Messages/{message}/Media" + (f"/{sid}" if sid else "")

    def try_store(self, body: bytes, content_type: str = "image/png", message: str = MESSAGE) -> requests.Response:
        headers = {"Content-Type": content_type}
        return requests.post(self.url(message=message), body, headers=headers, auth=self.auth, timeout=PATIENCE_SECS)

    def store(self, body: bytes, content_type: str = "image/png", message: str = MESSAGE) -> str:
        response = self.try_store(body, content_type, message)
        assert response.status_code == 201, response.text
        return response.json()["sid"]


def get(url: str, **options) -> requests.Response:
    return requests.get(url, timeout=PATIENCE_SECS, allow_redirects=False, **options)


def is_error(response: requests.Response, *statuses: int) -> bool:
    """Whether it is an error of these statuses in Twilio's form, that no SDK takes for another one's."""
    body = json.loads(response.text)
    assert response.headers["content-type"].startswith("application/json")
    assert isinstance(body["code"], int) and isinstance(body["message"], str)
    assert body["more_info"].startswith("http") and body["status"] == response.status_code
    assert not {"type", "title"} <= set(body)
    return response.status_code in statuses


@pytest.fixture
def twilio(gateway: Gateway) -> Twilio:
    return Twilio(gateway)


@pytest.fixture
def origin() -> Iterator[Origin]:
    origin = Origin()
    yield origin
    origin.stop()


def test_what_is_stored_has_a_resource_and_its_bytes_are_public(twilio: Twilio) -> None:
    before = datetime.now(timezone.utc).replace(microsecond=0)
    stored = twilio.try_store(EVERY_BYTE, "image/png; a=b")
    after = datetime.now(timezone.utc)
    assert stored.status_code == 201
    resource = stored.json()
    assert set(resource) == {
        "sid",
        "account_sid",
        "parent_sid",
        "content_type",
        "date_created",
        "date_updated",
        "uri",
    }
    sid = resource["sid"]
    assert len(sid) == 34 and sid.startswith("ME") and sid[2:] == sid[2:].lower() and int(sid[2:], 16) >= 0
    assert resource["uri"] == f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{MESSAGE}/Media/{sid}.json"

    fetched = twilio.one(sid).fetch()
    assert (fetched.sid, fetched.account_sid, fetched.parent_sid) == (sid, ACCOUNT, MESSAGE)
    assert (fetched.content_type, fetched.uri) == ("image/png; a=b", resource["uri"])
    assert fetched.date_created == fetched.date_updated and before <= fetched.date_created <= after
    assert resource["date_created"] == format_datetime(fetched.date_created)
    assert get(f"{twilio.url(sid)}.json", auth=twilio.auth).json() == resource

    for options in ({}, {"auth": twilio.auth}):
        bytes_of = get(twilio.url(sid), **options)
        assert (bytes_of.status_code, bytes_of.content) == (200, EVERY_BYTE)
        assert bytes_of.headers["content-type"] == "image/png; a=b"
    part = get(twilio.url(sid), headers={"Range": "bytes=-6"})
    assert (part.status_code, part.content) == (206, EVERY_BYTE[-6:])
    unchanged = get(twilio.url(sid), headers={"If-None-Match": bytes_of.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_the_documentation_says_message_where_the_sdk_says_messages(twilio: Twilio) -> None:
    sid = twilio.store(b"1")
    singular = twilio.url(sid).replace("/Messages/", "/Message/")
    assert get(singular).content == b"1"
    assert get(f"{singular}.json", auth=twilio.auth).json()["sid"] == sid


def test_xml_has_the_same_in_other_words(twilio: Twilio) -> None:
    sid = twilio.store(b"1", 'text/plain; note="<&>"')
    response = get(f"{twilio.url(sid)}.xml", auth=twilio.auth)
    assert response.status_code == 200 and response.headers["content-type"].startswith("application/xml")
    root = ElementTree.fromstring(response.text)
    (media,) = root
    assert (root.tag, media.tag) == ("TwilioResponse", "Media")
    resource = get(f"{twilio.url(sid)}.json", auth=twilio.auth).json()
    assert {child.tag: child.text for child in media} == {
        "Sid": sid,
        "AccountSid": ACCOUNT,
        "ParentSid": MESSAGE,
        "ContentType": 'text/plain; note="<&>"',
        "DateCreated": resource["date_created"],
        "DateUpdated": resource["date_updated"],
        "Uri": resource["uri"].removesuffix("json") + "xml",
    }
    listed = get(f"{twilio.url()}.xml", auth=twilio.auth)
    assert listed.status_code == 200 and sid in listed.text
    assert ElementTree.fromstring(listed.text).tag == "TwilioResponse"


def test_a_list_comes_in_pages_that_lead_to_one_another(twilio: Twilio) -> None:
    stored = {twilio.store(f"{number}".encode()) for number in range(10)}
    assert len(stored) == 10
    everything = [one.sid for one in twilio.media().list()]
    assert set(everything) == stored and len(everything) == 10
    for page_size in (1, 3, 4, 10, 1000):
        assert [one.sid for one in twilio.media().stream(page_size=page_size)] == everything, "one order for all"
    assert [one.sid for one in twilio.media().list(limit=4)] == everything[:4]
    assert [one.sid for one in twilio.media().list(limit=7, page_size=3)] == everything[:7]

    page = twilio.media().page(page_size=4)
    pages = [page]
    while (page := page.next_page()) is not None:
        pages.append(page)
    sids = [[one.sid for one in page] for page in pages]
    assert sids == [everything[:4], everything[4:8], everything[8:]]
    back = pages[2].previous_page()
    assert [one.sid for one in back] == everything[4:8]
    assert [one.sid for one in back.previous_page()] == everything[:4]
    assert back.previous_page().previous_page() is None
    assert [one.sid for one in twilio.media().get_page(pages[0].next_page_url)] == everything[4:8]

    url = f"{twilio.url()}.json?PageSize=4"
    meta = []
    while url:
        body = get(url, auth=twilio.auth).json()
        meta.append((body["page"], body["page_size"], body["start"], body["end"], len(body.pop("media_list"))))
        assert set(body) >= {"page", "page_size", "start", "end", "uri", "first_page_uri"}
        for key in ("uri", "first_page_uri", "next_page_uri", "previous_page_uri"):
            assert body[key] is None or body[key].startswith(
                f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{MESSAGE}/Media.json"
            )
        assert (body["previous_page_uri"] is None) == (body["page"] == 0)
        url = body["next_page_uri"] and twilio.root.partition("/2010")[0] + body["next_page_uri"]
    assert meta == [(0, 4, 0, 3, 4), (1, 4, 4, 7, 4), (2, 4, 8, 9, 2)]


def test_a_message_without_media_has_an_empty_list(twilio: Twilio) -> None:
    assert twilio.media(OTHER_MESSAGE).list() == []
    twilio.store(b"1", message=OTHER_MESSAGE)
    assert twilio.media().list() == []
    assert len(twilio.media(OTHER_MESSAGE).list()) == 1


def test_pages_neither_skip_nor_repeat_what_stays(twilio: Twilio) -> None:
    for number in range(9):
        twilio.store(f"{number}".encode())
    everything = [one.sid for one in twilio.media().list()]
    page = twilio.media().page(page_size=3)
    seen = [one.sid for one in page]
    for sid in seen[:2]:
        assert twilio.one(sid).delete() is True
    added = twilio.store(b"added")
    while (page := page.next_page()) is not None:
        seen += [one.sid for one in page]
    assert [sid for sid in seen if sid != added] == everything
    assert len(seen) == len(set(seen))


def test_wrong_pages_are_refused(twilio: Twilio) -> None:
    for number in range(3):
        twilio.store(f"{number}".encode())
        twilio.store(f"{number}".encode(), message=OTHER_MESSAGE)
    url = twilio.media().page(page_size=1).next_page_url
    token = url.partition("PageToken=")[2].partition("&")[0]
    assert token
    foreign = twilio.media(OTHER_MESSAGE).page(page_size=1).next_page_url
    foreign_token = foreign.partition("PageToken=")[2].partition("&")[0]
    middle = len(token) // 2
    changed = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    for bad in (changed, token[:-1], token + "A", "garbage", foreign_token):
        with pytest.raises(TwilioException):
            twilio.media().get_page(url.replace(token, bad))
        assert is_error(get(url.replace(token, bad), auth=twilio.auth), 400)
    for query in ("PageSize=0", "PageSize=-1", "PageSize=x", "PageSize=", "Page=-1"):
        assert is_error(get(f"{twilio.url()}.json?{query}", auth=twilio.auth), 400), query


def test_filters_by_date(gateway: Gateway, twilio: Twilio) -> None:
    """Created on a day, at or before an instant, at or after one; and the pages keep the filter."""
    # Five days, from noon of today on: wherever the machine's clock stands, the days are apart.
    now = datetime.now(timezone.utc)
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=1)
    gateway.forward(secs=int((noon - now).total_seconds()))
    created: list[list[str]] = []
    for _ in range(5):
        created.append([twilio.store(b"a"), twilio.store(b"b")])
        gateway.forward(hours=24)
    day = [noon + timedelta(days=number) for number in range(5)]
    everything = [one.sid for one in twilio.media().list()]

    def found(**filters) -> list[str]:
        sids = [one.sid for one in twilio.media().list(page_size=1, **filters)]
        assert sids == [sid for sid in everything if sid in sids], "in the order of the whole list"
        return sids

    def of(*numbers: int) -> list[str]:
        return [sid for sid in everything if any(sid in created[number] for number in numbers)]

    midnight = day[2].replace(hour=0)
    assert found(date_created=day[2].date()) == of(2)
    assert found(date_created=midnight) == of(2)
    assert found(date_created=day[2].replace(hour=18)) == of(2), "midnight of the day means the day"
    assert found(date_created_before=midnight) == of(0, 1)
    assert found(date_created_before=day[2].date()) == of(0, 1)
    assert found(date_created_before=day[2].replace(hour=23)) == of(0, 1, 2)
    assert found(date_created_after=midnight) == of(2, 3, 4)
    assert found(date_created_after=day[2].date()) == of(2, 3, 4)
    assert found(date_created_after=day[2].replace(hour=23)) == of(3, 4)
    assert found(date_created_after=day[1].date(), date_created_before=day[3].date()) == of(1, 2)
    assert found(date_created=day[1].date(), date_created_before=day[0].date()) == []
    assert found(date_created=date(2001, 1, 1)) == []
    assert twilio.media().list(date_created=day[2].date(), limit=1)[0].sid == of(2)[0]
    for query in ("DateCreated=yesterday", "DateCreated%3C=2026-13-01", "DateCreated%3E=2026-01-01T25:00:00Z"):
        assert is_error(get(f"{twilio.url()}.json?{query}", auth=twilio.auth), 400), query


def test_a_delete_is_true_once(twilio: Twilio) -> None:
    sid, twin = twilio.store(b"1", "text/plain"), twilio.store(b"1", "text/html")
    assert twilio.one(sid).delete() is True
    for call in (twilio.one(sid).delete, twilio.one(sid).fetch):
        with pytest.raises(TwilioRestException) as raised:
            call()
        assert (raised.value.status, raised.value.code) == (404, 20404)
    assert is_error(get(twilio.url(sid)), 404)
    assert get(twilio.url(twin)).headers["content-type"] == "text/html", "equal bytes are another medium"
    assert [one.sid for one in twilio.media().list()] == [twin]
    assert twilio.media().list()[0].delete() is True
    # Without .json as well.
    sid = twilio.store(b"2")
    assert requests.delete(twilio.url(sid), auth=twilio.auth, timeout=PATIENCE_SECS).status_code == 204


def test_ten_media_of_five_megabytes_are_the_limit(twilio: Twilio) -> None:
    for number in range(10):
        twilio.store(bytes(500_000), f"x/{number}")
    assert is_error(twilio.try_store(b"eleventh"), 400)
    assert len(twilio.media().list()) == 10
    assert twilio.media().list()[3].delete() is True
    assert is_error(twilio.try_store(bytes(900_000)), 400), "too much in total"
    twilio.store(bytes(500_000))
    assert len(twilio.media().list()) == 10

    twilio.store(bytes(5_000_000), message=OTHER_MESSAGE)
    assert is_error(twilio.try_store(bytes(300_000), message=OTHER_MESSAGE), 400)
    single = "MM" + "a" * 32
    assert is_error(twilio.try_store(bytes(5_242_881), message=single), 400)
    assert twilio.media(single).list() == []
    assert len(twilio.media(OTHER_MESSAGE).list()) == 1


def test_wrong_credentials_are_401_and_code_20003(gateway: Gateway, twilio: Twilio) -> None:
    sid = twilio.store(b"kept")
    wrong = Twilio(gateway, ACCOUNT, "wrong")
    for call in (wrong.one(sid).fetch, wrong.one(sid).delete, wrong.one("ME" + "0" * 32).fetch):
        with pytest.raises(TwilioRestException) as raised:
            call()
        assert (raised.value.status, raised.value.code) == (401, 20003)
    with pytest.raises(TwilioException):
        wrong.media().list()
    assert is_error(wrong.try_store(b"more"), 401)
    assert is_error(wrong.try_store(bytes(5_000_000)), 401)
    for url in (f"{twilio.url(sid)}.json", f"{twilio.url(sid)}.xml", f"{twilio.url()}.json"):
        response = get(url)
        assert is_error(response, 401) and response.headers["www-authenticate"].startswith("Basic ")
        assert response.json()["code"] == 20003
        assert is_error(get(url, auth=(OTHER_ACCOUNT, OTHER_TOKEN)), 401, 403, 404)
    assert [one.sid for one in twilio.media().list()] == [sid]


def test_a_medium_is_found_under_its_own_path_only(gateway: Gateway, twilio: Twilio) -> None:
    sid = twilio.store(b"1")
    other = Twilio(gateway, OTHER_ACCOUNT, OTHER_TOKEN)
    for call in (twilio.one(sid, OTHER_MESSAGE).fetch, other.one(sid).fetch, other.one(sid).delete):
        with pytest.raises(TwilioRestException) as raised:
            call()
        assert raised.value.status == 404
    assert get(other.url(sid)).status_code == 404
    assert get(twilio.url(sid, OTHER_MESSAGE)).status_code == 404
    assert twilio.one(sid).fetch().sid == sid


def test_protected_media_are_read_by_links_of_four_hours(gateway: Gateway) -> None:
    twilio = Twilio(gateway, PROTECTED_ACCOUNT, PROTECTED_TOKEN)
    sid, twin = twilio.store(EVERY_BYTE, "image/gif"), twilio.store(b"other", "image/gif")
    assert is_error(get(twilio.url(sid)), 401)
    assert is_error(get(twilio.url(sid), auth=(PROTECTED_ACCOUNT, "wrong")), 401)
    assert is_error(get(twilio.url(sid), auth=(OTHER_ACCOUNT, OTHER_TOKEN)), 401, 403, 404)
    redirect = get(twilio.url(sid), auth=twilio.auth)
    assert redirect.status_code == 307
    link = requests.compat.urljoin(twilio.url(sid), redirect.headers["location"])
    assert PROTECTED_TOKEN not in link
    linked = get(link)
    assert (linked.status_code, linked.content, linked.headers["content-type"]) == (200, EVERY_BYTE, "image/gif")
    assert get(link, headers={"Range": "bytes=1-2"}).content == EVERY_BYTE[1:3]
    assert get(link, auth=twilio.auth).content == EVERY_BYTE, "credentials do not hurt"
    followed = requests.get(twilio.url(sid), auth=twilio.auth, timeout=PATIENCE_SECS)
    assert followed.content == EVERY_BYTE and len(followed.history) == 1

    for method in ("PUT", "POST", "DELETE"):
        assert requests.request(method, link, timeout=PATIENCE_SECS).status_code in (401, 403, 405), method
    path, _, query = link.partition("?")
    assert query
    for altered in (
        path,
        link.replace(sid, twin),
        link[:-1],
        link + "A",
        *(f"{path}?{query[:at]}{'A' if query[at] != 'A' else 'B'}{query[at + 1 :]}" for at in range(len(query))),
    ):
        assert 400 <= get(altered).status_code < 500, altered
    assert get(link).status_code == 200

    gateway.forward(hours=3.9)
    assert get(link).status_code == 200
    gateway.forward(hours=0.2)
    assert get(link).status_code in (401, 403, 404, 410)
    again = requests.compat.urljoin(link, get(twilio.url(sid), auth=twilio.auth).headers["location"])
    assert get(again).content == EVERY_BYTE
    assert twilio.one(sid).delete() is True
    assert 400 <= get(again).status_code < 500


def test_media_stay(gateway: Gateway, twilio: Twilio) -> None:
    sid = twilio.store(b"1")
    gateway.forward(hours=24 * 400)
    assert get(twilio.url(sid)).content == b"1"
    assert [one.sid for one in twilio.media().list()] == [sid]


def test_a_message_fetches_its_media(twilio: Twilio, origin: Origin) -> None:
    origin.pages["/a.png"] = Page(200, "image/png", EVERY_BYTE, '"tag"')
    origin.pages["/b.gif"] = Page(200, "image/gif", b"GIF89a")
    urls = [f"{origin.url}/a.png", f"{origin.url}/b.gif"]
    message = twilio.client.messages.create(to="+15551230001", from_="+15551230002", body="hé & llo", media_url=urls)
    assert message.sid[:2] in ("MM", "SM") and len(message.sid) == 34
    assert (message.account_sid, message.to, message.from_) == (ACCOUNT, "+15551230001", "+15551230002")
    assert (message.body, message.num_media, message.status) == ("hé & llo", "2", "queued")
    assert message.date_sent is None and message.error_code is None and message.date_created is not None
    assert message.subresource_uris["media"].endswith(f"/Messages/{message.sid}/Media.json")
    media = twilio.media(message.sid).list()
    assert {one.content_type: get(twilio.url(one.sid, message.sid)).content for one in media} == {
        "image/png": EVERY_BYTE,
        "image/gif": b"GIF89a",
    }

    # Again: what has a tag is asked for by it, and what is stored is good.
    origin.asked.clear()
    again = twilio.client.messages.create(to="+15551230001", media_url=urls)
    assert sorted(origin.asked) == [("/a.png", '"tag"'), ("/b.gif", None)]
    bodies = [get(twilio.url(one.sid, again.sid)).content for one in twilio.media(again.sid).list()]
    assert sorted(bodies) == sorted([EVERY_BYTE, b"GIF89a"])
    plain = twilio.client.messages.create(to="+15551230001", body="no media")
    assert plain.num_media == "0" and twilio.media(plain.sid).list() == []


def test_a_message_whose_media_cannot_be_fetched_is_refused_whole(twilio: Twilio, origin: Origin) -> None:
    origin.pages["/a.png"] = Page(200, "image/png", b"1")
    origin.pages["/away"] = Page(302, "text/plain", b"", location="http://localhost:9/")
    origin.pages["/large"] = Page(200, "video/mp4", bytes(5_242_881))
    good = f"{origin.url}/a.png"
    for bad in (
        f"{origin.url}/absent",
        f"{origin.url}/away",
        f"{origin.url}/large",
        "file:///etc/passwd",
        "not a url",
        "ftp://127.0.0.1/a",
        "http://192.0.2.1/not-allowed",
    ):
        with pytest.raises(TwilioRestException) as raised:
            twilio.client.messages.create(to="+15551230001", media_url=[good, bad])
        assert raised.value.status == 400, bad
    with pytest.raises(TwilioRestException) as raised:
        twilio.client.messages.create(to="+15551230001", media_url=[good] * 11)
    assert raised.value.status == 400
    assert twilio.client.messages.create(to="+15551230001", media_url=[good] * 10).num_media == "10"
    response = requests.post(f"{twilio.root}/Messages.json", {"Body": "x"}, auth=twilio.auth, timeout=PATIENCE_SECS)
    assert is_error(response, 400), "To is required"
