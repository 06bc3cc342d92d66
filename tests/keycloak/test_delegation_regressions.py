"""What went wrong elsewhere when somebody acted for somebody else, thread by thread, in front of a real Keycloak.

Each test is named after its thread; the number alone is one of keycloak/keycloak. Where Keycloak 26.7.5 itself goes
wrong, the test shows that first: so that it says when that has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import foreign
import forgery
import names
import oidc
import pages
import realms
from admin import Admin
from foreign import External, Provider
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from oidc import ACCESS_TOKEN, ID_TOKEN, REFRESH_TOKEN
from peer import Peer, parsed
from realms import EXCHANGE, Client, User
from server import Keycloak

# Users log in at the portal, whose tokens say that the agent may act; at the shop, nothing is said.
PORTAL = Client("portal", "portal-secret-1f0b64aa")
SHOP = Client("shop", "shop-secret-2e1c75bb")
AGENT = Client("agent", "agent-secret-3d2d86cc")
DESK = Client("support-desk", "support-desk-secret-4c3e97dd")
PAYMENTS = Client("payments-api", "payments-api-secret-5b4fa8ee")
VICTIM = User("victim", "victim-password-9a01")
AGENT_BOT = User("agent-bot", "agent-bot-password-8b12")
ROGUE_BOT = User("rogue-bot", "rogue-bot-password-7c23")
SUPPORTER = User("supporter", "supporter-password-6d34")
MANAGER = User("manager", "manager-password-5e45")
LOCKED = User("locked", "locked-password-4f56")
IDS = {
    user: f"5c0ffee0-0000-4000-8000-00000000000{number}"
    for number, user in enumerate((VICTIM, AGENT_BOT, ROGUE_BOT, SUPPORTER, MANAGER, LOCKED))
}
MAY_ACT = {"sub": IDS[AGENT_BOT]}
KEY = forgery.rsa.generate_private_key(public_exponent=65537, key_size=2048)
REALM = "acting"


def realm() -> dict:
    also = [realms.also_for(client.id) for client in (AGENT, DESK, PAYMENTS)]
    clients = [
        realms.confidential(PORTAL, {}, protocolMappers=[*also, realms.hardcoded("may_act", MAY_ACT)]),
        realms.confidential(SHOP, {}, protocolMappers=also),
        realms.confidential(AGENT, EXCHANGE, protocolMappers=also, serviceAccountsEnabled=True),
        realms.confidential(DESK, EXCHANGE, protocolMappers=also),
        realms.confidential(PAYMENTS, {}),
    ]
    users = [{**realms.profile(user), "id": IDS[user]} for user in IDS]
    granted = {
        VICTIM.name: {"clientRoles": {"payments-api": ["payer"]}},
        SUPPORTER.name: {"realmRoles": ["support"]},
        MANAGER.name: {"clientRoles": {"realm-management": ["realm-admin"], "payments-api": ["payer"]}},
        LOCKED.name: {"enabled": False, "clientRoles": {"payments-api": ["payer"]}},
    }
    return {
        **realms.realm(REALM),
        "roles": {
            "realm": [{"name": "support"}],
            "client": {"payments-api": [{"name": "payer"}, {"name": "viewer"}]},
        },
        "clients": clients,
        "users": [{**user, **granted.get(user["username"], {})} for user in users],
    }


@pytest.fixture(scope="module")
def registered(keycloak: Keycloak) -> Client:
    """The realm, and the client by which Cambio sees its users."""
    admin = Admin(keycloak.peer())
    pages.create(admin, realm())
    admin.import_signing_key(REALM, forgery.pem(KEY))
    return admin.service_account(REALM, "cambio-directory", ["view-users", "view-clients"])


@pytest.fixture(scope="module")
def section(registered: Client, gates: Gates, tmp_path_factory) -> dict:
    """What cambio.yaml has for the realm, beside the usual."""
    folder: Path = tmp_path_factory.mktemp("acting")
    secret, ask = folder / "directory.secret", folder / "introspection.secret"
    secret.write_text(registered.secret or "")
    ask.write_text(PAYMENTS.secret or "")
    return {
        "refreshTokens": gates.seal_key(folder / "seal.key"),
        "directory": {"clientId": registered.id, "clientSecretFile": str(secret), "cacheFor": "0s"},
        "introspection": {"clientId": PAYMENTS.id, "clientSecretFile": str(ask)},
        "doors": {"requestedSubject": "judged"},
    }


@pytest.fixture
def make(keycloak: Keycloak, gates: Gates, section: dict) -> Iterator[Callable[..., Gate]]:
    made: list[Gate] = []

    def start(*permissions: dict, **more: object) -> Gate:
        setup = Setup({"payments-api": payments(*permissions, **more)}, realms={REALM: section})
        made.append(gates.start("acting", keycloak.address, setup))
        return made[-1]

    yield start
    for gate in made:
        gate.stop()


def payments(*permissions: dict, **more: object) -> dict:
    return audience("payments-api", *permissions, realm=REALM, **more)


def acting(**more: object) -> dict:
    """The agent may exchange tokens of users for payments-api, with somebody who acts."""
    usual = {"delegation": {"actor": "optional"}, "subjectTokens": ["access_token"], "issuance": "reissue"}
    return permission("agent", **{**usual, **more})


def login(gate: Gate, client: Client, user: User) -> str:
    return pages.token(gate.peer, REALM, client, user)["access_token"]


def straight(keycloak: Keycloak, gate: Gate) -> Peer:
    """Keycloak itself, by the name that its tokens have."""
    return keycloak.peer(gate.authority)


def exchange(peer: Peer, token: str, actor: str | None = None, client: Client = AGENT, **more: str) -> Answer:
    form = {"actor_token": actor, "actor_token_type": ACCESS_TOKEN} if actor else {}
    return oidc.exchange(peer, client, token, "payments-api", realm=REALM, **{**form, **more})


def issued(gate: Gate, answer: Answer) -> dict:
    assert answer.status == 200, f"{answer.text} {gate.audit()[-1]}"
    return oidc.claims_of(parsed(answer)["access_token"])


def refused(gate: Gate, answer: Answer) -> str:
    """Why: our reason, or what Keycloak said of it."""
    assert answer.status >= 400 and not oidc.is_exchange_success(answer), answer.text
    ours = answer.header(names.CORRELATION_ID)
    return (gate.reason_of(answer) if ours else None) or f"Keycloak: {parsed(answer)['error_description']}"


def refresh(gate: Gate, token: str, client: Client = AGENT, peer: Peer | None = None) -> Answer:
    form = [("grant_type", "refresh_token"), *oidc.credentials(client), ("refresh_token", token)]
    return pages.noted((peer or gate.peer).form(oidc.endpoint(REALM), form))


def introspect(peer: Peer, token: str, client: Client = PAYMENTS) -> dict:
    form = [*oidc.credentials(client), ("token", token)]
    return parsed(peer.form(oidc.endpoint(REALM, "token/introspect"), form))


# --- Delegation, and `act`.


def test_keycloak_50690_actor_token_is_not_ignored(keycloak: Keycloak, make) -> None:
    """ "The outcome does not depend on may_act or on actor_token": the four cases of the thread's finding 4."""
    gate = make(acting())
    subject, plain = login(gate, PORTAL, VICTIM), login(gate, SHOP, VICTIM)
    actor, rogue = login(gate, SHOP, AGENT_BOT), login(gate, SHOP, ROGUE_BOT)
    cases = {
        "A: the actor that may_act names": (subject, actor),
        "B: an actor that it does not name": (subject, rogue),
        "C: no actor at all": (subject, None),
        "D: a subject without may_act": (plain, actor),
    }
    direct = straight(keycloak, gate)
    for name, (token, by) in cases.items():
        answer = exchange(direct, token, by)
        assert answer.status == 200, name
        assert "act" not in oidc.claims_of(parsed(answer)["access_token"]), name
    outcome = {name: exchange(gate.peer, *case) for name, case in cases.items()}
    new = issued(gate, outcome["A: the actor that may_act names"])
    assert new["act"]["sub"] == IDS[AGENT_BOT]
    assert refused(gate, outcome["B: an actor that it does not name"]) == "may_act_violated"
    assert refused(gate, outcome["C: no actor at all"]) == "may_act_violated"
    assert refused(gate, outcome["D: a subject without may_act"]) == "actor_not_permitted"


