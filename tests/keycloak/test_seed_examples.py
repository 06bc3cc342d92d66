"""deploy/examples of the dialects, as they stand there: started in front of a real Keycloak, and called by the curl of each
page. Only hosts, schemes, realms at Keycloak, and secrets differ. ForgeRock's page has a file of its own.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import foreign
import forgery
import oidc
import pages
import realms
from admin import Admin
from foreign import Provider
from gate import Gate, Gates
from http1 import Answer
from peer import parsed
from realms import Client, User
from server import Keycloak

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
# The longest audience file of these pages, without comments.
LINES = 15


@pytest.mark.parametrize("example", ["cern", "terradue", "pace", "key-bridge"])
def test_an_example_is_short_enough_to_read(example: str) -> None:
    for file in (EXAMPLES / example / "audiences").iterdir():
        assert len(file.read_text().splitlines()) < LINES, file


def realm(name: str, clients: list[dict], *users: dict, **more: object) -> dict:
    return {**realms.realm(name), "clients": clients, "users": list(users), **more}


# --- CERN SSO.

CERN = "auth.cern.ch"
CERN_URL = f"http://{CERN}/auth/realms/cern-example/protocol/openid-connect/token"
STARTING = Client("starting-client", "starting-client-secret-77b1")
TARGET = Client("target-client", "target-client-secret-a0c4")
FRONT_END = Client("front-end-app", None)
BACK_END = Client("back-end-api", "back-end-api-secret-19fe")
CERN_USER = User("jdoe", "jdoe-password-e0d7")
PAGE = "https://front-end-app.web.cern.ch"


@pytest.fixture(scope="module")
def cern(keycloak: Keycloak, gates: Gates) -> Iterator[Gate]:
    roles = {
        "starting-client": ["starting_user"],
        "target-client": ["target_user"],
        "front-end-app": ["frontend_user", "administrator"],
        "back-end-api": ["backend_user"],
    }
    clients = [
        realms.confidential(STARTING, realms.EXCHANGE),
        realms.confidential(TARGET, {}),
        {**realms.confidential(FRONT_END, {}), "publicClient": True},
        realms.confidential(BACK_END, {}),
    ]
    named = {client: [{"name": name} for name in names] for client, names in roles.items()}
    user = {**realms.profile(CERN_USER), "clientRoles": roles}
    admin = Admin(keycloak.peer())
    pages.create(admin, realm("cern-example", clients, user, roles={"client": named}))
    directory = admin.service_account("cern-example", "cambio", ["view-users", "view-clients"])
    changes = {"https://auth.cern.ch/auth/realms/cern": f"http://{CERN}/realms/cern-example"}
    files = {"directory.secret": directory.secret or ""}
    gate = gates.start_example(EXAMPLES / "cern", keycloak.address, CERN, changes, files)
    yield gate
    gate.stop()


def cern_exchange(cern: Gate, client: Client, wanted: str, target: str) -> Answer:
    """A login, and the page's curl."""
    token = pages.token(cern.peer, "cern-example", client, CERN_USER)["access_token"]
    return pages.curl(
        cern, "-X", "POST",
        "-d", f"client_id={client.id}",
        # A single-page application has an origin, and no secret.
        *(["-d", f"client_secret={client.secret}"] if client.secret else ["-H", f"Origin: {PAGE}"]),
        "--data-urlencode", f"grant_type={oidc.EXCHANGE_GRANT}",
        "-d", f"subject_token={token}",
        "--data-urlencode", f"requested_token_type={wanted}",
        "-d", f"audience={target}",
        CERN_URL,
    )  # fmt: skip


@pytest.mark.parametrize("wanted", [oidc.REFRESH_TOKEN, oidc.ACCESS_TOKEN, oidc.ID_TOKEN])
@pytest.mark.parametrize(
    ("client", "target", "role"),
    [(STARTING, "target-client", "target_user"), (FRONT_END, "back-end-api", "backend_user")],
    ids=["with a secret", "public"],
)
def test_the_example_of_cern(cern: Gate, wanted: str, client: Client, target: str, role: str) -> None:
    answer = cern_exchange(cern, client, wanted, target)
    assert answer.status == 200, f"{answer.text} {cern.audit()[-1]}"
    body = parsed(answer)
    assert body["issued_token_type"] == wanted
    assert ("refresh_token" in body) == (wanted == oidc.REFRESH_TOKEN)
    if wanted != oidc.ID_TOKEN:
        assert oidc.client_roles(body["access_token"]) == {target: {role}}
        assert oidc.realm_roles(body["access_token"]) == set()


