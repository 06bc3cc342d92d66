"""ForgeRock AM, "Token Exchange Flows" (forgerock-am-token-exchange): a caller that was written for that page exchanges
through Cambio in front of a real Keycloak. Only the scheme, the port, the secrets and the tokens differ from the page.

What AM's May Act script does, Keycloak's protocol mappers do for logins, and `token.mayAct` for exchanged tokens: tokens of
customerConfidentialClient name the client and the user that may act. Users are known by Keycloak's ids, where the page has
`(usr!ForgerockDemo2)`; one client of the realm has such subjects, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import forgery
import oidc
import pages
import realms
from admin import Admin
from forgery import Genuine
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from oidc import ACCESS_TOKEN, ID_TOKEN
from peer import parsed
from realms import Client, User
from server import Keycloak

HOST = "openam.example.com"
BASE = f"http://{HOST}/openam/oauth2/realms/root/realms/mySubRealm"
CUSTOMER = Client("customerConfidentialClient", "forgerock-9d2b")
SERVICE = Client("serviceConfidentialClient", "forgerock-77e1")
# Another client, whose users' tokens say nothing of who may act; and one whose tokens were delegated already.
SILENT = Client("silentConfidentialClient", "forgerock-c0a4")
DELEGATED = Client("delegatedConfidentialClient", "forgerock-3bb8")
# Known to the realm, but not named in any may_act.
ALIEN = Client("alienConfidentialClient", "forgerock-e85f")
# Its subjects are named as on the page.
NAMED = Client("namedConfidentialClient", "forgerock-1f4e")
DEMO = User("forgerockdemo", "forgerockdemo-password-1c0e")
DEMO2 = User("forgerockdemo2", "forgerockdemo2-password-2d1f")
DEMO3 = User("forgerockdemo3", "forgerockdemo3-password-3e20")
IDS = {
    DEMO: "0d3f5b8e-6f0a-4a52-9d0e-000000000001",
    DEMO2: "0d3f5b8e-6f0a-4a52-9d0e-000000000002",
    DEMO3: "0d3f5b8e-6f0a-4a52-9d0e-000000000003",
}
MAY_ACT = {"client_id": SERVICE.id, "sub": IDS[DEMO2]}
SUBJECT = f"(usr!{DEMO.name})"
LAST = "0d3f5b8e-6f0a-4a52-9d0e-000000000004"
EXAMPLE = Path(__file__).parents[2] / "deploy/examples/forgerock"
KEY = forgery.rsa.generate_private_key(public_exponent=65537, key_size=2048)
INVALID = (400, "invalid_request", "Invalid token exchange.")


def realm() -> dict:
    access_only = [realms.hardcoded("auth_level", 0, "access"), realms.hardcoded("realm", "/mySubRealm")]
    service = realms.also_for(SERVICE.id)
    may_act = realms.hardcoded("may_act", MAY_ACT)
    act = realms.hardcoded("act", {"sub": IDS[DEMO3]})
    clients = [
        realms.confidential(CUSTOMER, {}, protocolMappers=[service, may_act, *access_only, _subname()]),
        realms.confidential(DELEGATED, {}, protocolMappers=[service, may_act, act]),
        realms.confidential(SILENT, {}, protocolMappers=[service]),
        realms.confidential(NAMED, {}, protocolMappers=[service, may_act, realms.hardcoded("sub", SUBJECT)]),
        realms.confidential(SERVICE, realms.EXCHANGE, protocolMappers=[service]),
        realms.confidential(ALIEN, realms.EXCHANGE),
    ]
    users = [{**realms.profile(user), "id": IDS[user]} for user in (DEMO, DEMO2, DEMO3)]
    return {**realms.realm("mySubRealm"), "clients": clients, "users": users}


def _subname() -> dict:
    """Access tokens have it, and ID tokens don't."""
    config = {"user.attribute": "username", "claim.name": "subname", "jsonType.label": "String"}
    return {
        "name": "subname",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-usermodel-attribute-mapper",
        "config": {**config, "access.token.claim": "true", "id.token.claim": "false"},
    }


@pytest.fixture(scope="module")
def registered(keycloak: Keycloak) -> Client:
    """The realm. Gives Cambio's own client there."""
    admin = Admin(keycloak.peer())
    pages.create(admin, realm())
    admin.import_signing_key("mySubRealm", forgery.pem(KEY))
    holders = [client.id for client in (CUSTOMER, SERVICE, SILENT, DELEGATED, NAMED)]
    pages.add_scopes(admin, "mySubRealm", ["read", "write"], *holders)
    pages.add_scopes(admin, "mySubRealm", ["transfer"], SERVICE.id)
    return admin.service_account("mySubRealm", "cambio", ["view-users", "view-clients"])