@pytest.mark.parametrize("thread", ["12076", "38279", "spring_security_11265"])
def test_12076_38279_spring_security_11265_the_token_has_the_subject_and_the_actor(make, thread: str) -> None:
    """What the three threads ask for: "the exchanged token contains both `sub` and `act`"."""
    gate = make(acting(issuance="mint" if thread == "38279" else "reissue"))
    subject, actor = login(gate, PORTAL, VICTIM), login(gate, SHOP, AGENT_BOT)
    new = issued(gate, exchange(gate.peer, subject, actor))
    assert (new["sub"], new["act"]["sub"]) == (IDS[VICTIM], IDS[AGENT_BOT])
    assert new["act"].get("client_id") == "shop"
    assert new["preferred_username"] == "victim"
    # The subject's roles, and nobody else's.
    assert new["resource_access"] == {"payments-api": {"roles": ["payer"]}}
    line = gate.audit()[-1]
    assert IDS[AGENT_BOT] in str(line), "the audit line says who acted"


def test_36203_an_actor_token_is_read_and_is_no_client_authentication(keycloak: Keycloak, make) -> None:
    """The thread's request has an actor token in the place of client credentials."""
    gate = make(acting())
    subject, actor = login(gate, PORTAL, VICTIM), login(gate, SHOP, AGENT_BOT)
    form = dict(
        oidc.exchange_form(AGENT, subject, "payments-api", actor_token=actor, actor_token_type=ACCESS_TOKEN)
    )
    bare = [(name, value) for name, value in form.items() if name not in ("client_id", "client_secret")]
    for peer in (straight(keycloak, gate), gate.peer):
        answer = peer.form(oidc.endpoint(REALM), bare)
        assert answer.status in (400, 401) and not oidc.is_exchange_success(answer)
    assert (
        issued(gate, gate.peer.form(oidc.endpoint(REALM), list(form.items())))["act"]["sub"] == IDS[AGENT_BOT]
    )
    wrong = {**form, "client_secret": "wrong"}
    assert gate.peer.form(oidc.endpoint(REALM), list(wrong.items())).status == 401


