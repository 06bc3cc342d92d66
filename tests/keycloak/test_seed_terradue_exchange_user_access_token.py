"""Terradue IAM, "Exchange User Access Token" (terradue-exchange-user-access-token): a caller that was written for that
page exchanges through Cambio at a real Keycloak. Only the scheme, the secret and the token differ from the page.
"""

from __future__ import annotations

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

HOST = "iam.terradue.com"
URL = f"http://{HOST}/realms/master/protocol/openid-connect/token"
# The page's `client 1`, at which the token is exchanged, and `client 2`, at which the user logged in.
CLIENT1 = Client("client1", "client1-secret-2f4b90aa")
CLIENT2 = Client("client2", "client2-secret-90b1d3c7")
# Registered like client 1, with another lifetime; and one that may not exchange at all.
CLIENT3 = Client("client3", "client3-secret-5a60e2f1")
CLIENT4 = Client("client4", "client4-secret-c80d1b35")
# Nobody put it into the `aud` of client 2's tokens, and the page does not ask for that.
CLIENT5 = Client("client5", "client5-secret-7e21b0d4")
USER = User("ellip", "ellip-password-84e0")
KEY = forgery.rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def registered(keycloak: Keycloak) -> None:
    """The page's realm is Keycloak's own: `master`."""
    admin = Admin(keycloak.peer())
    mappers = [realms.also_for(client.id) for client in (CLIENT1, CLIENT3, CLIENT4)]
    for client in (CLIENT1, CLIENT2, CLIENT3, CLIENT4, CLIENT5):
        admin.create_client(
            "master", realms.confidential(client, _attributes(client), protocolMappers=mappers)
        )
        pages.secrecy.note_value(client.secret or "")
    admin.must("POST", "/master/users", realms.profile(USER))
    admin.import_signing_key("master", forgery.pem(KEY))


def _attributes(client: Client) -> dict[str, str]:
    # Tokens of `master` live for a minute; the page's lifetimes are the registration's.
    exchange = {} if client is CLIENT2 else realms.EXCHANGE
    return {"access.token.lifespan": "3600", **exchange}


@pytest.fixture(scope="module")
def iam(keycloak: Keycloak, gates: Gates, registered: None, tmp_path_factory) -> Iterator[Gate]:
    seal: Path = tmp_path_factory.mktemp("terradue") / "seal.key"
    refreshable = ["access_token", "refresh_token"]
    scopes = ["openid", "email", "profile"]
    audiences = {
        "client1": audience(
            "client1",
            permission("client1", lifetime="10m", requestedTokens=refreshable, scopes=scopes),
            realm="master",
        ),
        "client3": audience(
            "client3",
            permission("client3", lifetime="2m", requestedTokens=refreshable, scopes=scopes),
            realm="master",
        ),
        "client5": audience(
            "client5",
            permission("client5", issuance="mint", subjectClients=["client2"], scopes=scopes),
            realm="master",
        ),
    }
    realm = {"dialect": "terradue", "refreshTokens": gates.seal_key(seal)}
    gate = gates.start("terradue", keycloak.address, Setup(audiences, realms={"master": realm}, public=HOST))
    yield gate
    gate.stop()


@pytest.fixture
def subject(iam: Gate) -> str:
    """The token that the user got at client 2 and passed to client 1."""
    return pages.token(iam.peer, "master", CLIENT2, USER)["access_token"]


def exchange(iam: Gate, client: Client, token: str, *more: str) -> Answer:
    """The page's curl."""
    return pages.curl(
        iam,
        "-X", "POST", URL,
        "-H", "Content-Type: application/x-www-form-urlencoded",
        "-d", f"client_id={client.id}",
        "-d", f"client_secret={client.secret}",
        "-d", "grant_type=urn:ietf:params:oauth:grant-type:token-exchange",
        "-d", f"subject_token={token}",
        *more,
    )  # fmt: skip


def test_the_pages_curl_gets_the_pages_answer(iam: Gate, subject: str) -> None:
    answer = exchange(iam, CLIENT1, subject)
    assert answer.status == 200, f"{answer.text} {iam.audit()[-1]}"
    assert answer.header("Content-Type") == "application/json"
    body = parsed(answer)
    assert {"access_token", "refresh_token", "expires_in"} <= set(body)
    assert isinstance(body["refresh_token"], str) and body["refresh_token"]
    assert isinstance(body["expires_in"], int)


