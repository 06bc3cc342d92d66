"""Runs the core of the suite against several versions of Keycloak, and writes docs/compatibility.md's section from it.

`tests/keycloak/run --versions [VERSION,…]` starts this, with every version unpacked and built. A feature counts as
working in a version if every test of its files passes there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

SUITE = Path(__file__).parent
DOCUMENT = SUITE.parents[1] / "docs" / "compatibility.md"
BEGIN, END = "<!-- versions: begin -->\n", "<!-- versions: end -->\n"


@dataclass(frozen=True)
class Feature:
    """A feature and the tests that show it."""

    name: str
    tests: tuple[str, ...]


FEATURES = (
    Feature("Pages, logins, refreshes, userinfo and logout pass, byte for byte", ("test_ordinary.py",)),
    Feature("`forward` and `reissue`", ("test_story.py",)),
    Feature("Refresh, introspection, revocation and logout of tokens that Cambio signed", ("test_life.py",)),
    Feature("`mint`", ("test_mint.py",)),
    Feature("`translate`", ("test_translate.py",)),
    Feature("The differential run: no reading of a forbidden exchange gets through", ("test_differentials.py",)),
)


@dataclass(frozen=True)
class Outcome:
    """How many tests of a feature passed in a version, and how many failed."""

    passed: int
    failed: int

    @property
    def works(self) -> bool:
        return self.passed > 0 and self.failed == 0

    def __str__(self) -> str:
        return f"{self.passed} passed" + (f", {self.failed} FAILED" if self.failed else "")


def run(kept: Path, version: str, old: bool) -> dict[str, Outcome]:
    """One run of pytest, so that the server is started once. An `old` version is any but the newest of the run."""
    report = kept / f"versions-{version}.xml"
    files = [test for feature in FEATURES for test in feature.tests]
    argv = [sys.executable, "-m", "pytest", "-q", f"--basetemp={kept}/run-{version}", f"--junitxml={report}", *files]
    environment = {**os.environ, "KEYCLOAK_HOME": str(kept / f"keycloak-{version}")}
    if old:
        environment["OLD_KEYCLOAK"] = "1"
    subprocess.run(argv, cwd=SUITE, env=environment, check=False)
    return outcomes(report)


def outcomes(report: Path) -> dict[str, Outcome]:
    """What pytest wrote of each feature."""
    cases = list(ET.parse(report).iter("testcase"))

    def outcome(feature: Feature) -> Outcome:
        names = {test.removesuffix(".py") for test in feature.tests}
        of_feature = [case for case in cases if case.get("classname", "").split(".")[0] in names]
        of_feature = [case for case in of_feature if case.find("skipped") is None]
        failed = [case for case in of_feature if case.find("failure") is not None or case.find("error") is not None]
        return Outcome(len(of_feature) - len(failed), len(failed))

    return {feature.name: outcome(feature) for feature in FEATURES}


def table(found: dict[str, dict[str, Outcome]]) -> str:
    """The section: for each feature, the lowest of the versions from which on it works, and each version's word."""
    versions = list(found)
    lines = ["| | from | " + " | ".join(versions) + " |", "|---|---|" + "---|" * len(versions)]
    for feature in FEATURES:
        works = [found[version][feature.name].works for version in versions]
        last = max((index for index, good in enumerate(works) if not good), default=-1)
        since = versions[last + 1] if last + 1 < len(versions) else "–"
        lines.append(f"| {feature.name} | {since} | " + " | ".join("yes" if good else "no" for good in works) + " |")
    return "\n".join(lines) + "\n"


def write(found: dict[str, dict[str, Outcome]]) -> None:
    """Puts the table into the document."""
    before, rest = DOCUMENT.read_text().split(BEGIN)
    DOCUMENT.write_text(before + BEGIN + table(found) + END + rest.split(END)[1])


def main() -> int:
    kept, versions = Path(sys.argv[1]), sys.argv[2].split(",")
    versions.sort(key=lambda version: [int(part) for part in version.split(".")])
    found = {version: run(kept, version, version != versions[-1]) for version in versions}
    for feature in FEATURES:
        print(feature.name)
        for version in versions:
            print(f"    {version:10} {found[version][feature.name]}")
    write(found)
    print(table(found))
    return 0 if all(outcome.works for outcome in found[versions[-1]].values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