@pytest.mark.parametrize("lacking", ["actor_token", "actor_token_type"])
def test_36203_actor_token_and_its_type_come_together(make, lacking: str) -> None:
    gate = make(acting())
    subject, actor = login(gate, PORTAL, VICTIM), login(gate, SHOP, AGENT_BOT)
    form = dict(
        oidc.exchange_form(AGENT, subject, "payments-api", actor_token=actor, actor_token_type=ACCESS_TOKEN)
    )
    del form[lacking]
    assert refused(gate, gate.peer.form(oidc.endpoint(REALM), list(form.items()))) in (
        "actor_token_incomplete",
        "may_act_violated",
    )


def test_50690_forward_does_not_pretend(make) -> None:
    """Keycloak would ignore the actor, so a file that says both grants nothing, and forward refuses one."""
    gate = make(permission("agent", issuance="forward"))
    subject, actor = login(gate, SHOP, VICTIM), login(gate, SHOP, AGENT_BOT)
    assert refused(gate, exchange(gate.peer, subject, actor)) is not None
    assert refused(gate, exchange(gate.peer, login(gate, PORTAL, VICTIM))) is not None
    gate = make(acting(issuance="forward"))
    assert refused(gate, exchange(gate.peer, login(gate, PORTAL, VICTIM))) == "audience_misconfigured"


@pytest.mark.parametrize("issuance", ["reissue", "mint"])
def test_52691_provenance_not_syntax(keycloak: Keycloak, make, issuance: str) -> None:
    """Its first bypass: a token with may_act, submitted without actor_token, becomes one without any mark."""
    gate = make(acting(issuance=issuance))
    subject = login(gate, PORTAL, VICTIM)
    clean = exchange(straight(keycloak, gate), subject)
    assert clean.status == 200
    for more in (
        {},
        {"actor_token": ""},
        {"actor_token": "", "actor_token_type": ACCESS_TOKEN},
        {"actor_token_type": ACCESS_TOKEN},
        {"scope": "openid"},
        {"requested_token_type": ACCESS_TOKEN},
    ):
        assert not oidc.is_exchange_success(exchange(gate.peer, subject, **more)), more


