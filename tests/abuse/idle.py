"""Idle connections."""

import contextlib
import time

import gate as gates
import wire
from harness import Watch, works

#: KiB of one idle connection, MiB of the process with ten thousand.
MOST_EACH, MOST_ALL = 8, 95


def run(world):
    count = 2000 if world.smoke else 9_900
    with world.klass("idle connections") as row:
        for threads in world.threads[-1:] if world.smoke else world.threads:
            case = f"{count} idle connections, threads: {threads}"
            row.cases += 1
            with gates.Gate(world, threads=threads, level="error") as gate:
                works(world, row, case, gate)
                before, links = gate.rss(), []
                with Watch(world, row, case, gate):
                    for number in range(count):
                        with contextlib.suppress(OSError):
                            # From 200 addresses: one peer has only a share.
                            link = wire.connect(gate.port, 5, f"127.0.1.{number % 200 + 1}")
                            links.append(link)
                            link.sendall(b"GET /realms/corp/account HTTP/1.1\r\nHost: h\r\n\r\n")
                            link.recv(4096)
                    row.tried += len(links)
                    time.sleep(1)
                    full = gate.rss()
                    works(world, row, case, gate)
                    for link in links:
                        link.close()
                if len(links) < count:
                    world.fail(row, case, f"{len(links)} connections were accepted")
                each = (full - before) * 1024 / max(len(links), 1)
                if each > MOST_EACH:
                    world.fail(row, case, f"an idle connection takes {each:.1f} KiB")
                if full > MOST_ALL:
                    world.fail(row, case, f"{full:.0f} MiB with all of them")
