"""Redis as the store: whether it is there is asked for, and never decides whether Cambio serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import names
from gate import Gate, Gates, Setup
from process import free_port, poll
from redis import Redis

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