def test_52691_a_delegated_token_is_never_washed(keycloak: Keycloak, make) -> None:
    """Its second bypass: exchanged again, the token lost its act, and outlived the permission to delegate."""
    named = acting(issuance="mint", exchangedTokens=True, requestedTokens=["access_token", "id_token"])
    gate = make(named)
    subject, actor = login(gate, PORTAL, VICTIM), login(gate, SHOP, AGENT_BOT)
    first = exchange(gate.peer, subject, actor)
    act = issued(gate, first)["act"]
    token = parsed(first)["access_token"]
    # Keycloak does not know it.
    assert not oidc.is_exchange_success(exchange(straight(keycloak, gate), token))
    # It binds the next exchange as it bound the first: nobody acts twice in one chain, and nobody else may.
    assert refused(gate, exchange(gate.peer, token)) == "may_act_violated"
    assert refused(gate, exchange(gate.peer, token, actor)) == "delegation_cycle"
    assert refused(gate, exchange(gate.peer, token, login(gate, SHOP, ROGUE_BOT))) == "may_act_violated"
    # One whose may_act names the client goes on, with its act, in every type.
    claims = {**oidc.claims_of(subject), "may_act": {"client_id": AGENT.id, **MAY_ACT}}
    both = forgery.sign(claims, KEY, **oidc.header_of(subject))
    token = parsed(exchange(gate.peer, both, actor))["access_token"]
    for more in ({}, {"requested_token_type": ID_TOKEN}):
        for _ in range(3):
            again = exchange(gate.peer, token, **more)
            assert issued(gate, again)["act"] == act
    token = parsed(exchange(gate.peer, token))["access_token"]
    gate.write_audience("payments-api", payments(permission("agent", issuance="mint")))
    assert refused(gate, exchange(gate.peer, token)) is not None
    assert refused(gate, exchange(gate.peer, both, actor)) is not None


def test_53029_introspection_shows_act(make) -> None:
    """ "A resource server relying on introspection cannot obtain the delegated actor identity"."""
    for issuance in ("reissue", "mint"):
        gate = make(acting(issuance=issuance))
        token = parsed(exchange(gate.peer, login(gate, PORTAL, VICTIM), login(gate, SHOP, AGENT_BOT)))[
            "access_token"
        ]
        claims, about = oidc.claims_of(token), introspect(gate.peer, token)
        assert about["active"] is True
        assert (about["act"], about["may_act"], about["sub"]) == (
            claims["act"],
            claims["may_act"],
            claims["sub"],
        )
        assert about["act"]["sub"] == IDS[AGENT_BOT]


def test_12076_a_refresh_has_the_actor_again(make) -> None:
    """And ends with the permission to delegate."""
    kinds = ["access_token", "refresh_token"]
    gate = make(acting(requestedTokens=kinds))
    first = exchange(
        gate.peer,
        login(gate, PORTAL, VICTIM),
        login(gate, SHOP, AGENT_BOT),
        requested_token_type=REFRESH_TOKEN,
    )
    act = issued(gate, first)["act"]
    second = refresh(gate, parsed(first)["refresh_token"])
    assert issued(gate, second)["act"] == act
    gate.write_audience("payments-api", payments(permission("agent", requestedTokens=kinds)))
    assert refused(gate, refresh(gate, parsed(second)["refresh_token"])) is not None


# --- Impersonation: `requested_subject`.


@pytest.fixture
def desk(make) -> Gate:
    """The support desk may become users who are no managers of anything, where a supporter asks."""
    becoming = {
        "who": "has(claims.realm_access) && 'support' in claims.realm_access.roles",
        "whom": "requested.preferred_username != 'rogue-bot'",
    }
    granted = permission("support-desk", impersonation=becoming, issuance="mint")
    return make(granted, roles={"own": True, "source": "directory"})


def become(desk: Gate, whom: str, token: str | None = None, **more: str) -> Answer:
    by = token or login(desk, SHOP, SUPPORTER)
    return exchange(desk.peer, by, client=DESK, requested_subject=whom, **more)


