"""Upstreams that are not Keycloak: a plain one, one that echoes WebSocket messages, and one that stands before Keycloak
and misbehaves on demand."""

from __future__ import annotations

import http.client
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import websockets.exceptions
import websockets.sync.server

Address = tuple[str, int]

# An answer with the marks of an exchange (RFC 8693 section 2.2.1).
MARKED = b'{"access_token":"x.y.z","token_type":"Bearer","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}'


@dataclass(frozen=True)
class Scripted:
    """An answer from a script."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    # Whether the connection is cut in the middle of the body.
    cut: bool = False
    # Statuses of interim answers that come before it.
    interim: tuple[int, ...] = ()


@dataclass
class Script:
    """What the upstream does: for each path ending an answer; the rest is Keycloak's. May be changed at any time."""

    answers: dict[str, Scripted] = field(default_factory=dict)
    # How often each path was asked for.
    asked: Counter[str] = field(default_factory=Counter)
    # The headers of the last request for each path.
    seen: dict[str, dict[str, str]] = field(default_factory=dict)

    def answer_for(self, path: str) -> Scripted | None:
        plain = path.split("?")[0]
        return next((answer for ending, answer in self.answers.items() if plain.endswith(ending)), None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script
    behind: Address | None

    def _serve(self) -> None:
        body = self._read_body()
        self.script.asked[self.path.split("?")[0]] += 1
        self.script.seen[self.path.split("?")[0]] = {
            name.lower(): value for name, value in self.headers.items()
        }
        answer = self.script.answer_for(self.path)
        if answer:
            for status in answer.interim:
                self.send_response_only(status)
                self.end_headers()
            self._send(
                answer.status,
                [("Content-Type", answer.content_type), *answer.headers],
                answer.body,
                answer.cut,
            )
        elif self.behind:
            self._pass_on(self.behind, body)
        else:
            self._send(200, [("Content-Type", "text/plain")], b"plain\n" * 20)

    def _pass_on(self, behind: Address, body: bytes) -> None:
        connection = http.client.HTTPConnection(*behind, timeout=20)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "transfer-encoding", "content-length", "expect"):
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            skipped = ("connection", "transfer-encoding", "content-length")
            headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in skipped]
            self._send(answer.status, headers, answer.read())
        except OSError:
            self.close_connection = True
        finally:
            connection.close()

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def log_message(self, *_: object) -> None:
        """The suite's output is for the suite."""


@contextmanager
def scripted(behind: Address | None = None) -> Iterator[tuple[Address, Script]]:
    """An upstream that follows a script, and else asks the server behind it (or answers a few plain lines)."""
    script = Script()
    handler = type("Handler", (_Handler,), {"script": script, "behind": behind})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    with _served(server.serve_forever, server.shutdown):
        yield ("127.0.0.1", server.server_address[1]), script
    server.server_close()


@contextmanager
def websocket_echo() -> Iterator[Address]:
    """A WebSocket server that sends every message back."""

    def echo(connection: websockets.sync.server.ServerConnection) -> None:
        try:
            for message in connection:
                connection.send(message)
        except websockets.exceptions.ConnectionClosed:
            pass

    silent = logging.getLogger("websockets.silent")
    silent.disabled = True
    server = websockets.sync.server.serve(
        echo, "127.0.0.1", 0, compression=None, max_size=None, logger=silent
    )
    with _served(server.serve_forever, server.shutdown):
        yield ("127.0.0.1", server.socket.getsockname()[1])


@contextmanager
def _served(serve: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(5)
