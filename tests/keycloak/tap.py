"""A relay before a gate that forwards bytes as they are, and remembers what callers sent: what a client offers in its
headers is otherwise known to Cambio alone."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

Address = tuple[str, int]


class Tap:
    """A listener whose connections are each joined to one with the target, which may be set after the start."""

    def __init__(self) -> None:
        self.target: Address | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sent: list[bytearray] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        # A thread that waits in accept() is not woken by close() alone.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def offers(self) -> dict[str, set[str]]:
        """The values of `Upgrade` that came, by the last part of the path."""
        found: dict[str, set[str]] = {}
        for sent in list(self._sent):
            for head in bytes(sent).decode("latin-1").split("\r\n\r\n"):
                lines = head.split("\r\n")
                if not lines[0].endswith(" HTTP/1.1"):
                    continue
                path = lines[0].split(" ")[1].split("?")[0].rsplit("/", 1)[-1]
                upgrades = [
                    line.partition(":")[2].strip() for line in lines if line.lower().startswith("upgrade:")
                ]
                found.setdefault(path, set()).update(upgrades)
        return found

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                assert self.target
                behind = socket.create_connection(self.target, timeout=20)
                behind.settimeout(None)
                sent = bytearray()
                self._sent.append(sent)
                threading.Thread(target=_pump, args=(caller, behind, sent), daemon=True).start()
                threading.Thread(target=_pump, args=(behind, caller, bytearray()), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, copy: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            copy += data
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