def test_the_page_of_a_public_client_can_read_its_exchange(cern: Gate) -> None:
    answer = cern_exchange(cern, FRONT_END, oidc.REFRESH_TOKEN, "back-end-api")
    assert answer.header("Access-Control-Allow-Origin") == PAGE
    refreshed = pages.curl(
        cern, "-H", f"Origin: {PAGE}", "-d", "grant_type=refresh_token", "-d", f"client_id={FRONT_END.id}",
        "-d", f"refresh_token={parsed(answer)['refresh_token']}", CERN_URL,
    )  # fmt: skip
    assert refreshed.status == 200, refreshed.text
    assert refreshed.header("Access-Control-Allow-Origin") == PAGE


# --- Terradue IAM.

TERRADUE = "iam.terradue.com"
CLIENT1 = Client("client1", "client1-secret-6e0b")
CLIENT2 = Client("client2", "client2-secret-41d9")
TERRADUE_USER = User("ellip", "ellip-password-2c6a")


@pytest.fixture(scope="module")
def terradue(keycloak: Keycloak, gates: Gates) -> Iterator[Gate]:
    mappers = [realms.also_for("client1")]
    clients = [
        realms.confidential(CLIENT1, realms.EXCHANGE, protocolMappers=mappers),
        realms.confidential(CLIENT2, {}, protocolMappers=mappers),
    ]
    pages.create(Admin(keycloak.peer()), realm("terradue-example", clients, realms.profile(TERRADUE_USER)))
    changes = {"https://iam.terradue.com/realms/master": f"http://{TERRADUE}/realms/terradue-example"}
    gate = gates.start_example(EXAMPLES / "terradue", keycloak.address, TERRADUE, changes, {})
    yield gate
    gate.stop()


def test_the_example_of_terradue(terradue: Gate) -> None:
    token = pages.token(terradue.peer, "terradue-example", CLIENT2, TERRADUE_USER)["access_token"]
    answer = pages.curl(
        terradue, "-X", "POST", f"http://{TERRADUE}/realms/terradue-example/protocol/openid-connect/token",
        "-H", "Content-Type: application/x-www-form-urlencoded",
        "-d", f"client_id={CLIENT1.id}",
        "-d", f"client_secret={CLIENT1.secret}",
        "-d", f"grant_type={oidc.EXCHANGE_GRANT}",
        "-d", f"subject_token={token}",
    )  # fmt: skip
    assert answer.status == 200, f"{answer.text} {terradue.audit()[-1]}"
    body = parsed(answer)
    assert body["refresh_token"] and body["expires_in"]
    claims = oidc.claims_of(body["access_token"])
    assert (claims["aud"], claims["azp"]) == ("client1", "client1")


# --- PACE.

PACE = "api.dev.pace.cloud"
AWESOME = Client("awesome-app", "aad041a4-47f0-4b01-80d3-edce807f77aa")
KEY = forgery.rsa.generate_private_key(public_exponent=65537, key_size=2048)
ACCOUNT = "03836e1f-58ed-4d67-baa0-a73bf77b9d5d"


@pytest.fixture(scope="module")
def pace(keycloak: Keycloak, gates: Gates, tmp_path_factory) -> Iterator[Gate]:
    clients = [realms.confidential(AWESOME, {})]
    pages.create(Admin(keycloak.peer()), realm("pace-example", clients))
    keys: Path = tmp_path_factory.mktemp("pace-example") / "as.jwks"
    keys.write_text(json.dumps({"keys": [forgery.public_jwk(KEY, "as")]}))
    changes = {"https://api.dev.pace.cloud/realms/pace": f"http://{PACE}/realms/pace-example", "as.jwks": str(keys)}
    gate = gates.start_example(EXAMPLES / "pace", keycloak.address, PACE, changes, {})
    yield gate
    gate.stop()


