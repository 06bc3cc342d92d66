"""Cases, how they are watched, and the table."""

import contextlib
import dataclasses
import json
import multiprocessing
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import gate as gates

#: What must hold under each flood and each fault (issue "Bounded").
LONGEST_HEALTH = 0.1
LONGEST_LOGIN = 1.0
#: After a flood, the process may be this large, or this much larger than before.
RESTING = 64
GROWTH = 16

FORK = multiprocessing.get_context("fork")


@dataclasses.dataclass
class Row:
    """The figures of one class."""

    name: str
    cases: int = 0
    tried: int = 0
    health: float = 0.0
    login: float = 0.0
    peak: float = 0.0
    seconds: float = 0.0
    failures: list = dataclasses.field(default_factory=list)


class World:
    """What all classes share: the binary, the ports, the fake identity provider, the table."""

    def __init__(self, arguments):
        self.cambio = str(pathlib.Path(arguments.cambio).resolve())
        self.port = arguments.port
        self.upstream_port = arguments.port + 2
        self.smoke = arguments.smoke
        self.soak_seconds = arguments.soak
        self.settle_seconds = 20 if arguments.smoke else 60
        self.threads = [1, 2]
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="cambio-abuse-"))
        self.keep, self.verbose = arguments.keep, arguments.verbose
        self.rows = []
        self.upstream = gates.start_upstream(self.upstream_port)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def folder(self, name):
        folder = self.work / name
        folder.mkdir()
        return folder

    def close(self):
        self.upstream.kill()
        self.upstream.wait()
        if self.keep:
            print("files:", self.work)
        else:
            shutil.rmtree(self.work, ignore_errors=True)

    @contextlib.contextmanager
    def klass(self, name):
        """One class, whose cases report to the row."""
        row = Row(name)
        self.rows.append(row)
        start = time.monotonic()
        print(f"{name} …", flush=True)
        try:
            yield row
        except Exception as error:
            row.failures.append(f"the class did not end: {error!r}")
            raise
        finally:
            row.seconds = time.monotonic() - start
            for failure in row.failures:
                print(f"  FAILED {failure}", flush=True)

    def fail(self, row, case, text):
        row.failures.append(f"{case}: {text}")

    def table(self):
        head = f"{'class':<22} {'cases':>5} {'tried':>9} {'failures':>8} {'livez ms':>8} {'login ms':>8} {'MiB':>5} {'s':>5}"
        print("\n" + head)
        for row in self.rows:
            ms = [f"{value * 1000:.0f}" if value else "-" for value in (row.health, row.login)]
            print(
                f"{row.name:<22} {row.cases:>5} {row.tried:>9} {len(row.failures):>8} {ms[0]:>8} {ms[1]:>8} "
                f"{row.peak:>5.0f} {row.seconds:>5.0f}"
            )
        total = sum(len(row.failures) for row in self.rows)
        print(
            f"{'all':<22} {sum(r.cases for r in self.rows):>5} {sum(r.tried for r in self.rows):>9} {total:>8}"
        )
        for row in self.rows:
            for failure in row.failures:
                print(f"FAILED {row.name}: {failure}")
        return total


class Watch:
    """Asks health and logs in all the time, until the block ends."""

    def __init__(self, world, row, case, gate, logins=(200,)):
        self.world, self.row, self.case, self.gate, self.logins = world, row, case, gate, logins

    def __enter__(self):
        if self.world.verbose:
            print(f"  {time.strftime('%T')} {self.case}", flush=True)
        self.before, self.kills = self.gate.rss(), self.gate.cgroup.kills()
        command = [sys.executable, str(gates.HERE / "probe.py"), str(self.gate.admin), str(self.gate.port)]
        self.probe = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        time.sleep(0.15)
        return self

    def __exit__(self, kind, *_):
        out, _ = self.probe.communicate("\n", timeout=40)
        found = json.loads(out)
        fail = lambda text: self.world.fail(self.row, self.case, text)  # noqa: E731
        row = self.row
        row.health = max([row.health, *(took for took, status in found["livez"] if status == 200)])
        slow = [took for took, _ in found["livez"] if took > LONGEST_HEALTH]
        wrong = [status for _, status in found["livez"] if status != 200]
        if wrong:
            fail(f"/livez was not answered {len(wrong)} times of {len(found['livez'])}")
        elif slow:
            fail(f"/livez took {max(slow) * 1000:.0f} ms ({len(slow)} of {len(found['livez'])} over 100 ms)")
        if self.logins:
            row.login = max([row.login, *(took for took, status in found["logins"] if status in self.logins)])
            wrong = [status for _, status in found["logins"] if status not in self.logins]
            slow = [took for took, _ in found["logins"] if took > LONGEST_LOGIN]
            if wrong:
                fail(f"{len(wrong)} of {len(found['logins'])} logins got {sorted(set(wrong))}")
            elif slow:
                fail(f"a login took {max(slow):.1f} s ({len(slow)} of {len(found['logins'])} over 1 s)")
        row.peak = max(row.peak, self.gate.peak())
        if not self.gate.alive():
            fail(f"the process ended with {self.gate.process.returncode}")
        elif self.gate.cgroup.kills() > self.kills:
            fail("the kernel killed something for memory")
        else:
            self.settle(fail)

    def settle(self, fail):
        """Waits until the memory is back."""
        allowed = max(RESTING, self.before + GROWTH)
        end = time.monotonic() + self.world.settle_seconds
        while self.gate.rss() > allowed and time.monotonic() < end:
            time.sleep(0.2)
        if self.gate.rss() > allowed:
            fail(
                f"{self.gate.rss():.0f} MiB after {self.world.settle_seconds} s, {self.before:.0f} MiB before"
            )


def in_child(attack, patience):
    """Runs `attack()` in a process of its own, with less priority than Cambio. Returns what it returns."""
    receive, send = FORK.Pipe(False)

    def child():
        os.nice(5)
        try:
            send.send(attack())
        except Exception as error:
            send.send(error)

    process = FORK.Process(target=child, daemon=True)
    process.start()
    send.close()
    found = None
    with contextlib.suppress(EOFError):
        if receive.poll(patience):
            found = receive.recv()
    process.kill()
    process.join()
    if isinstance(found, Exception):
        raise found
    return found or 0


def works(world, row, case, gate):
    """After the case: an exchange of a caller who took no part is judged, a login passes."""
    answer = gate.exchange(source="127.0.0.3")
    if answer.status != 200:
        world.fail(row, case, f"afterwards an exchange got {answer.status} {answer.body[:120]!r}")
    answer = gate.login()
    if answer.status != 200:
        world.fail(row, case, f"afterwards a login got {answer.status}")


def watched(world, row, cases, seconds, **settings):
    """Runs each attack (name → function of the gate and the seconds) with each number of threads."""
    for threads in world.threads:
        gate = gates.Gate(world, threads=threads, **settings).start()
        try:
            for name, attack in cases.items():
                case = f"{name}, threads: {threads}"
                row.cases += 1
                failures = len(row.failures)
                with Watch(world, row, case, gate):
                    row.tried += in_child(
                        lambda attack=attack, gate=gate: attack(gate, seconds), seconds + 30
                    )
                if gate.alive():
                    works(world, row, case, gate)
                if len(row.failures) > failures:  # what one case left behind is not the next one's
                    gate.stop()
                    gate = gates.Gate(world, threads=threads, **settings).start()
        finally:
            gate.stop()
