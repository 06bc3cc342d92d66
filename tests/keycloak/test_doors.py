"""Keycloak's other ways of turning one token into another are closed unless the realm's configuration opens them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

import names
import oidc
import secrecy
from compare import assert_same
from differences import told
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer, Headers
from peer import Peer, parsed
from realms import (
    ALICE,
    ASSERTION_APP,
    BOB,
    CORP_PUBLIC,
    FRONT_END,
    PARTNER_APP,
    PARTNER_PUBLIC,
    PETRA,
    default_realm_roles,
)  # fmt: skip
from server import Keycloak


@dataclass(frozen=True)
class Door:
    """A way in: its key in the configuration, and the request that knocks."""

    key: str
    knock: Callable[[Peer, str, str], Answer]


def _jwt_bearer(peer: Peer, token: str, foreign: str) -> Answer:
    form = [("grant_type", oidc.JWT_BEARER_GRANT), *oidc.credentials(FRONT_END), ("assertion", foreign)]
    return peer.form(oidc.endpoint("corp"), form)


def _uma_ticket(peer: Peer, token: str, foreign: str) -> Answer:
    form = [("grant_type", oidc.UMA_GRANT), ("audience", "back-end-api")]
    return peer.form(oidc.endpoint("corp"), form, oidc.bearer(token))


def _ciba(peer: Peer, token: str, foreign: str) -> Answer:
    form = [("grant_type", oidc.CIBA_GRANT), *oidc.credentials(FRONT_END), ("auth_req_id", "x")]
    return peer.form(oidc.endpoint("corp"), form)


def _requested_issuer(peer: Peer, token: str, foreign: str) -> Answer:
    return oidc.exchange(peer, FRONT_END, token, requested_issuer="partner")


def _requested_subject(peer: Peer, token: str, foreign: str) -> Answer:
    return oidc.exchange(peer, FRONT_END, token, requested_subject=BOB.name)


def _pre_authorized_code(peer: Peer, token: str, foreign: str) -> Answer:
    form = [
        ("grant_type", oidc.PRE_AUTHORIZED_GRANT),
        *oidc.credentials(FRONT_END),
        ("pre-authorized_code", "x"),
    ]
    return peer.form(oidc.endpoint("corp"), form)


def _broker_token(peer: Peer, token: str, foreign: str) -> Answer:
    return peer.send("GET", "/realms/corp/broker/partner/token", oidc.bearer(token))


def _introspection_jwt(peer: Peer, token: str, foreign: str) -> Answer:
    form = [*oidc.credentials(FRONT_END), ("token", token)]
    return peer.form(oidc.endpoint("corp") + "/introspect", form, [("Accept", "application/jwt")])


DOORS = [
    Door("jwtBearer", _jwt_bearer),
    Door("umaTicket", _uma_ticket),
    Door("ciba", _ciba),
    Door("requestedIssuer", _requested_issuer),
    Door("requestedSubject", _requested_subject),
    Door("preAuthorizedCode", _pre_authorized_code),
    Door("brokerToken", _broker_token),
    Door("introspectionJwt", _introspection_jwt),
]


@pytest.fixture(scope="module")
def open_gate(keycloak: Keycloak, gates: Gates) -> Iterator[Gate]:
    """A gate with every door opened in writing."""
    doors = {"doors": {door.key: "open" for door in DOORS}}
    audiences = {"back-end-api": audience("back-end-api", permission("front-end-app"))}
    gate = gates.start("open-doors", keycloak.address, Setup(audiences, realm=doors))
    yield gate
    gate.stop()


def tokens(peer: Peer) -> tuple[str, str]:
    """Alice's token, and a token of the realm `partner`."""
    foreign = oidc.login(peer, PARTNER_APP, PETRA, realm="partner")["access_token"]
    return oidc.login(peer, FRONT_END, ALICE)["access_token"], foreign


def refusal_in(answer: Answer) -> tuple[int, str, str]:
    body = parsed(answer)
    return answer.status, body["error"], body["error_description"]


@pytest.mark.parametrize("door", DOORS, ids=[door.key for door in DOORS])
def test_a_door_is_closed_by_default_with_a_clear_error(through: Peer, door: Door) -> None:
    answer = door.knock(through, *tokens(through))
    assert refusal_in(answer) == names.DOOR_CLOSED
    assert answer.header("Cache-Control") == "no-store"


@pytest.mark.parametrize("door", DOORS, ids=[door.key for door in DOORS])
def test_an_open_door_leads_to_keycloaks_own_answer(keycloak: Keycloak, open_gate: Gate, door: Door) -> None:
    given = tokens(open_gate.peer)
    straight = door.knock(keycloak.peer(open_gate.authority), *given)
    ours = door.knock(open_gate.peer, *given)
    assert_same(straight, ours)


@dataclass(frozen=True)
class BackDoor:
    """A door that is set up, so that it really hands out a token with everything in it."""

    key: str
    knock: Callable[[tuple[str, int]], Answer]