@pytest.fixture(scope="module")
def make(keycloak: Keycloak, gates: Gates, registered: Client, tmp_path_factory) -> Callable[..., Gate]:
    def start(name: str, *permissions: dict, path: str = "mySubRealm", **more: object) -> Gate:
        folder: Path = tmp_path_factory.mktemp(name)
        secret = folder / "directory.secret"
        secret.write_text(registered.secret or "")
        section = {
            "dialect": "forgerock",
            "pathParameters": {"realm": path},
            "refreshTokens": gates.seal_key(folder / "seal.key"),
            "directory": {"clientId": registered.id, "clientSecretFile": str(secret)},
            # Callers of the page send no proofs with ID tokens.
            "unboundIdTokens": "accept",
            # The audience's file writes it into tokens.
            "identityClaims": ["auth_level"],
        }
        # `Token Exchange Auth Level: 10`.
        token = {"lifetime": "1h", "set": {"auth_level": "has(claims.auth_level) ? claims.auth_level : 10"}}
        document = audience(
            SERVICE.id, *permissions, realm="mySubRealm", **{"issuance": "mint", "token": token, **more}
        )
        setup = Setup({"service": document}, realms={"mySubRealm": section}, public=HOST)
        return gates.start(name, keycloak.address, setup)

    return start


def granted(**more: object) -> dict:
    """serviceConfidentialClient's registration: scopes of its own, exchanges for itself."""
    usual = {
        "scopes": ["read", "write", "transfer", "openid", "email", "profile"],
        "subjectTokens": ["access_token", "id_token"],
        # ID tokens are for the client at which the user logged in.
        "subjectClients": [CUSTOMER.id, SILENT.id, DELEGATED.id, NAMED.id],
        "requestedTokens": ["access_token", "id_token"],
        "delegation": {"actor": "optional"},
        # A mapper of the realm writes act into logins, as Keycloak 26.8 does in sessions of impersonation.
        "impersonationSessions": True,
        # "You can also use exchanged tokens as subject tokens."
        "exchangedTokens": True,
    }
    return permission(
        SERVICE.id, **{name: value for name, value in {**usual, **more}.items() if value is not None}
    )


@pytest.fixture(scope="module")
def am(make: Callable[..., Gate]) -> Iterator[Gate]:
    gate = make("forgerock", granted())
    yield gate
    gate.stop()


def tokens(
    am: Gate, user: User, client: Client = CUSTOMER, scope: str = "read write openid"
) -> dict[str, str]:
    """A user's tokens of a client, by type; without the scope `transfer`, as the page wants it."""
    answer = pages.token(am.peer, "mySubRealm", client, user, scope)
    return {ACCESS_TOKEN: answer["access_token"], ID_TOKEN: answer["id_token"]}


@pytest.fixture
def demo(am: Gate) -> dict[str, str]:
    return tokens(am, DEMO)


@pytest.fixture
def demo2(am: Gate) -> dict[str, str]:
    return tokens(am, DEMO2)


def exchange(
    am: Gate,
    subject: str,
    kind: str = ACCESS_TOKEN,
    wanted: str = ACCESS_TOKEN,
    actor: str | None = None,
    actor_kind: str = ACCESS_TOKEN,
    scope: str | None = "read write transfer",
    client: Client = SERVICE,
    base: str = BASE,
    scopes: str | None = None,
) -> Answer:
    """The page's curl, as it stands there: spaces in `scope` are sent as spaces."""
    acting = [
        "--data", f"actor_token={actor}",
        "--data", f"actor_token_type={actor_kind}",
    ]  # fmt: skip
    return pages.curl(
        am,
        "--request", "POST",
        "--data", f"client_id={client.id}",
        "--data", f"client_secret={client.secret}",
        "--data", "grant_type=urn:ietf:params:oauth:grant-type:token-exchange",
        *(["--data", f"scope={scope}"] if scope else []),
        *(["--data", f"scopes={scopes}"] if scopes else []),
        "--data", f"subject_token={subject}",
        "--data", f"subject_token_type={kind}",
        *(acting if actor else []),
        "--data", f"requested_token_type={wanted}",
        f"{base}/access_token",
    )  # fmt: skip


def introspect(am: Gate, token: str, client: Client = SERVICE, base: str = BASE) -> dict:
    answer = pages.curl(
        am,
        "--request", "POST",
        "--user", f"{client.id}:{client.secret}",
        "--data", f"token={token}",
        f"{base}/introspect",
    )  # fmt: skip
    assert answer.status == 200, answer.text
    return parsed(answer)


def issued(am: Gate, answer: Answer) -> str:
    assert answer.status == 200, f"{answer.text} {am.audit()[-1]}"
    return parsed(answer)["access_token"]


def actors(act: dict | None) -> list[str]:
    """The subjects of a chain, the latest first."""
    chain = []
    while act:
        chain.append(act["sub"])
        act = act.get("act")
    return chain


# --- Before the exchange.


def test_the_subject_tokens_say_who_may_act(am: Gate, demo: dict[str, str]) -> None:
    """The page's step 2: introspect the access token, retrieve the ID token's claims."""
    about = introspect(am, demo[ACCESS_TOKEN])
    assert (about["active"], about["client_id"], about["sub"]) == (True, CUSTOMER.id, IDS[DEMO])
    assert (about["may_act"], about["auth_level"]) == (MAY_ACT, 0)
    identity = oidc.claims_of(demo[ID_TOKEN])
    assert (identity["aud"], identity["sub"], identity["may_act"]) == (CUSTOMER.id, IDS[DEMO], MAY_ACT)


# --- The page's two curls, and the other types.


