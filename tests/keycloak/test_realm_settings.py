"""Realms whose settings change what logins and exchanges meet: their names, their keys, refresh tokens that are used up, client
policies, and organizations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

import oidc
import pages
import realms
from admin import Admin
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from peer import Peer, parsed
from realms import Client, User
from server import Keycloak

ALICE = User("alice", "alice-in-realm-settings-1")
FRONT = Client("front", "front-secret-in-realm-settings-1")
ASKER = Client("asker", "asker-secret-in-realm-settings-1")
AUDIENCES = ("api-reissue", "api-forward", "api-mint")
PUBLIC = "realms.example.test"

EXCHANGE_ONLY = [{"condition": "grant-type", "configuration": {"grant_types": [oidc.EXCHANGE_GRANT]}}]
ANY_CLIENT = [{"condition": "any-client", "configuration": {}}]

# A gate before a realm: the realm's name, what its document has besides, what its section in cambio.yaml has besides, and the
# scopes of the permissions.
Before = Callable[..., Gate]


def document(realm: str, **more: object) -> dict:
    """A realm with a client that exchanges for three audiences, one for each issuance, and a client that asks about tokens."""
    front = realms.confidential(FRONT, realms.EXCHANGE, protocolMappers=[realms.also_for(ASKER.id)])
    apis = [realms.confidential(Client(name, f"{name}-secret-in-realm-settings"), {}) for name in AUDIENCES]
    return {
        **realms.realm(realm),
        "roles": {"client": {name: [{"name": "user"}] for name in AUDIENCES}},
        "clients": [front, *apis, realms.confidential(ASKER, {})],
        "users": [{**realms.profile(ALICE), "clientRoles": {name: ["user"] for name in AUDIENCES}}],
        **more,
    }


def keys_of(provider: str, config: dict[str, list[str]]) -> dict:
    """Key providers: one that signs, and the two that Keycloak needs for itself."""

    def one(provider: str, **config: list[str]) -> dict:
        return {"name": provider, "providerId": provider, "config": {"priority": ["100"], **config}}

    own = [one("hmac-generated", algorithm=["HS512"]), one("aes-generated")]
    return {"org.keycloak.keys.KeyProvider": [one(provider, **config), *own]}


@pytest.fixture(scope="module")
def before(keycloak: Keycloak, gates: Gates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Before]:
    started = []

    def start(name: str, key: str = "RSA", scopes: list[str] | None = None, section: dict | None = None, token: dict | None = None, **more: object) -> Gate:
        label = f"realm-{len(started)}"
        pages.create(Admin(keycloak.peer()), document(name, **more))
        folder = tmp_path_factory.mktemp(label)
        secret = folder / "asker.secret"
        secret.write_text(ASKER.secret or "")
        usual = {
            "issuer": f"http://{PUBLIC}/realms/{quote(name)}",
            "introspection": {"clientId": ASKER.id, "clientSecretFile": str(secret)},
            "refreshTokens": gates.seal_key(folder / "seal.key"),
        }
        permitted = permission(FRONT.id, scopes=scopes or ["openid", "email", "profile"], stillActive=True, issuers=[label])
        files = {}
        for target in AUDIENCES:
            allowed = {**permitted, **({"requestedTokens": ["access_token", "refresh_token"]} if target == "api-reissue" else {})}
            issuance = target.removeprefix("api-")
            file = audience(target, allowed, issuance=issuance, roles={"own": True, "realm": [f"default-roles-{name.lower()}"]})
            files[target] = {**file, "realm": label, "token": {**file.get("token", {}), **(token or {})}}
        gate = gates.start(label, keycloak.address, Setup(files, realms={label: {**usual, **(section or {})}}, public=PUBLIC, key=key))
        started.append(gate)
        return gate

    yield start
    for gate in started:
        gate.stop()


def path_of(realm: str) -> str:
    """The realm's name as Keycloak writes it into a path."""
    return quote(realm)


def log_in(peer: Peer, realm: str, scope: str = "openid") -> dict:
    return oidc.login(peer, FRONT, ALICE, realm=path_of(realm), scope=scope)


def exchanged(gate: Gate, realm: str, target: str, scope: str = "openid", **more: str) -> Answer:
    token = log_in(gate.peer, realm, scope)["access_token"]
    return oidc.exchange(gate.peer, FRONT, token, target, realm=path_of(realm), **more)


