"""What RFC 8693 asks of a token endpoint, put to Keycloak alone and to Cambio in front of it: two tables."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import oidc
import secrecy
from admin import Admin
from gate import Gate, Gates, Setup, audience, permission
from peer import Peer
from process import poll
from realms import ALICE, BACK_END, BOB, CAROL, EXCHANGE, OTHER, PARTNER_APP, PETRA, REDIRECT, Client
from server import Keycloak

TABLES = Path(__file__).parents[2] / "docs" / "conformance"
APP = Client("conformance-app", "conformance-app-secret-2b6d")
RESOURCE = "https://api.example.test"
# Clients whose tokens say something of their own. They are for APP, which may therefore exchange them.
BRIEF = Client("conformance-brief", "conformance-brief-secret-95e0")
MAY_ACT = {
    kind: Client(f"conformance-{kind}", f"conformance-{kind}-secret-1c7a")
    for kind in ("may-act", "other-may-act", "empty-may-act", "malformed-may-act")
}


@dataclass(frozen=True)
class Inputs:
    """The tokens that the cases need, by the names of the command's options."""

    tokens: dict[str, str]

    def environment(self) -> dict[str, str]:
        named = {f"CAMBIO_{name.upper().replace('-', '_')}": token for name, token in self.tokens.items()}
        secrets = {"CLIENT": APP.secret, "INTROSPECTION_CLIENT": BACK_END.secret}
        return {**named, **{f"CAMBIO_{name}_SECRET": secret or "" for name, secret in secrets.items()}}


def document(client: Client, may_act: str | None = None, **attributes: str) -> dict:
    """A client for this file: of `conformance-app` its tokens say that they are for it."""
    mappers = []
    if client is not APP:
        mappers.append(mapper("app", "oidc-audience-mapper", {"included.client.audience": APP.id}))
    if may_act is not None:
        config = {"claim.name": "may_act", "claim.value": may_act, "jsonType.label": "JSON"}
        mappers.append(mapper("may_act", "oidc-hardcoded-claim-mapper", config))
    return {
        "clientId": client.id,
        "secret": client.secret,
        "directAccessGrantsEnabled": True,
        "redirectUris": [REDIRECT],
        "attributes": attributes,
        "protocolMappers": mappers,
    }


def mapper(name: str, kind: str, config: dict[str, str]) -> dict:
    config = {**config, "access.token.claim": "true"}
    return {"name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": config}


@pytest.fixture(scope="module")
def clients(keycloak: Keycloak) -> None:
    admin = Admin(keycloak.peer())
    actor = admin.user("corp", BOB.name)["id"]
    admin.create_client("corp", document(APP, **EXCHANGE))
    admin.create_client("corp", document(BRIEF, **{"access.token.lifespan": "1"}))
    said = {
        "may-act": json.dumps({"sub": actor}),
        "other-may-act": json.dumps({"sub": "somebody-else"}),
        "empty-may-act": "{}",
        "malformed-may-act": json.dumps(actor),
    }
    for kind, may_act in said.items():
        admin.create_client("corp", document(MAY_ACT[kind], may_act))
    for client in (APP, BRIEF, *MAY_ACT.values()):
        secrecy.note_value(client.secret or "")


# What an owner says who lets the client's other users act for a user.
DELEGATION = {"withoutMayAct": True, "condition": f"actor.azp == '{APP.id}'", "depth": 4}


def audiences(permissions: list[dict], **more: object) -> dict[str, dict]:
    return {
        "back-end-api": audience("back-end-api", *permissions, resources=[RESOURCE], **more),
        "other-api": audience("other-api", *permissions, **more),
    }


