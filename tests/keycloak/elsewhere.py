"""Servers behind Cambio that exchange tokens and are not Keycloak, below Keycloak's paths or at the root of their host; each
says itself which exchanges it performed."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

import forgery
import http1
import oidc
from peer import Peer, parsed
from process import Program, free_port
from realms import FRONT_END

HERE = Path(__file__).parent
# What callers and the servers themselves know as the issuer's host.
HOST = "elsewhere-sso.example.test"
PROGRAMS = {
    "oidc-provider": ["node", str(HERE / "node" / "exchanger.mjs")],
    "lenient": [sys.executable, str(HERE / "resources" / "lenient.py")],
}


@dataclass
class Elsewhere:
    """One of the servers, with the key that it signs with."""

    name: str
    folder: Path
    # Whether the whole host is the realm, with the endpoints at its root.
    root: bool = False
    port: int = field(default_factory=free_port)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    _program: Program | None = None

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    @property
    def peer(self) -> Peer:
        return Peer(self.address, HOST)

    @property
    def issuer(self) -> str:
        return self.peer.origin if self.root else self.peer.issuer("corp")

    @property
    def token_path(self) -> str:
        return "/token" if self.root else oidc.endpoint("corp")

    @property
    def certs_path(self) -> str:
        return "/jwks" if self.root else oidc.endpoint("corp", "certs")

    def start(self) -> Elsewhere:
        client = {
            "client_id": FRONT_END.id, "client_secret": FRONT_END.secret, "redirect_uris": [], "response_types": [],
            "grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"],
            "token_endpoint_auth_method": "client_secret_post",
        }  # fmt: skip
        document = {
            "issuer": self.issuer,
            "root": self.root,
            "token": self.token_path,
            "certs": self.certs_path,
            "key": forgery.pem(self.key),
            "jwk": forgery.private_jwk(self.key, "key"),
            "clients": [client],
        }
        file = self.folder / f"{self.name}.json"
        file.write_text(json.dumps(document))
        argv = [*PROGRAMS[self.name], str(self.port), str(file)]
        self._program = Program(argv, self.folder / f"{self.name}.log")
        self._program.wait_until("ready", self._ready, deadline=30)
        return self

    def stop(self) -> None:
        if self._program:
            self._program.stop(deadline=5)

    def subject_token(self, **claims: object) -> str:
        """An access token of the issuer's for front-end-app, about alice."""
        now = forgery.now(0)
        own = {
            "iss": self.issuer, "sub": "alice", "azp": FRONT_END.id, "aud": FRONT_END.id, "typ": "Bearer", "jti": "subject",
            "sid": "session", "iat": now, "exp": now + 3600, "scope": "openid email profile", **claims,
        }  # fmt: skip
        return forgery.sign(own, self.key, kid="key")

    def forget(self) -> None:
        assert self.peer.send("DELETE", "/performed").status == 200

    def performed(self) -> list[str]:
        return parsed(self.peer.get("/performed"))["performed"]

    def _ready(self) -> bool:
        try:
            return self.peer.get("/performed").status == 200
        except (OSError, http1.NoAnswer):
            return False
