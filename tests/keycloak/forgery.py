"""Tokens that no issuer made: signed by a test with an issuer's own key, or with what an attacker has."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

import oidc
import secrecy

# The realm `partner` signs with this key, which is imported there.
PARTNER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_ANOTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_ANOTHER_EC = ec.generate_private_key(ec.SECP256R1())

# More than any leeway; in seconds.
FAR = 600


@dataclass(frozen=True)
class Genuine:
    """A real token of an issuer, and that issuer's key."""

    token: str
    key: rsa.RSAPrivateKey

    def resigned(
        self,
        key: object = None,
        algorithm: str = "RS256",
        header: dict | None = None,
        **claims: object,
    ) -> str:
        """The same token with other claims (None leaves one out), by the issuer's key unless another is given."""
        merged = {**oidc.claims_of(self.token), **claims}
        kept = {name: value for name, value in merged.items() if value is not None}
        headers = {**oidc.header_of(self.token), "alg": algorithm, **(header or {})}
        present = {name: value for name, value in headers.items() if value is not None}
        return sign(kept, key or self.key, algorithm, **present)


@dataclass(frozen=True)
class Forgery:
    """A token that must not be exchanged. `straight` is what Keycloak's own jwt-bearer grant says of it."""

    name: str
    make: Callable[[Genuine], str]
    reason: str
    straight: str


def now(seconds: int) -> int:
    """So many seconds from now."""
    return int(time.time()) + seconds


def _unsigned(genuine: Genuine) -> str:
    header = {**oidc.header_of(genuine.token), "alg": "none"}
    return secrecy.note_value(f"{oidc.encode_segment(header)}.{genuine.token.split('.')[1]}.")


def by_public_key(token: str, key: rsa.RSAPrivateKey) -> str:
    """A token as HS256 with the public key as the secret: the confusion of algorithms."""
    header = oidc.encode_segment({**oidc.header_of(token), "alg": "HS256"})
    message = f"{header}.{token.split('.')[1]}"
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature = hmac.digest(public, message.encode(), hashlib.sha256)
    return secrecy.note_value(f"{message}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}")


def _edited(genuine: Genuine) -> str:
    header, _, signature = genuine.token.split(".")
    claims = {**oidc.claims_of(genuine.token), "groups": ["approver", "payer"]}
    return f"{header}.{oidc.encode_segment(claims)}.{signature}"


INACTIVE = '400 invalid_grant "Token is not active"'
BAD_SIGNATURE = '400 invalid_grant "Invalid signature"'
BAD_AUDIENCE = '400 invalid_grant "Invalid token audience"'

FORGERIES: list[Forgery] = [
    Forgery("of an untrusted issuer", lambda g: g.resigned(iss="https://nobody.test"), "subject_token_issuer_untrusted", '400 invalid_grant "No Identity Provider for provided issuer"'),
    Forgery("for another audience", lambda g: g.resigned(aud="https://elsewhere.test"), "subject_token_audience", BAD_AUDIENCE),
    Forgery("for no audience", lambda g: g.resigned(aud=None), "subject_token_audience", BAD_AUDIENCE),
    Forgery("PS256 by the issuer's key", lambda g: g.resigned(algorithm="PS256"), "subject_token_algorithm", BAD_SIGNATURE),
    Forgery("RS512 by the issuer's key", lambda g: g.resigned(algorithm="RS512"), "subject_token_algorithm", BAD_SIGNATURE),
    Forgery("ES256 by another key", lambda g: g.resigned(_ANOTHER_EC, "ES256"), "subject_token_algorithm", BAD_SIGNATURE),
    Forgery("RS256 by another key", lambda g: g.resigned(_ANOTHER_RSA), "subject_token_signature", BAD_SIGNATURE),
    Forgery("with a claim edited", _edited, "subject_token_signature", BAD_SIGNATURE),
    Forgery("with an unknown kid", lambda g: g.resigned(header={"kid": "unknown"}), "subject_token_key_unknown", BAD_SIGNATURE),
    Forgery("expired", lambda g: g.resigned(exp=now(-FAR), iat=now(-2 * FAR)), "subject_token_expired", INACTIVE),
    Forgery("without exp", lambda g: g.resigned(exp=None), "subject_token_claims", '400 invalid_grant "Token exp claim is required"'),
    Forgery("not yet valid", lambda g: g.resigned(nbf=now(FAR)), "subject_token_not_yet_valid", INACTIVE),
    Forgery("issued in the future", lambda g: g.resigned(iat=now(FAR)), "subject_token_not_yet_valid", '400 invalid_grant "Token was issued in the future"'),
    Forgery("without sub", lambda g: g.resigned(sub=None), "subject_token_without_sub", '400 invalid_grant "Missing claim: sub"'),
    Forgery("unsigned", _unsigned, "subject_token_algorithm", '400 invalid_grant "Invalid signature algorithm"'),
    Forgery("HS256 by the public key", lambda g: by_public_key(g.token, g.key), "subject_token_algorithm", '400 invalid_grant "Invalid signature algorithm"'),
    # Keycloak takes it: it does not look at `crit`.
    Forgery("with crit", lambda g: g.resigned(header={"crit": ["exp"]}), "subject_token_critical", "200 access_token"),
]  # fmt: skip


def sign(claims: dict, key: object, algorithm: str = "RS256", **header: object) -> str:
    """A token that a test signs itself."""
    return secrecy.note_value(jwt.encode(claims, key, algorithm=algorithm, headers=header))


def sha256(secret: str) -> str:
    """A client's secret as the registry has it, if it is one of much chance."""
    return f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}"


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def private_jwk(key: rsa.RSAPrivateKey, kid: str) -> dict:
    """An RS256 key for a server that signs with it."""
    return _jwk(RSAAlgorithm.to_jwk(key), kid, "RS256")


def public_jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str) -> dict:
    """The key as others may see it: RS256, or ES256."""
    if isinstance(key, rsa.RSAPrivateKey):
        return _jwk(RSAAlgorithm.to_jwk(key.public_key()), kid, "RS256")
    return _jwk(ECAlgorithm.to_jwk(key.public_key()), kid, "ES256")


def _jwk(document: str, kid: str, algorithm: str) -> dict:
    members = json.loads(document)
    members.pop("key_ops", None)
    return {**members, "kid": kid, "use": "sig", "alg": algorithm}


def load(text: str) -> rsa.RSAPrivateKey:
    """What `pem` made."""
    key = load_pem_private_key(text.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key
