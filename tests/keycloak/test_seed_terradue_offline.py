"""Terradue IAM, "Exchange User Access Token", its last two paragraphs at a real Keycloak: the offline scope, and the lifetime
that is the calling client's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import forgery
import oidc
import pages
import realms
from admin import Admin
from forgery import Genuine
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from peer import parsed
from realms import Client, User
from server import Keycloak

HOST = "iam-offline.terradue.com"
REALM = "terradue-offline"
# client 1 exchanges by mint, client 3 by reissue; users log in at client 2.
CLIENT1 = Client("client1", "client1-secret-6d20aa41")
CLIENT2 = Client("client2", "client2-secret-1f7be903")
CLIENT3 = Client("client3", "client3-secret-b8c4d572")
USER = User("ellip", "ellip-password-33c7")
DIRECTORY = "cambio-directory"
KEY = forgery.rsa.generate_private_key(public_exponent=65537, key_size=2048)
# Seconds: of an access token, and without a refresh until Keycloak ends a session.
BRIEF, IDLE = 5, 10
THIRTY_DAYS = 30 * 24 * 3600


@pytest.fixture(scope="module")
def admin(keycloak: Keycloak) -> Admin:
    admin = Admin(keycloak.peer())
    mappers = [realms.also_for(client.id) for client in (CLIENT1, CLIENT3)]
    # The realm's offline scope, for users who have its role.
    user = {**realms.profile(USER), "realmRoles": ["offline_access"]}
    pages.create(
        admin,
        {
            **realms.realm(REALM),
            "accessTokenLifespan": BRIEF,
            "ssoSessionIdleTimeout": IDLE,
            "clients": [
                realms.confidential(CLIENT1, realms.EXCHANGE, protocolMappers=mappers),
                realms.confidential(CLIENT2, {}, protocolMappers=mappers),
                realms.confidential(CLIENT3, realms.EXCHANGE, protocolMappers=mappers),
            ],
            "users": [user],
        },
    )
    admin.import_signing_key(REALM, forgery.pem(KEY))
    return admin


@pytest.fixture(scope="module")
def iam(keycloak: Keycloak, gates: Gates, admin: Admin, tmp_path_factory) -> Iterator[Gate]:
    folder: Path = tmp_path_factory.mktemp("terradue-offline")
    own = admin.service_account(REALM, DIRECTORY, ["view-users", "view-clients"])
    secret = folder / "directory.secret"
    secret.write_text(own.secret or "")
    section = {
        "dialect": "terradue",
        "refreshTokens": gates.seal_key(folder / "seal.key"),
        "directory": {"clientId": own.id, "clientSecretFile": str(secret), "cacheFor": "0s"},
    }
    setup = Setup({"client1": client1(), "client3": client3()}, realms={REALM: section}, public=HOST)
    gate = gates.start("terradue-offline", keycloak.address, setup)
    yield gate
    gate.stop()


def client1(*more: str, enabled: bool = True) -> dict:
    scopes = ["openid", "email", "profile", *(["offline_access"] if enabled else []), *more]
    permitted = permission(
        "client1",
        issuance="mint",
        lifetime="10m",
        subjectClients=["client2"],
        requestedTokens=["access_token", "refresh_token"],
        scopes=scopes,
    )
    token = {"lifetime": "1h", "withinSubject": False, "refreshLifetime": "720h"}
    roles = {"own": True, "source": "directory"}
    return audience("client1", permitted, realm=REALM, token=token, roles=roles)


def client3() -> dict:
    scopes = ["openid", "email", "profile", "offline_access"]
    permitted = permission("client3", requestedTokens=["access_token", "refresh_token"], scopes=scopes)
    return audience("client3", permitted, realm=REALM)


def exchange(iam: Gate, client: Client, token: str, *more: str) -> Answer:
    """The page's curl."""
    return pages.curl(
        iam,
        "-X", "POST", f"http://{HOST}{oidc.endpoint(REALM)}",
        "-H", "Content-Type: application/x-www-form-urlencoded",
        "-d", f"client_id={client.id}",
        "-d", f"client_secret={client.secret}",
        "-d", "grant_type=urn:ietf:params:oauth:grant-type:token-exchange",
        "-d", f"subject_token={token}",
        *more,
    )  # fmt: skip


def offline(iam: Gate, session: dict) -> dict:
    answer = exchange(iam, CLIENT1, session["access_token"], "-d", "scope=email offline_access")
    assert answer.status == 200, f"{answer.text} {iam.audit()[-1]}"
    body = parsed(answer)
    assert set(body["scope"].split()) == {"email", "offline_access"}
    assert THIRTY_DAYS - 60 <= body["refresh_expires_in"] <= THIRTY_DAYS
    return body


def login(iam: Gate, scope: str = "openid") -> dict:
    return pages.token(iam.peer, REALM, CLIENT2, USER, scope)


def form(iam: Gate, to: str, client: Client, *fields: tuple[str, str]) -> Answer:
    return pages.noted(iam.peer.form(oidc.endpoint(REALM, to), [*oidc.credentials(client), *fields]))


def refresh(iam: Gate, token: str) -> Answer:
    return form(iam, "token", CLIENT1, ("grant_type", "refresh_token"), ("refresh_token", token))


def refreshed(iam: Gate, token: str) -> dict:
    answer = refresh(iam, token)
    assert answer.status == 200, f"{answer.text} {iam.audit()[-1]}"
    body = parsed(answer)
    claims = oidc.claims_of(body["access_token"])
    assert (claims["aud"], claims["azp"]) == ("client1", "client1")
    assert "offline_access" in body["scope"].split()
    return body


def is_active(iam: Gate, token: str) -> bool:
    return parsed(form(iam, "token/introspect", CLIENT1, ("token", token)))["active"]


