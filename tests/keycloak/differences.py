"""What Keycloak answers when asked straight, and what Cambio makes of the same request: one row for each measured case.

`python differences.py` prints docs/differences.md from this table; test_rows.py sends every row both ways.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import drafts
import oidc
from drafts import Draft, chunked
from http1 import Answer
from peer import FORM
from realms import BACK_END, FRONT_END, NO_EXCHANGE, PUBLIC, STRANGER, Client

Change = Callable[[Draft], Draft]


@dataclass(frozen=True)
class Tokens:
    """What the rows are made with: alice's access tokens by client, her other tokens, and those of others."""

    access: dict[str, str]
    carol: str
    refresh: str
    identity: str
    foreign: str


@dataclass(frozen=True)
class Row:
    """One request. `through` is None where Cambio's answer is Keycloak's own."""

    name: str
    make: Callable[[Draft, Tokens], Draft]
    straight: str
    through: str | None = None
    why: str = ""


DENIED = '403 access_denied "Client not allowed to exchange"'
MISSING_GRANT = '400 invalid_request "Missing form parameter: grant_type"'
SERVER_FAULT = '500 unknown_error "For more on this error consult the server log."'
MISSING_TOKEN = '400 invalid_request "Missing form parameter: subject_token or subject_token_type"'
NO_SCOPE = '400 invalid_scope "Invalid scopes"'
CLOSED = '403 access_denied "This grant is closed by policy"'
UNKNOWN_PARAMETER = '400 invalid_request "Unsupported parameter"'
ISSUED = "200 access_token"


def told(answer: Answer) -> str:
    """An answer in a few words: the status, then what was issued, or the error and its description."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return str(answer.status)
    if not isinstance(body, dict):
        return str(answer.status)
    if "error" in body:
        description = body.get("error_description")
        return f"{answer.status} {body['error']}" + (f' "{description}"' if description else "")
    if "active" in body:
        return f"{answer.status} active={str(body['active']).lower()}"
    if "access_token" in body:
        kind = body.get("issued_token_type", "access_token").rsplit(":", 1)[-1]
        refresh = " and a refresh token" if "refresh_token" in body and "issued_token_type" in body else ""
        return f"{answer.status} {kind}{refresh}"
    return str(answer.status)


def exchange(authority: str, tokens: Tokens, client: Client = FRONT_END) -> Draft:
    """The ordinary exchange that rows of the first two tables vary: permitted by the audience's owner."""
    return Draft(
        client,
        authority,
        oidc.endpoint("corp"),
        (
            ("grant_type", oidc.EXCHANGE_GRANT),
            ("subject_token", tokens.access[client.id]),
            ("subject_token_type", oidc.ACCESS_TOKEN),
            ("audience", "back-end-api"),
        ),
    )


def _set(**fields: str | None) -> Callable[[Draft, Tokens], Draft]:
    """Set fields, add them, or (None) leave them out."""

    def make(draft: Draft, _: Tokens) -> Draft:
        merged = {**dict(draft.fields), **fields}
        return replace(
            draft, fields=tuple((name, value) for name, value in merged.items() if value is not None)
        )

    return make


def _as(client: Client) -> Callable[[Draft, Tokens], Draft]:
    def make(draft: Draft, tokens: Tokens) -> Draft:
        token = tokens.access.get(client.id, dict(draft.fields)["subject_token"])
        return replace(_set(subject_token=token)(draft, tokens), client=client)

    return make


def _as_another(client: Client) -> Callable[[Draft, Tokens], Draft]:
    """Another client's credentials with front-end-app's token."""
    return lambda draft, _: replace(draft, client=client)


def _repeated(name: str) -> Callable[[Draft, Tokens], Draft]:
    return lambda draft, _: replace(draft, fields=(*draft.fields, (name, dict(draft.fields)[name])))


def _changed(change: Change) -> Callable[[Draft, Tokens], Draft]:
    return lambda draft, _: change(draft)


