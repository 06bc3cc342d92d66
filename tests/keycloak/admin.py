"""Keycloak's admin API, as far as the suite needs it."""

from __future__ import annotations

import json

import realms
from http1 import Answer
from peer import Peer, parsed
from server import BOOTSTRAP_ADMIN


class Admin:
    """A session of the bootstrap administrator with one peer."""

    def __init__(self, peer: Peer):
        self._peer = peer
        user, password = BOOTSTRAP_ADMIN
        answer = peer.form(
            "/realms/master/protocol/openid-connect/token",
            [
                ("grant_type", "password"),
                ("client_id", "admin-cli"),
                ("username", user),
                ("password", password),
            ],
        )
        assert answer.status == 200, answer.text
        self.token = parsed(answer)["access_token"]

    def call(self, method: str, path: str, document: object = None) -> Answer:
        """One call below `/admin/realms`, as it is answered."""
        authorization = [("Authorization", f"Bearer {self.token}")]
        if document is None:
            return self._peer.send(method, f"/admin/realms{path}", authorization)
        return self._peer.json(method, f"/admin/realms{path}", document, authorization)

    def must(self, method: str, path: str, document: object = None) -> Answer:
        answer = self.call(method, path, document)
        assert answer.status in (200, 201, 204), f"{method} {path}: {answer.status} {answer.text}"
        return answer

    def read(self, path: str) -> list | dict:
        return json.loads(self.must("GET", path).body)

    def create_realms(self) -> None:
        """Make both realms, with everybody in them."""
        self.must("POST", "", realms.corp())
        self.must("POST", "", realms.partner())
        for profile, client_roles, realm_roles in realms.ordinary_users():
            self._create_user("corp", profile, client_roles, realm_roles)
        self._trust_partner()

    def client(self, realm: str, client_id: str) -> dict:
        (client,) = self.read(f"/{realm}/clients?clientId={client_id}")
        return client

    def user(self, realm: str, name: str) -> dict:
        (user,) = self.read(f"/{realm}/users?exact=true&username={name}")
        return user

    def forget_exchanges(self, realm: str) -> None:
        self.must("DELETE", f"/{realm}/events")

    def exchanges(self, realm: str) -> list[dict]:
        """The exchanges that Keycloak performed since they were last forgotten, as it recorded them itself."""
        return self.read(f"/{realm}/events?type=TOKEN_EXCHANGE&max=5000")

    def add_signing_key(self, realm: str, priority: int) -> None:
        """Rotate: a new RSA key that signs from now on. The older key stays in the key set."""
        identifier = self.read(f"/{realm}")["id"]
        self.must(
            "POST",
            f"/{realm}/components",
            {
                "name": f"rsa-{priority}",
                "providerId": "rsa-generated",
                "providerType": "org.keycloak.keys.KeyProvider",
                "parentId": identifier,
                "config": {"priority": [str(priority)], "algorithm": ["RS256"], "keySize": ["2048"]},
            },
        )

    def _trust_partner(self) -> None:
        """Corp takes assertions of `partner`, and knows petra there as alice here."""
        port = self._peer.address[1]
        self.must("POST", "/corp/identity-provider/instances", realms.partner_as_identity_provider(port))
        alice, petra = self.user("corp", realms.ALICE.name), self.user("partner", realms.PETRA.name)
        link = {"userId": petra["id"], "userName": petra["username"]}
        self.must("POST", f"/corp/users/{alice['id']}/federated-identity/partner", link)

    def _create_user(
        self, realm: str, profile: dict, client_roles: dict[str, list[str]], realm_roles: list[str]
    ) -> None:
        self.must("POST", f"/{realm}/users", profile)
        user = self.user(realm, profile["username"])["id"]
        for client_id, names in client_roles.items():
            client = self.client(realm, client_id)["id"]
            roles = [self.read(f"/{realm}/clients/{client}/roles/{name}") for name in names]
            self.must("POST", f"/{realm}/users/{user}/role-mappings/clients/{client}", roles)
        if realm_roles:
            roles = [self.read(f"/{realm}/roles/{name}") for name in realm_roles]
            self.must("POST", f"/{realm}/users/{user}/role-mappings/realm", roles)
