"""HTTP/2 by prior knowledge or over TLS, with header lists exactly as given: nothing is validated or normalised here."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from drafts import Draft
from http1 import Answer, Headers, NoAnswer


class Connection:
    """One HTTP/2 connection, one stream at a time."""

    def __init__(self, address: tuple[str, int], timeout: float = 10.0, tls: ssl.SSLContext | None = None):
        config = h2.config.H2Configuration(
            client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False,
            validate_inbound_headers=False, header_encoding="latin-1",
        )  # fmt: skip
        self._timeout = timeout
        self._socket = socket.create_connection(address, timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self._socket = tls.wrap_socket(self._socket, server_hostname="localhost")
        self._state = h2.connection.H2Connection(config)
        self._state.initiate_connection()
        self._flush()

    @property
    def protocol(self) -> str | None:
        """What ALPN chose; None without TLS."""
        return self._socket.selected_alpn_protocol() if isinstance(self._socket, ssl.SSLSocket) else None

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, headers: Headers, body: bytes = b"", trailers: Headers | None = None) -> Answer:
        """One request and its answer. NoAnswer when the stream or the connection is reset, or at the deadline."""
        deadline = time.monotonic() + self._timeout
        stream = self._state.get_next_available_stream_id()
        try:
            self._state.send_headers(stream, headers, end_stream=not body and not trailers)
            self._flush()
            self._send_body(stream, body, not trailers, deadline)
            if trailers:
                self._state.send_headers(stream, trailers, end_stream=True)
                self._flush()
        except (h2.exceptions.ProtocolError, OSError) as error:
            raise NoAnswer(repr(error)) from None
        return self._answer(stream, deadline)

    def _send_body(self, stream: int, body: bytes, end: bool, deadline: float) -> None:
        self._early: list[h2.events.Event] = []
        while body:
            room = min(self._state.local_flow_control_window(stream), self._state.max_outbound_frame_size)
            if room <= 0:
                self._early += self._events(deadline)
                continue
            piece, body = body[:room], body[room:]
            self._state.send_data(stream, piece, end_stream=end and not body)
            self._flush()

    def _answer(self, stream: int, deadline: float) -> Answer:
        status, headers, body = 0, [], b""
        interim: list[int] = []
        events = self._early
        while True:
            for event in events:
                match event:
                    case h2.events.InformationalResponseReceived(stream_id=number) if number == stream:
                        interim.append(int(dict(event.headers)[":status"]))
                    case h2.events.ResponseReceived(stream_id=number) if number == stream:
                        fields = [(name, value) for name, value in event.headers]
                        status = int(dict(fields)[":status"])
                        headers = [pair for pair in fields if not pair[0].startswith(":")]
                    case h2.events.DataReceived(stream_id=number) if number == stream:
                        body += event.data
                        if event.flow_controlled_length:
                            self._state.acknowledge_received_data(event.flow_controlled_length, stream)
                    case h2.events.StreamEnded(stream_id=number) if number == stream:
                        self._flush()
                        return Answer(status, headers, body, interim)
                    case h2.events.StreamReset(stream_id=number) if number == stream:
                        if status:
                            return Answer(status, headers, body, interim)
                        raise NoAnswer(f"stream reset, code {event.error_code}")
                    case h2.events.ConnectionTerminated():
                        raise NoAnswer(f"connection ended, code {event.error_code}")
            events = self._events(deadline)

    def _events(self, deadline: float) -> list[h2.events.Event]:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise NoAnswer("deadline passed")
        self._socket.settimeout(remaining)
        try:
            data = self._socket.recv(65536)
            if not data:
                raise NoAnswer("closed")
            events = self._state.receive_data(data)
        except (TimeoutError, ConnectionResetError, h2.exceptions.ProtocolError) as error:
            raise NoAnswer(repr(error)) from None
        # What we owe (acknowledgements) may meet a peer that has answered and closed; its answer counts.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._flush()
        return events

    def _flush(self) -> None:
        data = self._state.data_to_send()
        if data:
            self._socket.sendall(data)


def headers_of(draft: Draft) -> tuple[Headers, bytes]:
    """A draft as an HTTP/2 header list and a body. Framing belongs to HTTP/2 itself."""
    ready = draft.authenticated()
    body = ready.body()
    fields = [
        (":method", ready.method), (":scheme", "http"), (":path", ready.target), (":authority", ready.authority),
    ]  # fmt: skip
    fields += [(name.lower(), value) for name, value in ready.head()]
    return fields, body
