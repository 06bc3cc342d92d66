"""`mint`: Cambio verifies everything by itself and issues; Keycloak is not asked on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import foreign
import forgery
import names
import oidc
import upstreams
from admin import Admin
from differences import told
from foreign import External, Provider
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from peer import parsed
from realms import ALICE, BACK_END, FRONT_END, OTHER, Client, User
from server import Keycloak

# Cambio knows front-end-app by a hash, so that not even its credentials need Keycloak.
REGISTRY = {
    "front-end-app": [{"method": "client_secret", "secretHash": forgery.sha256(FRONT_END.secret or "")}]
}


@pytest.fixture
def make(keycloak: Keycloak, gates: Gates, externals: dict[str, External]) -> Iterator[Callable[..., Gate]]:
    """A gate that mints for back-end-api: corp's own tokens, and those of both foreign issuers."""
    made: list[Gate] = []

    def start(realm: dict | None = None, issuers: dict | None = None, **more: object) -> Gate:
        granted = {"issuers": ["corp", *externals], "subjectTokens": ["access_token", "id_token", "jwt"]}
        granted |= more.pop("permission", {})
        document = audience("back-end-api", permission("front-end-app", **granted), issuance="mint", **more)
        setup = Setup(
            {"back-end-api": document},
            realm={"clients": REGISTRY, **(realm or {})},
            externals=list(externals.values()),
            issuers=issuers or {},
        )
        made.append(gates.start("mint", keycloak.address, setup))
        return made[-1]

    yield start
    for gate in made:
        gate.stop()


def login(gate: Gate, user: User = ALICE) -> dict:
    return oidc.login(gate.peer, FRONT_END, user)


def exchange(gate: Gate, token: str, client: Client = FRONT_END, **more: str) -> Answer:
    return oidc.exchange(gate.peer, client, token, "back-end-api", **more)


def minted(gate: Gate, token: str, **more: str) -> dict:
    answer = exchange(gate, token, **more)
    assert answer.status == 200, f"{told(answer)} {gate.audit()[-1]}"
    assert gate.line_of(answer)[names.AUDIT_ISSUANCE] == "mint"
    return parsed(answer)


def claims(gate: Gate, token: str, **more: str) -> dict:
    return oidc.claims_of(minted(gate, token, **more)["access_token"])


def test_an_internal_token_keeps_the_targets_own_roles_and_no_other(make) -> None:
    gate = make()
    subject = login(gate)["access_token"]
    before, token = oidc.claims_of(subject), minted(gate, subject)
    new = oidc.claims_of(token["access_token"])
    assert new["resource_access"] == {"back-end-api": {"roles": ["backend_user"]}}
    assert oidc.realm_roles(token["access_token"]) == set()
    assert (new["iss"], new["sub"], new["aud"]) == (before["iss"], before["sub"], "back-end-api")
    assert (new["azp"], new["typ"], new["preferred_username"]) == ("front-end-app", "Bearer", "alice")
    assert new["jti"] != before["jti"]
    assert new["exp"] <= before["exp"], "it ends with the subject token"


def test_keycloak_is_not_asked_on_the_way(keycloak: Keycloak, gates: Gates) -> None:
    document = audience("back-end-api", permission("front-end-app"), issuance="mint")
    with upstreams.scripted(keycloak.address) as (address, script):
        gate = gates.start(
            "mint-alone", address, Setup({"back-end-api": document}, realm={"clients": REGISTRY})
        )
        token = login(gate)["access_token"]
        minted(gate, token)
        script.asked.clear()
        for _ in range(20):
            minted(gate, token)
        assert not {path: times for path, times in script.asked.items() if not path.endswith("/certs")}
        gate.stop()


def test_it_mints_while_keycloak_is_away(keycloak: Keycloak, make) -> None:
    gate = make()
    token = login(gate)["access_token"]
    minted(gate, token)
    keycloak.suspend()
    try:
        minted(gate, token)
    finally:
        keycloak.resume()


