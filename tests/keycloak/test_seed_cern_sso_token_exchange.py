"""CERN SSO, "Token Exchange" (cern-sso-token-exchange), and its API access door: a caller that was written for that page
exchanges through Cambio at a real Keycloak. Only the scheme, the secret and the token differ from the page.

The page's curl has lost its URL; it is the realm's token endpoint below `/auth`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import names
import oidc
import pages
import realms
from admin import Admin
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from peer import parsed
from realms import Client, User
from server import Keycloak

HOST = "auth.cern.ch"
REALM = f"http://{HOST}/auth/realms/cern"
URL = f"{REALM}/protocol/openid-connect/token"
# The page's curl.
STARTING = Client("starting-client", "starting-client-secret-5e0c6b71")
TARGET = Client("target-client", "target-client-secret-18d4ff20")
# The page's story: a single-page application, which has no secret, and the API that it calls.
FRONT_END = Client("front-end-app", None)
BACK_END = Client("back-end-api", "back-end-api-secret-73ee9c02")
USER = User("jdoe", "jdoe-password-60b2")
# An application that comes as itself.
ITSELF = "claims.preferred_username == 'service-account-starting-client'"
STEP_1 = {"frontend_user", "administrator"}


def realm() -> dict:
    own_account = {"serviceAccountsEnabled": True}
    clients = [
        realms.confidential(STARTING, realms.EXCHANGE, **own_account),
        realms.confidential(TARGET, {}),
        {**realms.confidential(FRONT_END, {}), "publicClient": True},
        realms.confidential(BACK_END, {}),
    ]
    roles = {
        "starting-client": ["starting_user"],
        "target-client": ["target_user"],
        "front-end-app": ["frontend_user", "administrator"],
        "back-end-api": ["backend_user"],
    }
    return {
        **realms.realm("cern"),
        "clients": clients,
        "roles": {
            "realm": [{"name": "staff"}],
            "client": {client: [{"name": name} for name in named] for client, named in roles.items()},
        },
        "users": [{**realms.profile(USER), "clientRoles": roles, "realmRoles": ["staff"]}],
    }


def target_client(*clients: str) -> dict:
    """What the owner of target-client permits; it also lets applications in as themselves."""
    granted = permission(*clients, requestedTokens=["access_token", "refresh_token"])
    identity = permission(*clients, requestedTokens=["id_token"], issuance="mint")
    itself = permission(*clients, issuance="mint", condition=ITSELF)
    roles = {"own": True, "map": [{"when": ITSELF, "to": "robot"}]}
    return audience("target-client", granted, identity, itself, realm="cern", roles=roles)


@pytest.fixture(scope="module")
def registered(keycloak: Keycloak) -> Client:
    admin = Admin(keycloak.peer())
    pages.create(admin, realm())
    return admin.service_account("cern", "cambio-directory", ["view-users", "view-clients"])


@pytest.fixture(scope="module")
def sso(keycloak: Keycloak, gates: Gates, registered: Client, tmp_path_factory) -> Iterator[Gate]:
    folder: Path = tmp_path_factory.mktemp("cern")
    secret = folder / "directory.secret"
    secret.write_text(registered.secret or "")
    # Keycloak refuses the exchanges of public clients, so Cambio knows this one itself, and issues. Whether the user's
    # session goes on, which a refresh hangs on, the admin API says.
    section = {
        "dialect": "cern",
        "clients": {"front-end-app": [{"method": "none"}]},
        "refreshTokens": gates.seal_key(folder / "seal.key"),
        "directory": {"clientId": registered.id, "clientSecretFile": str(secret), "cacheFor": "0s"},
    }
    kinds = ["access_token", "refresh_token", "id_token"]
    back_end = permission("front-end-app", requestedTokens=kinds, issuance="mint")
    of_directory = {"own": True, "source": "directory"}
    audiences = {
        "target-client": target_client("starting-client"),
        "back-end-api": audience("back-end-api", back_end, realm="cern", roles=of_directory),
    }
    gate = gates.start("cern", keycloak.address, Setup(audiences, realms={"cern": section}, public=HOST))
    yield gate
    gate.stop()


def login(sso: Gate, client: Client) -> dict:
    return pages.token(sso.peer, "cern", client, USER)


@pytest.fixture
def subject(sso: Gate) -> str:
    return login(sso, STARTING)["access_token"]


def exchange(sso: Gate, client: Client, token: str, wanted: str, target: str, url: str = URL) -> Answer:
    """The page's curl. Public clients leave the secret out."""
    secret = ["-d", f"client_secret={client.secret}"] if client.secret else []
    return pages.curl(
        sso,
        "-X", "POST",
        "-d", f"client_id={client.id}",
        *secret,
        "--data-urlencode", "grant_type=urn:ietf:params:oauth:grant-type:token-exchange",
        "-d", f"subject_token={token}",
        "--data-urlencode", f"requested_token_type={wanted}",
        "-d", f"audience={target}",
        url,
    )  # fmt: skip


