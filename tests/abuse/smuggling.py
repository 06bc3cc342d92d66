"""Requests whose end or whose text two servers could see differently. Each is sent on a connection of its own; what the fake
identity provider received is read byte by byte: no more requests than were sent, each framed in one way, none governed."""

import contextlib
import re
from concurrent.futures import ThreadPoolExecutor

import gate as gates
import h2
import wire

INNER = gates.encode({"grant_type": gates.EXCHANGE, "client_id": "smuggled"})
GOVERNED = (
    f"POST {gates.TOKEN} HTTP/1.1\r\nHost: sso.example.org\r\nContent-Type: {wire.FORM}\r\n"
    f"Content-Length: {len(INNER)}\r\n\r\n".encode()
    + INNER
)
OUTER = "/realms/corp/outer"
#: Cases that are sent at once. If something is wrong, each is sent again alone.
BATCH = 25


def raw(text):
    """One byte for each character, or UTF-8 if that is not possible."""
    try:
        return text.encode("latin1")
    except UnicodeEncodeError:
        return text.encode()


def post(*lines, body=b"", target=OUTER, version="HTTP/1.1"):
    head = "\r\n".join([f"POST {target} {version}", "Host: sso.example.org", *lines])
    return raw(head) + b"\r\n\r\n" + body


def get(*lines, target="/realms/corp/outer", end="\r\n\r\n", version="HTTP/1.1"):
    return raw("\r\n".join([f"GET {target} {version}", "Host: sso.example.org", *lines]) + end)


