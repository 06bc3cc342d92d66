"""Run a real Keycloak: one server for the whole suite, with its data in the run's own folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import http1
from peer import Peer
from process import Program, free_port

BOOTSTRAP_ADMIN = ("admin", "bootstrap-admin-password-1a9d")


# The issuer follows the name that the caller used.
LENIENT = ("--hostname-strict=false",)


class Keycloak:
    """A Keycloak that can be stopped, started again with the same data, and suspended."""

    def __init__(self, distribution: Path, run: Path, java_home: Path, options: tuple[str, ...] = LENIENT):
        """The options are more of `kc.sh start`."""
        self._distribution = distribution
        self._options = options
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

    def peer(self, authority: str | None = None, prefix: str = "") -> Peer:
        """Keycloak asked straight, under a public authority (its own when none is given)."""
        return Peer(self.address, authority or f"127.0.0.1:{self.port}", prefix)

    def start(self) -> None:
        """Start, and wait until the server says that it is ready."""
        user, password = BOOTSTRAP_ADMIN
        self._program = Program(
            [
                str(self._distribution / "bin" / "kc.sh"),
                "start",
                "--optimized",
                "--http-enabled=true",
                *self._options,
                "--http-host=127.0.0.1",
                f"--http-port={self.port}",
                "--http-management-host=127.0.0.1",
                f"--http-management-port={self._management}",
                f"--db-url=jdbc:h2:file:{self._database};NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=FALSE",
            ],
            self._log,
            {
                "JAVA_HOME": str(self._java_home),
                # Versions before 26.3 do not know the option, and ignore the variable.
                "KC_HTTP_MANAGEMENT_SCHEME": "http",
                # An option of the build from 26.4 on, of the start before.
                "KC_CACHE": "local",
                "JAVA_OPTS_APPEND": os.environ["JAVA_OPTS_APPEND"],
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
            # The health check stands below the relative path, if there is one.
            answers = (management.send("GET", path, timeout=2) for path in ("/health/ready", "/auth/health/ready"))
            return any(answer.status == 200 for answer in answers)
        except (OSError, http1.NoAnswer):
            return False


def with_options(run: Path, *options: str) -> Keycloak:
    """A Keycloak of its own, started with these options."""
    run.mkdir()
    return Keycloak(Path(os.environ["KEYCLOAK_HOME"]), run, Path(os.environ["JAVA_HOME"]), options)


def from_environment(run: Path) -> Keycloak:
    """The Keycloak that `tests/keycloak/run` unpacked. A missing one is a failure, never a skip."""
    return Keycloak(Path(os.environ["KEYCLOAK_HOME"]), run, Path(os.environ["JAVA_HOME"]))


def below_auth(run: Path, *options: str) -> Keycloak:
    """A Keycloak below `/auth`, as it always was before version 17 and is at CERN."""
    run.mkdir(exist_ok=True)
    return Keycloak(Path(os.environ["KEYCLOAK_AUTH_HOME"]), run, Path(os.environ["JAVA_HOME"]), options)