@pytest.mark.parametrize(
    "base",
    [BASE, BASE.replace("/openam", ""), BASE.replace("/openam", "/am")],
    ids=["/openam", "at the root", "/am"],
)
def test_impersonation(am: Gate, demo: dict[str, str], base: str) -> None:
    """The first curl: an access token for another one, with an additional scope."""
    answer = exchange(am, demo[ACCESS_TOKEN], base=base)
    claims = oidc.claims_of(issued(am, answer))
    body = parsed(answer)
    assert answer.header("Content-Type") == "application/json"
    assert set(body) == {
        "access_token",
        "refresh_token",
        "issued_token_type",
        "scope",
        "token_type",
        "expires_in",
    }
    assert (body["issued_token_type"], body["token_type"]) == (ACCESS_TOKEN, "Bearer")
    assert set(body["scope"].split()) == {"read", "write", "transfer"}
    assert 3500 <= body["expires_in"] <= 3600
    # Not configured here.
    assert body["refresh_token"] is None
    assert "act" not in claims
    assert (claims["sub"], claims["azp"], claims["aud"]) == (IDS[DEMO], SERVICE.id, SERVICE.id)


def test_delegation(am: Gate, demo: dict[str, str], demo2: dict[str, str]) -> None:
    """The second curl: two access tokens for an ID token."""
    answer = exchange(am, demo[ACCESS_TOKEN], wanted=ID_TOKEN, actor=demo2[ACCESS_TOKEN])
    claims = oidc.claims_of(issued(am, answer))
    body = parsed(answer)
    assert set(body) >= {"access_token", "refresh_token", "issued_token_type", "token_type", "expires_in"}
    assert (body["issued_token_type"], body["token_type"]) == (ID_TOKEN, "Bearer")
    assert body["refresh_token"] is None
    assert (claims["sub"], claims["aud"], claims["azp"]) == (IDS[DEMO], SERVICE.id, SERVICE.id)
    assert (claims["act"], claims["may_act"]) == ({"sub": IDS[DEMO2]}, MAY_ACT)


KINDS = pytest.mark.parametrize("kind", [ACCESS_TOKEN, ID_TOKEN], ids=["access", "ID"])
WANTED = pytest.mark.parametrize("wanted", [ACCESS_TOKEN, ID_TOKEN], ids=["to access", "to ID"])
ACTORS = pytest.mark.parametrize(
    "acting", [None, ACCESS_TOKEN, ID_TOKEN], ids=["alone", "access acts", "ID acts"]
)


@KINDS
@WANTED
@ACTORS
def test_every_combination_of_types(
    am: Gate, demo: dict[str, str], demo2: dict[str, str], kind: str, wanted: str, acting: str | None
) -> None:
    actor = demo2[acting] if acting else None
    answer = exchange(am, demo[kind], kind, wanted, actor, acting or ACCESS_TOKEN, scope="read")
    claims = oidc.claims_of(issued(am, answer))
    body = parsed(answer)
    assert (body["issued_token_type"], body["token_type"]) == (wanted, "Bearer")
    assert body["refresh_token"] is None
    before = oidc.claims_of(demo[kind])
    assert (claims["sub"], claims["iss"]) == (before["sub"], before["iss"])
    assert (claims["aud"], claims["azp"], claims["may_act"]) == (SERVICE.id, SERVICE.id, MAY_ACT)
    assert actors(claims.get("act")) == ([IDS[DEMO2]] if actor else [])
    assert claims["typ"] == {ACCESS_TOKEN: "Bearer", ID_TOKEN: "ID"}[wanted]
    if wanted == ACCESS_TOKEN:
        assert claims["scope"] == "read"
        # Copied from an access token; for an ID token the client's own.
        assert claims["auth_level"] == (0 if kind == ACCESS_TOKEN else 10)
        # Only if the subject token had it.
        assert claims.get("subname") == (DEMO.name if kind == ACCESS_TOKEN else None)
    else:
        assert not {"scope", "subname", "user_id", "auth_level"} & set(claims)
        assert claims.get("realm") == "/mySubRealm"


def test_claims_of_an_id_token_go_on_where_they_were(am: Gate, demo: dict[str, str]) -> None:
    told = Genuine(demo[ID_TOKEN], KEY).resigned(nonce="123abc", acr="0")
    claims = oidc.claims_of(issued(am, exchange(am, told, ID_TOKEN, ID_TOKEN)))
    assert (claims.get("nonce"), claims.get("acr")) == ("123abc", "0")
    silent = Genuine(demo[ID_TOKEN], KEY).resigned(nonce=None, acr=None)
    claims = oidc.claims_of(issued(am, exchange(am, silent, ID_TOKEN, ID_TOKEN)))
    assert not {"nonce", "acr"} & set(claims)


def test_the_auth_level_is_copied(am: Gate, demo: dict[str, str]) -> None:
    higher = Genuine(demo[ACCESS_TOKEN], KEY).resigned(auth_level=7)
    assert oidc.claims_of(issued(am, exchange(am, higher)))["auth_level"] == 7


# --- Scope.


def test_scopes_can_be_restricted_and_expanded(am: Gate, demo: dict[str, str]) -> None:
    for scope in ("write", "read", "read write", "transfer", "read write transfer"):
        body = parsed(exchange(am, demo[ACCESS_TOKEN], scope=scope))
        assert set(body["scope"].split()) == set(scope.split())
        assert set(oidc.claims_of(body["access_token"])["scope"].split()) == set(scope.split())


