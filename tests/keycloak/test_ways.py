"""The ways in which Keycloak is run: its path, its names, its proxy headers, TLS, and a name of its own for administrators.

Each way is a server of its own, behind a gate to which a proxy brings callers: TLS ends at the proxy. Cambio asks
Keycloak about everything that it can ask about: keys, introspection (`stillActive`) and the directory.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography import x509

import certificates
import oidc
import realms
import server
from admin import Admin
from gate import Gate, Gates, Setup, audience, permission
from peer import Peer, parsed
from process import free_port
from realms import ALICE, FRONT_END, Client
from server import LENIENT, Keycloak

PUBLIC = "sso.example.test"
ASKER = Client("cambio-asker", "cambio-asker-secret-0a11")


@dataclass(frozen=True)
class Running:
    """A server, a gate in front of it, and the public issuer of corp."""

    keycloak: Keycloak
    gate: Gate
    through: Peer
    issuer: str


def corp() -> dict:
    """Corp with a client that asks about tokens. Alice's tokens name this client, or it would be told nothing."""
    document = realms.corp()
    for client in document["clients"]:
        if client["clientId"] == FRONT_END.id:
            client["protocolMappers"] = [realms.also_for(ASKER.id)]
    document["clients"].append(realms.confidential(ASKER, {}))
    document["users"].append({**realms.profile(ALICE), "clientRoles": {"back-end-api": ["backend_user"]}})
    return document


def audiences() -> dict[str, dict]:
    """One audience for each issuance."""
    usual = {"stillActive": True, "issuers": ["corp"]}
    permitted = permission(FRONT_END.id, **usual)
    own = {"own": True, "realm": ["default-roles-corp", "offline_access", "uma_authorization"]}
    return {
        "back-end-api": audience("back-end-api", permitted),
        "other-api": audience("other-api", permitted, issuance="forward", roles=own),
        "uma-api": audience("uma-api", permitted, issuance="mint", roles={**own, "source": "directory"}),
    }


def start(keycloak: Keycloak, gates: Gates, folder: Path, way: str, upstream: dict) -> Running:
    prefix = "/auth" if way == "auth" else ""
    keycloak.start()
    straight = keycloak.peer(prefix=prefix)
    if way in ("forwarded", "xforwarded", "auth"):
        # What a proxy would say: without it, Keycloak demands TLS or another name.
        straight = replace(straight, added=(("Forwarded", "proto=https"), ("X-Forwarded-Proto", "https")))
    admin = Admin(straight)
    admin.must("POST", "", corp())
    for name in ("other-api", "uma-api"):
        document = {"name": "user", "clientRole": True}
        client = admin.client("corp", name)["id"]
        admin.call("POST", f"/corp/clients/{client}/roles", document)
        role = admin.read(f"/corp/clients/{client}/roles/user")
        user = admin.user("corp", ALICE.name)["id"]
        admin.must("POST", f"/corp/users/{user}/role-mappings/clients/{client}", [role])
    directory = admin.service_account("corp", "cambio-directory", ["view-users", "view-clients"])
    secrets = {}
    for client in (directory, ASKER):
        file = folder / f"{client.id}.secret"
        file.write_text(client.secret or "")
        secrets[client.id] = {"clientId": client.id, "clientSecretFile": str(file)}
    issuer = f"https://{PUBLIC}{prefix}/realms/corp"
    setup = Setup(
        audiences(),
        realms={
            "corp": {
                "issuer": issuer,
                "directory": secrets[directory.id],
                "introspection": secrets[ASKER.id],
            }
        },
        listen={"trustedProxies": ["127.0.0.1/32"]},
        upstream=upstream,
        public=PUBLIC,
    )
    gate = gates.start(f"way-{way}", keycloak.address, setup)
    through = Peer(gate.address, PUBLIC, prefix, (("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", PUBLIC)))
    return Running(keycloak, gate, through, issuer)


