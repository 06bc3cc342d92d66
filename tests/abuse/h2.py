"""HTTP/2 frames (RFC 9113), as an attacker writes them."""

import select
import struct
import time

import wire

DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def settings(**values):
    names = {"table": 1, "push": 2, "streams": 3, "window": 4, "frame": 5, "list": 6}
    return frame(
        SETTINGS, payload=b"".join(struct.pack(">HI", names[name], value) for name, value in values.items())
    )


def integer(value, bits, first=0):
    """RFC 7541 section 5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytes([first | most]), value - most
    while value >= 128:
        out, value = out + bytes([value % 128 + 128]), value // 128
    return out + bytes([value])


def text(value):
    raw = value if isinstance(value, bytes) else value.encode("latin1")
    return integer(len(raw), 7) + raw


def literal(name, value, indexed=False):
    return (b"\x40" if indexed else b"\0") + text(name) + text(value)


def fields(method="GET", path="/realms/corp/account", more=(), authority="sso.example.org"):
    pseudo = [(":method", method), (":scheme", "http"), (":authority", authority), (":path", path)]
    return b"".join(literal(name, value) for name, value in [*pseudo, *more])


class Connection:
    """A connection with prior knowledge. `send` says whether the peer still takes bytes."""

    def __init__(self, port, timeout=3, **first):
        self.link = wire.connect(port, timeout)
        self.stream = 1
        self.open = True
        self.seen = b""
        self.send(PREFACE + settings(**first))

    def send(self, data):
        if self.open:
            try:
                self.link.sendall(data)
            except OSError:
                self.open = False
        return self.open

    def headers(self, block, end=True):
        """The frames of a request, and its stream."""
        stream, self.stream = self.stream, self.stream + 2
        pieces = [block[at : at + 16384] for at in range(0, len(block), 16384)] or [b""]
        out = frame(
            HEADERS, (END_STREAM if end else 0) | (END_HEADERS if len(pieces) == 1 else 0), stream, pieces[0]
        )
        for at, piece in enumerate(pieces[1:], 2):
            out += frame(CONTINUATION, END_HEADERS if at == len(pieces) else 0, stream, piece)
        return out, stream

    def read(self, wait=0.0, most=1 << 20):
        """What has come, at most `wait` seconds long; the frames as (kind, flags, stream, payload)."""
        end, frames = time.monotonic() + wait, []
        while self.open and most > 0:
            ready, _, _ = select.select([self.link], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                break
            try:
                piece = self.link.recv(65536)
            except OSError:
                piece = b""
            if not piece:
                self.open = False
                break
            most -= len(piece)
            self.seen += piece
            while len(self.seen) >= 9 and len(self.seen) >= 9 + int.from_bytes(self.seen[:3], "big"):
                size = int.from_bytes(self.seen[:3], "big")
                kind, flags, stream = self.seen[3], self.seen[4], int.from_bytes(self.seen[5:9], "big")
                frames.append((kind, flags, stream, self.seen[9 : 9 + size]))
                self.seen = self.seen[9 + size :]
                if kind == SETTINGS and not flags & ACK:
                    self.send(frame(SETTINGS, ACK))
                if kind == PING and not flags & ACK:
                    self.send(frame(PING, ACK, payload=frames[-1][3]))
        return frames

    def close(self):
        self.link.close()
