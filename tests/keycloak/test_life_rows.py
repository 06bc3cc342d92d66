"""What Keycloak alone does with tokens after their issue: the answers that Cambio owes for the tokens it signs itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

import forgery
import oidc
import secrecy
from differences import told
from http1 import Answer
from peer import Peer, parsed
from realms import ALICE, BACK_END, CORP_PUBLIC, FRONT_END, PUBLIC, STRANGER, Client
from server import Keycloak

INTROSPECT, REVOKE, USERINFO, LOGOUT = (
    oidc.endpoint("corp", name) for name in ("token/introspect", "revoke", "userinfo", "logout")
)
NOT_KNOWN = '200 invalid_token "Invalid token"'
WRONG = Client("back-end-api", "wrong-secret")
NOBODY = Client("nobody", "wrong-secret")


@pytest.fixture(scope="module")
def corp(keycloak: Keycloak) -> Peer:
    return keycloak.peer(CORP_PUBLIC)


@dataclass(frozen=True)
class Life:
    """A login of alice's by front-end-app, and what came of it."""

    access: str
    refresh: str
    identity: str
    # For back-end-api, and with a refresh token of its own.
    exchanged: str
    exchanged_refresh: str
    # With the exchanged token's claims, by a key that Keycloak does not have: what a reissued token is to it.
    ours: str


@pytest.fixture
def life(corp: Peer) -> Life:
    login = oidc.login(corp, FRONT_END, ALICE)
    both = oidc.exchange(
        corp, FRONT_END, login["access_token"], "back-end-api", requested_token_type=oidc.REFRESH_TOKEN
    )
    exchanged = parsed(oidc.exchange(corp, FRONT_END, login["access_token"], "back-end-api"))["access_token"]
    ours = forgery.sign(oidc.claims_of(exchanged), forgery.PARTNER_KEY, kid="ours")
    return Life(
        login["access_token"],
        login["refresh_token"],
        login["id_token"],
        exchanged,
        parsed(both)["refresh_token"],
        ours,
    )


def introspect(peer: Peer, client: Client, token: str, **more: str) -> Answer:
    return peer.form(INTROSPECT, [*oidc.credentials(client), ("token", token), *more.items()])


def revoke(peer: Peer, client: Client, token: str, **more: str) -> Answer:
    return peer.form(REVOKE, [*oidc.credentials(client), ("token", token), *more.items()])


def refresh(peer: Peer, client: Client, token: str) -> Answer:
    form = [("grant_type", "refresh_token"), *oidc.credentials(client), ("refresh_token", token)]
    answer = peer.form(oidc.endpoint("corp"), form)
    if answer.status == 200:
        secrecy.note(parsed(answer))
    return answer


@dataclass(frozen=True)
class Fact:
    """One request, and Keycloak's answer to it."""

    name: str
    ask: Callable[[Peer, Life], Answer]
    straight: str


