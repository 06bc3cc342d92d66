"""PACE, "Exchange User Token" (pace-exchange-user-token): a caller that was written for that page exchanges a foreign
token through Cambio in front of a real Keycloak. Only the secret and the token differ from the page.

Where the page shows a URL it shows an empty text; the issuer's name is the one in the page's own token.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import forgery
import oidc
import pages
import realms
from admin import Admin
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from peer import parsed
from process import free_port
from realms import Client
from server import Keycloak

HOST = "api.dev.pace.cloud"
URL = f"http://{HOST}/protocol/openid-connect/token"
ISSUER = "https://as.example.com"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
AWESOME = Client("awesome-app", "c3d1f20b-1c1e-4b57-a2a0-0e53d1a6be70")
KEY = forgery.rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGE_KEY = forgery.rsa.generate_private_key(public_exponent=65537, key_size=2048)
# The page's own codes, and no other.
CODES = {
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
}
# What the page's token says, but for its times and its host.
SUBJECT = "03836e1f-58ed-4d67-baa0-a73bf77b9d5d"
CLAIMS = {
    "sub": SUBJECT,
    "aud": HOST,
    "name": "Jane Doe",
    "given_name": "Jane",
    "family_name": "Doe",
    "iss": ISSUER,
    "email": f"{SUBJECT}@as.example.com",
}


def foreign(key: object = KEY, kid: str = "as", **claims: object) -> str:
    """A token of the foreign issuer; a claim that is None is left out."""
    merged = {**CLAIMS, "iat": forgery.now(0), "exp": forgery.now(3600), **claims}
    return forgery.sign({name: value for name, value in merged.items() if value is not None}, key, kid=kid)


@pytest.fixture(scope="module")
def registered(keycloak: Keycloak) -> None:
    document = {**realms.realm("pace"), "clients": [realms.confidential(AWESOME, {})], "users": []}
    pages.create(Admin(keycloak.peer()), document)


@pytest.fixture(scope="module")
def make(keycloak: Keycloak, gates: Gates, registered: None, tmp_path_factory) -> Callable[..., Gate]:
    jwks: Path = tmp_path_factory.mktemp("pace") / "jwks.json"
    jwks.write_text(json.dumps({"keys": [forgery.public_jwk(KEY, "as")]}))

    def start(name: str, upstream: tuple[str, int] = keycloak.address) -> Gate:
        granted = permission("awesome-app", issuers=["as"], scopes=["string", "poi:gas-stations:read"])
        token = {"lifetime": "2h", "subject": "uuid", "claims": ["auth_time"]}
        audiences = {
            name: audience(name, granted, realm="pace", issuance="mint", token=token)
            for name in ("awesome-app", "fueling-api")
        }
        # A second name of ours shows that the host that was called decides.
        issuer = {"issuer": {"url": ISSUER, "audiences": [HOST, "api.pace.cloud"]}, "jwksFile": str(jwks)}
        # Nothing in the page's token says that it is an access token.
        issuer["accessTokens"] = {"expression": "has(claims.email)"}
        origins = ["http://api.pace.cloud"]
        section = {"dialect": "pace", "subjectIssuers": ["as"], "publicOrigins": origins}
        setup = Setup(audiences, realms={"pace": section}, issuers={"as": issuer}, public=HOST)
        return gates.start(name, upstream, setup)

    return start


@pytest.fixture(scope="module")
def pace(make: Callable[..., Gate]) -> Iterator[Gate]:
    gate = make("pace")
    yield gate
    gate.stop()


def fields(token: str, **changed: str | None) -> dict[str, str]:
    """The page's body; a field that is None is left out."""
    document = {
        "client_id": AWESOME.id,
        "client_secret": AWESOME.secret,
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": token,
        "subject_issuer": ISSUER,
        "subject_token_type": ACCESS_TOKEN,
        "audience": "awesome-app",
        "scope": "string",
        **changed,
    }
    return {name: value for name, value in document.items() if value is not None}


