"""Cambio as the suite starts it: a configuration that exchanges without an identity provider, limits, figures."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import time
import urllib.parse
import uuid

import wire

HERE = pathlib.Path(__file__).resolve().parent
CORP = "https://sso.example.org/realms/corp"
PARTNER = "https://login.partner.example"
TOKEN = "/realms/corp/protocol/openid-connect/token"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
CLIENT_SECRET = "front-end-secret-7a1f0c9e2b-0123456789"
ISSUER_SECRET = "the-partner's-secret-of-at-least-32-bytes"
MEMORY = 256 << 20

CONFIG = """\
upstream: {{ url: "http://{host}:{upstream}" }}
listen: {{ address: "127.0.0.1:{port}", headerTimeout: 2s, bodyTimeout: 3s, idleTimeout: {idle} }}
admin: {{ address: "127.0.0.1:{admin}" }}
realms:
  corp:
    issuer: {corp}
    subjectIssuers: [corp, partner]
    signingKey: corp.pem
    clients:
      front-end-app:
        - {{ method: client_secret, secretHash: "sha256:{hash}" }}
      guessed-app:
        - {{ method: client_secret, secretHash: "sha256:{hash}" }}
issuers:
  partner:
    issuer: {{ url: "{partner}", audiences: ["{corp}"] }}
    hmacSecretFile: partner.secret
    algorithms: [HS256]