def roles(token: str) -> dict[str, set[str]]:
    return oidc.client_roles(token)


def test_the_pages_curl_gets_a_refresh_and_an_access_token(sso: Gate, subject: str) -> None:
    answer = exchange(sso, STARTING, subject, oidc.REFRESH_TOKEN, "target-client")
    assert answer.status == 200, f"{answer.text} {sso.audit()[-1]}"
    assert answer.header("Content-Type") == "application/json"
    body = parsed(answer)
    assert (body["issued_token_type"], body["token_type"]) == (oidc.REFRESH_TOKEN, "Bearer")
    assert body["refresh_token"]
    claims = oidc.claims_of(body["access_token"])
    assert (claims["aud"], claims["azp"]) == ("target-client", "starting-client")
    assert claims["sub"] == oidc.claims_of(subject)["sub"]


def test_the_refresh_token_is_good_for_the_target_alone(sso: Gate, subject: str) -> None:
    first = parsed(exchange(sso, STARTING, subject, oidc.REFRESH_TOKEN, "target-client"))
    answer = pages.curl(
        sso, "-d", "grant_type=refresh_token", "-d", f"client_id={STARTING.id}",
        "-d", f"client_secret={STARTING.secret}", "-d", f"refresh_token={first['refresh_token']}", URL,
    )  # fmt: skip
    assert answer.status == 200, f"{answer.text} {sso.audit()[-1]}"
    token = parsed(answer)["access_token"]
    assert oidc.claims_of(token)["aud"] == "target-client"
    assert (roles(token), oidc.realm_roles(token)) == ({"target-client": {"target_user"}}, set())


def test_an_access_token_comes_alone(sso: Gate, subject: str) -> None:
    body = parsed(exchange(sso, STARTING, subject, oidc.ACCESS_TOKEN, "target-client"))
    assert body["issued_token_type"] == oidc.ACCESS_TOKEN
    assert "refresh_token" not in body and "id_token" not in body


def test_an_id_token_on_request(sso: Gate, subject: str) -> None:
    """As Keycloak has it: in `access_token`, and of no token type."""
    answer = exchange(sso, STARTING, subject, oidc.ID_TOKEN, "target-client")
    assert answer.status == 200, f"{answer.text} {sso.audit()[-1]}"
    body = parsed(answer)
    assert (body["issued_token_type"], body["token_type"]) == (oidc.ID_TOKEN, "N_A")
    claims = oidc.claims_of(body["access_token"])
    assert (claims["typ"], claims["sub"]) == ("ID", oidc.claims_of(subject)["sub"])
    assert "refresh_token" not in body


@pytest.mark.parametrize("url", [URL, URL.replace("/auth/", "/")], ids=["below /auth", "as Keycloak has it"])
def test_both_paths(sso: Gate, subject: str, url: str) -> None:
    answer = exchange(sso, STARTING, subject, oidc.ACCESS_TOKEN, "target-client", url)
    assert answer.status == 200, f"{answer.text} {sso.audit()[-1]}"


@pytest.mark.parametrize("url", [URL, URL.replace("/auth/", "/")], ids=["below /auth", "as Keycloak has it"])
def test_the_story_of_the_roles(sso: Gate, url: str) -> None:
    """Steps 1 and 2 of the page, by a public client: only what the owner of back-end-api gave."""
    token = login(sso, FRONT_END)["access_token"]
    assert roles(token)["front-end-app"] == STEP_1
    assert "staff" in oidc.realm_roles(token)
    answer = exchange(sso, FRONT_END, token, oidc.ACCESS_TOKEN, "back-end-api", url)
    assert answer.status == 200, f"{answer.text} {sso.audit()[-1]}"
    new = parsed(answer)["access_token"]
    assert roles(new) == {"back-end-api": {"backend_user"}}
    assert oidc.realm_roles(new) == set()
    assert "account" not in oidc.claims_of(new)["aud"]
    assert oidc.claims_of(new)["azp"] == "front-end-app"


def test_a_public_client_gets_an_id_token_on_request(sso: Gate) -> None:
    token = login(sso, FRONT_END)["access_token"]
    body = parsed(exchange(sso, FRONT_END, token, oidc.ID_TOKEN, "back-end-api"))
    assert body["issued_token_type"] == oidc.ID_TOKEN


def test_a_public_client_gets_a_refresh_token_for_as_long_as_the_session_goes_on(sso: Gate) -> None:
    logged_in = login(sso, FRONT_END)
    first = parsed(exchange(sso, FRONT_END, logged_in["access_token"], oidc.REFRESH_TOKEN, "back-end-api"))
    assert first["issued_token_type"] == oidc.REFRESH_TOKEN
    assert roles(first["access_token"]) == {"back-end-api": {"backend_user"}}

    def refresh(token: str) -> Answer:
        return pages.curl(
            sso, "-d", "grant_type=refresh_token", "-d", f"client_id={FRONT_END.id}", "-d", f"refresh_token={token}", URL
        )  # fmt: skip

    second = parsed(refresh(first["refresh_token"]))
    assert roles(second["access_token"]) == {"back-end-api": {"backend_user"}}
    ended = sso.peer.form(
        "/realms/cern/protocol/openid-connect/logout",
        [("client_id", FRONT_END.id), ("refresh_token", logged_in["refresh_token"])],
    )
    assert ended.status == 204, ended.text
    assert pages.told(refresh(second["refresh_token"]))[:2] == (400, "invalid_grant")


