"""The story that Cambio exists for: whose token may be exchanged for which application, and what the new one says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import names
import oidc
from gate import Gate, Gates, Setup, audience, permission
from peer import parsed
from realms import ALICE, BOB, FRONT_END, NARROW, STRANGER, Client, User, default_realm_roles
from server import Keycloak

BACKEND_ONLY = {"back-end-api": {"backend_user"}}


@pytest.fixture
def make(keycloak: Keycloak, gates: Gates) -> Iterator[Callable[..., Gate]]:
    """A gate whose back-end-api file is the test's own."""
    made: list[Gate] = []

    def start(*permissions: dict, realm: dict | None = None, **more: object) -> Gate:
        setup = Setup({"back-end-api": audience("back-end-api", *permissions, **more)}, realm=realm or {})
        made.append(gates.start("story", keycloak.address, setup))
        return made[-1]

    yield start
    for gate in made:
        gate.stop()


def login(gate: Gate, client: Client = FRONT_END, user: User = ALICE) -> str:
    return oidc.login(gate.peer, client, user)["access_token"]


def assert_denied(gate: Gate, client: Client = FRONT_END, user: User = ALICE, **more: str) -> None:
    answer = oidc.exchange(gate.peer, client, login(gate, client, user), "back-end-api", **more)
    status, code, description = names.DENIED
    assert answer.status == status, f"{answer.status} {answer.text}"
    assert (parsed(answer)["error"], parsed(answer)["error_description"]) == (code, description)
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Cache-Control") == "no-store"


def exchanged(gate: Gate, client: Client = FRONT_END, user: User = ALICE, **more: str) -> dict:
    answer = oidc.exchange(gate.peer, client, login(gate, client, user), "back-end-api", **more)
    assert answer.status == 200, f"{answer.status} {answer.text}"
    return parsed(answer)


def test_a_user_made_in_the_ordinary_way_carries_far_more_than_any_audience_should_see(gate: Gate) -> None:
    """Where the story begins: what alice's front-end-app token says, and what Keycloak alone would hand on."""
    token = login(gate)
    assert oidc.client_roles(token)["front-end-app"] == {"frontend_user", "administrator"}
    assert oidc.realm_roles(token) == default_realm_roles("corp") | {"auditor"}


def test_keycloak_alone_lets_every_client_exchange_and_keeps_every_realm_role(direct, gate: Gate) -> None:
    answer = oidc.exchange(direct, STRANGER, login(gate, STRANGER), "back-end-api")
    assert answer.status == 200
    assert oidc.realm_roles(parsed(answer)["access_token"]) == default_realm_roles("corp") | {"auditor"}


def test_refused_without_the_owners_permission_allowed_with_it_refused_after_its_removal(make) -> None:
    gate = make()
    assert_denied(gate)
    gate.write_audience("back-end-api", audience("back-end-api", permission("front-end-app")))
    token = exchanged(gate)["access_token"]
    assert oidc.client_roles(token) == BACKEND_ONLY
    assert oidc.realm_roles(token) == set()
    gate.write_audience("back-end-api", audience("back-end-api"))
    assert_denied(gate)


def test_a_file_with_a_mistake_keeps_the_last_good_policy(make) -> None:
    gate = make(permission("front-end-app"))
    exchanged(gate)
    gate.write_audience(
        "back-end-api", {"audience": "back-end-api", "owner": "x", "realm": "corp", "permissoins": []}
    )
    exchanged(gate)
    assert gate.running


def test_reissue_narrows_to_the_audiences_own_roles(make) -> None:
    gate = make(permission("front-end-app"))
    subject = login(gate)
    answer = oidc.exchange(gate.peer, FRONT_END, subject, "back-end-api")
    issued = parsed(answer)
    token, before = oidc.claims_of(issued["access_token"]), oidc.claims_of(subject)
    assert token["resource_access"] == {"back-end-api": {"roles": ["backend_user"]}}
    assert "realm_access" not in token or token["realm_access"]["roles"] == []
    assert token["aud"] == "back-end-api"
    assert {name: token[name] for name in ("iss", "sub", "azp", "typ")} == {
        "iss": before["iss"], "sub": before["sub"], "azp": "front-end-app", "typ": "Bearer",
    }  # fmt: skip
    assert token["jti"] != before["jti"]
    assert issued["issued_token_type"] == oidc.ACCESS_TOKEN
    assert issued["token_type"] == "Bearer"
    assert "refresh_token" not in issued
    assert 0 < issued["expires_in"] <= 3600
    assert abs(token["exp"] - token["iat"] - issued["expires_in"]) <= 1


def test_reissue_keeps_and_maps_the_roles_that_the_owner_lists(make) -> None:
    roles = {
        "own": True,
        "realm": ["auditor"],
        "map": [
            {"from": "backend_user", "to": "user"},
            {"to": "example-mail", "when": 'claims.email.endsWith("@example.test")'},
            {"to": "never", "when": 'claims.email == "nobody"'},
        ],
    }
    token = exchanged(make(permission("front-end-app"), roles=roles))["access_token"]
    assert oidc.client_roles(token) == {"back-end-api": {"user", "example-mail"}}
    assert oidc.realm_roles(token) == {"auditor"}


def test_reissue_turns_a_realm_role_into_an_own_role(make) -> None:
    roles = {"own": True, "realm": [], "map": [{"from": "realm:auditor", "to": "reader"}]}
    token = exchanged(make(permission("front-end-app"), roles=roles))["access_token"]
    assert oidc.client_roles(token) == {"back-end-api": {"backend_user", "reader"}}
    assert oidc.realm_roles(token) == set()


