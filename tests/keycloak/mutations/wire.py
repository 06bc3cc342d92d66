"""The wire: header lines, framing, and what else is on the connection."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace

import drafts
from drafts import chunked
from mutations.change import Change
from peer import FORM


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def line(*lines: tuple[str, str]) -> Change:
    return lambda draft: replace(draft, lines=(*draft.lines, *lines))


def _frame(make: Callable[[bytes], tuple[drafts.Lines, bytes]]) -> Change:
    return lambda draft: replace(draft, frame=make)


def _wrap(make: Callable[[bytes], bytes], hidden: bool = False) -> Change:
    return lambda draft: replace(draft, wrap=make, hidden=hidden)


def _smuggled(head: str, body_of: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Hide the whole request in the body of a harmless one."""
    return lambda raw: head.format(length=len(body_of(raw))).encode() + body_of(raw)


_HARMLESS = "GET /realms/corp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_PREFIX = "POST /realms/corp/nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"


HEADERS = [
    ("expect", [("Expect", "100-continue")], True),
    ("accept html", [("Accept", "text/html")], False),
    ("method override", [("X-HTTP-Method-Override", "GET"), ("X-HTTP-Method", "GET")], True),
    ("original URL", [("X-Original-URL", "/realms/corp"), ("X-Rewrite-URL", "/realms/corp")], True),
    ("forwarded host", [("X-Forwarded-Host", "elsewhere.test"), ("X-Forwarded-Proto", "https")], True),
    ("forwarded prefix", [("X-Forwarded-Prefix", "/other"), ("X-Forwarded-Path", "/other")], False),
    ("forwarded", [("Forwarded", "for=1.2.3.4;host=elsewhere.test;proto=https")], True),
    ("connection names content-type", [("Connection", "close, content-type")], True),
    ("connection names authorization", [("Connection", "close, authorization")], False),
    ("connection names content-length", [("Connection", "close, content-length")], False),
    ("connection names host", [("Connection", "close, host")], False),
    ("keep alive", [("Connection", "keep-alive")], False),
    ("upgrade h2c", [("Connection", "close, upgrade, http2-settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")], False),
    ("upgrade websocket", [("Connection", "upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")], False),
    ("proxy connection", [("Proxy-Connection", "keep-alive")], False),
    ("te trailers", [("TE", "trailers")], True),
    ("range", [("Range", "bytes=0-3")], False),
    ("if-none-match", [("If-None-Match", "*")], False),
    ("a cookie", [("Cookie", "grant_type=password")], False),
    ("origin", [("Origin", "http://app.example.test")], True),
    ("a hundred lines", [(f"X-Line-{number}", "x" * 20) for number in range(60)], False),
    ("a long line", [("X-Long", "x" * 6000)], False),
    ("content-length by underscore", [("Content_Length", "0")], False),
    ("transfer-encoding by underscore", [("Transfer_Encoding", "chunked")], False),
    ("a space before the colon", [("X-Space ", "x")], False),
    ("a folded line", [("X-Fold", "a\r\n b")], False),
    ("a latin-1 value", [("X-Latin", "\xe9")], False),
    ("an empty name", [("", "x")], False),
]  # fmt: skip


