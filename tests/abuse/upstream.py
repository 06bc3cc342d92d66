"""The fake identity provider: a process of its own. Paths say how it behaves; it records what it was sent.

usage: upstream.py PORT
  POST …/token          a login's answer, at once
  …/hold                never an answer          …/reset      half an answer, then a reset
  …/trickle             a byte each second       …/big        4 MiB
  GET /record, /seen, /stop
                        (control) begins to record; everything that came since the last call, in base64, one line per
                        connection; ends to record
"""

import asyncio
import base64
import contextlib
import json
import socket
import struct
import sys

LOGIN = json.dumps({"access_token": "upstream-token", "token_type": "Bearer", "expires_in": 60}).encode()
PIECE = b"x" * 65536


class Record:
    """What came, by connection, since the last question."""

    def __init__(self):
        self.on, self.turn, self.notes = False, 0, []

    def take(self):
        notes, self.notes = self.notes, []
        self.turn += 1
        return "\n".join(base64.b64encode(bytes(note)).decode() for note in notes if note)


record = Record()


def answer(body, kind="application/json", status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def read_request(reader, note):
    """The request line and the body, framed as RFC 9112 says; None at the end."""
    head = await reader.readuntil(b"\r\n\r\n")
    note.extend(head)
    lines = head.decode("latin1").split("\r\n")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
    }
    if "chunked" in headers.get("transfer-encoding", ""):
        while True:
            size = await reader.readuntil(b"\r\n")
            note.extend(size)
            length = int(size.split(b";")[0], 16)
            note.extend(await reader.readexactly(length + 2) if length else b"")
            if not length:
                while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
                    note.extend(line)
                note.extend(b"\r\n")
                break
    else:
        left = int(headers.get("content-length") or 0)
        while left:
            piece = await reader.read(min(left, 65536))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(piece)
            if len(note) < 1 << 20:
                note.extend(piece)
    return lines[0].split(" ")


async def write_large(writer):
    """4 MiB in pieces, so that others are served in between."""
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % (64 * len(PIECE))
    )
    for _ in range(64):
        writer.write(PIECE)
        await writer.drain()
        await asyncio.sleep(0)


async def serve(reader, writer):
    note, turn = bytearray(), -1
    with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError):
        while True:
            if not record.on:
                note.clear()
            elif turn != record.turn:
                note, turn = bytearray(), record.turn
                record.notes.append(note)
            method, path, *_ = await read_request(reader, note)
            place = path.split("?")[0]
            if place in ("/record", "/seen", "/stop"):
                note.clear()
                record.on = place != "/stop"
                writer.write(answer(record.take().encode(), "text/plain"))
            elif place.endswith("/hold"):
                await asyncio.sleep(3600)
            elif place.endswith("/reset"):
                writer.write(answer(b"{" + b" " * 1000)[:-500])
                await writer.drain()
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                break
            elif place.endswith("/trickle"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3600\r\n\r\n")
                for _ in range(3600):
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(1)
            elif place.endswith("/big"):
                await write_large(writer)
            elif place.endswith("/big-json"):
                writer.write(answer(b"[" * 100_000 + b"]" * 100_000 + b" " * (8 << 20)))
            elif place.endswith("/token"):
                writer.write(answer(LOGIN))
            else:
                writer.write(answer(b"page" if method != "HEAD" else b"", "text/html"))
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=1024, limit=1 << 18)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
