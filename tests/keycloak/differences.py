"""What Keycloak answers when asked straight, and what Cambio makes of the same request: one row for each measured case.

`.keycloak/venv/bin/python tests/keycloak/differences.py` prints docs/differences.md from this table; test_rows.py sends
every row both ways.
"""

from __future__ import annotations

import gzip
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

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
    bob: str
    carol: str
    expired: str
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


def _with_proof(draft: Draft) -> Draft:
    """A proof of possession for this request, by a fresh key (RFC 9449 section 4.2)."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    claims = {
        "htm": draft.method,
        "htu": f"http://{draft.authority}{draft.target}",
        "iat": int(time.time()),
        "jti": str(uuid.uuid4()),
    }
    proof = jwt.encode(claims, key, algorithm="ES256", headers={"typ": "dpop+jwt", "jwk": public})
    return replace(draft, lines=(("DPoP", proof),))


NOBODY = Client("nobody", "wrong-secret")

EXCHANGE: list[Row] = [
    Row("an audience whose owner permits it", _set(), ISSUED),
    Row("no `audience`", _set(audience=None), ISSUED, '400 invalid_request "Missing form parameter: audience"', "Without an audience Keycloak filters nothing: the token would carry the user's roles in every client."),
    Row("an audience whose owner does not permit it", _set(audience="other-api"), ISSUED, DENIED, "Keycloak has no permission between a client and an audience. Cambio adds that permission."),
    Row("a client without a permission", _as(STRANGER), ISSUED, DENIED, "As above."),
    Row("unknown audience", _set(audience="nothing-api"), '400 invalid_client "Audience not found"', DENIED, "Cambio does not tell callers which audiences exist."),
    Row("audience for which the user has no role", _token("carol"), '400 invalid_request "Requested audience not available: back-end-api"'),
    Row("`requested_token_type` access_token", _set(requested_token_type=oidc.ACCESS_TOKEN), ISSUED),
    Row("`requested_token_type` refresh_token", _set(requested_token_type=oidc.REFRESH_TOKEN), "200 refresh_token and a refresh token", '400 invalid_request "requested_token_type unsupported"', "Keycloak's refresh token would bring back roles that Cambio removed. A permission can allow a sealed one."),
    Row("`requested_token_type` id_token", _set(requested_token_type=oidc.ID_TOKEN), "200 id_token", DENIED, "The owner's permission allows only access tokens, which is the default."),
    Row("`requested_token_type` jwt", _set(requested_token_type=oidc.JWT), '400 invalid_request "requested_token_type unsupported"'),
    Row("`requested_token_type` saml2", _set(requested_token_type=oidc.SAML2), '400 invalid_request "requested_token_type unsupported"'),
    Row("malformed subject token", _set(subject_token="garbage"), '400 invalid_request "Invalid token"'),
    Row("foreign subject token", _token("foreign"), '400 invalid_request "Invalid token"'),
    Row("expired subject token", _token("expired"), '400 invalid_request "Invalid token"'),
    Row("`subject_token_type` id_token", _set(subject_token_type=oidc.ID_TOKEN), '400 invalid_request "Invalid token type, must be access token"'),
    Row("`subject_token_type` jwt", _set(subject_token_type=oidc.JWT), '400 invalid_request "Invalid token type, must be access token"'),
    Row("a refresh token called an access token", _token("refresh"), '400 invalid_request "Invalid token"'),
    Row("an ID token called an access token", _token("identity"), '400 invalid_request "Invalid token"'),
    Row("`actor_token` present", _set(actor_token="x", actor_token_type=oidc.ACCESS_TOKEN), ISSUED, '400 invalid_request "actor_token is not supported"', "Keycloak ignores the actor: the caller believes that it delegates, but it impersonates. Cambio delegates if a permission allows it."),
    Row("`resource` that no audience lists", _set(resource="https://elsewhere.test"), ISSUED, '400 invalid_target "Resource not found"', "Keycloak ignores `resource`: the caller believes that the token is restricted, but it is not."),
    Row("`resource` of the audience", _set(resource="https://api.example.test"), ISSUED),
    Row("`subject_token_type` missing", _set(subject_token_type=None), '403 access_denied "Client not allowed to exchange"', MISSING_TOKEN, "RFC 8693 requires the parameter. Keycloak falls back to its legacy exchange."),
    Row("`subject_token` missing", _set(subject_token=None), DENIED, MISSING_TOKEN, "As above."),
    Row("unknown scope", _set(scope="zzz"), '400 invalid_scope "Invalid scopes: zzz"', NO_SCOPE, "The owner's permission lists the scopes that may be asked for."),
    Row("offline_access", _set(scope="offline_access"), ISSUED, '400 not_allowed "Offline tokens not allowed for the user or client"', "A permission must list `offline_access` by name."),
    Row("offline_access in a refresh token, of a user who may not have it", lambda d, t: _set(scope="offline_access", requested_token_type=oidc.REFRESH_TOKEN)(_token("bob")(d, t), t), '400 not_allowed "Offline tokens not allowed for the user or client"', '400 invalid_request "requested_token_type unsupported"', "Keycloak's refresh token would bring back roles that Cambio removed. A permission can allow a sealed one."),
    Row("wrong secret in the body", _changed(lambda d: replace(d, client=_wrong(d.client))), '401 unauthorized_client "Invalid client or Invalid client credentials"'),
    Row("wrong secret by Basic", _changed(lambda d: replace(d, client=_wrong(d.client), authenticate=drafts.by_basic)), '401 unauthorized_client "Invalid client or Invalid client credentials"'),
    Row("unknown client", _as_another(NOBODY), '401 invalid_client "Invalid client or Invalid client credentials"'),
    Row("client not in the token's `aud`", _as_another(STRANGER), '403 access_denied "Client is not within the token audience"'),
    Row("client without the exchange switched on", _as(NO_EXCHANGE), DENIED),
    Row("public client, own token", _as(PUBLIC), DENIED),
    Row("public client, another's token", _as_another(PUBLIC), '403 access_denied "Client is not the holder of the token"', '403 access_denied "Client is not within the token audience"', "Cambio has one text for public and confidential clients."),
    Row("`requested_subject`", _set(requested_subject="bob"), DENIED, CLOSED, "Closed unless `doors.requestedSubject` opens it or has it judged."),
    Row("`requested_issuer`", _set(requested_issuer="partner"), DENIED, CLOSED, "Closed unless `doors.requestedIssuer` opens it."),
    Row("`subject_issuer` of an identity provider, with its token", lambda d, t: _set(subject_issuer="partner")(_token("foreign")(d, t), t), DENIED, UNKNOWN_PARAMETER, "Accepted only in realms that take tokens of other issuers, or whose dialect requires it; never forwarded."),
    Row("unknown `subject_issuer`", _set(subject_issuer="nobody"), '400 invalid_issuer "Invalid subject_issuer parameter"', UNKNOWN_PARAMETER, "As above."),
    Row("client authentication twice, by Basic and in the body", _changed(lambda d: replace(drafts.by_body(d), authorization=(oidc.basic(d.client),), authenticate=lambda ready: ready)), ISSUED, '400 invalid_request "More than one client authentication method"', "RFC 6749 section 2.3 allows one method. Two methods could name two clients."),
    Row("no client", _changed(lambda d: replace(d, authenticate=lambda ready: ready)), '401 invalid_client "Invalid client or Invalid client credentials"'),
    Row("two audiences, of which one does not permit it", _changed(lambda d: replace(d, fields=(*d.fields, ("audience", "other-api")))), ISSUED, DENIED, "The owner of each named audience must permit the exchange."),
    Row("a `DPoP` proof", _changed(_with_proof), ISSUED),
    Row("a `DPoP` header that is no proof", _changed(lambda d: replace(d, lines=(("DPoP", "x"),))), '400 invalid_request "DPoP header verification failure"', '400 invalid_dpop_proof "DPoP proof is invalid"', "Cambio uses the error code of RFC 9449 section 5."),
    Row("missing `grant_type`", _set(grant_type=None), MISSING_GRANT),
    Row("unknown `grant_type`", _set(grant_type="nonsense"), '400 unsupported_grant_type "Unsupported grant_type"'),
    Row("a parameter twice", _repeated("subject_token"), '400 invalid_request "duplicated parameter"'),
    Row("a parameter that nobody knows", _set(nonsense="x"), ISSUED, UNKNOWN_PARAMETER, "Cambio refuses unknown parameters unless the realm has `unknownParameters: forward`."),
    Row("an empty `scope`", _set(scope=""), '400 invalid_scope "Invalid scopes: "', ISSUED, "A parameter without a value counts as omitted (RFC 6749 section 3.2)."),
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
    Row("a slash after the path", _path(lambda t: t + "/"), ISSUED, NOT_CANONICAL, "Cambio accepts only one spelling of a path."),
    Row("a query string", _path(lambda t: t + "?x=y"), ISSUED, '400 invalid_request "Parameters are not accepted in the query string"', "RFC 6749 puts the parameters of a token request into the body."),
    Row("absolute form, another authority", _path(lambda t: "http://elsewhere.test" + t), ISSUED, '400 invalid_request "Malformed request"', "The request target and `Host` name different hosts."),
    Row("absolute form, this authority", _changed(lambda d: replace(d, target=f"http://{d.authority}{d.target}")), ISSUED),
    Row("a chunked body", _changed(lambda d: replace(d, frame=lambda b: ((("Transfer-Encoding", "chunked"),), chunked(b)))), ISSUED),
    Row("parameter names percent-encoded", _changed(lambda d: replace(d, encode=lambda f: b"&".join(b"%" + f"{ord(n[0]):02x}{n[1:]}=".encode() + drafts.encode_fields((("", v),))[1:] for n, v in f))), ISSUED),
    Row("several hundred padding parameters", _changed(lambda d: replace(d, fields=(*((f"p{n}", "x") for n in range(300)), *d.fields))), ISSUED, UNKNOWN_PARAMETER, "Cambio refuses unknown parameters."),
    Row("100 KB of padding", _changed(lambda d: replace(d, fields=(("padding", "x" * 100_000), *d.fields))), ISSUED, UNKNOWN_PARAMETER, "As above."),
    Row("`charset=UTF-8` after the media type", _changed(lambda d: replace(d, content_types=(FORM + "; charset=UTF-8",))), ISSUED),
    Row("another parameter after the media type", _changed(lambda d: replace(d, content_types=(FORM + "; boundary=cut",))), ISSUED, MISSING_GRANT, "Cambio accepts only `charset=UTF-8`: the media type of forms defines no parameter."),
    Row("text/plain, by Basic", _typed("text/plain"), MISSING_GRANT),
    Row("no media type, by Basic", _changed(lambda d: _BY_HEADER(replace(d, content_types=()))), MISSING_GRANT),
    Row("multipart/form-data, by Basic", _typed("multipart/form-data; boundary=cut", drafts.multipart), ISSUED, MISSING_GRANT, "A token request must have the media type `application/x-www-form-urlencoded`."),
    Row("a double slash in the path", _path(lambda t: t.replace("/token", "//token")), '400 missingNormalization "Request path not normalized"', NOT_CANONICAL, "Cambio accepts only one spelling of a path."),
    Row("a dot segment", _path(lambda t: t.replace("/token", "/./token")), '400 missingNormalization "Request path not normalized"', NOT_CANONICAL, "As above."),
    Row("dot-dot segments", _path(lambda t: t.replace("/token", "/x/../token")), '400 missingNormalization "Request path not normalized"', NOT_CANONICAL, "As above."),
    Row("an encoded letter in the path", _path(lambda t: t.replace("/token", "/%74oken")), '400 missingNormalization "Request path not normalized"', NOT_CANONICAL, "As above."),
    Row("`;` in the path", _path(lambda t: t + ";a=b"), "400 invalidCharacter \"Request path contains invalid character ';'\"", NOT_CANONICAL, "As above."),
    Row("another case in the path", _path(lambda t: t.replace("/realms", "/Realms")), "404 Unable to find matching target resource method", NOT_CANONICAL, "As above."),
    Row("PUT", _changed(lambda d: replace(d, method="PUT")), "405 HTTP 405 Method Not Allowed", NOT_ALLOWED, "The answer is Cambio's own."),
    Row("GET", _changed(lambda d: replace(d, method="GET")), "405 HTTP 405 Method Not Allowed", NOT_ALLOWED, "The answer is Cambio's own."),
    Row("application/json", _changed(lambda d: replace(d, content_types=("application/json",))), MISSING_GRANT),
    Row("a gzip body", _changed(lambda d: replace(d, recode=gzip.compress, lines=(("Content-Encoding", "gzip"),))), SERVER_FAULT, '400 invalid_request "Content coding is not supported"', "The client made the mistake, so the status is 400."),
    Row("broken percent-encoding", _changed(lambda d: replace(d, recode=lambda b: b + b"&x=%zz")), SERVER_FAULT, MALFORMED, "As above."),
    Row("more than 1000 parameters", _changed(lambda d: replace(d, fields=(*((f"p{n}", "x") for n in range(1100)), *d.fields))), SERVER_FAULT, MALFORMED, "As above."),
    Row("a body over 1 MiB", _changed(lambda d: replace(d, fields=(("padding", "x" * 1_200_000), *d.fields))), "413 HTTP 413 Request Entity Too Large", '413 invalid_request "Request too large"', "The answer is Cambio's own."),
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


@dataclass(frozen=True)
class Standing:
    """What differs without being one request's status and body. `test` names who asserts it, here or in tests/it."""

    what: str
    straight: str
    through: str
    why: str
    test: str


