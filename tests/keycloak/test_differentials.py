"""No telling of a forbidden exchange gets through, however leniently the server behind would read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

import http1
import http2
import oidc
import shapes
from differential import PATIENCE, Events, ask_all, assert_none_performed, by_h1, by_h2
from gate import Gate
from http1 import NoAnswer
from peer import Peer
from realms import ALICE, FRONT_END
from server import Keycloak


@pytest.fixture(scope="module")
def subject_token(direct: Peer) -> str:
    return oidc.login(direct, FRONT_END, ALICE)["access_token"]


def test_shapes_have_names_of_their_own(subject_token: str) -> None:
    names = Counter(shape.name for shape in shapes.h1_shapes("127.0.0.1", subject_token))
    assert [name for name, count in names.items() if count > 1] == []
    assert len(names) >= 1300


@pytest.mark.timeout(300)
def test_no_shape_of_a_forbidden_exchange_succeeds(
    direct: Peer,
    through: Peer,
    gate: Gate,
    keycloak: Keycloak,
    subject_token: str,
    measured: Callable[[str], None],
) -> None:
    all_shapes = shapes.h1_shapes(through.authority, subject_token)
    straight = ask_all(by_h1, direct.address, all_shapes)
    performed = [outcome.shape.name for outcome in straight if outcome.performed]
    measured(f"{len(all_shapes)} shapes over HTTP/1; asked straight, Keycloak performs {len(performed)}")
    assert len(performed) > len(all_shapes) / 4, (
        "the generator is dead: Keycloak performs too few of its shapes"
    )

    ours = assert_none_performed(by_h1, through, Events(keycloak.peer()), all_shapes)
    silent = [outcome.shape.name for outcome in ours if not outcome.answers]
    measured(f"through Cambio: {len(ours) - len(silent)} refused with an answer, {len(silent)} by closing")
    assert len(silent) <= len(all_shapes) / 20, silent
    faults = [f"{outcome.shape.name} ({outcome.statuses})" for outcome in ours if "502" in outcome.statuses]
    assert faults == [], "a refusal is Cambio's own; these reached for the upstream and failed"
    assert gate.running


@pytest.mark.timeout(120)
def test_no_shape_succeeds_over_http2_either(
    direct: Peer,
    through: Peer,
    gate: Gate,
    keycloak: Keycloak,
    subject_token: str,
    measured: Callable[[str], None],
) -> None:
    all_shapes = shapes.h2_shapes(through.authority, subject_token)
    performed = [outcome for outcome in ask_all(by_h2, direct.address, all_shapes) if outcome.performed]
    measured(f"{len(all_shapes)} shapes over HTTP/2; asked straight, Keycloak performs {len(performed)}")
    assert len(performed) > len(all_shapes) / 4
    assert_none_performed(by_h2, through, Events(keycloak.peer()), all_shapes)
    assert gate.running


@pytest.mark.timeout(600)
def test_no_pair_of_any_two_mutations_succeeds(
    direct: Peer,
    through: Peer,
    gate: Gate,
    keycloak: Keycloak,
    subject_token: str,
    measured: Callable[[str], None],
) -> None:
    """Together with the shapes above, more than ten thousand."""
    asked = 0
    for protocol, by, make in (
        ("HTTP/1", by_h1, shapes.wide_h1_shapes),
        ("HTTP/2", by_h2, shapes.wide_h2_shapes),
    ):
        all_shapes = make(through.authority, subject_token)
        performed = [outcome for outcome in ask_all(by, direct.address, all_shapes) if outcome.performed]
        measured(
            f"{len(all_shapes)} wide pairs over {protocol}; asked straight, Keycloak performs {len(performed)}"
        )
        assert performed
        assert_none_performed(by, through, Events(keycloak.peer()), all_shapes)
        asked += len(all_shapes)
    narrow = (shapes.h1_shapes, shapes.h2_shapes)
    assert asked + sum(len(make(through.authority, subject_token)) for make in narrow) >= 10_000
    assert gate.running


def _pseudo(replaced: dict[str, str | None]) -> Callable[[http1.Headers], http1.Headers]:
    def change(headers: http1.Headers) -> http1.Headers:
        fields = [(name, replaced.get(name, value)) for name, value in headers]
        return [(name, value) for name, value in fields if value is not None]

    return change


H2_ONLY: list[tuple[str, Callable[[http1.Headers], http1.Headers]]] = [
    ("plain", lambda headers: headers),
    ("another authority", _pseudo({":authority": "elsewhere.test"})),
    ("no authority", _pseudo({":authority": None})),
    ("empty authority", _pseudo({":authority": ""})),
    ("authority with userinfo", _pseudo({":authority": "user@127.0.0.1"})),
    ("scheme https", _pseudo({":scheme": "https"})),
    ("an odd scheme", _pseudo({":scheme": "ftp"})),
    ("scheme with a path", _pseudo({":scheme": "http://127.0.0.1/realms/corp"})),
    ("no scheme", _pseudo({":scheme": None})),
    ("path in absolute form", lambda headers: _pseudo({":path": "http://elsewhere.test" + dict(headers)[":path"]})(headers)),
    ("path without a slash", lambda headers: _pseudo({":path": dict(headers)[":path"][1:]})(headers)),
    ("path with a space", lambda headers: _pseudo({":path": dict(headers)[":path"] + " HTTP/1.1"})(headers)),
    ("path with CRLF", lambda headers: _pseudo({":path": dict(headers)[":path"] + " HTTP/1.1\r\nX: y"})(headers)),
    ("method in lower case", _pseudo({":method": "post"})),
    ("method CONNECT", _pseudo({":method": "CONNECT"})),
    ("method with CRLF", _pseudo({":method": "POST / HTTP/1.1\r\nHost: x\r\n\r\nPOST"})),
    ("extended CONNECT", lambda headers: [(":protocol", "websocket"), *_pseudo({":method": "CONNECT"})(headers)]),
    ("host differs from authority", lambda headers: [*headers, ("host", "elsewhere.test")]),
    ("two hosts", lambda headers: [*headers, ("host", dict(headers)[":authority"]), ("host", "elsewhere.test")]),
    ("path twice", lambda headers: [(":path", "/realms/corp"), *headers]),
    ("pseudo header last", lambda headers: [*headers[1:], headers[0]]),
    ("unknown pseudo header", lambda headers: [(":x", "y"), *headers]),
    ("upper case name", lambda headers: [(name.title() if name == "content-type" else name, value) for name, value in headers]),
    ("transfer-encoding", lambda headers: [*headers, ("transfer-encoding", "chunked")]),
    ("connection", lambda headers: [*headers, ("connection", "content-type")]),
    ("upgrade", lambda headers: [*headers, ("connection", "upgrade"), ("upgrade", "h2c")]),
    ("te gzip", lambda headers: [*headers, ("te", "gzip")]),
    ("content-length too small", lambda headers: [*headers, ("content-length", "10")]),
    ("content-length 0", lambda headers: [*headers, ("content-length", "0")]),
    ("content-length twice", lambda headers: [*headers, ("content-length", "1"), ("content-length", "1")]),
    ("value with CRLF", lambda headers: [*headers, ("x-a", "b\r\nContent-Type: text/plain")]),
    ("name with a colon", lambda headers: [*headers, ("x:a", "b")]),
    ("content-type twice", lambda headers: [*headers, ("content-type", "text/plain")]),
    ("a content-type before", lambda headers: [*headers[:4], ("content-type", "text/plain"), *headers[4:]]),
    ("cookies split", lambda headers: [*headers, ("cookie", "a=b"), ("cookie", "c=d")]),
    ("expect", lambda headers: [*headers, ("expect", "100-continue")]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change"), H2_ONLY, ids=[name for name, _ in H2_ONLY])
def test_tricks_of_http2_do_not_help(
    through: Peer, subject_token: str, name: str, change: Callable[[http1.Headers], http1.Headers]
) -> None:
    headers, body = http2.headers_of(shapes.base(through.authority, subject_token))
    with http2.Connection(through.address, PATIENCE) as connection:
        try:
            answer = connection.ask(change(headers), body)
        except NoAnswer:
            return
    assert not oidc.is_exchange_success(answer), answer.text
    assert 400 <= answer.status < 500, f"{answer.status} {answer.text}"


def test_the_grant_in_trailers_does_not_help(through: Peer, subject_token: str) -> None:
    headers, body = http2.headers_of(shapes.base(through.authority, subject_token))
    with http2.Connection(through.address, PATIENCE) as connection:
        try:
            answer = connection.ask(headers, body, trailers=[("content-type", "text/plain"), ("x-a", "b")])
        except NoAnswer:
            return
    assert not oidc.is_exchange_success(answer)