def test_scopes_are_restricted_by_the_parameter_as_printed(am: Gate, demo: dict[str, str]) -> None:
    """`--data "scopes=write"`, alone or beside a `scope` that says no other."""
    for scope in (None, "write"):
        body = parsed(exchange(am, demo[ACCESS_TOKEN], scope=scope, scopes="write"))
        assert (body["scope"], oidc.claims_of(body["access_token"])["scope"]) == ("write", "write")
    differ = exchange(am, demo[ACCESS_TOKEN], scope="read write", scopes="write")
    assert pages.told(differ)[:2] == (400, "invalid_request")
    assert pages.told(exchange(am, demo[ACCESS_TOKEN], scope=None, scopes="read admin"))[0] == 400


def test_the_scope_is_not_required(am: Gate, demo: dict[str, str]) -> None:
    """Nor is `openid` for an ID token."""
    body = parsed(exchange(am, demo[ACCESS_TOKEN], scope=None))
    assert set(body["scope"].split()) <= {"read", "write", "openid", "email", "profile"}
    assert "read" in body["scope"].split()
    assert parsed(exchange(am, demo[ACCESS_TOKEN], wanted=ID_TOKEN, scope=None))["access_token"]


def test_a_scope_that_the_client_is_not_registered_for_is_refused(am: Gate, demo: dict[str, str]) -> None:
    answer = exchange(am, demo[ACCESS_TOKEN], scope="read admin")
    assert pages.told(answer)[0] == 400
    assert am.reason_of(answer) == "scope_not_permitted"


# --- Refresh tokens, if they are configured.


def test_refresh_tokens_where_they_are_configured(make: Callable[..., Gate]) -> None:
    by_exchange = granted(
        subjectTokens=["access_token"],
        requestedTokens=["access_token", "refresh_token"],
        subjectClients=None,
        exchangedTokens=None,
        issuance="reissue",
    )
    am = make("forgerock-refresh", by_exchange, granted(requestedTokens=["id_token"]))
    demo, demo2 = tokens(am, DEMO), tokens(am, DEMO2)
    answer = exchange(am, demo[ACCESS_TOKEN], actor=demo2[ACCESS_TOKEN], scope="read write")
    first = oidc.claims_of(issued(am, answer))
    body = parsed(answer)
    assert body["refresh_token"] and body["issued_token_type"] == ACCESS_TOKEN
    again = pages.curl(
        am, "--data", "grant_type=refresh_token", "--data", f"refresh_token={body['refresh_token']}",
        "--user", f"{SERVICE.id}:{SERVICE.secret}", f"{BASE}/access_token",
    )  # fmt: skip
    second = oidc.claims_of(issued(am, again))
    assert second["act"] == first["act"]
    assert (second["sub"], second["may_act"]) == (IDS[DEMO], MAY_ACT)
    identity = parsed(exchange(am, demo[ACCESS_TOKEN], wanted=ID_TOKEN, scope="read"))
    assert identity["refresh_token"] is None, "never with ID tokens"
    am.stop()


# --- After the exchange: introspection, chains.


def test_introspection_shows_the_delegation(am: Gate, demo: dict[str, str], demo2: dict[str, str]) -> None:
    about = introspect(am, issued(am, exchange(am, demo[ACCESS_TOKEN], actor=demo2[ACCESS_TOKEN])))
    assert (about["active"], about["token_type"], about["client_id"]) == (True, "Bearer", SERVICE.id)
    assert set(about["scope"].split()) == {"read", "transfer", "write"}
    assert (about["sub"], about["iss"]) == (IDS[DEMO], am.issuer("mySubRealm"))
    assert (about["realm"], about["subname"], about["auth_level"]) == ("/mySubRealm", DEMO.name, 0)
    assert about["act"] == {"sub": IDS[DEMO2]}
    assert about["may_act"] == MAY_ACT


def test_introspection_of_an_impersonation_has_no_act(am: Gate, demo: dict[str, str]) -> None:
    about = introspect(am, issued(am, exchange(am, demo[ACCESS_TOKEN])))
    assert (about["active"], about["may_act"], about.get("act")) == (True, MAY_ACT, None)


def test_an_exchanged_token_can_be_exchanged_again(
    am: Gate, demo: dict[str, str], demo2: dict[str, str]
) -> None:
    """Its act stays, whether or not somebody is named again; and it does not get more scope back."""
    first = issued(am, exchange(am, demo[ACCESS_TOKEN], actor=demo2[ACCESS_TOKEN], scope="read"))
    second = issued(am, exchange(am, first, scope=None))
    claims = oidc.claims_of(second)
    assert (claims["sub"], actors(claims["act"])) == (IDS[DEMO], [IDS[DEMO2]])
    assert claims["scope"] == "read"
    assert claims["exp"] <= oidc.claims_of(first)["exp"]
    assert actors(introspect(am, issued(am, exchange(am, second, scope="read")))["act"]) == [IDS[DEMO2]]
    identity = oidc.claims_of(issued(am, exchange(am, second, wanted=ID_TOKEN, scope="read")))
    assert actors(identity["act"]) == [IDS[DEMO2]]