def test_the_token_is_the_calling_clients_on_behalf_of_the_user(iam: Gate, subject: str) -> None:
    before = oidc.claims_of(subject)
    after = oidc.claims_of(parsed(exchange(iam, CLIENT1, subject))["access_token"])
    assert before["azp"] == "client2"
    assert (after["azp"], after["aud"]) == ("client1", "client1")
    assert (after["sub"], after["iss"]) == (before["sub"], f"http://{HOST}/realms/master")
    assert after["preferred_username"] == "ellip"


def test_a_token_of_another_client_need_not_name_the_calling_one(iam: Gate, subject: str) -> None:
    """Keycloak refuses it, so Cambio issues, where the owner names the clients whose tokens are taken."""
    assert "client5" not in oidc.claims_of(subject)["aud"]
    answer = exchange(iam, CLIENT5, subject)
    assert answer.status == 200, f"{answer.text} {iam.audit()[-1]}"
    claims = oidc.claims_of(parsed(answer)["access_token"])
    assert (claims["aud"], claims["sub"]) == ("client5", oidc.claims_of(subject)["sub"])


def test_a_client_may_exchange_for_itself_alone(iam: Gate, subject: str) -> None:
    answer = exchange(iam, CLIENT1, subject, "-d", "audience=client3")
    assert pages.told(answer) == (403, "access_denied", "Client not allowed to exchange")


@pytest.mark.parametrize(("client", "seconds"), [(CLIENT1, 600), (CLIENT3, 120)], ids=["client1", "client3"])
def test_the_lifetime_is_defined_where_the_client_is_registered(
    iam: Gate, subject: str, client: Client, seconds: int
) -> None:
    body = parsed(exchange(iam, client, subject))
    claims = oidc.claims_of(body["access_token"])
    assert seconds - 2 <= body["expires_in"] <= seconds
    assert claims["exp"] - claims["iat"] <= seconds


def test_the_refresh_token_gets_a_new_access_token(iam: Gate, subject: str) -> None:
    first = parsed(exchange(iam, CLIENT1, subject))
    form = [
        ("grant_type", "refresh_token"),
        *oidc.credentials(CLIENT1),
        ("refresh_token", first["refresh_token"]),
    ]
    answer = pages.noted(iam.peer.form(oidc.endpoint("master"), form))
    assert answer.status == 200, f"{answer.text} {iam.audit()[-1]}"
    claims = oidc.claims_of(parsed(answer)["access_token"])
    assert (claims["aud"], claims["sub"]) == ("client1", oidc.claims_of(subject)["sub"])


def test_an_offline_scope_that_is_not_registered_is_not_granted(iam: Gate, subject: str) -> None:
    answer = exchange(iam, CLIENT1, subject, "-d", "scope=offline_access")
    if answer.status == 200:
        body = parsed(answer)
        assert "offline_access" not in oidc.claims_of(body["access_token"]).get("scope", "").split()
    else:
        # As Keycloak says it.
        assert pages.told(answer)[:2] in [(400, "invalid_scope"), (400, "not_allowed")]


def test_an_expired_token_is_not_exchanged(iam: Gate, subject: str) -> None:
    genuine = Genuine(subject, KEY)
    assert exchange(iam, CLIENT1, genuine.resigned()).status == 200
    expired = genuine.resigned(exp=forgery.now(-60), iat=forgery.now(-120))
    answer = exchange(iam, CLIENT1, expired)
    assert pages.told(answer) == (400, "invalid_request", "Invalid token")
    assert iam.reason_of(answer) == "subject_token_expired"


def test_what_is_exchanged_without_a_type_is_an_access_token(iam: Gate) -> None:
    tokens = pages.token(iam.peer, "master", CLIENT2, USER)
    for name in ("id_token", "refresh_token"):
        assert pages.told(exchange(iam, CLIENT1, tokens[name]))[:2] == (400, "invalid_request")
    named = exchange(iam, CLIENT1, tokens["access_token"], "-d", f"subject_token_type={oidc.ACCESS_TOKEN}")
    assert named.status == 200, named.text


def test_a_client_must_be_registered_with_a_secret_and_permitted(iam: Gate, subject: str) -> None:
    """Keycloak's answers."""
    nobody = Client("client9", "no-such-client")
    wrong = Client("client1", "wrong")
    sentence = "Invalid client or Invalid client credentials"
    assert pages.told(exchange(iam, wrong, subject)) == (401, "unauthorized_client", sentence)
    assert pages.told(exchange(iam, CLIENT4, subject))[0] in (400, 403)
    assert not oidc.is_exchange_success(exchange(iam, nobody, subject))


def test_garbage_is_not_exchanged(iam: Gate) -> None:
    assert pages.told(exchange(iam, CLIENT1, "garbage")) == (400, "invalid_request", "Invalid token")