def pace_exchange(pace: Gate, **changed: object) -> Answer:
    """The page's curl."""
    claims = {
        "sub": ACCOUNT, "aud": PACE, "name": "Jane Doe", "given_name": "Jane", "family_name": "Doe",
        "iss": "https://as.example.com", "iat": forgery.now(0), "exp": forgery.now(9000),
        "email": f"{ACCOUNT}@as.example.com", **changed,
    }  # fmt: skip
    document = {
        "client_id": AWESOME.id,
        "client_secret": AWESOME.secret,
        "grant_type": oidc.EXCHANGE_GRANT,
        "subject_token": forgery.sign(claims, KEY, kid="as") + "\n",
        "subject_issuer": "https://as.example.com",
        "subject_token_type": oidc.ACCESS_TOKEN,
        "audience": "awesome-app",
        "scope": "string",
    }
    header, url = "Content-Type: application/json", f"http://{PACE}/protocol/openid-connect/token"
    return pages.curl(pace, "-X", "POST", "-H", header, "-d", json.dumps(document), url)


def test_the_example_of_pace(pace: Gate) -> None:
    answer = pace_exchange(pace)
    assert answer.status == 200, f"{answer.text} {pace.audit()[-1]}"
    body = parsed(answer)
    assert body["token_type"] == oidc.ACCESS_TOKEN
    assert 7190 <= body["expires_in"] <= 7200
    claims = oidc.claims_of(body["access_token"])
    assert (claims["aud"], claims["scope"], claims["acr"]) == ("awesome-app", "string", "0")
    assert (claims["email_verified"], claims["email"]) == (True, f"{ACCOUNT}@as.example.com")
    account = uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, "https://as.example.com"), ACCOUNT)
    assert claims["sub"] == str(account)


def test_the_example_of_pace_takes_no_address_of_another_domain(pace: Gate) -> None:
    answer = pace_exchange(pace, email=f"{ACCOUNT}@bank.example.com")
    assert pages.told(answer)[:2] == (422, "invalid_grant")


# --- Key Bridge.

STS = "sts.example.com"
RESOURCE_SERVER = Client("rs08", "long-secure-random-secret-91aa")


@pytest.fixture(scope="module")
def key_bridge(keycloak: Keycloak, gates: Gates, provider: Provider, tmp_path_factory) -> Iterator[Gate]:
    pages.create(Admin(keycloak.peer()), realm("key-bridge-example", [realms.confidential(RESOURCE_SERVER, {})]))
    secret: Path = tmp_path_factory.mktemp("key-bridge-example") / "introspection.secret"
    asked = provider.introspection(secret)
    changes = {
        "https://sts.example.com/realms/key-bridge\n": f"http://{STS}/realms/key-bridge-example\n",
        'audiences: ["https://sts.example.com/realms/key-bridge"]': f'audiences: ["http://{STS}/realms/key-bridge-example"]',
        "url: https://as.example.com, audiences": f'url: "{provider.issuer}", audiences',
        "https://as.example.com/jwks": f"{provider.issuer}/jwks",
        "url: https://as.example.com/introspect, clientId: cambio": f'url: "{asked["url"]}", clientId: {asked["clientId"]}',
    }
    files = {"introspection.secret": secret.read_text()}
    gate = gates.start_example(EXAMPLES / "key-bridge", keycloak.address, STS, changes, files)
    yield gate
    gate.stop()


def test_the_example_of_key_bridge(key_bridge: Gate, provider: Provider) -> None:
    """The page's request, which has no scope, and the scope of the page's answer."""
    token = provider.login(f"http://{STS}/realms/key-bridge-example", foreign.OPAQUE_APP)["access_token"]
    assert "." not in token
    answer = pages.curl(
        key_bridge, "-X", "POST", f"http://{STS}/token/oauth2",
        "-H", ": ".join(oidc.basic(RESOURCE_SERVER)),
        "-H", "Content-Type: application/x-www-form-urlencoded",
        "--data-raw", f"grant_type={oidc.EXCHANGE_GRANT.replace(':', '%3A')}"
        "&resource=https%3A%2F%2Fbackend.example.com%2Fapi"
        f"&subject_token={token}"
        f"&subject_token_type={oidc.ACCESS_TOKEN.replace(':', '%3A')}",
    )  # fmt: skip
    assert answer.status == 200, f"{answer.text} {key_bridge.audit()[-1]}"
    body = parsed(answer)
    assert 55 <= body["expires_in"] <= 60
    claims = oidc.claims_of(body["access_token"])
    assert (claims["aud"], claims["scope"]) == ("https://backend.example.com", "api")
