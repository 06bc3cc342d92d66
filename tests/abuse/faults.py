"""Faults: the identity provider away, silent or broken; audit and logs that nobody reads; a full disk; silent DNS; no more
descriptors; a stop in the middle of it."""

import contextlib
import os
import pathlib
import socket
import subprocess
import threading
import time

import gate as gates
import slow
import wire
from harness import Watch, in_child, works


@contextlib.contextmanager
def case(world, row, name, threads, logins=(200,), start=None, **settings):
    """A gate, watched while the block runs; afterwards it must work."""
    row.cases += 1
    name = f"{name}, threads: {threads}"
    gate = gates.Gate(world, threads=threads, **settings)
    gate.start(**(start or {}))
    try:
        with Watch(world, row, name, gate, logins):
            yield gate, name
    finally:
        gate.stop()


def many(gate, count, send, seconds=6):
    """Calls `send` from eight threads, `count` times in all, as long as there is time; the statuses."""
    statuses, lock = [], threading.Lock()
    end = time.monotonic() + seconds

    def work():
        for _ in range(count // 8):
            if time.monotonic() > end:
                return
            status = send(gate)
            with lock:
                statuses.append(status)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def page(path, timeout=3):
    return lambda gate: wire.request(gate.port, "GET", f"/realms/corp/{path}", timeout=timeout).status


def upstream_away(world, row, threads):
    with case(world, row, "the identity provider is away", threads, (502, 503), upstream=world.port + 9) as (
        gate,
        name,
    ):
        statuses = many(gate, 400, page("account"))
        row.tried += len(statuses)
        if set(statuses) - {502, 503}:
            world.fail(row, name, f"answers {sorted(set(statuses))}")
        if gate.exchange().status != 200:
            world.fail(row, name, "an exchange that needs no identity provider is refused")


def upstream_hangs(world, row, threads):
    with case(world, row, "the identity provider does not answer", threads) as (gate, name):
        row.tried += in_child(lambda: slow.peers(400, slow.get("hold"))(gate, 3), 30)
        works(world, row, name, gate)


def upstream_resets(world, row, threads):
    with case(world, row, "the identity provider resets mid-answer", threads) as (gate, name):
        statuses = many(gate, 800, page("reset"))
        row.tried += len(statuses)
        works(world, row, name, gate)


def upstream_accepts_nothing(world, row, threads):
    """A full queue of connections: SYNs are not answered."""
    listener = socket.create_server((wire.HOST, world.port + 8), backlog=0)
    fill = []
    for _ in range(4):
        link = socket.socket()
        link.setblocking(False)
        link.connect_ex((wire.HOST, world.port + 8))
        fill.append(link)
    with case(world, row, "connections are not accepted", threads, None, upstream=world.port + 8) as (
        gate,
        name,
    ):
        attack = slow.peers(200, slow.get("account"))
        row.tried += in_child(lambda: attack(gate, 3), 30)
        if gate.exchange().status != 200:
            world.fail(row, name, "an exchange that needs no identity provider is refused")
    for link in [*fill, listener]:
        link.close()


def audit_unread(world, row, threads):
    """Standard output is a pipe that nobody reads: exchanges stop, and nothing else does."""
    row.cases += 1
    name = f"nobody reads the audit lines, threads: {threads}"
    read, write = os.pipe()
    gate = gates.Gate(world, threads=threads, audit="stdout")
    gate.start(stdout=write)
    os.close(write)
    try:
        with Watch(world, row, name, gate):
            statuses = []
            end = time.monotonic() + 6
            while time.monotonic() < end:
                statuses.append(gate.exchange(timeout=2).status)
            row.tried += len(statuses)
            if statuses[-1] == 200:
                world.fail(row, name, "an exchange without an audit line")
            if page("account")(gate) != 200:
                world.fail(row, name, "a page does not pass")
    finally:
        if gate.stop(patience=10) is None:
            world.fail(row, name, "SIGTERM did not end the process")
        os.close(read)


def log_unread(world, row, threads):
    """Standard error is a pipe that nobody reads, and every request logs."""
    read, write = os.pipe()
    row.cases += 1
    name = f"nobody reads the log, threads: {threads}"
    gate = gates.Gate(world, threads=threads, level="debug", upstream=world.port + 9)
    # The shell leaves the pipe as standard error.
    gate.start(wrap=["sh", "-c", f'exec "$@" 2>&{write}', "sh"], passes=[write])
    os.close(write)
    try:
        with Watch(world, row, name, gate, (502, 503)):
            row.tried += len(many(gate, 1600, page("account", 2)))
            if gate.exchange().status != 200:
                world.fail(row, name, "an exchange is refused")
    finally:
        if gate.stop(patience=10) is None:
            world.fail(row, name, "SIGTERM did not end the process")
        os.close(read)


def disk_full(world, row, threads):
    """The audit file is on a full disk: no token without a line, and everything else goes on."""
    mount = world.folder(f"disk-{threads}")
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)], capture_output=True, check=False
    ).returncode:
        print("  (no right to mount: the full disk is left out)")
        return
    try:
        with case(world, row, "the disk is full", threads, audit=f"{mount}/audit.jsonl") as (gate, name):
            tokens = sum(gate.exchange().status == 200 for _ in range(200))
            row.tried += 200
            lines = (mount / "audit.jsonl").read_bytes()
            told = lines.count(b'"outcome":"allowed"')
            if tokens > told:
                world.fail(row, name, f"{tokens} tokens, {told} lines")
            (mount / "audit.jsonl").write_bytes(b"")
            if gate.exchange().status != 200:
                world.fail(row, name, "with room again, an exchange is refused")
    finally:
        subprocess.run(["umount", str(mount)], check=False)


