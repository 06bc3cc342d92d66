"""What is left behind by all the tests before: no secret anywhere, and no gate that crashed."""

from __future__ import annotations

import names
import secrecy
from gate import Gates


def test_no_token_and_no_secret_is_in_any_log_or_audit_line(gates: Gates) -> None:
    assert gates.made, "nothing ran before this"
    paths = [path for gate in gates.made for path in (gate.log, gate.audit_file) if path.exists()]
    texts = {str(path): path.read_text() for path in paths}
    # There are very many values and files: all texts are searched together, and each only to say where something is.
    leaked = secrecy.found_in("\n".join(texts.values()))
    found = {path: [value[:12] + "…" for value in leaked if secrecy.is_in(value, text)] for path, text in texts.items()}
    assert leaked == [], {path: values for path, values in found.items() if values}


def test_no_secret_is_in_metrics_or_in_the_loaded_configuration(gates: Gates) -> None:
    running = [gate for gate in gates.made if gate.running]
    assert running
    for gate in running:
        for path in (names.METRICS, names.LOADED):
            text = gate.admin(path).text
            assert secrecy.found_in(text) == [], f"{gate.name} {path}"
            assert "PRIVATE KEY" not in text


def test_audit_lines_have_ids_of_their_own(gates: Gates) -> None:
    for gate in gates.made:
        identifiers = [line[names.AUDIT_ID] for line in gate.audit()]
        assert len(set(identifiers)) == len(identifiers), gate.name
    assert sum(len(gate.audit()) for gate in gates.made) > 1000


def test_no_gate_panicked(gates: Gates) -> None:
    assert [gate.name for gate in gates.made if "panicked" in gate.log.read_text()] == []


def test_gates_stop_when_told(gates: Gates) -> None:
    statuses = {gate.name: gate.stop() for gate in gates.made if gate.running}
    assert {name: status for name, status in statuses.items() if status != 0} == {}