ROLES: list[tuple[str, dict, set[str]]] = [
    ("its own", {"own": True}, {"backend_user"}),
    ("none", {"own": False}, set()),
    ("renamed", {"own": False, "map": [{"from": "backend_user", "to": "reader"}]}, {"reader"}),
    ("of a realm role", {"own": False, "map": [{"from": "realm:auditor", "to": "reader"}]}, {"reader"}),
    ("of another client's", {"own": False, "map": [{"from": "client:front-end-app/administrator", "to": "boss"}]}, {"boss"}),
    ("of a client's that alice has not", {"own": False, "map": [{"from": "client:other-api/nothing", "to": "boss"}]}, set()),
    ("of a scope", {"own": False, "map": [{"from": "scope:email", "to": "mailer"}]}, {"mailer"}),
    ("of a claim", {"own": False, "map": [{"when": 'claims.email == "alice@example.test"', "to": "alice"}]}, {"alice"}),
    ("static", {"own": False, "static": ["user"]}, {"user"}),
    ("by default, with others", {"own": True, "default": ["guest"]}, {"backend_user"}),
    ("by default, without others", {"own": False, "default": ["guest"]}, {"guest"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "roles", "granted"), ROLES, ids=[name for name, *_ in ROLES])
def test_roles(make, name: str, roles: dict, granted: set[str]) -> None:
    gate = make(roles=roles)
    token = minted(gate, login(gate)["access_token"])["access_token"]
    assert oidc.client_roles(token).get("back-end-api", set()) == granted
    assert set(oidc.client_roles(token)) <= {"back-end-api"}


@pytest.mark.parametrize(
    ("output", "nested", "flat"),
    [("keycloak", {"backend_user"}, None), ("claim", set(), ["backend_user"]), ("both", {"backend_user"}, ["backend_user"])],
)  # fmt: skip
def test_the_shape_of_roles(make, output: str, nested: set[str], flat: list[str] | None) -> None:
    named = {} if output == "keycloak" else {"claim": "permissions"}
    gate = make(roles={"own": True, "output": output, **named})
    token = minted(gate, login(gate)["access_token"])["access_token"]
    assert oidc.client_roles(token).get("back-end-api", set()) == nested
    assert oidc.claims_of(token).get("permissions") == flat


def test_roles_from_the_directory(keycloak: Keycloak, make, tmp_path: Path) -> None:
    """As Keycloak holds them now, not as the subject token says."""
    admin = Admin(keycloak.peer())
    secret = tmp_path / "directory.secret"
    client = admin.service_account("corp", "cambio-directory", ["view-users", "view-clients"])
    secret.write_text(client.secret or "")
    directory = {"clientId": client.id, "clientSecretFile": str(secret), "cacheFor": "0s"}
    gate = make(realm={"directory": directory}, roles={"own": True, "source": "directory"})
    token = login(gate)["access_token"]
    alice, back_end = admin.user("corp", ALICE.name)["id"], admin.client("corp", BACK_END.id)["id"]
    role = admin.read(f"/corp/clients/{back_end}/roles/backend_admin")
    path = f"/corp/users/{alice}/role-mappings/clients/{back_end}"
    admin.must("POST", path, [role])
    try:
        assert set(claims(gate, token)["resource_access"]["back-end-api"]["roles"]) == {
            "backend_user",
            "backend_admin",
        }
    finally:
        admin.must("DELETE", path, [role])
    assert claims(gate, token)["resource_access"]["back-end-api"]["roles"] == ["backend_user"]


def test_the_profile_of_rfc_9068(make, external: External) -> None:
    gate = make(token={"lifetime": "1h", "profile": "rfc9068"})
    foreign_token = external.token(gate.peer.issuer("corp"))
    for token in (login(gate)["access_token"], foreign_token):
        new = minted(gate, token)["access_token"]
        assert oidc.header_of(new)["typ"] == "at+jwt"
        body = oidc.claims_of(new)
        assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} <= set(body)
        assert body["client_id"] == "front-end-app"
        assert "typ" not in body


def test_claims_are_kept_set_and_dropped_as_the_owner_says(make, external: External) -> None:
    gate = make(token={"lifetime": "1h", "claims": ["email"], "set": {"tenant": '"abroad-" + claims.email'}})
    body = claims(gate, external.token(gate.peer.issuer("corp")))
    before = oidc.claims_of(external.token(gate.peer.issuer("corp")))
    assert (body["email"], body["tenant"]) == (before["email"], f"abroad-{before['email']}")
    assert "groups" not in body


def test_a_template_that_fails_is_a_refusal(make, external: External) -> None:
    gate = make(token={"lifetime": "1h", "set": {"tenant": '"x-" + claims.nothing'}})
    answer = exchange(gate, external.token(gate.peer.issuer("corp")))
    assert not oidc.is_exchange_success(answer)
    assert gate.reason_of(answer) == "claim_template_failed"


@pytest.mark.parametrize(
    ("subject", "expected"),
    [("qualified", "{name}#{sub}"), ("mapped", "mapped-{sub}"), ("keep", "{sub}")],
)
def test_whom_a_foreign_subject_becomes(make, external: External, subject: str, expected: str) -> None:
    mapped = {"claimMappings": {"username": {"expression": '"mapped-" + claims.sub'}}}
    issuers = {"partner": mapped, "abroad": mapped}
    gate = make(issuers=issuers, token={"lifetime": "1h", "subject": subject})
    body = claims(gate, external.token(gate.peer.issuer("corp")))
    assert body["sub"] == expected.format(name=external.name, sub=external.subject)


