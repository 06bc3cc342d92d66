"""Redis as the store: whether it is there is asked for, and never decides whether Cambio serves.

With Sentinel and in a cluster, what was used stays used: claims here are those of client assertions, whose `jti` is good
for one use, so no identity provider is needed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import forgery
import names
import oidc
import proofs
from gate import Gate, Gates, Setup
from process import free_port, poll
from redis import Cluster, Redis, Watched

WITH_STORE = f"{names.READY}?include=store"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    instance = Redis(tmp_path / "redis", password="s3cret of redis")
    try:
        yield instance.start()
    finally:
        instance.stop()


def begin(gates: Gates, name: str, store: dict) -> Gate:
    """Nobody needs the identity provider here, so there is none."""
    return gates.start(name, ("127.0.0.1", free_port()), Setup(more={"store": store}))


def says(gate: Gate, line: str) -> bool:
    return line in gate.admin(WITH_STORE).text


def test_an_absent_redis_does_not_stop_the_start(gates: Gates, redis: Redis) -> None:
    redis.stop()
    gate = begin(gates, "store-absent", redis.store())
    assert gate.admin(names.READY).status == 200
    assert gate.admin(WITH_STORE).status == 503
    assert says(gate, "store: redis: no connection")
    redis.start()
    assert gate.admin(WITH_STORE).status == 200
    gate.stop()


def test_a_redis_that_goes_away_is_found_again(gates: Gates, redis: Redis) -> None:
    gate = begin(gates, "store-back", redis.store(timeout="200ms"))
    assert says(gate, "store: ok")
    redis.pause()
    assert says(gate, "store: redis: no answer in time")
    assert gate.admin(names.READY).status == 200
    redis.go_on()
    poll("the store answers again", lambda: says(gate, "store: ok"), deadline=5)
    redis.stop()
    assert says(gate, "store: redis: ")
    redis.start()
    # The kept connections died with the old process; each is noticed before anything is sent on it.
    poll("the store answers again", lambda: says(gate, "store: ok"), deadline=5)
    gate.stop()


@pytest.mark.parametrize(
    ("name", "password", "expected"),
    [("wrong", "another", "refused: WRONGPASS"), ("empty", "", "refused: WRONGPASS")],
)
def test_a_wrong_password_is_named_and_not_told(
    gates: Gates, redis: Redis, name: str, password: str, expected: str
) -> None:
    right = redis.password_file.read_text()
    redis.password_file.write_text(password)
    gate = begin(gates, f"store-password-{name}", redis.store())
    assert says(gate, expected)
    assert password == "" or password not in gate.log.read_text()
    # The file is read for each connection: no restart.
    redis.password_file.write_text(right)
    assert says(gate, "store: ok")
    gate.stop()


def test_a_redis_that_evicts_is_warned_of(gates: Gates, tmp_path: Path) -> None:
    instance = Redis(tmp_path / "redis", None, "--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru")
    try:
        gate = begin(gates, "store-evicts", instance.start().store())
        assert says(gate, "store: ok")
        assert "maxmemory-policy noeviction" in gate.log.read_text()
        gate.stop()
    finally:
        instance.stop()


def test_a_real_redis_answers_what_the_store_takes_for_an_answer(redis: Redis) -> None:
    """The unit tests answer for Redis; here it speaks for itself."""
    take = ("SET", "cambio:x", "1", "NX", "PX")
    assert redis.ask(*take, "60000") == "OK"
    assert redis.ask(*take, "60000") is None
    assert redis.ask("PEXPIRE", "cambio:x", "120000", "GT") == 1
    assert redis.ask("PEXPIRE", "cambio:x", "1000", "GT") == 0
    assert redis.ask("PEXPIRE", "cambio:absent", "1000", "GT") == 0
    assert 60_000 < int(redis.ask("PTTL", "cambio:x")) <= 120_000
    assert (redis.ask("EXISTS", "cambio:x"), redis.ask("EXISTS", "cambio:absent")) == (1, 0)


class Claims:
    """A gate whose client authenticates by its key, and asks for an exchange that is refused all the same."""

    KEY = proofs.new_key()

    def __init__(self, gates: Gates, name: str, folder: Path, store: dict):
        keys = folder / "key.jwks"
        keys.write_text(json.dumps({"keys": [forgery.public_jwk(self.KEY, "k")]}))
        methods = [{"method": "private_key_jwt", "jwksFile": str(keys), "algorithms": ["ES256"]}]
        setup = Setup(realm={"clients": {"key-client": methods}}, more={"store": store})
        self.gate = gates.start(name, ("127.0.0.1", free_port()), setup)

    def assertion(self, jti: str) -> oidc.Form:
        audience = self.gate.issuer("corp")
        return proofs.client_assertion("key-client", self.KEY, audience, header={"kid": "k"}, jti=jti)

    def claim(self, jti: str) -> bool:
        """Whether the assertion was taken as the first of its `jti`; an AssertionError when that can't be told."""
        reason = self.reason(jti)
        assert reason != "store_unavailable"
        return reason != "client_assertion_replayed"

    def reason(self, jti: str) -> str | None:
        exchange = [("grant_type", oidc.EXCHANGE_GRANT), ("subject_token", "x"), ("audience", "nobody")]
        kind = [
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("client_id", "key-client"),
        ]
        answer = self.gate.peer.form(oidc.endpoint("corp", "token"), [*exchange, *kind, *self.assertion(jti)])
        return self.gate.reason_of(answer)


