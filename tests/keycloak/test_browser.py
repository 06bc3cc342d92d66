"""The single-page application of CERN's page in a real browser: keycloak-js logs in, and what the page asks for by fetch()
from its own origin, the page can read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import names
import oidc
import pages
import realms
import secrecy
from admin import Admin
from gate import Gate, Gates, Setup, audience, permission
from process import free_port, node
from realms import Client, User
from server import Keycloak

REALM = "cern-spa"
FRONT_END = Client("front-end-app", None)
BACK_END = Client("back-end-api", secrecy.note_value("back-end-api-secret-2c8e4f17"))
FORBIDDEN = Client("other-api", secrecy.note_value("other-api-secret-9be07d52"))
USER = User("jdoe", secrecy.note_value("jdoe-password-51f6"))
KINDS = ["access_token", "refresh_token"]


def realm(origin: str) -> dict:
    page = {"publicClient": True, "redirectUris": [f"{origin}/*"], "webOrigins": [origin]}
    roles = {"front-end-app": ["frontend_user", "administrator"], "back-end-api": ["backend_user"]}
    return {
        **realms.realm(REALM),
        "clients": [
            {**realms.confidential(FRONT_END, {}), **page},
            realms.confidential(BACK_END, {}),
            realms.confidential(FORBIDDEN, {}),
        ],
        "roles": {"client": {client: [{"name": name} for name in named] for client, named in roles.items()}},
        "users": [{**realms.profile(USER), "clientRoles": roles}],
    }


@pytest.fixture(scope="module")
def steps(keycloak: Keycloak, gates: Gates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict]:
    """What each step in the page gave."""
    folder, port = tmp_path_factory.mktemp("browser"), free_port()
    admin = Admin(keycloak.peer())
    pages.create(admin, realm(f"http://127.0.0.1:{port}"))
    directory = admin.service_account(REALM, "cambio-directory-spa", ["view-users", "view-clients"])
    (folder / "directory.secret").write_text(directory.secret or "")
    section = {
        "dialect": "cern",
        "clients": {FRONT_END.id: [{"method": "none"}]},
        "refreshTokens": gates.seal_key(folder / "seal.key"),
        "directory": {"clientId": directory.id, "clientSecretFile": str(folder / "directory.secret")},
    }
    granted = permission(FRONT_END.id, requestedTokens=KINDS, issuance="mint")
    roles = {"own": True, "source": "directory"}
    audiences = {
        "back-end-api": audience("back-end-api", granted, realm=REALM, roles=roles),
        "other-api": audience("other-api", permission("nobody"), realm=REALM),
    }
    gate = gates.start("browser", keycloak.address, Setup(audiences, realms={REALM: section}))
    yield walk(gate, port)
    gate.stop()


def walk(gate: Gate, port: int) -> dict:
    document = {
        "port": port,
        "url": gate.peer.origin,
        "realm": REALM,
        "user": USER.name,
        "password": USER.password,
        "target": BACK_END.id,
        "forbidden": FORBIDDEN.id,
    }
    steps = node("browser.mjs", document, timeout=120)
    for step in steps.values():
        if isinstance(step, dict):
            secrecy.note(step)
            secrecy.note(step.get("document") or {})
            secrecy.note_value(step.get("token") or "")
    return steps


def test_the_user_logs_in_by_keycloak_js(steps: dict) -> None:
    roles = oidc.client_roles(steps["login"]["access_token"])
    assert roles["front-end-app"] == {"frontend_user", "administrator"}, steps["said"]
    assert steps["userinfo"].get("email") == "jdoe@example.test", steps["said"]


def test_the_page_exchanges_the_token_and_reads_the_answer(steps: dict) -> None:
    assert steps["exchanged"].get("status") == 200, (steps["exchanged"], steps["said"])
    token = steps["exchanged"]["document"]["access_token"]
    assert oidc.client_roles(token) == {"back-end-api": {"backend_user"}}


def test_the_page_gets_a_refresh_token_and_uses_it(steps: dict) -> None:
    assert steps["withRefresh"].get("status") == 200, (steps["withRefresh"], steps["said"])
    assert steps["refreshedExchange"].get("status") == 200, (steps["refreshedExchange"], steps["said"])
    token = steps["refreshedExchange"]["document"]["access_token"]
    assert oidc.client_roles(token) == {"back-end-api": {"backend_user"}}


def test_the_page_reads_a_refusal(steps: dict) -> None:
    status, error, description = names.DENIED
    assert steps["refused"] == {
        "status": status,
        "document": {"error": error, "error_description": description},
    }, steps["said"]


def test_the_page_reads_userinfo_of_the_exchanged_token(steps: dict) -> None:
    """Cambio answers, because it signed the token: the browser asks first, since the request has a header of its own."""
    assert steps["userinfoOfExchanged"].get("status") == 200, (steps["userinfoOfExchanged"], steps["said"])
    assert steps["userinfoOfExchanged"]["document"]["email"] == "jdoe@example.test"


def test_the_login_is_refreshed_and_ended_by_keycloak_js(steps: dict) -> None:
    assert (steps["refreshed"].get("refreshed"), steps["refreshed"].get("changed")) == (True, True), steps[
        "said"
    ]
    assert steps.get("loggedOut") is True, steps["said"]