def _path(change: Callable[[str], str]) -> Callable[[Draft, Tokens], Draft]:
    return _changed(lambda draft: replace(draft, target=change(draft.target)))


def _wrong(client: Client) -> Client:
    return Client(client.id, "wrong-secret")


def _token(name: str) -> Callable[[Draft, Tokens], Draft]:
    return lambda draft, tokens: _set(subject_token=getattr(tokens, name))(draft, tokens)


NOBODY = Client("nobody", "wrong-secret")

EXCHANGE: list[Row] = [
    Row("an audience whose owner permits it", _set(), ISSUED),
    Row("no `audience`", _set(audience=None), ISSUED, '400 invalid_request "Missing form parameter: audience"', "Without an audience nothing is filtered: the token would carry the user's roles in every client."),
    Row("an audience whose owner does not permit it", _set(audience="other-api"), ISSUED, DENIED, "Keycloak has no permission between a client and an audience; this is the one that Cambio adds."),
    Row("a client without a permission", _as(STRANGER), ISSUED, DENIED, "As above."),
    Row("unknown audience", _set(audience="nothing-api"), '400 invalid_client "Audience not found"', DENIED, "Which audiences there are is no caller's business."),
    Row("audience for which the user has no role", _token("carol"), '400 invalid_request "Requested audience not available: back-end-api"'),
    Row("`requested_token_type` access_token", _set(requested_token_type=oidc.ACCESS_TOKEN), ISSUED),
    Row("`requested_token_type` refresh_token", _set(requested_token_type=oidc.REFRESH_TOKEN), "200 refresh_token and a refresh token", '400 invalid_request "requested_token_type unsupported"', "A refresh token that comes out of an exchange brings every dropped role back."),
    Row("`requested_token_type` id_token", _set(requested_token_type=oidc.ID_TOKEN), "200 id_token", DENIED, "The owner's permission names access tokens only, which is the default."),
    Row("`requested_token_type` jwt", _set(requested_token_type=oidc.JWT), '400 invalid_request "requested_token_type unsupported"'),
    Row("`requested_token_type` saml2", _set(requested_token_type=oidc.SAML2), '400 invalid_request "requested_token_type unsupported"'),
    Row("malformed subject token", _set(subject_token="garbage"), '400 invalid_request "Invalid token"'),
    Row("foreign subject token", _token("foreign"), '400 invalid_request "Invalid token"'),
    Row("`subject_token_type` id_token", _set(subject_token_type=oidc.ID_TOKEN), '400 invalid_request "Invalid token type, must be access token"'),
    Row("`subject_token_type` jwt", _set(subject_token_type=oidc.JWT), '400 invalid_request "Invalid token type, must be access token"'),
    Row("a refresh token called an access token", _token("refresh"), '400 invalid_request "Invalid token"'),
    Row("an ID token called an access token", _token("identity"), '400 invalid_request "Invalid token"'),
    Row("`actor_token` present", _set(actor_token="x", actor_token_type=oidc.ACCESS_TOKEN), ISSUED, '400 invalid_request "actor_token is not supported"', "Keycloak ignores the actor: the caller believes that it delegated, and impersonated."),
    Row("`resource` that no audience lists", _set(resource="https://elsewhere.test"), ISSUED, '400 invalid_target "Resource not found"', "Keycloak ignores it: the caller believes that it narrowed, and did not."),
    Row("`resource` of the audience", _set(resource="https://api.example.test"), ISSUED),
    Row("`subject_token_type` missing", _set(subject_token_type=None), '403 access_denied "Client not allowed to exchange"', MISSING_TOKEN, "RFC 8693 requires it; Keycloak falls back to its legacy exchange."),
    Row("`subject_token` missing", _set(subject_token=None), DENIED, MISSING_TOKEN, "As above."),
    Row("unknown scope", _set(scope="zzz"), '400 invalid_scope "Invalid scopes: zzz"', NO_SCOPE, "The owner's permission lists the scopes that may be asked for."),
    Row("offline_access", _set(scope="offline_access"), ISSUED, NO_SCOPE, "As above."),
    Row("wrong secret in the body", _changed(lambda d: replace(d, client=_wrong(d.client))), '401 unauthorized_client "Invalid client or Invalid client credentials"'),
    Row("wrong secret by Basic", _changed(lambda d: replace(d, client=_wrong(d.client), authenticate=drafts.by_basic)), '401 unauthorized_client "Invalid client or Invalid client credentials"'),
    Row("unknown client", _as_another(NOBODY), '401 invalid_client "Invalid client or Invalid client credentials"', '403 access_denied "Client is not within the token audience"', "The subject token is judged first, and was not issued for this client."),
    Row("client not in the token's `aud`", _as_another(STRANGER), '403 access_denied "Client is not within the token audience"'),
    Row("client without the exchange switched on", _as(NO_EXCHANGE), DENIED),
    Row("public client, own token", _as(PUBLIC), DENIED),
    Row("public client, another's token", _as_another(PUBLIC), '403 access_denied "Client is not the holder of the token"', '403 access_denied "Client is not within the token audience"', "One text for both."),
    Row("`requested_subject`", _set(requested_subject="bob"), DENIED, CLOSED, "This door is closed unless `doors.requestedSubject` opens it."),
    Row("`requested_issuer`", _set(requested_issuer="partner"), DENIED, CLOSED, "This door is closed unless `doors.requestedIssuer` opens it."),
    Row("unknown `subject_issuer`", _set(subject_issuer="nobody"), '400 invalid_issuer "Invalid subject_issuer parameter"', UNKNOWN_PARAMETER, "A parameter that Cambio does not know is refused unless `unknownParameters: forward`."),
    Row("missing `grant_type`", _set(grant_type=None), MISSING_GRANT),
    Row("unknown `grant_type`", _set(grant_type="nonsense"), '400 unsupported_grant_type "Unsupported grant_type"'),
    Row("a parameter twice", _repeated("subject_token"), '400 invalid_request "duplicated parameter"'),
    Row("a parameter that nobody knows", _set(nonsense="x"), ISSUED, UNKNOWN_PARAMETER, "As above."),
    Row("an empty `scope`", _set(scope=""), '400 invalid_scope "Invalid scopes: "', ISSUED, "A parameter without a value is as good as omitted (RFC 6749 section 3.2)."),
]  # fmt: skip

