"""Secrets in every input, and none of them in a log, an audit line, a metric, an answer or a core."""

import base64
import pathlib
import re
import signal
import time
import urllib.parse

import gate as gates
import h2
import wire

PLACES = ["info", "trace"]


class Canaries:
    """Secrets, each with the name of the place in which it was sent."""

    def __init__(self):
        self.sent = {}

    def new(self, place):
        secret = f"canary{len(self.sent):04d}{place.replace(' ', '').replace('-', '')[:20]}zz"
        self.sent[secret] = place
        return secret

    def found(self, text):
        """The places whose secrets are in a text: as they are, in base64, or escaped."""
        shown = set(re.findall(rb"canary\d{4}\w*?zz", text))
        # The names of parameters are shown on purpose; a secret in one is cut at 64 characters, and is none of these.
        return {self.sent.get(one.decode(), one.decode()) for one in shown} | self.encoded(text)

    def encoded(self, text):
        found = set()
        for secret, place in self.sent.items():
            raw = secret.encode()
            for lead in (b"", b"a", b"ab"):
                # The middle of the base64 at each of the three offsets.
                coded = base64.b64encode(lead + raw)[4:-4]
                if coded in text or coded.replace(b"+", b"-").replace(b"/", b"_") in text:
                    found.add(place + " in base64")
        return found


def requests(new):
    """Requests with secrets in every place: method, path, body, headers."""
    token = gates.TOKEN
    base = {
        "client_id": "front-end-app",
        "audience": "back-end-api",
        "subject_token_type": gates.ACCESS_TOKEN,
    }

    def form(grant, **fields):
        return {"grant_type": grant, **base, **fields}

    def fake(place):
        claims = base64.urlsafe_b64encode(
            f'{{"iss":"{gates.PARTNER}","sub":"a","x":"{new(place)}"}}'.encode()
        )
        return "eyJhbGciOiJIUzI1NiJ9." + claims.decode().rstrip("=") + "." + new(place + " signature")

    for secret in (
        "client_secret",
        "password",
        "code",
        "code_verifier",
        "refresh_token",
        "assertion",
        "device_code",
        "subject_token",
    ):
        for grant in (gates.EXCHANGE, "password", "authorization_code", "refresh_token", "urn:x:unknown", ""):
            yield "POST", token, form(grant, **{secret: new(f"form {secret}")}), []
    jwt = form(gates.EXCHANGE, subject_token=fake("subject token"), client_secret=gates.CLIENT_SECRET)
    yield "POST", token, jwt, []
    yield (
        "POST",
        token,
        {**jwt, "actor_token": fake("actor token"), "actor_token_type": gates.ACCESS_TOKEN},
        [],
    )
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    yield (
        "POST",
        token,
        form(gates.EXCHANGE, client_assertion=fake("assertion"), client_assertion_type=kind),
        [],
    )
    yield (
        "POST",
        token,
        form("urn:ietf:params:oauth:grant-type:jwt-bearer", assertion=fake("grant assertion")),
        [],
    )
    yield "POST", token, form("refresh_token", refresh_token="cambio_rt_" + new("own refresh token")), []
    yield (
        "POST",
        token,
        {
            **form(
                gates.EXCHANGE,
                subject_token=gates.subject_token(x=new("claim")),
                client_secret=gates.CLIENT_SECRET,
            )
        },
        [],
    )
    for scheme in ("Basic", "basic", "Bearer", "DPoP", "Negotiate"):
        pair = base64.b64encode(f"front-end-app:{new('basic ' + scheme)}".encode()).decode()
        yield (
            "POST",
            token,
            form(gates.EXCHANGE, subject_token=gates.subject_token()),
            [("Authorization", f"{scheme} {pair}")],
        )
        yield "GET", "/realms/corp/account", b"", [("Authorization", f"{scheme} {new('header ' + scheme)}")]
    for name in ("Cookie", "DPoP", "X-Api-Key", "Proxy-Authorization", "X-Forwarded-Client-Cert", "Client-Cert", "Forwarded",
                 "X-Forwarded-For", "Via", "Host", "Expect", "Upgrade", "Content-Type", "Transfer-Encoding", "Content-Length"):  # fmt: skip
        for path in ("/realms/corp/account", token):
            yield "GET", path, b"", [(name, new("header " + name))]
            yield "POST", path, b"a=b", [("Content-Type", wire.FORM), (name, new("form with header " + name))]
    for path in (
        "/realms/corp/account",
        token,
        token + "/introspect",
        "/realms/corp/login-actions/authenticate",
        "/realms/none/x",
    ):
        for name in (
            "code",
            "access_token",
            "client_secret",
            "session_code",
            "id_token_hint",
            "key",
            "grant_type",
        ):
            yield "GET", f"{path}?{name}={new('query ' + name)}", b"", []
            yield "POST", f"{path}?{name}={new('query of a form ' + name)}", {"a": "b"}, []
            yield "POST", path, {name: new("field " + name), "grant_type": gates.EXCHANGE}, []
    for path in (
        "/realms/corp/broker/a/token/{}",
        "/realms/corp/login-actions/{}",
        "/realms/corp/%2e%2e/{}",
        token + "/{}",
        token + ";{}",
    ):
        yield "GET", path.format(new("path " + path)), b"", []
        yield "POST", path.format(new("path of a form " + path)), {"a": "b"}, []
    for path in ("introspect", ""):
        yield (
            "POST",
            f"{token}/{path}".rstrip("/"),
            {"token": new("token"), "client_secret": new("secret at introspection")},
            [],
        )
    for name in ("revoke", "userinfo", "logout"):
        there = token.replace("/token", "/" + name)
        yield (
            "POST",
            there,
            {
                "token": fake(name),
                "refresh_token": new(name),
                "access_token": fake(name),
                "client_secret": new(name),
            },
            [],
        )
        yield "GET", there, b"", [("Authorization", "Bearer " + fake(name))]
    json = [("Content-Type", "application/json")]
    for body in (
        '{{"password":"{}"}}',
        '{{"grant_type":"' + gates.EXCHANGE + '","subject_token":"{}"}}',
        '{{"a":"{}',
        "[{}",
    ):
        for path in (token, "/realms/corp/account"):
            yield "POST", path, body.format(new("JSON")).encode(), json
    for body in (
        "{}=a",
        "a=b&{}",
        "grant_type={}",
        "grant_type=%zz{}",
        "grant_type=password;{}=x",
        "\x00{}",
        "audience={}",
        "scope={}",
    ):
        yield "POST", token, body.format(new("broken form")).encode(), [("Content-Type", wire.FORM)]