CODINGS = [
    "Transfer-Encoding: chunked", "Transfer-Encoding:chunked", "Transfer-Encoding : chunked", "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity, chunked", "Transfer-Encoding: identity",
    "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked;a=b",
    "Transfer-Encoding: \x0bchunked", "Transfer-Encoding:\tchunked", "Transfer-Encoding: chunked\t", "Transfer-Encoding: 'chunked'",
    'Transfer-Encoding: "chunked"', "Transfer-Encoding: CHUNKED", "transfer-encoding: chunked", "TRANSFER-ENCODING: chunked",
    "Transfer-Encoding: chunk", "Transfer-Encoding: ,chunked", "Transfer-Encoding: chunked,", "Transfer-Encoding:",
    "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "X: y\r\n Transfer-Encoding: chunked",
    "Transfer-Encoding:\r\n chunked", "Transfer-Encoding: x\r\n chunked", "Transfer-Encoding: chunked\r\n x",
    "Transfer_Encoding: chunked", "Transfer-Encoding\x00: chunked", "\x00Transfer-Encoding: chunked", " Transfer-Encoding: chunked",
    "X: y\nTransfer-Encoding: chunked", "X: y\rTransfer-Encoding: chunked", "X: y\x00\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r", "Transfer-Encoding: \xa0chunked", "Transfer-Encoding: chunked\x80", "Tr\xe4nsfer-Encoding: chunked",
    "Transfer\u00adEncoding: chunked", "Transfer-Encoding;: chunked", "Transfer-Encoding\t: chunked", "Transfer-Encoding: c%68unked",
    "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked", "TE: chunked", "Content-Encoding: chunked", "Trailer: Content-Length",
]  # fmt: skip
LENGTHS = [
    "{n}", "+{n}", "-{n}", " {n} ", "{n}\t", "0{n}", "0x{n:x}", "{n},{n}", "{n}, {n}", "{n};a", "{n}.0", "{n}e0", "{n} {n}", '"{n}"',
    "", "\t", "\x0b{n}", "{n}\x00", "\x00{n}", "{n}\x80", "18446744073709551616", "99999999999999999999999", "-1", "0", "{n}\r\n 0",
    "\r\n {n}", "{n}\r\nContent-Length: {n}", "{n}\r\nContent-Length: 0", "0\r\nContent-Length: {n}", "{n}\r\ncontent-length: 1",
    "{n}\r\nContent_Length: 0", "{n}\r\nContent-Length : 0", "{n}\r\n Content-Length: 0", "{n}\nContent-Length: 0",
    "{n}\rContent-Length: 0", "{n}\r\nX: y\r\nContent-Length: 0", "1_0", "\u0661",
]  # fmt: skip
SIZES = [
    b"0", b"00000", b"0x0", b"-0", b"+0", b" 0", b"0 ", b"0\t", b"0;a", b"0;a=b", b'0;a="\r\n"', b"0;\n", b"0\r", b"0\n", b"", b"g",
    b"0,", b"0_0", b"ffffffffffffffff", b"10000000000000000", b"-1", b"0;a=" + b"b" * 5000, b"0;" + b"\x00", b"0;a=b\nX: y",
]  # fmt: skip
CHUNKS = [
    b"5\r\nabcde\r\n0\r\n\r\n", b"5\nabcde\n0\n\n", b"5\r\nabcdeX\r\n0\r\n\r\n", b"5\r\nabcde0\r\n\r\n", b"5\r\nabcde\r0\r\n\r\n",
    b"5\r\nabcde\n\r\n0\r\n\r\n", b"5\rabcde\r\n0\r\n\r\n", b"5;a\nb\r\nabcde\r\n0\r\n\r\n", b"0005\r\nabcde\r\n000\r\n\r\n",
    b"5 \r\nabcde\r\n0\r\n\r\n", b"5\r\nabcde\r\n0\r\nX: y\r\n\r\n", b"5\r\nabcde\r\n0\r\nContent-Length: 99\r\n\r\n",
    b"5\r\nabcde\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nabcde\r\n0\r\nHost: x\r\n\r\n", b"5\r\nabcde\r\n0\r\n X: y\r\n\r\n",
    b"5\r\nabcde\r\n0\r\nX\r\n\r\n", b"5\r\nabcde\r\n0\r\n\n", b"5\r\nabcde\r\n0\n\n",
]  # fmt: skip
TARGETS = [
    "http://sso.example.org/realms/corp/outer", "http://other.example.org" + gates.TOKEN, "http://u:p@sso.example.org/realms/corp/outer",
    "HTTP://sso.example.org/realms/corp/outer", "http:/realms/corp/outer", "*", "sso.example.org:80", "realms/corp/outer", "/a b", "/a\tb",
    "/a HTTP/1.1\tX", "//realms/corp/outer", "/\x00", "/\x80", "/a#b", "http://[::1]/realms/corp/outer", "http://sso.example.org",
    "/realms/corp/outer HTTP/1.1 HTTP/1.1", "/a\\b", "/%0d%0aHost:%20x", "",
]  # fmt: skip
HOSTS = [
    "Host: other", "Host: sso.example.org, other", "Host : other", " Host: other", "Host: a b", "Host: a\x00b", "Host:", "host: other",
    "X: y\r\nHost: other", "Host: sso.example.org:80:80", "Host: a@b", "Host: /realms", "Host: [::1", "X: y\r\n\tHost: other",
]  # fmt: skip
LINES = [
    "X: a\r\n b", "X: a\r\n\tb", "X : a", "X\t: a", ": a", "X", "X: a\x00b", "X: a\rb", "X: a\nb", "(X): a", "X@Y: a", "X Y: a", "\xffX: a",
    "X: " + "a" * 70_000, "Content-Type: a\r\nContent-Type: b", "Expect: 100-continue", "Expect: 200-ok", "Upgrade: h2c",
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", "Connection: close, Host",
    "Connection: Content-Length", "Proxy-Connection: keep-alive", "Keep-Alive: timeout=5", "TE: trailers", "Max-Forwards: 0",
    "X-HTTP-Method-Override: POST", "X-Original-URL: " + gates.TOKEN, "X-Rewrite-URL: " + gates.TOKEN, "Range: bytes=0-1",
]  # fmt: skip
STARTS = [
    b"\r\n", b"\n", b"\r\n\r\n", b" ", b"\x00", b"\xef\xbb\xbf", b"\r", b"0\r\n\r\n", b"G", b"PRI * HTTP/2.0\r\n\r\n",
]  # fmt: skip
VERSIONS = [
    "HTTP/1.0",
    "HTTP/0.9",
    "HTTP/1.2",
    "HTTP/2.0",
    "HTTP/1.1 ",
    "http/1.1",
    "HTTP/01.1",
    "HTTP/1.10",
    "ICE/1.0",
    "",
    "HTTP/1",
]