FACTS: list[Fact] = [
    Fact("introspection by the audience", lambda p, t: introspect(p, BACK_END, t.exchanged), "200 active=true"),
    Fact("introspection by Basic", lambda p, t: p.form(INTROSPECT, [("token", t.exchanged)], [oidc.basic(BACK_END)]), "200 active=true"),
    Fact("introspection by a client that is not in aud", lambda p, t: introspect(p, STRANGER, t.exchanged), "200 active=false"),
    Fact("introspection of a token by a foreign key", lambda p, t: introspect(p, BACK_END, t.ours), "200 active=false"),
    Fact("introspection of garbage", lambda p, _: introspect(p, BACK_END, "garbage"), "200 active=false"),
    Fact("introspection of an ID token", lambda p, t: introspect(p, FRONT_END, t.identity), "200 active=true"),
    Fact("introspection of a refresh token", lambda p, t: introspect(p, FRONT_END, t.refresh), "200 active=false"),
    Fact("introspection with a wrong hint", lambda p, t: introspect(p, BACK_END, t.exchanged, token_type_hint="refresh_token"), "200 active=false"),
    Fact("introspection with a wrong secret", lambda p, t: introspect(p, WRONG, t.exchanged), '401 invalid_client "Client authentication failed."'),
    Fact("introspection by an unknown client", lambda p, t: introspect(p, NOBODY, t.exchanged), '401 invalid_client "Invalid client or Invalid client credentials"'),
    Fact("introspection by nobody", lambda p, t: p.form(INTROSPECT, [("token", t.exchanged)]), '401 invalid_client "Invalid client or Invalid client credentials"'),
    Fact("introspection by a public client", lambda p, t: introspect(p, PUBLIC, t.exchanged), '403 invalid_request "Client not allowed."'),
    Fact("introspection of nothing", lambda p, _: p.form(INTROSPECT, oidc.credentials(BACK_END)), '400 invalid_request "Token not provided."'),
    Fact("revocation of a token by a foreign key", lambda p, t: revoke(p, FRONT_END, t.ours), NOT_KNOWN),
    Fact("revocation of garbage", lambda p, _: revoke(p, FRONT_END, "garbage"), NOT_KNOWN),
    Fact("revocation by a public client", lambda p, t: revoke(p, PUBLIC, t.ours), NOT_KNOWN),
    Fact("revocation with an unknown hint", lambda p, t: revoke(p, FRONT_END, t.ours, token_type_hint="nonsense"), NOT_KNOWN),
    Fact("revocation by another client", lambda p, t: revoke(p, STRANGER, t.exchanged), '400 invalid_request "Unmatching clients"'),
    Fact("revocation by the audience", lambda p, t: revoke(p, BACK_END, t.exchanged), '400 invalid_request "Unmatching clients"'),
    Fact("revocation with a wrong secret", lambda p, t: revoke(p, Client("front-end-app", "wrong"), t.ours), '401 unauthorized_client "Invalid client or Invalid client credentials"'),
    Fact("revocation by an unknown client", lambda p, t: revoke(p, NOBODY, t.ours), '401 invalid_client "Invalid client or Invalid client credentials"'),
    Fact("revocation of nothing", lambda p, _: p.form(REVOKE, oidc.credentials(FRONT_END)), '400 invalid_request "Token not provided"'),
    Fact("revocation", lambda p, t: revoke(p, FRONT_END, t.exchanged), "200"),
    Fact("userinfo", lambda p, t: p.get(USERINFO, oidc.bearer(t.exchanged)), "200"),
    Fact("userinfo for a token by a foreign key", lambda p, t: p.get(USERINFO, oidc.bearer(t.ours)), "401"),
    Fact("refresh by another client", lambda p, t: refresh(p, STRANGER, t.exchanged_refresh), "400 invalid_grant \"Invalid refresh token. Token client and authorized client don't match\""),
    Fact("refresh with garbage", lambda p, _: refresh(p, FRONT_END, "garbage"), '400 invalid_grant "Invalid refresh token"'),
    Fact("refresh with an access token", lambda p, t: refresh(p, FRONT_END, t.access), '400 invalid_grant "Invalid refresh token"'),
    Fact("refresh with nothing", lambda p, _: p.form(oidc.endpoint("corp"), [("grant_type", "refresh_token"), *oidc.credentials(FRONT_END)]), '400 invalid_request "No refresh token"'),
]  # fmt: skip


@pytest.mark.parametrize("fact", FACTS, ids=[fact.name for fact in FACTS])
def test_what_keycloak_says(corp: Peer, life: Life, fact: Fact) -> None:
    assert told(fact.ask(corp, life)) == fact.straight


