"""Identity providers that are not Keycloak, written by others, at the paths that they have when nobody sets any."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric import rsa

import forgery
import http1
import oidc
import secrecy
from peer import Peer, parsed
from process import Program, free_port
from realms import BACK_END, FRONT_END, Client

HERE = Path(__file__).parent
# What callers and the servers themselves know as the issuer's host.
HOST = "provider-sso.example.test"
ALICE = "alice@example.test"
PASSWORD = secrecy.note_value("alice-password-at-another-provider")
# The password as Dex keeps it.
BCRYPT = "$2a$10$vITnPGw68EdtqdxjChwFKu4YGa0HhP/c1Ev3LNZEe0zEqvndTGflS"


@dataclass
class IdentityProvider:
    """One of the servers."""

    folder: Path
    port: int = field(default_factory=free_port)
    _program: Program | None = None

    name = ""
    # The path of the issuer.
    path = ""
    # `realms.*.endpoints`.
    endpoints: dict[str, str] = field(default_factory=dict)
    # The type of the token of a login that is exchanged.
    token_type = oidc.ACCESS_TOKEN
    # How a client is refused because of the introspection endpoint: the status, and a part of the detail. None if it is not.
    distrusted: ClassVar[tuple[int, str] | None] = None

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    @property
    def peer(self) -> Peer:
        return Peer(self.address, HOST)

    @property
    def issuer(self) -> str:
        return self.peer.origin + self.path

    @property
    def discovery(self) -> str:
        return f"{self.path}/.well-known/openid-configuration"

    def argv(self) -> list[str]:
        raise NotImplementedError

    def login_form(self) -> oidc.Form:
        return [
            ("grant_type", "password"), *oidc.credentials(FRONT_END),
            ("username", ALICE), ("password", PASSWORD), ("scope", "openid email"),
        ]  # fmt: skip

    def subject(self, answer: dict) -> str:
        """The token of a login that is exchanged."""
        return answer["access_token"]

    def start(self) -> IdentityProvider:
        self._program = Program(self.argv(), self.folder / f"{self.name}.log", cwd=HERE / "node")
        self._program.wait_until("ready", self._ready, deadline=30)
        return self

    def stop(self) -> None:
        if self._program:
            self._program.stop(deadline=5)

    def write(self, document: dict) -> str:
        # JSON is YAML, too.
        file = self.folder / f"{self.name}.json"
        file.write_text(json.dumps(document))
        return str(file)

    def _ready(self) -> bool:
        try:
            return self.peer.get(self.discovery).status == 200
        except (OSError, http1.NoAnswer):
            return False


class OidcProvider(IdentityProvider):
    """oidc-provider, whose access tokens follow RFC 9068."""

    name = "oidc-provider"

    def argv(self) -> list[str]:
        self.endpoints = {
            "token": "/token", "jwks": "/jwks", "introspection": "/token/introspection",
            "revocation": "/token/revocation", "userinfo": "/me", "endSession": "/session/end",
        }  # fmt: skip
        key = rsa.generate_private_key(65537, 2048)
        document = {
            "issuer": self.issuer,
            "key": forgery.private_jwk(key, "provider-key"),
            "users": {ALICE: {"password": PASSWORD, "claims": {"email": ALICE}}},
            "clients": [_client(FRONT_END), _client(BACK_END)],
        }
        return ["node", "provider.mjs", str(self.port), self.write(document)]

    def login_form(self) -> oidc.Form:
        form = [pair for pair in super().login_form() if pair[0] != "scope"]
        # RFC 8707: for whom the access token is.
        return [*form, ("resource", f"urn:client:{FRONT_END.id}")]


class Dex(IdentityProvider):
    """Dex, whose issuer has a path. Its access tokens look like ID tokens (`at_hash`), so ID tokens are exchanged."""

    name = "dex"
    path = "/dex"
    token_type = oidc.ID_TOKEN
    distrusted = (401, "accepts any secret")

    def argv(self) -> list[str]:
        self.endpoints = {
            "token": "/dex/token", "jwks": "/dex/keys", "introspection": "/dex/token/introspect",
            "userinfo": "/dex/userinfo",
        }  # fmt: skip
        clients = [
            {"id": one.id, "name": one.id, "secret": one.secret, "redirectURIs": [f"https://{one.id}.example.test/cb"]}
            for one in (FRONT_END, BACK_END)
        ]
        document = {
            "issuer": self.issuer,
            "storage": {"type": "memory"},
            "web": {"http": f"127.0.0.1:{self.port}"},
            "oauth2": {"passwordConnector": "local", "skipApprovalScreen": True},
            "enablePasswordDB": True,
            "staticPasswords": [{"email": ALICE, "username": "alice", "userID": "alice", "hash": BCRYPT}],
            "staticClients": clients,
        }
        return [f"{os.environ['GO_PROGRAMS']}/dex", "serve", self.write(document)]

    def subject(self, answer: dict) -> str:
        return answer["id_token"]


class MockServer(IdentityProvider):
    """oauth2-mock-server, which authenticates nobody."""

    name = "oauth2-mock-server"
    distrusted = (503, "answered with status 200")

    def argv(self) -> list[str]:
        self.endpoints = {
            "token": "/token", "jwks": "/jwks", "introspection": "/introspect",
            "revocation": "/revoke", "userinfo": "/userinfo", "endSession": "/endsession",
        }  # fmt: skip
        return ["node", "mock.mjs", str(self.port), self.write({"issuer": self.issuer})]


ALL = [OidcProvider, Dex, MockServer]


def _client(client: Client) -> dict:
    return {
        "client_id": client.id, "client_secret": client.secret, "redirect_uris": [], "response_types": [],
        "grant_types": ["password"], "token_endpoint_auth_method": "client_secret_post",
    }  # fmt: skip


def login(server: IdentityProvider, through: Peer) -> str:
    """Alice's token, by a login at this listener."""
    answer = through.form(server.endpoints["token"], server.login_form())
    assert answer.status == 200, f"{answer.status} {answer.text}"
    return server.subject(secrecy.note(parsed(answer)))
