"""Keycloak's admin API, as far as the suite needs it."""

from __future__ import annotations

import json

import forgery
import realms
import secrecy
from http1 import Answer
from peer import Peer, parsed
from server import BOOTSTRAP_ADMIN


class Admin:
    """A session of the bootstrap administrator with one peer."""

    def __init__(self, peer: Peer):
        self._peer = peer
        self.token = self._log_in()

    def _log_in(self) -> str:
        user, password = BOOTSTRAP_ADMIN
        answer = self._peer.form(
            "/realms/master/protocol/openid-connect/token",
            [
                ("grant_type", "password"),
                ("client_id", "admin-cli"),
                ("username", user),
                ("password", password),
            ],
        )
        assert answer.status == 200, answer.text
        return parsed(answer)["access_token"]

    def call(self, method: str, path: str, document: object = None) -> Answer:
        """One call below `/admin/realms`, as it is answered. A token that has expired meanwhile is replaced."""
        answer = self._send(method, path, document)
        if answer.status != 401:
            return answer
        self.token = self._log_in()
        return self._send(method, path, document)

    def _send(self, method: str, path: str, document: object) -> Answer:
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
        self.import_signing_key("partner", forgery.pem(forgery.PARTNER_KEY))
        alice, petra = self.user("corp", realms.ALICE.name), self.user("partner", realms.PETRA.name)
        port = self._peer.address[1]
        self.trust(
            "partner",
            f"http://{realms.PARTNER_PUBLIC}/realms/partner",
            f"http://127.0.0.1:{port}/realms/partner/protocol/openid-connect/certs",
        )
        self.link(alice["id"], "partner", petra["id"], petra["username"])

    def trust(self, alias: str, issuer: str, jwks_url: str) -> None:
        """Corp takes assertions of a foreign issuer."""
        document = realms.identity_provider(alias, issuer, jwks_url)
        self.must("POST", "/corp/identity-provider/instances", document)

    def link(self, user: str, alias: str, subject: str, name: str) -> None:
        """A subject of a foreign issuer is this user at corp."""
        path = f"/corp/users/{user}/federated-identity/{alias}"
        self.must("POST", path, {"userId": subject, "userName": name})

    def allow_assertions(self, client_id: str, aliases: list[str]) -> None:
        """A client of corp may bring assertions of these foreign issuers, too."""
        client = self.client("corp", client_id)
        key = "oauth2.jwt.authorization.grant.idp"
        client["attributes"][key] = "##".join([client["attributes"][key], *aliases])
        self.must("PUT", f"/corp/clients/{client['id']}", client)

    def partner_client(self, audience: str) -> realms.Client:
        """A client of `partner` whose tokens are for this audience alone: an issuer of corp."""
        client = realms.partner_app_for(audience)
        if not self.read(f"/partner/clients?clientId={client.id}"):
            self.create_client("partner", realms.partner_client(client, audience))
        return client

    def create_client(self, realm: str, document: dict) -> None:
        self.must("POST", f"/{realm}/clients", document)

    def service_account(
        self, realm: str, client_id: str, roles: list[str], management: str = "realm-management"
    ) -> realms.Client:
        """A client that acts for itself, with roles of the realm's management."""
        client = realms.Client(client_id, f"{client_id}-secret-3f70")
        secrecy.note_value(client.secret or "")
        self.create_client(realm, realms.for_itself(client))
        user = self.read(f"/{realm}/clients/{self.client(realm, client_id)['id']}/service-account-user")
        managing = self.client(realm, management)["id"]
        granted = [self.read(f"/{realm}/clients/{managing}/roles/{name}") for name in roles]
        self.must("POST", f"/{realm}/users/{user['id']}/role-mappings/clients/{managing}", granted)
        return client

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

    def import_signing_key(self, realm: str, pem: str) -> None:
        """Sign with this RSA key from now on: a test that has it can make false tokens with true signatures."""
        self.add_key(
            realm, "imported", "rsa", {"priority": ["150"], "algorithm": ["RS256"], "privateKey": [pem]}
        )

    def add_signing_key(self, realm: str, priority: int) -> None:
        """Rotate: a new RSA key that signs from now on. The older key stays in the key set."""
        config = {"priority": [str(priority)], "algorithm": ["RS256"], "keySize": ["2048"]}
        self.add_key(realm, f"rsa-{priority}", "rsa-generated", config)

    def add_key(self, realm: str, name: str, provider: str, config: dict[str, list[str]]) -> None:
        document = {
            "name": name,
            "providerId": provider,
            "providerType": "org.keycloak.keys.KeyProvider",
            "parentId": self.read(f"/{realm}")["id"],
            "config": config,
        }
        self.must("POST", f"/{realm}/components", document)

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