def test_a_public_client_exchanges_its_own_users_tokens_only(sso: Gate, subject: str) -> None:
    """Whoever finds a token could otherwise call himself a public client."""
    answer = exchange(sso, FRONT_END, subject, oidc.ACCESS_TOKEN, "back-end-api")
    assert pages.told(answer)[0] == 403, answer.text


def test_the_target_applications_owner_permits(sso: Gate) -> None:
    """`Request token exchange permission`: before the owner grants it, and after."""
    token = login(sso, FRONT_END)["access_token"]
    sentence = (403, "access_denied", "Client not allowed to exchange")
    assert pages.told(exchange(sso, FRONT_END, token, oidc.ACCESS_TOKEN, "target-client")) == sentence
    also = target_client("starting-client")
    also["permissions"].append(permission("front-end-app", issuance="mint"))
    sso.write_audience("target-client", also)
    granted = exchange(sso, FRONT_END, token, oidc.ACCESS_TOKEN, "target-client")
    assert roles(parsed(granted)["access_token"]) == {"target-client": {"target_user"}}
    sso.write_audience("target-client", target_client("starting-client"))
    assert pages.told(exchange(sso, FRONT_END, token, oidc.ACCESS_TOKEN, "target-client")) == sentence


@pytest.mark.parametrize(
    ("name", "changed", "expected"),
    [
        ("a wrong secret", {"client": Client("starting-client", "wrong")}, (401, "unauthorized_client", "Invalid client or Invalid client credentials")),
        ("a confidential client without its secret", {"client": Client("starting-client", None)}, (401, "unauthorized_client", "Invalid client or Invalid client credentials")),
        ("an unknown target", {"target": "no-such-client"}, (403, "access_denied", "Client not allowed to exchange")),
        ("garbage", {"token": "...."}, (400, "invalid_request", "Invalid token")),
    ],
)  # fmt: skip
def test_errors_are_keycloaks(sso: Gate, subject: str, name: str, changed: dict, expected: tuple) -> None:
    call = {"client": STARTING, "token": subject, "wanted": oidc.REFRESH_TOKEN, "target": "target-client"}
    assert pages.told(exchange(sso, **{**call, **changed})) == expected


def test_the_subject_token_is_an_access_token(sso: Gate) -> None:
    tokens = login(sso, STARTING)
    for name in ("id_token", "refresh_token"):
        answer = exchange(sso, STARTING, tokens[name], oidc.ACCESS_TOKEN, "target-client")
        assert pages.told(answer)[:2] == (400, "invalid_request")


# --- The other door: an application as itself.


def api_access(sso: Gate, client: Client, target: str | None, url: str = REALM) -> Answer:
    audience_ = ["-d", f"audience={target}"] if target else []
    return pages.curl(
        sso, "-X", "POST", f"{url}/api-access/token",
        "-d", "grant_type=client_credentials",
        "-d", f"client_id={client.id}", "-d", f"client_secret={client.secret}",
        *audience_,
    )  # fmt: skip


@pytest.mark.parametrize(
    "url", [REALM, REALM.replace("/auth/", "/")], ids=["below /auth", "as Keycloak has it"]
)
def test_api_access_gives_the_applications_own_token(sso: Gate, url: str) -> None:
    answer = api_access(sso, STARTING, "target-client", url)
    assert answer.status == 200, f"{answer.text} {sso.audit()[-1]}"
    token = parsed(answer)["access_token"]
    claims = oidc.claims_of(token)
    assert claims["sub"] == "service-account-starting-client"
    assert (claims["aud"], claims["iss"]) == ("target-client", f"http://{HOST}/realms/cern")
    # Set by the target application.
    assert roles(token) == {"target-client": {"robot"}}
    assert oidc.realm_roles(token) == set()
    assert parsed(answer)["token_type"] == "Bearer"


@pytest.mark.parametrize(
    ("name", "client", "target", "status"),
    [
        ("a wrong secret", Client("starting-client", "wrong"), "target-client", 401),
        ("a target whose owner permits nothing", STARTING, "back-end-api", 403),
        ("an unknown target", STARTING, "no-such-client", 403),
        ("no target", STARTING, None, 400),
    ],
)
def test_api_access_is_judged(sso: Gate, name: str, client: Client, target: str | None, status: int) -> None:
    before = len(sso.audit())
    answer = api_access(sso, client, target)
    assert pages.told(answer)[0] == status, answer.text
    (line,) = sso.audit()[before:]
    assert line[names.AUDIT_OUTCOME] == "denied"