def all_issuances_work(gate: Gate, realm: str) -> dict[str, dict]:
    """A login, and an exchange by each issuance; gives the headers of the tokens."""
    headers = {}
    for target in AUDIENCES:
        answer = exchanged(gate, realm, target, scope="openid email")
        assert answer.status == 200, f"{target}: {answer.text} {gate.audit()[-1]}"
        token = parsed(answer)["access_token"]
        assert oidc.claims_of(token)["iss"] == f"http://{PUBLIC}/realms/{path_of(realm)}"
        assert oidc.client_roles(token) == {target: {"user"}}
        headers[target] = oidc.header_of(token)
    return headers


@pytest.mark.parametrize("name", ["my realm", "münchen", "東京 2"])
def test_realm_names_that_a_url_has_to_encode(before: Before, keycloak: Keycloak, name: str) -> None:
    gate, path = before(name), path_of(name)
    published = parsed(keycloak.peer(PUBLIC).get(f"/realms/{path}/.well-known/openid-configuration"))
    assert published["issuer"] == f"http://{PUBLIC}/realms/{path}"
    through = parsed(gate.peer.get(f"/realms/{path}/.well-known/openid-configuration"))
    assert through["issuer"] == published["issuer"]
    all_issuances_work(gate, name)
    tokens = log_in(gate.peer, name)
    form = [("grant_type", "refresh_token"), *oidc.credentials(FRONT), ("refresh_token", tokens["refresh_token"])]
    assert gate.peer.form(oidc.endpoint(path), form).status == 200
    userinfo = gate.peer.get(oidc.endpoint(path, "userinfo"), oidc.bearer(tokens["access_token"]))
    assert userinfo.status == 200, userinfo.text
    # Every other spelling is refused: Keycloak answers at some of them.
    others = {path.replace("%C3%BC", "%c3%bc"), path.lower(), path.replace("m", "%6D", 1), path.replace("2", "%32"), path + "%20"} - {path}
    for other in others:
        answer = oidc.exchange(gate.peer, FRONT, tokens["access_token"], "api-reissue", realm=other)
        assert (answer.status, gate.reason_of(answer)) == (400, "path_not_canonical"), other
        refused = gate.peer.get(oidc.endpoint(other, "certs"))
        assert (refused.status, gate.reason_of(refused)) == (400, "path_not_canonical"), other


@pytest.mark.parametrize(
    ("name", "algorithm", "provider", "config", "key"),
    [
        ("es256-only", "ES256", "ecdsa-generated", {"ecdsaEllipticCurveKey": ["P-256"]}, "EC"),
        ("eddsa-only", "EdDSA", "eddsa-generated", {"eddsaEllipticCurveKey": ["Ed25519"]}, "Ed25519"),
        # The realm's key and Cambio's are of different algorithms.
        ("es256-and-rsa", "ES256", "ecdsa-generated", {"ecdsaEllipticCurveKey": ["P-256"]}, "RSA"),
    ],
)  # fmt: skip
def test_realms_with_keys_of_one_algorithm(before: Before, name: str, algorithm: str, provider: str, config: dict, key: str) -> None:
    more = {"defaultSignatureAlgorithm": algorithm, "components": keys_of(provider, config)}
    gate = before(name, key=key, section={"algorithms": [algorithm]}, **more)
    ours = {"EC": "ES256", "Ed25519": "EdDSA", "RSA": "RS256"}[key]
    headers = all_issuances_work(gate, name)
    assert {target: header["alg"] for target, header in headers.items()} == {
        "api-reissue": ours, "api-forward": algorithm, "api-mint": ours,
    }  # fmt: skip
    keys = parsed(gate.peer.get(oidc.endpoint(name, "certs")))["keys"]
    assert {one["kid"] for one in keys} >= {header["kid"] for header in headers.values()}
    discovery = parsed(gate.peer.get(f"/realms/{name}/.well-known/openid-configuration"))
    assert {algorithm, ours} <= set(discovery["id_token_signing_alg_values_supported"])


