"""What `translate` stands on: Keycloak's own jwt-bearer grant (RFC 7523) with foreign tokens, asked straight."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

import oidc
import secrecy
from differences import told
from foreign import External
from forgery import FORGERIES, Forgery, Genuine
from http1 import Answer
from peer import Peer, parsed
from realms import ALICE, CORP_PUBLIC, FRONT_END, PUBLIC, STRANGER, Client, default_realm_roles
from server import Keycloak


@pytest.fixture
def corp(keycloak: Keycloak) -> Peer:
    """Keycloak under the one name that the foreign tokens of this file are made for."""
    return keycloak.peer(CORP_PUBLIC)


def jwt_bearer(peer: Peer, assertion: str, client: Client = FRONT_END, /, **more: str) -> Answer:
    answer = peer.form(oidc.endpoint("corp"), oidc.jwt_bearer_form(client, assertion, **more))
    if answer.status == 200:
        secrecy.note(parsed(answer))
    return answer


def test_a_foreign_token_becomes_an_internal_one_in_two_calls(corp: Peer, external: External) -> None:
    first = jwt_bearer(corp, external.token(corp.issuer("corp")))
    assert first.status == 200, told(first)
    assert set(parsed(first)) == {
        "access_token", "expires_in", "refresh_expires_in", "token_type", "not-before-policy", "scope",
    }  # fmt: skip
    internal = parsed(first)["access_token"]
    claims = oidc.claims_of(internal)
    assert (claims["preferred_username"], claims["azp"]) == ("alice", "front-end-app")
    assert "sid" not in claims, "there is no session to end"
    assert claims["jti"].startswith("trrtag:")
    assert oidc.client_roles(internal)["front-end-app"] == {"frontend_user", "administrator"}

    second = oidc.exchange(corp, FRONT_END, internal, "back-end-api")
    assert second.status == 200, told(second)
    exchanged = parsed(second)["access_token"]
    assert oidc.claims_of(exchanged)["jti"].startswith("trrtte:")
    assert oidc.claims_of(exchanged)["sub"] == claims["sub"]
    assert oidc.client_roles(exchanged) == {"back-end-api": {"backend_user"}}
    assert oidc.realm_roles(exchanged) == default_realm_roles("corp") | {"auditor"}


def test_the_new_token_outlives_the_assertion(corp: Peer, external: External) -> None:
    genuine = external.genuine(corp.issuer("corp"))
    answer = jwt_bearer(corp, genuine.resigned(exp=int(time.time()) + 60))
    claims = oidc.claims_of(parsed(answer)["access_token"])
    assert claims["exp"] - claims["iat"] == 3600


def test_an_assertion_is_good_for_several_calls(corp: Peer, external: External) -> None:
    assertion = external.token(corp.issuer("corp"))
    assert [jwt_bearer(corp, assertion).status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("forged", FORGERIES, ids=[forged.name for forged in FORGERIES])
def test_what_keycloak_says_of_forgeries(corp: Peer, external: External, forged: Forgery) -> None:
    assert told(jwt_bearer(corp, forged.make(external.genuine(corp.issuer("corp"))))) == forged.straight


@dataclass(frozen=True)
class Fact:
    """A foreign token changed by its own issuer, and Keycloak's answer."""

    name: str
    make: Callable[[Genuine], str]
    straight: str


FACTS: list[Fact] = [
    Fact("without iat", lambda g: g.resigned(iat=None), "200 access_token"),
    Fact("without jti", lambda g: g.resigned(jti=None), "200 access_token"),
    Fact("without kid", lambda g: g.resigned(header={"kid": None}), "200 access_token"),
    Fact("as an ID-JAG", lambda g: g.resigned(header={"typ": "oauth-id-jag+jwt"}), "200 access_token"),
    Fact("its audience in a list", lambda g: g.resigned(aud=[oidc.claims_of(g.token)["aud"]]), "200 access_token"),
    Fact("a second audience", lambda g: g.resigned(aud=[oidc.claims_of(g.token)["aud"], "x"]), '400 invalid_grant "Multiple audiences not allowed"'),
    Fact("for the token endpoint", lambda g: g.resigned(aud=oidc.claims_of(g.token)["aud"] + "/protocol/openid-connect/token"), "200 access_token"),
    Fact("of a subject that is not linked", lambda g: g.resigned(sub="nobody"), '400 invalid_grant "User not found"'),
    Fact("no JWT", lambda _: "garbage", '400 invalid_grant "The provided assertion is not a valid JWT"'),
]  # fmt: skip


@pytest.mark.parametrize("fact", FACTS, ids=[fact.name for fact in FACTS])
def test_what_keycloak_says_of_assertions(corp: Peer, external: External, fact: Fact) -> None:
    assert told(jwt_bearer(corp, fact.make(external.genuine(corp.issuer("corp"))))) == fact.straight


@pytest.mark.parametrize(
    ("name", "client", "more", "straight"),
    [
        ("audience is ignored", FRONT_END, {"audience": "back-end-api"}, "200 access_token"),
        ("scope openid", FRONT_END, {"scope": "openid"}, "200 access_token"),
        ("an unknown scope", FRONT_END, {"scope": "zzz"}, '400 invalid_scope "Invalid scopes: zzz"'),
        ("an empty assertion", FRONT_END, {"assertion": ""}, '400 invalid_grant "The provided assertion is not a valid JWT"'),
        ("a client that may not", STRANGER, {}, '400 invalid_grant "JWT Authorization Grant is not supported for the requested client"'),
        ("a public client", PUBLIC, {}, '400 invalid_grant "Public client not allowed to use authorization grant"'),
        ("a wrong secret", Client("front-end-app", "wrong"), {}, '401 unauthorized_client "Invalid client or Invalid client credentials"'),
        ("an unknown client", Client("nobody", "wrong"), {}, '401 invalid_client "Invalid client or Invalid client credentials"'),
    ],
)  # fmt: skip
def test_what_keycloak_says_of_requests(
    corp: Peer, external: External, name: str, client: Client, more: dict[str, str], straight: str
) -> None:
    assertion = external.token(corp.issuer("corp"))
    assert told(jwt_bearer(corp, assertion, client, **more)) == straight


def test_a_token_of_the_realm_itself_is_no_assertion(corp: Peer) -> None:
    token = oidc.login(corp, FRONT_END, ALICE)["access_token"]
    assert told(jwt_bearer(corp, token)) == '400 invalid_grant "No Identity Provider for provided issuer"'


def test_no_session_means_no_refresh_token_and_no_userinfo(corp: Peer, external: External) -> None:
    internal = parsed(jwt_bearer(corp, external.token(corp.issuer("corp"))))["access_token"]
    refreshing = oidc.exchange(
        corp, FRONT_END, internal, "back-end-api", requested_token_type=oidc.REFRESH_TOKEN
    )
    assert told(refreshing) == (
        '400 invalid_request "Refresh token not valid as requested_token_type because creating a new session is needed"'
    )
    about = corp.get(oidc.endpoint("corp", "userinfo"), oidc.bearer(internal))
    assert (about.status, about.header("WWW-Authenticate")) == (
        403,
        'Bearer realm="corp", error="insufficient_scope", error_description="Missing openid scope"',
    )