STANDING: list[tuple[str, list[Standing]]] = [
    ("Exchanged tokens", [
        Standing("Roles in an exchanged token", "the audience's client roles, and every realm role of the user", "the roles that the audience's file names", "Cambio exists for this.", "test_reissue_narrows_to_the_audiences_own_roles"),
        Standing("Scope of an exchanged token", "the requested scopes and the client's default scopes", "the requested scopes, or the default scopes if none were requested, as far as the permission allows them", "As above.", "test_reissue_narrows_the_scope_to_what_was_asked"),
        Standing("Lifetime of an exchanged token", "the realm's setting", "at most `token.lifetime` of the audience", "As above.", "test_a_token_lives_no_longer_than_the_owner_says"),
        Standing("Signature of an exchanged token", "Keycloak's key", "with `issuance: reissue` (the default) the realm's active signing key, possibly with another algorithm; with `forward` Keycloak's key", "A token must be signed again after roles were removed. Its `jti` stays Keycloak's.", "test_a_resource_server_accepts_the_issued_token_through_discovery_alone"),
        Standing("Introspection, userinfo and revocation of a token that Cambio signed", "such tokens do not exist", "Cambio answers, in Keycloak's form and with Keycloak's rules", "Keycloak does not know Cambio's signatures ([tokens that Cambio signed](own-tokens.md)).", "test_a_token_is_active_for_its_audience_whoever_signed_it"),
        Standing("Refresh token of an exchange", "Keycloak's; it keeps every realm role (before 26.7.5, it brought back the roles of all clients too)", "sealed by Cambio, good for one use; each use is judged again", "A refresh must not bring back what Cambio removed.", "test_a_refreshed_token_says_no_more_than_the_first"),
        Standing("`issuance: forward` for a user with more realm roles than the audience lists", "200", "403; the audit line names the role", "Cambio can't remove a role from a token that Keycloak signed, so it withholds the token.", "test_forward_refuses_an_answer_that_says_more_than_the_contract"),
        Standing("Exchange in a realm that the configuration does not name", "200", "403", "No permission covers the exchange. Logins in that realm pass through.", "test_an_exchange_in_a_realm_that_is_not_governed_is_refused"),
        Standing("jwt-bearer, uma-ticket, CIBA", "as the realm is set up", "403", "These grants turn one token into another, too. `doors` opens each of them for a realm; jwt-bearer can also be judged like an exchange.", "test_a_back_door_that_works_is_shut_and_works_when_it_is_opened"),
        Standing("Pre-authorized codes, and the endpoints with offers of credentials", "as the server is set up", "403", "Such a code gives a user's token without client authentication. `doors.preAuthorizedCode` opens both for a realm.", "test_a_door_is_closed_by_default_with_a_clear_error"),
        Standing("`/broker/ALIAS/token`", "as the identity provider is set up", "403", "The endpoint hands out the partner's tokens. `doors.brokerToken` opens it for a realm.", "test_a_door_is_closed_by_default_with_a_clear_error"),
        Standing("Introspection with `jwt` in `Accept`", "a full token for all audiences, if the client is set up for it", "403", "The answer turns a lightweight token into one that says everything. `doors.introspectionJwt` opens it for a realm.", "test_a_door_is_closed_by_default_with_a_clear_error"),
        Standing("A form with one of these grants on another path", "the answer of that path", "400", "A server might read the form as a token request.", "test_a_form_with_the_exchange_grant_is_refused_on_every_other_path"),
    ]),
    ("Keys and discovery", [
        Standing("`certs` of a realm with a signing key", "Keycloak's keys", "Keycloak's set, byte for byte, and Cambio's keys at its end: next, active and retired", "Resource servers find the key of reissued tokens where they look for Keycloak's keys.", "test_certs_hold_what_keycloak_publishes"),
        Standing("Discovery: `grant_types_supported`, `id_token_signing_alg_values_supported`", "as the server is set up", "Keycloak's values; token exchange and the algorithms of Cambio's keys are added if they are missing", "A client that reads the document, such as `go-oidc`, accepts only the listed algorithms. Nothing is removed, and every other byte is Keycloak's.", "discovery_announces_our_algorithms"),
        Standing("Age of `certs` and discovery", "made for each request", "`certs` up to `jwks.refreshInterval`, but fetched at once if a token with a new key passes, for which the answer to a login waits 1 second at most; discovery up to a minute", "Both come from a cache, also while Keycloak is unavailable.", "test_rotated_keys_need_no_restart_of_cambio"),
        Standing("Caching headers of `certs` and discovery", "no `ETag`", "`ETag`, `Vary: Origin`, and `304` to `If-None-Match`", "Repeated requests are cheap. `Cache-Control` and all other headers are Keycloak's.", "test_published_documents_have_a_tag_that_is_honoured"),
    ]),
    ("Answers", [
        Standing("JSON answers, and every answer of a token endpoint", "streamed", "an answer of a token endpoint is held until complete, and refused if it is longer than 256 KiB; another "
        "JSON answer is held for 256 KiB or a second, then streamed, and cut before a token", "Cambio must know whether an answer is that of an exchange before a token leaves; see [the decision](decisions/0002-the-answer-lock-holds-json.md).", "test_an_answer_with_the_marks_of_an_exchange_leaves_by_no_other_way"),
        Standing("An answer that looks like that of an exchange, although Cambio judged none", "passes", "403, and an alarm", "Some request got round Cambio's checks.", "test_a_token_endpoints_answer_is_read_whatever_it_calls_itself"),
        Standing("`Accept-Encoding` and `Range` below a realm's `/protocol/`, and with methods other than GET, HEAD and OPTIONS", "followed where Keycloak compresses or splits", "not passed on: answers come whole and uncompressed", "Cambio can't read compressed or partial answers. Pages, scripts and GET answers of the admin API stay compressed.", "test_a_coded_answer_that_nobody_asked_for_is_withheld"),
        Standing("Refusals that Cambio makes itself", "security headers (`Strict-Transport-Security`, `X-Frame-Options` …)", "none of these headers, but `X-Correlation-Id`", "The correlation id is the `id` of the audit line, which has the cause.", "test_pages_of_the_client_can_read_every_answer"),
        Standing("CORS headers of Cambio's own answer to a client that failed to authenticate", "every page may read it, also one that sends cookies", "every page may read it, unless it sends cookies", "Nobody listed the page.", "every_answer_can_be_read_by_the_clients_page_alone"),
        Standing("A minted answer, and a refusal of Cambio, to a page that is not the client's", "403 `Invalid origin`", "the answer without CORS headers, which the browser keeps from the page", "As before Keycloak 26.", "every_answer_can_be_read_by_the_clients_page_alone"),
        Standing("Keycloak is stopped, or does not answer in time", "no connection, or no answer", "502 or 503, or 504 after `upstream.responseTimeout`; `certs` and discovery are still served", "Callers get a clear answer in bounded time.", "test_a_hanging_keycloak_is_answered_for_in_time"),
        Standing("Interim answers (102, 103)", "none are sent", "would not be passed on", "RFC 9110 section 15.2 asks a proxy to pass them on, but Cambio's HTTP library can't send them. Cambio answers `Expect: 100-continue` itself.", "test_interim_answers_end_at_cambio"),
        Standing("`Content-Length` in a 304 answer", "is not sent", "would be left out", "`Content-Length` is optional in a 304 (RFC 9110 section 8.6) and easily taken for the length of a body.", "test_a_304_has_no_length"),
        Standing("Trailers", "none are sent", "would be passed on to HTTP/1.1 callers that send `TE: trailers`, and to HTTP/2 callers; trailers of requests are passed on", "RFC 9110 section 6.5.1.", "bodies_methods_and_trailers_pass"),
    ]),
    ("Requests", [
        Standing("HTTP that two servers may read differently", "partly served", "400, and the connection is closed", "`Content-Length` beside `Transfer-Encoding`, repeated lengths or hosts, codings before `chunked`, `OPTIONS *`, `CONNECT`: it must be clear where a request ends and for which server it is.", "test_what_two_servers_may_read_in_two_ways_is_refused"),
        Standing("`Upgrade: h2c`", "101", "served as HTTP/1.1", "After an upgrade, Cambio could judge nothing; see [the decision](decisions/0001-h2c-upgrade-is-ignored.md). WebSocket upgrades pass.", "test_an_upgrade_to_h2c_is_not_made"),
        Standing("`X-Forwarded-…`, `Forwarded`, and headers such as `X-Real-IP` in which a proxy states the caller", "believed or not, as Keycloak is set up", "replaced with what Cambio saw, unless a listed proxy sent them", "Any caller can write these headers.", "test_forwarding_headers_say_what_cambio_saw"),
        Standing("`Via`", "not looked at, and not in answers", "a request gets an entry with a pseudonym of the process; an entry of its own, or the entries of four Cambios, are answered with 508", "RFC 9110 section 7.6.3. A request that leads back to Cambio must end. Answers get no entry.", "requests_say_which_way_they_came"),
        Standing("`Max-Forwards: 0` with OPTIONS or TRACE", "as without it", "Cambio answers: 204 to OPTIONS, 405 to TRACE", "RFC 9110 section 7.6.2: the request asks the last server that it reaches.", "max_forwards_ends_at_cambio"),
        Standing("`Proxy-Authorization`", "ignored", "removed", "The header is meant for the next proxy (RFC 9110 section 11.7.2), and Cambio is that proxy.", "test_forwarding_headers_say_what_cambio_saw"),
    ]),
]  # fmt: skip

