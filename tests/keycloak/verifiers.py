"""Resource servers written by others, each a process that runs on: tokens go in by line, and its word comes out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).parent


class Refused(Exception):
    """A resource server's reason not to accept a token."""


class Verifier:
    """One resource server of one issuer and audience. It found the keys by itself, and keeps them as it likes."""

    def __init__(self, name: str, issuer: str, audience: str, *algorithms: str):
        self.name = name
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [*_COMMANDS[name](), issuer, audience, ",".join(algorithms)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=HERE / "node",
        )

    def claims(self, token: str) -> dict:
        """The token's claims, verified; raises Refused."""
        assert self._process.stdin and self._process.stdout and self._process.stderr
        with self._lock:
            try:
                self._process.stdin.write(token + "\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                pass  # Its error is read below.
            said = self._process.stdout.readline()
        word, _, rest = said.strip().partition(" ")
        if word == "ok":
            return json.loads(rest)
        assert word == "no", f"{self.name} ended: {self._process.stderr.read()}"
        raise Refused(f"{self.name}: {rest}")

    def stop(self) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.close()
            self._process.wait(5)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait(5)


def _java(classes: str, main: str) -> list[str]:
    return [
        str(Path(os.environ["JAVA_HOME"]) / "bin" / "java"),
        "-XX:TieredStopAtLevel=1",
        "-cp",
        classes,
        main,
    ]


def _spring() -> list[str]:
    return _java("{0}/classes:{0}/lib/*".format(os.environ["SPRING"]), "resource.Resource")


def _go(name: str) -> list[str]:
    return [str(Path(os.environ["GO_PROGRAMS"]) / name)]


_COMMANDS = {
    "PyJWT": lambda: [sys.executable, str(HERE / "resources" / "pyjwt.py")],
    "jose": lambda: ["node", str(HERE / "node" / "resource.mjs")],
    "express-oauth2-jwt-bearer": lambda: ["node", str(HERE / "node" / "express.mjs")],
    "Nimbus": lambda: _java(os.environ["NIMBUS_JAR"], str(HERE / "resources" / "Resource.java")),
    "Spring Security": _spring,
    "go-oidc": lambda: _go("oidc"),
    "go-jose": lambda: _go("jose"),
    "Envoy": lambda: [sys.executable, str(HERE / "resources" / "envoy.py")],
}
NAMES = list(_COMMANDS)
# Nimbus' own processor, which Spring Security uses too, selects no Ed25519 keys.
UNSUPPORTED = {("Nimbus", "EdDSA"), ("Spring Security", "EdDSA")}


@contextmanager
def all_of_them(issuer: str, audience: str, *algorithms: str) -> Iterator[list[Verifier]]:
    """Each of the resource servers."""
    with ExitStack() as stack:
        made = []
        for name in NAMES:
            made.append(Verifier(name, issuer, audience, *algorithms))
            stack.callback(made[-1].stop)
        yield made
