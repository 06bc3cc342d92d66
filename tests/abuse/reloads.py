"""Reloads under load, and files that are half written. Each audit line's decision is compared with the policy whose hash
the line has."""

import collections
import itertools
import os
import threading
import time

import gate as gates

PERMITTED, DENIED = gates.audience(), gates.audience(permitted=False)
RELOADS = "cambio_config_reloads_total"


class Load:
    """Exchanges, one after the other, on several connections."""

    def __init__(self, gate, workers=3):
        self.gate, self.stopped = gate, threading.Event()
        self.answers = collections.Counter()
        self.form = gates.exchange_form(gates.subject_token())
        self.threads = [threading.Thread(target=self.work) for _ in range(workers)]

    def work(self):
        while not self.stopped.is_set():
            self.answers[self.gate.post(self.form).status] += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def policy_in_force(gate):
    """The hash of the policy, and the decision, of one exchange."""
    gate.exchange()
    line = gate.last_audit()
    return line["policy_hash"], line["outcome"]


def put(gate, text, expected, patience=6):
    """Replaces the audience file and waits until the policy is another."""
    gate.write_audience(text)
    gate.reload()
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found, decision = policy_in_force(gate)
        if decision == expected:
            return found
        time.sleep(0.01)
    return None


def judge(world, row, case, gate, known, loaded):
    """Compares every line with the policy that it names."""
    lines = [line for line in gate.audit() if line.get("outcome")]
    row.tried += len(lines)
    wrong = [
        line
        for line in lines
        if line["policy_hash"] in known and known[line["policy_hash"]] != line["outcome"]
    ]
    strange = {line["policy_hash"] for line in lines} - set(known)
    if wrong:
        world.fail(
            row,
            case,
            f"{len(wrong)} of {len(lines)} decisions are not those of the policy that their line names",
        )
    if strange:
        world.fail(row, case, f"{len(strange)} policies were in force that nobody wrote")
    allowed = sum(line["outcome"] == known_allow(known) for line in lines)
    if loaded is not None and set(loaded) - {200, 400, 401, 403}:
        world.fail(row, case, f"answers under load: {dict(loaded)}")
    if loaded is not None and loaded[200] > allowed:
        world.fail(row, case, f"{loaded[200]} tokens, and {allowed} lines that allow one")


def known_allow(known):
    return next(iter(known.values()))


def reloads(world, row, threads):
    count = 60 if world.smoke else 1000 // len(world.threads)
    case = f"{count} reloads under load, threads: {threads}"
    row.cases += 1
    with gates.Gate(world, threads=threads, level="error") as gate:
        allow = put(gate, PERMITTED, "allowed") or policy_in_force(gate)[0]
        deny = put(gate, DENIED, "denied")
        if not deny:
            world.fail(row, case, "a new policy did not come into force")
            return
        known = {allow: "allowed", deny: "denied"}
        missed, end = 0, time.monotonic() + (30 if world.smoke else 240)
        with Load(gate) as load:
            for number in range(count):
                if time.monotonic() > end:
                    print(f"  {number} reloads in the time that there is, threads: {threads}")
                    break
                text, expected = ((PERMITTED, "allowed"), (DENIED, "denied"))[number % 2]
                missed += put(gate, text, expected, patience=5) is None
                if missed > 3:
                    break
        if missed:
            world.fail(row, case, f"{missed} policies did not come into force within 5 s")
        judge(world, row, case, gate, known, load.answers)
        if not gate.alive():
            world.fail(row, case, "the process ended")


AFTER = """\
audience: back-end-api
owner: team
permissions:
  - clients: [front-end-app]
    issuers: [partner]
    issuance: mint
    scopes: [email, profile]
    condition: 'claims.sub == "nobody"'
roles: { map: [{ to: reader, when: '"staff" in claims.groups', issuers: [partner] }] }
token: { lifetime: 5m }
"""
#: Up to here, the file is good, and permits what its owner does not permit.
CUT = AFTER.index("    condition:")


def half_written(world, row):
    """Pieces of a good file that are good YAML, and none of them what the owner wrote. Without a line `...`, a writer may pause
    for less than a second; with it, for as long as it likes."""
    for end, pause in (("", 0.6), ("...\n", 1.6)):
        before, after = DENIED + end, AFTER + end
        with gates.Gate(world, level="error") as gate, Load(gate, 2) as load:
            path = gate.folder / "audiences/back-end-api.yaml"
            for name, write in {
                "in two pieces": lambda path=path, after=after, pause=pause: pieces(
                    path, after, [CUT], pause
                ),
                "in pieces of 40 bytes": lambda path=path, after=after, pause=pause: pieces(
                    path, after, range(40, len(after), 40), pause / 3
                ),
                "truncated, then written": lambda path=path, after=after, pause=pause: (
                    os.truncate(path, 0),
                    time.sleep(pause),
                    pieces(path, after, [CUT], pause),
                ),
                "truncated to a good part": lambda path=path, after=after, pause=pause: (
                    pieces(path, after, [], 0),
                    os.truncate(path, CUT),
                    time.sleep(pause),
                    pieces(path, after, [CUT], pause),
                ),
                "beside, and renamed": lambda gate=gate, after=after: gate.write_audience(after),
            }.items():
                row.cases += 1
                case = f"{name}, {'with' if end else 'without'} the line `...`"
                if not put(gate, before, "denied"):
                    world.fail(row, case, "the version before did not come into force")
                start = len(gate.audit())
                write()
                time.sleep(1.5)
                lines = gate.audit()[start:]
                row.tried += len(lines)
                allowed = [line for line in lines if line.get("outcome") == "allowed"]
                if allowed:
                    world.fail(row, case, f"{len(allowed)} tokens that neither version allows")
            row.tried += sum(load.answers.values())


def pieces(path, text, cuts, pause):
    """Writes a file in place, with a pause at each cut."""
    places = [0, *cuts, len(text)]
    with path.open("w") as file:
        for start, end in itertools.pairwise(places):
            file.write(text[start:end])
            file.flush()
            os.fsync(file.fileno())
            time.sleep(pause if end < len(text) else 0)


def one_team(world, row):
    """A broken file of one team: nobody else's decision changes, and a removal is in force within two seconds."""
    case = "one team's broken file"
    row.cases += 1
    with gates.Gate(world, level="error") as gate:
        gate.write_audience(gates.audience("other-api", owner="others"), "other-api")
        gate.reload()
        end = time.monotonic() + 5
        while gate.exchange(audience="other-api").status != 200 and time.monotonic() < end:
            time.sleep(0.05)
        gate.write_audience("audience: other-api\npermissions: {{{\n", "other-api")
        with Load(gate, 2) as load:
            time.sleep(1.5)
        if set(load.answers) != {200}:
            world.fail(row, case, f"another team's exchanges: {dict(load.answers)}")
        gate.write_audience(DENIED)
        start = time.monotonic()
        while gate.exchange().status == 200 and time.monotonic() - start < 5:
            time.sleep(0.02)
        took = time.monotonic() - start
        if took > 2.5:
            world.fail(row, case, f"a removal was in force after {took:.1f} s")
        row.tried += sum(load.answers.values())
        gate.stop()
        gate.start()  # raises if it does not start
        if gate.login().status != 200:
            world.fail(row, case, "after a start with the broken file, no login")


def run(world):
    with world.klass("reloads") as row:
        for threads in world.threads[:1] if world.smoke else world.threads:
            reloads(world, row, threads)
        one_team(world, row)
    with world.klass("half-written files") as row:
        half_written(world, row)
