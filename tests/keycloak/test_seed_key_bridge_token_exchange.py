"""Key Bridge, "RFC 8693 OAuth 2.0 Token Exchange" (key-bridge-token-exchange): a caller that was written for that page
exchanges through Cambio at a real Keycloak. Only the secret and the token differ from the page.

The page's subject token is opaque: it is one of an oidc-provider, which tells Cambio what it is (RFC 7662).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

import foreign
import http1
import oidc
import pages
import realms
from admin import Admin
from foreign import Provider
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from peer import parsed
from realms import Client, User
from server import Keycloak

HOST = "sts.example.com"
RESOURCE = "https://backend.example.com/api"
# The token of the page's answer is for this audience.
BACKEND = Client("https://backend.example.com", "backend-secret-31c9a07e")
RESOURCE_SERVER = Client("rs08", "long-secure-random-secret-b7a2")
ALIEN = Client("rs09", "another-secure-secret-55d1")
USER = User("bdc", "bdc-password-1f70")
TARGET = "/token/oauth2"


def realm() -> dict:
    clients = [
        realms.confidential(RESOURCE_SERVER, realms.EXCHANGE, protocolMappers=[realms.also_for(BACKEND.id)]),
        realms.confidential(ALIEN, realms.EXCHANGE),
        realms.confidential(BACKEND, {}),
    ]
    return {**realms.realm("key-bridge"), "clients": clients, "users": [realms.profile(USER)]}


@pytest.fixture(scope="module")
def sts(keycloak: Keycloak, gates: Gates, provider: Provider, tmp_path_factory) -> Iterator[Gate]:
    pages.create(Admin(keycloak.peer()), realm())
    secret: Path = tmp_path_factory.mktemp("key-bridge") / "introspection.secret"
    # As in the page's answer: a minute.
    granted = permission("rs08", issuers=["key-bridge", "abroad"], subjectTokens=["access_token", "jwt"], scopes=["api", "openid", "email", "profile"], defaultScopes=["api"])  # fmt: skip
    document = audience(
        BACKEND.id,
        granted,
        realm="key-bridge",
        resources=[RESOURCE],
        issuance="mint",
        token={"lifetime": "1m"},
    )
    issuers = {
        "abroad": {
            "issuer": {"url": provider.issuer, "audiences": [f"http://{HOST}/realms/key-bridge"]},
            "jwksURL": f"{provider.issuer}/jwks",
            "introspection": {**provider.introspection(secret), "cacheFor": "0s"},
        }
    }
    section = {"dialect": "key-bridge", "subjectIssuers": ["key-bridge", "abroad"]}
    setup = Setup({"backend": document}, realms={"key-bridge": section}, issuers=issuers, public=HOST)
    gate = gates.start("key-bridge", keycloak.address, setup)
    yield gate
    gate.stop()


@pytest.fixture
def opaque(sts: Gate, provider: Provider) -> str:
    token = provider.login(sts.issuer("key-bridge"), foreign.OPAQUE_APP)["access_token"]
    assert "." not in token
    return token


def exchange(
    sts: Gate,
    token: str,
    client: Client = RESOURCE_SERVER,
    resource: str = RESOURCE,
    kind: str = oidc.ACCESS_TOKEN,
    more: str = "",
    authorization: str | None = None,
) -> Answer:
    """The page's request, byte for byte but for the two values; its line breaks are the page's."""
    credentials = base64.b64encode(f"{client.id}:{client.secret}".encode()).decode()
    body = (
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"
        f"&resource={quote(resource, safe='')}"
        f"&subject_token={token}"
        f"&subject_token_type={quote(kind, safe='')}{more}"
    ).encode()
    head = (
        f"POST {TARGET} HTTP/1.1\r\n"
        f"Host: {HOST}\r\n"
        f"Authorization: {authorization or 'Basic ' + credentials}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    with http1.Connection(sts.address) as connection:
        connection.send(head + body)
        return pages.noted(connection.answer())


def test_the_pages_request_gets_the_pages_answer(sts: Gate, opaque: str) -> None:
    answer = exchange(sts, opaque)
    assert answer.status == 200, f"{answer.text} {sts.audit()[-1]}"
    assert answer.header("Content-Type") == "application/json"
    directives = {part.strip() for part in (answer.header("Cache-Control") or "").split(",")}
    assert directives == {"no-cache", "no-store"}
    body = parsed(answer)
    assert {"access_token", "issued_token_type", "token_type", "expires_in"} <= set(body)
    assert body["issued_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
    assert body["token_type"] == "Bearer"
    assert 55 <= body["expires_in"] <= 60
    assert "refresh_token" not in body


def test_the_token_is_for_the_resource(sts: Gate, opaque: str) -> None:
    claims = oidc.claims_of(parsed(exchange(sts, opaque))["access_token"])
    assert claims["aud"] == "https://backend.example.com"
    assert claims["iss"] == sts.issuer("key-bridge")
    assert claims["sub"] == f"abroad#{foreign.FAY.name}"
    assert claims["exp"] - claims["iat"] <= 60


def test_the_pages_own_request_gets_the_scope_api(sts: Gate, opaque: str) -> None:
    """The page's request has no scope, and the token of its answer has one."""
    body = parsed(exchange(sts, opaque))
    assert oidc.claims_of(body["access_token"])["scope"] == body["scope"] == "api"