def by_json(pace: Gate, document: dict, *more: str) -> Answer:
    """The page's first curl."""
    body = json.dumps(document, separators=(",", ":"))
    return pages.curl(pace, "-X", "POST", "-H", "Content-Type: application/json", "-d", body, *more, URL)


def by_form(pace: Gate, document: dict, *more: str) -> Answer:
    """The page's second curl."""
    data = [part for pair in document.items() for part in ("--data-urlencode", "=".join(pair))]
    header = "Content-Type: application/x-www-form-urlencoded"
    return pages.curl(pace, "-X", "POST", "-H", header, *data, *more, URL)


BODIES = {"JSON": by_json, "form": by_form}


@pytest.fixture(params=BODIES)
def call(request: pytest.FixtureRequest) -> Callable[..., Answer]:
    """Both bodies of the page in turn."""
    return BODIES[request.param]


def issued(answer: Answer, pace: Gate) -> dict:
    assert answer.status == 200, f"{answer.text} {pace.audit()[-1]}"
    return oidc.claims_of(parsed(answer)["access_token"])


def assert_refused(answer: Answer, status: int) -> str:
    """As the page's table says: the status, a code of five, a text of its characters. Gives the code."""
    told = pages.told(answer)
    assert told[0] == status, answer.text
    assert answer.header("Content-Type") == "application/json"
    document = parsed(answer)
    assert set(document) <= {"error", "error_description", "error_uri"}
    assert document["error"] in CODES
    assert document["error_description"] and set(document["error_description"]) <= pages.DESCRIPTION
    return document["error"]


def test_the_pages_curl_gets_the_pages_answer(pace: Gate, call) -> None:
    answer = call(pace, fields(foreign(exp=forgery.now(86000))))
    assert answer.status == 200, f"{answer.text} {pace.audit()[-1]}"
    assert answer.header("Content-Type") == "application/json"
    body = parsed(answer)
    assert {"access_token", "issued_token_type", "token_type", "expires_in"} == set(body)
    assert body["issued_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
    assert body["token_type"] == ACCESS_TOKEN
    assert 7190 <= body["expires_in"] <= 7200


def test_the_token_is_for_the_audience_and_has_the_scope(pace: Gate, call) -> None:
    claims = issued(call(pace, fields(foreign(), audience="fueling-api")), pace)
    assert claims["aud"] == "fueling-api"
    assert claims["azp"] == "awesome-app"
    assert "string" in claims["scope"].split()
    assert claims["iss"] == pace.issuer("pace")


@pytest.mark.parametrize("blank", ["", None], ids=["blank", "left out"])
def test_a_blank_audience_is_the_client(pace: Gate, call, blank: str | None) -> None:
    assert issued(call(pace, fields(foreign(), audience=blank)), pace)["aud"] == "awesome-app"


def test_a_scope_is_not_needed(pace: Gate, call) -> None:
    issued(call(pace, fields(foreign(), scope=None)), pace)


def test_the_users_claims_are_carried_over(pace: Gate, call) -> None:
    claims = issued(call(pace, fields(foreign(locale="de", zoneinfo="Europe/Paris"))), pace)
    carried = {"name", "given_name", "family_name", "email"}
    assert {name: claims.get(name) for name in carried} == {name: CLAIMS[name] for name in carried}
    assert (claims["locale"], claims["zoneinfo"]) == ("de", "Europe/Paris")


@pytest.mark.parametrize("account", [SUBJECT, "another"])
def test_the_new_tokens_claims_are_those_of_the_page(pace: Gate, call, account: str) -> None:
    """As in the page's example of an answer, but for `auth_time` and `session_state`: see promises/pace.toml."""
    answer = call(pace, fields(foreign(sub=account, locale="de")))
    claims = issued(answer, pace)
    header = oidc.header_of(parsed(answer)["access_token"])
    assert (header["alg"], header["typ"]) == ("RS256", "JWT") and header["kid"]
    assert (claims["typ"], claims["azp"], claims["scope"]) == ("Bearer", "awesome-app", "string")
    assert (claims["acr"], claims["email_verified"], claims["locale"]) == ("0", False, "de")
    assert claims["email"] == CLAIMS["email"]
    assert claims["jti"] and claims["exp"] > claims["iat"]
    # An id of PACE's own, which is always the same for this account of this issuer.
    assert claims["sub"] == str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, ISSUER), account))


