"""Foreign issuers whose tokens come to corp: the realm `partner`, and a second server, npm's oidc-provider."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

import forgery
import http1
import oidc
import realms
import secrecy
from admin import Admin
from forgery import Genuine
from peer import Peer, parsed
from process import Program, free_port
from realms import Client, User
from server import Keycloak

NODE = Path(__file__).parent / "node"
ABROAD_APP = Client("abroad-app", "abroad-app-secret-6e3d")
# Its access tokens are opaque.
OPAQUE_APP = Client("opaque-app", "opaque-app-secret-0b7a")
# Cambio itself, at the foreign server: what it introspects opaque tokens with.
CAMBIO_ABROAD = Client("cambio", "cambio-abroad-secret-84c1")
FAY = User("fay", "fay-password-29dd")
FAY_CLAIMS = {"groups": ["approver"], "email": "fay@example.test", "email_verified": True}


@dataclass(frozen=True)
class External:
    """A foreign issuer as a test knows it: what real tokens it gives, and the key that would make false ones."""

    # Its name in Cambio's configuration, and its alias as an identity provider of corp.
    name: str
    url: str
    jwks_url: str
    # A user's subject there, who is linked to alice at corp.
    subject: str
    key: rsa.RSAPrivateKey
    # A real access token for the audience (an issuer of corp).
    token: Callable[[str], str]

    def genuine(self, audience: str) -> Genuine:
        """A real token with the key that signed it, for a test to alter."""
        return Genuine(self.token(audience), self.key)

    def configuration(self, audience: str) -> dict:
        """The issuer's section in cambio.yaml."""
        return {"issuer": {"url": self.url, "audiences": [audience]}, "jwksURL": self.jwks_url}


class Provider:
    """An oidc-provider: JWT access tokens (RFC 9068) and opaque ones, discovery, introspection (RFC 7662)."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        self._folder = folder
        self._port = free_port()
        self._program: Program | None = None
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        for secret in (ABROAD_APP.secret, OPAQUE_APP.secret, CAMBIO_ABROAD.secret, FAY.password):
            secrecy.note_value(secret or "")

    @property
    def peer(self) -> Peer:
        return Peer(("127.0.0.1", self._port), f"127.0.0.1:{self._port}")

    @property
    def issuer(self) -> str:
        return self.peer.origin

    def start(self) -> Provider:
        file = self._folder / "provider.json"
        file.write_text(json.dumps(self._document()))
        argv = ["node", "provider.mjs", str(self._port), str(file)]
        self._program = Program(argv, self._folder / "provider.log", cwd=NODE)
        self._program.wait_until("ready", self._ready, deadline=30)
        return self

    def stop(self) -> None:
        if self._program:
            self._program.stop()
            self._program = None

    def login(self, audience: str, client: Client = ABROAD_APP) -> dict:
        """The token answer for fay. The client decides whether the access token is a JWT or opaque."""
        form = [
            *oidc.password_form(client, FAY),
            ("resource", audience),
        ]
        answer = self.peer.form("/token", [pair for pair in form if pair[0] != "scope"])
        assert answer.status == 200, f"{answer.status} {answer.text}"
        return secrecy.note(parsed(answer))

    def revoke(self, token: str, client: Client) -> None:
        answer = self.peer.form("/token/revocation", [*oidc.credentials(client), ("token", token)])
        assert answer.status == 200, f"{answer.status} {answer.text}"

    def external(self) -> External:
        return External(
            name="abroad",
            url=self.issuer,
            jwks_url=f"{self.issuer}/jwks",
            subject=FAY.name,
            key=self.key,
            token=lambda audience: self.login(audience)["access_token"],
        )

    def introspection(self, secret_file: Path) -> dict:
        """The section by which Cambio asks this server about its opaque tokens."""
        secret_file.write_text(CAMBIO_ABROAD.secret or "")
        return {
            "url": f"{self.issuer}/token/introspection",
            "clientId": CAMBIO_ABROAD.id,
            "clientSecretFile": str(secret_file),
        }

    def _document(self) -> dict:
        key = forgery.private_jwk(self.key, "abroad-key")
        clients = [_client(ABROAD_APP), {**_client(OPAQUE_APP), "opaque": True}, _client(CAMBIO_ABROAD)]
        users = {FAY.name: {"password": FAY.password, "claims": FAY_CLAIMS}}
        return {"key": key, "users": users, "clients": clients}

    def _ready(self) -> bool:
        try:
            return self.peer.get("/.well-known/openid-configuration").status == 200
        except (OSError, http1.NoAnswer):
            return False


def partner(keycloak: Keycloak, admin: Admin) -> External:
    """The realm `partner`, which is foreign to corp although the same server runs it."""
    at_home = keycloak.peer(realms.PARTNER_PUBLIC)
    made: dict[str, Client] = {}

    def token(audience: str) -> str:
        if audience not in made:
            made[audience] = Admin(keycloak.peer()).partner_client(audience)
        return oidc.login(at_home, made[audience], realms.PETRA, realm="partner")["access_token"]

    return External(
        name="partner",
        url=at_home.issuer("partner"),
        jwks_url=f"{keycloak.peer().issuer('partner')}/protocol/openid-connect/certs",
        subject=admin.user("partner", realms.PETRA.name)["id"],
        key=forgery.PARTNER_KEY,
        token=token,
    )


def abroad(provider: Provider, admin: Admin) -> External:
    """The second server, from now on an identity provider of corp at which alice is fay."""
    external = provider.external()
    admin.trust(external.name, external.url, external.jwks_url)
    admin.link(admin.user("corp", realms.ALICE.name)["id"], external.name, external.subject, FAY.name)
    return external


def _client(client: Client) -> dict:
    return {
        "client_id": client.id,
        "client_secret": client.secret,
        "grant_types": ["password"],
        "redirect_uris": [],
        "response_types": [],
        "token_endpoint_auth_method": "client_secret_post"
        if client is not CAMBIO_ABROAD
        else "client_secret_basic",
        "scope": "openid email profile",
    }
