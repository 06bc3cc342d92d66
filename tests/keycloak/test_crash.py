"""kill -9 under load: nothing was issued that is not audited, the policy is what it was, and it is back at once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import forgery
import http1
import names
import oidc
from gate import Gate, Gates, Setup, audience, permission
from peer import parsed
from process import poll
from realms import ALICE, FRONT_END, STRANGER
from server import Keycloak

CRASHES = 6
# Seconds from the start of the process until it says that it is ready.
AT_ONCE = 1.0
REGISTRY = {
    "front-end-app": [{"method": "client_secret", "secretHash": forgery.sha256(FRONT_END.secret or "")}]
}


@pytest.fixture(params=["reissue", "mint"])
def gate(request: pytest.FixtureRequest, keycloak: Keycloak, gates: Gates) -> Iterator[Gate]:
    document = audience("back-end-api", permission("front-end-app"), issuance=request.param)
    realm = {"clients": REGISTRY} if request.param == "mint" else {}
    made = gates.start(
        f"crash-{request.param}", keycloak.address, Setup({"back-end-api": document}, realm=realm)
    )
    yield made
    made.stop()


@contextmanager
def load(gate: Gate, token: str, received: list[str]) -> Iterator[None]:
    """Exchanges without a pause; the id of every token that arrived is in `received`."""
    over = threading.Event()

    def flow() -> None:
        while not over.is_set():
            try:
                answer = oidc.exchange(gate.peer, FRONT_END, token, "back-end-api")
            except (OSError, http1.NoAnswer):
                continue  # It is down, or died on the way.
            if answer.status == 200:
                received.append(oidc.claims_of(parsed(answer)["access_token"])["jti"])

    threads = [threading.Thread(target=flow) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(30)


def test_a_crash_at_any_moment(gate: Gate, measured: Callable[[str], None]) -> None:
    chance = random.Random(seed := random.randrange(2**32))
    token = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
    policy, received, seconds = _policy(gate), [], []
    with load(gate, token, received):
        for _ in range(CRASHES):
            goal = len(received) + chance.randint(1, 40)
            poll("more tokens were received", lambda goal=goal: len(received) >= goal, deadline=60)
            gate.kill()
            before = time.monotonic()
            gate.start_again()
            seconds.append(time.monotonic() - before)
            assert _policy(gate) == policy
        goal = len(received) + 5
        poll("tokens are received again", lambda: len(received) >= goal, deadline=60)

    times = ", ".join(f"{value * 1000:.0f}" for value in seconds)
    measured(
        f"ready again after kill -9 in {times} ms, {len(received)} tokens between, {gate.name}, seed {seed}"
    )
    assert max(seconds) < AT_ONCE
    # Every line can be read but the one at which it was killed, whose token nobody received.
    audited = Counter(line[names.AUDIT_ISSUED_JTI] for line in gate.audit() if names.AUDIT_ISSUED_JTI in line)
    assert [jti for jti in received if audited[jti] != 1] == []
    assert len(set(received)) == len(received)
    refused = oidc.exchange(
        gate.peer, STRANGER, oidc.login(gate.peer, STRANGER, ALICE)["access_token"], "back-end-api"
    )
    assert gate.reason_of(refused) == "client_not_permitted"


def _policy(gate: Gate) -> object:
    """What is loaded, without the time at which it was."""
    loaded = parsed(gate.admin(names.LOADED))
    return {
        name: value for name, value in loaded.items() if "time" not in name and "at" not in name.split("_")
    }