def test_an_account_keeps_its_id_after_a_restart(pace: Gate, call) -> None:
    before = issued(call(pace, fields(foreign())), pace)["sub"]
    pace.stop()
    pace.start_again()
    assert issued(call(pace, fields(foreign())), pace)["sub"] == before


def test_auth_time_is_the_issuers_where_the_owner_takes_it(pace: Gate, call) -> None:
    logged_in = forgery.now(-60)
    assert issued(call(pace, fields(foreign(auth_time=logged_in))), pace)["auth_time"] == logged_in
    assert "auth_time" not in issued(call(pace, fields(foreign())), pace)


def test_what_the_issuer_says_about_the_login_is_not_passed_on(pace: Gate, call) -> None:
    claims = issued(call(pace, fields(foreign(acr="2", email_verified=True))), pace)
    assert (claims["acr"], claims["email_verified"]) == ("0", False)


def test_optional_claims_have_the_pages_defaults(pace: Gate, call) -> None:
    claims = issued(call(pace, fields(foreign(name=None, given_name=None, family_name=None))), pace)
    assert (claims["locale"], claims["zoneinfo"]) == ("en", "Europe/Berlin")
    assert not {"name", "given_name", "family_name"} & set(claims)


# --- 401: the authorization of the client is invalid.


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("a wrong secret", {"client_secret": "aad041a4-47f0-4b01-80d3-edce807fec82"}),
        ("no secret", {"client_secret": None}),
        ("an unknown client", {"client_id": "nobody"}),
        ("no client", {"client_id": None, "client_secret": None}),
    ],
)
def test_401(pace: Gate, call, name: str, changed: dict) -> None:
    answer = call(pace, fields(foreign(), **changed))
    assert assert_refused(answer, 401) in ("invalid_client", "unauthorized_client")


def test_401_tells_the_scheme_that_was_used(pace: Gate, call) -> None:
    anonymous = fields(foreign(), client_id=None, client_secret=None)
    right = call(pace, anonymous, "-u", f"{AWESOME.id}:{AWESOME.secret}")
    assert right.status == 200, right.text
    wrong = call(pace, anonymous, "-u", f"{AWESOME.id}:wrong")
    assert assert_refused(wrong, 401) == "invalid_client"
    assert (wrong.header("WWW-Authenticate") or "").startswith("Basic")


# --- 403: the token is not trusted.


@pytest.mark.parametrize(
    ("name", "token", "reason"),
    [
        ("an unknown issuer", lambda: foreign(iss="https://nobody.example.com"), "subject_token_issuer_untrusted"),
        ("a key that is not the issuer's", lambda: foreign(STRANGE_KEY), "subject_token_signature"),
        ("a key that nobody knows", lambda: foreign(STRANGE_KEY, "strange"), "subject_token_key_unknown"),
    ],
)  # fmt: skip
def test_403(pace: Gate, call, name: str, token: Callable[[], str], reason: str) -> None:
    made = token()
    answer = call(pace, fields(made, subject_issuer=oidc.claims_of(made)["iss"]))
    assert_refused(answer, 403)
    assert pace.reason_of(answer) == reason


def test_403_where_the_client_is_not_trusted_with_it(pace: Gate, call) -> None:
    """What audiences there are is no client's business."""
    answer = call(pace, fields(foreign(), audience="nobody-app"))
    assert assert_refused(answer, 403) == "unauthorized_client"


# --- 422: invalid request data, or invalid content of the token.