def test_an_introspection_says_more_than_the_token(corp: Peer, life: Life) -> None:
    """The exchange dropped every role but back-end-api's; a resource server that introspects gets them all."""
    answer = introspect(corp, BACK_END, life.exchanged)
    body, claims = parsed(answer), oidc.claims_of(life.exchanged)
    narrowed = {"aud", "resource_access"}
    assert {name for name in claims if body[name] != claims[name]} == narrowed
    assert claims["resource_access"] == {"back-end-api": {"roles": ["backend_user"]}}
    assert set(body["resource_access"]) == {"back-end-api", "front-end-app", "other-api", "account"}
    assert set(body["aud"]) == {"back-end-api", "other-api", "account"}
    assert {name: body[name] for name in set(body) - set(claims)} == {
        "active": True, "client_id": "front-end-app", "username": "alice", "token_type": "Bearer",
    }  # fmt: skip
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Cache-Control") == "no-cache"


def test_a_wrong_secret_gets_no_challenge(corp: Peer, life: Life) -> None:
    answer = corp.form(INTROSPECT, [("token", life.exchanged)], [oidc.basic(WRONG)])
    assert (answer.status, answer.header("WWW-Authenticate")) == (401, None)


@pytest.mark.parametrize(
    ("token", "challenge"),
    [
        (None, 'Bearer realm="corp"'),
        ("ours", 'Bearer realm="corp", error="invalid_token", error_description="Token verification failed"'),
    ],
)
def test_userinfos_challenge(corp: Peer, life: Life, token: str | None, challenge: str) -> None:
    answer = corp.get(USERINFO, oidc.bearer(getattr(life, token)) if token else [])
    assert (answer.status, answer.header("WWW-Authenticate"), answer.body) == (401, challenge, b"")


def test_a_revocation_says_nothing(corp: Peer, life: Life) -> None:
    answer = revoke(corp, FRONT_END, life.exchanged)
    assert (answer.status, answer.body) == (200, b"")
    assert (answer.header("Content-Type"), answer.header("Cache-Control")) == (None, None)


def test_revoking_one_exchanged_token_ends_the_clients_part_of_the_session(corp: Peer, life: Life) -> None:
    another = parsed(oidc.exchange(corp, FRONT_END, life.access, "back-end-api"))["access_token"]
    assert revoke(corp, FRONT_END, life.exchanged).status == 200
    assert told(revoke(corp, FRONT_END, life.exchanged)) == NOT_KNOWN
    assert told(introspect(corp, BACK_END, another)) == "200 active=false"
    assert (
        told(oidc.exchange(corp, FRONT_END, life.access, "back-end-api"))
        == '400 invalid_request "Invalid token"'
    )
    assert told(refresh(corp, FRONT_END, life.refresh)) == (
        '400 invalid_grant "Session doesn\'t have required client"'
    )


def test_a_refresh_of_an_exchanged_token_keeps_every_realm_role_as_often_as_wanted(
    corp: Peer, life: Life
) -> None:
    for _ in range(2):
        answer = refresh(corp, FRONT_END, life.exchanged_refresh)
        assert answer.status == 200, told(answer)
        token = parsed(answer)["access_token"]
        # Keycloak before 26.7.5 brought back the roles of all clients.
        assert oidc.client_roles(token) == {"back-end-api": {"backend_user"}}
        assert "auditor" in oidc.claims_of(token)["realm_access"]["roles"]


def test_a_logout_ends_the_session_and_what_was_exchanged_in_it(corp: Peer, life: Life) -> None:
    out = corp.form(LOGOUT, [*oidc.credentials(FRONT_END), ("refresh_token", life.refresh)])
    assert out.status == 204
    for token in (life.refresh, life.exchanged_refresh):
        assert told(refresh(corp, FRONT_END, token)) == '400 invalid_grant "Session not active"'
    assert told(introspect(corp, BACK_END, life.exchanged)) == "200 active=false"
    assert (
        told(oidc.exchange(corp, FRONT_END, life.access, "back-end-api"))
        == '400 invalid_request "Invalid token"'
    )
    about = corp.get(USERINFO, oidc.bearer(life.access))
    assert (about.status, about.header("WWW-Authenticate")) == (
        401,
        'Bearer realm="corp", error="invalid_token", error_description="user_session_not_found"',
    )
