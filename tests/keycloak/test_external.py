"""A foreign token becomes an internal one with mapped roles, by `translate` and by `mint`; no forgery does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

import forgery
import names
import oidc
import secrecy
import upstreams
from differences import told
from foreign import External
from forgery import FORGERIES, Forgery
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from peer import parsed
from realms import ALICE, BACK_END, CORP_PUBLIC, FRONT_END, STRANGER, Client
from server import Keycloak
from upstreams import Scripted

INVALID = '400 invalid_request "Invalid token"'
NOT_FOR_US = '403 access_denied "Client is not within the token audience"'
UNAVAILABLE = '503 temporarily_unavailable "The identity provider is not available"'


@dataclass(frozen=True)
class Way:
    """How a foreign token becomes an internal one, and what the new token then says."""

    issuance: str
    roles: set[str]

    def audiences(self, issuers: list[str]) -> dict[str, dict]:
        roles = {
            "own": True,
            "map": [
                {"when": "'approver' in claims.groups", "to": "approver", "issuers": issuers},
                {"when": "'payer' in claims.groups", "to": "payer", "issuers": issuers},
            ],
            "static": ["user"],
        }
        kinds = ["access_token", "jwt"]
        granted = permission("front-end-app", issuers=issuers, issuance=self.issuance, subjectTokens=kinds)
        return {"back-end-api": audience("back-end-api", granted, roles=roles)}


WAYS = {
    # Alice's own role at back-end-api comes from Keycloak, which knows whom the foreign subject is linked to.
    "translate": Way("translate", {"backend_user", "approver", "user"}),
    "mint": Way("mint", {"approver", "user"}),
}


@dataclass(frozen=True)
class Bridge:
    """A gate that takes foreign tokens in one of the ways."""

    way: Way
    gate: Gate

    @property
    def issuer(self) -> str:
        return self.gate.peer.issuer("corp")

    def exchange(self, token: str, client: Client = FRONT_END, **more: str) -> Answer:
        return oidc.exchange(self.gate.peer, client, token, "back-end-api", **more)

    def refused(self, answer: Answer) -> str | None:
        assert not oidc.is_exchange_success(answer), answer.text
        return self.gate.reason_of(answer)


@pytest.fixture(scope="module", params=WAYS)
def bridge(
    request: pytest.FixtureRequest, keycloak: Keycloak, gates: Gates, externals: dict[str, External]
) -> Iterator[Bridge]:
    way = WAYS[request.param]
    setup = Setup(
        way.audiences([*externals, "twins"]),
        realm={"doors": {"jwtBearer": "judged"}},
        externals=list(externals.values()),
    )
    # An issuer that publishes two keys with one kid.
    twins = [forgery.public_jwk(key, "twin") for key in (forgery.PARTNER_KEY, externals["abroad"].key)]
    with upstreams.scripted() as (address, script):
        script.answers["/twins"] = Scripted(200, "application/json", json.dumps({"keys": twins}).encode())
        host, port = address
        setup.externals.append(
            External(
                "twins", "https://twins.test", f"http://{host}:{port}/twins", "x", forgery.PARTNER_KEY, str
            )
        )
        gate = gates.start(f"external-{way.issuance}", keycloak.address, setup)
        yield Bridge(way, gate)
        gate.stop()


def assert_internal(bridge: Bridge, external: External, token: str, foreign: str) -> None:
    claims = oidc.claims_of(token)
    assert claims["iss"] == bridge.issuer
    assert claims["aud"] == "back-end-api"
    assert claims["azp"] == "front-end-app"
    assert oidc.client_roles(token) == {"back-end-api": bridge.way.roles}
    assert oidc.realm_roles(token) == set()
    assert claims["jti"] != oidc.claims_of(foreign).get("jti")
    kids = {key["kid"] for key in parsed(bridge.gate.peer.get(oidc.endpoint("corp", "certs")))["keys"]}
    assert oidc.header_of(token)["kid"] in kids
    if bridge.way.issuance == "translate":
        assert claims["preferred_username"] == "alice"
    else:
        assert claims["sub"] == f"{external.name}#{external.subject}"


def test_a_foreign_token_is_exchanged_with_mapped_roles(bridge: Bridge, external: External) -> None:
    foreign = external.token(bridge.issuer)
    answer = bridge.exchange(foreign)
    assert answer.status == 200, f"{told(answer)} {bridge.gate.audit()[-1]}"
    body = parsed(answer)
    assert (body["issued_token_type"], body["token_type"]) == (oidc.ACCESS_TOKEN, "Bearer")
    assert "refresh_token" not in body
    assert_internal(bridge, external, body["access_token"], foreign)
    line = bridge.gate.line_of(answer)
    assert line[names.AUDIT_ISSUANCE] == bridge.way.issuance
    assert line[names.AUDIT_CLIENT] == "front-end-app"


def test_a_type_counts_as_the_owner_says(bridge: Bridge, external: External) -> None:
    foreign = external.token(bridge.issuer)
    answer = bridge.exchange(foreign, subject_token_type=oidc.JWT)
    assert answer.status == 200, f"{told(answer)} {bridge.gate.audit()[-1]}"
    assert_internal(bridge, external, parsed(answer)["access_token"], foreign)
    refused = bridge.exchange(foreign, subject_token_type=oidc.ID_TOKEN)
    # No permission of the realm takes one, so that it need not be looked at.
    assert bridge.refused(refused) == "subject_token_type_unsupported"


def test_the_new_token_outlives_neither_the_owners_limit_nor_the_foreign_token(
    bridge: Bridge, external: External
) -> None:
    soon = external.genuine(bridge.issuer).resigned(exp=forgery.now(120))
    answer = bridge.exchange(soon)
    assert answer.status == 200, f"{told(answer)} {bridge.gate.audit()[-1]}"
    claims = oidc.claims_of(parsed(answer)["access_token"])
    assert claims["exp"] <= oidc.claims_of(soon)["exp"]


@pytest.mark.parametrize("forged", FORGERIES, ids=[forged.name for forged in FORGERIES])
def test_no_forgery_is_exchanged(bridge: Bridge, external: External, forged: Forgery) -> None:
    answer = bridge.exchange(forged.make(external.genuine(bridge.issuer)))
    assert told(answer) == (NOT_FOR_US if forged.reason == "subject_token_audience" else INVALID)
    assert bridge.refused(answer) == forged.reason


def test_an_issuer_with_two_keys_of_one_kid_is_believed_by_neither(
    bridge: Bridge, external: External
) -> None:
    """Whose key verifies would be a matter of luck."""
    claims = {**oidc.claims_of(external.token(bridge.issuer)), "iss": "https://twins.test"}
    for key in (forgery.PARTNER_KEY, external.key):
        answer = bridge.exchange(forgery.sign(claims, key, kid="twin"))
        assert told(answer) == UNAVAILABLE
        assert bridge.refused(answer) == "keys_unusable"


def test_a_foreign_token_brings_no_role_by_itself(bridge: Bridge, external: External) -> None:
    """Its issuer may write Keycloak's claims into it; they are about that issuer's roles, not ours."""
    claims = {
        "realm_access": {"roles": ["auditor"]},
        "resource_access": {"back-end-api": {"roles": ["backend_admin"]}},
        "groups": [],
    }
    answer = bridge.exchange(external.genuine(bridge.issuer).resigned(**claims))
    assert answer.status == 200, f"{told(answer)} {bridge.gate.audit()[-1]}"
    token = parsed(answer)["access_token"]
    assert oidc.client_roles(token) == {"back-end-api": bridge.way.roles - {"approver"}}
    assert oidc.realm_roles(token) == set()


@pytest.mark.parametrize(
    ("name", "client", "more", "reason"),
    [
        ("a client without a permission", STRANGER, {}, "client_not_permitted"),
        ("an audience without a file", FRONT_END, {"audience": "nothing-api"}, "audience_unknown"),
        ("a scope beyond the permission", FRONT_END, {"scope": "address"}, "scope_not_permitted"),
        ("an ID token", FRONT_END, {"requested_token_type": oidc.ID_TOKEN}, "requested_token_type_not_permitted"),
        ("an actor", FRONT_END, {"actor_token": "x", "actor_token_type": oidc.ACCESS_TOKEN}, "actor_token_unsupported"),
    ],
)  # fmt: skip
def test_only_what_the_owner_permits(
    bridge: Bridge, external: External, name: str, client: Client, more: dict[str, str], reason: str
) -> None:
    form = dict(oidc.exchange_form(client, external.token(bridge.issuer), "back-end-api"))
    answer = bridge.gate.peer.form(oidc.endpoint("corp"), list({**form, **more}.items()))
    assert bridge.refused(answer) == reason


@pytest.mark.parametrize("secret", ["wrong-secret", ""])
def test_a_wrong_secret_is_refused(bridge: Bridge, external: External, secret: str) -> None:
    answer = bridge.exchange(external.token(bridge.issuer), replace(FRONT_END, secret=secret))
    assert answer.status == 401, told(answer)
    assert not oidc.is_exchange_success(answer)


def test_the_realms_own_token_needs_a_permission_for_the_realm(bridge: Bridge) -> None:
    token = oidc.login(bridge.gate.peer, FRONT_END, ALICE)["access_token"]
    assert bridge.refused(bridge.exchange(token)) == "issuer_not_permitted"


def test_a_token_for_another_issuer_of_corp_is_not_for_this_one(bridge: Bridge, external: External) -> None:
    elsewhere = external.token(f"http://{CORP_PUBLIC}/realms/corp")
    assert bridge.refused(bridge.exchange(elsewhere)) == "subject_token_audience"


def jwt_bearer(bridge: Bridge, assertion: str, **more: str) -> Answer:
    form = oidc.jwt_bearer_form(FRONT_END, assertion, **more)
    answer = bridge.gate.peer.form(oidc.endpoint("corp"), form)
    if answer.status == 200:
        secrecy.note(parsed(answer))
    return answer


def test_the_jwt_authorization_grant_is_judged_alike(bridge: Bridge, external: External) -> None:
    foreign = external.token(bridge.issuer)
    answer = jwt_bearer(bridge, foreign, audience="back-end-api")
    assert answer.status == 200, f"{told(answer)} {bridge.gate.audit()[-1]}"
    assert_internal(bridge, external, parsed(answer)["access_token"], foreign)
    # RFC 7523 section 4 knows no issued_token_type.
    assert "issued_token_type" not in parsed(answer)
    for more, reason in [({}, "audience_missing"), ({"audience": "other-api"}, "audience_unknown")]:
        assert bridge.refused(jwt_bearer(bridge, foreign, **more)) == reason


@pytest.mark.parametrize("forged", FORGERIES, ids=[forged.name for forged in FORGERIES])
def test_no_forgery_is_an_assertion(bridge: Bridge, external: External, forged: Forgery) -> None:
    forged_token = forged.make(external.genuine(bridge.issuer))
    answer = jwt_bearer(bridge, forged_token, audience="back-end-api")
    assert bridge.refused(answer) == forged.reason


def test_back_end_api_can_introspect_it(bridge: Bridge, external: External) -> None:
    token = parsed(bridge.exchange(external.token(bridge.issuer)))["access_token"]
    form = [*oidc.credentials(BACK_END), ("token", token)]
    answer = parsed(bridge.gate.peer.form(oidc.endpoint("corp", "token/introspect"), form))
    assert answer["active"] is True
    assert answer["resource_access"] == {"back-end-api": {"roles": sorted(bridge.way.roles)}}
    assert answer["client_id"] == "front-end-app"