NOT_CANONICAL = '400 invalid_request "Path is not canonical"'
NOT_ALLOWED = '405 invalid_request "Method not allowed"'
MALFORMED = '400 invalid_request "Malformed form"'
_BY_HEADER = lambda draft: replace(draft, authenticate=drafts.by_basic)  # noqa: E731


def _typed(
    value: str, encode: Callable[[drafts.Fields], bytes] = drafts.encode_fields
) -> Callable[[Draft, Tokens], Draft]:
    return _changed(lambda draft: _BY_HEADER(replace(draft, content_types=(value,), encode=encode)))


WIRE: list[Row] = [
    Row("a slash after the path", _path(lambda t: t + "/"), ISSUED, NOT_CANONICAL, "One canonical path."),
    Row("a query string", _path(lambda t: t + "?x=y"), ISSUED, '400 invalid_request "Parameters are not accepted in the query string"', "RFC 6749 has no parameters in the query of a token request."),
    Row("absolute form, another authority", _path(lambda t: "http://elsewhere.test" + t), ISSUED, '400 invalid_request "Malformed request"', "The target names another host than `Host` does."),
    Row("absolute form, this authority", _changed(lambda d: replace(d, target=f"http://{d.authority}{d.target}")), ISSUED),
    Row("a chunked body", _changed(lambda d: replace(d, frame=lambda b: ((("Transfer-Encoding", "chunked"),), chunked(b)))), ISSUED),
    Row("parameter names percent-encoded", _changed(lambda d: replace(d, encode=lambda f: b"&".join(b"%" + f"{ord(n[0]):02x}{n[1:]}=".encode() + drafts.encode_fields((("", v),))[1:] for n, v in f))), ISSUED),
    Row("several hundred padding parameters", _changed(lambda d: replace(d, fields=(*((f"p{n}", "x") for n in range(300)), *d.fields))), ISSUED, UNKNOWN_PARAMETER, "Parameters that Cambio does not know are refused."),
    Row("100 KB of padding", _changed(lambda d: replace(d, fields=(("padding", "x" * 100_000), *d.fields))), ISSUED, UNKNOWN_PARAMETER, "As above."),
    Row("`charset=UTF-8` after the media type", _changed(lambda d: replace(d, content_types=(FORM + "; charset=UTF-8",))), ISSUED),
    Row("another parameter after the media type", _changed(lambda d: replace(d, content_types=(FORM + "; boundary=cut",))), ISSUED, MISSING_GRANT, "Only `charset=UTF-8` may stand there: the form type has no other parameter."),
    Row("text/plain, by Basic", _typed("text/plain"), MISSING_GRANT),
    Row("no media type, by Basic", _changed(lambda d: _BY_HEADER(replace(d, content_types=()))), MISSING_GRANT),
    Row("multipart/form-data, by Basic", _typed("multipart/form-data; boundary=cut", drafts.multipart), ISSUED, MISSING_GRANT, "A token request is a form of that one type."),
    Row("a double slash in the path", _path(lambda t: t.replace("/token", "//token")), '400 missingNormalization "Request path not normalized"', NOT_CANONICAL, "One canonical path."),
    Row("a dot segment", _path(lambda t: t.replace("/token", "/./token")), '400 missingNormalization "Request path not normalized"', NOT_CANONICAL, "As above."),
    Row("dot-dot segments", _path(lambda t: t.replace("/token", "/x/../token")), '400 missingNormalization "Request path not normalized"', NOT_CANONICAL, "As above."),
    Row("an encoded letter in the path", _path(lambda t: t.replace("/token", "/%74oken")), '400 missingNormalization "Request path not normalized"', NOT_CANONICAL, "As above."),
    Row("`;` in the path", _path(lambda t: t + ";a=b"), "400 invalidCharacter \"Request path contains invalid character ';'\"", NOT_CANONICAL, "As above."),
    Row("another case in the path", _path(lambda t: t.replace("/realms", "/Realms")), "404 Unable to find matching target resource method", NOT_CANONICAL, "As above."),
    Row("PUT", _changed(lambda d: replace(d, method="PUT")), "405 HTTP 405 Method Not Allowed", NOT_ALLOWED, "Said by Cambio."),
    Row("GET", _changed(lambda d: replace(d, method="GET")), "405 HTTP 405 Method Not Allowed", NOT_ALLOWED, "Said by Cambio."),
    Row("application/json", _changed(lambda d: replace(d, content_types=("application/json",))), MISSING_GRANT),
    Row("a gzip body", _changed(lambda d: replace(d, recode=gzip.compress, lines=(("Content-Encoding", "gzip"),))), SERVER_FAULT, '400 invalid_request "Content coding is not supported"', "A client's mistake, told as one."),
    Row("broken percent-encoding", _changed(lambda d: replace(d, recode=lambda b: b + b"&x=%zz")), SERVER_FAULT, MALFORMED, "As above."),
    Row("more than 1000 parameters", _changed(lambda d: replace(d, fields=(*((f"p{n}", "x") for n in range(1100)), *d.fields))), SERVER_FAULT, MALFORMED, "As above."),
    Row("a body over 1 MiB", _changed(lambda d: replace(d, fields=(("padding", "x" * 1_200_000), *d.fields))), "413 HTTP 413 Request Entity Too Large", '413 invalid_request "Request too large"', "Said by Cambio."),
]  # fmt: skip


