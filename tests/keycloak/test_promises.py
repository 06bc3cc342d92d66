"""Each promise of the five pages is kept by the tests that promises/*.toml names for it: they passed in this run. The other
half is in tests/it/promises.rs: the tests exist, and docs/dialects/promises.md says what these files say.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parent / "promises").glob("*.toml"))


def _named(page: Path) -> list[tuple[str, str]]:
    """The tests of this suite that a page names: file and name."""
    promises = tomllib.loads(page.read_text())["promise"]
    tests = [test.partition("::") for promise in promises for test in promise.get("tests", [])]
    return [(file, name) for file, _, name in tests if file.startswith("test_")]


def test_every_test_of_a_promise_passed(outcomes: dict, request: pytest.FixtureRequest) -> None:
    assert len(PAGES) > 1
    # Somebody who names files runs a part of the suite: then the tests of these files are looked at.
    whole = not any(".py" in str(argument) for argument in request.config.invocation_params.args)
    ran = {file for file, _ in outcomes}
    named = {test for page in PAGES for test in _named(page) if whole or test[0] in ran}
    assert named or not whole
    wrong = {test: outcomes.get(test) for test in named if outcomes.get(test) != {"passed"}}
    assert not wrong