def dns_silent(world, row, threads):
    """The identity provider's name is asked of a server that never answers."""
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        silent.bind(("127.0.0.53", 53))
    except OSError:
        print("  (127.0.0.53:53 is taken: silent DNS is left out)")
        return
    resolv = world.work / f"resolv-{threads}"
    resolv.write_text("nameserver 127.0.0.53\noptions timeout:30 attempts:5\n")
    script = f'mount --make-rprivate / && mount --bind {resolv} /etc/resolv.conf && exec "$@"'
    wrap = ["unshare", "-m", "sh", "-c", script, "sh"]
    try:
        settings = {"host": "keycloak.test.invalid", "start": {"wrap": wrap}}
        with case(world, row, "DNS does not answer", threads, None, **settings) as (gate, name):
            attack = slow.peers(600, slow.get("account"))
            row.tried += in_child(lambda: attack(gate, 4), 30)
            policy = gates.audience(permitted=False)
            gate.write_audience(policy)
            start = time.monotonic()
            while gate.exchange().status == 200 and time.monotonic() - start < 8:
                time.sleep(0.05)
            took = time.monotonic() - start
            if took > 2.5:
                world.fail(row, name, f"a removed permission was in force for {took:.1f} s")
    finally:
        silent.close()


def descriptors(world, row, threads):
    """More callers than there are descriptors."""
    start = {"files": 256}
    with case(world, row, "no more descriptors", threads, None, start=start) as (gate, name):
        attack = slow.peers(400, slow.get("hold"))
        row.tried += in_child(lambda: attack(gate, 3), 30)
        end = time.monotonic() + 5
        while gate.exchange(timeout=2).status != 200 and time.monotonic() < end:
            time.sleep(0.1)
        works(world, row, name, gate)


def kept_admin(world, row, threads):
    """Callers of the admin listener who keep their connections, or send nothing."""
    with case(world, row, "the admin listener is full", threads) as (gate, _):
        links = []
        for number in range(300):
            with contextlib.suppress(OSError):
                link = wire.connect(gate.admin, 2)
                links.append(link)
                if number % 2:
                    link.sendall(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
        row.tried += len(links)
        time.sleep(3)
        for link in links:
            link.close()


def hangups(world, row, threads):
    """SIGHUP all the time, and large policies."""
    with case(world, row, "SIGHUP all the time", threads) as (gate, name):
        folder = pathlib.Path(gate.folder) / "audiences"
        for number in range(300):
            (folder / f"a{number}.yaml").write_text(gates.audience(f"a{number}-api"))
        end = time.monotonic() + 3
        while time.monotonic() < end:
            gate.reload()
            row.tried += 1
            time.sleep(0.005)
        works(world, row, name, gate)


def stop_under_load(world, row, threads):
    """SIGTERM while requests wait for a silent identity provider and callers keep idle connections."""
    row.cases += 1
    name = f"a stop under load, threads: {threads}"
    with gates.Gate(world, threads=threads) as gate:
        links = []
        for number in range(200):
            link = wire.connect(gate.port)
            link.sendall(slow.get("account" if number % 2 else "trickle"))
            links.append(link)
        time.sleep(0.3)
        row.tried += len(links)
        if gate.stop(patience=40) is None:
            world.fail(row, name, "the process did not end within 40 s")
        for link in links:
            link.close()


CASES = [
    upstream_away, upstream_hangs, upstream_resets, upstream_accepts_nothing, audit_unread, log_unread, disk_full, dns_silent,
    descriptors, kept_admin, hangups,
]  # fmt: skip


def run(world):
    with world.klass("faults") as row:
        for threads in world.threads[:1] if world.smoke else world.threads:
            for one in CASES if world.smoke else [*CASES, stop_under_load]:
                try:
                    one(world, row, threads)
                except (OSError, RuntimeError) as error:
                    world.fail(row, f"{one.__name__}, threads: {threads}", f"did not end: {error}")