def test_a_delegated_token_as_subject_nests(am: Gate, demo2: dict[str, str]) -> None:
    """The page's last example: `ForgerockDemo2` acts for whom `ForgerockDemo3` acted before."""
    subject = tokens(am, DEMO, DELEGATED)
    for kind in (ACCESS_TOKEN, ID_TOKEN):
        new = issued(am, exchange(am, subject[kind], kind, actor=demo2[ACCESS_TOKEN]))
        chain = [IDS[DEMO2], IDS[DEMO3]]
        assert actors(oidc.claims_of(new)["act"]) == chain
        assert actors(introspect(am, new)["act"]) == chain


def test_two_hops(make: Callable[..., Gate]) -> None:
    """The owner says who may act, where the tokens don't: each hop adds an actor, and takes none away."""
    delegation = {
        "actor": "optional",
        "withoutMayAct": True,
        "condition": f"actor.azp == '{CUSTOMER.id}'",
        "depth": 2,
    }
    am = make("forgerock-chain", granted(delegation=delegation))
    subject = tokens(am, DEMO, SILENT)[ACCESS_TOKEN]
    actor = {user: tokens(am, user)[ACCESS_TOKEN] for user in (DEMO, DEMO2, DEMO3)}
    first = issued(am, exchange(am, subject, actor=actor[DEMO3], scope="read write"))
    assert actors(introspect(am, first)["act"]) == [IDS[DEMO3]]
    second = issued(am, exchange(am, first, actor=actor[DEMO2], scope="read"))
    about = introspect(am, second)
    assert actors(about["act"]) == [IDS[DEMO2], IDS[DEMO3]]
    assert about["act"]["act"]["sub"] == IDS[DEMO3] and "act" not in about["act"]["act"]
    assert (about["sub"], about["scope"], about["client_id"]) == (IDS[DEMO], "read", SERVICE.id)
    assert about["exp"] <= oidc.claims_of(first)["exp"] <= oidc.claims_of(subject)["exp"]
    third = issued(am, exchange(am, second, scope="read"))
    assert actors(introspect(am, third)["act"]) == [IDS[DEMO2], IDS[DEMO3]]
    for name, hop, acting, reason in [
        ("who acted before", second, actor[DEMO3], "delegation_cycle"),
        ("the subject", first, actor[DEMO], "delegation_cycle"),
        ("a client that the owner does not name", first, tokens(am, DEMO2, SILENT)[ACCESS_TOKEN], "actor_not_permitted"),
    ]:  # fmt: skip
        refused = exchange(am, hop, actor=acting, scope="read")
        assert (pages.told(refused), am.reason_of(refused)) == (INVALID, reason), name
    am.stop()


def test_a_chain_is_no_longer_than_the_owner_allows(make: Callable[..., Gate]) -> None:
    delegation = {"actor": "optional", "withoutMayAct": True, "condition": "actor.sub != ''", "depth": 1}
    am = make("forgerock-depth", granted(delegation=delegation))
    first = issued(
        am, exchange(am, tokens(am, DEMO, SILENT)[ACCESS_TOKEN], actor=tokens(am, DEMO3)[ACCESS_TOKEN])
    )
    refused = exchange(am, first, actor=tokens(am, DEMO2)[ACCESS_TOKEN])
    assert (pages.told(refused), am.reason_of(refused)) == (INVALID, "delegation_too_deep")
    am.stop()


def test_a_delegated_token_is_delegated_on(make: Callable[..., Gate]) -> None:
    """Three actors one after the other, each of them named by `may_act` of the token before, as by a May Act script."""
    after = f"{{'{IDS[DEMO2]}': '{IDS[DEMO3]}', '{IDS[DEMO3]}': '{LAST}', '{LAST}': 'nobody'}}"
    rule = f"has(actor.sub) ? {{'client_id': client, 'sub': {after}[actor.sub]}} : claims.may_act"
    am = make("forgerock-on", granted(), token={"lifetime": "1h", "mayAct": rule})
    subject = tokens(am, DEMO)
    actor = {user: tokens(am, user)[ACCESS_TOKEN] for user in (DEMO2, DEMO3)}
    last = Genuine(actor[DEMO2], KEY).resigned(sub=LAST)
    for kind in (ACCESS_TOKEN, ID_TOKEN):
        first = issued(am, exchange(am, subject[kind], kind, actor=actor[DEMO2], scope="read"))
        about = introspect(am, first)
        assert (about["act"], about["may_act"]["sub"]) == ({"sub": IDS[DEMO2]}, IDS[DEMO3])
        early = exchange(am, first, actor=last, scope="read")
        assert (pages.told(early), am.reason_of(early)) == (INVALID, "may_act_violated")
        second = issued(am, exchange(am, first, actor=actor[DEMO3], scope="read"))
        third = oidc.claims_of(issued(am, exchange(am, second, wanted=kind, actor=last, scope="read")))
        assert third["act"] == {"sub": LAST, "act": {"sub": IDS[DEMO3], "act": {"sub": IDS[DEMO2]}}}
        assert (third["sub"], third["may_act"]) == (IDS[DEMO], {"client_id": SERVICE.id, "sub": "nobody"})
    am.stop()


# --- `Invalid token exchange`: may_act.

