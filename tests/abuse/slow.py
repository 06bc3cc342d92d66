"""Slow and stubborn peers, in both directions."""

import contextlib
import time

import gate as gates
import wire
from harness import watched

POST = f"POST {gates.TOKEN} HTTP/1.1\r\nHost: h\r\nContent-Type: {wire.FORM}\r\nContent-Length: {1 << 20}\r\n\r\n".encode()
UPLOAD = b"POST /realms/corp/hold HTTP/1.1\r\nHost: h\r\nContent-Type: a/b\r\nContent-Length: 1000000\r\n\r\n"


def get(path):
    return f"GET /realms/corp/{path} HTTP/1.1\r\nHost: h\r\n\r\n".encode()


def peers(count, first, drip=b"", ends_within=None):
    """`count` connections that send `first` and then a byte of `drip` now and then, and read nothing."""

    def attack(gate, seconds):
        links = []
        for _ in range(count):
            with contextlib.suppress(OSError):
                link = wire.connect(gate.port, 3)
                links.append(link)
                link.settimeout(1)
                link.sendall(first)
        start = time.monotonic()
        open_links = list(links)
        while time.monotonic() - start < max(seconds, ends_within or 0) and open_links:
            time.sleep(0.25)
            if not drip and not ends_within:
                continue
            for link in list(open_links):
                try:
                    if drip:
                        link.sendall(drip)
                    link.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        if not link.recv(65536):
                            open_links.remove(link)
                    link.settimeout(1)
                except OSError:
                    open_links.remove(link)
        if ends_within and open_links:
            raise RuntimeError(f"{len(open_links)} of {count} connections are open after {ends_within} s")
        return len(links)

    return attack


CASES = {
    "slow heads": peers(300, b"GET / HTTP/1.1\r\nHost: h\r\nX: ", b"a", ends_within=6),
    "slow request lines": peers(300, b"G", b"E", ends_within=6),
    "slow heads of HTTP/2": peers(200, b"PRI * HTTP/2.0\r\n\r\nSM", ends_within=6),
    "slow bodies": peers(200, POST, b"a", ends_within=8),
    "bodies that stop": peers(200, POST + b"a" * 1000, ends_within=8),
    "unfinished forms": peers(260, POST + b"a" * ((1 << 20) - 1)),
    "slow uploads": peers(200, UPLOAD, b"a"),
    "uploads that stop": peers(200, UPLOAD + b"a" * 1000),
    "slow readers": peers(200, get("big")),
    "slow readers, pipelined": peers(50, get("big") * 20),
    "a trickling identity provider": peers(200, get("trickle")),
    "a silent identity provider": peers(300, get("hold")),
    "nothing sent": peers(500, b""),
}
SMOKE = ["slow heads", "slow bodies", "unfinished forms", "slow readers", "a trickling identity provider"]


def run(world):
    with world.klass("slow peers") as row:
        cases = {name: CASES[name] for name in SMOKE} if world.smoke else CASES
        watched(world, row, cases, 1.5 if world.smoke else 3)
