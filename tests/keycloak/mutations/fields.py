"""The form itself: names, values, order, repetition, padding, and fields in the query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import oidc
from drafts import Draft, Fields, encode_fields
from mutations.change import Change


def _fields(change: Callable[[Fields], Fields]) -> Change:
    return lambda draft: replace(draft, fields=change(draft.fields))


def _add(*extra: tuple[str, str], first: bool = False) -> Change:
    return _fields(lambda fields: (*extra, *fields) if first else (*fields, *extra))


def _without(*names: str) -> Callable[[Fields], Fields]:
    return lambda fields: tuple(pair for pair in fields if pair[0] not in names)


def _set(name: str, value: str) -> Change:
    return _fields(lambda fields: (*_without(name)(fields), (name, value)))


def _rename(name: str, new: str) -> Change:
    return _fields(lambda fields: tuple((new if key == name else key, value) for key, value in fields))


def _percent_all(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _encode(name: Callable[[str], str], value: Callable[[str], str]) -> Change:
    join = lambda fields: "&".join(f"{name(key)}={value(text)}" for key, text in fields).encode()  # noqa: E731
    return lambda draft: replace(draft, encode=join)


def _plus(text: str) -> str:
    return quote(text, safe="")


def _first_encoded(text: str) -> str:
    return f"%{ord(text[0]):02x}{text[1:]}" if text else text


def to_query(*names: str) -> Change:
    """Move fields into the query string (all of them when none is named)."""

    def apply(draft: Draft) -> Draft:
        moved = tuple(pair for pair in draft.fields if not names or pair[0] in names)
        kept = tuple(pair for pair in draft.fields if pair not in moved)
        mark = "&" if "?" in draft.target else "?"
        return replace(draft, fields=kept, target=draft.target + mark + encode_fields(moved).decode())

    return apply


FIELDS = [
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
    ("grant type in the query", to_query("grant_type"), False),
    ("everything in the query", to_query(), False),
    ("audience in the query", to_query("audience"), True),
    ("subject token in the query", to_query("subject_token", "subject_token_type"), False),
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