@pytest.fixture(scope="module")
def cambio(clients: None, keycloak: Keycloak, gates: Gates, tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """Cambio that speaks RFC 8693, knows the client and mints; the owners permit what the suite asks for."""
    secret = tmp_path_factory.mktemp("conformance") / "introspection.secret"
    secret.write_text(OTHER.secret or "")
    types = ["access_token", "id_token", "jwt"]
    granted = {"delegation": DELEGATION, "requestedTokens": types, "exchangedTokens": True}
    asked = {"stillActive": True, "condition": "!has(claims.act)"}
    permissions = [
        permission(APP.id, subjectTokens=["access_token", "jwt"], **asked, **granted),
        # Keycloak knows no token that Cambio made, and calls an ID token active for its own client only.
        permission(APP.id, condition="has(claims.act)", **granted),
        permission(APP.id, subjectTokens=["id_token"], **granted),
    ]
    realm = {
        "dialect": "rfc8693",
        "clients": {
            client.id: [{"method": "client_secret", "secretHash": gates.hash_secret(client.secret or "")}]
            for client in (APP, BACK_END)
        },
        "clientAuthentication": {"unregistered": "refuse"},
        # other-api is in alice's tokens' aud, so that Keycloak tells it the truth.
        "introspection": {"clientId": OTHER.id, "clientSecretFile": str(secret)},
        "leeway": "0s",
        # The suite also exchanges ID tokens, without proofs.
        "unboundIdTokens": "accept",
    }
    setup = Setup(audiences(permissions, issuance="mint"), realm=realm)
    return gates.start("conformance", keycloak.address, setup)


@pytest.fixture(scope="module")
def as_keycloak(clients: None, keycloak: Keycloak, gates: Gates) -> Gate:
    """Cambio as it is unless told otherwise: Keycloak's dialect, and Keycloak exchanges."""
    return gates.start("conformance-default", keycloak.address, Setup(audiences([permission(APP.id)])))


def inputs(peer: Peer) -> Inputs:
    """Tokens by way of this peer: Keycloak's issuer follows the name by which it is asked."""

    def login(client: Client, user=ALICE) -> dict:
        return oidc.login(peer, client, user)

    alice, revoked = login(APP), login(APP)
    ended = peer.form(
        oidc.endpoint("corp", "logout"),
        [*oidc.credentials(APP), ("refresh_token", revoked["refresh_token"])],
    )
    assert ended.status == 204
    expired = {name: login(BRIEF, user)["access_token"] for name, user in (("subject", ALICE), ("actor", BOB))}
    last = max(oidc.claims_of(token)["exp"] for token in expired.values())
    poll("the brief tokens have expired", lambda: time.time() > last + 1, deadline=10)
    return Inputs(
        {
            "subject-token": alice["access_token"],
            "id-token": alice["id_token"],
            "actor-token": login(APP, BOB)["access_token"],
            "second-actor-token": login(APP, CAROL)["access_token"],
            "expired-subject-token": expired["subject"],
            "expired-actor-token": expired["actor"],
            "revoked-subject-token": revoked["access_token"],
            "untrusted-subject-token": oidc.login(peer, PARTNER_APP, PETRA, realm="partner")["access_token"],
            **{f"{kind}-token": login(client)["access_token"] for kind, client in MAY_ACT.items()},
        }
    )


def suite(gates: Gates, peer: Peer, given: Inputs) -> str:
    """The table that the command prints of the realm `corp` at this peer."""
    argv = [
        str(gates.binary), "conformance",
        "--token-endpoint", f"{peer.origin}{oidc.endpoint('corp')}",
        "--client-id", APP.id,
        "--issuer", peer.issuer("corp"),
        "--introspection-endpoint", f"{peer.origin}{oidc.endpoint('corp', 'token/introspect')}",
        "--introspection-client-id", BACK_END.id,
        "--audience", "back-end-api", "--audience", "other-api",
        "--resource", RESOURCE,
        "--scope", "email profile",
        "--format", "markdown",
    ]  # fmt: skip
    environment = {"PATH": os.environ["PATH"], **given.environment()}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert secrecy.found_in(done.stdout + done.stderr) == []
    return done.stdout


def compare(name: str, title: str, about: str, table: str) -> None:
    """With the document; UPDATE_GOLDEN=1 writes it anew."""
    text = f"# {title}\n\n{about}\n[How to read it](../conformance.md). A test writes this file and compares it.\n\n{table}"
    path = TABLES / f"{name}.md"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text, "UPDATE_GOLDEN=1 writes it anew"


def test_keycloak_alone(clients: None, keycloak: Keycloak, gates: Gates) -> None:
    peer = keycloak.peer()
    about = "Keycloak 26.7.5, `cambio conformance` straight at its token endpoint."
    compare("keycloak", "RFC 8693 by Keycloak alone", about, suite(gates, peer, inputs(peer)))


def test_cambio_in_front_of_it(cambio: Gate, gates: Gates) -> None:
    about = (
        "The same Keycloak with Cambio in front of it, asked through Cambio: `dialect: rfc8693`, `issuance: mint`, a "
        "registered client,\nand owners who permit delegation."
    )
    table = suite(gates, cambio.peer, inputs(cambio.peer))
    compare("cambio", "RFC 8693 by Cambio in front of Keycloak", about, table)


def test_cambio_as_keycloak(as_keycloak: Gate, gates: Gates) -> None:
    about = (
        "The same Keycloak with Cambio in front of it, as it is unless told otherwise: `dialect: keycloak` keeps\n"
        "Keycloak's error codes, and `issuance: forward` can't delegate."
    )
    table = suite(gates, as_keycloak.peer, inputs(as_keycloak.peer))
    compare("cambio-as-keycloak", "RFC 8693 by Cambio in Keycloak's dialect", about, table)