NULL = object()
BOTH, ACTING = (True, False), (True,)
VIOLATIONS: list[tuple[str, object, tuple[bool, ...]]] = [
    ("another client", {**MAY_ACT, "client_id": ALIEN.id}, BOTH),
    ("another subject", {**MAY_ACT, "sub": IDS[DEMO3]}, ACTING),
    ("a subject of another issuer", {**MAY_ACT, "iss": "https://elsewhere.example.com"}, ACTING),
    ("no client", {"sub": IDS[DEMO2]}, BOTH),
    ("no subject", {"client_id": SERVICE.id}, ACTING),
    ("nobody", {}, BOTH),
    ("a list", [MAY_ACT], BOTH),
    ("a text", SERVICE.id, BOTH),
    ("true", True, BOTH),
    ("null", NULL, BOTH),
    ("a client that is a number", {**MAY_ACT, "client_id": 7}, BOTH),
    ("a client that is a list", {**MAY_ACT, "client_id": [SERVICE.id]}, BOTH),
    ("a client that is null", {**MAY_ACT, "client_id": None}, BOTH),
    ("a subject that is a number", {**MAY_ACT, "sub": 7}, BOTH),
    ("a subject that is a list", {**MAY_ACT, "sub": [IDS[DEMO2]]}, BOTH),
    ("a client in another case", {**MAY_ACT, "client_id": SERVICE.id.lower()}, BOTH),
    ("a member that nobody knows", {**MAY_ACT, "department": "audit"}, BOTH),
]


@pytest.mark.parametrize(("name", "may_act", "ways"), VIOLATIONS, ids=[row[0] for row in VIOLATIONS])
@KINDS
def test_may_act_is_held_to(
    am: Gate, demo: dict[str, str], demo2: dict[str, str], kind: str, name: str, may_act: object, ways: tuple
) -> None:
    claims = {**oidc.claims_of(demo[kind]), "may_act": None if may_act is NULL else may_act}
    header = {**oidc.header_of(demo[kind])}
    subject = forgery.sign(claims, KEY, **header)
    for acting in ways:
        answer = exchange(am, subject, kind, actor=demo2[ACCESS_TOKEN] if acting else None)
        assert pages.told(answer) == INVALID, f"acting: {acting}"
        assert am.reason_of(answer) == "may_act_violated"


def test_without_may_act_nobody_may(am: Gate, demo2: dict[str, str]) -> None:
    silent = tokens(am, DEMO, SILENT)
    for kind in (ACCESS_TOKEN, ID_TOKEN):
        for actor in (None, demo2[ACCESS_TOKEN]):
            answer = exchange(am, silent[kind], kind, actor=actor)
            assert (pages.told(answer), am.reason_of(answer)) == (INVALID, "may_act_violated")


def test_the_client_is_the_one_that_may_act_names(am: Gate, demo: dict[str, str]) -> None:
    assert pages.told(exchange(am, demo[ACCESS_TOKEN], client=ALIEN)) == INVALID


def test_the_actor_is_the_one_that_may_act_names(am: Gate, demo: dict[str, str]) -> None:
    for user in (DEMO3, DEMO):
        answer = exchange(am, demo[ACCESS_TOKEN], actor=tokens(am, user)[ACCESS_TOKEN])
        assert (pages.told(answer), am.reason_of(answer)) == (INVALID, "may_act_violated")


# --- `Invalid token exchange`: the tokens.


def of_the_wrong_type(demo: dict[str, str], demo2: dict[str, str]) -> dict[str, dict]:
    access, identity, acting = demo[ACCESS_TOKEN], demo[ID_TOKEN], demo2[ACCESS_TOKEN]
    expired = {"exp": forgery.now(-60), "iat": forgery.now(-120)}
    strange = forgery.rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "a subject that is no token": {"subject": "HTVnsWhZhmyM13b-fMsbUqowBqQ"},
        "a subject that is expired": {"subject": Genuine(access, KEY).resigned(**expired)},
        "a subject that somebody else signed": {"subject": Genuine(access, strange).resigned()},
        "a subject of another issuer": {"subject": Genuine(access, KEY).resigned(iss="https://elsewhere.example.com")},
        "an access token called an ID token": {"subject": access, "kind": ID_TOKEN},
        "an ID token called an access token": {"subject": identity},
        "a subject of a type that nobody takes": {"subject": access, "kind": oidc.SAML2},
        "a wanted type that nobody makes": {"subject": access, "wanted": oidc.SAML2},
        "an actor that is no token": {"subject": access, "actor": "f08f1fcf-3ecb-4120-820d-fb71e3f51c04"},
        "an actor that is expired": {"subject": access, "actor": Genuine(acting, KEY).resigned(**expired)},
        "an actor that somebody else signed": {"subject": access, "actor": Genuine(acting, strange).resigned()},
        "an actor's access token called an ID token": {"subject": access, "actor": acting, "actor_kind": ID_TOKEN},
        "an actor's ID token called an access token": {"subject": access, "actor": demo2[ID_TOKEN]},
        "an actor of a type that nobody takes": {"subject": access, "actor": acting, "actor_kind": oidc.SAML2},
        "an actor that was delegated itself": {"subject": access, "actor": Genuine(acting, KEY).resigned(act={"sub": IDS[DEMO3]})},
    }  # fmt: skip


