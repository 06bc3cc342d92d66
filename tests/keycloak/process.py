"""Run a program, watch its readiness, and end it: only ever this one and its children, by their group's id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


class Program:
    """One child process with its own children, in a group of their own; their output goes to a file."""

    def __init__(
        self, argv: list[str], log: Path, environment: dict[str, str] | None = None, cwd: Path | None = None
    ):
        self.log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                argv,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(environment or {})},
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """To the whole group: a start script's program is its child."""
        os.killpg(self.pid, number)

    def stop(self, deadline: float = 20.0) -> int:
        """SIGTERM, then SIGKILL at the deadline (seconds). Gives the exit status."""
        if self.running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self._child.wait(deadline)
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGKILL)
        return self._child.wait(5)

    def wait_until(self, what: str, holds: Callable[[], bool], deadline: float) -> None:
        """Wait for a condition. Fails at once when the program ends, with the end of its log."""
        until = time.monotonic() + deadline
        while not holds():
            assert self.running, f"ended before {what}, status {self._child.returncode}:\n{self.tail()}"
            assert time.monotonic() < until, f"not {what} within {deadline} s:\n{self.tail()}"
            time.sleep(0.02)

    def tail(self, size: int = 4000) -> str:
        return self.log.read_bytes()[-size:].decode("utf-8", "replace")


def poll(what: str, holds: Callable[[], bool], deadline: float) -> None:
    """Wait until a condition holds, at most `deadline` seconds."""
    until = time.monotonic() + deadline
    while not holds():
        assert time.monotonic() < until, f"not within {deadline} s: {what}"
        time.sleep(0.02)


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def node(script: str, document: dict, timeout: float) -> dict:
    """What a program in `node/` answers to a document."""
    folder = Path(__file__).parent / "node"
    argv, given = ["node", script], json.dumps(document)
    done = subprocess.run(
        argv, cwd=folder, input=given, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
