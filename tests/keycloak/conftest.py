"""What every test of the suite stands on: one Keycloak, one gate for general use, and the two ways to ask."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Before these are imported: their assertions are to show both sides when they fail.
pytest.register_assert_rewrite(
    "compare", "admin", "differential", "elsewhere", "foreign", "login", "oidc", "pages", "process"
)

import foreign
import server
from admin import Admin
from foreign import External, Provider
from gate import Gate, Gates, Setup, audience, permission
from peer import Peer
from server import Keycloak

# The faults stop Keycloak and turn its keys, and the last file looks at all that the others left behind.
ORDER = ["test_faults.py", "test_traces.py", "test_promises.py"]

# What became of each test of this run, by its file and its name without parameters.
OUTCOMES = pytest.StashKey[dict[tuple[str, str], set[str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[OUTCOMES] = {}
    # A run that is ended from outside still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("ended by SIGTERM", returncode=143))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: ORDER.index(item.path.name) if item.path.name in ORDER else -1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function, call: pytest.CallInfo):
    report = yield
    if report.when == "call" or not report.passed:
        name = (item.path.name, item.originalname)
        item.config.stash[OUTCOMES].setdefault(name, set()).add(report.outcome)
    return report


@pytest.fixture
def outcomes(request: pytest.FixtureRequest) -> dict[tuple[str, str], set[str]]:
    """What became of the tests that came before, by file and name."""
    return request.config.stash[OUTCOMES]


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Says a number that a run is to show, whether or not it passes."""
    return lambda text: record_property("measured", text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    told = [text for report in reports for name, text in report.user_properties if name == "measured"]
    if told:
        terminalreporter.section("measured")
    for text in dict.fromkeys(told):
        terminalreporter.write_line(str(text))


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this run: data, configurations, logs."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="session")
def keycloak(run: Path) -> Iterator[Keycloak]:
    """A real Keycloak with both realms."""
    instance = server.from_environment(run)
    try:
        instance.start()
        Admin(instance.peer()).create_realms()
        yield instance
    finally:
        instance.stop()


@pytest.fixture(scope="session")
def gates(run: Path) -> Iterator[Gates]:
    made = Gates(Path(os.environ["CAMBIO_BIN"]), run)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def gate(keycloak: Keycloak, gates: Gates) -> Gate:
    """Cambio in front of Keycloak. back-end-api's owner permits front-end-app; other-api's owner does not."""
    audiences = {
        "back-end-api": audience(
            "back-end-api", permission("front-end-app", "odd app"), resources=["https://api.example.test"]
        ),
        "other-api": audience("other-api", permission("stranger-app")),
    }
    return gates.start("general", keycloak.address, Setup(audiences))


@pytest.fixture(scope="session")
def through(gate: Gate) -> Peer:
    """Keycloak asked through Cambio."""
    return gate.peer


@pytest.fixture(scope="session")
def direct(keycloak: Keycloak, gate: Gate) -> Peer:
    """Keycloak asked straight, under Cambio's public name: tokens are the same on both ways."""
    return keycloak.peer(gate.authority)


@pytest.fixture(scope="session")
def provider(run: Path) -> Iterator[Provider]:
    """A second identity provider, foreign to Keycloak."""
    instance = Provider(run / "abroad")
    try:
        yield instance.start()
    finally:
        instance.stop()


@pytest.fixture(scope="session")
def externals(keycloak: Keycloak, provider: Provider) -> dict[str, External]:
    """The foreign issuers that corp trusts, by name: in both, the user is alice at corp."""
    admin = Admin(keycloak.peer())
    return {
        external.name: external
        for external in (foreign.partner(keycloak, admin), foreign.abroad(provider, admin))
    }


@pytest.fixture(params=["partner", "abroad"])
def external(request: pytest.FixtureRequest, externals: dict[str, External]) -> External:
    """Each foreign issuer in turn."""
    return externals[request.param]


@pytest.fixture
def admin(keycloak: Keycloak) -> Admin:
    """The administrator, asking Keycloak straight."""
    return Admin(keycloak.peer())
