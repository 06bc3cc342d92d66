"""What Keycloak alone makes of DPoP proofs at an exchange, and of client assertions at introspection."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

import forgery
import oidc
import proofs
import realms
import secrecy
from admin import Admin
from differences import told
from foreign import External
from http1 import Answer, Headers
from peer import Peer, parsed
from realms import ALICE, CORP_PUBLIC, FRONT_END
from server import Keycloak

TOKEN = oidc.endpoint("corp")
INTROSPECT = oidc.endpoint("corp", "token/introspect")
URL = f"http://{CORP_PUBLIC}{TOKEN}"
KEY = proofs.new_key()
FAR = forgery.FAR


@pytest.fixture(scope="module")
def corp(keycloak: Keycloak) -> Peer:
    return keycloak.peer(CORP_PUBLIC)


@pytest.fixture(scope="module")
def tokens(corp: Peer) -> dict[str, str]:
    """Alice's token, and one that is bound to KEY."""
    answer = corp.form(TOKEN, oidc.password_form(FRONT_END, ALICE), [proofs.dpop(KEY, URL)])
    bound = secrecy.note(parsed(answer))
    assert bound["token_type"] == "DPoP"
    assert oidc.claims_of(bound["access_token"])["cnf"]["jkt"] == proofs.thumbprint(KEY)
    return {
        "plain": oidc.login(corp, FRONT_END, ALICE)["access_token"],
        "bound": bound["access_token"],
        "refresh": bound["refresh_token"],
    }


def exchange(peer: Peer, token: str, headers: Headers) -> Answer:
    answer = peer.form(TOKEN, oidc.exchange_form(FRONT_END, token, "back-end-api"), headers)
    if answer.status == 200:
        secrecy.note(parsed(answer))
    return answer


@dataclass(frozen=True)
class Proven:
    """An exchange with header lines, and Keycloak's answer; on success, whether the new token is bound to KEY."""

    name: str
    subject: str
    lines: Callable[[], Headers]
    straight: str
    bound: bool = False


PROOFS: list[Proven] = [
    Proven("none", "plain", lambda: [], "200 access_token"),
    Proven("good", "plain", lambda: [proofs.dpop(KEY, URL)], "200 access_token", bound=True),
    Proven("htu with a query", "plain", lambda: [proofs.dpop(KEY, URL + "?a=b")], "200 access_token", bound=True),
    Proven("htu of another", "plain", lambda: [proofs.dpop(KEY, "http://elsewhere.test/")], '400 invalid_request "DPoP HTTP URL mismatch"'),
    Proven("htm of another", "plain", lambda: [proofs.dpop(KEY, URL, "GET")], '400 invalid_request "DPoP HTTP method mismatch"'),
    Proven("old", "plain", lambda: [proofs.dpop(KEY, URL, iat=int(time.time()) - FAR)], '400 invalid_request "DPoP proof is not active"'),
    Proven("of the future", "plain", lambda: [proofs.dpop(KEY, URL, iat=int(time.time()) + FAR)], '400 invalid_request "DPoP proof is not active"'),
    Proven("two", "plain", lambda: [proofs.dpop(KEY, URL), proofs.dpop(KEY, URL)], '400 invalid_request "DPoP header verification failure"'),
    Proven("garbage", "plain", lambda: [("DPoP", "x")], '400 invalid_request "DPoP header verification failure"'),
    Proven("none for a bound token", "bound", lambda: [], '400 invalid_request "DPoP proof is missing"'),
    Proven("another key for a bound token", "bound", lambda: [proofs.dpop(proofs.new_key(), URL)], "400 invalid_request \"DPoP confirmation doesn't match DPoP proof\""),
    Proven("the key of a bound token", "bound", lambda: [proofs.dpop(KEY, URL)], "200 access_token", bound=True),
]  # fmt: skip


@pytest.mark.parametrize("proven", PROOFS, ids=[proven.name for proven in PROOFS])
def test_what_keycloak_says_of_proofs_at_an_exchange(
    corp: Peer, tokens: dict[str, str], proven: Proven
) -> None:
    answer = exchange(corp, tokens[proven.subject], proven.lines())
    assert told(answer) == proven.straight
    if answer.status == 200:
        body = parsed(answer)
        assert body["token_type"] == ("DPoP" if proven.bound else "Bearer")
        bound = {"jkt": proofs.thumbprint(KEY), "kc-jkt-type": "DPoP"} if proven.bound else None
        assert oidc.claims_of(body["access_token"]).get("cnf") == bound


def test_a_proof_is_good_for_one_call(corp: Peer, tokens: dict[str, str]) -> None:
    line = proofs.dpop(KEY, URL)
    assert exchange(corp, tokens["plain"], [line]).status == 200
    assert (
        told(exchange(corp, tokens["plain"], [line]))
        == '400 invalid_request "DPoP proof has already been used"'
    )


def test_jwt_bearer_binds_and_its_exchange_needs_a_second_proof(corp: Peer, external: External) -> None:
    form = oidc.jwt_bearer_form(FRONT_END, external.token(corp.issuer("corp")))
    answer = corp.form(TOKEN, form, [proofs.dpop(KEY, URL)])
    internal = secrecy.note(parsed(answer))["access_token"]
    assert oidc.claims_of(internal)["cnf"]["jkt"] == proofs.thumbprint(KEY)
    assert told(exchange(corp, internal, [])) == '400 invalid_request "DPoP proof is missing"'
    assert exchange(corp, internal, [proofs.dpop(KEY, URL)]).status == 200


