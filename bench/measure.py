"""What the two benchmarks share: processes pinned to a core, CPU time of a process tree, ratios, Markdown tables."""

import contextlib
import http.client
import os
import pathlib
import socket
import ssl
import statistics
import subprocess
import time


class Failure(Exception):
    """A run that can't be trusted: a process that died, an answer that was not 2xx, a missing tool."""


def free_port():
    """A TCP port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A child process on one core; stops when the `with` block ends."""

    def __init__(self, name, command, core, log, environment=None):
        self.name, self.command, self.core, self.log = name, command, core, pathlib.Path(log)
        self.environment = {**os.environ, **(environment or {})}

    def __enter__(self):
        self.started = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
                preexec_fn=lambda: os.sched_setaffinity(0, {self.core}))
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def wait_for(self, port, path, limit=20.0, tls=False):
        """Seconds from exec until `path` on `port` answers 2xx."""
        while time.monotonic() < self.started + limit:
            if self.process.poll() is not None:
                raise Failure(f"{self.name} ended with {self.process.returncode}:\n{self.log.read_text()[-2000:]}")
            if answers(port, path, tls):
                return time.monotonic() - self.started
            time.sleep(0.0005)  # the polling interval: nothing tells a client that a port has opened
        raise Failure(f"{self.name} was not ready within {limit:.0f} s:\n{self.log.read_text()[-2000:]}")


def answers(port, path, tls=False):
    """Whether a GET of `path` on loopback is answered 2xx. Over TLS, any certificate will do."""
    kind, more = (http.client.HTTPSConnection, {"context": ssl._create_unverified_context()}) if tls else (http.client.HTTPConnection, {})
    with contextlib.closing(kind("127.0.0.1", port, timeout=5, **more)) as connection:
        try:
            connection.request("GET", path)
            return 200 <= connection.getresponse().status < 300
        except (OSError, http.client.HTTPException):
            return False


def process_tree(root):
    """The process id `root` and those of all its descendants."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = stat.read_text().rsplit(")", 1)[1].split()[1]
            children.setdefault(int(parent), []).append(int(stat.parent.name))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += children.get(pid, [])
    return found


def cpu_seconds(root):
    """CPU time that the process tree has used.

    Each thread's schedstat counts nanoseconds but leaves with its thread; a process's utime and stime keep what ended
    threads used, in hundredths of a second. The larger of the two is nearer the truth.
    """
    total = 0.0
    for pid in process_tree(root):
        living, process = 0.0, 0.0
        for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                living += int(stat.read_text().split()[0]) / 1e9
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            process = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        total += max(living, process)
    return total


def rss_mib(root):
    """Resident memory of the process tree in MiB; pages that processes share count once for each."""
    total = 0
    for pid in process_tree(root):
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
    return total / 1024


def spread(values, digits=2):
    """`min / median / max` as text."""
    return " / ".join(f"{v:.{digits}f}" for v in (min(values), statistics.median(values), max(values)))


def table(head, rows):
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def alternated(names, rounds):
    """The order of each round: reversed every second time, so that a drift of the machine favours nobody."""
    return [list(names) if i % 2 == 0 else list(reversed(names)) for i in range(rounds)]
