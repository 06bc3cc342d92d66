"""Two replicas under one name share configuration and a Redis: what one has seen used or revoked, the other knows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import gate as gates_module
import oidc
import secrecy
from balancer import Balancer
from differences import told
from foreign import External
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from peer import Peer, parsed
from realms import ALICE, BACK_END, CORP_PUBLIC, FRONT_END, Client
from redis import Redis
from server import Keycloak

UNAVAILABLE = '503 temporarily_unavailable "The identity provider is not available"'
INVALID = '400 invalid_request "Invalid token"'
ISSUER = f"http://{CORP_PUBLIC}/realms/corp"


@dataclass(frozen=True)
class Replicas:
    """Two gates with the same configuration and keys."""

    one: Gate
    other: Gate
    redis: Redis

    def both(self) -> tuple[Gate, Gate]:
        return self.one, self.other


@pytest.fixture(scope="module")
def redis(run: Path) -> Iterator[Redis]:
    instance = Redis(run / "redis", secrecy.note_value("redis-password-7a15"))
    try:
        yield instance.start()
    finally:
        instance.stop()


@pytest.fixture(scope="module", params=["reissue", "mint"])
def replicas(
    request: pytest.FixtureRequest, keycloak: Keycloak, gates: Gates, redis: Redis, externals: dict[str, External],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Replicas]:  # fmt: skip
    """back-end-api's owner permits a token once, other-api's as often as wanted."""
    key = tmp_path_factory.mktemp("replicas") / "realm.pem"
    key.write_bytes(gates_module.private_key("RSA"))
    issuers = {"issuers": ["corp", *externals]} if request.param == "mint" else {}
    how = {"issuance": request.param, **issuers}
    audiences = {
        "back-end-api": audience("back-end-api", permission("front-end-app", oneTime=True, **how)),
        "other-api": audience("other-api", permission("front-end-app", **how)),
    }
    setup = Setup(
        audiences,
        realm={"signingKey": str(key)},
        externals=list(externals.values()),
        more={"store": redis.store()},
        public=CORP_PUBLIC,
    )
    made = [
        gates.start(f"replica-{request.param}-{name}", keycloak.address, setup) for name in ("one", "other")
    ]
    yield Replicas(made[0], made[1], redis)
    for gate in made:
        gate.stop()


def login(replicas: Replicas) -> str:
    return oidc.login(replicas.one.peer, FRONT_END, ALICE)["access_token"]


def exchange(gate: Gate, token: str, audience: str = "back-end-api", **more: str) -> Answer:
    return oidc.exchange(gate.peer, FRONT_END, token, audience, **more)


def test_a_token_used_at_one_can_not_be_used_at_the_other(replicas: Replicas) -> None:
    for first, second in (replicas.both(), replicas.both()[::-1]):
        token = login(replicas)
        allowed = exchange(first, token)
        assert allowed.status == 200, f"{told(allowed)} {first.audit()[-1]}"
        for gate in (second, first):
            refused = exchange(gate, token)
            assert told(refused) == INVALID
            assert gate.reason_of(refused) == "subject_token_used"


def test_of_many_at_once_one_gets_through(replicas: Replicas) -> None:
    token, answers = login(replicas), []
    gate_of = replicas.both()
    start = threading.Barrier(16)

    def ask(number: int) -> None:
        start.wait(20)
        answers.append(exchange(gate_of[number % 2], token).status)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == [200] + [400] * 15


def test_where_no_owner_asks_for_it_a_token_is_good_for_many(replicas: Replicas) -> None:
    token = login(replicas)
    for gate in (*replicas.both(), *replicas.both()):
        assert exchange(gate, token, "other-api").status == 200


def test_tokens_of_both_replicas_verify_by_either_ones_keys(replicas: Replicas) -> None:
    published = [parsed(gate.peer.get(oidc.endpoint("corp", "certs")))["keys"] for gate in replicas.both()]
    assert published[0] == published[1]
    for gate in replicas.both():
        token = parsed(exchange(gate, login(replicas)))["access_token"]
        assert oidc.header_of(token)["kid"] in {key["kid"] for key in published[0]}


def introspected(peer: Peer, token: str, client: Client = BACK_END) -> dict:
    form = [*oidc.credentials(client), ("token", token)]
    return parsed(peer.form(oidc.endpoint("corp", "token/introspect"), form))


def test_a_token_revoked_at_one_is_inactive_at_the_other(replicas: Replicas) -> None:
    one, other = replicas.both()
    token = parsed(exchange(one, login(replicas)))["access_token"]
    for gate in (one, other):
        assert introspected(gate.peer, token)["active"] is True
    form = [*oidc.credentials(FRONT_END), ("token", token)]
    assert one.peer.form(oidc.endpoint("corp", "revoke"), form).status == 200
    for gate in (other, one):
        assert introspected(gate.peer, token) == {"active": False}
        assert gate.peer.get(oidc.endpoint("corp", "userinfo"), oidc.bearer(token)).status == 401


def test_behind_one_address_they_are_as_one(replicas: Replicas, run: Path) -> None:
    """Callers do not know which of them answers: nginx takes them in turn."""
    balancer = Balancer(
        run / f"balancer-{replicas.one.name}", *(gate.peer.address[1] for gate in replicas.both())
    ).start()
    peer = Peer(("127.0.0.1", balancer.port), CORP_PUBLIC)
    try:
        token = oidc.login(peer, FRONT_END, ALICE)["access_token"]
        answers = [oidc.exchange(peer, FRONT_END, token, "back-end-api") for _ in range(6)]
        assert len({answer.header("x-gate") for answer in answers}) == 2, "both were asked"
        assert [answer.status for answer in answers] == [200] + [400] * 5
        issued = parsed(answers[0])["access_token"]
        assert all(introspected(peer, issued)["active"] for _ in range(4))
        form = [*oidc.credentials(FRONT_END), ("token", issued)]
        assert peer.form(oidc.endpoint("corp", "revoke"), form).status == 200
        assert not any(introspected(peer, issued)["active"] for _ in range(4))
    finally:
        balancer.stop()


def test_no_token_is_in_the_store(replicas: Replicas) -> None:
    """Its keys are digests, with a time at which they go."""
    exchange(replicas.one, login(replicas))
    stored = replicas.redis.ask("KEYS", "*")
    assert isinstance(stored, list) and stored
    assert secrecy.found_in("\n".join(map(str, stored))) == []


@pytest.mark.parametrize("how", ["down", "hanging"])
def test_without_redis_one_time_use_fails_closed_and_nothing_else_stops(replicas: Replicas, how: str) -> None:
    one, other = replicas.both()
    before, after = login(replicas), login(replicas)
    assert exchange(one, before).status == 200
    away, back = (
        (replicas.redis.stop, replicas.redis.start)
        if how == "down"
        else (replicas.redis.pause, replicas.redis.go_on)
    )
    away()
    try:
        for gate in (one, other):
            began = time.monotonic()
            refused = exchange(gate, after)
            assert told(refused) == UNAVAILABLE
            assert gate.reason_of(refused) == "store_unavailable"
            assert time.monotonic() - began < 3
            assert exchange(gate, after, "other-api").status == 200
            oidc.login(gate.peer, FRONT_END, ALICE)
            certs = gate.peer.get(oidc.endpoint("corp", "certs"))
            assert certs.status == 200
            assert gate.admin("/readyz").status == 200, "a store that blips takes no replica away"
    finally:
        back()
    assert exchange(other, login(replicas)).status == 200


def test_a_replica_that_starts_without_redis_serves_what_needs_none(
    keycloak: Keycloak, gates: Gates, run: Path
) -> None:
    missing = Redis(run / f"redis-missing-{len(gates.made)}")
    audiences = {
        "back-end-api": audience("back-end-api", permission("front-end-app", oneTime=True)),
        "other-api": audience("other-api", permission("front-end-app")),
    }
    gate = gates.start("replica-alone", keycloak.address, Setup(audiences, more={"store": missing.store()}))
    token = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
    assert exchange(gate, token, "other-api").status == 200
    assert told(exchange(gate, token)) == UNAVAILABLE
    missing.start()
    try:
        assert exchange(gate, token).status == 200
    finally:
        missing.stop()
    gate.stop()
