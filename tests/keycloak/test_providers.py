"""Cambio in front of identity providers that are not Keycloak: `mint`, and everything else passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

import http1
import oidc
import providers
import secrecy
from gate import Gate, Gates, Setup, audience, permission
from peer import parsed
from providers import HOST, IdentityProvider
from realms import BACK_END, FRONT_END, Client

AMENDED = {"grant_types_supported", "id_token_signing_alg_values_supported"}


@pytest.fixture(scope="module", params=providers.ALL, ids=lambda kind: kind.name)
def server(request: pytest.FixtureRequest, run: Path) -> Iterator[IdentityProvider]:
    folder = run / f"provider-{request.param.name}"
    folder.mkdir()
    made = request.param(folder)
    try:
        yield made.start()
    finally:
        made.stop()


def setup(server: IdentityProvider, **realm: object) -> Setup:
    permitted = permission(
        FRONT_END.id, subjectTokens=["access_token", "id_token"], scopes=["openid", "email"], issuance="mint"
    )
    audiences = {
        BACK_END.id: audience(BACK_END.id, permitted, issuance="mint"),
        "other-api": audience("other-api", permission("stranger-app", issuance="mint"), issuance="mint"),
    }
    section = {
        "issuer": server.issuer, "dialect": "rfc8693", "endpoints": server.endpoints, "unboundIdTokens": "accept", **realm,
    }  # fmt: skip
    return Setup(audiences, realms={"corp": section}, public=HOST)


@pytest.fixture(scope="module")
def gate(server: IdentityProvider, gates: Gates) -> Iterator[Gate]:
    def registered(secret: str | None) -> list[dict]:
        return [{"method": "client_secret", "secretHash": gates.hash_secret(secret or "")}]

    clients = {one.id: registered(one.secret) for one in (FRONT_END, BACK_END)}
    made = gates.start(f"provider-{server.name}", server.address, setup(server, clients=clients))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def token(server: IdentityProvider, gate: Gate) -> str:
    return providers.login(server, gate.peer)


def exchange(server: IdentityProvider, gate: Gate, token: str, wanted: str = BACK_END.id, **more: str) -> http1.Answer:
    form = oidc.exchange_form(FRONT_END, token, wanted, **{"subject_token_type": server.token_type, **more})
    answer = gate.peer.form(server.endpoints["token"], form)
    if answer.status == 200:
        secrecy.note(parsed(answer))
    return answer


@pytest.fixture(scope="module")
def issued(server: IdentityProvider, gate: Gate, token: str) -> str:
    answer = exchange(server, gate, token, scope="openid email")
    assert answer.status == 200, f"{answer.text} {gate.audit()[-1]}"
    return parsed(answer)["access_token"]


def test_check_finds_the_endpoints_where_they_are(server: IdentityProvider, gates: Gates, gate: Gate) -> None:
    done = gates.run("check", "--online", "--config", str(gate.configuration))
    assert done.returncode == 0, done.stderr
    assert "endpoint is" not in done.stdout and "jwks_uri" not in done.stdout, done.stdout
    assert "the discovery document" not in done.stdout, done.stdout


def test_discovery_says_what_the_provider_says_and_what_cambio_adds(server: IdentityProvider, gate: Gate) -> None:
    theirs, ours = parsed(server.peer.get(server.discovery)), parsed(gate.peer.get(server.discovery))
    assert {name: value for name, value in ours.items() if name not in AMENDED} == {
        name: value for name, value in theirs.items() if name not in AMENDED
    }
    assert oidc.EXCHANGE_GRANT in ours["grant_types_supported"]
    for name in AMENDED & theirs.keys():
        assert set(theirs[name]) <= set(ours[name])
    # RFC 8414, if the provider has it, at its own place.
    place = "/.well-known/oauth-authorization-server" + server.path
    straight, through = server.peer.get(place), gate.peer.get(place)
    assert through.status == straight.status
    if through.status == 200:
        assert oidc.EXCHANGE_GRANT in parsed(through)["grant_types_supported"]


def test_keys_are_theirs_and_ours(server: IdentityProvider, gate: Gate, issued: str) -> None:
    theirs, ours = (parsed(peer.get(server.endpoints["jwks"]))["keys"] for peer in (server.peer, gate.peer))
    assert ours[: len(theirs)] == theirs
    assert oidc.header_of(issued)["kid"] in [key["kid"] for key in ours[len(theirs) :]]


@pytest.mark.parametrize("way", ["right", "wrong password", "no such grant", "no client"])
def test_logins_pass(server: IdentityProvider, gate: Gate, way: str) -> None:
    changed = {
        "right": {}, "wrong password": {"password": "wrong"}, "no such grant": {"grant_type": "nonsense"},
        "no client": {"client_id": "nobody"},
    }[way]  # fmt: skip
    form = [(name, changed.get(name, value)) for name, value in server.login_form()]
    straight, through = (peer.form(server.endpoints["token"], form) for peer in (server.peer, gate.peer))
    assert through.status == straight.status
    assert through.header("content-type") == straight.header("content-type")
    if straight.status == 200:
        assert secrecy.note(parsed(through)).keys() == secrecy.note(parsed(straight)).keys()
    else:
        assert through.body == straight.body


@pytest.mark.parametrize("target", ["/", "/nothing/here", "/auth?client_id=x", "/dex/auth?client_id=x", "/session/end/success"])
def test_pages_pass(server: IdentityProvider, gate: Gate, target: str) -> None:
    straight, through = server.peer.get(target), gate.peer.get(target)
    assert through.status == straight.status
    # Pages draw nonces of their own.
    assert len(through.body) == len(straight.body)


def test_a_real_token_is_exchanged(server: IdentityProvider, gate: Gate, token: str, issued: str) -> None:
    keys = jwt.PyJWKSet.from_dict(parsed(gate.peer.get(server.endpoints["jwks"])))
    (key,) = [key for key in keys.keys if key.key_id == oidc.header_of(issued)["kid"]]
    claims = jwt.decode(issued, key, algorithms=["RS256"], audience=BACK_END.id, issuer=server.issuer)
    assert claims["sub"] == oidc.claims_of(token)["sub"]
    assert claims["azp"] == FRONT_END.id
    (line,) = [line for line in gate.audit() if line.get("issued_jti") == claims["jti"]]
    assert line["issuance"] == "mint"


def test_the_new_token_is_known_at_the_configured_paths(server: IdentityProvider, gate: Gate, issued: str) -> None:
    def ask(name: str, client: Client, about: str) -> http1.Answer:
        return gate.peer.form(server.endpoints[name], [*oidc.credentials(client), ("token", about)])

    told = parsed(ask("introspection", BACK_END, issued))
    assert (told["active"], told["iss"]) == (True, server.issuer)
    user = gate.peer.get(server.endpoints["userinfo"], oidc.bearer(issued))
    assert (user.status, parsed(user)["sub"]) == (200, oidc.claims_of(issued)["sub"])
    if "revocation" in server.endpoints:
        assert ask("revocation", FRONT_END, issued).status == 200
        assert parsed(ask("introspection", BACK_END, issued)) == {"active": False}
        # Everything that stands on the fixture needs a token that is good.
        assert exchange(server, gate, providers.login(server, gate.peer)).status == 200


def test_the_providers_own_token_is_the_providers_business(server: IdentityProvider, gate: Gate, token: str) -> None:
    form = [*oidc.credentials(FRONT_END), ("token", token)]
    straight, through = (peer.form(server.endpoints["introspection"], form) for peer in (server.peer, gate.peer))
    assert (through.status, through.body) == (straight.status, straight.body)


@pytest.mark.parametrize("case", ["another audience", "nobody's audience", "a scope", "another type", "forged"])
def test_what_nobody_permits_is_refused(server: IdentityProvider, gate: Gate, token: str, case: str) -> None:
    match case:
        case "another audience":
            answer = exchange(server, gate, token, "other-api")
        case "nobody's audience":
            answer = exchange(server, gate, token, "unknown-api")
        case "a scope":
            answer = exchange(server, gate, token, scope="profile")
        case "another type":
            other = oidc.ID_TOKEN if server.token_type == oidc.ACCESS_TOKEN else oidc.ACCESS_TOKEN
            answer = exchange(server, gate, token, subject_token_type=other)
        case _:
            head, body, signature = token.split(".")
            answer = exchange(server, gate, ".".join([head, body, signature[:-4] + "AAAA"]))
    assert 400 <= answer.status < 500, answer.text
    assert "access_token" not in answer.text
    assert gate.reason_of(answer)


@pytest.mark.parametrize(
    "spelling",
    ["/{0}", "{0}/", "{0}/x", "{0};a=b", "{0}.json", "{0}%00", "/x/..{0}", "/%2e{0}", "//x{0}", "{0}%2F", "{0}?x=y", "/;{0}"],
)
def test_another_spelling_of_the_token_endpoint_is_refused(
    server: IdentityProvider, gate: Gate, token: str, spelling: str
) -> None:
    form = oidc.exchange_form(FRONT_END, token, "other-api")
    target = spelling.format(server.endpoints["token"])
    assert gate.peer.form(target, form).status == 400
    login = server.login_form()
    expected = server.peer.form(target, login).status if spelling == "{0}?x=y" else 400
    assert gate.peer.form(target, login).status == expected


def test_a_client_is_believed_only_if_the_provider_tells_secrets_apart(
    server: IdentityProvider, gates: Gates, token: str
) -> None:
    """Nobody is registered: Cambio asks the introspection endpoint, and then asks about a secret that nobody has."""
    asking = setup(server, clientAuthentication={"unregistered": "upstream"})
    gate = gates.start(f"provider-asked-{server.name}", server.address, asking)
    try:
        answer = exchange(server, gate, token)
        wrong = exchange(server, gate, token, client_secret="wrong")
        if server.distrusted:
            status, why = server.distrusted
            assert (answer.status, wrong.status) == (status, status), f"{answer.text} {wrong.text}"
            assert why in gate.line_of(answer)["detail"]
        else:
            assert (answer.status, wrong.status) == (200, 401), f"{answer.text} {wrong.text}"
    finally:
        gate.stop()
