"""Every method of client authentication at `mint`, with clients that others wrote: right, and wrong in each its ways."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import jwt
import pytest
import requests
from cryptography import x509

import certificates
import forgery
import names
import oidc
import proofs
import secrecy
from callers import CALLERS, Caller, Credentials, Endpoint, Outcome
from foreign import External
from gate import Gate, Gates, Setup, audience, permission
from realms import FRONT_END
from server import Keycloak

SPIFFE_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
CLUSTER, TRUST_DOMAIN = "https://kubernetes.test", "https://spire.test"
ACCOUNT, WORKLOAD = "system:serviceaccount:payments:batch", "spiffe://example.test/batch"
# One of much chance, whose hash is quick, and one that a human chose. Authlib does not form-encode what it sends by
# Basic, as RFC 6749 section 2.3.1 wants, so that there is neither a plus nor a percent sign in them.
SECRET, CHOSEN = "kY3v0Qm1yq7PzL5tGd2xWnB8sJ4hRfUa", "correct horse: battery staple"


@dataclass(frozen=True)
class World:
    """A gate with a client for each method, and everything that these clients, and liars, have."""

    gate: Gate
    endpoint: Endpoint
    external: External
    right: dict[str, Credentials]
    wrong: dict[str, Callable[[], Credentials]]

    def exchange(self, caller: Caller, given: Credentials) -> Outcome:
        fields = {
            "grant_type": oidc.EXCHANGE_GRANT,
            "subject_token": self.external.token(self.endpoint.issuer),
            "subject_token_type": oidc.ACCESS_TOKEN,
            "audience": "back-end-api",
        }
        return caller(self.endpoint, given, fields)


RIGHT = [
    "client_secret_basic", "client_secret_post", "client_secret_basic, chosen", "client_secret_post, chosen",
    "client_secret_basic, by Keycloak", "client_secret_post, by Keycloak", "private_key_jwt", "private_key_jwt, RS256",
    "client_secret_jwt", "tls_client_auth", "tls_client_auth, by DNS name", "tls_client_auth, by URI",
    "self_signed_tls_client_auth", "kubernetes", "spiffe", "spiffe, as a plain assertion", "none",
]  # fmt: skip
WRONG = [
    "a wrong secret by Basic", "a wrong secret in the body", "a wrong chosen secret", "no secret",
    "another client's secret", "a wrong secret for Keycloak", "a secret that Keycloak does not know at all",
    "an assertion by another key", "an assertion by an algorithm that is not allowed", "an assertion for another",
    "an expired assertion", "an assertion without jti", "an assertion of another client",
    "an assertion with the public key as the secret", "a shared secret that is wrong",
    "no certificate", "a certificate by another authority", "a certificate with another name",
    "a certificate with another DNS name", "a self-signed certificate with the right name",
    "another self-signed certificate", "a service account of another name", "a service account's token by another key",
    "a service account's token for another", "a workload of another name", "a service account's token as a workload's",
    "a secret where a key is registered", "nothing where a secret is registered", "an unknown client",
]  # fmt: skip


def platform_token(key: object, issuer: str, subject: str, audience: str, **claims: object) -> str:
    now = int(time.time())
    body = {
        "iss": issuer,
        "sub": subject,
        "aud": [audience],
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        **claims,
    }
    return forgery.sign(body, key, "ES256", kid="platform")


def own_assertion(client: str, key: object, audience: str, algorithm: str = "ES256", **claims: object) -> str:
    form = proofs.client_assertion(client, key, audience, algorithm, {"kid": "k"}, **claims)
    return dict(form)["client_assertion"]


@pytest.fixture(scope="module")
def world(
    keycloak: Keycloak, gates: Gates, externals: dict[str, External], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("authentication")
    tls = certificates.self_signed(folder)
    authority = certificates.Authority(folder, "clients-ca")
    impostor = certificates.Authority(folder, "impostor-ca")
    itself = certificates.by_itself(folder, "itself")
    elliptic, another, cluster, spire = (proofs.new_key() for _ in range(4))
    rsa = forgery.PARTNER_KEY
    files = _files(
        folder,
        {
            "key.jwks": _jwks(forgery.public_jwk(elliptic, "k")),
            "rsa.jwks": _jwks(forgery.public_jwk(rsa, "k")),
            "cluster.jwks": _jwks(forgery.public_jwk(cluster, "platform")),
            "spire.jwks": _jwks(forgery.public_jwk(spire, "platform")),
            "shared": SECRET,
            "chosen.hash": gates.hash_secret(CHOSEN),
        },
    )
    for secret in (SECRET, CHOSEN):
        secrecy.note_value(secret)
    registry = {
        "secret-app": [{"method": "client_secret", "secretHash": forgery.sha256(SECRET)}],
        "other-secret-app": [{"method": "client_secret", "secretHash": forgery.sha256(SECRET[::-1])}],
        "chosen app": [{"method": "client_secret", "secretHashFile": files["chosen.hash"]}],
        "key-client": [{"method": "private_key_jwt", "jwksFile": files["key.jwks"], "algorithms": ["ES256"]}],
        "rsa-client": [{"method": "private_key_jwt", "jwksFile": files["rsa.jwks"], "algorithms": ["RS256"]}],
        "shared-client": [{"method": "client_secret_jwt", "secretFile": files["shared"]}],
        "certified-client": [{"method": "tls_client_auth", "subject": "CN=certified"}],
        "dns-client": [{"method": "tls_client_auth", "sanDNS": "batch.example.test"}],
        "uri-client": [{"method": "tls_client_auth", "sanURI": "spiffe://example.test/tls"}],
        "itself-client": [{"method": "self_signed_tls_client_auth", "thumbprints": [itself.thumbprint()]}],
        "account-client": [{"method": "kubernetes", "issuer": "cluster", "subject": ACCOUNT}],
        "workload-client": [{"method": "spiffe", "issuer": "spire", "subject": WORKLOAD}],
        "open-client": [{"method": "none"}],
    }
    permitted = permission(*registry, FRONT_END.id, "nobody-app", issuers=["abroad"])
    setup = Setup(
        {"back-end-api": audience("back-end-api", permitted, issuance="mint", roles={"static": ["user"]})},
        realm={"clients": registry, "subjectIssuers": ["corp", "abroad"]},
        listen={"tls": {**tls, "clientCertificates": {"ca": str(authority.file)}}},
        externals=[externals["abroad"]],
        issuers={
            "cluster": _platform(CLUSTER, files["cluster.jwks"]),
            "spire": _platform(TRUST_DOMAIN, files["spire.jwks"]),
        },
        tls=True,
    )
    gate = gates.start("authentication", keycloak.address, setup)
    issuer = gate.issuer("corp")
    endpoint = Endpoint(issuer, issuer + "/protocol/openid-connect/token", Path(tls["certificate"]))

    def shown(client: str, certificate: certificates.Shown | None) -> Credentials:
        return Credentials(client, "tls_client_auth", certificate=certificate)

    def asserted(client: str, token: str, kind: str = proofs.ASSERTION_TYPE) -> Credentials:
        return Credentials(client, "assertion", assertion=token, assertion_type=kind)

    def account(key: object = cluster, subject: str = ACCOUNT, audience: str = issuer) -> Credentials:
        return asserted("account-client", platform_token(key, CLUSTER, subject, audience))

    def workload(subject: str = WORKLOAD, kind: str = SPIFFE_TYPE) -> Credentials:
        return asserted("workload-client", platform_token(spire, TRUST_DOMAIN, subject, issuer), kind)

    by_key = Credentials("key-client", "private_key_jwt", jwk=_private(elliptic))
    by_secret = Credentials("secret-app", "client_secret_basic", SECRET)
    chosen = Credentials("chosen app", "client_secret_basic", CHOSEN)
    at_keycloak = Credentials(FRONT_END.id, "client_secret_basic", FRONT_END.secret)
    names_of = {
        "dns": authority.certify("dns", x509.DNSName("batch.example.test")),
        "uri": authority.certify("uri", x509.UniformResourceIdentifier("spiffe://example.test/tls")),
    }
    right = {
        "client_secret_basic": by_secret,
        "client_secret_post": replace(by_secret, method="client_secret_post"),
        "client_secret_basic, chosen": chosen,
        "client_secret_post, chosen": replace(chosen, method="client_secret_post"),
        "client_secret_basic, by Keycloak": at_keycloak,
        "client_secret_post, by Keycloak": replace(at_keycloak, method="client_secret_post"),
        "private_key_jwt": by_key,
        "private_key_jwt, RS256": Credentials(
            "rsa-client", "private_key_jwt", jwk=forgery.private_jwk(rsa, "k")
        ),
        "client_secret_jwt": Credentials("shared-client", "client_secret_jwt", SECRET),
        "tls_client_auth": shown("certified-client", authority.certify("certified")),
        "tls_client_auth, by DNS name": shown("dns-client", names_of["dns"]),
        "tls_client_auth, by URI": shown("uri-client", names_of["uri"]),
        "self_signed_tls_client_auth": shown("itself-client", itself),
        "kubernetes": account(),
        "spiffe": workload(),
        "spiffe, as a plain assertion": workload(kind=proofs.ASSERTION_TYPE),
        "none": Credentials("open-client", "none"),
    }
    wrong: dict[str, Callable[[], Credentials]] = {
        "a wrong secret by Basic": lambda: replace(by_secret, secret=SECRET + "x"),
        "a wrong secret in the body": lambda: replace(
            by_secret, secret=SECRET[:-1], method="client_secret_post"
        ),
        "a wrong chosen secret": lambda: replace(chosen, secret=CHOSEN.upper()),
        "no secret": lambda: Credentials("secret-app", "none"),
        "another client's secret": lambda: replace(by_secret, client="other-secret-app"),
        "a wrong secret for Keycloak": lambda: replace(at_keycloak, secret="wrong-secret"),
        "a secret that Keycloak does not know at all": lambda: Credentials(
            "nobody-app", "client_secret_post", "x"
        ),
        "an assertion by another key": lambda: replace(by_key, jwk=_private(another)),
        "an assertion by an algorithm that is not allowed": lambda: asserted(
            "key-client", own_assertion("key-client", rsa, issuer, "RS256")
        ),
        "an assertion for another": lambda: asserted(
            "key-client", own_assertion("key-client", elliptic, "https://elsewhere.test")
        ),
        "an expired assertion": lambda: asserted(
            "key-client", own_assertion("key-client", elliptic, issuer, exp=forgery.now(-forgery.FAR))
        ),
        "an assertion without jti": lambda: asserted(
            "key-client", own_assertion("key-client", elliptic, issuer, jti=None)
        ),
        "an assertion of another client": lambda: asserted(
            "key-client", own_assertion("rsa-client", rsa, issuer, "RS256")
        ),
        "an assertion with the public key as the secret": lambda: asserted(
            "rsa-client", forgery.by_public_key(own_assertion("rsa-client", rsa, issuer, "RS256"), rsa)
        ),
        "a shared secret that is wrong": lambda: Credentials(
            "shared-client", "client_secret_jwt", SECRET[::-1]
        ),
        "no certificate": lambda: shown("certified-client", None),
        "a certificate by another authority": lambda: shown(
            "certified-client", impostor.certify("certified")
        ),
        "a certificate with another name": lambda: shown("certified-client", authority.certify("another")),
        "a certificate with another DNS name": lambda: shown("dns-client", names_of["uri"]),
        "a self-signed certificate with the right name": lambda: shown(
            "certified-client", certificates.by_itself(folder, "certified")
        ),
        "another self-signed certificate": lambda: shown(
            "itself-client", certificates.by_itself(folder, "itself-too")
        ),
        "a service account of another name": lambda: account(subject=ACCOUNT + "2"),
        "a service account's token by another key": lambda: account(key=another),
        "a service account's token for another": lambda: account(audience="https://kubernetes.default.svc"),
        "a workload of another name": lambda: workload(subject=WORKLOAD + "2"),
        "a service account's token as a workload's": lambda: replace(account(), assertion_type=SPIFFE_TYPE),
        "a secret where a key is registered": lambda: Credentials("key-client", "client_secret_post", SECRET),
        "nothing where a secret is registered": lambda: Credentials("chosen app", "none"),
        "an unknown client": lambda: Credentials("nobody-app", "none"),
    }
    assert (list(right), list(wrong)) == (RIGHT, WRONG)
    yield World(gate, endpoint, externals["abroad"], right, wrong)
    gate.stop()


def _files(folder: Path, contents: dict[str, str]) -> dict[str, str]:
    for name, content in contents.items():
        (folder / name).write_text(content)
    return {name: str(folder / name) for name in contents}


def _jwks(*keys: dict) -> str:
    return json.dumps({"keys": list(keys)})


def _private(key: object) -> dict:
    numbers = key.private_numbers()
    part = lambda value: base64.urlsafe_b64encode(value.to_bytes(32, "big")).rstrip(b"=").decode()  # noqa: E731
    point = numbers.public_numbers
    return {
        "kty": "EC", "crv": "P-256", "x": part(point.x), "y": part(point.y), "d": part(numbers.private_value),
        "kid": "k", "alg": "ES256",
    }  # fmt: skip


def _platform(url: str, jwks: str) -> dict:
    return {"issuer": {"url": url, "audiences": ["nobody"]}, "algorithms": ["ES256"], "jwksFile": jwks}


@pytest.fixture(params=CALLERS)
def caller(request: pytest.FixtureRequest) -> Caller:
    return CALLERS[request.param]


@pytest.mark.parametrize("name", RIGHT)
def test_the_right_credentials(world: World, caller: Caller, name: str) -> None:
    given = world.right[name]
    outcome = world.exchange(caller, given)
    assert outcome.token, f"{outcome} {world.gate.audit()[-1]}"
    assert oidc.claims_of(outcome.token)["azp"] == given.client
    assert world.gate.audit()[-1][names.AUDIT_CLIENT] == given.client


@pytest.mark.parametrize("name", WRONG)
def test_the_wrong_credentials(world: World, caller: Caller, name: str) -> None:
    outcome = world.exchange(caller, world.wrong[name]())
    assert outcome.token is None
    # Keycloak's own code for a wrong secret is unauthorized_client. Authlib and openid-client tell no code of a challenge.
    expected = [(401, "invalid_client"), (401, "unauthorized_client"), (401, None)]
    if name == "an assertion of another client":
        expected = [(400, "invalid_request")]  # It names two clients.
    assert (outcome.status, outcome.error) in expected
    reason = world.gate.audit()[-1][names.AUDIT_REASON]
    assert reason in ("client_unauthenticated", "credentials_malformed", "credentials_ambiguous")


def test_an_assertion_is_good_once(world: World, caller: Caller) -> None:
    """Whoever reads it on its way can't use it again."""
    own = world.right["private_key_jwt"].jwk or {}
    token = own_assertion("key-client", jwt.PyJWK(own).key, world.endpoint.issuer)
    once = Credentials("key-client", "assertion", assertion=token, assertion_type=proofs.ASSERTION_TYPE)
    assert world.exchange(caller, once).token
    assert world.exchange(caller, once).token is None
    assert world.gate.audit()[-1]["reason"] == "client_assertion_replayed"


def test_a_platforms_token_is_good_until_it_expires(world: World, caller: Caller) -> None:
    """A pod has one token for an hour; it can't make another for each request."""
    for name in ("kubernetes", "spiffe"):
        for _ in range(2):
            assert world.exchange(caller, world.right[name]).token


def test_who_came_with_basic_is_challenged(world: World) -> None:
    """RFC 6749 section 5.2."""
    answer = requests.post(
        world.endpoint.url,
        data={"grant_type": oidc.EXCHANGE_GRANT, "subject_token": "x", "subject_token_type": oidc.ACCESS_TOKEN, "audience": "back-end-api"},
        auth=("secret-app", "wrong"), verify=str(world.endpoint.ca), timeout=20,
    )  # fmt: skip
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
