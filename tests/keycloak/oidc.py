"""The OAuth requests of the suite, and what the tokens in their answers say."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote_plus

import secrecy
from http1 import Answer, Headers
from peer import Peer, parsed
from realms import Client, User

EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
UMA_GRANT = "urn:ietf:params:oauth:grant-type:uma-ticket"
CIBA_GRANT = "urn:openid:params:grant-type:ciba"
PRE_AUTHORIZED_GRANT = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
REFRESH_TOKEN = "urn:ietf:params:oauth:token-type:refresh_token"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
SAML2 = "urn:ietf:params:oauth:token-type:saml2"

Form = list[tuple[str, str]]


def endpoint(realm: str, name: str = "token") -> str:
    return f"/realms/{realm}/protocol/openid-connect/{name}"


def credentials(client: Client) -> Form:
    """The client's credentials as form fields (client_secret_post)."""
    return [("client_id", client.id)] + ([("client_secret", client.secret)] if client.secret else [])


def basic(client: Client, quote=quote_plus) -> tuple[str, str]:
    """The client's credentials as a header: form-encoded, joined, Base64 (RFC 6749 section 2.3.1)."""
    joined = f"{quote(client.id)}:{quote(client.secret or '')}"
    return ("Authorization", "Basic " + base64.b64encode(joined.encode()).decode())


def password_form(client: Client, user: User, scope: str = "openid") -> Form:
    return [
        ("grant_type", "password"), *credentials(client),
        ("username", user.name), ("password", user.password), ("scope", scope),
    ]  # fmt: skip


def login(peer: Peer, client: Client, user: User, realm: str = "corp", scope: str = "openid") -> dict:
    """The token answer of a password grant."""
    answer = peer.form(endpoint(realm), password_form(client, user, scope))
    assert answer.status == 200, f"{answer.status} {answer.text}"
    return secrecy.note(parsed(answer))


def exchange_form(client: Client, token: str, audience: str | None = None, **more: str) -> Form:
    """An exchange of an access token. A keyword replaces the field of its name, or adds it."""
    fields = {
        "grant_type": EXCHANGE_GRANT,
        **dict(credentials(client)),
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        **({"audience": audience} if audience else {}),
        **more,
    }
    return list(fields.items())


def exchange(
    peer: Peer,
    client: Client,
    token: str,
    audience: str | None = None,
    realm: str = "corp",
    **more: str,
) -> Answer:
    """Ask for an exchange; the answer may be a refusal."""
    answer = peer.form(endpoint(realm), exchange_form(client, token, audience, **more))
    if answer.status == 200:
        secrecy.note(parsed(answer))
    return answer


def jwt_bearer_form(client: Client, assertion: str, /, **more: str) -> Form:
    """The JWT authorization grant (RFC 7523 section 2.1). A keyword replaces the field of its name, or adds it."""
    fields = {"grant_type": JWT_BEARER_GRANT, **dict(credentials(client)), "assertion": assertion, **more}
    return list(fields.items())


def is_exchange_success(answer: Answer) -> bool:
    """Whether an answer hands out a token: any 2xx with a token in it counts, whatever its media type."""
    return 200 <= answer.status < 300 and (
        b"issued_token_type" in answer.body or b"access_token" in answer.body
    )


def header_of(token: str) -> dict:
    return _segment(token, 0)


def claims_of(token: str) -> dict:
    """The claims of a token, unverified. (That they verify is asserted by the resource servers of the suite.)"""
    return _segment(token, 1)


def client_roles(token: str) -> dict[str, set[str]]:
    """The client roles that a token carries, by client."""
    access = claims_of(token).get("resource_access", {})
    return {client: set(value["roles"]) for client, value in access.items()}


def realm_roles(token: str) -> set[str]:
    return set(claims_of(token).get("realm_access", {}).get("roles", []))


def bearer(token: str) -> Headers:
    return [("Authorization", f"Bearer {token}")]


def encode_segment(document: dict) -> str:
    """A JWT's header or claims, for tokens that must not be accepted."""
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def _segment(token: str, index: int) -> dict:
    part = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
