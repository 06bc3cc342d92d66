"""Run Cambio with a configuration of its own, and read what its operators see."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import http1
import names
import oidc
from foreign import External
from peer import Peer, parsed
from process import Program, free_port, poll

# What a permission grants when a test has nothing special to say.
USUAL_SCOPES = ["openid", "email", "profile"]


@dataclass
class Setup:
    """What differs from one gate to the next. Sections are merged over the usual configuration."""

    audiences: dict[str, dict] = field(default_factory=dict)
    realm: dict = field(default_factory=dict)
    # Realms in the place of the usual two: what their sections have beside the issuer and a key to sign with.
    realms: dict[str, dict] = field(default_factory=dict)
    listen: dict = field(default_factory=dict)
    upstream: dict = field(default_factory=dict)
    # Foreign issuers that corp takes subject tokens of: real ones, and what their sections have beyond the usual.
    externals: list[External] = field(default_factory=list)
    issuers: dict[str, dict] = field(default_factory=dict)
    # Whole sections beside the usual ones, for instance `store`.
    more: dict = field(default_factory=dict)
    # The authority that callers name in Host, where it is not the gate's own address: several gates may share it.
    public: str | None = None
    # Whether `listen.tls` is set, so that the realm's issuer is https.
    tls: bool = False
    # The type of the one signing key; a folder of keys, which can be rotated, when it is None.
    key: str | None = "RSA"


def permission(*clients: str, **more: object) -> dict:
    """An owner's permission for clients to exchange a user's access token with the usual scopes."""
    return {"clients": list(clients), "scopes": USUAL_SCOPES, **more}


def audience(name: str, *permissions: dict, **more: object) -> dict:
    """An audience's file. Its tokens live as long as the realm's, so that only roles are in question."""
    document = {"audience": name, "owner": f"{name}-team", "realm": "corp", "permissions": list(permissions)}
    return {**document, "token": {"lifetime": "1h", "withinSubject": False}, **more}


class Gate:
    """One Cambio process, with its own port, files and log."""

    def __init__(self, binary: Path, folder: Path, upstream: tuple[str, int], setup: Setup):
        folder.mkdir(parents=True)
        self._binary = binary
        self._folder = folder
        self._setup = setup
        self._upstream = upstream
        self._port = free_port()
        self._admin = free_port()
        self._program: Program | None = None
        self._audiences = folder / "audiences"
        self._audiences.mkdir()
        self.log = folder / "cambio.log"
        self.audit_file = folder / "audit.log"
        self.kills = 0
        self.name = folder.name

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self._port)

    @property
    def authority(self) -> str:
        return self._setup.public or f"127.0.0.1:{self._port}"

    @property
    def peer(self) -> Peer:
        return Peer(self.address, self.authority)

    @property
    def configuration(self) -> Path:
        return self._folder / "cambio.yaml"

    def issuer(self, realm: str) -> str:
        issuer = self.peer.issuer(realm)
        return issuer.replace("http://", "https://", 1) if self._setup.tls else issuer

    @property
    def pid(self) -> int:
        assert self._program
        return self._program.pid

    @property
    def running(self) -> bool:
        return bool(self._program and self._program.running)

    def start(self) -> Gate:
        """Write the configuration, start, and wait for readiness."""
        if self._setup.key:
            (self._folder / "realm.pem").write_bytes(private_key(self._setup.key))
        else:
            self._keys("generate")
        (self._folder / "cambio.yaml").write_text(json.dumps(self._configuration(), indent=2))
        for name, document in self._setup.audiences.items():
            self._write(name, document)
        return self.start_again()

    def start_example(self, example: Path, changes: dict[str, str]) -> Gate:
        """Start with the files of an example. Texts of `cambio.yaml` change, each of which stands there once."""
        shutil.copytree(example, self._folder, dirs_exist_ok=True)
        host, port = self._upstream
        changes = {
            "http://127.0.0.1:8180": f"http://{host}:{port}",
            "0.0.0.0:8080": f"127.0.0.1:{self._port}",
            "127.0.0.1:9090": f"127.0.0.1:{self._admin}",
            "output: stdout": f"output: {self.audit_file}",
            **changes,
        }
        file = self._folder / "cambio.yaml"
        text = file.read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        file.write_text(text)
        # The example says how these are made.
        self._keys("generate")
        if "seal.key" in text:
            argv = [str(self._binary), "seal-key", "--out", str(self._folder / "seal.key")]
            subprocess.run(argv, check=True, timeout=20, capture_output=True)
        return self.start_again()

    def start_again(self) -> Gate:
        """Start with the configuration and the keys that are there, and wait for readiness."""
        argv = [str(self._binary), *names.SERVE, str(self._folder / "cambio.yaml")]
        self._program = Program(argv, self.log, {"RUST_BACKTRACE": "1"}, self._folder)
        self._program.wait_until("ready", self._ready, deadline=20)
        return self

    def stop(self) -> int | None:
        """SIGTERM. Gives the exit status; None when it was not running."""
        if not self._program:
            return None
        status = self._program.stop(deadline=15)
        self._program = None
        return status

    def kill(self) -> None:
        """SIGKILL: it gets to do nothing any more."""
        assert self._program
        self.kills += 1
        self._program.signal(signal.SIGKILL)
        self._program.stop()
        self._program = None

    def write_audience(self, name: str, document: dict) -> None:
        """The owner writes the audience's file; returns when Cambio has loaded it."""
        before = self.loaded()
        self._write(name, document)
        poll(f"audience {name} loaded", lambda: self.loaded() != before, deadline=20)

    def remove_audience(self, name: str) -> None:
        """The owner takes the audience's file away; returns when Cambio has seen it."""
        before = self.loaded()
        (self._audiences / f"{name}.yaml").unlink()
        poll(f"audience {name} gone", lambda: self.loaded() != before, deadline=20)

    def reconfigure(self, **sections: object) -> None:
        """The platform's team changes what it set up, by `Setup`'s names; returns when Cambio has loaded it."""
        before = self.loaded()
        self._setup = replace(self._setup, **sections)
        draft = self._folder / "cambio.draft"
        draft.write_text(json.dumps(self._configuration(), indent=2))
        draft.rename(self._folder / "cambio.yaml")
        poll("the new configuration is loaded", lambda: self.loaded() != before, deadline=20)

    def rotate_keys(self) -> None:
        """The next key signs from now on; returns when Cambio has seen it."""
        before = self.loaded()
        self._keys("rotate", "--min-published", "0s")
        poll("the rotated keys are loaded", lambda: self.loaded() != before, deadline=20)

    def loaded(self) -> str:
        """What the admin listener says is loaded, hashes included."""
        return self.admin(names.LOADED).text

    def admin(self, path: str) -> http1.Answer:
        return Peer(("127.0.0.1", self._admin), f"127.0.0.1:{self._admin}").get(path)

    def line_of(self, answer: http1.Answer) -> dict:
        """The audit line of an answer: a refusal names it, and a token that was issued is named in it."""
        if answer.status == 200:
            name, value = names.AUDIT_ISSUED_JTI, oidc.claims_of(parsed(answer)["access_token"])["jti"]
        else:
            name, value = names.AUDIT_ID, answer.header(names.CORRELATION_ID)
        (line,) = [line for line in self.audit() if line.get(name) == value]
        return line

    def reason_of(self, answer: http1.Answer) -> str | None:
        """Why a request was refused; None when it was not."""
        return self.line_of(answer).get(names.AUDIT_REASON)

    def metrics(self) -> dict[str, float]:
        """Every sample, by its name with labels as printed."""
        samples = re.findall(r"^([^#\s][^\s]*(?:\{.*\})?) (\S+)$", self.admin(names.METRICS).text, re.M)
        return {name: float(value) for name, value in samples}

    def audit(self) -> list[dict]:
        """The audit lines so far."""
        if not self.audit_file.exists():
            return []
        return [json.loads(line) for line in self._whole_lines()]

    def _whole_lines(self) -> list[str]:
        """The lines but for those at which a gate was killed: each of them lacks its end and stands alone."""
        lines = self.audit_file.read_text().splitlines()
        torn = [line for line in lines if not line.endswith("}")]
        assert len(torn) <= self.kills, torn
        return [line for line in lines if line.endswith("}")]

    def _keys(self, command: str, *more: str) -> None:
        argv = [str(self._binary), "keys", command, "--dir", str(self._folder / "keys"), *more]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def _write(self, name: str, document: dict) -> None:
        # Written beside and moved over, so that the watcher never reads half a file.
        draft = self._folder / f"{name}.draft"
        draft.write_text(json.dumps(document, indent=2))
        draft.rename(self._audiences / f"{name}.yaml")

    def _configuration(self) -> dict:
        # JSON is YAML, and needs no library.
        host, port = self._upstream
        issuer = self.issuer("corp")
        issuers = {external.name: external.configuration(issuer) for external in self._setup.externals}
        for name, section in self._setup.issuers.items():
            issuers[name] = {**issuers.get(name, {}), **section}
        realms = {
            "corp": {
                "issuer": issuer,
                "subjectIssuers": ["corp", *issuers],
                **({"signingKey": "realm.pem"} if self._setup.key else {"signingKeys": "keys"}),
                **self._setup.realm,
            },
            "partner": {"issuer": self.peer.issuer("partner"), "subjectIssuers": ["partner"]},
        }
        if self._setup.realms:
            realms = {name: self._realm(name, more) for name, more in self._setup.realms.items()}
        return {
            "upstream": {"url": f"http://{host}:{port}", **self._setup.upstream},
            "listen": {"address": f"127.0.0.1:{self._port}", **self._setup.listen},
            "admin": {"address": f"127.0.0.1:{self._admin}"},
            # No name may be both a realm and an issuer.
            "realms": {name: realm for name, realm in realms.items() if name not in issuers},
            **({"issuers": issuers} if issuers else {}),
            "audit": {"output": str(self.audit_file)},
            "runtime": {"threads": 2},
            **self._setup.more,
        }

    def _realm(self, name: str, more: dict) -> dict:
        """A realm whose own tokens are exchanged, if nothing else is said."""
        return {"issuer": self.issuer(name), "subjectIssuers": [name], "signingKey": "realm.pem", **more}

    def _ready(self) -> bool:
        try:
            return self.admin(names.READY).status == 200
        except (OSError, http1.NoAnswer):
            return False