@pytest.mark.parametrize("name", of_the_wrong_type(*[{ACCESS_TOKEN: "e30.e30.", ID_TOKEN: "e30.e30."}] * 2))
def test_a_token_that_can_not_be_exchanged(am: Gate, demo: dict, demo2: dict, name: str) -> None:
    answer = exchange(am, **of_the_wrong_type(demo, demo2)[name])
    assert pages.told(answer) == INVALID


# --- The rest of the errors.


def form(token: str, **changed: str | None) -> list[tuple[str, str]]:
    fields = {**dict(oidc.exchange_form(SERVICE, token)), **changed}
    return [(name, value) for name, value in fields.items() if value is not None]


def test_the_subject_token_type_is_required(am: Gate, demo: dict[str, str]) -> None:
    path = "/oauth2/realms/root/realms/mySubRealm/access_token"
    answer = am.peer.form(path, form(demo[ACCESS_TOKEN], subject_token_type=None))
    assert pages.told(answer) == (400, "invalid_request", "Subject token type is required.")
    assert am.peer.form(path, form(demo[ACCESS_TOKEN])).status == 200


@pytest.mark.parametrize("lacking", ["actor_token", "actor_token_type"])
def test_actor_token_and_its_type_come_together(am: Gate, demo: dict[str, str], demo2: dict[str, str], lacking: str) -> None:  # fmt: skip
    acting = {"actor_token": demo2[ACCESS_TOKEN], "actor_token_type": ACCESS_TOKEN, lacking: None}
    answer = am.peer.form(
        "/oauth2/realms/root/realms/mySubRealm/access_token", form(demo[ACCESS_TOKEN], **acting)
    )
    assert pages.told(answer)[:2] == (400, "invalid_request")


def test_another_realm_is_not_here(am: Gate, demo: dict[str, str]) -> None:
    answer = exchange(am, demo[ACCESS_TOKEN], base=BASE.replace("mySubRealm", "otherSubRealm"))
    assert not oidc.is_exchange_success(answer)


def test_a_wrong_secret(am: Gate, demo: dict[str, str]) -> None:
    answer = exchange(am, demo[ACCESS_TOKEN], client=Client(SERVICE.id, "wrong"))
    assert pages.told(answer)[:2] == (401, "invalid_client")


def test_a_client_may_authenticate_by_its_header(am: Gate, demo: dict[str, str]) -> None:
    without = [
        (name, value)
        for name, value in form(demo[ACCESS_TOKEN])
        if name not in ("client_id", "client_secret")
    ]
    path = "/oauth2/realms/root/realms/mySubRealm/access_token"
    assert pages.noted(am.peer.form(path, without, [oidc.basic(SERVICE)])).status == 200


# --- The realm above all realms.


def test_the_root_realm(make: Callable[..., Gate]) -> None:
    """`/oauth2/access_token`, as the page names the endpoint, and the other forms of its path."""
    am = make("forgerock-root", granted(), path="root")
    demo = tokens(am, DEMO)[ACCESS_TOKEN]
    for base in ("", "/openam", "/am"):
        for realm in ("/oauth2", "/oauth2/realms/root"):
            url = f"http://{HOST}{base}{realm}"
            token = issued(am, exchange(am, demo, base=url))
            assert introspect(am, token, base=url)["active"] is True, url
    for path in ("/oauth2/realms/root/realms/root", "/oauth2/", "/oauth2/%2e", "/OAuth2", "/oauth2;x"):
        answer = exchange(am, demo, base=f"http://{HOST}{path}")
        assert (answer.status, am.reason_of(answer)) == (400, "path_not_canonical"), path
    am.stop()


# --- One client does all of the page, with the files of deploy/examples/forgerock.


@pytest.fixture(scope="module")
def example(keycloak: Keycloak, gates: Gates, registered: Client) -> Iterator[Gate]:
    changes = {"https://openam.example.com:8443/realms/mySubRealm": f"http://{HOST}/realms/mySubRealm"}
    files = {"directory.secret": registered.secret or ""}
    gate = gates.start_example(EXAMPLE, keycloak.address, HOST, changes, files)
    yield gate
    gate.stop()


@KINDS
@WANTED
@ACTORS
def test_the_example_does_all_of_the_page(
    example: Gate, kind: str, wanted: str, acting: str | None
) -> None:
    demo, demo2 = tokens(example, DEMO), tokens(example, DEMO2)
    actor = demo2[acting] if acting else None
    answer = exchange(example, demo[kind], kind, wanted, actor, acting or ACCESS_TOKEN)
    claims, body = oidc.claims_of(issued(example, answer)), parsed(answer)
    assert (body["issued_token_type"], body["token_type"]) == (wanted, "Bearer")
    assert set(body["scope"].split()) == {"read", "write", "transfer"}
    assert 3500 <= body["expires_in"] <= 3600
    assert bool(body["refresh_token"]) == (wanted == ACCESS_TOKEN), "never with ID tokens"
    assert (claims["sub"], claims["aud"], claims["may_act"]) == (IDS[DEMO], SERVICE.id, MAY_ACT)
    assert claims.get("act") == ({"sub": IDS[DEMO2]} if actor else None)
    if wanted == ACCESS_TOKEN:
        assert claims["auth_level"] == (0 if kind == ACCESS_TOKEN else 10)
        again = pages.curl(
            example, "--data", "grant_type=refresh_token", "--data", f"refresh_token={body['refresh_token']}",
            "--user", f"{SERVICE.id}:{SERVICE.secret}", f"{BASE}/access_token",
        )  # fmt: skip
        renewed = oidc.claims_of(issued(example, again))
        assert (renewed["sub"], renewed.get("act"), renewed["may_act"]) == (IDS[DEMO], claims.get("act"), MAY_ACT)
        assert (renewed["auth_level"], renewed.get("subname")) == (claims["auth_level"], claims.get("subname"))
        # An exchanged token is a subject token, too; it comes with no refresh token, and lives no longer.
        chained = exchange(example, body["access_token"], scope="read")
        told = oidc.claims_of(issued(example, chained))
        assert (told.get("act"), told["auth_level"]) == (claims.get("act"), claims["auth_level"])
        assert told["exp"] <= claims["exp"] and parsed(chained)["refresh_token"] is None