@pytest.mark.parametrize(
    ("algorithm", "provider", "config", "key"),
    [
        ("ES256", "ecdsa-generated", {"ecdsaEllipticCurveKey": ["P-256"]}, "EC"),
        ("EdDSA", "eddsa-generated", {"eddsaEllipticCurveKey": ["Ed25519"]}, "RSA"),
    ],
)  # fmt: skip
def test_a_partners_token_is_translated_in_such_a_realm(keycloak: Keycloak, gates: Gates, algorithm: str, provider: str, config: dict, key: str) -> None:
    name = f"translated-{algorithm.lower()}"
    issuer, admin, partner = f"http://{PUBLIC}/realms/{name}", Admin(keycloak.peer()), keycloak.peer(realms.PARTNER_PUBLIC)
    jwks = f"{keycloak.peer().issuer('partner')}/protocol/openid-connect/certs"
    more = {
        "defaultSignatureAlgorithm": algorithm,
        "components": keys_of(provider, config),
        "identityProviders": [realms.identity_provider("partner", partner.issuer("partner"), jwks)],
    }
    made = document(name, **more)
    made["clients"][0]["attributes"] |= {**realms.JWT_AUTHORIZATION, "oauth2.jwt.authorization.grant.idp": "partner"}
    pages.create(admin, made)
    petra = admin.user("partner", realms.PETRA.name)["id"]
    link = {"userId": petra, "userName": realms.PETRA.name}
    admin.must("POST", f"/{name}/users/{admin.user(name, ALICE.name)['id']}/federated-identity/partner", link)
    app = Client(f"partner-app-{name}", realms.PARTNER_APP.secret)
    admin.create_client("partner", realms.partner_client(app, issuer))
    token = oidc.login(partner, app, realms.PETRA, realm="partner")["access_token"]
    permitted = permission(FRONT.id, issuers=["partner"], issuance="translate")
    setup = Setup(
        {"api": {**audience("api-reissue", permitted), "realm": "translated"}},
        realms={"translated": {"issuer": issuer, "algorithms": [algorithm], "subjectIssuers": ["translated", "partner"]}},
        more={"issuers": {"partner": {"issuer": {"url": partner.issuer("partner"), "audiences": [issuer]}, "jwksURL": jwks}}},
        public=PUBLIC,
        key=key,
    )
    gate = gates.start(name, keycloak.address, setup)
    try:
        answer = oidc.exchange(gate.peer, FRONT, token, "api-reissue", realm=name)
        assert answer.status == 200, f"{answer.text} {gate.audit()[-1]}"
        issued = parsed(answer)["access_token"]
        assert (oidc.claims_of(issued)["iss"], oidc.client_roles(issued)) == (issuer, {"api-reissue": {"user"}})
    finally:
        gate.stop()


def test_an_algorithm_that_the_realm_does_not_list_is_refused_in_words(before: Before) -> None:
    more = {"defaultSignatureAlgorithm": "ES256", "components": keys_of("ecdsa-generated", {"ecdsaEllipticCurveKey": ["P-256"]})}
    gate = before("es256-unlisted", section={"algorithms": ["RS256"]}, **more)
    refused = exchanged(gate, "es256-unlisted", "api-reissue")
    assert (refused.status, gate.reason_of(refused)) == (400, "subject_token_algorithm")


@pytest.mark.parametrize("reuse", [0, 1])
def test_refresh_tokens_that_keycloak_uses_up(before: Before, keycloak: Keycloak, reuse: int) -> None:
    name = f"rotation-{reuse}"
    gate = before(name, revokeRefreshToken=True, refreshTokenMaxReuse=reuse)

    def refreshed(peer: Peer, token: str) -> Answer:
        form = [("grant_type", "refresh_token"), *oidc.credentials(FRONT), ("refresh_token", token)]
        return peer.form(oidc.endpoint(name), form)

    # A login's refresh token is Keycloak's: used as often as Keycloak says, through Cambio as without it.
    told = []
    for peer in (keycloak.peer(PUBLIC), gate.peer):
        first = log_in(peer, name)["refresh_token"]
        assert refreshed(peer, first).status == 200
        again = [refreshed(peer, first) for _ in range(reuse + 1)]
        told.append([(answer.status, parsed(answer).get("error_description")) for answer in again])
    assert told[0] == told[1], told
    assert told[1][-1][0] == 400 and all(status == 200 for status, _ in told[1][:-1])
    # The refresh token of an exchange is Cambio's, and each is used once, whatever Keycloak says.
    answer = exchanged(gate, name, "api-reissue", scope="openid email", requested_token_type=oidc.REFRESH_TOKEN)
    assert answer.status == 200, f"{answer.text} {gate.audit()[-1]}"
    renewed = answer
    for _ in range(3):
        used = parsed(renewed)["refresh_token"]
        renewed = refreshed(gate.peer, used)
        assert renewed.status == 200, f"{renewed.text} {gate.audit()[-1]}"
        assert oidc.client_roles(parsed(renewed)["access_token"]) == {"api-reissue": {"user"}}
    assert refreshed(gate.peer, used).status == 400


