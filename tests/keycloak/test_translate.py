"""`translate`: what only Keycloak's part in it brings, its refusals and its two calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

import forgery
import names
import oidc
import proofs
import realms
import upstreams
from admin import Admin
from differences import told
from foreign import External
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from peer import parsed
from realms import FRONT_END, STRANGER, Client
from server import Keycloak
from upstreams import Script, Scripted

TOKEN = oidc.endpoint("corp")
CLIENTS = ["front-end-app", "stranger-app", "translating-key-app"]


@pytest.fixture
def make(keycloak: Keycloak, gates: Gates, externals: dict[str, External]) -> Iterator[Callable[..., Gate]]:
    """A gate that translates, for all of CLIENTS, perhaps by way of something that stands before Keycloak."""
    made: list[Gate] = []

    def start(upstream: tuple[str, int] | None = None, **more: object) -> Gate:
        granted = permission(*CLIENTS, issuers=list(externals), issuance="translate")
        setup = Setup(
            {"back-end-api": audience("back-end-api", granted, **more)}, externals=list(externals.values())
        )
        made.append(gates.start("translate", upstream or keycloak.address, setup))
        return made[-1]

    yield start
    for gate in made:
        gate.stop()


@pytest.fixture
def watched(keycloak: Keycloak) -> Iterator[tuple[tuple[str, int], Script]]:
    with upstreams.scripted(keycloak.address) as (address, script):
        yield address, script


def exchange(gate: Gate, token: str, client: Client = FRONT_END, **more: str) -> Answer:
    return oidc.exchange(gate.peer, client, token, "back-end-api", **more)


def test_two_calls_make_one_exchange(
    make, watched: tuple[tuple[str, int], Script], external: External
) -> None:
    address, script = watched
    gate = make(address)
    answer = exchange(gate, external.token(gate.peer.issuer("corp")))
    assert answer.status == 200, f"{told(answer)} {gate.audit()[-1]}"
    assert script.asked[TOKEN] == 2
    (line,) = gate.audit()
    assert line[names.AUDIT_ISSUANCE] == "translate"


def test_a_refused_exchange_asks_keycloak_about_the_client_alone(
    make, watched: tuple[tuple[str, int], Script], external: External
) -> None:
    """Only an authentic client is told why."""
    address, script = watched
    gate = make(address)
    refused = exchange(
        gate, external.genuine(gate.peer.issuer("corp")).resigned(aud="https://elsewhere.test")
    )
    assert refused.status == 403
    assert script.asked[TOKEN] == 1


def test_a_subject_that_nobody_at_corp_is_linked_to_is_refused_by_keycloak(make, external: External) -> None:
    gate = make()
    answer = exchange(gate, external.genuine(gate.peer.issuer("corp")).resigned(sub="nobody"))
    assert not oidc.is_exchange_success(answer)
    assert gate.reason_of(answer) == "grant_refused"


def test_a_client_that_keycloak_lets_bring_no_assertion_is_refused_by_it(make, external: External) -> None:
    gate = make()
    answer = exchange(gate, external.token(gate.peer.issuer("corp")), STRANGER)
    assert not oidc.is_exchange_success(answer)
    assert gate.reason_of(answer) == "grant_refused"


@pytest.fixture(scope="module")
def key(keycloak: Keycloak) -> EllipticCurvePrivateKey:
    """By which translating-key-app authenticates."""
    made = proofs.new_key()
    jwks = json.dumps({"keys": [forgery.public_jwk(made, "k")]})
    Admin(keycloak.peer()).create_client("corp", realms.by_key("translating-key-app", jwks))
    return made


def test_an_assertion_pays_for_one_call_only(make, external: External, key: EllipticCurvePrivateKey) -> None:
    """`translate` needs two, and says so to an authentic client: the assertion is spent for that."""
    gate = make()
    issuer = gate.peer.issuer("corp")
    assertion = proofs.client_assertion("translating-key-app", key, issuer, header={"kid": "k"})
    form = [
        ("grant_type", oidc.EXCHANGE_GRANT),
        ("subject_token", external.token(issuer)),
        ("subject_token_type", oidc.ACCESS_TOKEN),
        ("audience", "back-end-api"),
        *assertion,
    ]
    answer = gate.peer.form(TOKEN, form)
    assert not oidc.is_exchange_success(answer)
    assert gate.reason_of(answer) == "credentials_single_use"
    login = [("grant_type", "password"), ("username", realms.ALICE.name), ("password", realms.ALICE.password)]
    assert gate.peer.form(TOKEN, [*login, *assertion]).status == 400
    forged = proofs.client_assertion("translating-key-app", proofs.new_key(), issuer, header={"kid": "k"})
    answer = gate.peer.form(TOKEN, [*form[:4], *forged])
    assert answer.status in (400, 401)
    assert gate.audit()[-1]["reason"] != "credentials_single_use", "a stranger is not told"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("nonsense", Scripted(200, "text/html", b"<html>busy</html>")),
        ("no token", Scripted(200, "application/json", b"{}")),
        ("an opaque token", Scripted(200, "application/json", b'{"access_token":"x","token_type":"Bearer"}')),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_garbage_from_upstream_is_its_fault(
    make, watched: tuple[tuple[str, int], Script], external: External, name: str, answer: Scripted
) -> None:
    address, script = watched
    gate = make(address)
    foreign = external.token(gate.peer.issuer("corp"))
    script.answers[TOKEN] = answer
    refused = exchange(gate, foreign)
    assert refused.status >= 500, told(refused)
    assert not oidc.is_exchange_success(refused)


def test_the_intermediate_token_never_leaves(
    make, watched: tuple[tuple[str, int], Script], external: External
) -> None:
    """The first call's token has all of alice's roles in every client."""
    gate = make(watched[0])
    answer = exchange(gate, external.token(gate.peer.issuer("corp")))
    body = parsed(answer)
    assert set(body) <= {"access_token", "issued_token_type", "token_type", "expires_in", "scope", "not-before-policy", "refresh_expires_in", "session_state"}  # fmt: skip
    assert set(oidc.client_roles(body["access_token"])) == {"back-end-api"}
    assert not oidc.claims_of(body["access_token"])["jti"].startswith("trrtag")
