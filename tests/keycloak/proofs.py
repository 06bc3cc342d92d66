"""DPoP proofs (RFC 9449) and client assertions (RFC 7523 section 2.2), right and wrong."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid

from cryptography.hazmat.primitives.asymmetric import ec

import forgery
import oidc

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def dpop(
    key: ec.EllipticCurvePrivateKey,
    url: str,
    method: str = "POST",
    token: str | None = None,
    **claims: object,
) -> tuple[str, str]:
    """The header line of a fresh proof; with a token, it is about that (`ath`)."""
    public = {
        name: value for name, value in forgery.public_jwk(key, "").items() if name in ("kty", "crv", "x", "y")
    }
    body = {"htm": method, "htu": url, "iat": int(time.time()), "jti": str(uuid.uuid4()), **claims}
    if token:
        body["ath"] = _digest(token.encode())
    return ("DPoP", forgery.sign(body, key, "ES256", typ="dpop+jwt", jwk=public))


def thumbprint(key: ec.EllipticCurvePrivateKey) -> str:
    """RFC 7638: what `cnf.jkt` is."""
    members = forgery.public_jwk(key, "")
    required = {name: members[name] for name in ("crv", "kty", "x", "y")}
    return _digest(json.dumps(required, separators=(",", ":")).encode())


def client_assertion(
    client: str,
    key: object,
    audience: str | list[str],
    algorithm: str = "ES256",
    header: dict | None = None,
    **claims: object,
) -> oidc.Form:
    """The form fields of a client's assertion: `private_key_jwt`, or `client_secret_jwt` when the key is a secret."""
    now = int(time.time())
    body = {
        "iss": client,
        "sub": client,
        "aud": audience,
        "iat": now,
        "exp": now + 60,
        "jti": str(uuid.uuid4()),
    }
    merged = {name: value for name, value in {**body, **claims}.items() if value is not None}
    token = forgery.sign(merged, key, algorithm, **(header or {}))
    return [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", token)]


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