class Gates:
    """Makes gates, ends what is left of them, and remembers every file that they wrote."""

    def __init__(self, binary: Path, run: Path):
        self.binary = binary
        self._run = run
        self.made: list[Gate] = []

    def start(self, name: str, upstream: tuple[str, int], setup: Setup) -> Gate:
        gate = Gate(self.binary, self._run / f"{len(self.made):02}-{name}", upstream, setup)
        self.made.append(gate)
        return gate.start()

    def start_example(
        self, example: Path, upstream: tuple[str, int], host: str, changes: dict[str, str], files: dict[str, str]
    ) -> Gate:
        """A gate with the files of an example, under this public host, and with files that no example contains."""
        folder = self._run / f"{len(self.made):02}-example-{example.name}"
        gate = Gate(self.binary, folder, upstream, Setup(public=host))
        self.made.append(gate)
        for name, text in files.items():
            (folder / name).write_text(text)
        return gate.start_example(example, changes)

    def stop(self) -> None:
        for gate in self.made:
            gate.stop()

    def hash_secret(self, secret: str) -> str:
        """What `cambio client-secret` makes of a client's secret: Argon2id."""
        done = subprocess.run(
            [str(self.binary), "client-secret"], input=secret, capture_output=True, text=True, timeout=30, check=True
        )  # fmt: skip
        return done.stdout.strip()

    def seal_key(self, file: Path) -> dict:
        """The section of a realm that seals refresh tokens, with a key of its own."""
        subprocess.run([self.binary, "seal-key", "--out", file], check=True, timeout=20, capture_output=True)
        return {"keyFiles": [str(file)]}

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """One of Cambio's other commands, to its end."""
        return subprocess.run(
            [str(self.binary), *argv], capture_output=True, text=True, timeout=20, check=False
        )


def private_key(kind: str) -> bytes:
    """A fresh private key as PKCS #8 PEM: RSA, EC (P-256) or Ed25519."""
    match kind:
        case "RSA":
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "EC":
            key = ec.generate_private_key(ec.SECP256R1())
        case "Ed25519":
            key = ed25519.Ed25519PrivateKey.generate()
        case _:
            raise ValueError(kind)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
