"""Keys turn over, ours and Keycloak's, while tokens are issued and verified: not one verification fails."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

import oidc
import verifiers
from admin import Admin
from gate import Gate, Gates, Setup, audience, permission
from peer import parsed
from process import poll
from realms import ALICE, FRONT_END
from server import Keycloak
from verifiers import Refused, Verifier

ISSUANCES = ["reissue", "mint"]
PRIORITIES = iter(range(110, 150))


@dataclass
class Traffic:
    """Logins, exchanges and verifications without a pause, and what became of them."""

    gate: Gate
    servers: list[Verifier]
    verified: Counter[str] = field(default_factory=Counter)
    # The kids of tokens that were issued, in their order.
    kids: list[str] = field(default_factory=list)
    subject_kids: set[str] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)

    def _once(self) -> None:
        subject = oidc.login(self.gate.peer, FRONT_END, ALICE)["access_token"]
        answer = oidc.exchange(self.gate.peer, FRONT_END, subject, "back-end-api")
        if answer.status != 200:
            self.failed.append(f"exchange: {answer.status} {answer.text} {self.gate.audit()[-1]}")
            return
        token = parsed(answer)["access_token"]
        kid = oidc.header_of(token)["kid"]
        self.subject_kids.add(oidc.header_of(subject)["kid"])
        if kid not in self.kids:
            self.kids.append(kid)
        for server in self.servers:
            try:
                server.claims(token)
                self.verified[server.name] += 1
            except Refused as refusal:
                self.failed.append(str(refusal))

    def wait_for_more(self, times: int = 5) -> None:
        """Until every server has verified so many more tokens that were issued from now on."""
        before = Counter(self.verified)

        def enough() -> bool:
            return bool(self.failed) or all(
                self.verified[server.name] >= before[server.name] + times for server in self.servers
            )

        poll("more tokens are verified", enough, deadline=60)
        assert self.failed == []

    @contextmanager
    def flowing(self) -> Iterator[Traffic]:
        over = threading.Event()

        def flow() -> None:
            while not over.is_set() and not self.failed:
                try:
                    self._once()
                except Exception as error:  # The test is to show it.
                    self.failed.append(repr(error))

        threads = [threading.Thread(target=flow) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            over.set()
            for thread in threads:
                thread.join(60)


@pytest.fixture(params=ISSUANCES)
def traffic(request: pytest.FixtureRequest, keycloak: Keycloak, gates: Gates) -> Iterator[Traffic]:
    document = audience("back-end-api", permission("front-end-app"), issuance=request.param)
    limits = {"jwks": {"refreshInterval": "5m", "unknownKidCooldown": "1s"}}
    setup = Setup({"back-end-api": document}, key=None, realm=limits)
    gate = gates.start(f"rotation-{request.param}", keycloak.address, setup)
    with verifiers.all_of_them(gate.peer.issuer("corp"), "back-end-api", "RS256") as servers:
        yield Traffic(gate, servers)
    gate.stop()


def test_our_keys_rotate_and_nobody_notices(traffic: Traffic) -> None:
    """The next key was published before it signs, so even servers that look for new keys seldom know it."""
    with traffic.flowing():
        traffic.wait_for_more()
        old = list(traffic.kids)
        traffic.gate.rotate_keys()
        poll("the next key signs", lambda: bool(traffic.failed) or len(traffic.kids) > len(old), deadline=30)
        traffic.wait_for_more()
    assert traffic.failed == []
    assert len(traffic.kids) == 2
    published = {key["kid"] for key in parsed(traffic.gate.peer.get(oidc.endpoint("corp", "certs")))["keys"]}
    assert set(traffic.kids) <= published, "the retired key's tokens have not expired"


def test_a_token_of_a_retired_key_is_still_verified(traffic: Traffic) -> None:
    subject = oidc.login(traffic.gate.peer, FRONT_END, ALICE)["access_token"]
    old = parsed(oidc.exchange(traffic.gate.peer, FRONT_END, subject, "back-end-api"))["access_token"]
    traffic.gate.rotate_keys()
    new = parsed(oidc.exchange(traffic.gate.peer, FRONT_END, subject, "back-end-api"))["access_token"]
    assert oidc.header_of(new)["kid"] != oidc.header_of(old)["kid"]
    for server in traffic.servers:
        assert server.claims(old)["sub"] == server.claims(new)["sub"]


def test_keycloaks_keys_rotate_and_nobody_notices(traffic: Traffic, admin: Admin) -> None:
    """Subject tokens by a key that is seconds old are exchanged; what comes out is ours, so nobody has to look again."""
    with traffic.flowing():
        traffic.wait_for_more()
        before = set(traffic.subject_kids)
        # Higher each time, and lower than those of test_faults.py, which comes later.
        admin.add_signing_key("corp", priority=next(PRIORITIES))
        poll(
            "a new key of Keycloak's signs subject tokens",
            lambda: bool(traffic.failed) or traffic.subject_kids > before,
            deadline=30,
        )
        traffic.wait_for_more()
    assert traffic.failed == []
