"""Raw HTTP/1.1: requests byte by byte, answers as far as the tests look at them."""

import contextlib
import json
import re
import socket
import time
import urllib.parse

HOST = "127.0.0.1"
FORM = "application/x-www-form-urlencoded"


class Answer:
    """Status, headers in lower case, body."""

    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin1").split("\r\n")
        words = lines[0].split(" ", 2)
        self.status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.raw = raw

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return {}


def connect(port, timeout=10, source=None):
    link = socket.create_connection((HOST, port), timeout, source_address=(source, 0) if source else None)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def exchange_bytes(port, data, timeout=10, source=None):
    """Sends bytes and reads until the answer is complete, the connection ends, or the time is over."""
    read = bytearray()
    with contextlib.suppress(OSError), connect(port, timeout, source) as link:
        link.sendall(data)
        end = time.monotonic() + timeout
        while not complete(read):
            link.settimeout(max(0.001, end - time.monotonic()))
            piece = link.recv(262144)
            if not piece:
                break
            read += piece
    return bytes(read)


def complete(read):
    """Whether the bytes are an answer that is over, as far as its head says where it ends."""
    at = read.find(b"\r\n\r\n")
    if at < 0:
        return False
    length = re.search(rb"\r\ncontent-length: *(\d+)\r\n", read[: at + 2], re.IGNORECASE)
    return bool(length) and len(read) >= at + 4 + int(length.group(1))


def request(port, method, path, body=b"", headers=(), timeout=10, source=None, host="sso.example.org"):
    """One request on a connection of its own."""
    if isinstance(body, dict):
        body = urllib.parse.urlencode(body).encode()
        headers = [("Content-Type", FORM), *headers]
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines).encode("latin1") + b"\r\n\r\n"
    return Answer(exchange_bytes(port, head + body, timeout, source))
