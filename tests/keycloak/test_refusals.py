"""A refusal explains itself: for each common cause, the audit line names what to change, and the caller gets the id."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

import names
import oidc
from admin import Admin
from foreign import External
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from process import poll
from realms import (
    ALICE,
    BRIEF,
    CAROL,
    FRONT_END,
    NO_EXCHANGE,
    PARTNER_APP,
    PETRA,
    STRANGER,
    UMA_API,
    Client,
)
from server import Keycloak


@dataclass(frozen=True)
class Fix:
    """What a refusal's audit line must say."""

    reason: str
    detail: tuple[str, ...]


@pytest.fixture(scope="module")
def external(externals: dict[str, External]) -> External:
    return externals["abroad"]


@pytest.fixture(scope="module")
def gate(keycloak: Keycloak, gates: Gates, external: External) -> Iterator[Gate]:
    clients = ["front-end-app", "no-exchange-app", "unheard-of-app"]
    given = permission(*clients, issuance="reissue")
    audiences = {
        "back-end-api": audience("back-end-api", given),
        # Keycloak has no such client.
        "ghost-api": audience("ghost-api", given),
        # For foreign tokens.
        "other-api": audience(
            "other-api", permission("front-end-app", issuers=[external.name], issuance="translate")
        ),
        "next-api": audience("next-api", permission("uma-api", issuance="mint")),
        "uma-api": audience("uma-api", {**permission("front-end-app", issuance="mint"), "delegation": {}}),
        # These are no clients of Keycloak: Cambio mints for them.
        "gold-api": ruled("gold-api", condition="claims.acr == '9'"),
        "typo-api": ruled("typo-api", condition="claims.acre == '1'"),
        "ended-api": ruled("ended-api", expires="2020-01-01"),
    }
    gate = gates.start("refusals", keycloak.address, Setup(audiences, externals=[external]))
    yield gate
    gate.stop()


def ruled(name: str, **rule: str) -> dict:
    return audience(name, permission("front-end-app", issuance="mint", **rule))


@pytest.fixture(scope="module")
def token(gate: Gate) -> str:
    return oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]


def told(gate: Gate, answer: Answer, fix: Fix) -> None:
    """The caller gets a refusal with an id; the line with this id names the cause and what to change."""
    assert answer.status >= 400, answer.text
    line = gate.line_of(answer)
    assert line[names.AUDIT_REASON] == fix.reason, line
    for part in fix.detail:
        assert part in line["detail"], f"{part!r} is not in {line['detail']!r}"


def exchange(
    gate: Gate, token: str, to: str = "back-end-api", client: Client = FRONT_END, **more: str
) -> Answer:
    return oidc.exchange(gate.peer, client, token, to, **more)


# What the client asks, and what the line says. Each of these requests is about alice's token.
OF_REQUESTS: list[tuple[str, dict, Fix]] = [
    (
        "a scope that is not permitted",
        {"scope": "emial"},
        Fix("scope_not_permitted", ("add [emial]", "did you mean email?", "owner back-end-api-team")),
    ),
    (
        "an audience that is misspelt",
        {"to": "back-end-ap"},
        Fix("audience_unknown", ("add a file with audience: back-end-ap", "did you mean back-end-api?")),
    ),
    (
        "an audience that Keycloak does not have",
        {"to": "ghost-api"},
        Fix("upstream_refused", ('400 invalid_client, "Audience not found"', "no client ghost-api", "create the client")),
    ),
    (
        "a wrong secret",
        {"client": replace(FRONT_END, secret="wrong")},
        Fix("upstream_refused", ("401 unauthorized_client", "no client front-end-app", "credentials are wrong")),
    ),
    (
        "a client that nobody knows",
        {"client": Client("unheard-of-app", "a secret of nobody")},
        Fix("upstream_refused", ("401 invalid_client", "no client unheard-of-app")),
    ),
    (
        "a client that is not in the token's aud",
        {"client": STRANGER},
        Fix("subject_token_audience", ("client stranger-app", "azp", '"front-end-app"', "Audience mapper")),
    ),
    (
        "a wrong secret where Cambio mints",
        {"to": "uma-api", "client": replace(FRONT_END, secret="wrong")},
        Fix("client_unauthenticated", ("credentials of \"front-end-app\"", "has this secret or key")),
    ),
    (
        "a condition that is not met",
        {"to": "gold-api"},
        Fix("condition_not_met", ("permissions[0]", "claims.acr == '9'", "owner gold-api-team")),
    ),
    (
        "a condition about a claim that the token does not have",
        {"to": "typo-api"},
        Fix("condition_failed", ("permissions[0]", "acre", "owner typo-api-team")),
    ),
    (
        "a permission that ended",
        {"to": "ended-api"},
        Fix("permission_expired", ("permissions[0]", "2020-01-01", "owner ended-api-team")),
    ),
    (
        "an actor token without a type",
        {"to": "uma-api", "actor_token": "x"},
        Fix("actor_token_incomplete", ("actor_token_type",)),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "asked", "fix"), OF_REQUESTS, ids=[name for name, *_ in OF_REQUESTS])
def test_the_line_names_what_to_change(gate: Gate, token: str, name: str, asked: dict, fix: Fix) -> None:
    told(gate, exchange(gate, token, **asked), fix)