def corpus():
    """Name, bytes, most requests that may arrive."""
    size = len(GOVERNED)
    for line in CODINGS:
        # Length and coding at once, either way round; and the coding alone.
        short = b"0\r\n\r\n" + GOVERNED
        yield f"{line!r} after a length", post(f"Content-Length: {len(short)}", line, body=short), 1
        yield f"{line!r} before a length", post(line, f"Content-Length: {len(short)}", body=short), 1
        yield f"{line!r} before a short length", post(line, "Content-Length: 5", body=short), 1
        # A lone chunked coding ends here, and what follows is a request of its own: judged, and never passed on.
        yield f"{line!r} alone", post(line, body=short), 2
        yield f"{line!r} in HTTP/1.0", post(line, "Content-Length: 5", body=short, version="HTTP/1.0"), 1
    for value in LENGTHS:
        line = "Content-Length: " + value.replace("{n:x}", f"{size:x}").replace("{n}", str(size))
        yield f"{line!r}", post(line, body=GOVERNED), 2
        yield f"{line!r} of a GET", get(line, end="\r\n\r\n") + GOVERNED, 2
    for size in SIZES:
        yield (
            f"chunk size {size[:20]!r}",
            post("Transfer-Encoding: chunked", body=size + b"\r\n\r\n" + GOVERNED),
            2,
        )
    for chunks in CHUNKS:
        yield f"chunks {chunks!r}", post("Transfer-Encoding: chunked", body=chunks + GOVERNED), 2
    for target in TARGETS:
        yield f"target {target!r}", get(target=target), 1
        yield (
            f"target {target!r}, form",
            post(f"Content-Type: {wire.FORM}", f"Content-Length: {len(INNER)}", target=target, body=INNER),
            1,
        )
    for line in [*HOSTS, *LINES]:
        yield f"line {line[:60]!r}", get(line), 1
        yield f"line {line[:60]!r}, body", post("Content-Length: 3", line, body=b"abc" + GOVERNED), 2
    for start in STARTS:
        yield f"start {start!r}", start + get(), 1
    for version in VERSIONS:
        yield f"version {version!r}", get(version=version) + GOVERNED, 2
    for end in ["\n\n", "\r\n\n", "\n\r\n", "\r\r", "\r\n\r", "\r\n \r\n\r\n", "\r\n\x00\r\n\r\n"]:
        yield f"end {end!r}", get(end=end) + GOVERNED, 2
    for number in range(3):
        yield f"pipelined {number}", get() * number + GOVERNED + get(), number + 1


def h2_corpus():
    """Name, the block of a request, its body."""
    base = [(":method", "POST"), (":scheme", "http"), (":authority", "sso.example.org"), (":path", OUTER)]
    smuggled = "x\r\n\r\n" + GOVERNED.decode()

    def changed(name, value):
        return [(n, value if n == name else v) for n, v in base]

    for name in (":method", ":path", ":authority", ":scheme"):
        for value in [
            "",
            " ",
            "x y",
            "x\r\ny: z",
            "x\ny: z",
            "x\0y",
            smuggled,
            f"x HTTP/1.1\r\nHost: a\r\n\r\n{smuggled}",
        ]:
            yield f"{name} {value[:20]!r}", changed(name, value), b""
        yield f"{name} twice", [*base, (name, "/b")], b""
        yield f"no {name}", [field for field in base if field[0] != name], b""
    for name, value in [
        ("transfer-encoding", "chunked"), ("connection", "close"), ("content-length", "0"), ("content-length", "5"), ("content-length", "x"),
        ("content-length", "+3"), ("content-length", "3, 3"), ("upgrade", "h2c"), ("te", "chunked"), ("host", "other"), ("x", smuggled), ("x", "a\rb"),
        ("x", "a\0b"), ("x: y\r\nz", "a"), ("x y", "a"), ("X", "a"), ("", "a"), (":x", "a"), ("x\r\n\r\n" + GOVERNED.decode(), "a"),
        ("transfer-encoding: chunked\r\nx", "a"), ("proxy-connection", "x"), ("keep-alive", "1"), ("http2-settings", "x"), ("trailer", "content-length"),
    ]:  # fmt: skip
        yield f"{name[:20]!r}: {value[:20]!r}", [*base, (name, value)], b"0\r\n\r\n" + GOVERNED
    yield "two lengths", [*base, ("content-length", "3"), ("content-length", "5")], b"abc"
    yield "a pseudo field at the end", [*base[:3], ("x", "y"), base[3]], b""
    yield "a form that is an exchange", [*changed(":path", gates.TOKEN), ("content-type", wire.FORM)], INNER


