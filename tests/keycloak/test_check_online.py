"""`cambio check --online`: what a realm lacks is named, with what Keycloak makes of it; a realm in order has no finding."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import oidc
import pages
import realms
from admin import Admin
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from peer import Peer, parsed
from realms import Client, User
from server import Keycloak

ALICE = User("alice", "alice-in-check-5c71")
API = Client("orders-api", "orders-api-secret-in-check-1")
EMPTY = Client("empty-api", "empty-api-secret-in-check-1")
SCOPES = ["web-origins", "acr", "profile", "roles", "basic", "email"]
LOOKS = ["view-users", "view-clients", "view-realm", "view-identity-providers"]
NO_EXCHANGE = {"standard.token.exchange.enabled": "false"}
TRANSLATES = {"oauth2.jwt.authorization.grant.enabled": "true", "oauth2.jwt.authorization.grant.idp": "partner"}
# Each client has one setting that is wrong; front has none.
CLIENTS = {
    "front": {},
    "switched-off": {"attributes": NO_EXCHANGE},
    "without-basic": {"defaultClientScopes": [name for name in SCOPES if name != "basic"]},
    "without-roles": {"defaultClientScopes": [name for name in SCOPES if name != "roles"]},
    "narrow": {"fullScopeAllowed": False},
    "disabled": {"enabled": False},
}


def client(name: str) -> Client:
    return Client(name, f"{name}-secret-in-check-1")


def document(realm: str, clients: dict[str, dict]) -> dict:
    """A realm whose front-end's tokens name every other client, so that each can exchange them."""
    made = []
    for name, settings in clients.items():
        attributes = {**realms.EXCHANGE, **settings.get("attributes", {})}
        more = {key: value for key, value in settings.items() if key != "attributes"}
        made.append(realms.confidential(client(name), attributes, **more))
    made[0]["protocolMappers"] = [realms.also_for(name) for name in clients if name != "front"]
    return {
        **realms.realm(realm),
        "accessTokenLifespan": 300,
        "roles": {"realm": [{"name": "auditor"}], "client": {API.id: [{"name": "orders_user"}]}},
        "clients": [*made, realms.confidential(API, {}), realms.confidential(EMPTY, {})],
        "users": [{**realms.profile(ALICE), "clientRoles": {API.id: ["orders_user"]}}],
    }


@dataclass
class Report:
    """What the command said."""

    status: int
    problems: list[tuple[str, str]]
    warnings: list[tuple[str, str]]
    notes: list[str]
    keys: list[str]

    def of(self, key: str) -> str:
        """The problems and warnings of a key, in whatever file."""
        return "\n".join(message for one, message in [*self.problems, *self.warnings] if one == key)


def check(gates: Gates, file: Path) -> Report:
    done: subprocess.CompletedProcess[str] = gates.run("check", "--online", "--output", "json", "--config", str(file))
    assert done.stdout, done.stderr
    said = json.loads(done.stdout)
    assert said["ok"] == (done.returncode == 0)
    for one in [*said["problems"], *said["warnings"]]:
        assert one["file"] and one["line"], one

    def list_of(kind: str) -> list[tuple[str, str]]:
        # The offline warnings are another test's business.
        return [(one["key"], one["message"]) for one in said[kind] if not one["key"].startswith(("admin", "listen", "upstream.url", "runtime"))]

    notes = [note for note in said["notes"] if not note.startswith("listen.maxConnections")]
    return Report(done.returncode, list_of("problems"), list_of("warnings"), notes, said.get("keys", []))


@pytest.fixture(scope="module")
def administrator(keycloak: Keycloak) -> Admin:
    return Admin(keycloak.peer())


def directory(admin: Admin, realm: str, roles: list[str], folder: Path) -> dict:
    service = admin.service_account(realm, f"cambio-looks-{len(roles)}", roles)
    secret = folder / f"{realm}-{len(roles)}.secret"
    secret.write_text(service.secret or "")
    return {"clientId": service.id, "clientSecretFile": str(secret)}