FRAMINGS = [
    ("chunked", _frame(lambda b: ((("Transfer-Encoding", "chunked"),), chunked(b))), True),
    ("chunked small", _frame(lambda b: ((("Transfer-Encoding", "chunked"),), chunked(b, 97))), True),
    ("chunked in upper case", _frame(lambda b: ((("Transfer-Encoding", "CHUNKED"),), chunked(b))), True),
    ("chunk extension", _frame(lambda b: ((("Transfer-Encoding", "chunked"),), chunked(b, 0, ";a=b"))), True),
    ("chunked with a trailer", _frame(lambda b: ((("Transfer-Encoding", "chunked"), ("Trailer", "X-T")), chunked(b, 0, "", "X-T: 1\r\n"))), True),
    ("a trailer that names a form", _frame(lambda b: ((("Transfer-Encoding", "chunked"),), chunked(b, 0, "", f"Content-Type: {FORM}\r\n"))), False),
    ("chunked and length", _frame(lambda b: ((("Content-Length", str(len(chunked(b)))), ("Transfer-Encoding", "chunked")), chunked(b))), True),
    ("chunked and length 0", _frame(lambda b: ((("Content-Length", "0"), ("Transfer-Encoding", "chunked")), chunked(b))), False),
    ("length twice", _frame(lambda b: ((("Content-Length", str(len(b))),) * 2, b)), True),
    ("length twice in one", _frame(lambda b: ((("Content-Length", f"{len(b)}, {len(b)}"),), b)), False),
    ("two lengths", _frame(lambda b: ((("Content-Length", "0"), ("Content-Length", str(len(b)))), b)), False),
    ("length with a plus", _frame(lambda b: ((("Content-Length", f"+{len(b)}"),), b)), False),
    ("length with zeros", _frame(lambda b: ((("Content-Length", f"000{len(b)}"),), b)), True),
    ("length in hexadecimal", _frame(lambda b: ((("Content-Length", f"0x{len(b):x}"),), b)), False),
    ("length too small", _frame(lambda b: ((("Content-Length", str(len(b) - 10)),), b)), False),
    ("no length", _frame(lambda b: ((), b)), False),
    ("chunked twice", _frame(lambda b: ((("Transfer-Encoding", "chunked, chunked"),), chunked(b))), False),
    ("chunked on two lines", _frame(lambda b: ((("Transfer-Encoding", "chunked"),) * 2, chunked(b))), False),
    ("gzip, chunked", _frame(lambda b: ((("Transfer-Encoding", "gzip, chunked"),), chunked(_gzip(b)))), False),
    ("identity, chunked", _frame(lambda b: ((("Transfer-Encoding", "identity, chunked"),), chunked(b))), False),
    ("identity", _frame(lambda b: ((("Transfer-Encoding", "identity"), ("Content-Length", str(len(b)))), b)), False),
    ("chunked, identity", _frame(lambda b: ((("Transfer-Encoding", "chunked, identity"),), chunked(b))), False),
    ("xchunked", _frame(lambda b: ((("Transfer-Encoding", "xchunked"), ("Content-Length", str(len(b)))), b)), False),
    ("chunked after a tab", _frame(lambda b: ((("Transfer-Encoding", "\tchunked"),), chunked(b))), False),
    ("chunked with a vertical tab", _frame(lambda b: ((("Transfer-Encoding", "\x0bchunked"), ("Content-Length", str(len(b)))), b)), False),
    ("chunk size with spaces", _frame(lambda b: ((("Transfer-Encoding", "chunked"),), chunked(b, 0, " "))), False),
    ("bare LF in chunks", _frame(lambda b: ((("Transfer-Encoding", "chunked"),), chunked(b).replace(b"\r\n", b"\n"))), False),
]  # fmt: skip


CONNECTIONS = [
    ("after a harmless request", _wrap(lambda raw: _HARMLESS.encode() + raw, hidden=True)),
    ("after an empty line", _wrap(lambda raw: b"\r\n" + raw)),
    ("bare LF lines", _wrap(lambda raw: raw.replace(b"\r\n", b"\n"))),
    ("bare CR in a header", _wrap(lambda raw: raw.replace(b"\r\n", b"\r\nX-Cr: a\rb\r\n", 1))),
    ("hidden by length and chunks", _wrap(_smuggled(_PREFIX + "Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n", lambda raw: b"0\r\n\r\n" + raw), hidden=True)),
    ("hidden by chunks and length", _wrap(_smuggled(_PREFIX + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n", lambda raw: f"{len(raw):x}\r\n".encode() + raw + b"\r\n0\r\n\r\n"), hidden=True)),
    ("hidden by an odd coding", _wrap(_smuggled(_PREFIX + "Content-Length: {length}\r\nTransfer-Encoding: x, chunked\r\n\r\n", lambda raw: b"0\r\n\r\n" + raw), hidden=True)),
    ("hidden by a GET with a body", _wrap(_smuggled("GET /realms/corp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n", lambda raw: raw), hidden=True)),
    ("hidden by two lengths", _wrap(_smuggled(_PREFIX + "Content-Length: 0\r\nContent-Length: {length}\r\n\r\n", lambda raw: raw), hidden=True)),
    ("hidden by an upgrade", _wrap(_smuggled("GET /realms/corp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", lambda raw: raw), hidden=True)),
    ("hidden by CONNECT", _wrap(_smuggled("CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n", lambda raw: raw), hidden=True)),
    ("hidden by HEAD", _wrap(_smuggled("HEAD /realms/corp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n", lambda raw: raw), hidden=True)),
    ("hidden by an expectation", _wrap(_smuggled(_PREFIX + "Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n", lambda raw: raw), hidden=True)),
]  # fmt: skip

# Header lines that HTTP/2 forbids, or cannot write.
HTTP1_HEADERS = {
    "keep alive", "upgrade h2c", "upgrade websocket", "a space before the colon", "a folded line", "an empty name",
}  # fmt: skip