@pytest.mark.parametrize("whom", [VICTIM.name, IDS[VICTIM]], ids=["by name", "by id"])
def test_38336_16941_12438_38184_a_token_can_be_had_for_another_user(
    keycloak: Keycloak, desk: Gate, whom: str
) -> None:
    """Keycloak's way needs its first version and fine-grained permissions, and says only "not allowed"."""
    supporter = login(desk, SHOP, SUPPORTER)
    bare = exchange(straight(keycloak, desk), supporter, client=DESK, requested_subject=whom)
    assert pages.told(bare) == (403, "access_denied", "Client not allowed to exchange")
    answer = become(desk, whom)
    new = issued(desk, answer)
    assert (new["sub"], new["preferred_username"]) == (IDS[VICTIM], VICTIM.name)
    assert new["resource_access"] == {"payments-api": {"roles": ["payer"]}}
    assert oidc.realm_roles(parsed(answer)["access_token"]) == set()
    assert new.get("sid") != oidc.claims_of(supporter)["sid"]
    line = desk.line_of(answer)
    assert line.get("impersonation"), line


def test_16294_who_may_become_whom_can_be_said(desk: Gate) -> None:
    """ "You either have access to impersonate all users or you don't"."""
    assert refused(desk, become(desk, ROGUE_BOT.name)) == "impersonation_not_permitted"
    assert (
        refused(desk, become(desk, VICTIM.name, login(desk, SHOP, ROGUE_BOT)))
        == "impersonation_not_permitted"
    )
    assert refused(desk, become(desk, "nobody-of-this-name")) == "impersonation_subject_unknown"
    assert refused(desk, exchange(desk.peer, login(desk, SHOP, SUPPORTER), client=DESK)) is not None
    for line in desk.audit()[-4:-1]:
        assert line.get("impersonation"), "refused ones are told as what they were"


def test_38336_no_administrator_is_impersonated(keycloak: Keycloak, desk: Gate) -> None:
    """Whoever may become an administrator is one."""
    assert refused(desk, become(desk, MANAGER.name)) == "impersonation_protected"
    # Nor one by a composite role of a group.
    admin = Admin(keycloak.peer())
    management = admin.client(REALM, "realm-management")["id"]
    role = admin.read(f"/{REALM}/clients/{management}/roles/manage-users")
    admin.must("POST", f"/{REALM}/roles", {"name": "helper"})
    admin.must("POST", f"/{REALM}/roles/helper/composites", [role])
    admin.must("POST", f"/{REALM}/groups", {"name": "helpers"})
    (group,) = admin.read(f"/{REALM}/groups?search=helpers")
    helper = admin.read(f"/{REALM}/roles/helper")
    admin.must("POST", f"/{REALM}/groups/{group['id']}/role-mappings/realm", [helper])
    membership = f"/{REALM}/users/{IDS[AGENT_BOT]}/groups/{group['id']}"
    issued(desk, become(desk, AGENT_BOT.name))
    admin.must("PUT", membership, {})
    try:
        assert refused(desk, become(desk, AGENT_BOT.name)) == "impersonation_protected"
    finally:
        admin.must("DELETE", membership)


def test_12438_impersonation_needs_a_subject_token(desk: Gate) -> None:
    """Naked impersonation, by the client's word alone, says nothing of who asked."""
    form = dict(oidc.exchange_form(DESK, "x", "payments-api", requested_subject=VICTIM.name))
    for name in ("subject_token", "subject_token_type"):
        del form[name]
    assert refused(desk, desk.peer.form(oidc.endpoint(REALM), list(form.items()))) == "parameter_missing"


def test_38184_no_refresh_token_comes_of_it(desk: Gate) -> None:
    assert refused(desk, become(desk, VICTIM.name, requested_token_type=REFRESH_TOKEN)) is not None


def test_17668_impersonated_token_works_at_userinfo(desk: Gate) -> None:
    """It "works fine with introspect", and failed there."""
    token = parsed(become(desk, VICTIM.name, scope="openid email profile"))["access_token"]
    answer = desk.peer.get(oidc.endpoint(REALM, "userinfo"), oidc.bearer(token))
    assert answer.status == 200, answer.text
    about = parsed(answer)
    assert (about["sub"], about["preferred_username"]) == (IDS[VICTIM], VICTIM.name)
    assert introspect(desk.peer, token)["active"] is True


