"""Requested types, several audiences and resources, and scopes, of an exchange as RFC 8693 has it, at a real Keycloak."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import oidc
import pages
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from oidc import ACCESS_TOKEN, ID_TOKEN, JWT, REFRESH_TOKEN, SAML2
from peer import parsed
from realms import ALICE, FRONT_END
from server import Keycloak

API, OTHER = "https://api.example.test", "https://other.example.test/v1"
# What no owner of the realm lists need not be looked at.
REFUSED_TYPE = {
    "requested_token_type_not_permitted",
    "requested_token_type_unsupported",
    "refresh_token_refused",
}
# Keycloak's refresh tokens are what ours stand for, so the realm's own users have them where Keycloak takes part.
TYPES = {
    "reissue": ["access_token", "id_token", "refresh_token", "jwt"],
    "mint": ["access_token", "id_token", "jwt"],
}


@pytest.fixture(scope="module")
def make(keycloak: Keycloak, gates: Gates, tmp_path_factory) -> Callable[..., Gate]:
    def start(name: str, *permissions: dict, dialect: str = "rfc8693", issuance: str = "reissue") -> Gate:
        seal: Path = tmp_path_factory.mktemp(name) / "seal.key"
        audiences = {
            client: audience(client, *permissions, resources=[resource], issuance=issuance)
            for client, resource in (("back-end-api", API), ("other-api", OTHER))
        }
        realm = {"dialect": dialect, "refreshTokens": gates.seal_key(seal)}
        return gates.start(name, keycloak.address, Setup(audiences, realm=realm))

    return start


@pytest.fixture(scope="module", params=TYPES)
def gate(request: pytest.FixtureRequest, make: Callable[..., Gate]) -> Iterator[Gate]:
    """front-end-app may have all that this issuance can give, for two audiences."""
    granted = permission("front-end-app", requestedTokens=TYPES[request.param])
    started = make(f"types-{request.param}", granted, issuance=request.param)
    started.issuance = request.param
    yield started
    started.stop()


@pytest.fixture
def subject(gate: Gate) -> str:
    return login(gate)


def login(gate: Gate, scope: str = "openid email profile") -> str:
    return pages.token(gate.peer, "corp", FRONT_END, ALICE, scope)["access_token"]


def ask(gate: Gate, token: str, *pairs: tuple[str, str], audience: str | None = "back-end-api") -> Answer:
    """An exchange with these further pairs, of which several may have one name."""
    form = [*oidc.exchange_form(FRONT_END, token, audience), *pairs]
    return pages.noted(gate.peer.form(oidc.endpoint("corp"), form))


def issued(gate: Gate, answer: Answer) -> dict:
    assert answer.status == 200, f"{answer.text} {gate.audit()[-1]}"
    return oidc.claims_of(parsed(answer)["access_token"])


def scope_of(claims: dict) -> set[str]:
    return set(claims.get("scope", "").split())


def target(answer: Answer) -> tuple[int, str | None]:
    status, error, description = pages.told(answer)
    assert set(description or "") <= pages.DESCRIPTION
    return status, error


# --- Requested types (RFC 8693 sections 2.1, 2.2.1 and 3).


@pytest.mark.parametrize(
    ("wanted", "token_type", "typ", "companion"),
    [
        (ACCESS_TOKEN, "Bearer", "Bearer", False),
        (JWT, "Bearer", "Bearer", False),
        (REFRESH_TOKEN, "Bearer", "Bearer", True),
        (ID_TOKEN, "N_A", "ID", False),
    ],
    ids=lambda value: str(value).rsplit(":", 1)[-1],
)
def test_each_requested_type(
    gate: Gate, subject: str, wanted: str, token_type: str, typ: str, companion: bool
) -> None:
    answer = ask(gate, subject, ("requested_token_type", wanted))
    if wanted.rsplit(":", 1)[-1] not in TYPES[gate.issuance]:
        assert target(answer)[0] == 400
        assert gate.reason_of(answer) == "refresh_token_refused"
        return
    claims = issued(gate, answer)
    body = parsed(answer)
    assert (body["issued_token_type"], body["token_type"]) == (wanted, token_type)
    assert claims["typ"] == typ
    assert ("refresh_token" in body) is companion
    assert body["expires_in"] > 0
    assert answer.header("Cache-Control")


def test_without_a_type_it_is_an_access_token(gate: Gate, subject: str) -> None:
    answer = ask(gate, subject)
    assert issued(gate, answer)["typ"] == "Bearer"
    assert parsed(answer)["issued_token_type"] == ACCESS_TOKEN


def test_a_jwt_is_the_access_token(gate: Gate, subject: str) -> None:
    """By another name: for its audience, with its roles."""
    claims = issued(gate, ask(gate, subject, ("requested_token_type", JWT)))
    assert (claims["aud"], claims["resource_access"]) == (
        "back-end-api",
        {"back-end-api": {"roles": ["backend_user"]}},
    )


@pytest.mark.parametrize("wanted", [SAML2, "urn:example:token", ""])
def test_a_type_that_nobody_makes(gate: Gate, subject: str, wanted: str) -> None:
    answer = ask(gate, subject, ("requested_token_type", wanted))
    assert not oidc.is_exchange_success(answer) or wanted == ""
    if wanted:
        assert target(answer) == (400, "invalid_request")


def test_a_type_that_the_owner_does_not_list(make: Callable[..., Gate]) -> None:
    gate = make("types-access-only", permission("front-end-app"), issuance="mint")
    token = login(gate)
    for wanted in (ID_TOKEN, JWT, REFRESH_TOKEN):
        answer = ask(gate, token, ("requested_token_type", wanted))
        assert not oidc.is_exchange_success(answer)
        assert gate.reason_of(answer) in REFUSED_TYPE
    gate.stop()


# --- Several audiences and resources (sections 2.1 and 2.2.2).


@pytest.mark.parametrize(
    ("name", "audience", "pairs", "expected"),
    [
        ("an audience", "back-end-api", [], {"back-end-api"}),
        ("two audiences", "back-end-api", [("audience", "other-api")], {"back-end-api", "other-api"}),
        ("a resource", None, [("resource", API)], {"back-end-api"}),
        ("two resources", None, [("resource", API), ("resource", OTHER)], {"back-end-api", "other-api"}),
        ("an audience and a resource", "back-end-api", [("resource", OTHER)], {"back-end-api", "other-api"}),
        ("one by both names", "back-end-api", [("resource", API)], {"back-end-api"}),
    ],
)  # fmt: skip
def test_every_target_is_in_the_token(
    gate: Gate, subject: str, name: str, audience, pairs: list, expected: set
) -> None:
    answer = ask(gate, subject, *pairs, audience=audience)
    claims = issued(gate, answer)
    found = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    assert (set(found), len(found)) == (expected, len(expected))
    assert set(claims["resource_access"]) == expected
    assert oidc.realm_roles(parsed(answer)["access_token"]) == set()


@pytest.mark.parametrize(
    ("name", "audience", "pairs"),
    [
        ("an audience that nobody has", "nobody-api", []),
        ("a second one that nobody has", "back-end-api", [("audience", "nobody-api")]),
        ("a first one that nobody has", "nobody-api", [("audience", "back-end-api")]),
        ("a resource that nobody has", None, [("resource", "https://nobody.example.test")]),
        ("a second resource that nobody has", "back-end-api", [("resource", "https://nobody.example.test")]),
        ("a resource that is no URI", "back-end-api", [("resource", "not a uri")]),
        ("a resource with a fragment", "back-end-api", [("resource", f"{API}#part")]),
    ],
)
def test_one_bad_target_spoils_the_rest(gate: Gate, subject: str, name: str, audience, pairs: list) -> None:
    answer = ask(gate, subject, *pairs, audience=audience)
    assert target(answer) == (400, "invalid_target")


def test_a_target_that_is_not_permitted(make: Callable[..., Gate]) -> None:
    """Told like one that nobody has: what there is, is no caller's business."""
    gate = make("types-strangers", permission("stranger-app"))
    token = login(gate)
    for pairs in ([], [("audience", "other-api")], [("resource", OTHER)]):
        assert target(ask(gate, token, *pairs)) == (400, "invalid_target")
    assert gate.reason_of(ask(gate, token)) == "client_not_permitted"
    gate.stop()


