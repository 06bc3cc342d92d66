"""Run a real Redis on loopback ports (one server, Sentinels, a cluster), and look into it: only the few words of its
protocol that are needed."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from process import Program, free_port, poll


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
    def port(self) -> int:
        return self._port

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

    def kill(self) -> None:
        """SIGKILL: nothing is handed over."""
        assert self._program
        self._program.signal(signal.SIGKILL)
        self.stop()

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


class Watched:
    """A primary, its replica, and three Sentinels that watch them, with a password for each kind."""

    MASTER = "mymaster"

    def __init__(self, folder: Path, password: str, sentinel_password: str):
        self._password = password
        self.servers = [
            Redis(folder / name, password, "--masterauth", password, "--repl-diskless-sync-delay", "0")
            for name in ("one", "other")
        ]
        self._sentinels = [_Sentinel(folder / f"sentinel-{n}", sentinel_password) for n in range(3)]

    def start(self) -> Watched:
        first, second = (server.start() for server in self.servers)
        second.ask("REPLICAOF", "127.0.0.1", str(first.port))
        poll(
            "the replica follows",
            lambda: "master_link_status:up" in str(second.ask("INFO", "replication")),
            20,
        )
        for sentinel in self._sentinels:
            sentinel.watch(self.MASTER, first.port, self._password)
        for sentinel in self._sentinels:
            sentinel.start()
        for sentinel in self._sentinels:
            poll("the Sentinels know everybody", lambda one=sentinel: one.knows(self.MASTER) == (1, 2), 30)
        return self

    def store(self, **more: object) -> dict:
        """The `store` section of a configuration."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self._sentinels)
        first, watcher = self.servers[0], self._sentinels[0]
        secrets = {
            "passwordFile": str(first.password_file), "sentinelPasswordFile": str(watcher.password_file)
        }  # fmt: skip
        return {"redis": {"url": f"redis+sentinel://{hosts}/{self.MASTER}/0", **secrets, **more}}

    def fail_over(self) -> None:
        self._sentinels[0].ask("SENTINEL", "FAILOVER", self.MASTER)

    def primary(self) -> Redis:
        """The server that the Sentinels name."""
        port = self._sentinels[0].primary(self.MASTER)
        return next(server for server in self.servers if server.port == port)

    def stop(self) -> None:
        for program in (*self._sentinels, *self.servers):
            program.stop()


class _Sentinel(Redis):
    def watch(self, master: str, port: int, password: str) -> None:
        """To be called before the start: a Sentinel writes what it learns into its configuration."""
        lines = [
            f"sentinel monitor {master} 127.0.0.1 {port} 2",
            f'sentinel auth-pass {master} "{password}"',
            f"sentinel down-after-milliseconds {master} 1000",
            f"sentinel failover-timeout {master} 6000",
            f'requirepass "{self._password}"',
        ]
        file = self._folder / "sentinel.conf"
        file.write_text("\n".join(lines) + "\n")

    def start(self) -> _Sentinel:
        argv = [
            "redis-server",
            "sentinel.conf",
            "--sentinel",
            "--port",
            str(self._port),
            "--bind",
            "127.0.0.1",
        ]
        self._program = Program(argv, self._folder / "sentinel.log", cwd=self._folder)
        self._program.wait_until("answering", self._answers, deadline=10)
        return self

    def primary(self, master: str) -> int:
        return int(self.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", master)[1])

    def knows(self, master: str) -> tuple[int, int]:
        """How many replicas and other Sentinels."""
        facts = self.ask("SENTINEL", "MASTER", master)
        named = dict(zip(facts[::2], facts[1::2], strict=True))
        return int(named["num-slaves"]), int(named["num-other-sentinels"])


class Cluster:
    """Three nodes of a cluster, each with a third of the slots."""

    SLOTS = 16384

    def __init__(self, folder: Path, password: str):
        arguments = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--masterauth", password)
        # Without one of its own, the port between nodes is the other plus 10 000, which may be none.
        self._buses = [str(free_port()) for _ in range(3)]
        self.nodes = [
            Redis(folder / f"node-{n}", password, *arguments, "--cluster-port", bus)
            for n, bus in enumerate(self._buses)
        ]

    def start(self) -> Cluster:
        for node in self.nodes:
            node.start()
        for n, node in enumerate(self.nodes):
            first, last = n * self.SLOTS // 3, (n + 1) * self.SLOTS // 3 - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", str(n + 1))
        for node in self.nodes[1:]:
            node.ask("CLUSTER", "MEET", "127.0.0.1", str(self.nodes[0].port), self._buses[0])
        poll("the cluster is whole", self.whole, deadline=30)
        return self

    def whole(self) -> bool:
        whole = ("cluster_state:ok", "cluster_known_nodes:3")
        return all(all(word in str(node.ask("CLUSTER", "INFO")) for word in whole) for node in self.nodes)

    def move(self, giver: int, taker: int) -> list[int]:
        """Moves the keys of a node: until `settle`, the slots are still the giver's, which answers ASK for them."""
        source, target = self.nodes[giver], self.nodes[taker]
        slots = sorted({int(source.ask("CLUSTER", "KEYSLOT", key)) for key in source.ask("KEYS", "*")})
        for slot in slots:
            target.ask("CLUSTER", "SETSLOT", str(slot), "IMPORTING", source.ask("CLUSTER", "MYID"))
            source.ask("CLUSTER", "SETSLOT", str(slot), "MIGRATING", target.ask("CLUSTER", "MYID"))
            for key in source.ask("CLUSTER", "GETKEYSINSLOT", str(slot), "100"):
                password = source.password_file.read_text().strip()
                source.ask("MIGRATE", "127.0.0.1", str(target.port), key, "0", "5000", "AUTH", password)
        return slots

    def settle(self, slots: list[int], taker: int) -> None:
        """The slots are the taker's, everywhere."""
        owner = self.nodes[taker].ask("CLUSTER", "MYID")
        for node in (self.nodes[taker], *self.nodes):
            for slot in slots:
                node.ask("CLUSTER", "SETSLOT", str(slot), "NODE", owner)

    def store(self, *nodes: Redis, **more: object) -> dict:
        """The `store` section of a configuration that names these nodes."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes or self.nodes)
        secret = str(self.nodes[0].password_file)
        return {"redis": {"url": f"redis+cluster://{hosts}", "passwordFile": secret, **more}}

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


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