def test_52691_impersonation_washes_no_delegation(desk: Gate) -> None:
    """A token with act or may_act is that of somebody who acts; as a supporter's it is judged as such."""
    supporter = login(desk, SHOP, SUPPORTER)
    for claim in ({"act": {"sub": IDS[ROGUE_BOT]}}, {"may_act": {"client_id": AGENT.id}}):
        marked = forgery.sign({**oidc.claims_of(supporter), **claim}, KEY, **oidc.header_of(supporter))
        assert refused(desk, become(desk, VICTIM.name, marked)) is not None


# --- Disabled things that still work.


@contextmanager
def disabled(admin: Admin, path: str) -> Iterator[None]:
    """A user, client or identity provider that is disabled for a while."""
    document = admin.read(path)
    admin.must("PUT", path, {**document, "enabled": False})
    try:
        yield
    finally:
        admin.must("PUT", path, {**document, "enabled": True})


def test_cve_2026_1609_disabled_user_is_not_impersonated(desk: Gate) -> None:
    assert refused(desk, become(desk, LOCKED.name)) is not None


WAYS: dict[str, tuple[dict, dict]] = {
    "reissue": ({"issuance": "reissue"}, {}),
    "mint, asking whether the token is active": ({"issuance": "mint", "stillActive": True}, {}),
    "mint, with roles of the directory": (
        {"issuance": "mint"},
        {"roles": {"own": True, "source": "directory"}},
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_cve_2026_1609_disabled_user(admin: Admin, make, way: str) -> None:
    granted, more = WAYS[way]
    gate = make(permission("agent", **granted), **more)
    token = login(gate, SHOP, VICTIM)
    issued(gate, exchange(gate.peer, token))
    with disabled(admin, f"/{REALM}/users/{IDS[VICTIM]}"):
        assert refused(gate, exchange(gate.peer, token)) is not None


def test_cve_2026_1609_disabled_user_through_refresh(admin: Admin, make) -> None:
    gate = make(permission("agent", requestedTokens=["access_token", "refresh_token"]))
    first = exchange(gate.peer, login(gate, SHOP, VICTIM), requested_token_type=REFRESH_TOKEN)
    issued(gate, first)
    with disabled(admin, f"/{REALM}/users/{IDS[VICTIM]}"):
        assert refused(gate, refresh(gate, parsed(first)["refresh_token"])) is not None


def test_cve_2026_1609_disabled_user_by_a_foreign_token(
    keycloak: Keycloak, gates: Gates, admin: Admin, externals: dict[str, External]
) -> None:
    """The thread's own way: the assertion of a foreign issuer for a user who is disabled here."""
    gate = gates.start("translate-disabled", keycloak.address, translating(externals))
    token = externals["partner"].token(gate.peer.issuer("corp"))
    issued(gate, oidc.exchange(gate.peer, realms.FRONT_END, token, "back-end-api"))
    with disabled(admin, f"/corp/users/{admin.user('corp', realms.ALICE.name)['id']}"):
        assert refused(gate, oidc.exchange(gate.peer, realms.FRONT_END, token, "back-end-api")) is not None
    issued(gate, oidc.exchange(gate.peer, realms.FRONT_END, token, "back-end-api"))
    gate.stop()


def translating(externals: dict[str, External]) -> Setup:
    granted = permission("front-end-app", issuers=list(externals), issuance="translate")
    return Setup({"back-end-api": audience("back-end-api", granted)}, externals=list(externals.values()))


def test_cve_2026_1486_disabled_identity_provider(
    keycloak: Keycloak, gates: Gates, admin: Admin, externals: dict[str, External]
) -> None:
    """At Keycloak, while Cambio still trusts it."""
    gate = gates.start("translate-untrusted", keycloak.address, translating(externals))
    token = externals["partner"].token(gate.peer.issuer("corp"))
    issued(gate, oidc.exchange(gate.peer, realms.FRONT_END, token, "back-end-api"))
    with disabled(admin, "/corp/identity-provider/instances/partner"):
        assert refused(gate, oidc.exchange(gate.peer, realms.FRONT_END, token, "back-end-api")) is not None
    gate.stop()


@pytest.mark.parametrize("opaque", [False, True], ids=["JWT", "opaque"])
def test_cve_2026_1486_an_issuer_that_is_taken_out_stops_at_once(
    keycloak: Keycloak,
    gates: Gates,
    provider: Provider,
    externals: dict[str, External],
    tmp_path: Path,
    opaque: bool,
) -> None:
    """For new exchanges, for refreshes, and for tokens that were made of its tokens before."""
    granted = permission(
        "front-end-app",
        issuers=["abroad"],
        issuance="mint",
        exchangedTokens=True,
        requestedTokens=["access_token", "refresh_token"],
    )
    introspection = {**provider.introspection(tmp_path / "abroad.secret"), "cacheFor": "5m"}
    setup = Setup(
        {"back-end-api": audience("back-end-api", granted)},
        realm={"refreshTokens": gates.seal_key(tmp_path / "seal.key")},
        externals=[externals["abroad"]],
        issuers={"abroad": {"introspection": introspection}},
    )
    gate = gates.start("untrusted", keycloak.address, setup)

    def ask(token: str, **more: str) -> Answer:
        return oidc.exchange(gate.peer, realms.FRONT_END, token, "back-end-api", **more)

    client = foreign.OPAQUE_APP if opaque else foreign.ABROAD_APP
    token = provider.login(gate.peer.issuer("corp"), client)["access_token"]
    first = ask(token, requested_token_type=REFRESH_TOKEN)
    issued(gate, first)
    made, renewing = parsed(first)["access_token"], parsed(first)["refresh_token"]
    issued(gate, ask(made))
    form = [("grant_type", "refresh_token"), *oidc.credentials(realms.FRONT_END), ("refresh_token", renewing)]
    # Still known to Cambio, for another realm perhaps, but no issuer of subjects of this one any more.
    gate.reconfigure(realm={**setup.realm, "subjectIssuers": ["corp"]})
    gate.write_audience(
        "back-end-api", audience("back-end-api", permission("front-end-app", issuance="mint"))
    )
    for name, answer in {
        "exchanged": ask(token),
        "exchanged again": ask(made),
        "refreshed": gate.peer.form(oidc.endpoint("corp"), form),
    }.items():
        assert refused(gate, answer) is not None, name
    gate.stop()


def test_cve_2026_93999_disabled_audience_through_refresh(keycloak: Keycloak, admin: Admin, make) -> None:
    """Keycloak refuses an exchange for a disabled audience. It refreshes one that was made before, without the audience
    (before 26.7.5 with it)."""
    gate = make(permission("agent", requestedTokens=["access_token", "refresh_token"]))
    subject, direct = login(gate, SHOP, VICTIM), straight(keycloak, gate)
    bare = exchange(direct, subject, requested_token_type=REFRESH_TOKEN)
    assert bare.status == 200, bare.text
    first = exchange(gate.peer, subject, requested_token_type=REFRESH_TOKEN)
    issued(gate, first)
    with disabled(admin, f"/{REALM}/clients/{admin.client(REALM, PAYMENTS.id)['id']}"):
        assert pages.told(exchange(direct, subject))[1:] == ("invalid_client", "Client disabled")
        renewed = refresh(gate, parsed(bare)["refresh_token"], peer=direct)
        assert oidc.claims_of(parsed(renewed)["access_token"])["aud"] == []
        assert refused(gate, exchange(gate.peer, subject)) is not None
        assert refused(gate, refresh(gate, parsed(first)["refresh_token"])) is not None


def test_cve_2026_93999_an_audience_that_is_taken_out_is_not_refreshed(make) -> None:
    gate = make(permission("agent", requestedTokens=["access_token", "refresh_token"]))
    first = exchange(gate.peer, login(gate, SHOP, VICTIM), requested_token_type=REFRESH_TOKEN)
    issued(gate, first)
    gate.remove_audience("payments-api")
    assert refused(gate, refresh(gate, parsed(first)["refresh_token"])) == "audience_unknown"