def test_without_a_target_it_is_for_the_client_itself(gate: Gate, subject: str) -> None:
    """For which nobody has written a file here."""
    assert target(ask(gate, subject, audience=None)) == (400, "invalid_target")


# --- Scopes.


@pytest.mark.parametrize("scope", ["email", "profile", "email profile", "openid email profile"])
def test_a_scope_is_narrowed(gate: Gate, subject: str, scope: str) -> None:
    answer = ask(gate, subject, ("scope", scope))
    assert scope_of(issued(gate, answer)) == set(scope.split())
    if "scope" in parsed(answer):
        assert set(parsed(answer)["scope"].split()) == set(scope.split())


@pytest.mark.parametrize("scope", ["address", "email address", "email no-such-scope"])
def test_a_scope_beyond_the_permission(gate: Gate, subject: str, scope: str) -> None:
    answer = ask(gate, subject, ("scope", scope))
    assert target(answer) == (400, "invalid_scope")
    assert gate.reason_of(answer) == "scope_not_permitted"


@pytest.mark.parametrize("issuance", TYPES)
def test_a_scope_is_widened_only_where_the_permission_names_it(
    make: Callable[..., Gate], issuance: str
) -> None:
    """`"*"` means what the subject token has."""
    named = make(
        f"scopes-named-{issuance}", permission("front-end-app", scopes=["email", "phone"]), issuance=issuance
    )
    wide = make(f"scopes-any-{issuance}", permission("front-end-app", scopes=["*"]), issuance=issuance)
    for gate in (named, wide):
        token = login(gate, "openid")
        assert "phone" not in scope_of(oidc.claims_of(token))
        answer = ask(gate, token, ("scope", "phone"))
        if gate is named:
            assert scope_of(issued(gate, answer)) == {"phone"}
        else:
            assert target(answer) == (400, "invalid_scope")
            assert scope_of(issued(gate, ask(gate, token))) <= scope_of(oidc.claims_of(token))
        gate.stop()