def test_reissue_narrows_the_scope_to_what_was_asked(make) -> None:
    gate = make(permission("front-end-app"))
    issued = exchanged(gate, scope="email")
    assert issued["scope"].split() == ["email"]
    claims = oidc.claims_of(issued["access_token"])
    assert claims["scope"].split() == ["email"]
    assert claims["email"] == "alice@example.test"


def test_a_token_lives_no_longer_than_the_owner_says(make) -> None:
    issued = exchanged(make(permission("front-end-app"), token={"lifetime": "2m"}))
    claims = oidc.claims_of(issued["access_token"])
    assert claims["exp"] - claims["iat"] <= 120
    assert issued["expires_in"] <= 120


def test_forward_refuses_an_answer_that_says_more_than_the_contract(make) -> None:
    """Keycloak's answer carries realm roles that back-end-api's owner did not list; nobody gets to see it."""
    gate = make(permission("front-end-app"), issuance="forward")
    answer = oidc.exchange(gate.peer, FRONT_END, login(gate), "back-end-api")
    assert 400 <= answer.status < 600, answer.text
    assert not oidc.is_exchange_success(answer)
    (line,) = gate.audit()
    assert line[names.AUDIT_REASON] == "answer_roles"
    assert "default-roles-corp" in str(line), "the role is named, so that somebody can do something about it"


@pytest.mark.parametrize(
    ("client", "user"), [(NARROW, ALICE), (FRONT_END, BOB)], ids=["trimmed client", "trimmed user"]
)
def test_forward_passes_an_answer_that_keeps_the_contract(make, client: Client, user: User) -> None:
    gate = make(permission("front-end-app", "narrow-app"), issuance="forward")
    token = exchanged(gate, client, user)["access_token"]
    assert oidc.client_roles(token) == BACKEND_ONLY
    assert oidc.realm_roles(token) == set()
    kids = [key["kid"] for key in parsed(gate.peer.get(oidc.endpoint("corp", "certs")))["keys"]]
    assert oidc.header_of(token)["kid"] in kids


def test_forward_passes_the_realm_roles_that_the_owner_lists(make) -> None:
    roles = {"own": True, "realm": sorted(default_realm_roles("corp") | {"auditor"}), "map": []}
    token = exchanged(make(permission("front-end-app"), issuance="forward", roles=roles))["access_token"]
    assert oidc.realm_roles(token) == default_realm_roles("corp") | {"auditor"}


NOT_COVERED: list[tuple[str, dict, dict[str, str]]] = [
    ("another client", permission("stranger-app"), {}),
    ("no client", {**permission(), "clients": []}, {}),
    ("a scope beyond it", permission("front-end-app", scopes=["email"]), {"scope": "profile"}),
    ("a condition that does not hold", permission("front-end-app", condition='claims.acr == "7"'), {}),
    ("a condition that fails", permission("front-end-app", condition='claims.nothing.at_all == "7"'), {}),
    ("an expiry in the past", permission("front-end-app", expires="2020-01-01"), {}),
    ("another requested type", permission("front-end-app"), {"requested_token_type": oidc.ID_TOKEN}),
]


@pytest.mark.parametrize(("name", "granted", "more"), NOT_COVERED, ids=[name for name, *_ in NOT_COVERED])
def test_a_permission_covers_only_what_it_says(make, name: str, granted: dict, more: dict[str, str]) -> None:
    # "stranger-app" holds a permission of its own in every row, so that the file is never empty of them.
    gate = make(permission("stranger-app"), *([granted] if granted["clients"] else []))
    answer = oidc.exchange(gate.peer, FRONT_END, login(gate), "back-end-api", **more)
    assert answer.status in (400, 403), f"{answer.status} {answer.text}"
    assert not oidc.is_exchange_success(answer)


def test_a_condition_that_holds_permits(make) -> None:
    gate = make(
        permission(
            "front-end-app",
            condition='claims.email_verified && client == "front-end-app"',
            expires="2099-12-31",
        )
    )
    assert oidc.client_roles(exchanged(gate)["access_token"]) == BACKEND_ONLY


def test_an_id_token_is_issued_where_the_permission_says_so(make) -> None:
    gate = make(permission("front-end-app", requestedTokens=["access_token", "id_token"]))
    answer = oidc.exchange(
        gate.peer, FRONT_END, login(gate), "back-end-api", requested_token_type=oidc.ID_TOKEN
    )
    # Keycloak's ID token names the requesting client, not the audience: whatever comes must not be a wider token.
    if answer.status == 200:
        issued = parsed(answer)
        assert issued["issued_token_type"] == oidc.ID_TOKEN
        assert "resource_access" not in oidc.claims_of(issued["access_token"])
    else:
        assert answer.status in (400, 403, 502), answer.text


def test_a_token_of_another_realm_is_no_subject_token(make) -> None:
    from realms import PARTNER_APP, PETRA

    gate = make(permission("front-end-app"))
    foreign = oidc.login(gate.peer, PARTNER_APP, PETRA, realm="partner")["access_token"]
    answer = oidc.exchange(gate.peer, FRONT_END, foreign, "back-end-api")
    assert (answer.status, parsed(answer)["error"]) == (400, "invalid_request")


def test_a_reissued_token_is_no_way_to_wider_tokens(make) -> None:
    """The narrow token, offered as a subject token again, opens nothing that was shut before."""
    gate = make(permission("front-end-app"))
    narrow = exchanged(gate)["access_token"]
    again = oidc.exchange(gate.peer, FRONT_END, narrow, "other-api")
    assert not oidc.is_exchange_success(again)
    assert oidc.exchange(gate.peer, FRONT_END, narrow).status >= 400