def test_it_works_after_the_access_token_expired_and_the_session_went_idle(iam: Gate) -> None:
    session = login(iam)
    held = offline(iam, session)
    time.sleep(IDLE + 3)
    # Keycloak's own refresh token is of no use any more.
    own = form(
        iam, "token", CLIENT2, ("grant_type", "refresh_token"), ("refresh_token", session["refresh_token"])
    )
    assert own.status == 400
    body = refreshed(iam, held["refresh_token"])
    assert is_active(iam, body["access_token"])
    refreshed(iam, body["refresh_token"])


def test_it_works_after_the_logout(iam: Gate) -> None:
    session = login(iam)
    held = offline(iam, session)
    assert form(iam, "logout", CLIENT2, ("refresh_token", session["refresh_token"])).status == 204
    assert is_active(iam, held["access_token"])
    body = refreshed(iam, held["refresh_token"])
    assert is_active(iam, body["access_token"])


def test_it_works_for_users_who_logged_in_with_offline_access_until_their_offline_session_ends(
    iam: Gate,
) -> None:
    session = login(iam, "openid offline_access")
    body = refreshed(iam, offline(iam, session)["refresh_token"])
    assert is_active(iam, body["access_token"])
    assert form(iam, "revoke", CLIENT2, ("token", session["refresh_token"])).status == 200
    assert pages.told(refresh(iam, body["refresh_token"]))[:2] == (400, "invalid_grant")


def test_without_the_scope_the_session_counts(iam: Gate) -> None:
    session = login(iam)
    body = parsed(exchange(iam, CLIENT1, session["access_token"], "-d", "scope=email"))
    assert body["scope"] == "email"
    assert form(iam, "logout", CLIENT2, ("refresh_token", session["refresh_token"])).status == 204
    assert pages.told(refresh(iam, body["refresh_token"]))[:2] == (400, "invalid_grant")


@pytest.mark.parametrize(
    "end",
    [
        "user disabled",
        "client disabled",
        "not-before",
        "logged out by an administrator",
        "permission",
        "revoked",
    ],
)
def test_what_ends_keycloaks_own_offline_tokens_ends_it_at_once(iam: Gate, admin: Admin, end: str) -> None:
    held = offline(iam, login(iam))
    body = refreshed(iam, held["refresh_token"])
    user = admin.user(REALM, USER.name)
    client = admin.client(REALM, CLIENT1.id)
    undo: list[tuple[str, str, dict]] = []
    match end:
        case "user disabled":
            admin.must("PUT", f"/{REALM}/users/{user['id']}", {**user, "enabled": False})
            undo = [("PUT", f"/{REALM}/users/{user['id']}", {"enabled": True})]
        case "client disabled":
            admin.must("PUT", f"/{REALM}/clients/{client['id']}", {**client, "enabled": False})
            undo = [("PUT", f"/{REALM}/clients/{client['id']}", client)]
        case "not-before":
            later = int(time.time()) + 60
            admin.must("PUT", f"/{REALM}/clients/{client['id']}", {**client, "notBefore": later})
            undo = [("PUT", f"/{REALM}/clients/{client['id']}", {**client, "notBefore": 0})]
        case "logged out by an administrator":
            # Not-before counts seconds.
            time.sleep(2)
            admin.must("POST", f"/{REALM}/users/{user['id']}/logout")
        case "permission":
            iam.write_audience("client1", audience("client1", realm=REALM))
        case "revoked":
            assert form(iam, "revoke", CLIENT1, ("token", body["refresh_token"])).status == 200
    try:
        answer = refresh(iam, body["refresh_token"])
        assert not oidc.is_exchange_success(answer)
        assert answer.status in (400, 401), answer.text
    finally:
        for method, path, document in undo:
            admin.must(method, path, document)
        if end == "permission":
            iam.write_audience("client1", client1())


def test_without_the_permissions_offline_access_the_session_counts_again(iam: Gate) -> None:
    session = login(iam)
    held = offline(iam, session)
    assert form(iam, "logout", CLIENT2, ("refresh_token", session["refresh_token"])).status == 204
    iam.write_audience("client1", client1(enabled=False))
    try:
        assert pages.told(refresh(iam, held["refresh_token"]))[:2] == (400, "invalid_grant")
    finally:
        iam.write_audience("client1", client1())
    refreshed(iam, held["refresh_token"])


def test_by_reissue_keycloak_refuses_the_scope_aloud(iam: Gate, keycloak: Keycloak) -> None:
    subject = login(iam)["access_token"]
    answer = exchange(iam, CLIENT3, subject, "-d", "scope=offline_access")
    sentence = "Scope offline_access not allowed for token exchange"
    assert pages.told(answer) == (400, "invalid_request", sentence)
    # Keycloak itself, in the same words.
    own = oidc.exchange_form(
        CLIENT3, subject, "client3", scope="offline_access", requested_token_type=oidc.REFRESH_TOKEN
    )
    assert pages.told(keycloak.peer(HOST).form(oidc.endpoint(REALM), own)) == (
        400,
        "invalid_request",
        sentence,
    )


def test_the_lifetime_is_the_calling_clients_whatever_the_subject_token_has_left(iam: Gate) -> None:
    genuine = Genuine(login(iam)["access_token"], KEY)
    for left in (5, 60, 900):
        answer = exchange(iam, CLIENT1, genuine.resigned(exp=forgery.now(left)))
        assert answer.status == 200, f"{answer.text} {iam.audit()[-1]}"
        body = parsed(answer)
        claims = oidc.claims_of(body["access_token"])
        assert 598 <= body["expires_in"] <= 600
        assert claims["exp"] - claims["iat"] == 600
