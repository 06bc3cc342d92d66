"""HTTP/2 and WebSocket by the judgement of conformance suites written by others."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import certificates
import http1
import upstreams
from gate import Gate, Gates, Setup
from peer import Peer
from upstreams import Address, Scripted

# hyper-util's own server passes 145 of the 146: it answers an invalid preface as HTTP/1.
H2SPEC_CASES, H2SPEC_PASSES = 146, 145
WEBSOCKET_CASES = 247
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}


@pytest.fixture(scope="module")
def plain_upstream() -> Iterator[Address]:
    with upstreams.scripted() as (address, _):
        yield address


@pytest.mark.parametrize("listener", ["plain", "TLS"])
@pytest.mark.timeout(300)
def test_h2spec(
    gates: Gates,
    plain_upstream: Address,
    tmp_path: Path,
    listener: str,
    measured: Callable[[str], None],
) -> None:
    tls = {"tls": certificates.self_signed(tmp_path)} if listener == "TLS" else {}
    gate = gates.start(f"h2spec-{listener}", plain_upstream, Setup(listen=tls))
    host, port = gate.address
    argv = [
        os.environ["H2SPEC"],
        "-h",
        host,
        "-p",
        str(port),
        "--strict",
        "--timeout",
        "3",
        *(["-t", "-k"] if tls else []),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=280, check=False)
    counts = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout)
    assert counts, done.stdout + done.stderr
    cases, passed, _, _ = map(int, counts.groups())
    measured(f"h2spec on the {listener} listener: {passed} of {cases}")
    assert cases == H2SPEC_CASES
    assert passed >= H2SPEC_PASSES, done.stdout[done.stdout.find("Failures:") :]
    assert gate.running
    gate.stop()


def websocket_cases(address: Address, folder: Path) -> dict[str, bool]:
    """Every case of the suite with whether it passed. Performance and compression are not a proxy's."""
    kosoku = Path(sys.executable).parent / "kosoku"
    argv = [
        str(kosoku),
        "-x",
        "9.*",
        "-x",
        "12.*",
        "-x",
        "13.*",
        "-o",
        str(folder),
        f"{address[0]}:{address[1]}",
    ]
    subprocess.run(argv, capture_output=True, text=True, timeout=200, check=False)
    (cases,) = json.loads((folder / "index.json").read_text()).values()
    return {
        case: result["behavior"] in PASSED and result["behaviorClose"] in PASSED
        for case, result in cases.items()
    }