def test_the_scope_of_the_pages_token(sts: Gate, opaque: str) -> None:
    body = parsed(exchange(sts, opaque, more="&scope=api"))
    assert oidc.claims_of(body["access_token"])["scope"] == "api"


def test_a_jwt_is_a_subject_token_too(sts: Gate, provider: Provider) -> None:
    """Of the issuer of the opaque ones, and of the Keycloak behind us."""
    foreign_token = provider.login(sts.issuer("key-bridge"))["access_token"]
    own = pages.token(sts.peer, "key-bridge", RESOURCE_SERVER, USER)["access_token"]
    for token, kind in [
        (foreign_token, oidc.ACCESS_TOKEN),
        (foreign_token, oidc.JWT),
        (own, oidc.ACCESS_TOKEN),
    ]:
        answer = exchange(sts, token, kind=kind)
        assert answer.status == 200, f"{answer.text} {sts.audit()[-1]}"
    assert oidc.claims_of(parsed(answer)["access_token"])["sub"] == oidc.claims_of(own)["sub"]


def test_the_resource_server_accepts_it(sts: Gate, opaque: str) -> None:
    """The page's last step: its own keys are the realm's, and its introspection says yes."""
    token = parsed(exchange(sts, opaque))["access_token"]
    kids = {key["kid"] for key in parsed(sts.peer.get(oidc.endpoint("key-bridge", "certs")))["keys"]}
    assert oidc.header_of(token)["kid"] in kids
    form = [("token", token)]
    path = oidc.endpoint("key-bridge", "token/introspect")
    answer = parsed(sts.peer.form(path, form, [oidc.basic(BACKEND)]))
    assert (answer["active"], answer["client_id"]) == (True, "rs08")


@pytest.mark.parametrize(
    ("name", "client"),
    [("a wrong secret", Client("rs08", "wrong")), ("an unknown client", Client("nobody", "nothing-to-say"))],
)
def test_basic_authentication_is_demanded_again(sts: Gate, opaque: str, name: str, client: Client) -> None:
    """RFC 6749 section 5.2: 401, invalid_client, and the scheme that was used."""
    answer = exchange(sts, opaque, client)
    assert pages.told(answer)[:2] == (401, "invalid_client")
    assert (answer.header("WWW-Authenticate") or "").startswith("Basic")


def test_no_client_at_all(sts: Gate, opaque: str) -> None:
    form = [("grant_type", oidc.EXCHANGE_GRANT), ("resource", RESOURCE), ("subject_token", opaque), ("subject_token_type", oidc.ACCESS_TOKEN)]  # fmt: skip
    answer = sts.peer.form(TARGET, form)
    assert pages.told(answer)[1] in ("invalid_client", "invalid_request")
    assert answer.status in (400, 401)


def test_credentials_in_the_form_are_standard_too(sts: Gate, opaque: str) -> None:
    form = [("resource", RESOURCE), *oidc.exchange_form(RESOURCE_SERVER, opaque)]
    answer = pages.noted(sts.peer.form(TARGET, form))
    assert answer.status == 200, f"{answer.text} {sts.audit()[-1]}"


# RFC 6749 section 5.2's, and RFC 8693 section 2.2.2's.
CODES = {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_target"}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changed", "reason"),
    [
        ("a resource that nobody has", {"resource": "https://elsewhere.example.com/api"}, "resource_unknown"),
        ("a scope beyond the permission", {"more": "&scope=address"}, "scope_not_permitted"),
        ("a token of nobody", {"token": "accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC"}, "subject_token_inactive"),
        ("a client without a permission", {"client": ALIEN}, "client_not_permitted"),
        ("a type of nobody", {"kind": "urn:example:mine"}, "subject_token_type_unsupported"),
    ],
)  # fmt: skip
def test_refusals_are_rfc_6749s(sts: Gate, opaque: str, name: str, changed: dict, reason: str) -> None:
    answer = exchange(sts, **{"token": opaque, **changed})
    status, error, description = pages.told(answer)
    assert sts.reason_of(answer) == reason
    assert (status, error in CODES) == (400, True), answer.text
    assert set(description or "") <= pages.DESCRIPTION
    assert answer.header("Cache-Control")


def test_the_subject_token_type_is_required(sts: Gate, opaque: str) -> None:
    form = [("grant_type", oidc.EXCHANGE_GRANT), ("resource", RESOURCE), ("subject_token", opaque)]
    answer = sts.peer.form(TARGET, form, [oidc.basic(RESOURCE_SERVER)])
    assert pages.told(answer)[:2] == (400, "invalid_request")


def test_a_revoked_opaque_token_is_over(sts: Gate, opaque: str, provider: Provider) -> None:
    assert exchange(sts, opaque).status == 200
    provider.revoke(opaque, foreign.OPAQUE_APP)
    answer = exchange(sts, opaque)
    assert pages.told(answer)[0] == 400
    assert sts.reason_of(answer) == "subject_token_inactive"
