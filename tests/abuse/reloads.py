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
    line = gate.audit()[-1]
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
        missed = 0
        with Load(gate) as load:
            for number in range(count):
                text, expected = ((PERMITTED, "allowed"), (DENIED, "denied"))[number % 2]
                missed += put(gate, text, expected, patience=5) is None
                if missed > 3:
                    break
        if missed:
            world.fail(row, case, f"{missed} policies did not come into force within 5 s")
        judge(world, row, case, gate, known, load.answers)
        if not gate.alive():
            world.fail(row, case, "the process ended")


def half_written(world, row):
    """Pieces of a good file that are good YAML, and none of them what the owner wrote."""
    before = gates.audience(permitted=False)
    after = (
        "audience: back-end-api\nowner: team\npermissions:\n  - clients: [front-end-app]\n    issuers: [partner]\n"
        "    issuance: mint\n    scopes: [email, profile]\n    condition: 'claims.sub == \"nobody\"'\n"
        "roles: { map: [{ to: reader, when: '\"staff\" in claims.groups', issuers: [partner] }] }\ntoken: { lifetime: 5m }\n"
    )
    cut = after.index("    condition:")
    with gates.Gate(world, level="error") as gate, Load(gate, 2) as load:
        path = gate.folder / "audiences/back-end-api.yaml"
        put(gate, before, "denied")
        for name, write in {
            "written in two pieces": lambda: pieces(path, after, [cut]),
            "written in pieces of 40 bytes": lambda: pieces(path, after, list(range(40, len(after), 40))),
            "truncated, then written": lambda: (
                os.truncate(path, 0),
                time.sleep(0.5),
                pieces(path, after, [cut]),
            ),
            "truncated to a good part": lambda: (
                path.write_text(after),
                os.truncate(path, cut),
                time.sleep(1.2),
                path.write_text(after),
            ),
            "written beside and renamed": lambda: gate.write_audience(after),
        }.items():
            row.cases += 1
            if not put(gate, before, "denied"):
                world.fail(row, name, "the version before did not come into force")
            start = len(gate.audit())
            write()
            time.sleep(0.5)
            allowed = [line for line in gate.audit()[start:] if line.get("outcome") == "allowed"]
            row.tried += len(gate.audit()) - start
            if allowed:
                world.fail(row, name, f"{len(allowed)} tokens that neither version allows")
        row.tried += sum(load.answers.values())


def pieces(path, text, cuts):
    """Writes a file in place, with a pause at each cut."""
    places = [0, *cuts, len(text)]
    pause = min(1.5, 4 / len(places))
    with path.open("w") as file:
        for start, end in itertools.pairwise(places):
            file.write(text[start:end])
            file.flush()
            os.fsync(file.fileno())
            time.sleep(pause)


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
