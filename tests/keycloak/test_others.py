"""Clients and resource servers written by others work through Cambio with no word about Cambio in them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from keycloak import KeycloakOpenID, KeycloakPostError

import login
import names
import oidc
import secrecy
import verifiers
from gate import Gate, Gates, Setup, audience, permission
from peer import parsed
from realms import ALICE, BACK_END, FRONT_END, NARROW, ODD, REDIRECT, STRANGER, Client
from server import Keycloak
from verifiers import Refused, Verifier

NODE = Path(__file__).parent / "node"
BACKEND_ONLY = {"back-end-api": {"roles": ["backend_user"]}}
DISCOVERY = "/.well-known/openid-configuration"
GO_CLIENT = [str(Path(os.environ["GO_PROGRAMS"]) / "oauth2")]


def authlib_client(gate: Gate, client: Client, authentication: str) -> tuple[OAuth2Session, dict]:
    metadata = requests.get(gate.peer.issuer("corp") + DISCOVERY, timeout=20).json()
    session = OAuth2Session(
        client.id, client.secret, scope="openid email profile", redirect_uri=REDIRECT,
        code_challenge_method="S256", token_endpoint_auth_method=authentication,
    )  # fmt: skip
    return session, metadata


@pytest.mark.parametrize("authentication", ["client_secret_basic", "client_secret_post"])
def test_authlib_logs_in_and_exchanges(gate: Gate, authentication: str) -> None:
    session, metadata = authlib_client(gate, FRONT_END, authentication)
    verifier = "v" * 64
    url, state = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier)
    back = login.consent(gate.peer, url)
    tokens = session.fetch_token(
        metadata["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier
    )
    secrecy.note(dict(tokens))
    about = session.get(metadata["userinfo_endpoint"], timeout=20).json()
    assert about["email"] == "alice@example.test"
    refreshed = secrecy.note(dict(session.refresh_token(metadata["token_endpoint"])))
    exchanged = session.fetch_token(
        metadata["token_endpoint"],
        grant_type=oidc.EXCHANGE_GRANT,
        subject_token=refreshed["access_token"],
        subject_token_type=oidc.ACCESS_TOKEN,
        audience="back-end-api",
    )
    secrecy.note(dict(exchanged))
    assert oidc.claims_of(exchanged["access_token"])["resource_access"] == BACKEND_ONLY
    assert oidc.realm_roles(exchanged["access_token"]) == set()


def test_authlib_understands_a_refusal(gate: Gate) -> None:
    from authlib.integrations.base_client.errors import OAuthError

    session, metadata = authlib_client(gate, STRANGER, "client_secret_basic")
    token = oidc.login(gate.peer, STRANGER, ALICE)["access_token"]
    with pytest.raises(OAuthError) as refusal:
        session.fetch_token(
            metadata["token_endpoint"],
            grant_type=oidc.EXCHANGE_GRANT,
            subject_token=token,
            subject_token_type=oidc.ACCESS_TOKEN,
            audience="back-end-api",
        )
    assert (refusal.value.error, refusal.value.description) == names.DENIED[1:]


def told_by(program: list[str], gate: Gate, client: Client, wanted: str, *more: str) -> dict:
    """What a program says that logs in, and is told of the browser's way by its standard input."""
    argv = [*program, gate.peer.issuer("corp"), client.id, client.secret or "", REDIRECT, wanted, *more]
    with subprocess.Popen(
        argv, cwd=NODE, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdin and child.stdout and child.stderr
        try:
            url = child.stdout.readline().strip()
            assert url, child.stderr.read()
            output, errors = child.communicate(login.consent(gate.peer, url) + "\n", timeout=60)
        finally:
            child.kill()
    assert output, errors
    result = json.loads(output)
    for part in result.values():
        if isinstance(part, dict):
            secrecy.note(part)
    return result


SCRIPTS = {"openid-client": ["node", "client.mjs"], "oauth4webapi": ["node", "oauth4webapi.mjs"]}


@pytest.mark.parametrize(
    ("client", "authentication"),
    [(FRONT_END, "basic"), (FRONT_END, "post"), (ODD, "basic")],
    ids=lambda value: getattr(value, "id", value),
)
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_client_of_javascript_logs_in_and_exchanges(
    gate: Gate, script: str, client: Client, authentication: str
) -> None:
    result = told_by(SCRIPTS[script], gate, client, "back-end-api", authentication, BACK_END.secret or "")
    assert result["userinfo"]["email"] == "alice@example.test"
    token = result["exchanged"]["access_token"]
    assert oidc.claims_of(token)["resource_access"] == BACKEND_ONLY
    assert result["exchanged"]["issued_token_type"] == oidc.ACCESS_TOKEN
    if script == "oauth4webapi":
        assert result["active"] == [True, False], "before and after it was revoked"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_client_of_javascript_understands_a_refusal(gate: Gate, script: str) -> None:
    result = told_by(SCRIPTS[script], gate, FRONT_END, "other-api", "basic", BACK_END.secret or "")
    status, error, description = names.DENIED
    assert result["refusal"] == {"status": status, "error": error, "error_description": description}


@pytest.mark.parametrize("client", [FRONT_END, ODD], ids=lambda client: client.id)
def test_the_client_of_go_logs_in_and_exchanges(gate: Gate, client: Client) -> None:
    """By both of the functions that its users take for an exchange; one of them sends an empty `code` with it."""
    result = told_by(GO_CLIENT, gate, client, "back-end-api")
    assert oidc.claims_of(result["refreshed"]["access_token"])["azp"] == client.id
    for way in ("clientcredentials", "exchange"):
        assert result[way].get("issued_token_type") == oidc.ACCESS_TOKEN, result[way]
        assert oidc.claims_of(result[way]["access_token"])["resource_access"] == BACKEND_ONLY


def test_the_client_of_go_understands_a_refusal(gate: Gate) -> None:
    result = told_by(GO_CLIENT, gate, FRONT_END, "other-api")
    status, error, description = names.DENIED
    refusal = {"status": status, "error": error, "error_description": description}
    assert (result["clientcredentials"], result["exchange"]) == (refusal, refusal)


# By itself it leaves out the one, as Keycloak's older exchange allowed, and asks for a refresh token as well.
TYPES = {"subject_token_type": oidc.ACCESS_TOKEN, "requested_token_type": oidc.ACCESS_TOKEN}


def python_keycloak(gate: Gate, client: Client) -> KeycloakOpenID:
    return KeycloakOpenID(gate.peer.origin, "corp", client.id, client.secret, timeout=20)


def test_python_keycloak_logs_in_and_exchanges(gate: Gate) -> None:
    client = python_keycloak(gate, FRONT_END)
    # It leaves the spaces to the browser.
    url = client.auth_url(REDIRECT, scope="openid email profile", state="state-of-the-login")
    back = login.consent(gate.peer, url.replace(" ", "%20"))
    (code,) = parse_qs(urlsplit(back).query)["code"]
    tokens = secrecy.note(client.token(grant_type="authorization_code", code=code, redirect_uri=REDIRECT))
    assert client.userinfo(tokens["access_token"])["email"] == "alice@example.test"
    refreshed = secrecy.note(client.refresh_token(tokens["refresh_token"]))
    audience_client = python_keycloak(gate, BACK_END)
    assert audience_client.introspect(refreshed["access_token"])["active"] is True
    # It verifies with the realm's own key, as the realm's page shows it.
    assert client.decode_token(refreshed["access_token"])["azp"] == FRONT_END.id

    exchanged = secrecy.note(client.exchange_token(refreshed["access_token"], BACK_END.id, **TYPES))
    assert oidc.claims_of(exchanged["access_token"])["resource_access"] == BACKEND_ONLY
    about = audience_client.introspect(exchanged["access_token"])
    assert (about["active"], about["sub"]) == (True, oidc.claims_of(tokens["access_token"])["sub"])

    client.logout(refreshed["refresh_token"])
    assert audience_client.introspect(refreshed["access_token"])["active"] is False


def test_python_keycloak_understands_a_refusal(gate: Gate) -> None:
    client = python_keycloak(gate, FRONT_END)
    token = secrecy.note(client.token(ALICE.name, ALICE.password))["access_token"]
    with pytest.raises(KeycloakPostError) as refusal:
        client.exchange_token(token, "other-api", **TYPES)
    status, error, description = names.DENIED
    assert refusal.value.response_code == status
    assert json.loads(refusal.value.response_body or b"") == {
        "error": error,
        "error_description": description,
    }


ISSUANCES = [
    ("reissue", "RSA", "RS256", FRONT_END),
    ("reissue", "EC", "ES256", FRONT_END),
    ("reissue", "Ed25519", "EdDSA", FRONT_END),
    ("mint", "RSA", "RS256", FRONT_END),
    ("mint", "EC", "ES256", FRONT_END),
    ("mint", "Ed25519", "EdDSA", FRONT_END),
    ("forward", "RSA", "RS256", NARROW),
]


@pytest.fixture(scope="module", params=ISSUANCES, ids=[f"{how}-{key}" for how, key, *_ in ISSUANCES])
def issued(request: pytest.FixtureRequest, keycloak: Keycloak, gates: Gates) -> tuple[Gate, str, str]:
    """A gate that issues in one of the ways, a token that it issued, and the token's algorithm."""
    how, key, algorithm, client = request.param
    audiences = {"back-end-api": audience("back-end-api", permission(client.id), issuance=how)}
    gate = gates.start(f"others-{how}-{key}", keycloak.address, Setup(audiences, key=key))
    subject = oidc.login(gate.peer, client, ALICE)["access_token"]
    answer = oidc.exchange(gate.peer, client, subject, "back-end-api")
    assert answer.status == 200, answer.text
    return gate, parsed(answer)["access_token"], algorithm


@pytest.fixture(scope="module", params=verifiers.NAMES)
def resource_server(issued: tuple[Gate, str, str], request: pytest.FixtureRequest) -> Iterator[Verifier]:
    """back-end-api as others write it, each with the one algorithm of the issued token and RS256, which Keycloak uses."""
    gate, _, algorithm = issued
    verifier = Verifier(request.param, gate.peer.issuer("corp"), "back-end-api", *{algorithm, "RS256"})
    yield verifier
    verifier.stop()


def test_a_resource_server_accepts_the_issued_token_through_discovery_alone(
    issued: tuple[Gate, str, str], resource_server: Verifier
) -> None:
    _, token, algorithm = issued
    if (resource_server.name, algorithm) in verifiers.UNSUPPORTED:
        with pytest.raises(Refused, match="Another algorithm expected"):
            resource_server.claims(token)
        return
    claims = resource_server.claims(token)
    assert claims["resource_access"] == BACKEND_ONLY
    assert claims["aud"] in ("back-end-api", ["back-end-api"])
    assert claims["preferred_username"] == "alice"


def test_a_resource_server_still_accepts_keycloaks_own_tokens(
    issued: tuple[Gate, str, str], resource_server: Verifier
) -> None:
    gate, _, _ = issued
    token = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
    assert resource_server.claims(token)["azp"] == "front-end-app"


def test_a_resource_server_refuses_what_was_changed(
    issued: tuple[Gate, str, str], resource_server: Verifier
) -> None:
    """So that its yes is known to mean something."""
    _, token, _ = issued
    head, _, signature = token.split(".")
    claims = {**oidc.claims_of(token), "sub": "somebody-else"}
    with pytest.raises(Refused):
        resource_server.claims(f"{head}.{oidc.encode_segment(claims)}.{signature}")


def test_a_token_is_active_for_its_audience_whoever_signed_it(
    issued: tuple[Gate, str, str], keycloak: Keycloak
) -> None:
    """Keycloak answers for a token that it signed, Cambio for one of its own."""
    gate, token, _ = issued
    kids = {key["kid"] for key in parsed(gate.peer.get(oidc.endpoint("partner", "certs")))["keys"]}
    assert oidc.header_of(token)["kid"] not in kids
    form = [*oidc.credentials(BACK_END), ("token", token)]
    answer = gate.peer.form(oidc.endpoint("corp", "token/introspect"), form)
    (line,) = gate.audit()
    forwarded = line[names.AUDIT_ISSUANCE] == "forward"
    assert (answer.status, parsed(answer)["active"]) == (200, True)
    assert parsed(answer)["sub"] == oidc.claims_of(token)["sub"]
    # What Keycloak does not know is not active at Keycloak itself.
    direct = keycloak.peer(gate.authority).form(oidc.endpoint("corp", "token/introspect"), form)
    assert parsed(direct)["active"] is forwarded
    # Neither has the scope openid, which userinfo asks for.
    refused = gate.peer.get(oidc.endpoint("corp", "userinfo"), oidc.bearer(token))
    assert refused.status == 403 or "openid" in oidc.claims_of(token)["scope"].split()
