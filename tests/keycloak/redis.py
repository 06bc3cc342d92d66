"""Run a real Redis on a loopback port, and look into it: only the few words of its protocol that are needed."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from process import Program, free_port


class Redis:
    """One redis-server process with nothing on disk."""

    def __init__(self, folder: Path, password: str | None = None, *arguments: str):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._port = free_port()
        self._arguments = [*arguments, *(["--requirepass", password] if password else [])]
        self._password = password
        self._program: Program | None = None
        self.password_file = folder / "password"
        if password:
            self.password_file.write_text(f"{password}\n")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def store(self, **more: object) -> dict:
        """The `store` section of a configuration."""
        secret = {"passwordFile": str(self.password_file)} if self._password else {}
        return {"redis": {"url": self.url, **secret, **more}}

    def start(self) -> Redis:
        argv = [
            "redis-server",
            "--port",
            str(self._port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self._program = Program([*argv, *self._arguments], self._folder / "redis.log", cwd=self._folder)
        self._program.wait_until("answering", self._answers, deadline=10)
        return self

    def stop(self) -> None:
        if self._program:
            self._program.stop(deadline=5)
            self._program = None

    def pause(self) -> None:
        """It keeps its connections and answers nothing."""
        assert self._program
        os.kill(self._program.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._program
        os.kill(self._program.pid, signal.SIGCONT)

    def ask(self, *words: str) -> str | int | list | None:
        """One command's reply; an error reply is an AssertionError."""
        with (
            socket.create_connection(("127.0.0.1", self._port), timeout=5) as peer,
            peer.makefile("rwb") as stream,
        ):
            if self._password:
                _send(stream, "AUTH", self._password)
                _reply(stream)
            _send(stream, *words)
            return _reply(stream)

    def _answers(self) -> bool:
        try:
            return self.ask("PING") == "PONG"
        except OSError:
            return False


def _send(stream, *words: str) -> None:
    parts = [f"*{len(words)}\r\n".encode()]
    parts += [b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words]
    stream.write(b"".join(parts))
    stream.flush()


def _reply(stream) -> str | int | list | None:
    line = stream.readline().decode().rstrip("\r\n")
    kind, rest = line[:1], line[1:]
    match kind:
        case "+":
            return rest
        case ":":
            return int(rest)
        case "$":
            return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode()
        case "*":
            return [_reply(stream) for _ in range(int(rest))]
        case _:
            raise AssertionError(f"redis: {line}")