def test_a_subject_without_a_mapped_name_is_refused(make, external: External) -> None:
    mapped = {"claimMappings": {"username": {"expression": "claims.nothing"}}}
    issuers = {"partner": mapped, "abroad": mapped}
    gate = make(issuers=issuers, token={"lifetime": "1h", "subject": "mapped"})
    answer = exchange(gate, external.token(gate.peer.issuer("corp")))
    assert not oidc.is_exchange_success(answer)
    assert gate.reason_of(answer) == "subject_mapping_failed"


def test_an_id_token_is_a_subject_token_and_can_be_minted(make) -> None:
    gate = make(
        realm={"unboundIdTokens": "accept"}, permission={"requestedTokens": ["access_token", "id_token"]}
    )
    tokens = login(gate)
    by_id_token = claims(gate, tokens["id_token"], subject_token_type=oidc.ID_TOKEN)
    assert by_id_token["aud"] == "back-end-api"
    answer = minted(gate, tokens["access_token"], requested_token_type=oidc.ID_TOKEN)
    assert (answer["issued_token_type"], answer["token_type"]) == (oidc.ID_TOKEN, "N_A")
    identity = oidc.claims_of(answer["access_token"])
    assert identity["sub"] == oidc.claims_of(tokens["access_token"])["sub"]
    assert "resource_access" not in identity


def test_an_id_token_without_a_proof_gives_no_unbound_access_token(make) -> None:
    gate = make()
    answer = exchange(gate, login(gate)["id_token"], subject_token_type=oidc.ID_TOKEN)
    assert told(answer) == '400 invalid_request "Invalid token"'
    assert gate.reason_of(answer) == "subject_token_bound"


def test_an_access_token_is_no_id_token(make) -> None:
    gate = make()
    answer = exchange(gate, login(gate)["access_token"], subject_token_type=oidc.ID_TOKEN)
    assert not oidc.is_exchange_success(answer)


def test_once_and_no_more(make, external: External) -> None:
    gate = make(permission={"oneTime": True})
    token = external.token(gate.peer.issuer("corp"))
    minted(gate, token)
    again = exchange(gate, token)
    assert told(again) == '400 invalid_request "Invalid token"'
    assert gate.reason_of(again) == "subject_token_used"
    minted(gate, external.token(gate.peer.issuer("corp")))


def test_a_refused_exchange_spends_nothing(make, external: External) -> None:
    gate = make(permission={"oneTime": True, "scopes": ["email"]})
    token = external.token(gate.peer.issuer("corp"))
    assert exchange(gate, token, scope="address").status == 400
    minted(gate, token)


def test_a_session_that_ended_ends_the_exchange_where_the_owner_asks(make, tmp_path: Path) -> None:
    secret = tmp_path / "introspection.secret"
    secret.write_text(OTHER.secret or "")
    # other-api is in alice's tokens' aud, so that Keycloak tells it the truth.
    ask = {"clientId": OTHER.id, "clientSecretFile": str(secret)}
    gate = make(realm={"introspection": ask}, permission={"stillActive": True, "issuers": ["corp"]})
    tokens = login(gate)
    minted(gate, tokens["access_token"])
    out = gate.peer.form(
        oidc.endpoint("corp", "logout"),
        [*oidc.credentials(FRONT_END), ("refresh_token", tokens["refresh_token"])],
    )
    assert out.status == 204
    refused = exchange(gate, tokens["access_token"])
    assert not oidc.is_exchange_success(refused)
    assert gate.reason_of(refused) == "subject_token_inactive"


def test_an_opaque_token_is_what_its_issuer_says(make, provider: Provider, tmp_path: Path) -> None:
    introspection = {**provider.introspection(tmp_path / "abroad.secret"), "cacheFor": "0s"}
    gate = make(issuers={"abroad": {"introspection": introspection}})
    issuer = gate.peer.issuer("corp")
    opaque = provider.login(issuer, foreign.OPAQUE_APP)["access_token"]
    assert "." not in opaque
    assert claims(gate, opaque)["sub"] == f"abroad#{foreign.FAY.name}"
    elsewhere = provider.login("https://elsewhere.test", foreign.OPAQUE_APP)["access_token"]
    assert gate.reason_of(exchange(gate, elsewhere)) == "subject_token_audience"
    provider.revoke(opaque, foreign.OPAQUE_APP)
    assert gate.reason_of(exchange(gate, opaque)) == "subject_token_inactive"
    assert gate.reason_of(exchange(gate, "nobody-made-this")) == "subject_token_inactive"