audit: {{ output: {audit} }}
log: {{ level: {level} }}
runtime: {{ threads: {threads} }}
"""

AUDIENCE = """\
audience: {name}
owner: {owner}
permissions: [{permission}]
roles: {{ map: [{{ to: reader, when: '"staff" in claims.groups', issuers: [partner] }}] }}
token: {{ lifetime: 5m }}
"""
PERMISSION = "{ clients: [front-end-app], issuers: [partner], issuance: mint, scopes: [email, profile] }"


def base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def subject_token(header=None, **more):
    """A token of the partner."""
    now = int(time.time())
    claims = {
        "iss": PARTNER,
        "aud": CORP,
        "sub": "alice",
        "exp": now + 3600,
        "iat": now - 1,
        "jti": str(uuid.uuid4()),
    }
    claims |= {"azp": "partner-app", "scope": "email profile", "groups": ["staff"], "typ": "Bearer", **more}
    parts = [header or {"alg": "HS256", "typ": "JWT"}, claims]
    message = ".".join(base64url(json.dumps(part).encode()) for part in parts)
    code = hmac.new(ISSUER_SECRET.encode(), message.encode(), hashlib.sha256).digest()
    return f"{message}.{base64url(code)}"


def exchange_form(token, audience="back-end-api", **more):
    form = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "audience": audience,
    }
    return {**form, "client_id": "front-end-app", "client_secret": CLIENT_SECRET, **more}


def audience(name="back-end-api", permitted=True, owner="team"):
    return AUDIENCE.format(name=name, owner=owner, permission=PERMISSION if permitted else "")


class Cgroup:
    """A memory cgroup of version 1 or 2, if the suite may make one."""

    V1 = pathlib.Path("/sys/fs/cgroup/memory")
    V2 = pathlib.Path("/sys/fs/cgroup")

    def __init__(self, limit):
        self.path = None
        is_v1 = (self.V1 / "memory.limit_in_bytes").exists() or (self.V1 / "cgroup.procs").exists()
        path = (self.V1 if is_v1 else self.V2) / f"cambio-abuse-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        try:
            path.mkdir()
            (path / ("memory.limit_in_bytes" if is_v1 else "memory.max")).write_text(str(limit))
        except OSError:
            with contextlib.suppress(OSError):
                path.rmdir()
            return
        self.path, self.is_v1 = path, is_v1

    def enter(self):
        if self.path:
            (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def kills(self):
        if not self.path:
            return 0
        text = (self.path / ("memory.oom_control" if self.is_v1 else "memory.events")).read_text()
        found = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
        return int(found.group(1)) if found else 0

    def remove(self):
        if self.path:
            for _ in range(50):
                with contextlib.suppress(OSError):
                    self.path.rmdir()
                    return
                time.sleep(0.02)


class Gate:
    """One Cambio."""

    def __init__(
        self, world, threads=2, level="info", idle="75s", audit="audit.jsonl", host="127.0.0.1", upstream=None
    ):
        self.world, self.threads = world, threads
        self.port, self.admin = world.port, world.port + 1
        self.folder = world.folder(f"gate-{uuid.uuid4().hex[:8]}")
        self.process = None
        self.stdout = None
        (self.folder / "audiences").mkdir()
        keys = [world.cambio, "keys", "generate", "--type", "p256", "--out", str(self.folder / "corp.pem")]
        subprocess.run(keys, check=True, capture_output=True)
        (self.folder / "partner.secret").write_text(ISSUER_SECRET + "\n")
        digest = hashlib.sha256(CLIENT_SECRET.encode()).hexdigest()
        config = CONFIG.format(
            host=host, upstream=upstream or world.upstream_port, port=self.port, admin=self.admin, corp=CORP, hash=digest,
            partner=PARTNER, audit=audit, level=level, threads=threads, idle=idle,
        )  # fmt: skip
        (self.folder / "cambio.yaml").write_text(config)
        (self.folder / "audiences/back-end-api.yaml").write_text(audience())

    def start(self, wrap=(), files=None, stdout=None, passes=(), limit=MEMORY, ready=20):
        self.cgroup = Cgroup(limit)

        def child():
            self.cgroup.enter()
            if files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        command = [*wrap, self.world.cambio, "serve", "--config", str(self.folder / "cambio.yaml")]
        log = (self.folder / "log").open("ab")
        out = stdout if stdout is not None else (self.folder / "stdout").open("ab")
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            preexec_fn=child,  # noqa: PLW1509
            pass_fds=passes,
        )
        end = time.monotonic() + ready
        while time.monotonic() < end and self.process.poll() is None:
            if wire.request(self.admin, "GET", "/readyz", timeout=1).status == 200:
                return self
            time.sleep(0.02)
        raise RuntimeError("Cambio did not start: " + (self.folder / "log").read_text()[-2000:])

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *_):
        self.stop()

    def stop(self, patience=8):
        """The seconds until the process ended at SIGTERM; None if it had to be killed."""
        took = None
        if self.process and self.process.poll() is None:
            start = time.monotonic()
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
                took = time.monotonic() - start
            if took is None:
                self.process.kill()
                self.process.wait()
        self.cgroup.remove()
        return took

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def status(self, name):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE).group(1))

    def rss(self):
        """MiB; 0 if the process is gone."""
        try:
            return self.status("VmRSS") / 1024
        except (OSError, AttributeError):
            return 0.0

    def peak(self):
        try:
            return self.status("VmHWM") / 1024
        except (OSError, AttributeError):
            return 0.0

    def files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def metrics(self):
        body = wire.request(self.admin, "GET", "/metrics").body.decode("utf8", "replace")
        found = re.findall(r"^(\w+)(\{[^\n]*\})? (\S+)$", body, re.MULTILINE)
        return {name + labels: float(value) for name, labels, value in found}

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def write_audience(self, text, name="back-end-api"):
        """Replaces the file as the documentation says: a new file, renamed."""
        new = self.folder / f".{name}.new"
        new.write_text(text)
        new.rename(self.folder / f"audiences/{name}.yaml")

    def audit(self):
        """The lines that are whole: the last one may be being written."""
        whole = (self.folder / "audit.jsonl").read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line]

    def last_audit(self):
        """The last line that is whole."""
        with (self.folder / "audit.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 16384))
            return json.loads(file.read().rpartition(b"\n")[0].rpartition(b"\n")[2])

    def post(self, form, timeout=10, source=None):
        return wire.request(self.port, "POST", TOKEN, form, timeout=timeout, source=source)

    def exchange(self, timeout=10, source=None, **more):
        return self.post(exchange_form(subject_token(), **more), timeout, source)

    def login(self, timeout=10):
        form = {
            "grant_type": "password",
            "client_id": "web",
            "username": "alice",
            "password": "alice-password",
        }
        return self.post(form, timeout, source="127.0.0.2")


class Recording:
    """What the fake identity provider is sent while the block runs."""

    def __init__(self, port):
        self.port = port

    def __enter__(self):
        wire.request(self.port, "GET", "/record")
        return self

    def __exit__(self, *_):
        wire.request(self.port, "GET", "/stop")

    def take(self):
        """The bytes that each connection brought since the last call."""
        return [
            base64.b64decode(line)
            for line in wire.request(self.port, "GET", "/seen").body.splitlines()
            if line
        ]


def start_upstream(port):
    process = subprocess.Popen(
        [sys.executable, str(HERE / "upstream.py"), str(port)], stdin=subprocess.DEVNULL
    )
    for _ in range(250):
        if wire.request(port, "GET", "/stop", timeout=1).status == 200:
            return process
        time.sleep(0.02)
    process.kill()
    raise RuntimeError("the fake identity provider did not start")


def encode(form):
    return urllib.parse.urlencode(form).encode()
