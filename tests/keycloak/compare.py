"""When two answers are the same: all but hop-by-hop headers, `Date`, and material made afresh for each request."""

from __future__ import annotations

import re
from dataclasses import dataclass

import oidc
from http1 import Answer

# RFC 9110 section 7.6.1, and the date of the answer.
_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "date",
}

_AFRESH = [
    (re.compile(r"\b(code|code_challenge|session_code|session_state|tab_id|client_data|execution|authSessionIdHash)=[\w.%-]+"), r"\1=<afresh>"),
    (re.compile(r"eyJ[\w-]+(?:\.[\w-]*){2,4}"), "<token>"),
    (re.compile(r'"(?:[A-Za-z0-9+/]{43}|[A-Za-z0-9+/]{64})"'), '"<session hash>"'),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r'"(session_state|sid|nonce)"(\s*:\s*)"[\w.-]+"'), r'"\1"\2"<afresh>"'),
    (re.compile(r'"(exp|iat|auth_time|expires_in|refresh_expires_in|createdTimestamp)"(\s*:\s*)\d+'), r'"\1"\2<number>'),
]  # fmt: skip
_COOKIE = re.compile(r"^([^=]+)=[^;]*")


@dataclass(frozen=True)
class Comparable:
    """An answer without what may differ."""

    status: int
    headers: list[tuple[str, str]]
    body: str


def comparable(answer: Answer, ignore: set[str] = frozenset()) -> Comparable:
    """`ignore` names headers (in lower case) that this comparison leaves to another test."""
    headers = []
    for name, value in answer.headers:
        key = name.lower()
        if key in _HOP_BY_HOP or key in ignore:
            continue
        if key == "content-length":
            # Tokens and codes have no fixed length: what counts is that the length is right.
            value = "right" if int(value) == len(answer.body) or not answer.body else value
        if key == "set-cookie":
            value = _COOKIE.sub(r"\1=<afresh>", value)
        headers.append((key, _without_fresh(value)))
    return Comparable(answer.status, sorted(headers), _without_fresh(answer.text))


def assert_same(straight: Answer, through: Answer, ignore: set[str] = frozenset()) -> None:
    one, two = comparable(straight, ignore), comparable(through, ignore)
    assert two.status == one.status, f"{through.status} {through.text}"
    assert two.headers == one.headers
    assert two.body.splitlines() == one.body.splitlines()


def lasting_claims(token: str) -> dict:
    """The claims of a token that do not change from one login to the next."""
    afresh = {"exp", "iat", "auth_time", "jti", "sid", "at_hash"}
    return {name: value for name, value in oidc.claims_of(token).items() if name not in afresh}


def _without_fresh(text: str) -> str:
    for pattern, replacement in _AFRESH:
        text = pattern.sub(replacement, text)
    return text
