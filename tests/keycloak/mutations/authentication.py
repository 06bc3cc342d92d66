"""Where and how the client says who it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import drafts
import oidc
from drafts import Draft
from mutations.change import Change
from mutations.fields import to_query


def _authenticate(method: Change) -> Change:
    return lambda draft: replace(draft, authenticate=method)


def _basic_line(make: Callable[[Draft], tuple[tuple[str, str], ...]], body: bool = False) -> Change:
    def method(draft: Draft) -> Draft:
        ready = drafts.by_body(draft) if body else draft
        return replace(ready, authorization=make(draft))

    return _authenticate(method)


def _value(draft: Draft) -> str:
    return oidc.basic(draft.client)[1].removeprefix("Basic ")


AUTHENTICATIONS = [
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
    ("client id in the query", lambda d: to_query("client_id")(drafts.by_body(replace(d, authenticate=lambda x: x))), False),
    ("secret in the query", lambda d: replace(to_query("client_id", "client_secret")(drafts.by_body(d)), authenticate=lambda x: x), False),
    ("client id twice", lambda d: replace(d, fields=(("client_id", "narrow-app"), *d.fields)), False),
    ("a decoy client id beside Basic", lambda d: replace(d, fields=(("client_id", "narrow-app"), *d.fields), authenticate=drafts.by_basic), True),
    ("its own client id beside Basic", lambda d: replace(d, fields=(("client_id", d.client.id), *d.fields), authenticate=drafts.by_basic), True),
    ("an assertion beside the body", lambda d: replace(d, fields=(("client_assertion", "x"), ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), *d.fields)), False),
    ("Proxy-Authorization", _basic_line(lambda d: (("Proxy-Authorization", "Basic " + _value(d)),)), False),
]  # fmt: skip