@pytest.mark.parametrize("claim", ["aud", "iat", "exp", "sub", "email"])
def test_422_where_the_token_lacks_a_claim(pace: Gate, call, claim: str) -> None:
    assert_refused(call(pace, fields(foreign(**{claim: None}))), 422)


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("for somebody else", {"aud": "https://elsewhere.example.com"}),
        ("expired", {"exp": forgery.now(-60), "iat": forgery.now(-120)}),
        ("an e-mail that is no text", {"email": 7}),
        ("an empty e-mail", {"email": ""}),
    ],
)
def test_422_where_a_claim_is_wrong(pace: Gate, call, name: str, claims: dict) -> None:
    assert_refused(call(pace, fields(foreign(**claims))), 422)


def test_a_token_may_be_for_any_of_our_hosts(pace: Gate, call) -> None:
    """The hosts are configuration: what the caller writes into `Host` decides nothing."""
    elsewhere = foreign(aud="api.pace.cloud")
    answer = call(pace, fields(elsewhere), "-H", "Host: api.pace.cloud")
    assert answer.status == 200, f"{answer.text} {pace.audit()[-1]}"


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("name", 7),
        ("name", None),
        ("given_name", ["Jane"]),
        ("family_name", {"a": "b"}),
        ("locale", 1),
        ("locale", "en_US"),
        ("locale", "german"),
        ("zoneinfo", True),
        ("zoneinfo", "somewhere else"),
    ],
)
def test_422_where_an_optional_claim_is_wrong(pace: Gate, call, claim: str, value: object) -> None:
    claims = {**CLAIMS, "iat": forgery.now(0), "exp": forgery.now(3600), claim: value}
    answer = call(pace, fields(forgery.sign(claims, KEY, kid="as")))
    assert assert_refused(answer, 422) == "invalid_grant"
    assert pace.reason_of(answer) == "subject_token_claims"


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("no subject token", {"subject_token": None}),
        ("no subject issuer", {"subject_issuer": None}),
        ("a blank subject issuer", {"subject_issuer": ""}),
        ("another subject issuer", {"subject_issuer": "https://other.example.com"}),
        ("no subject token type", {"subject_token_type": None}),
        ("another subject token type", {"subject_token_type": oidc.ID_TOKEN}),
        ("no token at all", {"subject_token": "garbage"}),
        ("a scope that it can't have", {"scope": "string everything"}),
    ],
)
def test_422_where_the_request_is_wrong(pace: Gate, call, name: str, changed: dict) -> None:
    assert_refused(call(pace, fields(foreign(), **changed)), 422)


@pytest.mark.parametrize("grant", ["urn:example:grant", "Password", "token-exchange", "saml2-bearer"])
def test_another_grant_type_is_not_this_pages(pace: Gate, call, grant: str) -> None:
    assert assert_refused(call(pace, fields(foreign(), grant_type=grant)), 422) == "unsupported_grant_type"


@pytest.mark.parametrize("path", ["token/", "token;a=b", "%74oken", "Token", "./token", "x/../token", "token?a=b"])
def test_422_where_the_path_is_written_in_another_way(pace: Gate, path: str) -> None:
    data = [part for pair in fields(foreign()).items() for part in ("--data-urlencode", "=".join(pair))]
    url = f"http://{HOST}/protocol/openid-connect/{path}"
    assert assert_refused(pages.curl(pace, "--path-as-is", *data, url), 422) == "invalid_request"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("no JSON", "{"),
        ("no object", "[]"),
        ("a number", '{"grant_type": 7}'),
        ("a field twice", '{"grant_type":"urn:ietf:params:oauth:grant-type:token-exchange","grant_type":"client_credentials"}'),
        ("nested", '{"grant_type":{"a":"b"}}'),
        ("null", '{"grant_type":null}'),
    ],
)  # fmt: skip
def test_422_where_the_json_is_wrong(pace: Gate, name: str, body: str) -> None:
    header = "Content-Type: application/json"
    assert_refused(pages.curl(pace, "-X", "POST", "-H", header, "-d", body, URL), 422)


# --- 500.


def test_500_where_we_can_not_do_our_part(make: Callable[..., Gate]) -> None:
    """Nobody is there to say whether the client's secret is right."""
    gate = make("pace-alone", ("127.0.0.1", free_port()))
    for call in BODIES.values():
        assert_refused(call(gate, fields(foreign())), 500)
    gate.stop()
