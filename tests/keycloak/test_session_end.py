"""Tokens that Cambio signed end with their session, in front of a real Keycloak: introspection, userinfo and exchanges
follow Keycloak's own judgement of its own tokens within `directory.sessionCacheFor`."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

import oidc
import realms
import secrecy
from admin import Admin
from differences import told
from gate import Gate, Gates, Setup, audience, permission
from peer import Peer, parsed
from realms import BACK_END, OTHER, Client, User
from server import Keycloak

SECONDS = 1
# Keycloak counts not-before in whole seconds, and a busy machine takes its time.
DEADLINE = SECONDS + 8
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def gate(keycloak: Keycloak, gates: Gates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Whoever logged in at any client gets tokens for back-end-api, and back-end-api exchanges them for other-api."""
    folder = tmp_path_factory.mktemp("session-end")
    seal, secret = folder / "seal.key", folder / "directory.secret"
    subprocess.run([gates.binary, "seal-key", "--out", seal], check=True, timeout=20, capture_output=True)
    client = Admin(keycloak.peer()).service_account("corp", "cambio-sessions", ["view-users", "view-clients"])
    secret.write_text(client.secret or "")
    directory = {"clientId": client.id, "clientSecretFile": str(secret), "sessionCacheFor": f"{SECONDS}s"}
    kinds = ["access_token", "refresh_token"]
    setup = Setup(
        {
            "back-end-api": audience(
                "back-end-api",
                permission("*", requestedTokens=kinds, issuance="reissue", condition="'email' in scopes"),
                permission("*", issuance="mint", condition="!('email' in scopes)"),
            ),
            "other-api": audience("other-api", permission("back-end-api", exchangedTokens=True), issuance="mint"),
        },
        realm={"directory": directory, "refreshTokens": {"keyFiles": [str(seal)]}},
    )
    made = gates.start("session-end", keycloak.address, setup)
    yield made
    made.stop()


@dataclass
class Story:
    """A user, the client where they log in and which exchanges, and what came of it."""

    gate: Gate
    admin: Admin
    client: Client
    user: User
    login: dict
    tokens: dict[str, str]
    keycloaks: str

    @property
    def user_path(self) -> str:
        return f"/corp/users/{self.admin.user('corp', self.user.name)['id']}"

    @property
    def client_path(self) -> str:
        return f"/corp/clients/{self.admin.client('corp', self.client.id)['id']}"

    @property
    def session(self) -> str:
        return oidc.claims_of(self.login["access_token"])["sid"]

    def form(self, endpoint: str, **fields: str) -> None:
        form = [*oidc.credentials(self.client), *fields.items()]
        answer = self.gate.peer.form(oidc.endpoint("corp", endpoint), form)
        assert answer.status in (200, 204), answer.text

    def change(self, path: str, **changes: object) -> None:
        self.admin.must("PUT", path, {**self.admin.read(path), **changes})


def active(peer: Peer, token: str, client: Client = BACK_END) -> bool:
    form = [*oidc.credentials(client), ("token", token)]
    answer = parsed(peer.form(oidc.endpoint("corp", "token/introspect"), form))
    return answer.get("active") is True


def of_use(gate: Gate, token: str) -> list[bool]:
    """Introspection, userinfo, an exchange for another audience."""
    userinfo = gate.peer.get(oidc.endpoint("corp", "userinfo"), oidc.bearer(token)).status == 200
    exchanged = oidc.exchange(gate.peer, BACK_END, token, "other-api").status == 200
    return [active(gate.peer, token), userinfo, exchanged]


@pytest.fixture
def story(gate: Gate, admin: Admin, keycloak: Keycloak) -> Callable[..., Story]:
    def make(scope: str = "openid", realm_roles: tuple[str, ...] = ()) -> Story:
        number = next(NUMBERS)
        client = Client(f"ending-app-{number}", f"ending-app-{number}-secret-71c2")
        user = User(f"ending-user-{number}", f"ending-user-{number}-password-0b9d")
        for value in (client.secret, user.password):
            secrecy.note_value(value or "")
        admin.create_client("corp", realms.confidential(client, realms.EXCHANGE))
        admin._create_user("corp", realms.profile(user), {"back-end-api": ["backend_user"]}, list(realm_roles))
        login = oidc.login(gate.peer, client, user, scope=scope)
        kinds = {
            "reissued": {"scope": "openid email"},
            "with a refresh token": {"scope": "openid email", "requested_token_type": oidc.REFRESH_TOKEN},
            "minted": {"scope": "openid"},
        }
        if "offline_access" in scope:
            # Keycloak would have to begin a new session.
            del kinds["with a refresh token"]
        answers = {
            name: oidc.exchange(gate.peer, client, login["access_token"], "back-end-api", **more)
            for name, more in kinds.items()
        }
        assert all(answer.status == 200 for answer in answers.values()), [told(one) for one in answers.values()]
        tokens = {name: parsed(answer)["access_token"] for name, answer in answers.items()}
        exchanged = oidc.exchange(gate.peer, BACK_END, tokens["reissued"], "other-api")
        assert exchanged.status == 200, f"{told(exchanged)} {gate.audit()[-1]}"
        direct = oidc.exchange(keycloak.peer(gate.authority), client, login["access_token"], "back-end-api")
        made = Story(gate, admin, client, user, login, tokens, parsed(direct)["access_token"])
        for name, token in tokens.items():
            assert of_use(gate, token) == [True] * 3, name
        return made

    return make


def not_before() -> int:
    return int(time.time()) + 1