def test_an_access_token_has_a_life_of_its_own(example: Gate) -> None:
    """The client's, and not that of the ID token that it is made from."""
    demo, demo2 = tokens(example, DEMO), tokens(example, DEMO2)[ACCESS_TOKEN]
    soon = {kind: Genuine(demo[kind], KEY).resigned(exp=forgery.now(60)) for kind in (ACCESS_TOKEN, ID_TOKEN)}
    for kind in (ACCESS_TOKEN, ID_TOKEN):
        body = parsed(exchange(example, soon[kind], kind))
        assert 3500 <= body["expires_in"] <= 3600 and body["refresh_token"], kind
        # Nobody acts longer than the tokens that say so.
        acting = parsed(exchange(example, soon[kind], kind, actor=demo2))
        assert acting["expires_in"] <= 60, kind
    # A token that Cambio signed is not exchanged for a longer life.
    brief = parsed(exchange(example, soon[ID_TOKEN], ID_TOKEN, actor=demo2))["access_token"]
    assert parsed(exchange(example, brief))["expires_in"] <= 60


def test_the_examples_errors(example: Gate) -> None:
    demo = tokens(example, DEMO)[ACCESS_TOKEN]
    assert pages.told(exchange(example, tokens(example, DEMO)[ID_TOKEN])) == INVALID, "an ID token is no access token"
    assert pages.told(exchange(example, demo, client=ALIEN)) == INVALID
    assert pages.told(exchange(example, demo, actor=tokens(example, DEMO3)[ACCESS_TOKEN])) == INVALID
    assert pages.told(exchange(example, tokens(example, DEMO, SILENT)[ACCESS_TOKEN])) == INVALID
    path = "/openam/oauth2/realms/root/realms/mySubRealm/access_token"
    answer = example.peer.form(path, form(demo, subject_token_type=None))
    assert pages.told(answer) == (400, "invalid_request", "Subject token type is required.")


def test_a_session_that_has_ended(example: Gate) -> None:
    """What was exchanged in it is not active any more, and can be neither exchanged nor refreshed."""
    login = pages.token(example.peer, "mySubRealm", CUSTOMER, DEMO, "read write openid")
    body = parsed(exchange(example, login["id_token"], ID_TOKEN))
    assert introspect(example, body["access_token"])["active"] is True
    credentials = [("client_id", CUSTOMER.id), ("client_secret", CUSTOMER.secret or "")]
    out = example.peer.form(
        "/realms/mySubRealm/protocol/openid-connect/logout", [*credentials, ("refresh_token", login["refresh_token"])]
    )
    assert out.status == 204, out.text
    refresh = [("grant_type", "refresh_token"), ("refresh_token", body["refresh_token"])]
    answer = example.peer.form("/openam/oauth2/realms/root/realms/mySubRealm/access_token", refresh, [oidc.basic(SERVICE)])
    assert pages.told(answer)[:2] == (400, "invalid_grant")


# --- Subjects in AM's format.


def test_the_directory_knows_users_by_ams_subjects(make: Callable[..., Gate], demo2: dict[str, str]) -> None:
    """`sub` is `(usr!forgerockdemo)`: roles, sessions and refresh tokens are the user's all the same."""
    directory = granted(requestedTokens=["access_token", "id_token", "refresh_token"])
    am = make("forgerock-named", directory, roles={"source": "directory"})
    demo = tokens(am, DEMO, NAMED)
    for kind in (ACCESS_TOKEN, ID_TOKEN):
        assert oidc.claims_of(demo[kind])["sub"] == SUBJECT
        answer = exchange(am, demo[kind], kind, actor=demo2[ACCESS_TOKEN], scope="read")
        token, body = issued(am, answer), parsed(answer)
        about = introspect(am, token)
        assert (about["active"], about["sub"], about["act"]) == (True, SUBJECT, {"sub": IDS[DEMO2]})
        again = pages.curl(
            am, "--data", "grant_type=refresh_token", "--data", f"refresh_token={body['refresh_token']}",
            "--user", f"{SERVICE.id}:{SERVICE.secret}", f"{BASE}/access_token",
        )  # fmt: skip
        assert oidc.claims_of(issued(am, again))["sub"] == SUBJECT
        assert actors(oidc.claims_of(issued(am, exchange(am, token, scope="read")))["act"]) == [IDS[DEMO2]]
    am.stop()
