"""Realms and clients of Keycloak with settings that change what tokens look like: each works, or is refused in words."""

from __future__ import annotations

from collections.abc import Iterator

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

ALICE = User("alice", "alice-in-settings-8e22")
API = Client("api", "api-secret-in-settings-1")
ALGORITHMS = {"algorithms": ["RS256", "ES256", "EdDSA"]}
LIGHT = {"client.use.lightweight.access.token.enabled": "true"}
PAIRWISE = {
    "name": "pairwise",
    "protocol": "openid-connect",
    "protocolMapper": "oidc-sha256-pairwise-sub-mapper",
    "config": {"sectorIdentifierUri": "", "pairwiseSubAlgorithmSalt": "salt"},
}
CLIENTS = {
    "front": {},
    "pairwise": {"protocolMappers": [PAIRWISE]},
    "without-sub": {"defaultClientScopes": ["web-origins", "acr", "profile", "roles", "email"]},
    "rfc9068": {"attributes": {"access.token.header.type.rfc9068": "true"}},
    "hs256": {"attributes": {"access.token.signed.response.alg": "HS256"}},
    "es256": {"attributes": {"access.token.signed.response.alg": "ES256"}},
    "eddsa": {"attributes": {"access.token.signed.response.alg": "EdDSA"}},
    "lightweight": {"attributes": LIGHT},
}


def client(name: str) -> Client:
    return Client(name, f"{name}-secret-in-settings-1")


def lightly(mapper: str, **config: str) -> dict:
    """A mapper that writes into lightweight access tokens, too."""
    config = {"access.token.claim": "true", "lightweight.claim": "true", **config}
    return {"name": mapper, "protocol": "openid-connect", "protocolMapper": mapper, "config": config}


def document(realm: str) -> dict:
    """A realm whose front-end's tokens name every other client, so that each can exchange them."""
    clients = []
    for name, settings in CLIENTS.items():
        attributes = {**realms.EXCHANGE, **settings.get("attributes", {})}
        more = {key: value for key, value in settings.items() if key != "attributes"}
        clients.append(realms.confidential(client(name), attributes, **more))
    clients[0]["protocolMappers"] = [realms.also_for(name) for name in (*CLIENTS, "light-but-whole") if name != "front"]
    whole = [lightly("oidc-sub-mapper"), lightly("oidc-audience-mapper", **{"included.client.audience": "api"})]
    settings = realms.confidential(client("light-but-whole"), {**realms.EXCHANGE, **LIGHT}, protocolMappers=whole)
    return {
        **realms.realm(realm),
        "roles": {"client": {"api": [{"name": "user"}]}},
        "clients": [*clients, settings, realms.confidential(API, {})],
        "users": [{**realms.profile(ALICE), "clientRoles": {"api": ["user"]}}],
    }


def add_keys(admin: Admin, realm: str) -> None:
    """Keys of other algorithms beside the RSA key, and a second RSA key that signs."""
    active = {"priority": ["50"], "enabled": ["true"], "active": ["true"]}
    admin.add_key(realm, "es256", "ecdsa-generated", {**active, "ecdsaEllipticCurveKey": ["P-256"]})
    admin.add_key(realm, "eddsa", "eddsa-generated", {**active, "eddsaEllipticCurveKey": ["Ed25519"]})
    admin.add_signing_key(realm, 200)


@pytest.fixture(scope="module")
def gates_of(keycloak: Keycloak, gates: Gates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Gate]]:
    """Gates before one realm: as usual, with pairwise subjects accepted, and with roles from the directory."""
    admin = Admin(keycloak.peer())
    pages.create(admin, document("settings"))
    add_keys(admin, "settings")
    service = admin.service_account("settings", "cambio-directory", ["view-users", "view-clients"])
    secret = tmp_path_factory.mktemp("settings") / "directory.secret"
    secret.write_text(service.secret or "")
    directory = {"directory": {"clientId": service.id, "clientSecretFile": str(secret)}}
    permitted = permission(*CLIENTS, "light-but-whole", requestedTokens=["access_token", "id_token"])

    def gate(name: str, section: dict, **more: object) -> Gate:
        file = {**audience("api", permitted, **more), "realm": "settings"}
        public = "settings.example.test"
        return gates.start(f"settings-{name}", keycloak.address, Setup({"api": file}, realms={"settings": {**ALGORITHMS, **section}}, public=public))

    made = {
        "usual": gate("usual", {}),
        "pairwise": gate("pairwise", {"pairwiseSubjects": "accept"}),
        "directory": gate("directory", directory, roles={"own": True, "source": "directory"}),
    }
    yield made
    for one in made.values():
        one.stop()


