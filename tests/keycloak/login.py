"""Authorization code with PKCE (RFC 7636), by driving Keycloak's HTML login form as a browser would."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

import oidc
import secrecy
from http1 import Answer, Headers
from peer import Peer, parsed
from realms import ALICE, REDIRECT, Client, User


@dataclass
class Browser:
    """A cookie jar and one peer. Follows nothing by itself: each step's answer is there to be looked at."""

    peer: Peer
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, target: str) -> Answer:
        return self._keep(self.peer.get(target, self._cookie()))

    def post(self, target: str, form: list[tuple[str, str]]) -> Answer:
        return self._keep(self.peer.form(target, form, self._cookie()))

    def _cookie(self) -> Headers:
        pairs = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return [("Cookie", pairs)] if pairs else []

    def _keep(self, answer: Answer) -> Answer:
        for line in answer.header_values("Set-Cookie"):
            name, _, value = line.split(";")[0].partition("=")
            if "max-age=0" in line.lower():
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer


@dataclass(frozen=True)
class Steps:
    """The answers of a whole login, and its tokens."""

    page: Answer
    submitted: Answer
    redeemed: Answer
    tokens: dict
    browser: Browser


def by_code(peer: Peer, client: Client, user: User, realm: str = "corp") -> Steps:
    """Log in: the page, the form with user name and password, the code's way back, the code for tokens."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code", "client_id": client.id, "redirect_uri": REDIRECT, "scope": "openid",
        "state": "state-of-the-login", "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    browser = Browser(peer)
    page = browser.get(f"{oidc.endpoint(realm, 'auth')}?{urlencode(query)}")
    assert page.status == 200, f"{page.status} {page.text}"
    submitted = browser.post(form_action(page), [("username", user.name), ("password", user.password)])
    code = code_of(submitted)
    redeemed = peer.form(
        oidc.endpoint(realm),
        [
            ("grant_type", "authorization_code"), *oidc.credentials(client),
            ("code", code), ("redirect_uri", REDIRECT), ("code_verifier", verifier),
        ],
    )  # fmt: skip
    assert redeemed.status == 200, f"{redeemed.status} {redeemed.text}"
    return Steps(page, submitted, redeemed, secrecy.note(parsed(redeemed)), browser)


def consent(peer: Peer, url: str, redirect: str = REDIRECT, user: User = ALICE) -> str:
    """What the browser does between a client's two steps, from the URL that the client sends it to: the URL that it is
    sent back to."""
    assert url.startswith(peer.origin), f"the client was sent to {url}"
    browser = Browser(peer)
    page = browser.get(target_of(url))
    back = browser.post(form_action(page), [("username", user.name), ("password", user.password)])
    location = back.header("Location")
    assert back.status == 302 and location and location.startswith(redirect), f"{back.status} {back.text}"
    return location


def form_action(page: Answer) -> str:
    """Where a login page's form goes: path and query."""
    found = re.search(r'<form[^>]*id="kc-form-login"[^>]*action="([^"]+)"', page.text)
    assert found, page.text
    return target_of(html.unescape(found.group(1)))


def code_of(redirect: Answer) -> str:
    """The code in a redirect back to the client."""
    assert redirect.status == 302, f"{redirect.status} {redirect.text}"
    location = redirect.header("Location")
    assert location and location.startswith(REDIRECT + "?"), location
    query = parse_qs(urlsplit(location).query)
    assert query["state"] == ["state-of-the-login"]
    return secrecy.note_value(query["code"][0])


def target_of(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")