def test_a_bound_token_at_userinfo(corp: Peer, tokens: dict[str, str]) -> None:
    target = oidc.endpoint("corp", "userinfo")
    url, token = corp.origin + target, tokens["bound"]
    by_dpop = ("Authorization", f"DPoP {token}")
    assert corp.get(target, oidc.bearer(token)).status == 401
    assert corp.get(target, [by_dpop, proofs.dpop(KEY, url, "GET", token)]).status == 200
    answer = corp.get(target, [by_dpop, proofs.dpop(KEY, url, "GET")])
    assert answer.status == 401
    assert (answer.header("WWW-Authenticate") or "").startswith('DPoP algs="')


def test_the_refresh_token_of_a_confidential_client_is_not_bound(corp: Peer, tokens: dict[str, str]) -> None:
    form = [
        ("grant_type", "refresh_token"), *oidc.credentials(FRONT_END), ("refresh_token", tokens["refresh"]),
    ]  # fmt: skip
    answer = corp.form(TOKEN, form)
    assert answer.status == 200, told(answer)
    assert secrecy.note(parsed(answer))["token_type"] == "Bearer"


KEY_APP, SECRET_APP = "key-app", "secret-jwt-app"
ASSERTION_SECRET = "secret-jwt-app-secret-of-more-than-256-bits-41c5e0"


@pytest.fixture(scope="module")
def asserting(keycloak: Keycloak, corp: Peer) -> EllipticCurvePrivateKey:
    """The key of key-app, which authenticates by it; secret-jwt-app signs with its secret."""
    key = proofs.new_key()
    document = json.dumps({"keys": [forgery.public_jwk(key, "key-app-key")]})
    admin = Admin(keycloak.peer())
    admin.create_client("corp", realms.by_key(KEY_APP, document))
    admin.create_client("corp", realms.by_secret_jwt(SECRET_APP, secrecy.note_value(ASSERTION_SECRET)))
    return key


@dataclass(frozen=True)
class Asserted:
    """What is changed in a good assertion, and Keycloak's answer at introspection."""

    name: str
    change: dict
    straight: str


ASSERTIONS: list[Asserted] = [
    Asserted("good", {}, "200 active=false"),
    Asserted("for the token endpoint", {"audience": URL}, "200 active=false"),
    Asserted("for the introspection endpoint", {"audience": f"http://{CORP_PUBLIC}{INTROSPECT}"}, "200 active=false"),
    Asserted("for another", {"audience": "https://elsewhere.test"}, '400 invalid_client "Invalid token audience"'),
    Asserted("for two", {"audience": [f"http://{CORP_PUBLIC}/realms/corp", "x"]}, '400 invalid_client "Multiple audiences not allowed"'),
    Asserted("expired", {"exp": 1}, '400 invalid_client "Token is not active"'),
    Asserted("without exp", {"exp": None}, '400 invalid_client "Token exp claim is required"'),
    Asserted("without jti", {"jti": None}, '400 invalid_client "Token jti claim is required"'),
    Asserted("without iat", {"iat": None}, "200 active=false"),
    Asserted("of long ago", {"iat": 1}, '400 invalid_client "Token was issued too far in the past to be used now"'),
    Asserted("by another key", {"key": proofs.new_key()}, '400 invalid_client "Client authentication with signed JWT failed: Signature on JWT token failed validation"'),
    Asserted("with an unknown kid", {"header": {"kid": "unknown"}}, '400 invalid_client "Unable to load public key"'),
    Asserted("without kid", {"header": {}}, "200 active=false"),
    Asserted("issued by another", {"iss": "front-end-app"}, '401 invalid_client "Invalid client or Invalid client credentials"'),
    Asserted("of an unknown client", {"client": "nobody"}, '401 invalid_client "Invalid client or Invalid client credentials"'),
]  # fmt: skip


def assertion(key: EllipticCurvePrivateKey, /, **change: object) -> oidc.Form:
    given = {
        "client": KEY_APP,
        "key": key,
        "audience": f"http://{CORP_PUBLIC}/realms/corp",
        "header": {"kid": "key-app-key"},
        **change,
    }
    return proofs.client_assertion(given.pop("client"), given.pop("key"), given.pop("audience"), **given)


@pytest.mark.parametrize("asserted", ASSERTIONS, ids=[asserted.name for asserted in ASSERTIONS])
def test_what_keycloak_says_of_client_assertions(
    corp: Peer, asserting: EllipticCurvePrivateKey, asserted: Asserted
) -> None:
    answer = corp.form(INTROSPECT, [*assertion(asserting, **asserted.change), ("token", "x")])
    assert told(answer) == asserted.straight


def test_an_assertion_is_good_for_one_endpoint_once(corp: Peer, asserting: EllipticCurvePrivateKey) -> None:
    given = assertion(asserting)
    assert corp.form(INTROSPECT, [*given, ("token", "x")]).status == 200
    login = [("grant_type", "password"), ("username", ALICE.name), ("password", ALICE.password)]
    for target, more in ((INTROSPECT, [("token", "x")]), (TOKEN, login)):
        assert told(corp.form(target, [*given, *more])) == '400 invalid_client "Token reuse detected"'


@pytest.mark.parametrize(
    ("secret", "straight"),
    [
        (ASSERTION_SECRET, "200 active=false"),
        (ASSERTION_SECRET + "x", '400 unauthorized_client "Client authentication with client secret signed JWT failed: Signature on JWT token by client secret  failed validation"'),
    ],
    ids=["right", "wrong"],
)  # fmt: skip
def test_what_keycloak_says_of_assertions_by_secret(
    corp: Peer, asserting: EllipticCurvePrivateKey, secret: str, straight: str
) -> None:
    given = proofs.client_assertion(SECRET_APP, secret, corp.issuer("corp"), "HS256")
    assert told(corp.form(INTROSPECT, [*given, ("token", "x")])) == straight
