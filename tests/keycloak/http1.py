"""An HTTP/1 client that sends exactly the bytes it is given.

The suite compares what Keycloak answers when asked straight and when asked through Cambio. A client that
normalises targets, merges headers or refuses odd framing would hide the very differences that are looked for.
"""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field

Headers = list[tuple[str, str]]


class NoAnswer(Exception):
    """The peer closed, or stayed silent until the deadline, before a whole answer had come."""


@dataclass(frozen=True)
class Answer:
    """One final HTTP answer, with the interim (1xx) answers that came before it."""

    status: int
    headers: Headers
    body: bytes
    interim: list[int] = field(default_factory=list)
    trailers: Headers = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """The value of the only header of this name; None when it is absent."""
        values = self.header_values(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    def header_values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class Connection:
    """One TCP connection, used for one request after another. Every wait ends at a deadline."""

    def __init__(self, address: tuple[str, int], timeout: float = 20.0, tls: ssl.SSLContext | None = None):
        self._timeout = timeout
        self._socket = socket.create_connection(address, timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self._socket = tls.wrap_socket(self._socket, server_hostname="localhost")
        self._buffer = b""
        self._closed = False

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, raw: bytes) -> None:
        """Send; a peer that has already answered and closed is no error here, its answer is still to be read."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(raw)

    def answer(self, head_only: bool = False, timeout: float | None = None) -> Answer:
        """Read one final answer. `head_only` says that the request was a HEAD."""
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        interim = []
        while True:
            status, headers = self._head(deadline)
            if status < 200 and status != 101:
                interim.append(status)
                continue
            body, trailers = self._body(status, headers, head_only, deadline)
            return Answer(status, headers, body, interim, trailers)

    def interim(self, timeout: float | None = None) -> int:
        """Read one interim answer and give its status."""
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        return self._head(deadline)[0]

    def wait_for_close(self, timeout: float) -> bytes:
        """Read until the peer closes; gives what was left. NoAnswer when it does not close in time."""
        deadline = time.monotonic() + timeout
        while self._fill(deadline):
            pass
        left, self._buffer = self._buffer, b""
        return left

    def _fill(self, deadline: float) -> bool:
        """Read some more bytes. False at the end of the stream."""
        if self._closed:
            return False
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise NoAnswer(f"deadline passed with {self._buffer[:200]!r} read")
        self._socket.settimeout(remaining)
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise NoAnswer(f"silence after {self._buffer[:200]!r}") from None
        except ConnectionResetError:
            data = b""
        if not data:
            self._closed = True
            return False
        self._buffer += data
        return True

    def _until(self, mark: bytes, deadline: float) -> bytes:
        while mark not in self._buffer:
            if not self._fill(deadline):
                raise NoAnswer(f"closed after {self._buffer[:200]!r}")
        taken, _, self._buffer = self._buffer.partition(mark)
        return taken

    def _exactly(self, count: int, deadline: float) -> bytes:
        while len(self._buffer) < count:
            if not self._fill(deadline):
                raise NoAnswer(f"closed with {len(self._buffer)} of {count} bytes of the body")
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _head(self, deadline: float) -> tuple[int, Headers]:
        lines = self._until(b"\r\n\r\n", deadline).decode("latin-1").split("\r\n")
        version, status, *_ = lines[0].split(" ", 2)
        if not version.startswith("HTTP/1."):
            raise NoAnswer(f"not an HTTP/1 answer: {lines[0]!r}")
        return int(status), _fields(lines[1:])

    def _body(self, status: int, headers: Headers, head_only: bool, deadline: float) -> tuple[bytes, Headers]:
        fields = {name.lower(): value for name, value in headers}
        if head_only or status in (101, 204, 304):
            return b"", []
        if "chunked" in fields.get("transfer-encoding", "").lower():
            return self._chunks(deadline)
        if "content-length" in fields:
            return self._exactly(int(fields["content-length"]), deadline), []
        while self._fill(deadline):
            pass
        body, self._buffer = self._buffer, b""
        return body, []

    def _chunks(self, deadline: float) -> tuple[bytes, Headers]:
        body = b""
        while True:
            size = int(self._until(b"\r\n", deadline).split(b";")[0], 16)
            if size == 0:
                break
            body += self._exactly(size, deadline)
            self._exactly(2, deadline)
        trailers = []
        while line := self._until(b"\r\n", deadline):
            trailers.append(line.decode("latin-1"))
        return body, _fields(trailers)


def _fields(lines: list[str]) -> Headers:
    fields = []
    for line in lines:
        name, _, value = line.partition(":")
        fields.append((name, value.strip()))
    return fields


def render(method: str, target: str, headers: Headers, body: bytes = b"", version: str = "HTTP/1.1") -> bytes:
    """The bytes of one request, exactly as named: no header is added or changed."""
    lines = [f"{method} {target} {version}"] + [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def all_answers(
    address: tuple[str, int], raw: bytes, timeout: float = 5.0, linger: float = 0.02
) -> list[Answer]:
    """Send bytes on a fresh connection and collect every answer that they draw.

    A request that is read as two by one side and as one by the other draws two answers, so reading goes on until
    the peer closes or `linger` seconds pass in silence after the last whole answer.
    """
    answers: list[Answer] = []
    with Connection(address, timeout) as connection:
        connection.send(raw)
        try:
            answers.append(connection.answer(head_only=raw.startswith(b"HEAD ")))
            while True:
                answers.append(connection.answer(timeout=linger))
        except (NoAnswer, ValueError):
            return answers
