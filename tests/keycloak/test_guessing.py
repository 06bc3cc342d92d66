"""Guesses at a client's secret: Keycloak counts none, and Cambio locks the guesser out and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

import forgery
import names
import oidc
from gate import Gate, Gates, Setup, audience, permission
from peer import Peer, parsed
from realms import ALICE, FRONT_END, Client
from server import Keycloak

GUESSER, OWN = "203.0.113.66", "203.0.113.1"
REGISTRY = {
    "front-end-app": [{"method": "client_secret", "secretHash": forgery.sha256(FRONT_END.secret or "")}]
}
# Who authenticates front-end-app, and who issues.
WAYS = {
    "registered, minted": ({"clients": REGISTRY}, "mint"),
    "registered, reissued": ({"clients": REGISTRY}, "reissue"),
    "Keycloak is asked, minted": ({}, "mint"),
    "Keycloak judges in the exchange": ({}, "reissue"),
}


@pytest.fixture(params=WAYS)
def guarded(request: pytest.FixtureRequest, keycloak: Keycloak, gates: Gates) -> Iterator[Gate]:
    realm, issuance = WAYS[request.param]
    setup = Setup(
        {"back-end-api": audience("back-end-api", permission("front-end-app"), issuance=issuance)},
        realm={"clientLockout": {"wrongSecrets": 5, "longest": "1h"}, **realm},
        listen={"trustedProxies": ["127.0.0.1"]},
    )
    gate = gates.start("guessing", keycloak.address, setup)
    yield gate
    gate.stop()


def called_from(peer: Peer, address: str) -> Peer:
    return replace(peer, added=(("X-Forwarded-For", address),))


def test_keycloak_counts_no_wrong_client_secrets(direct: Peer) -> None:
    token = oidc.login(direct, FRONT_END, ALICE)["access_token"]
    for number in range(40):
        answer = oidc.exchange(direct, Client(FRONT_END.id, f"guess-{number}"), token, "back-end-api")
        assert answer.status == 401, answer.text
    assert oidc.exchange(direct, FRONT_END, token, "back-end-api").status == 200


def test_the_guesser_is_locked_out_and_logins_pass(guarded: Gate) -> None:
    guesser, own = called_from(guarded.peer, GUESSER), called_from(guarded.peer, OWN)
    token = oidc.login(own, FRONT_END, ALICE)["access_token"]
    for number in range(5):
        answer = oidc.exchange(guesser, Client(FRONT_END.id, f"guess-{number}"), token, "back-end-api")
        assert answer.status == 401, answer.text
    for secret in (FRONT_END.secret, "guess-5"):
        answer = oidc.exchange(guesser, Client(FRONT_END.id, secret), token, "back-end-api")
        assert (answer.status, parsed(answer)["error"]) == (429, "temporarily_unavailable"), answer.text
        assert answer.header("retry-after") == "1"
        assert guarded.line_of(answer)[names.AUDIT_REASON] == "client_locked_out"
    # The client itself goes on, and what only passes passes, from the guesser's address as well.
    assert oidc.exchange(own, FRONT_END, token, "back-end-api").status == 200
    oidc.login(guesser, FRONT_END, ALICE)
    assert guesser.get("/realms/corp/account").status < 400
    assert guesser.get("/realms/corp/.well-known/openid-configuration").status == 200
