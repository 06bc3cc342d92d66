"""Run a real Keycloak: one server for the whole suite, with its data in the run's own folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import http1
from peer import Peer
from process import Program, free_port

BOOTSTRAP_ADMIN = ("admin", "bootstrap-admin-password-1a9d")


class Keycloak:
    """A Keycloak that can be stopped, started again with the same data, and suspended."""

    def __init__(self, distribution: Path, run: Path, java_home: Path, root: str = "", *options: str):
        """`root` is the path that the distribution was built for; the options are more of `kc.sh start`."""
        self.root = root
        self._options = options
        self._distribution = distribution
        self._java_home = java_home
        self._database = run / "keycloak-data" / "keycloak"
        self._log = run / "keycloak.log"
        self._program: Program | None = None
        self.port = free_port()
        self._management = free_port()

    @property
    def pid(self) -> int:
        assert self._program
        return self._program.pid

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    def peer(self, authority: str | None = None) -> Peer:
        """Keycloak asked straight, under a public authority (its own when none is given)."""
        return Peer(self.address, authority or f"127.0.0.1:{self.port}")

    def start(self) -> None:
        """Start, and wait until the server says that it is ready."""
        user, password = BOOTSTRAP_ADMIN
        self._program = Program(
            [
                str(self._distribution / "bin" / "kc.sh"),
                "start",
                "--optimized",
                "--http-enabled=true",
                "--hostname-strict=false",
                "--http-host=127.0.0.1",
                f"--http-port={self.port}",
                "--http-management-host=127.0.0.1",
                f"--http-management-port={self._management}",
                "--http-management-scheme=http",
                f"--db-url=jdbc:h2:file:{self._database};NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=FALSE",
                *self._options,
            ],
            self._log,
            {
                "JAVA_HOME": str(self._java_home),
                "JAVA_OPTS_KC_HEAP": "-Xms256m -Xmx768m",
                "KC_BOOTSTRAP_ADMIN_USERNAME": user,
                "KC_BOOTSTRAP_ADMIN_PASSWORD": password,
            },
        )
        self._program.wait_until("ready", self._ready, deadline=180)

    def stop(self) -> None:
        """Stop; the data stays, so that `start` goes on where this ended."""
        if self._program:
            self._program.stop(deadline=30)
            self._program = None

    def suspend(self) -> None:
        """Keep every connection open and answer nothing, until `resume`."""
        assert self._program
        self._program.signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._program
        self._program.signal(signal.SIGCONT)

    def _ready(self) -> bool:
        management = Peer(("127.0.0.1", self._management), f"127.0.0.1:{self._management}")
        try:
            return management.send("GET", f"{self.root}/health/ready", timeout=2).status == 200
        except (OSError, http1.NoAnswer):
            return False


def from_environment(run: Path) -> Keycloak:
    """The Keycloak that `tests/keycloak/run` unpacked. A missing one is a failure, never a skip."""
    return Keycloak(Path(os.environ["KEYCLOAK_HOME"]), run, Path(os.environ["JAVA_HOME"]))


def below_auth(run: Path, hostname: str) -> Keycloak:
    """The same Keycloak below `/auth`, as it always was before version 17 and is at CERN, with a fixed public name."""
    distribution, java_home = Path(os.environ["KEYCLOAK_AUTH_HOME"]), Path(os.environ["JAVA_HOME"])
    return Keycloak(distribution, run, java_home, "/auth", f"--hostname={hostname}/auth")