HEAD = """\
# What is different behind Cambio

Logins, refreshes, introspection, logout, pages, the consoles and the admin API work through Cambio as they do without Cambio.
Cambio judges only token exchanges. It is stricter than Keycloak only with requests that could hide an exchange. This page lists
every difference that a client, a resource server or an operator can notice. First come differences in single requests to the
token endpoint, then differences in general, and at the end requests that were compared and have no difference.

`tests/keycloak` sends every request of this page to Keycloak 26.7.5, directly and through Cambio. The page is printed from the
table that the test runs (`.keycloak/venv/bin/python tests/keycloak/differences.py`). What the page does not list is the same
directly and through Cambio, with these exceptions: headers about one connection (`Connection`, `Keep-Alive`,
`Transfer-Encoding` and the like), the case of header names, and `Date`, which Keycloak leaves out.

In the tables, `front-end-app` exchanges its user's token for `back-end-api`, whose owner permits the exchange, unless the row
says otherwise. A cell has the status, and then the type of the issued token, or the error and its description.
"""

SINGLE = """
## Single requests

Each row changes one thing in a permitted exchange.

| what is sent | Keycloak alone | through Cambio | why |
|---|---|---|---|"""

SAME = """
## No difference

| what is sent | answer |
|---|---|"""


def markdown() -> str:
    """docs/differences.md."""
    rows = [*EXCHANGE, *WIRE, *INTROSPECTION]
    lines = [HEAD.rstrip("\n"), SINGLE]
    why = ""
    for row in rows:
        if row.through:
            why = _spelled_out(row.why, why)
            lines.append(f"| {row.name} | {row.straight} | {row.through} | {why} |")
    for title, standing in STANDING:
        lines += [
            "",
            f"## {title}",
            "",
            "| what | Keycloak alone | through Cambio | why |",
            "|---|---|---|---|",
        ]
        for row in standing:
            why = _spelled_out(row.why, why)
            lines.append(f"| {row.what} | {row.straight} | {row.through} | {why} |")
    lines.append(SAME)
    lines += [f"| {row.name} | {row.straight} |" for row in rows if not row.through]
    return "\n".join(lines) + "\n"


def _spelled_out(why: str, before: str) -> str:
    return before if why == "As above." else why


if __name__ == "__main__":
    print(markdown(), end="")