ENDS: dict[str, Callable[[Story], None]] = {
    "a logout": lambda s: s.form("logout", refresh_token=s.login["refresh_token"]),
    "a revocation of the login's refresh token": lambda s: s.form("revoke", token=s.login["refresh_token"]),
    "a session deleted by the administrator": lambda s: s.admin.must("DELETE", f"/corp/sessions/{s.session}") and None,
    "a user logged out by the administrator": lambda s: s.admin.must("POST", f"{s.user_path}/logout") and None,
    "a user disabled": lambda s: s.change(s.user_path, enabled=False),
    "a user deleted": lambda s: s.admin.must("DELETE", s.user_path) and None,
    "a client disabled": lambda s: s.change(s.client_path, enabled=False),
    "a client deleted": lambda s: s.admin.must("DELETE", s.client_path) and None,
    "a client's not-before": lambda s: s.change(s.client_path, notBefore=not_before()),
    "the realm's not-before": lambda s: s.change("/corp", notBefore=not_before()),
}


@pytest.fixture
def realm_restored(admin: Admin) -> Iterator[None]:
    yield
    admin.must("PUT", "/corp", {**admin.read("/corp"), "notBefore": 0})


def ended(gate: Gate, tokens: dict[str, str]) -> None:
    """Within the stated seconds nothing is of use any more."""
    deadline = time.monotonic() + DEADLINE
    while used := [name for name, token in tokens.items() if any(of_use(gate, token))]:
        assert time.monotonic() < deadline, used
        time.sleep(0.2)


@pytest.mark.parametrize("end", ENDS)
def test_nothing_outlives_its_session(end: str, story, keycloak: Keycloak, gate: Gate, realm_restored) -> None:
    made = story()
    ENDS[end](made)
    ended(gate, made.tokens)
    assert not active(keycloak.peer(gate.authority), made.keycloaks), "Keycloak judges its own token alike"
    assert any(line.get("reason") == "session_ended" for line in gate.audit()), gate.audit()[-1]


def test_another_session_goes_on(story, gate: Gate) -> None:
    one, other = story(), story()
    ENDS["a logout"](one)
    ended(gate, one.tokens)
    for name, token in other.tokens.items():
        assert of_use(gate, token) == [True] * 3, name


def test_an_offline_session_goes_on_until_it_is_revoked(story, gate: Gate, admin: Admin) -> None:
    made = story(scope="openid offline_access", realm_roles=("offline_access",))
    time.sleep(SECONDS + 1)
    for name, token in made.tokens.items():
        assert of_use(gate, token) == [True] * 3, f"{name}: it is in no ordinary session"
    admin.must("DELETE", f"/corp/sessions/{made.session}?isOffline=true")
    ended(gate, made.tokens)


@pytest.mark.parametrize("end", ["a client disabled", "a client deleted", "the realm's not-before"])
def test_a_service_accounts_token_ends_with_its_client(
    end: str, gate: Gate, admin: Admin, keycloak: Keycloak, realm_restored
) -> None:
    number = next(NUMBERS)
    client = Client(f"ending-app-{number}", f"ending-app-{number}-secret-71c2")
    secrecy.note_value(client.secret or "")
    document = realms.confidential(client, realms.EXCHANGE, serviceAccountsEnabled=True)
    admin.create_client("corp", document)
    path = f"/corp/clients/{admin.client('corp', client.id)['id']}"
    account = admin.read(f"{path}/service-account-user")["id"]
    back_end = admin.client("corp", "back-end-api")["id"]
    role = admin.read(f"/corp/clients/{back_end}/roles/backend_user")
    admin.must("POST", f"/corp/users/{account}/role-mappings/clients/{back_end}", [role])
    form = [("grant_type", "client_credentials"), *oidc.credentials(client), ("scope", "openid")]
    own = secrecy.note(parsed(gate.peer.form(oidc.endpoint("corp"), form)))["access_token"]
    assert "sid" not in oidc.claims_of(own)
    tokens = {}
    for name, scope in (("reissued", "openid email"), ("minted", "openid")):
        answer = oidc.exchange(gate.peer, client, own, "back-end-api", scope=scope)
        assert answer.status == 200, f"{name}: {told(answer)} {gate.audit()[-1]}"
        tokens[name] = parsed(answer)["access_token"]
    time.sleep(SECONDS + 1)
    for name, token in tokens.items():
        assert of_use(gate, token) == [True] * 3, name
    story = Story(gate, admin, client, User("", ""), {}, tokens, "")
    ENDS[end](story)
    ended(gate, tokens)


def test_without_an_answer_nothing_is_active(story, keycloak: Keycloak, gate: Gate, admin: Admin) -> None:
    """Cambio's own client at the directory loses its permission to look."""
    made = story()
    sessions = admin.client("corp", "cambio-sessions")["id"]
    admin.must("PUT", f"/corp/clients/{sessions}", {**admin.read(f"/corp/clients/{sessions}"), "enabled": False})
    try:
        ended(gate, made.tokens)
        form = [*oidc.credentials(OTHER), ("token", made.tokens["reissued"])]
        assert gate.peer.form(oidc.endpoint("corp", "token/introspect"), form).status == 503
    finally:
        admin.must("PUT", f"/corp/clients/{sessions}", {**admin.read(f"/corp/clients/{sessions}"), "enabled": True})
    deadline = time.monotonic() + DEADLINE
    while of_use(gate, made.tokens["reissued"]) != [True] * 3:
        assert time.monotonic() < deadline
        time.sleep(0.2)