def test_a_user_without_a_role(gate: Gate) -> None:
    carols = oidc.login(gate.peer, FRONT_END, CAROL)["access_token"]
    fix = Fix(
        "upstream_refused",
        ("Requested audience not available", "a role of back-end-api", "Full scope allowed"),
    )
    told(gate, exchange(gate, carols), fix)


def test_standard_token_exchange_is_switched_off(gate: Gate) -> None:
    own = oidc.login(gate.peer, NO_EXCHANGE, ALICE)["access_token"]
    fix = Fix("upstream_refused", ("switch on Standard token exchange", "no-exchange-app"))
    told(gate, exchange(gate, own, client=NO_EXCHANGE), fix)


def test_a_refresh_token_as_subject_token(gate: Gate) -> None:
    refresh = oidc.login(gate.peer, FRONT_END, ALICE)["refresh_token"]
    fix = Fix(
        "subject_token_algorithm", ("HS512", "realms.corp.algorithms", "RS256", "it is a refresh token")
    )
    told(gate, exchange(gate, refresh), fix)


def test_a_token_of_a_realm_that_is_not_trusted(gate: Gate) -> None:
    petras = oidc.login(gate.peer, PARTNER_APP, PETRA, realm="partner")["access_token"]
    fix = Fix(
        "subject_token_issuer_untrusted", ("/realms/partner", "add partner to realms.corp.subjectIssuers")
    )
    told(gate, exchange(gate, petras), fix)


def test_an_issuer_of_another_name(keycloak: Keycloak, gates: Gates) -> None:
    audiences = {"back-end-api": audience("back-end-api", permission("front-end-app"))}
    gate = gates.start("refusals-issuer", keycloak.address, Setup(audiences))
    try:
        issuer = gate.peer.issuer("corp")
        elsewhere = issuer.replace("127.0.0.1", "localhost")
        gate.reconfigure(realm={"issuer": elsewhere})
        alices = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
        fix = Fix(
            "subject_token_issuer_untrusted", (f'"{elsewhere}"', f'"{issuer}"', "correct realms.corp.issuer")
        )
        told(gate, exchange(gate, alices), fix)
    finally:
        gate.stop()


def test_a_foreign_token_for_somebody_else(gate: Gate, external: External) -> None:
    elsewhere = external.genuine(gate.peer.issuer("corp")).resigned(aud="https://elsewhere.test")
    fix = Fix(
        "subject_token_audience",
        (
            'aud is ["https://elsewhere.test"]',
            gate.peer.issuer("corp"),
            f"issuers.{external.name}.issuer.audiences",
        ),
    )
    told(gate, exchange(gate, elsewhere, "other-api"), fix)


def test_a_foreign_user_who_is_not_linked(gate: Gate, external: External) -> None:
    nobody = external.genuine(gate.peer.issuer("corp")).resigned(sub="nobody-is-linked-to-me", jti="unlinked")
    fix = Fix("grant_refused", ("invalid_grant", "User not found", "link the user"))
    told(gate, exchange(gate, nobody, "other-api"), fix)


def test_no_permission_for_the_client(gate: Gate) -> None:
    own = oidc.login(gate.peer, STRANGER, ALICE)["access_token"]
    fix = Fix(
        "client_not_permitted", ("owner back-end-api-team", "add a permission with clients: [stranger-app]")
    )
    told(gate, exchange(gate, own, client=STRANGER), fix)


def test_an_expired_token(gate: Gate, external: External) -> None:
    past = int(time.time()) - 20
    expired = external.genuine(gate.peer.issuer("corp")).resigned(iat=past - 60, exp=past, jti="expired")
    fix = Fix("subject_token_expired", ("the token expired 2", "s ago"))
    told(gate, exchange(gate, expired, "other-api"), fix)


def test_a_token_that_expired_within_the_leeway(gate: Gate) -> None:
    """Cambio's clock may be wrong by ten seconds; Keycloak takes its own for right."""
    brief = oidc.login(gate.peer, BRIEF, ALICE)["access_token"]
    expiry = oidc.claims_of(brief)["exp"]
    poll("the brief token has expired", lambda: time.time() > expiry + 1, deadline=10)
    told(gate, exchange(gate, brief), Fix("upstream_refused", ("Invalid token", "expired")))


def test_an_exchanged_token_again(gate: Gate, token: str) -> None:
    answer = exchange(gate, token, "uma-api")
    assert answer.status == 200, answer.text
    ours = json.loads(answer.body)["access_token"]
    fix = Fix("subject_token_ours", ("exchangedTokens",))
    told(gate, exchange(gate, ours, "next-api", UMA_API), fix)


def test_an_assertion_that_was_used(gate: Gate, external: External, keycloak: Keycloak) -> None:
    """Keycloak takes a `jti` once, unless its identity provider allows the assertion to be used again."""
    admin = Admin(keycloak.peer())
    path = f"/corp/identity-provider/instances/{external.name}"
    usual = admin.read(path)
    switch = {"jwtAuthorizationGrantAssertionReuseAllowed": "false"}
    admin.must("PUT", path, {**usual, "config": {**usual["config"], **switch}})
    try:
        once = external.genuine(gate.peer.issuer("corp")).resigned(jti="once")
        assert exchange(gate, once, "other-api").status == 200
        fix = Fix("grant_refused", ("Token reuse", "get a new subject token", "allow assertion reuse"))
        told(gate, exchange(gate, once, "other-api"), fix)
    finally:
        admin.must("PUT", path, usual)
