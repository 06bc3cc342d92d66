"""A soak: everything at once for some minutes. Memory, descriptors and threads stay as they are."""

import contextlib
import os
import random
import time

import big
import floods
import gate as gates
import h2
import harness
import slow
import wire
from harness import Watch, in_child, works


def ordinary(gate, seconds):
    """Logins, exchanges (allowed and not), pages, forms, wrong secrets, HTTP/2."""
    end, sent, chance = time.monotonic() + seconds, 0, random.Random(os.getpid())
    while time.monotonic() < end:
        kind = chance.randrange(8)
        if kind == 0:
            gate.login()
        elif kind == 1:
            gate.exchange()
        elif kind == 2:
            gate.exchange(audience=f"unknown-{chance.randrange(10**9)}")
        elif kind == 3:
            gate.exchange(client_id="guessed-app", client_secret=f"wrong-{chance.randrange(10**9)}")
        elif kind == 4:
            wire.request(gate.port, "GET", f"/realms/corp/account/{chance.randrange(10**9)}")
        elif kind == 5:
            host = [("X-Forwarded-Host", f"h{chance.randrange(10**9)}.example.org")]
            wire.request(gate.port, "GET", "/realms/corp/.well-known/openid-configuration", headers=host)
        elif kind == 6:
            wire.request(
                gate.port, "POST", "/realms/corp/login", {"username": "a", "n": chance.randrange(10**9)}
            )
        else:
            connection = h2.Connection(gate.port)
            with contextlib.closing(connection.link):
                connection.send(b"".join(connection.headers(h2.fields())[0] for _ in range(10)))
                connection.read(0.05)
        sent += 1
        time.sleep(0.002)
    return sent


def rough(gate, seconds):
    """A little of every flood and every slow peer, in turns."""
    end, tried = time.monotonic() + seconds, 0
    attacks = [*floods.CASES.values(), *slow.CASES.values()]
    while time.monotonic() < end:
        attack = attacks[tried % len(attacks)]
        with contextlib.suppress(RuntimeError, OSError):
            attack(gate, 0.5)
        name = list(big.CASES)[tried % len(big.CASES)]
        path, body, headers = big.CASES[name]
        wire.request(gate.port, "POST", path, body, headers or [("Content-Type", wire.FORM)])
        tried += 1
        time.sleep(0.5)
    return tried


def tasks(gate):
    return len(os.listdir(f"/proc/{gate.pid}/task"))


def run(world):
    seconds = world.soak_seconds
    with world.klass("soak") as row, gates.Gate(world, level="warn") as gate:
        case = f"{seconds} s"
        row.cases += 1
        # What is made once is made before the first figure.
        row.tried += in_child(lambda: ordinary(gate, 5), 30)
        rows = []
        end = time.monotonic() + seconds
        with Watch(world, row, case, gate):
            children = [
                start(ordinary, gate, seconds),
                start(ordinary, gate, seconds),
                start(rough, gate, seconds),
            ]
            while time.monotonic() < end and gate.alive():
                time.sleep(min(2.0, seconds / 20))
                rows.append((gate.rss(), gate.files(), tasks(gate)))
            for child, receive in children:
                row.tried += receive.recv() if receive.poll(40) else 0
                child.kill()
                child.join()
        flat(world, row, case, gate, rows)
        works(world, row, case, gate)


def start(work, gate, seconds):
    receive, send = harness.FORK.Pipe(False)
    child = harness.FORK.Process(target=lambda: (os.nice(5), send.send(work(gate, seconds))), daemon=True)
    child.start()
    return child, receive


def flat(world, row, case, gate, rows):
    """The last third is no larger than the second, whose peaks differ by chance; and after a moment all is given back."""
    third = len(rows) // 3
    middle, last = rows[third : 2 * third], rows[2 * third :]
    if not middle or not last:
        world.fail(row, case, "the soak ended early")
        return
    for at, name, slack in ((0, "MiB", 16), (2, "threads", 4)):
        before, after = max(one[at] for one in middle), max(one[at] for one in last)
        if after > before * 1.1 + slack:
            world.fail(row, case, f"{name} grew from {before:.0f} to {after:.0f}")
    end = time.monotonic() + 100
    while gate.files() > 200 and time.monotonic() < end:
        time.sleep(0.5)
    print(
        f"  MiB {rows[0][0]:.0f} … {rows[-1][0]:.0f}, descriptors {rows[0][1]} … {gate.files()}, threads {rows[-1][2]}"
    )
    if gate.files() > 200:
        world.fail(row, case, f"{gate.files()} descriptors are open after the soak")
