"""Keycloak stopped, hanging, restarted with new keys, or publishing nonsense: no crash, no hang, no false token."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

import http1
import names
import oidc
import upstreams
from admin import Admin
from differences import told
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from peer import Peer, parsed
from process import poll
from realms import ALICE, BACK_END, FRONT_END
from server import Keycloak
from upstreams import MARKED, Script, Scripted

CERTS = oidc.endpoint("corp", "certs")
DISCOVERY = "/realms/corp/.well-known/openid-configuration"
AUDIENCES = {"back-end-api": audience("back-end-api", permission("front-end-app"))}

# Seconds within which a refusal for want of an upstream must be there.
QUICKLY = 3.0

NONSENSE: list[tuple[str, Scripted]] = [
    ("500", Scripted(500, "application/json", b'{"error":"unknown_error"}')),
    ("503 with keys in it", Scripted(503, "application/json", b'{"keys":[{"kty":"oct","kid":"x","k":"AAAA"}]}')),
    ("an HTML page", Scripted(200, "text/html", b"<!DOCTYPE html><title>Down for maintenance</title>")),
    ("no keys", Scripted(200, "application/json", b'{"keys":[]}')),
    ("no object", Scripted(200, "application/json", b"[]")),
    ("nothing", Scripted(200, "application/json", b"")),
    ("half an answer", Scripted(200, "application/json", b'{"keys":[' + b" " * 4000, cut=True)),
    ("a redirect to elsewhere", Scripted(302, "text/plain", b"", (("Location", "http://127.0.0.1:1/certs"),))),
    ("far too much", Scripted(200, "application/json", b'{"keys":[' + b" " * 20_000_000 + b"]}")),
    ("a secret key only", Scripted(200, "application/json", b'{"keys":[{"kty":"oct","kid":"x","alg":"HS256","use":"sig","k":"AAAA"}]}')),
]  # fmt: skip


@pytest.fixture
def misbehaving(keycloak: Keycloak) -> Iterator[tuple[tuple[str, int], Script]]:
    """Keycloak behind something that can answer in its place."""
    with upstreams.scripted(keycloak.address) as (address, script):
        yield address, script


def jwks(**limits: str) -> dict:
    return {"jwks": {"refreshInterval": "5s", "maxStale": "1h", "unknownKidCooldown": "1s", **limits}}


def exchange(peer: Peer, token: str) -> Answer:
    return oidc.exchange(peer, FRONT_END, token, "back-end-api")


def timed(call: Callable[[], Answer]) -> tuple[Answer, float]:
    before = time.monotonic()
    return call(), time.monotonic() - before


def certs_asked(script: Script) -> int:
    return script.asked[CERTS]


@dataclass(frozen=True)
class Misled:
    """A gate that had good keys before its upstream began to publish nonsense."""

    gate: Gate
    script: Script
    token: str
    published: list[dict]
    asked_before: int


@pytest.fixture(scope="module")
def misled(gates: Gates, keycloak: Keycloak) -> Iterator[dict[str, Misled]]:
    """One gate for each kind of nonsense, all at once: their refreshes take their time side by side."""
    with ExitStack() as stack:
        made = {}
        for name, answer in NONSENSE:
            address, script = stack.enter_context(upstreams.scripted(keycloak.address))
            gate = gates.start(f"nonsense-{name.replace(' ', '-')}", address, Setup(AUDIENCES, realm=jwks()))
            stack.callback(gate.stop)
            token = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
            assert exchange(gate.peer, token).status == 200
            published = parsed(gate.peer.get(CERTS))["keys"]
            script.answers[CERTS] = answer
            made[name] = Misled(gate, script, token, published, certs_asked(script))
        yield made


@pytest.mark.parametrize("name", [name for name, _ in NONSENSE])
def test_nonsense_never_replaces_good_keys(misled: dict[str, Misled], name: str) -> None:
    case = misled[name]

    def asked_again_twice() -> bool:
        # Each exchange may be what makes Cambio look for fresh keys.
        assert exchange(case.gate.peer, case.token).status == 200
        return certs_asked(case.script) >= case.asked_before + 2

    poll("the key set was asked for again, twice", asked_again_twice, deadline=40)
    assert exchange(case.gate.peer, case.token).status == 200
    assert parsed(case.gate.peer.get(CERTS))["keys"] == case.published
    assert case.gate.running


@pytest.mark.parametrize(("name", "answer"), NONSENSE[:4], ids=[name for name, _ in NONSENSE[:4]])
def test_without_keys_an_exchange_is_refused_until_they_come(
    gates: Gates, keycloak: Keycloak, misbehaving: tuple[tuple[str, int], Script], name: str, answer: Scripted
) -> None:
    address, script = misbehaving
    script.answers[CERTS] = answer
    gate = gates.start("cold", address, Setup(AUDIENCES, realm=jwks()))
    token = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
    refused, seconds = timed(lambda: exchange(gate.peer, token))
    assert refused.status in names.UNAVAILABLE, told(refused)
    assert seconds < QUICKLY
    assert gate.admin(names.LIVE).status == 200
    script.answers.clear()
    poll("exchanges work again", lambda: exchange(gate.peer, token).status == 200, deadline=30)
    gate.stop()


def test_stale_keys_are_not_used_for_ever(gates: Gates, misbehaving: tuple[tuple[str, int], Script]) -> None:
    address, script = misbehaving
    gate = gates.start("stale", address, Setup(AUDIENCES, realm=jwks(maxStale="5s")))
    token = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
    assert exchange(gate.peer, token).status == 200
    script.answers[CERTS] = NONSENSE[0][1]
    poll(
        "stale keys are given up", lambda: exchange(gate.peer, token).status in names.UNAVAILABLE, deadline=30
    )
    script.answers.clear()
    poll("fresh keys are used", lambda: exchange(gate.peer, token).status == 200, deadline=30)
    gate.stop()


def test_an_unknown_kid_does_not_hammer_the_upstream(
    gates: Gates, misbehaving: tuple[tuple[str, int], Script]
) -> None:
    """Tokens with invented kids make Cambio look for new keys once, and then not before the cool-down is over."""
    address, script = misbehaving
    limits = jwks(refreshInterval="5m", unknownKidCooldown="1m")
    gate = gates.start("unknown-kid", address, Setup(AUDIENCES, realm=limits))
    token = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
    assert exchange(gate.peer, token).status == 200
    already = certs_asked(script)
    _, claims, signature = token.split(".")
    for number in range(30):
        header = oidc.encode_segment({"alg": "RS256", "typ": "JWT", "kid": f"invented-{number}"})
        refused = exchange(gate.peer, f"{header}.{claims}.{signature}")
        assert (refused.status, parsed(refused)["error"]) == (400, "invalid_request"), told(refused)
    assert certs_asked(script) <= already + 1
    gate.stop()


GARBAGE: list[tuple[str, Scripted]] = [
    ("an HTML page", Scripted(200, "text/html", b"<html>busy</html>")),
    ("no token", Scripted(200, "application/json", b"{}")),
    ("a token that is none", Scripted(200, "application/json", MARKED)),
    ("half an answer", Scripted(200, "application/json", MARKED, cut=True)),
    ("no object", Scripted(200, "application/json", b'"x"')),
    ("far too much", Scripted(200, "application/json", b" " * 20_000_000)),
]


@pytest.mark.parametrize(("name", "answer"), GARBAGE, ids=[name for name, _ in GARBAGE])
def test_an_exchange_that_is_answered_with_garbage_is_an_upstream_fault(
    gates: Gates, keycloak: Keycloak, misbehaving: tuple[tuple[str, int], Script], name: str, answer: Scripted
) -> None:
    address, script = misbehaving
    gate = gates.start("garbage", address, Setup(AUDIENCES))
    token = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
    script.answers[oidc.endpoint("corp")] = answer
    refused = exchange(gate.peer, token)
    assert refused.status in (500, *names.UNAVAILABLE), told(refused)
    assert b"x.y.z" not in refused.body
    assert gate.running
    gate.stop()


def test_an_upstream_token_that_someone_else_signed_is_withheld(
    gates: Gates, keycloak: Keycloak, misbehaving: tuple[tuple[str, int], Script]
) -> None:
    """A token with a good form whose signature is not the realm's: the answer is not trusted, and not signed again."""
    address, script = misbehaving
    gate = gates.start("forged", address, Setup(AUDIENCES))
    token = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
    good = oidc.exchange(keycloak.peer(gate.authority), FRONT_END, token, "back-end-api")
    issued = parsed(good)
    head, _, signature = issued["access_token"].split(".")
    claims = oidc.claims_of(issued["access_token"])
    claims["resource_access"]["back-end-api"]["roles"].append("backend_admin")
    forged = f"{head}.{oidc.encode_segment(claims)}.{signature}"
    script.answers[oidc.endpoint("corp")] = Scripted(
        200, "application/json", good.body.replace(issued["access_token"].encode(), forged.encode())
    )
    refused = exchange(gate.peer, token)
    assert refused.status >= 500 and not oidc.is_exchange_success(refused), told(refused)
    gate.stop()


