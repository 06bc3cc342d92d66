"""What Keycloak's legacy exchange (V1) allowed is allowed through Cambio after `cambio migrate`, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import legacy
import oidc
from admin import Admin
from gate import Gate, Gates, Setup
from legacy import AUDIENCES, CALLERS, DAVE, REALM
from peer import Peer
from server import Keycloak

PUBLIC = "legacy.example.test"
ROLE = "asks for the roles of the client's service account"
ITSELF = "a client that V1 let exchange its own token for itself"
USER = "V1 asks about the client's service account"

# What V1 allowed and the files don't: (client, audience) → what the report says of it. Nothing else may differ.
EXCEPTIONS = {
    ("alpha", "alpha"): ITSELF,
    ("robot", "api-either"): ROLE,
    ("robot", "api-role"): ROLE,
    ("alpha", "api-time"): "the time policy",
    ("beta", "api-time"): "the time policy",
    ("public", "api-time"): "the time policy",
    ("alpha", "api-consensus"): "decides by consensus",
    ("public", "api-consensus"): "decides by consensus",
    **{(caller, "api-user"): USER for caller in CALLERS if caller != "disabled"},
}


@dataclass
class Before:
    """The realm as it was: who may, by V1 itself, and what Keycloak exported of it."""

    tokens: dict[str, str]
    allowed: set[tuple[str, str]]
    export: str


@dataclass
class After:
    """The realm behind Cambio."""

    gate: Gate
    report: str
    files: dict[str, str]


def pairs() -> Iterator[tuple[str, str]]:
    return ((caller, name) for caller in CALLERS for name in [*AUDIENCES, "alpha"])


def allowed(peer: Peer, tokens: dict[str, str]) -> set[tuple[str, str]]:
    """For which pairs an exchange of the caller's own token succeeds."""
    return {
        (caller, name)
        for caller, name in pairs()
        if oidc.is_exchange_success(
            oidc.exchange(peer, legacy.client(caller), tokens[caller], name, realm=REALM)
        )
    }


@pytest.fixture(scope="module")
def before(keycloak: Keycloak) -> Before:
    admin = Admin(keycloak.peer())
    legacy.create(admin)
    peer = keycloak.peer(PUBLIC)
    tokens = {
        name: oidc.login(peer, legacy.client(name), DAVE, realm=REALM)["access_token"] for name in CALLERS
    }
    legacy.disable(admin, "disabled")
    legacy.disable(admin, "api-disabled")
    return Before(tokens, allowed(peer, tokens), legacy.export(admin))