def set_policies(admin: Admin, realm: str, executor: str, configuration: dict, conditions: list[dict]) -> None:
    """One client profile with one executor, for the requests that meet the conditions."""
    executors = [{"executor": executor, "configuration": configuration}]
    admin.must("PUT", f"/{realm}/client-policies/profiles", {"profiles": [{"name": "profile", "executors": executors}]})
    policy = {"name": "policy", "enabled": True, "conditions": conditions, "profiles": ["profile"]}
    admin.must("PUT", f"/{realm}/client-policies/policies", {"policies": [policy]})


def test_client_policies_allow_what_they_allow_and_refuse_in_words(before: Before, keycloak: Keycloak) -> None:
    gate, admin, name = before("client-policies"), Admin(keycloak.peer()), "client-policies"
    only_keys = {"allowed-client-authenticators": ["client-jwt"], "default-client-authenticator": "client-jwt"}
    token = log_in(gate.peer, name, "openid email")["access_token"]
    for executor, configuration, conditions in [
        ("reject-implicit-grant", {}, EXCHANGE_ONLY),
        ("reject-implicit-grant", {}, ANY_CLIENT),
        ("secure-client-authenticator", only_keys, EXCHANGE_ONLY),
        ("secure-session", {}, EXCHANGE_ONLY),
        ("downscope-assertion-grant-enforcer", {}, EXCHANGE_ONLY),
        ("confidential-client", {}, ANY_CLIENT),
        ("suppress-refresh-token-rotation", {}, ANY_CLIENT),
    ]:
        set_policies(admin, name, executor, configuration, conditions)
        for target in AUDIENCES:
            answer = oidc.exchange(gate.peer, FRONT, token, target, realm=name)
            assert answer.status == 200, f"{executor} {target}: {answer.text} {gate.audit()[-1]}"
    # What Keycloak refuses comes out as Keycloak said it. `mint` does not ask Keycloak for an exchange.
    for executor, configuration, told in [
        ("reject-request", {}, "Request not allowed"),
        ("jwt-claim-enforcer", {"claim-name": "email", "allowed-value": "nobody"}, "Value for claim 'email' not allowed"),
    ]:
        set_policies(admin, name, executor, configuration, EXCHANGE_ONLY)
        for target in ("api-reissue", "api-forward"):
            answer = oidc.exchange(gate.peer, FRONT, token, target, realm=name)
            said = parsed(answer)
            assert (answer.status, said["error"], said["error_description"]) == (400, "invalid_request", told), f"{executor} {target}"
            assert gate.audit()[-1]["reason"] == "upstream_refused"
        assert oidc.exchange(gate.peer, FRONT, token, "api-mint", realm=name).status == 200, executor


def join(admin: Admin, realm: str, organization: str) -> None:
    """An organization with alice in it."""
    admin.must("POST", f"/{realm}/organizations", {"name": organization, "alias": organization, "domains": [{"name": f"{organization}.test"}]})
    (found,) = admin.read(f"/{realm}/organizations?search={organization}")
    admin.must("POST", f"/{realm}/organizations/{found['id']}/members", admin.user(realm, ALICE.name)["id"])


@pytest.mark.parametrize("listed", [False, True], ids=["not listed", "listed"])
def test_organizations_stay_where_the_file_lists_the_claim(before: Before, keycloak: Keycloak, listed: bool) -> None:
    name = f"organizations-{str(listed).lower()}"
    scopes = ["openid", "email", "profile", "organization", "organization:acme", "organization:*"]
    token = {"claims": ["organization"]} if listed else None
    gate = before(name, scopes=scopes, token=token, organizationsEnabled=True)
    join(Admin(keycloak.peer()), name, "acme")
    for scope in ("organization", "organization:acme", "organization:*"):
        tokens = log_in(gate.peer, name, f"openid {scope}")
        assert oidc.claims_of(tokens["access_token"])["organization"] == ["acme"], "logins pass"
        for target in AUDIENCES:
            answer = oidc.exchange(gate.peer, FRONT, tokens["access_token"], target, realm=name, scope=scope)
            if target == "api-forward" and not listed:
                assert (answer.status, gate.reason_of(answer)) == (403, "answer_claims"), f"{scope}: {answer.text}"
                continue
            assert answer.status == 200, f"{scope} {target}: {answer.text} {json.dumps(gate.audit()[-1])}"
            claims = oidc.claims_of(parsed(answer)["access_token"])
            assert claims.get("organization") == (["acme"] if listed else None), f"{scope} {target}"
            assert scope in claims["scope"].split()
    # Nobody asked for the scope: nothing of the organization comes.
    answer = exchanged(gate, name, "api-reissue", scope="openid organization")
    assert "organization" not in oidc.claims_of(parsed(answer)["access_token"])