def test_websocket_cases_are_the_same_through_cambio(
    gates: Gates, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    with upstreams.websocket_echo() as echo:
        gate = gates.start("websocket", echo, Setup())
        straight, ours = (
            websocket_cases(echo, tmp_path / "straight"),
            websocket_cases(gate.address, tmp_path / "ours"),
        )
    measured(
        f"WebSocket: {sum(straight.values())} of {len(straight)} straight, {sum(ours.values())} through Cambio"
    )
    assert len(straight) == WEBSOCKET_CASES
    assert sum(straight.values()) >= WEBSOCKET_CASES - 2, "the echo server itself fails"
    assert {case for case, passed in ours.items() if not passed} <= {
        case for case, passed in straight.items() if not passed
    }
    gate.stop()


@pytest.fixture(scope="module")
def plain(gates: Gates, plain_upstream: Address) -> Gate:
    return gates.start("protocol", plain_upstream, Setup())


REFUSED: list[tuple[str, bytes]] = [
    ("length and chunks", b"POST / HTTP/1.1\r\nHost: {a}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("length twice the same", b"POST / HTTP/1.1\r\nHost: {a}\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
    ("length twice different", b"POST / HTTP/1.1\r\nHost: {a}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
    ("length twice in one line", b"POST / HTTP/1.1\r\nHost: {a}\r\nContent-Length: 1, 1\r\n\r\nx"),
    ("gzip before chunked", b"POST / HTTP/1.1\r\nHost: {a}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("chunked twice", b"POST / HTTP/1.1\r\nHost: {a}\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ("chunked on two lines", b"POST / HTTP/1.1\r\nHost: {a}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("no host", b"GET / HTTP/1.1\r\n\r\n"),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: {a}\r\nHost: {a}\r\n\r\n"),
    ("asterisk form", b"OPTIONS * HTTP/1.1\r\nHost: {a}\r\n\r\n"),
    ("absolute form, another host", b"GET http://elsewhere.test/ HTTP/1.1\r\nHost: {a}\r\n\r\n"),
    ("a space before the colon", b"GET / HTTP/1.1\r\nHost: {a}\r\nX-A : b\r\n\r\n"),
    ("a folded line", b"GET / HTTP/1.1\r\nHost: {a}\r\nX-A: b\r\n c\r\n\r\n"),
    ("bare CR", b"GET / HTTP/1.1\r\nHost: {a}\r\nX-A: b\rc\r\n\r\n"),
    ("NUL", b"GET / HTTP/1.1\r\nHost: {a}\r\nX-A: b\0c\r\n\r\n"),
    ("chunks on HTTP/1.0", b"POST / HTTP/1.0\r\nHost: {a}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "raw"), REFUSED, ids=[name for name, _ in REFUSED])
def test_what_two_servers_may_read_in_two_ways_is_refused(plain: Gate, name: str, raw: bytes) -> None:
    with http1.Connection(plain.address, timeout=5) as connection:
        connection.send(raw.replace(b"{a}", plain.authority.encode()))
        assert connection.answer().status == 400
        assert connection.wait_for_close(5) == b"", "the connection went on after a refusal"


def test_connect_is_refused(plain: Gate) -> None:
    with http1.Connection(plain.address, timeout=5) as connection:
        connection.send(b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n")
        assert connection.answer().status in (400, 405)


def test_an_upgrade_to_h2c_is_not_made(direct: Peer, through: Peer) -> None:
    """Behind an upgrade nothing would be judged: the request is served as the HTTP/1.1 that it is."""
    raw = (
        f"GET /realms/corp HTTP/1.1\r\nHost: {through.authority}\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    )
    answers = []
    for peer in (direct, through):
        with http1.Connection(peer.address, timeout=5) as connection:
            connection.send(raw.encode())
            answers.append(connection.answer())
    straight, ours = answers
    assert straight.status == 101
    assert (ours.status, ours.header("Upgrade")) == (200, None)
    assert b"public_key" in ours.body


def test_forwarding_headers_say_what_cambio_saw(gates: Gates) -> None:
    with upstreams.scripted() as (address, script):
        gate = gates.start("forwarding", address, Setup())
        claims = [
            ("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Host", "elsewhere.test"), ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Port", "1"), ("Forwarded", "for=203.0.113.9;host=elsewhere.test;proto=https"),
            ("Connection", "close, X-Dropped"), ("X-Dropped", "x"), ("X-Kept", "y"),
            ("Proxy-Authorization", "Basic eDp5"), ("X-Real-IP", "203.0.113.9"), ("Expect", "100-continue"),
        ]  # fmt: skip
        with http1.Connection(gate.address) as connection:
            connection.send(http1.render("GET", "/seen", [("Host", "sso.example.test:8443"), *claims]))
            assert connection.answer().status == 200
        seen = script.seen["/seen"]
        gate.stop()
    assert seen["host"] == "sso.example.test:8443"
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-host"] == "sso.example.test:8443"
    assert seen["x-forwarded-proto"] == "http"
    assert "elsewhere" not in str(seen) and "203.0.113.9" not in str(seen)
    for removed in ("x-dropped", "proxy-authorization", "x-real-ip", "expect"):
        assert removed not in seen, removed
    assert seen["x-kept"] == "y"


def test_interim_answers_end_at_cambio(gates: Gates) -> None:
    with upstreams.scripted() as (address, script):
        gate = gates.start("interim", address, Setup())
        script.answers["/hinted"] = Scripted(200, "text/plain", b"after the hint", interim=(102, 103))
        straight, ours = (Peer(at, gate.authority).get("/hinted") for at in (address, gate.address))
        gate.stop()
    assert straight.interim == [102, 103]
    assert (ours.status, ours.interim, ours.body) == (200, [], straight.body)


def test_a_304_has_no_length(gates: Gates) -> None:
    with upstreams.scripted() as (address, script):
        gate = gates.start("not-modified", address, Setup())
        length = (("Content-Length", "120"), ("ETag", '"a"'))
        script.answers["/same"] = Scripted(304, "text/plain", b"", length)
        straight, ours = (Peer(at, gate.authority).get("/same") for at in (address, gate.address))
        gate.stop()
    assert (straight.status, straight.header("Content-Length")) == (304, "120")
    assert (ours.status, ours.header("Content-Length"), ours.header("ETag")) == (304, None, '"a"')


def test_head_and_interim_answers_and_trace_context_pass(plain: Gate) -> None:
    head = Peer(plain.address, plain.authority).send(
        "HEAD", "/", [("traceparent", "00-" + "1" * 32 + "-" + "2" * 16 + "-01")]
    )
    assert (head.status, head.body) == (200, b"")
    assert int(head.header("Content-Length") or 0) == 120