@pytest.fixture(scope="module")
def wrong(keycloak: Keycloak, gates: Gates, administrator: Admin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A gate before a realm in which each thing is wrong once."""
    pages.create(administrator, document("wrong", {**CLIENTS, "minting": {}}))
    looks = directory(administrator, "wrong", LOOKS, tmp_path_factory.mktemp("wrong"))
    others = [name for name in CLIENTS if name != "front"]
    minting = permission("minting", issuance="mint", subjectClients=["without-basic"])
    files = {
        "api": {
            **audience(API.id, permission(*others), permission("front", "frnt", scopes=["emial"]), minting, roles={
                "realm": ["auditro"], "map": [{"from": "orders_usr", "to": "reader"}, {"from": "client:nobody/x", "to": "reader"}],
            }),
            "realm": "wrong",
        },
        "empty-api": {**audience("empty-api", permission("front")), "realm": "wrong"},
        "misspelt": {**audience("order-api", permission("front")), "realm": "wrong"},
        "forwarded": {**audience("narrow", permission("front", scopes=["email"]), issuance="forward"), "realm": "wrong"},
    }  # fmt: skip
    gone = {"gone": {"issuer": {"url": "https://gone.example.test", "audiences": ["x"]}, "jwksURL": "http://127.0.0.1:1/keys"}}
    section = {"directory": looks, "doors": {"ciba": "open"}}
    gate = gates.start("check-wrong", keycloak.address, Setup(files, realms={"wrong": section}, issuers=gone))
    yield gate
    gate.stop()


@pytest.fixture(scope="module")
def report(wrong: Gate, gates: Gates) -> Report:
    return check(gates, wrong.configuration)


@pytest.fixture(scope="module")
def token(wrong: Gate, keycloak: Keycloak) -> str:
    return oidc.login(keycloak.peer(wrong.authority), client("front"), ALICE, realm="wrong")["access_token"]


def exchanged(wrong: Gate, by: str, token: str, to: str = API.id, **more: str) -> Answer:
    return oidc.exchange(wrong.peer, client(by), token, to, realm="wrong", **more)


def at(name: str) -> str:
    return f"permissions[0].clients[{[one for one in CLIENTS if one != 'front'].index(name)}]"


@pytest.mark.parametrize(
    "name,said",
    [
        ("switched-off", "switch on Standard token exchange"),
        ("without-roles", 'lacks the client scope "roles"'),
        ("narrow", "Full scope allowed is off at narrow"),
        ("disabled", "is disabled"),
    ],
)
def test_a_setting_that_keycloak_needs_is_named_and_is_why_the_exchange_fails(
    wrong: Gate, report: Report, token: str, name: str, said: str
) -> None:
    assert said in report.of(at(name))
    assert at(name) in dict(report.problems)
    assert exchanged(wrong, name, token).status >= 400


def test_tokens_without_sub_are_named_where_they_are_subject_tokens(wrong: Gate, report: Report, token: str) -> None:
    assert 'lacks the client scope "basic"' in dict(report.problems)["permissions[2].subjectClients[0]"]
    # Keycloak writes sub into what the client gets in an exchange, and not into what its users log in for.
    assert exchanged(wrong, "without-basic", token).status == 200
    own = oidc.login(wrong.peer, client("without-basic"), ALICE, realm="wrong")["access_token"]
    assert wrong.reason_of(exchanged(wrong, "without-basic", own)) == "subject_token_without_sub"


def test_what_is_missing_is_named_with_what_was_meant(wrong: Gate, report: Report, token: str) -> None:
    problems = [message for _, message in report.problems]
    warnings = [message for _, message in report.warnings]

    def one(messages: list[str], *parts: str) -> None:
        assert [message for message in messages if all(part in message for part in parts)], (parts, messages)

    one(problems, 'no client "frnt"', "did you mean front?")
    one(problems, 'no client scope "emial"', "did you mean email?")
    one(problems, 'no client "order-api"', "did you mean orders-api?")
    one(problems, 'audience "empty-api"', "empty-api has no roles")
    one(problems, "issuer gone", "can't be had")
    one(problems, "Keycloak adds its default client scopes profile")
    one(problems, "realm roles", "default-roles-wrong")
    one(warnings, 'no realm role "auditro"', "did you mean auditor?")
    one(warnings, 'no role "orders_usr"', "did you mean orders_user?")
    one(warnings, 'no client "nobody"')
    assert [note for note in report.notes if "the door ciba" in note and "realms.wrong.doors.ciba: closed" in note]
    assert report.status == 1
    refused = exchanged(wrong, "front", token, scope="emial")
    assert (refused.status, parsed(refused)["error"]) == (400, "invalid_scope")
    assert exchanged(wrong, "front", token, "empty-api").status >= 400
    assert exchanged(wrong, "front", token, "order-api").status >= 400


def test_nothing_is_named_that_works(wrong: Gate, report: Report, token: str) -> None:
    for key, message in report.problems:
        assert '"front"' not in message or "empty-api" in message or "forward" in message, (key, message)
    assert exchanged(wrong, "front", token).status == 200


def test_a_role_that_cambios_own_client_lacks_is_one_finding(
    wrong: Gate, gates: Gates, administrator: Admin, tmp_path: Path
) -> None:
    """The two roles of docs/issuance.md suffice for all but realm roles and identity providers."""
    configured = json.loads(wrong.configuration.read_text())

    def with_roles(roles: list[str]) -> Report:
        configured["realms"]["wrong"]["directory"] = directory(administrator, "wrong", roles, tmp_path)
        configured["realms"]["wrong"]["signingKey"] = str(wrong.configuration.parent / "realm.pem")
        configured["audiences"] = str(wrong.configuration.parent / "audiences")
        file = tmp_path / "cambio.yaml"
        file.write_text(json.dumps(configured, indent=2))
        return check(gates, file)

    usual = with_roles(["view-users", "view-clients"])
    (refused,) = [message for _, message in [*usual.warnings, *usual.problems] if "403" in message]
    assert "the role view-realm of realm-management" in refused
    assert [message for _, message in usual.problems if "did you mean front?" in message]
    blind = with_roles(["query-users"])
    lacking = [message for key, message in blind.problems if key == "realms.wrong.directory"]
    assert [message for message in lacking if "view-clients" in message], blind.problems
    assert not [message for _, message in blind.problems if "did you mean" in message]


def test_another_issuer_is_named_with_both(
    keycloak: Keycloak, gates: Gates, administrator: Admin
) -> None:
    """The realm attribute `frontendUrl` decides what Keycloak writes into `iss`."""
    settings = {**document("renamed", {"front": {}}), "attributes": {"frontendUrl": "http://renamed.example.test"}}
    pages.create(administrator, settings)
    file = {**audience(API.id, permission("front")), "realm": "renamed"}
    gate = gates.start("check-renamed", keycloak.address, Setup({"api": file}, realms={"renamed": {}}))
    try:
        report = check(gates, gate.configuration)
    finally:
        gate.stop()
    said = report.of("realms.renamed.issuer")
    assert "http://renamed.example.test/realms/renamed" in said and gate.issuer("renamed") in said
    assert report.status == 1


@pytest.fixture(scope="module")
def in_order(keycloak: Keycloak, gates: Gates, administrator: Admin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A realm with everything that each issuance needs."""
    mapper = [realms.also_for("empty-api")]
    clients = {
        "front": {"attributes": TRANSLATES},
        "forwarding": {"fullScopeAllowed": False},
        "mapped": {"fullScopeAllowed": False, "protocolMappers": mapper},
        "minting": {"attributes": NO_EXCHANGE},
    }
    settings = document("in-order", clients)
    settings["clientScopeMappings"] = {API.id: [{"client": "forwarding", "roles": ["orders_user"]}]}
    pages.create(administrator, settings)
    partner = f"http://{realms.PARTNER_PUBLIC}/realms/partner"
    host, port = keycloak.address
    certs = f"http://{host}:{port}/realms/partner/protocol/openid-connect/certs"
    administrator.must("POST", "/in-order/identity-provider/instances", realms.identity_provider("partner", partner, certs))
    looks = directory(administrator, "in-order", LOOKS, tmp_path_factory.mktemp("in-order"))
    scopes = ["openid", "email", "profile", "organization:*"]
    api = audience(
        API.id,
        {**permission("front"), "scopes": scopes},
        permission("forwarding", issuance="forward"),
        permission("front", issuance="translate", issuers=["partner"]),
        permission("minting", issuance="mint", subjectClients=["front"]),
        roles={"own": True, "realm": ["auditor"]},
    )
    empty = audience("empty-api", permission("mapped"))
    files = {name: {**file, "realm": "in-order"} for name, file in {"api": api, "empty-api": empty}.items()}
    gate = gates.start("check-in-order", keycloak.address, Setup({}, realms={"in-order": {"directory": looks}}))
    issuer = {"issuer": {"url": partner, "audiences": [gate.issuer("in-order")]}, "jwksURL": certs}
    gate.reconfigure(
        realms={"in-order": {"directory": looks, "subjectIssuers": ["in-order", "partner"]}}, issuers={"partner": issuer}
    )
    for name, file in files.items():
        gate.write_audience(name, file)
    yield gate
    gate.stop()


def test_a_realm_in_order_has_no_finding(in_order: Gate, gates: Gates, keycloak: Keycloak) -> None:
    report = check(gates, in_order.configuration)
    assert (report.status, report.problems, report.notes) == (0, [], []), report
    assert [message for _, message in report.warnings if "Keycloak" in message or "client" in message] == []
    assert [line.split(": ")[0] for line in report.keys] == ["issuer partner", "realm in-order"]
    # What was found in order is in order.
    token = oidc.login(keycloak.peer(in_order.authority), client("front"), ALICE, realm="in-order")["access_token"]
    answer = oidc.exchange(in_order.peer, client("front"), token, API.id, realm="in-order")
    assert answer.status == 200, answer.text
    for name, wanted in [("forwarding", API.id), ("mapped", EMPTY.id), ("minting", API.id)]:
        own = oidc.login(keycloak.peer(in_order.authority), client(name if name != "minting" else "front"), ALICE, realm="in-order")
        answer = oidc.exchange(in_order.peer, client(name), own["access_token"], wanted, realm="in-order")
        assert answer.status == 200, f"{name}: {answer.text} {in_order.line_of(answer)}"


def test_a_way_past_cambio_is_a_problem(in_order: Gate, gates: Gates, keycloak: Keycloak, tmp_path: Path) -> None:
    """The issuer's host leads to Keycloak itself."""
    configured = json.loads(in_order.configuration.read_text())
    peer: Peer = keycloak.peer()
    configured["realms"]["in-order"].update(
        issuer=peer.issuer("in-order"), signingKey=str(in_order.configuration.parent / "realm.pem")
    )
    configured["issuers"]["partner"]["issuer"]["audiences"] = [peer.issuer("in-order")]
    configured["audiences"] = str(in_order.configuration.parent / "audiences")
    file = tmp_path / "cambio.yaml"
    file.write_text(json.dumps(configured, indent=2))
    report = check(gates, file)
    assert report.status == 1
    assert "is answered by the identity provider and not by Cambio" in report.of("realms.in-order.issuer")
    assert "resource servers do not find Cambio's keys" in report.of("realms.in-order.signingKey")
    assert len(report.problems) == 2, report.problems
