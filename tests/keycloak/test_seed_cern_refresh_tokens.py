"""CERN SSO, "Token Exchange": the refresh token of an exchange behaves as the login's own at a real Keycloak. It keeps the
session alive, it can be logged out, and it can be used twice where the realm permits that; and a public client may send a
secret.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
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

HOST = "auth-sessions.cern.ch"
REALM = "cern-sessions"
STARTING = Client("starting-client", "starting-client-secret-0b83d1aa")
TARGET = Client("target-client", "target-client-secret-77c2e9f0")
FRONT_END = Client("front-end-app", None)
USER = User("jdoe", "jdoe-password-91d4")
OTHER = User("asmith", "asmith-password-5512")
DIRECTORY = "cambio-directory"
# Seconds without a refresh after which Keycloak ends a session.
IDLE = 12


def realm() -> dict:
    mappers = [realms.also_for(DIRECTORY)]
    clients = [
        realms.confidential(STARTING, realms.EXCHANGE),
        realms.confidential(TARGET, {}),
        {**realms.confidential(FRONT_END, {}, protocolMappers=mappers), "publicClient": True},
    ]
    users = [
        {**realms.profile(user), "clientRoles": {"target-client": ["target_user"]}} for user in (USER, OTHER)
    ]
    return {
        **realms.realm(REALM),
        "ssoSessionIdleTimeout": IDLE,
        # A refresh token of Keycloak's is good for one use, as CERN's realm may have it.
        "revokeRefreshToken": True,
        "refreshTokenMaxReuse": 0,
        "clients": clients,
        "roles": {"client": {"target-client": [{"name": "target_user"}]}},
        "users": users,
    }


@pytest.fixture(scope="module")
def admin(keycloak: Keycloak) -> Admin:
    admin = Admin(keycloak.peer())
    pages.create(admin, realm())
    return admin


@pytest.fixture(scope="module")
def sso(keycloak: Keycloak, gates: Gates, admin: Admin, tmp_path_factory) -> Iterator[Gate]:
    folder: Path = tmp_path_factory.mktemp("cern-sessions")
    own = admin.service_account(REALM, DIRECTORY, ["view-users", "view-clients"])
    client = admin.client(REALM, DIRECTORY)
    client["attributes"] = {**client.get("attributes", {}), **realms.EXCHANGE}
    admin.must("PUT", f"/{REALM}/clients/{client['id']}", client)
    secret = folder / "directory.secret"
    secret.write_text(own.secret or "")
    section = {
        "dialect": "cern",
        "clients": {"front-end-app": [{"method": "none"}]},
        "refreshTokens": {**gates.seal_key(folder / "seal.key"), "reuse": "30s", "keepSessions": True},
        "directory": {"clientId": own.id, "clientSecretFile": str(secret), "cacheFor": "0s"},
    }
    kinds = ["access_token", "refresh_token"]
    target = audience(
        "target-client",
        permission("starting-client", requestedTokens=kinds),
        permission("front-end-app", requestedTokens=kinds, issuance="mint"),
        realm=REALM,
        roles={"own": True, "source": "directory"},
    )
    setup = Setup({"target-client": target}, realms={REALM: section}, public=HOST)
    gate = gates.start("cern-sessions", keycloak.address, setup)
    yield gate
    gate.stop()


def login(peer: Peer, client: Client, user: User = USER) -> dict:
    return pages.token(peer, REALM, client, user)


def send(gate: Gate, client: Client, *fields: tuple[str, str], to: str = "token") -> Answer:
    return pages.noted(gate.peer.form(oidc.endpoint(REALM, to), [*oidc.credentials(client), *fields]))


def exchanged(gate: Gate, client: Client, login: dict) -> dict:
    form = oidc.exchange_form(
        client, login["access_token"], "target-client", requested_token_type=oidc.REFRESH_TOKEN
    )
    answer = pages.noted(gate.peer.form(oidc.endpoint(REALM), form))
    assert answer.status == 200, f"{answer.text} {gate.audit()[-1]}"
    return parsed(answer)


def refresh(gate: Gate, client: Client, token: str) -> Answer:
    return send(gate, client, ("grant_type", "refresh_token"), ("refresh_token", token))


def sessions(admin: Admin, user: User) -> set[str]:
    return {
        session["id"]
        for session in admin.read(f"/{REALM}/users/{admin.user(REALM, user.name)['id']}/sessions")
    }


def session_of(login: dict) -> str:
    return oidc.claims_of(login["access_token"])["sid"]


CLIENTS = [STARTING, FRONT_END]
NAMES = ["reissue", "mint, public"]


def test_using_it_keeps_the_session_of_the_login_alive(sso: Gate, admin: Admin) -> None:
    """As long as somebody refreshes. A session without that ends, which shows that time has passed."""
    kept = [(client, login(sso.peer, client)) for client in CLIENTS]
    held = [exchanged(sso, client, session)["refresh_token"] for client, session in kept]
    idle = login(sso.peer, STARTING, OTHER)
    for _ in range(4):
        time.sleep(IDLE / 2)
        for index, (client, _session) in enumerate(kept):
            answer = refresh(sso, client, held[index])
            assert answer.status == 200, f"{client.id}: {answer.text} {sso.audit()[-1]}"
            held[index] = parsed(answer)["refresh_token"]
    for client, session in kept:
        assert session_of(session) in sessions(admin, USER), client.id
    assert session_of(idle) not in sessions(admin, OTHER)
    userinfo = sso.peer.send("GET", oidc.endpoint(REALM, "userinfo"), oidc.bearer(kept[0][1]["access_token"]))
    assert userinfo.status == 200, "Keycloak's own token is good as long as its session"


@pytest.mark.parametrize("client", CLIENTS, ids=NAMES)
def test_it_can_be_logged_out_at_keycloaks_endpoint(sso: Gate, admin: Admin, client: Client) -> None:
    session = login(sso.peer, client)
    token = exchanged(sso, client, session)["refresh_token"]
    assert session_of(session) in sessions(admin, USER)
    assert send(sso, client, ("refresh_token", token), to="logout").status == 204
    assert session_of(session) not in sessions(admin, USER)
    assert pages.told(refresh(sso, client, token))[:2] == (400, "invalid_grant")
    assert pages.told(refresh(sso, client, session["refresh_token"]))[:2] == (400, "invalid_grant")


@pytest.mark.parametrize("client", CLIENTS, ids=NAMES)
def test_it_can_be_revoked_at_keycloaks_endpoint(sso: Gate, client: Client) -> None:
    token = exchanged(sso, client, login(sso.peer, client))["refresh_token"]
    assert send(sso, client, ("token", token), to="revoke").status == 200
    assert pages.told(refresh(sso, client, token))[:2] == (400, "invalid_grant")


@pytest.mark.parametrize("client", CLIENTS, ids=NAMES)
def test_it_ends_with_the_session_of_the_login(sso: Gate, client: Client) -> None:
    session = login(sso.peer, client)
    token = exchanged(sso, client, session)["refresh_token"]
    assert send(sso, client, ("refresh_token", session["refresh_token"]), to="logout").status == 204
    assert pages.told(refresh(sso, client, token))[:2] == (400, "invalid_grant")


@pytest.mark.parametrize("client", CLIENTS, ids=NAMES)
def test_it_can_be_used_twice_where_the_realm_permits(sso: Gate, client: Client) -> None:
    """Though Keycloak's own refresh tokens in this realm are good for one use each."""
    first = exchanged(sso, client, login(sso.peer, client))["refresh_token"]
    answers = [refresh(sso, client, first) for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3, f"{answers[-1].text} {sso.audit()[-1]}"
    (following,) = {parsed(answer)["refresh_token"] for answer in answers}
    assert len({parsed(answer)["access_token"] for answer in answers}) == 3
    answer = refresh(sso, client, following)
    assert answer.status == 200, f"{answer.text} {sso.audit()[-1]}"
    # The family has gone on.
    assert pages.told(refresh(sso, client, first))[:2] == (400, "invalid_grant")
    assert sso.audit()[-1]["reason"] == "refresh_token_reused"
    assert pages.told(refresh(sso, client, parsed(answer)["refresh_token"]))[:2] == (400, "invalid_grant")


@pytest.mark.parametrize("client", CLIENTS, ids=NAMES)
def test_a_client_that_is_disabled_refreshes_no_more(sso: Gate, admin: Admin, client: Client) -> None:
    token = exchanged(sso, client, login(sso.peer, client))["refresh_token"]
    document = admin.client(REALM, client.id)
    try:
        admin.must("PUT", f"/{REALM}/clients/{document['id']}", {**document, "enabled": False})
        answer = refresh(sso, client, token)
        assert answer.status in (400, 401), answer.text
        assert not oidc.is_exchange_success(answer)
    finally:
        admin.must("PUT", f"/{REALM}/clients/{document['id']}", document)


def test_a_public_client_that_sends_a_secret_is_served_as_keycloak_serves_it(
    sso: Gate, keycloak: Keycloak
) -> None:
    guessing = Client(FRONT_END.id, "some-secret-or-other-4417")
    # Keycloak itself.
    assert parsed(keycloak.peer().form(oidc.endpoint(REALM), oidc.password_form(guessing, USER)))[
        "access_token"
    ]
    session = login(sso.peer, guessing)
    first = exchanged(sso, guessing, session)
    again = refresh(sso, guessing, first["refresh_token"])
    assert again.status == 200, f"{again.text} {sso.audit()[-1]}"
    by_basic = sso.peer.form(
        oidc.endpoint(REALM),
        [("grant_type", "refresh_token"), ("refresh_token", parsed(again)["refresh_token"])],
        [oidc.basic(guessing)],
    )
    assert pages.noted(by_basic).status == 200, by_basic.text
    last = parsed(by_basic)["refresh_token"]
    assert send(sso, guessing, ("token", last), to="revoke").status == 200
    other = exchanged(sso, guessing, login(sso.peer, guessing))["refresh_token"]
    assert send(sso, guessing, ("refresh_token", other), to="logout").status == 204


def test_a_confidential_client_does_not_become_public_by_that(sso: Gate) -> None:
    token = exchanged(sso, STARTING, login(sso.peer, STARTING))["refresh_token"]
    for secret in ("wrong", None):
        assert refresh(sso, Client(STARTING.id, secret), token).status == 401
    assert refresh(sso, STARTING, token).status == 200