def introspection(authority: str, tokens: Tokens) -> Draft:
    return Draft(
        BACK_END,
        authority,
        oidc.endpoint("corp", "token/introspect"),
        (("token", tokens.access[FRONT_END.id]),),
    )


INTROSPECTION: list[Row] = [
    Row("introspection: good credentials and token", _set(), "200 active=true"),
    Row("introspection: a garbage token", _set(token="garbage"), "200 active=false"),
    Row("introspection: a foreign token", lambda draft, tokens: _set(token=tokens.foreign)(draft, tokens), "200 active=false"),
    Row("introspection: a token that does not name the client", _as_another(NO_EXCHANGE), "200 active=false"),
    Row("introspection: wrong secret", _changed(lambda d: replace(d, client=_wrong(d.client))), '401 invalid_client "Client authentication failed."'),
    Row("introspection: unknown client", _as_another(NOBODY), '401 invalid_client "Invalid client or Invalid client credentials"'),
    Row("introspection: public client", _as_another(PUBLIC), '403 invalid_request "Client not allowed."'),
    Row("introspection: no token", _set(token=None), '400 invalid_request "Token not provided."'),
]  # fmt: skip

# What differs without being one request's status and body. Asserted by the tests that are named.
STANDING = [
    ("`certs` of a realm with a signing key", "Keycloak's keys", "Keycloak's keys and Cambio's", "Resource servers find the key of reissued tokens where they look for the others.", "test_certs_hold_what_keycloak_publishes"),
    ("Caching headers of `certs` and discovery", "`no-cache` or `no-store`, no `ETag`", "`ETag`, and `304` to `If-None-Match`", "Both are served from a cache with a bounded life.", "test_published_documents_have_a_tag_that_is_honoured"),
    ("A successful exchange", "every realm role of the user", "the roles that the audience's file names", "The contract.", "test_reissue_narrows_to_the_audiences_own_roles"),
    ("jwt-bearer, uma-ticket, CIBA", "as the realm is set up", "refused", "Closed unless `doors` opens them.", "test_doors.py"),
    ("HTTP that two servers may read in two ways", "partly served", "400", "`Content-Length` beside `Transfer-Encoding`, repeated lengths or hosts, codings before `chunked`, `OPTIONS *`, `CONNECT`.", "test_differentials.py"),
    ("Answers that Cambio makes itself", "none", "`X-Correlation-Id`", "The `id` of the audit line that tells the cause.", "test_a_refusals_correlation_id_is_in_its_line"),
    ("Upgrade to h2c", "101", "served as HTTP/1.1", "Behind an upgrade nothing would be judged. WebSocket upgrades pass.", "test_protocol.py"),
]  # fmt: skip


def markdown() -> str:
    """docs/differences.md."""
    lines = [
        "# What is different behind Cambio",
        "",
        "Every request below is sent to Keycloak 26.7.3 straight and through Cambio by `tests/keycloak`. Whatever is not",
        "listed here is the same on both ways, but for hop-by-hop headers and `Date`. This page is printed by",
        "`tests/keycloak/differences.py` from the table that the tests run.",
        "",
        "## Stricter answers",
        "",
        "| request | Keycloak | through Cambio | why |",
        "|---|---|---|---|",
    ]
    rows = [*EXCHANGE, *WIRE, *INTROSPECTION]
    why = ""
    for row in rows:
        if row.through:
            why = why if row.why == "As above." else row.why
            lines.append(f"| {row.name} | {row.straight} | {row.through} | {why} |")
    lines += [
        "",
        "## Standing differences",
        "",
        "| what | Keycloak | through Cambio | why |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {what} | {straight} | {through} | {reason} |" for what, straight, through, reason, _ in STANDING
    ]
    lines += ["", "## The same on both ways", "", "| request | answer |", "|---|---|"]
    lines += [f"| {row.name} | {row.straight} |" for row in rows if not row.through]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
