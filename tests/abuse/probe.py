"""Health and a login of another caller, asked all the time: a process of its own, so that no attacker delays it.

usage: probe.py ADMIN_PORT GATE_PORT     ends at a line on standard input; prints the figures as JSON

Beside each question to `/livez`, the probe asks a server of its own. If that is slow, too, the machine was busy, and the
sample says nothing about Cambio.
"""

import contextlib
import json
import os
import socket
import sys
import threading
import time

import wire

HEALTH = b"GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
LOGIN = {"grant_type": "password", "client_id": "web", "username": "alice", "password": "alice-password"}
TOKEN = "/realms/corp/protocol/openid-connect/token"
#: How long the probe's own server may take.
QUIET = 0.03


def control():
    """A server that answers at once."""
    listener = socket.create_server((wire.HOST, 0), backlog=64)

    def serve():
        while True:
            link, _ = listener.accept()
            with contextlib.suppress(OSError), link:
                link.recv(4096)
                link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def timed(port, timeout=5):
    start = time.monotonic()
    answer = wire.Answer(wire.exchange_bytes(port, HEALTH, timeout))
    return time.monotonic() - start, answer.status


def main():
    admin, gate = map(int, sys.argv[1:3])
    own = control()
    stop = threading.Event()
    logins = []

    def log_in():
        while not stop.is_set():
            start = time.monotonic()
            answer = wire.request(gate, "POST", TOKEN, LOGIN, timeout=5, source="127.0.0.2")
            logins.append((time.monotonic() - start, answer.status))
            stop.wait(0.2)

    def wait():
        sys.stdin.readline()
        stop.set()

    with contextlib.suppress(OSError):
        os.nice(-5)
    threading.Thread(target=wait, daemon=True).start()
    other = threading.Thread(target=log_in)
    other.start()
    samples, busy = [], 0
    while not stop.is_set():
        before, _ = timed(own)
        sample = timed(admin)
        after, _ = timed(own)
        if max(before, after) > QUIET and sample[1] == 200:
            busy += 1
        else:
            samples.append(sample)
        stop.wait(0.05)
    other.join()
    print(json.dumps({"livez": samples, "logins": logins, "busy": busy}))


if __name__ == "__main__":
    main()
