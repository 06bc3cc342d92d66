"""The way in: exchanges run with no permission; Cambio observes, learns the files, compares, and enforces them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import oidc
from admin import Admin
from gate import Gate, Gates, Setup
from http1 import Answer
from peer import Peer, parsed
from process import poll
from realms import ALICE, FRONT_END, NARROW
from server import Keycloak

UNTIL = {"observeUntil": (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")}
# Who exchanges for whom before there is any permission.
RUNNING = [(FRONT_END, "back-end-api", {"scope": "openid email"}), (FRONT_END, "other-api", {})]
# What differs between two tokens for one request.
OWN = {"exp", "iat", "jti", "auth_time", "nbf"}


@pytest.fixture(scope="module")
def gate(keycloak: Keycloak, gates: Gates) -> Iterator[Gate]:
    gate = gates.start("observe", keycloak.address, Setup(realm=UNTIL))
    yield gate
    gate.stop()


@pytest.fixture(scope="module")
def token(gate: Gate) -> str:
    return oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]


@pytest.fixture(scope="module")
def straight(keycloak: Keycloak, gate: Gate) -> Peer:
    """Keycloak itself, under the gate's public name."""
    return Peer(keycloak.address, gate.authority)


def shape(answer: Answer) -> tuple:
    """The answer without what is new in each token, and without what a connection writes."""
    body = parsed(answer)
    claims = {name: value for name, value in oidc.claims_of(body["access_token"]).items() if name not in OWN}
    members = {name: value for name, value in body.items() if not name.endswith("_token") and "expires" not in name}
    headers = sorted(name.lower() for name, _ in answer.headers if name.lower() not in {"date", "connection"})
    return answer.status, claims, members, headers


def test_no_exchange_fails_and_the_answers_are_keycloaks_own(gate: Gate, straight: Peer, token: str) -> None:
    for client, to, more in RUNNING:
        through = oidc.exchange(gate.peer, client, token, to, **more)
        directly = oidc.exchange(straight, client, token, to, **more)
        assert shape(through) == shape(directly)
        assert "realm_access" in oidc.claims_of(parsed(through)["access_token"]), "Keycloak leaks realm roles"
        line = gate.audit()[-1]
        assert (line["outcome"], line["shadow_outcome"], line["shadow_reason"]) == ("allowed", "denied", "audience_unknown")
    refused = oidc.exchange(gate.peer, NARROW, token, "back-end-api")
    directly = oidc.exchange(straight, NARROW, token, "back-end-api")
    assert (refused.status, refused.text) == (directly.status, directly.text)
    assert refused.status >= 400 and gate.audit()[-1]["shadow_outcome"] == "unjudged"


def test_a_closed_grant_passes(gate: Gate, straight: Peer, token: str) -> None:
    form = [("grant_type", oidc.UMA_GRANT), ("audience", "uma-api")]
    bearer = [("Authorization", f"Bearer {token}")]
    through = gate.peer.form(oidc.endpoint("corp"), form, bearer)
    directly = straight.form(oidc.endpoint("corp"), form, bearer)
    assert through.status == directly.status
    line = gate.audit()[-1]
    assert line["door"] == "uma_ticket"
    expected = ("denied", "door_closed") if through.status == 200 else ("unjudged", None)
    assert (line["shadow_outcome"], line.get("shadow_reason")) == expected


def test_learned_files_permit_what_ran_and_nothing_else(gates: Gates, gate: Gate, token: str, tmp_path: Path) -> None:
    learned = gates.run("learn", str(gate.audit_file), "--realm", "corp", "--owner", "platform", "--out", str(tmp_path / "audiences"))
    assert learned.returncode == 0, learned.stderr
    files = {path.stem: path.read_text() for path in (tmp_path / "audiences").iterdir()}
    assert set(files) == {to for _, to, _ in RUNNING}
    before = gate.configuration
    after = tmp_path / "cambio.yaml"
    document = json.loads(before.read_text())
    del document["realms"]["corp"]["observeUntil"]
    document["realms"]["corp"]["signingKey"] = str(before.parent / "realm.pem")
    after.write_text(json.dumps(document))
    assert gates.run("check", "--config", str(after)).returncode == 0
    compared = gates.run("diff", str(before), str(after))
    assert compared.returncode == 1, compared.stderr
    for part in ["audience back-end-api in corp", "audience other-api in corp", "realms.corp.observeUntil"]:
        assert part in compared.stdout, compared.stdout

    # The files come while the realm is still observed: nothing would be refused any more.
    for name, text in files.items():
        seen = gate.loaded()
        draft = before.parent / f"{name}.draft"
        draft.write_text(text)
        draft.rename(before.parent / "audiences" / f"{name}.yaml")
        poll(f"{name} is loaded", lambda seen=seen: gate.loaded() != seen, deadline=20)
    for client, to, more in RUNNING:
        assert oidc.exchange(gate.peer, client, token, to, **more).status == 200
        line = gate.audit()[-1]
        assert (line["shadow_outcome"], line["permissions"]) == ("allowed", [f"{to} permissions[0]"]), line

    gate.reconfigure(realm={})
    for client, to, more in RUNNING:
        answer = oidc.exchange(gate.peer, client, token, to, **more)
        assert answer.status == 200, answer.text
        claims = oidc.claims_of(parsed(answer)["access_token"])
        assert set(claims.get("resource_access", {})) <= {to} and "realm_access" not in claims
    for client, to, more in [(FRONT_END, "uma-api", {}), (FRONT_END, "back-end-api", {"scope": "openid profile"})]:
        answer = oidc.exchange(gate.peer, client, token, to, **more)
        assert answer.status >= 400 and "shadow_outcome" not in gate.audit()[-1], answer.text


def test_keycloaks_own_events_teach_the_same_permissions(
    gates: Gates, gate: Gate, admin: Admin, token: str, tmp_path: Path
) -> None:
    admin.forget_exchanges("corp")
    for client, to, more in RUNNING:
        assert oidc.exchange(gate.peer, client, token, to, **more).status == 200
    events = tmp_path / "events.json"
    events.write_text(json.dumps(admin.exchanges("corp")))
    out = tmp_path / "audiences"
    learned = gates.run("learn", str(events), "--realm", "corp", "--out", str(out))
    assert learned.returncode == 0, f"{learned.stderr}\n{events.read_text()}"
    assert {path.stem for path in out.iterdir()} == {to for _, to, _ in RUNNING}
    assert "front-end-app" in (out / "back-end-api.yaml").read_text()
    # An event has the scope that was granted; other-api's client requested none.
    assert '"profile"' in (out / "other-api.yaml").read_text()