# --- offline_access.


def test_offline_access_where_it_is_permitted(make: Callable[..., Gate]) -> None:
    """Keycloak gives no offline session in an exchange; test_seed_terradue_offline.py has those that Cambio mints."""
    kinds = ["access_token", "refresh_token"]
    granted = permission("front-end-app", scopes=["email", "offline_access"], requestedTokens=kinds)
    gate = make("offline-permitted", granted)
    answer = ask(gate, login(gate), ("scope", "email offline_access"))
    issued(gate, answer)
    assert "refresh_token" not in parsed(answer)
    refused = ask(gate, login(gate), ("scope", "email offline_access"), ("requested_token_type", REFRESH_TOKEN))
    assert refused.status == 400 and "refresh_token" not in parsed(refused), refused.text
    gate.stop()


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [("rfc8693", (400, "invalid_scope")), ("keycloak", (400, "not_allowed"))],
)
@pytest.mark.parametrize("scopes", [["email"], ["*"]], ids=["not named", "everything"])
def test_offline_access_where_it_is_not(
    make: Callable[..., Gate], dialect: str, expected: tuple, scopes: list
) -> None:
    gate = make(
        f"offline-{dialect}-{len(scopes[0])}", permission("front-end-app", scopes=scopes), dialect=dialect
    )
    # A login that has it itself gives none on.
    for scope in ("openid", "openid offline_access"):
        answer = ask(gate, login(gate, scope), ("scope", "email offline_access"))
        assert target(answer) == expected, answer.text
    gate.stop()


@pytest.mark.parametrize("dialect", ["terradue", "pace", "forgerock"])
def test_offline_access_is_dropped_where_the_page_has_it_so(make: Callable[..., Gate], dialect: str) -> None:
    # ForgeRock's tokens say who may act.
    delegation = {"delegation": {"withoutMayAct": True, "condition": "true"}} if dialect == "forgerock" else {}
    granted = permission("front-end-app", scopes=["email"], **delegation)
    gate = make(f"offline-{dialect}", granted, dialect=dialect, issuance="mint")
    extra = [("subject_issuer", gate.peer.issuer("corp"))] if dialect == "pace" else []
    answer = ask(gate, login(gate), ("scope", "email offline_access"), *extra)
    if dialect == "pace":
        # Its tokens are for the host, so ours is none of them.
        assert not oidc.is_exchange_success(answer)
    else:
        assert scope_of(issued(gate, answer)) == {"email"}
        assert not parsed(answer).get("refresh_token")
    gate.stop()
