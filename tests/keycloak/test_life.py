"""The life of tokens that Cambio signed, in front of a real Keycloak: refresh, logout, introspection, revocation."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import oidc
import secrecy
from differences import told
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from peer import parsed
from realms import ALICE, BACK_END, FRONT_END, OTHER, STRANGER, Client
from server import Keycloak

REFRESHABLE = permission("front-end-app", requestedTokens=["access_token", "refresh_token"])
NOT_ANY_MORE = permission("stranger-app")


@pytest.fixture
def gate(keycloak: Keycloak, gates: Gates, tmp_path: Path) -> Iterator[Gate]:
    """back-end-api's owner lets front-end-app have refresh tokens of reissued tokens."""
    seal = tmp_path / "seal.key"
    subprocess.run([gates.binary, "seal-key", "--out", seal], check=True, timeout=20, capture_output=True)
    document = audience("back-end-api", REFRESHABLE, issuance="reissue")
    made = gates.start(
        "life",
        keycloak.address,
        Setup({"back-end-api": document}, realm={"refreshTokens": {"keyFiles": [str(seal)]}}),
    )
    yield made
    made.stop()


@pytest.fixture
def pair(gate: Gate) -> Callable[[], tuple[dict, dict]]:
    """A login of alice's, and an access and a refresh token for back-end-api that came of it."""

    def make() -> tuple[dict, dict]:
        login = oidc.login(gate.peer, FRONT_END, ALICE)
        answer = oidc.exchange(
            gate.peer, FRONT_END, login["access_token"], "back-end-api", requested_token_type=oidc.REFRESH_TOKEN
        )
        assert answer.status == 200, f"{told(answer)} {gate.audit()[-1]}"
        return login, parsed(answer)

    return make


def refresh(gate: Gate, token: str, client: Client = FRONT_END) -> Answer:
    form = [("grant_type", "refresh_token"), *oidc.credentials(client), ("refresh_token", token)]
    answer = gate.peer.form(oidc.endpoint("corp"), form)
    if answer.status == 200:
        secrecy.note(parsed(answer))
    return answer


def active(gate: Gate, token: str, client: Client = BACK_END) -> bool:
    form = [*oidc.credentials(client), ("token", token)]
    return parsed(gate.peer.form(oidc.endpoint("corp", "token/introspect"), form))["active"]


def test_a_refreshed_token_says_no_more_than_the_first(gate: Gate, pair) -> None:
    """Keycloak's own refresh brings every role back."""
    _, tokens = pair()
    assert tokens["issued_token_type"] == oidc.REFRESH_TOKEN
    assert tokens["refresh_token"].startswith("cambio_rt_"), "Keycloak's never leaves unsealed"
    answer = refresh(gate, tokens["refresh_token"])
    assert answer.status == 200, f"{told(answer)} {gate.audit()[-1]}"
    new = oidc.claims_of(parsed(answer)["access_token"])
    assert new["aud"] == "back-end-api"
    assert new["resource_access"] == {"back-end-api": {"roles": ["backend_user"]}}
    assert oidc.realm_roles(parsed(answer)["access_token"]) == set()
    assert active(gate, parsed(answer)["access_token"])


def test_each_refresh_token_is_good_once_and_a_second_use_ends_the_family(gate: Gate, pair) -> None:
    _, tokens = pair()
    second = parsed(refresh(gate, tokens["refresh_token"]))["refresh_token"]
    assert second != tokens["refresh_token"]
    again = refresh(gate, tokens["refresh_token"])
    assert (again.status, gate.reason_of(again)) == (400, "refresh_token_reused")
    assert refresh(gate, second).status == 400, "the family is revoked"


def test_a_logout_at_keycloak_ends_it_at_the_next_refresh(gate: Gate, pair) -> None:
    login, tokens = pair()
    out = gate.peer.form(
        oidc.endpoint("corp", "logout"),
        [*oidc.credentials(FRONT_END), ("refresh_token", login["refresh_token"])],
    )
    assert out.status == 204
    refused = refresh(gate, tokens["refresh_token"])
    assert told(refused).startswith("400 invalid_grant"), told(refused)
    assert not oidc.is_exchange_success(refused)


def test_a_permission_that_is_gone_ends_it_at_the_next_refresh(gate: Gate, pair) -> None:
    _, tokens = pair()
    gate.write_audience("back-end-api", audience("back-end-api", NOT_ANY_MORE, issuance="reissue"))
    refused = refresh(gate, tokens["refresh_token"])
    assert (refused.status, gate.reason_of(refused)) == (400, "client_not_permitted")


def test_a_refresh_token_is_its_clients(gate: Gate, pair) -> None:
    _, tokens = pair()
    refused = refresh(gate, tokens["refresh_token"], STRANGER)
    assert (refused.status, gate.reason_of(refused)) == (400, "refresh_token_invalid")
    wrong = refresh(gate, tokens["refresh_token"], Client("front-end-app", "wrong"))
    assert wrong.status == 401
    assert refresh(gate, tokens["refresh_token"]).status == 200, "and neither of them spent it"


def test_introspection_is_for_its_audience_with_right_credentials(gate: Gate, pair) -> None:
    _, tokens = pair()
    token = tokens["access_token"]
    assert active(gate, token)
    assert not active(gate, token, OTHER), "not in its aud"
    wrong = gate.peer.form(
        oidc.endpoint("corp", "token/introspect"),
        [*oidc.credentials(Client("back-end-api", "wrong")), ("token", token)],
    )
    assert wrong.status == 401


def test_a_revoked_token_is_inactive_and_the_session_goes_on(gate: Gate, pair) -> None:
    """Keycloak would end the client's part of the session with it."""
    login, tokens = pair()
    form = [*oidc.credentials(FRONT_END), ("token", tokens["access_token"])]
    assert gate.peer.form(oidc.endpoint("corp", "revoke"), form).status == 200
    assert not active(gate, tokens["access_token"])
    assert oidc.exchange(gate.peer, FRONT_END, login["access_token"], "back-end-api").status == 200
    # A token of Keycloak's own is revoked there.
    own = [*oidc.credentials(FRONT_END), ("token", login["access_token"])]
    assert gate.peer.form(oidc.endpoint("corp", "revoke"), own).status == 200
    refused = oidc.exchange(gate.peer, FRONT_END, login["access_token"], "back-end-api")
    assert not oidc.is_exchange_success(refused)


def test_userinfo_wants_the_scope_openid(keycloak: Keycloak, gates: Gates) -> None:
    document = audience(
        "back-end-api", permission("front-end-app", scopes=["openid", "email", "profile"]), issuance="reissue"
    )
    gate = gates.start("life-userinfo", keycloak.address, Setup({"back-end-api": document}))
    token = oidc.login(gate.peer, FRONT_END, ALICE)["access_token"]
    for scope, status in (("email", 403), ("openid email", 200)):
        new = parsed(oidc.exchange(gate.peer, FRONT_END, token, "back-end-api", scope=scope))["access_token"]
        answer = gate.peer.get(oidc.endpoint("corp", "userinfo"), oidc.bearer(new))
        assert answer.status == status, scope
        if status == 200:
            assert parsed(answer)["sub"] == oidc.claims_of(token)["sub"]
            assert parsed(answer)["email"] == oidc.claims_of(token)["email"]
    gate.stop()