#: Shown on purpose: what names something. An audit line says which audience, resource, scope, client or path was asked for.
NAMES = {"header Host", "form with header Host", "field grant_type"}


def run(world):
    with world.klass("canary secrets") as row:
        for level in PLACES:
            row.cases += 1
            canaries = Canaries()
            with gates.Gate(world, level=level) as gate, gates.Recording(world.upstream_port) as recording:
                answers = b""
                for method, path, body, headers in requests(canaries.new):
                    row.tried += 1
                    # A path with a secret goes to the identity provider; Cambio may name a path, and never its query.
                    answer = wire.request(gate.port, method, path, body, headers, timeout=2)
                    answers += answer.raw
                connection = h2.Connection(gate.port)
                for name in ("authorization", "cookie", "x-key"):
                    connection.send(
                        connection.headers(h2.fields(more=[(name, canaries.new("HTTP/2 " + name))]))[0]
                    )
                connection.read(0.3)
                connection.close()
                wire.exchange_bytes(gate.port, f"GARBAGE {canaries.new('a broken head')}\r\n\r\n".encode(), 1)
                time.sleep(0.3)
                arrived = canaries.found(b"".join(recording.take()))
                if len(arrived) < 40:
                    world.fail(
                        row,
                        f"log level {level}",
                        f"only {len(arrived)} secrets reached the identity provider: the search is blind",
                    )
                admin = [
                    wire.request(gate.admin, "GET", page, host="localhost")
                    for page in ("/metrics", "/config", "/page.json", "/readyz?include=upstream,jwks,store")
                ]
                if not all(answer.raw.startswith(b"HTTP/1.1 200 ") for answer in admin[:3]):
                    world.fail(row, f"log level {level}", "the admin listener shows nothing: the search is blind")
                places = {
                    "the log": (gate.folder / "log").read_bytes(), "standard output": (gate.folder / "stdout").read_bytes(),
                    "the audit log": (gate.folder / "audit.jsonl").read_bytes(), "the admin listener": b"".join(answer.raw for answer in admin), "an answer": answers,
                }  # fmt: skip
                for place, text in places.items():
                    look(world, row, f"log level {level}", place, text, canaries)
                if level == PLACES[-1]:
                    core(world, row, gate)


def look(world, row, case, place, text, canaries):
    secrets = {where for where in canaries.found(text) if not is_name(where)}
    own = [name for name, secret in (("the client's secret", gates.CLIENT_SECRET), ("the issuer's secret", gates.ISSUER_SECRET))
           if secret.encode() in text or urllib.parse.quote(secret).encode() in text]  # fmt: skip
    for where in sorted({*secrets, *own}):
        world.fail(row, case, f"{place} has a secret from: {where}")


def is_name(where):
    """Audit lines have the path, and what a request is about."""
    return where in NAMES or where.startswith("path ") or where == "broken form"


def core(world, row, gate):
    """The process writes no core: neither the limit nor the kernel's pipe for cores gives one."""
    row.cases += 1
    limits = pathlib.Path(f"/proc/{gate.pid}/limits").read_text()
    found = re.search(r"^Max core file size\s+(\S+)\s+(\S+)", limits, re.MULTILINE)
    if not found or found.groups() != ("0", "0"):
        world.fail(row, "core", f"the process may write a core of {found and found.group(1)} bytes")
    gate.process.send_signal(signal.SIGABRT)
    gate.process.wait()
    row.tried += 1
    cores = [
        path
        for folder in (gate.folder, pathlib.Path.cwd())
        for path in folder.glob("core*")
        if path.stat().st_mtime > time.time() - 60
    ]
    if cores:
        world.fail(row, "core", f"there is a core: {cores}")
    status = gate.process.returncode
    if status != -signal.SIGABRT:
        world.fail(row, "core", f"the process ended with {status}")