def test_rotated_keys_need_no_restart_of_cambio(gates: Gates, keycloak: Keycloak, admin: Admin) -> None:
    gate = gates.start("rotation", keycloak.address, Setup(AUDIENCES, realm=jwks(refreshInterval="5m")))
    before = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
    assert exchange(gate.peer, before).status == 200
    admin.add_signing_key("corp", priority=200)
    after = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
    assert oidc.header_of(after)["kid"] != oidc.header_of(before)["kid"]
    # At once: a resource server that asks for the keys of the token just handed out must find them.
    kids = {key["kid"] for key in parsed(gate.peer.get(CERTS))["keys"]}
    assert {oidc.header_of(token)["kid"] for token in (before, after)} < kids, "both keys and Cambio's own"
    answer = exchange(gate.peer, after)
    assert answer.status == 200, told(answer)
    assert exchange(gate.peer, before).status == 200, "the older key is still in the set"
    gate.stop()


def test_a_hanging_keycloak_is_answered_for_in_time(gates: Gates, keycloak: Keycloak) -> None:
    setup = Setup(AUDIENCES, upstream={"responseTimeout": "2s", "connectTimeout": "2s"})
    gate = gates.start("hanging", keycloak.address, setup)
    token = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
    assert exchange(gate.peer, token).status == 200
    for target in (CERTS, DISCOVERY):
        assert gate.peer.get(target).status == 200
    keycloak.suspend()
    try:
        for call in (
            lambda: exchange(gate.peer, token),
            lambda: gate.peer.form(oidc.endpoint("corp"), oidc.password_form(FRONT_END, ALICE)),
            lambda: gate.peer.get("/realms/corp/account/"),
        ):
            answer, seconds = timed(call)
            assert answer.status == names.TIMED_OUT, told(answer)
            assert seconds < 2 + QUICKLY
        _cached_answers_go_on(gate)
        _callers_who_hang_up_do_no_harm(gate, token)
    finally:
        keycloak.resume()
    poll("exchanges work again", lambda: exchange(gate.peer, token).status == 200, deadline=30)
    gate.stop()