def framed(data):
    """The requests in what the identity provider received: target and body. An error if it could be read in two ways."""
    requests = []
    while data:
        head, mark, data = data.partition(b"\r\n\r\n")
        if not mark:
            break
        line, *lines = head.split(b"\r\n")
        if not re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP/1\.[01]", line):
            raise ValueError(f"request line {line[:80]!r}")
        headers = []
        for one in lines:
            if not re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*", one):
                raise ValueError(f"header line {one[:80]!r}")
            name, _, value = one.partition(b":")
            headers.append((name.lower(), value.strip(b" \t")))
        lengths = [value for name, value in headers if name == b"content-length"]
        codings = [value for name, value in headers if name == b"transfer-encoding"]
        if len(lengths) + len(codings) > 1:
            raise ValueError(f"{lengths} and {codings}")
        body = b""
        if codings:
            if codings != [b"chunked"]:
                raise ValueError(f"coding {codings}")
            while True:
                size, mark, data = data.partition(b"\r\n")
                if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", size):
                    raise ValueError(f"chunk size {size[:40]!r}")
                count = int(size, 16)
                if not count:
                    break
                body, data = body + data[:count], data[count + 2 :]
            while data and not data.startswith(b"\r\n"):
                _, _, data = data.partition(b"\r\n")
            data = data[2:]
        elif lengths:
            if not re.fullmatch(rb"\d{1,19}", lengths[0]):
                raise ValueError(f"length {lengths[0]!r}")
            body, data = data[: int(lengths[0])], data[int(lengths[0]) :]
        requests.append((line.split(b" ")[1], body))
    return requests


def judged(connections, most):
    """What is wrong with what arrived."""
    wrong, count = [], 0
    for data in connections:
        try:
            requests = framed(data)
        except ValueError as error:
            wrong.append(f"what was passed on can be read in two ways: {error}")
            continue
        count += len(requests)
        for target, body in requests:
            if b"token" in target.lower() and b"token-exchange" in body:
                wrong.append("an exchange arrived that nobody judged")
    if count > most:
        wrong.append(f"{count} requests arrived of {most}")
    return wrong


def send(port, data):
    """Sends bytes, or the fields and the body of an HTTP/2 request, and reads until the gate is silent for a moment."""
    if isinstance(data, tuple):
        send_h2(port, *data)
        return
    with contextlib.suppress(OSError), wire.connect(port, 0.3) as link:
        link.sendall(data)
        while link.recv(65536):
            pass


def send_h2(port, fields, body):
    with contextlib.suppress(OSError):
        connection = h2.Connection(port, timeout=1)
        head, stream = connection.headers(b"".join(h2.literal(*field) for field in fields), end=not body)
        connection.send(head + (h2.frame(h2.DATA, h2.END_STREAM, stream, body) if body else b""))
        for _ in range(10):
            frames = connection.read(0.05)
            ended = any(
                f[0] in (h2.RESET, h2.GOAWAY) or (f[2] == stream and f[1] & h2.END_STREAM) for f in frames
            )
            if ended or not connection.open:
                break
        connection.close()


def run(world):
    cases = [*corpus(), *(("HTTP/2 " + name, (fields, body), 1) for name, fields, body in h2_corpus())]
    with world.klass("smuggling") as row, gates.Gate(world, level="error") as gate:
        row.cases = len(cases)
        with gates.Recording(world.upstream_port) as recording, ThreadPoolExecutor(BATCH) as pool:
            for at in range(0, len(cases), BATCH):
                batch = cases[at : at + BATCH]
                row.tried += len(batch)
                list(pool.map(lambda case: send(gate.port, case[1]), batch))
                if judged(recording.take(), sum(most for _, _, most in batch)):
                    one_by_one(world, row, gate, recording, batch)
        if not gate.alive():
            world.fail(row, "all", "the process ended")


def one_by_one(world, row, gate, recording, batch):
    """Finds the cases of a batch in which something is wrong."""
    before = len(row.failures)
    for name, data, most in batch:
        send(gate.port, data)
        for text in judged(recording.take(), most):
            world.fail(row, name, text)
    if len(row.failures) == before:
        world.fail(
            row, f"one of {batch[0][0]} … {batch[-1][0]}", "something was wrong that did not come again"
        )