def tls_server(folder: Path, run: Path) -> tuple[Keycloak, dict]:
    """Keycloak by HTTPS, which demands a client certificate, as its build says; plain HTTP is for the administrator of the test."""
    authority = certificates.Authority(folder / "ca", "clients")
    cambio = authority.certify("cambio", x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    shown = certificates.self_signed(folder)
    port = free_port()
    keycloak = server.with_options(
        run,
        *LENIENT,
        "--proxy-headers=xforwarded",
        f"--https-port={port}",
        f"--https-certificate-file={shown['certificate']}",
        f"--https-certificate-key-file={shown['key']}",
        f"--truststore-paths={authority.file}",
    )
    upstream = {
        "url": f"https://127.0.0.1:{port}",
        "ca": shown["certificate"],
        "clientCertificate": {"certificate": str(cambio.certificate), "key": str(cambio.key)},
        "certificateForOwnCallsOnly": False,
    }
    return keycloak, upstream


@pytest.fixture(scope="module", params=["forwarded", "xforwarded", "auth", "tls"])
def way(request: pytest.FixtureRequest, gates: Gates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp(f"way-{request.param}")
    run, upstream = folder / "server", {}
    match request.param:
        case "auth":
            # A strict name, a name of its own for administrators, and the path that Keycloak had before 17.
            keycloak = server.below_auth(
                run,
                f"--hostname=https://{PUBLIC}/auth",
                "--hostname-admin=https://admin.example.test/auth",
                "--proxy-headers=xforwarded",
            )
        case "tls":
            keycloak, upstream = tls_server(folder, run)
        case headers:
            keycloak = server.with_options(run, *LENIENT, f"--proxy-headers={headers}")
    running = None
    try:
        running = start(keycloak, gates, folder, request.param, upstream)
        yield running
    finally:
        if running:
            running.gate.stop()
        keycloak.stop()


def test_the_public_documents_name_the_public_address(way: Running) -> None:
    discovery = parsed(way.through.get("/realms/corp/.well-known/openid-configuration"))
    assert discovery["issuer"] == way.issuer
    assert all(discovery[name].startswith(way.issuer) for name in ("token_endpoint", "jwks_uri", "userinfo_endpoint"))
    assert parsed(way.through.get(oidc.endpoint("corp", "certs")))["keys"]


def test_a_login_an_exchange_by_each_issuance_and_what_passes(way: Running) -> None:
    tokens = oidc.login(way.through, FRONT_END, ALICE)
    assert oidc.claims_of(tokens["access_token"])["iss"] == way.issuer
    for target in ("back-end-api", "other-api", "uma-api"):
        answer = oidc.exchange(way.through, FRONT_END, tokens["access_token"], target, scope="email")
        line = way.gate.audit()[-1]
        assert answer.status == 200, f"{target}: {answer.text} {line}"
        claims = oidc.claims_of(parsed(answer)["access_token"])
        assert (claims["iss"], claims["aud"]) == (way.issuer, target)
        assert oidc.client_roles(parsed(answer)["access_token"]).keys() == {target}
    userinfo = way.through.get(oidc.endpoint("corp", "userinfo"), oidc.bearer(tokens["access_token"]))
    assert userinfo.status == 200, userinfo.text
    fields = [("grant_type", "refresh_token"), *oidc.credentials(FRONT_END), ("refresh_token", tokens["refresh_token"])]
    assert way.through.form(oidc.endpoint("corp"), fields).status == 200


def test_an_ended_session_is_noticed_whatever_the_headers(way: Running) -> None:
    tokens = oidc.login(way.through, FRONT_END, ALICE)
    fields = [*oidc.credentials(FRONT_END), ("refresh_token", tokens["refresh_token"])]
    assert way.through.form(oidc.endpoint("corp", "logout"), fields).status == 204
    # mint makes the token alone: only stillActive says that the session has ended.
    answer = oidc.exchange(way.through, FRONT_END, tokens["access_token"], "uma-api")
    assert (answer.status, way.gate.reason_of(answer)) == (400, "subject_token_inactive"), json.dumps(way.gate.audit()[-1])