def _cached_answers_go_on(gate: Gate) -> None:
    """Keys and discovery are served from their cache, and the operators' listener is about us."""
    for target in (CERTS, DISCOVERY):
        answer, seconds = timed(lambda target=target: gate.peer.get(target))
        assert (answer.status, seconds < 1) == (200, True), f"{target} {told(answer)} after {seconds:.1f} s"
    for path in (names.LIVE, names.READY, names.METRICS):
        assert gate.admin(path).status == 200


def _callers_who_hang_up_do_no_harm(gate: Gate, token: str) -> None:
    for _ in range(20):
        with http1.Connection(gate.address) as connection:
            form = oidc.exchange_form(FRONT_END, token, "back-end-api")
            body = "&".join(f"{name}={oidc.quote_plus(value)}" for name, value in form).encode()
            head = [
                ("Host", gate.authority),
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Content-Length", str(len(body))),
            ]
            connection.send(http1.render("POST", oidc.endpoint("corp"), head, body))
    assert gate.running


def test_a_stopped_keycloak_and_its_return_with_new_keys(
    gates: Gates, keycloak: Keycloak, admin: Admin
) -> None:
    gate = gates.start("stopped", keycloak.address, Setup(AUDIENCES, realm=jwks(refreshInterval="5m")))
    token = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
    assert exchange(gate.peer, token).status == 200
    for target in (CERTS, DISCOVERY):
        assert gate.peer.get(target).status == 200
    admin.add_signing_key("corp", priority=300)
    keycloak.stop()
    try:
        for call in (
            lambda: exchange(gate.peer, token),
            lambda: gate.peer.form(oidc.endpoint("corp"), oidc.password_form(FRONT_END, ALICE)),
            lambda: gate.peer.get("/admin/master/console/"),
        ):
            answer, seconds = timed(call)
            assert answer.status in names.UNAVAILABLE, told(answer)
            assert seconds < QUICKLY
        _cached_answers_go_on(gate)
        _a_gate_starts_without_an_upstream(gates, keycloak)
    finally:
        keycloak.start()
    after = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
    assert oidc.header_of(after)["kid"] != oidc.header_of(token)["kid"]
    assert oidc.header_of(after)["kid"] in {key["kid"] for key in parsed(gate.peer.get(CERTS))["keys"]}
    assert exchange(gate.peer, after).status == 200
    assert (
        gate.peer.form(
            oidc.endpoint("corp", "token/introspect"), [*oidc.credentials(BACK_END), ("token", after)]
        ).status
        == 200
    )
    gate.stop()


def _a_gate_starts_without_an_upstream(gates: Gates, keycloak: Keycloak) -> None:
    """A sidecar that would not start before its identity provider would take the application down with it."""
    gate = gates.start("alone", keycloak.address, Setup(AUDIENCES))
    assert gate.peer.get(CERTS).status in names.UNAVAILABLE
    assert gate.stop() == 0