def _ticket(address: tuple[str, int]) -> Answer:
    peer = Peer(address, CORP_PUBLIC)
    token = oidc.login(peer, FRONT_END, ALICE)["access_token"]
    return peer.form(
        oidc.endpoint("corp"), [("grant_type", oidc.UMA_GRANT), ("audience", "uma-api")], oidc.bearer(token)
    )


def _assertion(address: tuple[str, int]) -> Answer:
    foreign = oidc.login(Peer(address, PARTNER_PUBLIC), PARTNER_APP, PETRA, realm="partner")["access_token"]
    form = [("grant_type", oidc.JWT_BEARER_GRANT), *oidc.credentials(ASSERTION_APP), ("assertion", foreign)]
    return Peer(address, CORP_PUBLIC).form(oidc.endpoint("corp"), form)


BACK_DOORS = [BackDoor("umaTicket", _ticket), BackDoor("jwtBearer", _assertion)]


@pytest.mark.parametrize("door", BACK_DOORS, ids=[door.key for door in BACK_DOORS])
def test_a_back_door_that_works_is_shut_and_works_when_it_is_opened(
    keycloak: Keycloak, gate: Gate, open_gate: Gate, door: BackDoor
) -> None:
    """Straight, a token with every realm role comes out of it, which no audience's owner ever permitted."""
    straight = door.knock(keycloak.address)
    assert straight.status == 200, told(straight)
    assert oidc.realm_roles(secrecy.note(parsed(straight))["access_token"]) > default_realm_roles("corp")
    assert refusal_in(door.knock(gate.address)) == names.DOOR_CLOSED
    opened = door.knock(open_gate.address)
    assert_same(straight, opened)
    secrecy.note(parsed(opened))


def test_an_open_door_opens_no_other(open_gate: Gate) -> None:
    """With every other door open, the exchange itself is still judged."""
    token, _ = tokens(open_gate.peer)
    assert not oidc.is_exchange_success(oidc.exchange(open_gate.peer, FRONT_END, token, "other-api"))
    assert not oidc.is_exchange_success(oidc.exchange(open_gate.peer, FRONT_END, token))
    assert oidc.exchange(open_gate.peer, FRONT_END, token, "back-end-api").status == 200


def test_a_request_for_a_refresh_token_is_refused(through: Peer, open_gate: Gate) -> None:
    for peer in (through, open_gate.peer):
        token, _ = tokens(peer)
        answer = oidc.exchange(
            peer, FRONT_END, token, "back-end-api", requested_token_type=oidc.REFRESH_TOKEN
        )
        assert answer.status == 400 and b"refresh" not in answer.body.lower().replace(
            b"requested_token_type", b""
        )
        assert not oidc.is_exchange_success(answer)


def test_a_closed_door_is_closed_by_every_way_of_authenticating(through: Peer) -> None:
    token, foreign = tokens(through)
    lines: list[Headers] = [[oidc.basic(FRONT_END)], oidc.bearer(token), []]
    for grant in (oidc.JWT_BEARER_GRANT, oidc.UMA_GRANT, oidc.CIBA_GRANT, oidc.PRE_AUTHORIZED_GRANT):
        for headers in lines:
            fields = [
                ("grant_type", grant),
                ("assertion", foreign),
                ("audience", "other-api"),
                ("auth_req_id", "x"),
            ]
            answer = through.form(oidc.endpoint("corp"), fields, headers)
            assert 400 <= answer.status < 500, told(answer)
            assert not oidc.is_exchange_success(answer)


def test_an_exchange_in_a_realm_that_is_not_governed_is_refused(direct: Peer, through: Peer) -> None:
    """`master` has no section: nothing may be exchanged there, though its logins pass."""
    from admin import Admin

    token = Admin(direct).token
    fields = [
        ("grant_type", oidc.EXCHANGE_GRANT), ("client_id", "admin-cli"), ("subject_token", token),
        ("subject_token_type", oidc.ACCESS_TOKEN),
    ]  # fmt: skip
    straight = direct.form(oidc.endpoint("master"), fields)
    assert straight.status == 200, told(straight)
    secrecy.note(parsed(straight))
    assert refusal_in(through.form(oidc.endpoint("master"), fields)) == names.DENIED


PLACES = [
    "/realms/corp/protocol/openid-connect/token/introspect",
    "/realms/corp/protocol/openid-connect/revoke",
    "/realms/corp/protocol/openid-connect/logout",
    "/realms/corp/protocol/openid-connect/ext/ciba/auth",
    "/realms/corp/protocol/openid-connect/auth/device",
    "/realms/corp/nothing",
    "/admin/realms/corp/users",
    "/",
]


@pytest.mark.parametrize("target", PLACES)
def test_a_form_with_the_exchange_grant_is_refused_on_every_other_path(through: Peer, target: str) -> None:
    token, _ = tokens(through)
    answer = through.form(target, oidc.exchange_form(FRONT_END, token, "back-end-api"))
    assert refusal_in(answer) == names.ELSEWHERE
