"""The differential run in front of servers that are not Keycloak: one that others wrote, and one that reads whatever any
reader could read. Keycloak's run is test_differentials.py; the question is the same."""

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


@pytest.fixture(scope="module", params=PROGRAMS)
def elsewhere(request: pytest.FixtureRequest, run: Path) -> Iterator[Elsewhere]:
    server = Elsewhere(request.param, run)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def gate(elsewhere: Elsewhere, gates: Gates) -> Iterator[Gate]:
    audiences = {
        "back-end-api": audience("back-end-api", permission("front-end-app"), issuance="forward"),
        "other-api": audience("other-api", permission("stranger-app"), issuance="forward"),
    }
    setup = Setup(audiences, realms={"corp": {}}, public=HOST)
    made = gates.start(f"elsewhere-{elsewhere.name}", elsewhere.address, setup)
    yield made
    made.stop()


def performed(outcomes: list[Outcome]) -> list[str]:
    return [outcome.shape.name for outcome in outcomes if outcome.performed]


def test_the_permitted_exchange_is_performed_there(elsewhere: Elsewhere, gate: Gate) -> None:
    """So that it is known what the rest would look like."""
    elsewhere.forget()
    answer = oidc.exchange(gate.peer, FRONT_END, elsewhere.subject_token(), "back-end-api")
    assert answer.status == 200, f"{answer.text} {gate.audit()[-1]}"
    secrecy.note(parsed(answer))
    (exchange,) = elsewhere.performed()
    assert exchange.startswith("back-end-api")


@pytest.mark.timeout(LIMIT)
def test_no_shape_of_a_forbidden_exchange_is_performed_there(
    elsewhere: Elsewhere, gate: Gate, measured: Callable[[str], None]
) -> None:
    token = elsewhere.subject_token()
    begun = time.monotonic()
    straight = performed(ask_all(by_h1, elsewhere.address, shapes.h1_shapes(HOST, token)))
    asked = 0
    for by, make in (
        (by_h1, shapes.h1_shapes),
        (by_h2, shapes.h2_shapes),
        (by_h1, shapes.wide_h1_shapes),
        (by_h2, shapes.wide_h2_shapes),
    ):
        all_shapes = make(gate.authority, token)
        assert_none_performed(by, gate.peer, elsewhere, all_shapes)
        asked += len(all_shapes)
    seconds = time.monotonic() - begun
    measured(
        f"{elsewhere.name}: {asked} shapes; asked straight, it performs {len(straight)} of the first; {seconds:.0f} s"
    )
    assert asked >= 10_000
    assert len(straight) > 100, "the generator is dead: the server performs too few of its shapes"
    assert gate.running
