"""Clients written by others that exchange a token over TLS, authenticated in each of the ways: Authlib, openid-client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests
from authlib.common.urls import add_params_to_qs
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from joserfc.jwk import ECKey, RSAKey

import secrecy
from certificates import Shown
from process import node


@dataclass(frozen=True)
class Credentials:
    """How a client authenticates, and with what."""

    client: str
    method: str
    secret: str | None = None
    # A private JWK with `kid` and `alg`.
    jwk: dict | None = None
    # A token that a platform made, and its client_assertion_type (method `assertion`).
    assertion: str | None = None
    assertion_type: str | None = None
    certificate: Shown | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of it: a token, or an error and its status."""

    token: str | None
    status: int = 200
    error: str | None = None


@dataclass(frozen=True)
class Endpoint:
    """Where, and by which CA's word."""

    issuer: str
    url: str
    ca: Path


Caller = Callable[[Endpoint, Credentials, dict[str, str]], Outcome]


def by_authlib(endpoint: Endpoint, given: Credentials, fields: dict[str, str]) -> Outcome:
    method = {"tls_client_auth": "none"}.get(given.method, given.method)
    session = OAuth2Session(given.client, given.secret, token_endpoint_auth_method=method)
    if given.jwk:
        kind = ECKey if given.jwk["kty"] == "EC" else RSAKey
        session.client_secret = kind.import_key({k: v for k, v in given.jwk.items() if k != "alg"})
        session.register_client_auth_method(
            PrivateKeyJWT(endpoint.url, headers={"kid": given.jwk["kid"]}, alg=given.jwk["alg"])
        )
    if given.method == "client_secret_jwt":
        session.register_client_auth_method(ClientSecretJWT(endpoint.url))
    if given.assertion:
        session.register_client_auth_method(("assertion", _adds(given)))
    if given.certificate:
        session.cert = (str(given.certificate.certificate), str(given.certificate.key))
    answers: list[requests.Response] = []
    session.register_compliance_hook("access_token_response", lambda answer: answers.append(answer) or answer)
    try:
        tokens = session.fetch_token(endpoint.url, verify=str(endpoint.ca), timeout=20, **fields)
    except OAuthError as error:
        return Outcome(None, answers[-1].status_code, error.error)
    return Outcome(secrecy.note(dict(tokens))["access_token"])


def _adds(given: Credentials) -> Callable:
    added = [
        ("client_id", given.client),
        ("client_assertion_type", given.assertion_type),
        ("client_assertion", given.assertion),
    ]
    return lambda client, method, uri, headers, body: (uri, headers, add_params_to_qs(body or "", added))


def by_openid_client(endpoint: Endpoint, given: Credentials, fields: dict[str, str]) -> Outcome:
    shown = given.certificate
    tls = {"ca": str(endpoint.ca)}
    if shown:
        tls |= {"cert": str(shown.certificate), "key": str(shown.key)}
    document = {
        "issuer": endpoint.issuer,
        "endpoint": endpoint.url,
        "client": given.client,
        "method": given.method,
        "secret": given.secret,
        "jwk": given.jwk,
        "assertion": given.assertion,
        "assertionType": given.assertion_type,
        "tls": tls,
        "fields": fields,
    }
    result = node("exchange.mjs", document, timeout=60)
    if refusal := result.get("refusal"):
        return Outcome(None, refusal["status"], refusal["error"])
    return Outcome(secrecy.note(result["answer"])["access_token"])


CALLERS: dict[str, Caller] = {"Authlib": by_authlib, "openid-client": by_openid_client}