def exchanged(gate: Gate, by: str, of: str = "front", **more: str) -> Answer:
    """A client's token, exchanged by another client."""
    token = oidc.login(gate.peer, client(of), ALICE, realm="settings")["access_token"]
    return oidc.exchange(gate.peer, client(by), token, "api", realm="settings", **more)


@pytest.mark.parametrize("by", ["front", "rfc9068", "es256", "eddsa", "without-sub"])
def test_what_works(gates_of: dict[str, Gate], by: str) -> None:
    answer = exchanged(gates_of["usual"], by)
    assert answer.status == 200, answer.text
    token = parsed(answer)["access_token"]
    assert oidc.client_roles(token) == {"api": {"user"}}
    assert oidc.header_of(token)["typ"] == ("at+jwt" if by == "rfc9068" else "JWT")


def test_pairwise_subjects_are_refused_in_words_or_recognised_by_the_session(gates_of: dict[str, Gate]) -> None:
    refused = exchanged(gates_of["usual"], "pairwise")
    assert (refused.status, gates_of["usual"].reason_of(refused)) == (403, "answer_pairwise")
    gate = gates_of["pairwise"]
    token = oidc.login(gate.peer, client("front"), ALICE, realm="settings")["access_token"]
    answer = oidc.exchange(gate.peer, client("pairwise"), token, "api", realm="settings")
    assert answer.status == 200, answer.text
    assert oidc.claims_of(parsed(answer)["access_token"])["sub"] == oidc.claims_of(token)["sub"]


def test_tokens_signed_with_a_secret_are_refused_in_words(gates_of: dict[str, Gate]) -> None:
    gate = gates_of["usual"]
    refused = exchanged(gate, "hs256")
    assert (refused.status, gate.reason_of(refused)) == (403, "answer_algorithm")
    refused = exchanged(gate, "hs256", of="hs256")
    assert gate.reason_of(refused) == "subject_token_algorithm"


def test_lightweight_tokens_need_the_directory(gates_of: dict[str, Gate]) -> None:
    gate = gates_of["usual"]
    refused = exchanged(gate, "light-but-whole")
    assert (refused.status, gate.reason_of(refused)) == (403, "answer_lightweight")
    refused = exchanged(gate, "lightweight", of="lightweight")
    assert gate.reason_of(refused) == "subject_token_without_sub"
    answer = exchanged(gates_of["directory"], "light-but-whole")
    assert answer.status == 200, answer.text
    assert oidc.client_roles(parsed(answer)["access_token"]) == {"api": {"user"}}


def test_the_id_token_beside_the_access_token(gates_of: dict[str, Gate]) -> None:
    gate = gates_of["usual"]
    issued = parsed(exchanged(gate, "front", scope="openid email"))
    claims = oidc.claims_of(issued["id_token"])
    assert (claims["aud"], claims["typ"]) == ("front", "ID")
    assert "at_hash" not in claims
    assert "id_token" not in parsed(exchanged(gate, "front", scope="email"))


def test_a_realm_with_a_public_address_of_its_own(keycloak: Keycloak, gates: Gates) -> None:
    """The realm attribute `frontendUrl`: the issuer has another path than the realm at Keycloak."""
    public, issuer = "front.example.test", "http://front.example.test/sso/realms/front"
    pages.create(Admin(keycloak.peer()), {**document("front"), "attributes": {"frontendUrl": f"http://{public}/sso"}})
    file = {**audience("api", permission("front")), "realm": "front"}
    section = {"issuer": issuer, "path": "/realms/front"}
    gate = gates.start("front", keycloak.address, Setup({"api": file}, realms={"front": section}, public=public))
    try:
        peer = Peer(gate.address, public)
        token = oidc.login(peer, client("front"), ALICE, realm="front")["access_token"]
        answer = oidc.exchange(peer, client("front"), token, "api", realm="front")
        assert answer.status == 200, answer.text
        issued = oidc.claims_of(parsed(answer)["access_token"])
        assert issued["iss"] == oidc.claims_of(token)["iss"] == issuer
    finally:
        gate.stop()