def some(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def test_what_was_used_stays_used_after_a_failover(gates: Gates, tmp_path: Path) -> None:
    watched = Watched(tmp_path, "s3cret of redis", "s3cret of the sentinels")
    try:
        claims = Claims(gates, "store-sentinel", tmp_path, watched.start().store(timeout="1s"))
        assert says(claims.gate, "store: ok")
        before = some(20)
        assert [claims.claim(jti) for jti in before] == [True] * 20
        old = watched.primary()
        # Replication is asynchronous: what the replica does not have yet is lost with the primary.
        assert int(old.ask("WAIT", "1", "5000")) == 1
        old.kill()
        assert claims.reason(some(1)[0]) == "store_unavailable"
        assert claims.gate.admin(names.READY).status == 200
        poll("there is another primary", lambda: says(claims.gate, "store: ok"), deadline=30)
        assert watched.primary() is not old
        assert [claims.claim(jti) for jti in before] == [False] * 20
        after = some(5)
        assert [claims.claim(jti) for jti in (*after, *after)] == [True] * 5 + [False] * 5
        claims.gate.stop()
    finally:
        watched.stop()


def test_a_failover_that_the_sentinels_are_asked_for_is_followed(gates: Gates, tmp_path: Path) -> None:
    """The old primary lives on as a replica: it answers, and must not be believed."""
    watched = Watched(tmp_path, "s3cret of redis", "s3cret of the sentinels")
    try:
        claims = Claims(gates, "store-switch", tmp_path, watched.start().store(timeout="1s"))
        before = some(5)
        assert [claims.claim(jti) for jti in before] == [True] * 5
        old = watched.primary()
        assert int(old.ask("WAIT", "1", "5000")) == 1
        watched.fail_over()
        poll("the other is the primary", lambda: watched.primary() is not old, deadline=30)
        poll("the old one follows", lambda: "role:slave" in str(old.ask("INFO", "replication")), deadline=30)
        poll("the store answers again", lambda: says(claims.gate, "store: ok"), deadline=10)
        assert [claims.claim(jti) for jti in before] == [False] * 5
        claims.gate.stop()
    finally:
        watched.stop()


def test_a_wrong_password_of_the_sentinels_is_named(gates: Gates, tmp_path: Path) -> None:
    watched = Watched(tmp_path, "s3cret of redis", "s3cret of the sentinels")
    try:
        wrong = tmp_path / "wrong"
        wrong.write_text("another")
        store = watched.start().store(sentinelPasswordFile=str(wrong))
        gate = begin(gates, "store-sentinel-password", store)
        assert says(gate, "refused: WRONGPASS")
        gate.stop()
    finally:
        watched.stop()


def test_in_a_cluster_each_claim_finds_its_node(gates: Gates, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "s3cret of redis")
    try:
        # One node is enough to find the others.
        store = cluster.start().store(cluster.nodes[0], timeout="1s")
        claims = Claims(gates, "store-cluster", tmp_path, store)
        assert says(claims.gate, "store: ok")
        used = some(30)
        assert [claims.claim(jti) for jti in (*used, *used)] == [True] * 30 + [False] * 30
        sizes = [int(node.ask("DBSIZE")) for node in cluster.nodes]
        # One more is what readiness wrote.
        assert sum(sizes) == 31 and all(sizes), sizes
        claims.gate.stop()
    finally:
        cluster.stop()


def test_slots_move_and_what_was_used_stays_used(gates: Gates, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "s3cret of redis")
    try:
        claims = Claims(gates, "store-slots", tmp_path, cluster.start().store(timeout="1s"))
        used, fresh = some(12), some(12)
        assert all(claims.claim(jti) for jti in used)
        moved = cluster.move(1, 0)
        assert moved, "there was something to move"
        # Half way, nodes answer ASK.
        assert not any(claims.claim(jti) for jti in used)
        assert all(claims.claim(jti) for jti in fresh)
        cluster.settle(moved, 0)
        assert not any(claims.claim(jti) for jti in (*used, *fresh))
        claims.gate.stop()
    finally:
        cluster.stop()


def test_a_cluster_that_lacks_a_node_refuses(gates: Gates, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "s3cret of redis")
    try:
        claims = Claims(gates, "store-broken", tmp_path, cluster.start().store(timeout="1s"))
        assert claims.claim(some(1)[0])
        cluster.nodes[2].kill()
        poll(
            "the others notice",
            lambda: "state:fail" in str(cluster.nodes[0].ask("CLUSTER", "INFO")),
            deadline=20,
        )
        assert claims.reason(some(1)[0]) == "store_unavailable"
        assert says(claims.gate, "store: redis: ")
        claims.gate.stop()
    finally:
        cluster.stop()
