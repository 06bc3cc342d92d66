"""The answer lock: an answer with the marks of an exchange leaves only where an exchange was judged."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest

import http1
import names
import oidc
import upstreams
from differences import DENIED, told
from gate import Gate, Gates, Setup, audience, permission
from process import poll
from realms import ALICE, FRONT_END
from server import Keycloak
from upstreams import MARKED, Script, Scripted

AUDIENCES = {"back-end-api": audience("back-end-api", permission("front-end-app"))}

WITHHELD: list[tuple[str, Scripted]] = [
    ("json", Scripted(200, "application/json", MARKED)),
    ("json with a charset", Scripted(200, "application/json;charset=UTF-8", MARKED)),
    ("json in upper case", Scripted(200, "APPLICATION/JSON", MARKED)),
    ("a kind of json", Scripted(200, "application/vnd.example+json", MARKED)),
    ("no type", Scripted(200, "", MARKED)),
    ("two types", Scripted(200, "text/plain", MARKED, (("Content-Type", "application/json"),))),
    ("201", Scripted(201, "application/json", MARKED)),
    ("206", Scripted(206, "application/json", MARKED)),
    ("an escaped name", Scripted(200, "application/json", MARKED.replace(b"issued_token", b"issued\\u005ftoken"))),
    ("after much space", Scripted(200, "application/json", b" " * 200_000 + MARKED)),
    ("at the end of much else", Scripted(200, "application/json", b'{"a":"' + b"x" * 3_000_000 + b'",' + MARKED[1:])),
]  # fmt: skip


# A client of a token endpoint parses JSON without a look at media type, coding or status.
WITHHELD_AT_THE_DOOR: list[tuple[str, Scripted]] = [
    ("text/plain", Scripted(200, "text/plain", MARKED)),
    ("text/html", Scripted(200, "text/html;charset=UTF-8", MARKED)),
    ("an image", Scripted(200, "image/png", MARKED)),
    ("a form", Scripted(200, "application/x-www-form-urlencoded", MARKED)),
    ("gzip", Scripted(200, "application/json", gzip.compress(MARKED), (("Content-Encoding", "gzip"),))),
    ("gzip as text", Scripted(200, "text/plain", gzip.compress(MARKED), (("Content-Encoding", "gzip"),))),
    ("an unknown coding", Scripted(200, "application/json", MARKED, (("Content-Encoding", "x-none"),))),
    ("400", Scripted(400, "application/json", MARKED)),
    ("500 as text", Scripted(500, "text/plain", MARKED)),
]  # fmt: skip

DOOR = oidc.endpoint("corp")
ELSEWHERE = ["/realms/corp/nothing", "/anything", oidc.endpoint("corp", "userinfo")]


@pytest.fixture(scope="module")
def locked(gates: Gates, keycloak: Keycloak) -> Iterator[tuple[Gate, Script]]:
    """A gate whose upstream answers anything with the marks of an exchange."""
    with upstreams.scripted(keycloak.address) as (address, script):
        gate = gates.start("lock", address, Setup(AUDIENCES))
        yield gate, script
        gate.stop()


@pytest.mark.parametrize("target", [*ELSEWHERE, DOOR])
@pytest.mark.parametrize(("name", "answer"), WITHHELD, ids=[name for name, _ in WITHHELD])
def test_an_answer_with_the_marks_of_an_exchange_leaves_by_no_other_way(
    locked: tuple[Gate, Script], target: str, name: str, answer: Scripted
) -> None:
    assert_withheld(locked, target, answer)


@pytest.mark.parametrize(
    ("name", "answer"), WITHHELD_AT_THE_DOOR, ids=[name for name, _ in WITHHELD_AT_THE_DOOR]
)
def test_a_token_endpoints_answer_is_read_whatever_it_calls_itself(
    locked: tuple[Gate, Script], name: str, answer: Scripted
) -> None:
    assert_withheld(locked, DOOR, answer)


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", ELSEWHERE[2]), ("POST", ELSEWHERE[2]), ("POST", ELSEWHERE[0])],
    ids=["GET below protocol", "POST below protocol", "POST elsewhere"],
)
def test_a_coded_answer_that_nobody_asked_for_is_withheld(
    locked: tuple[Gate, Script], method: str, target: str
) -> None:
    """Where an exchange might be answered, no coding is asked for: what the lock can't read does not leave."""
    gate, script = locked
    script.answers = {
        target: Scripted(200, "application/json", gzip.compress(MARKED), (("Content-Encoding", "gzip"),))
    }
    lines = len(gate.audit())
    given = gate.peer.send(method, target, [("Accept-Encoding", "gzip"), ("Range", "bytes=0-9")])
    assert "accept-encoding" not in script.seen[target] and "range" not in script.seen[target]
    assert told(given) == DENIED
    assert gzip.compress(MARKED)[10:40] not in given.body
    assert_alarmed(gate, lines)


def assert_withheld(locked: tuple[Gate, Script], target: str, answer: Scripted) -> None:
    """On the token endpoint it is a password grant that is answered so: something is badly wrong, and nothing leaves."""
    gate, script = locked
    script.answers = {target: answer}
    lines = len(gate.audit())
    try:
        given = (
            gate.peer.form(target, oidc.password_form(FRONT_END, ALICE), [("Accept-Encoding", "gzip")])
            if target == DOOR
            else gate.peer.get(target)
        )
    except http1.NoAnswer:
        # Long answers stream: one whose marks come late is cut off before them.
        assert len(answer.body) > 256 * 1024
        return
    # Nobody waits for the end of an answer of a token endpoint that is longer than tokens are.
    is_long = target == DOOR and len(answer.body) > 256 * 1024
    assert told(given) == ('502 server_error "Internal error"' if is_long else DENIED)
    assert answer.body[10:40] not in given.body
    assert_alarmed(gate, lines, "answer_too_long" if is_long else "answer_locked")


def assert_alarmed(gate: Gate, before: int, reason: str = "answer_locked") -> None:
    """One audit line says it, and the metric on which an alert stands counts it."""
    poll("the refusal has its line", lambda: len(gate.audit()) > before, deadline=5)
    assert [line[names.AUDIT_REASON] for line in gate.audit()[before:]] == [reason]
    assert gate.metrics()[names.WITHHELD] == len(gate.audit())