@pytest.fixture(scope="module")
def after(before: Before, keycloak: Keycloak, gates: Gates, run: Path) -> After:
    export, audiences, report = (run / name for name in ("legacy.json", "legacy-audiences", "legacy-report"))
    export.write_text(before.export)
    done = gates.run(
        "migrate", "keycloak", str(export), "--out", str(audiences), "--report", str(report)
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(report.read_text())
    admin = Admin(keycloak.peer())
    for name in CALLERS:
        if name != "public":
            legacy.switch_on_standard_exchange(admin, name)
    realm = {
        "issuer": f"http://{PUBLIC}/realms/{REALM}",
        "subjectIssuers": [REALM],
        "signingKey": "realm.pem",
        # As the report says: the permissions of a public client have `issuance: mint`.
        "clients": {"public": [{"method": "none"}]},
    }
    more = {"realms": {REALM: realm}, "audiences": str(audiences)}
    gate = gates.start("migrated", keycloak.address, Setup(public=PUBLIC, more=more))
    files = {path.name: path.read_text() for path in audiences.iterdir()}
    return After(gate, report.read_text(), files)


def test_v1_decided_as_it_was_told_to(before: Before) -> None:
    # So that the comparison below is about something: some of everything is allowed, and some refused.
    assert ("alpha", "api-one") in before.allowed
    assert ("beta", "api-not-aggregate") in before.allowed
    assert not {pair for pair in before.allowed if pair[0] == "disabled"}
    assert not {pair for pair in before.allowed if pair[1] in ("api-closed", "api-without", "api-disabled")}
    # V1 asks about the client: the user's role, which the token has, gives nothing.
    assert not {pair for pair in before.allowed if pair[1] == "api-user-role"}


def test_what_v1_allowed_is_allowed_and_nothing_else(before: Before, after: After) -> None:
    assert set(EXCEPTIONS) <= before.allowed, "an exception that is none"
    assert allowed(after.gate.peer, before.tokens) == before.allowed - set(EXCEPTIONS)


def test_the_policy_refuses_what_v1_refused(before: Before, after: After) -> None:
    # Keycloak's standard exchange alone would allow it: what refuses is the files.
    answer = oidc.exchange(after.gate.peer, legacy.client("beta"), before.tokens["beta"], "api-one", realm=REALM)
    assert after.gate.reason_of(answer) == "client_not_permitted"


def test_keycloak_alone_would_now_allow_everything(before: Before, keycloak: Keycloak, after: After) -> None:
    straight = keycloak.peer(PUBLIC)
    answer = oidc.exchange(straight, legacy.client("beta"), before.tokens["beta"], "api-one", realm=REALM)
    assert oidc.is_exchange_success(answer)


@pytest.mark.parametrize("pair", EXCEPTIONS, ids=" for ".join)
def test_every_exception_is_reported(after: After, pair: tuple[str, str]) -> None:
    client, audience = pair
    told = [line for line in after.report.splitlines() if EXCEPTIONS[pair] in line]
    if EXCEPTIONS[pair] != ITSELF:
        told = [line for line in told if f'audience "{audience}"' in line and f'"{client}"' in line]
    assert told, after.report


def test_what_is_no_permission_between_clients_is_reported(after: After) -> None:
    assert 'identity provider "abroad": V1 let "alpha" exchange its tokens' in after.report
    assert 'impersonation: V1 let "alpha" ask for tokens of other users' in after.report
    assert 'client "alpha": switch on Standard token exchange' in after.report
    assert 'client "public": is public' in after.report


def test_a_public_client_mints_with_its_own_tokens_only(before: Before, after: After) -> None:
    public = legacy.client("public")
    own = oidc.exchange(after.gate.peer, public, before.tokens["public"], "api-two", realm=REALM)
    assert own.status == 200, own.text
    assert oidc.client_roles(json.loads(own.body)["access_token"]) == {"api-two": {"user"}}
    other = oidc.exchange(after.gate.peer, public, before.tokens["alpha"], "api-two", realm=REALM)
    assert other.status == 403, other.text


def test_an_issued_token_is_for_the_audience_alone(before: Before, after: After) -> None:
    answer = oidc.exchange(
        after.gate.peer, legacy.client("alpha"), before.tokens["alpha"], "api-one", realm=REALM
    )
    token = json.loads(answer.body)["access_token"]
    assert oidc.client_roles(token) == {"api-one": {"user"}}
    assert set(oidc.claims_of(token)["scope"].split()) == {"openid", "email", "profile"}


def test_every_wrapping_of_the_export_gives_the_same_files(before: Before, after: After, gates: Gates, run: Path) -> None:
    realm = json.loads(before.export)
    master = {"realm": "master", "enabled": True, "clients": [{"clientId": "admin-cli"}]}
    users = {"realm": REALM, "users": realm["users"]}
    alone = {name: value for name, value in realm.items() if name != "users"}
    wrappings: dict[str, dict[str, bytes]] = {
        "list": {"all.json": json.dumps([master, realm]).encode()},
        "folder": {
            "master-realm.json": json.dumps(master).encode(),
            f"{REALM}-realm.json": json.dumps(alone).encode(),
            f"{REALM}-users-0.json": json.dumps(users).encode(),
        },
        "mark": {"all.json": b"\xef\xbb\xbf" + before.export.encode()},
        "wide": {"all.json": before.export.encode("utf-16")},
        "nulls": {"all.json": json.dumps(with_nulls(realm)).encode()},
    }
    for name, files in wrappings.items():
        folder, out = run / f"legacy-{name}", run / f"legacy-{name}-audiences"
        folder.mkdir()
        for file, content in files.items():
            (folder / file).write_bytes(content)
        done = gates.run("migrate", "keycloak", str(folder), "--out", str(out))
        assert done.returncode == 0, f"{name}: {done.stderr}"
        assert {path.name: path.read_text() for path in out.iterdir()} == after.files, name


def with_nulls(value: object) -> object:
    """The document with a `null` member in every object that has names of Keycloak's, as writers in Java leave them."""
    if isinstance(value, dict):
        absent = ("authorizationSettings", "attributes", "defaultClientScopes", "config", "clientRoles", "groups", "bearerOnly")
        nulls = {name: None for name in absent if "clientId" in value and name not in value}
        return {**{name: with_nulls(inner) for name, inner in value.items()}, **nulls}
    return [with_nulls(inner) for inner in value] if isinstance(value, list) else value


def test_the_same_export_gives_the_same_files(before: Before, after: After, gates: Gates, run: Path) -> None:
    again = run / "legacy-again"
    done = gates.run("migrate", "keycloak", str(run / "legacy.json"), "--out", str(again))
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_text() for path in again.iterdir()} == after.files
    refused = gates.run("migrate", "keycloak", str(run / "legacy.json"), "--out", str(again))
    assert refused.returncode == 1 and "not overwritten without --force" in refused.stderr
