"""Ordinary clients, in every shape that RFC 6749 and RFC 9112 allow them, are served: strict is not the same as narrow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

import pytest

import drafts
import http1
import http2
import oidc
import secrecy
from drafts import Draft, chunked, encode_fields
from http1 import Answer
from peer import FORM, Peer, parsed
from realms import ALICE, FRONT_END, ODD, PUBLIC, Client


@dataclass(frozen=True)
class Grant:
    """An ordinary request to the token endpoint, as its fields without credentials."""

    name: str
    fields: Callable[[Peer, Client], drafts.Fields]


def _exchange(peer: Peer, client: Client) -> drafts.Fields:
    token = oidc.login(peer, client, ALICE)["access_token"]
    return (
        ("grant_type", oidc.EXCHANGE_GRANT),
        ("subject_token", token),
        ("subject_token_type", oidc.ACCESS_TOKEN),
        ("audience", "back-end-api"),
    )


def _refresh(peer: Peer, client: Client) -> drafts.Fields:
    return (
        ("grant_type", "refresh_token"),
        ("refresh_token", oidc.login(peer, client, ALICE)["refresh_token"]),
    )


GRANTS = [
    Grant("exchange", _exchange),
    Grant("password", lambda *_: (("grant_type", "password"), ("username", ALICE.name), ("password", ALICE.password), ("scope", "openid"))),
    Grant("client_credentials", lambda *_: (("grant_type", "client_credentials"),)),
    Grant("refresh_token", _refresh),
]  # fmt: skip


def _line(*lines: tuple[str, str]) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, lines=(*draft.lines, *lines))


def _type(value: str) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, content_types=(value,))


def _frame(frame: Callable[[bytes], tuple[drafts.Lines, bytes]]) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, frame=frame)


def _chunks(size: int, more: drafts.Lines = (), **options: str) -> Callable[[Draft], Draft]:
    return _frame(lambda body: ((("Transfer-Encoding", "chunked"), *more), chunked(body, size, **options)))


def _percent(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def _encoded(value: Callable[[str], str], name: Callable[[str], str] = str) -> Callable[[Draft], Draft]:
    join = lambda fields: "&".join(f"{name(key)}={value(text)}" for key, text in fields).encode()  # noqa: E731
    return lambda draft: replace(draft, encode=join)


def _percent_basic(draft: Draft) -> Draft:
    return replace(draft, authorization=(oidc.basic(draft.client, lambda text: quote(text, safe="")),))


# What an ordinary client may do. Each of these is sent for every grant, by Basic and by body.
MANNERS: list[tuple[str, Callable[[Draft], Draft]]] = [
    ("plain", lambda draft: draft),
    ("charset UTF-8", _type(FORM + "; charset=UTF-8")),
    ("charset utf-8 unspaced", _type(FORM + ";charset=utf-8")),
    ("charset quoted", _type(FORM + '; charset="utf-8"')),
    ("fields reversed", lambda draft: replace(draft, fields=tuple(reversed(draft.fields)))),
    ("values percent-encoded in full", _encoded(_percent)),
    ("values with unreserved characters only encoded", _encoded(lambda text: quote(text, safe=""))),
    ("names percent-encoded", _encoded(lambda text: quote(text, safe=""), _percent)),
    ("chunked", _chunks(0)),
    ("chunked small", _chunks(50)),
    ("chunk extensions", _chunks(50, extension=";a=b")),
    ("chunked with a trailer", _chunks(0, (("Trailer", "X-T"),), trailer="X-T: 1\r\n")),
    ("header names in lower case", lambda draft: replace(draft, wrap=_lower_names)),
    ("header names in upper case", lambda draft: replace(draft, wrap=_upper_names)),
    ("expect", _line(("Expect", "100-continue"))),
    ("accept json", _line(("Accept", "application/json"))),
    ("accept gzip", _line(("Accept-Encoding", "gzip, deflate, br"))),
    ("a user agent and a cookie", _line(("User-Agent", "client/1.0 (test)"), ("Cookie", "a=b; c=d"))),
    ("an origin", _line(("Origin", "http://app.example.test"))),
    ("a trace", _line(("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))),
    ("forwarding headers", _line(("X-Forwarded-For", "192.0.2.1"), ("Via", "1.1 proxy"))),
    ("HTTP/1.0", lambda draft: replace(draft, version="HTTP/1.0")),
    ("absolute form for this host", lambda draft: replace(draft, target=f"http://{draft.authority}{draft.target}")),
    ("an empty line before", lambda draft: replace(draft, wrap=lambda raw: b"\r\n" + raw)),
]  # fmt: skip

# Media types are case-insensitive (RFC 9110 section 8.3.1), but Keycloak takes only the usual spelling from clients
# that authenticate in the body; a proxy owes those the server's own answer.
LENIENT_TYPES = [FORM.upper(), "Application/X-WWW-Form-URLEncoded"]

AUTHENTICATIONS = [
    ("by body", drafts.by_body),
    ("by Basic", drafts.by_basic),
    ("by Basic with %20", _percent_basic),
]


def _renamed(raw: bytes, change: Callable[[bytes], bytes]) -> bytes:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    names = [change(line.partition(b":")[0]) + b":" + line.partition(b":")[2] for line in lines]
    return b"\r\n".join([first, *names]) + b"\r\n\r\n" + body


def _lower_names(raw: bytes) -> bytes:
    return _renamed(raw, bytes.lower)


def _upper_names(raw: bytes) -> bytes:
    return _renamed(raw, bytes.upper)


def ordinary(peer: Peer, grant: Grant, client: Client) -> Draft:
    return Draft(client, peer.authority, oidc.endpoint("corp"), grant.fields(peer, client))


def assert_served(answer: Answer, grant: Grant) -> None:
    assert answer.status == 200, f"{answer.status} {answer.text}"
    issued = secrecy.note(parsed(answer))
    assert issued["token_type"] == "Bearer"
    if grant.name == "exchange":
        assert issued["issued_token_type"] == oidc.ACCESS_TOKEN
        assert oidc.client_roles(issued["access_token"]) == {"back-end-api": {"backend_user"}}


def send(peer: Peer, draft: Draft) -> Answer:
    with http1.Connection(peer.address) as connection:
        connection.send(draft.render())
        return connection.answer()


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: grant.name)
@pytest.mark.parametrize(("manner", "change"), MANNERS, ids=[name for name, _ in MANNERS])
@pytest.mark.parametrize(
    ("place", "authenticate"), AUTHENTICATIONS, ids=[name for name, _ in AUTHENTICATIONS]
)
def test_every_manner_of_every_grant_is_served(
    through: Peer,
    grant: Grant,
    manner: str,
    change: Callable[[Draft], Draft],
    place: str,
    authenticate: Callable[[Draft], Draft],
) -> None:
    client = ODD if place != "by body" else FRONT_END
    draft = replace(change(ordinary(through, grant, client)), authenticate=authenticate)
    assert_served(send(through, draft), grant)


@pytest.mark.parametrize("media_type", LENIENT_TYPES)
@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: grant.name)
@pytest.mark.parametrize(("place", "authenticate"), AUTHENTICATIONS[:2], ids=["by body", "by Basic"])
def test_a_media_type_in_another_case_gets_no_worse_answer_than_straight(
    direct: Peer,
    through: Peer,
    grant: Grant,
    media_type: str,
    place: str,
    authenticate: Callable[[Draft], Draft],
) -> None:
    straight, ours = (
        send(
            peer,
            replace(
                ordinary(through, grant, FRONT_END), authenticate=authenticate, content_types=(media_type,)
            ),
        )
        for peer in (direct, through)
    )
    assert ours.status == straight.status or ours.status == 200, (
        f"{straight.status} became {ours.status} {ours.text}"
    )


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: grant.name)
@pytest.mark.parametrize("authenticate", [drafts.by_body, drafts.by_basic], ids=["by body", "by Basic"])
def test_every_grant_is_served_over_http2(
    through: Peer, grant: Grant, authenticate: Callable[[Draft], Draft]
) -> None:
    draft = replace(ordinary(through, grant, FRONT_END), authenticate=authenticate)
    with http2.Connection(through.address) as connection:
        assert_served(connection.ask(*http2.headers_of(draft)), grant)
        again = replace(ordinary(through, grant, FRONT_END), authenticate=authenticate)
        assert_served(connection.ask(*http2.headers_of(again)), grant)


def test_one_connection_serves_many_requests(through: Peer) -> None:
    """Grants of all kinds, errors and pages in one keep-alive connection, each with its own answer."""
    keep = _line(("Connection", "keep-alive"))
    with http1.Connection(through.address) as connection:
        for _ in range(3):
            for grant in GRANTS:
                connection.send(keep(ordinary(through, grant, FRONT_END)).render())
                assert_served(connection.answer(), grant)
                connection.send(http1.render("GET", "/realms/corp", [("Host", through.authority)]))
                assert b"public_key" in connection.answer().body
            wrong = replace(ordinary(through, GRANTS[1], FRONT_END), fields=(("grant_type", "password"),))
            connection.send(keep(wrong).render())
            assert connection.answer().status in (400, 401)


def test_pipelined_requests_are_answered_in_order(through: Peer) -> None:
    keep = _line(("Connection", "keep-alive"))
    drafts_in_order = [(grant, keep(ordinary(through, grant, FRONT_END))) for grant in GRANTS]
    with http1.Connection(through.address) as connection:
        connection.send(b"".join(draft.render() for _, draft in drafts_in_order))
        for grant, _ in drafts_in_order:
            assert_served(connection.answer(), grant)


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: grant.name)
def test_a_client_that_waits_for_100_continue_is_told_to_go_on(through: Peer, grant: Grant) -> None:
    draft = replace(ordinary(through, grant, FRONT_END), lines=(("Expect", "100-continue"),))
    head, _, body = draft.render().partition(b"\r\n\r\n")
    with http1.Connection(through.address) as connection:
        connection.send(head + b"\r\n\r\n")
        assert connection.interim() == 100
        connection.send(body)
        assert_served(connection.answer(), grant)


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: grant.name)
def test_a_request_that_arrives_byte_by_byte_is_served(through: Peer, grant: Grant) -> None:
    raw = ordinary(through, grant, FRONT_END).render()
    with http1.Connection(through.address) as connection:
        for start in range(0, len(raw), 7):
            connection.send(raw[start : start + 7])
        assert_served(connection.answer(), grant)


EXTRAS: list[tuple[str, drafts.Fields]] = [
    ("scope", (("scope", "email"),)),
    ("two scopes by a plus", (("scope", "email profile"),)),
    ("requested type", (("requested_token_type", oidc.ACCESS_TOKEN),)),
    ("resource that means the audience", (("resource", "https://api.example.test"),)),
    ("the audience twice", (("audience", "back-end-api"),)),
    ("an empty optional field", (("scope", ""),)),
]


@pytest.mark.parametrize(("name", "extra"), EXTRAS, ids=[name for name, _ in EXTRAS])
def test_the_optional_fields_of_an_exchange(
    direct: Peer, through: Peer, name: str, extra: drafts.Fields
) -> None:
    draft = ordinary(through, GRANTS[0], FRONT_END)
    draft = replace(draft, fields=(*draft.fields, *extra))
    answer = send(through, draft)
    if name == "an empty optional field":
        # RFC 6749 section 3.1: sent without a value is as good as omitted; Keycloak itself says invalid_scope.
        assert answer.status in (200, send(direct, draft).status)
        return
    assert_served(answer, GRANTS[0])


def test_resource_alone_names_the_audience(through: Peer) -> None:
    draft = ordinary(through, GRANTS[0], FRONT_END)
    fields = tuple(pair for pair in draft.fields if pair[0] != "audience")
    answer = send(through, replace(draft, fields=(*fields, ("resource", "https://api.example.test"))))
    assert_served(answer, GRANTS[0])


def test_a_public_client_logs_in(through: Peer) -> None:
    answer = through.form(oidc.endpoint("corp"), oidc.password_form(PUBLIC, ALICE))
    assert answer.status == 200


def test_other_grants_keep_their_bytes(direct: Peer, through: Peer) -> None:
    """A grant that is none of Cambio's business reaches Keycloak as it was written, oddities included."""
    bodies = [
        b"grant_type=password&&client_id=public-app&username=alice&password=" + ALICE.password.encode(),
        b"grant_type=password&client_id=public-app&username=alice&password=wr%6Fng",
        b"grant_type=authorization_code&code=%C3%A9&client_id=public-app",
        encode_fields(
            (("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("client_id", "public-app"))
        ),
        b"grant_type=nonsense",
        b"client_id=public-app",
    ]
    for body in bodies:
        straight, ours = (
            peer.send("POST", oidc.endpoint("corp"), [("Content-Type", FORM)], body)
            for peer in (direct, through)
        )
        assert (ours.status, ours.text) == (
            straight.status,
            straight.text,
        ) or ours.status == straight.status == 200, body
