"""The differential run in front of servers that are not Keycloak: one that others wrote, and one that reads whatever any
reader could read; each below Keycloak's paths, and at the root of its host under `realms.*.endpoints`. Keycloak's run is
test_differentials.py; the question is the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import oidc
import secrecy
import shapes
from differential import Outcome, ask_all, assert_none_performed, by_h1, by_h2
from elsewhere import HOST, PROGRAMS, Elsewhere
from gate import Gate, Gates, Setup, audience, permission
from peer import parsed
from realms import FRONT_END

# Seconds for all the shapes in front of one server.
LIMIT = 60


@pytest.fixture(scope="module", params=[(name, root) for root in (False, True) for name in PROGRAMS], ids=str)
def elsewhere(request: pytest.FixtureRequest, run: Path) -> Iterator[Elsewhere]:
    name, root = request.param
    folder = run / f"elsewhere-{'root' if root else 'keycloak'}"
    folder.mkdir(exist_ok=True)
    server = Elsewhere(name, folder, root)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def gate(elsewhere: Elsewhere, gates: Gates) -> Iterator[Gate]:
    issuance = "mint" if elsewhere.root else "forward"
    audiences = {
        "back-end-api": audience("back-end-api", permission("front-end-app"), issuance=issuance),
        "other-api": audience("other-api", permission("stranger-app"), issuance=issuance),
    }
    realm = at_root(elsewhere, gates) if elsewhere.root else {}
    made = gates.start(f"elsewhere-{elsewhere.name}", elsewhere.address, Setup(audiences, realms={"corp": realm}, public=HOST))
    yield made
    made.stop()


def at_root(elsewhere: Elsewhere, gates: Gates) -> dict:
    """The realm's section for a server that is not at Keycloak's paths: Cambio knows the client itself."""
    secret = [{"method": "client_secret", "secretHash": gates.hash_secret(FRONT_END.secret or "")}]
    return {
        "issuer": elsewhere.issuer,
        "dialect": "rfc8693",
        "endpoints": {"token": elsewhere.token_path, "jwks": elsewhere.certs_path},
        "clients": {FRONT_END.id: secret},
    }


def performed(outcomes: list[Outcome]) -> list[str]:
    return [outcome.shape.name for outcome in outcomes if outcome.performed]


def test_the_permitted_exchange_is_performed_there(elsewhere: Elsewhere, gate: Gate) -> None:
    """So that it is known what the rest would look like."""
    elsewhere.forget()
    form = oidc.exchange_form(FRONT_END, elsewhere.subject_token(), "back-end-api")
    answer = gate.peer.form(elsewhere.token_path, form)
    assert answer.status == 200, f"{answer.text} {gate.audit()[-1]}"
    secrecy.note(parsed(answer))
    if elsewhere.root:
        assert elsewhere.performed() == [], "Cambio makes the token alone"
    else:
        (exchange,) = elsewhere.performed()
        assert exchange.startswith("back-end-api")


@pytest.mark.timeout(LIMIT)
def test_no_shape_of_a_forbidden_exchange_is_performed_there(
    elsewhere: Elsewhere, gate: Gate, measured: Callable[[str], None]
) -> None:
    token = elsewhere.subject_token()
    begun = time.monotonic()
    straight = performed(ask_all(by_h1, elsewhere.address, shapes.h1_shapes(HOST, token, elsewhere.token_path)))
    asked = 0
    for by, make in (
        (by_h1, shapes.h1_shapes),
        (by_h2, shapes.h2_shapes),
        (by_h1, shapes.wide_h1_shapes),
        (by_h2, shapes.wide_h2_shapes),
    ):
        all_shapes = make(gate.authority, token, elsewhere.token_path)
        assert_none_performed(by, gate.peer, elsewhere, all_shapes)
        asked += len(all_shapes)
    seconds = time.monotonic() - begun
    measured(
        f"{elsewhere.name} at {elsewhere.token_path}: {asked} shapes; asked straight, it performs {len(straight)} of the first; {seconds:.0f} s"
    )
    assert asked >= 10_000
    assert len(straight) > 100, "the generator is dead: the server performs too few of its shapes"
    assert gate.running
