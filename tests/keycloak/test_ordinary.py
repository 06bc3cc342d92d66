"""What a realm's users and administrators do all day works through Cambio as without it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from urllib.parse import urlencode

import pytest

import login
import oidc
import realms
import secrecy
from admin import Admin
from compare import assert_same, comparable, lasting_claims
from http1 import Answer
from peer import FORM, Peer, parsed
from realms import ALICE, BACK_END, FRONT_END, PUBLIC, REDIRECT


def test_login_by_code_with_pkce_is_the_same(direct: Peer, through: Peer) -> None:
    straight = login.by_code(direct, FRONT_END, ALICE)
    ours = login.by_code(through, FRONT_END, ALICE)
    assert_same(straight.page, ours.page)
    assert_same(straight.submitted, ours.submitted)
    assert_same(straight.redeemed, ours.redeemed)
    for name in ("access_token", "id_token", "refresh_token"):
        assert lasting_claims(ours.tokens[name]) == lasting_claims(straight.tokens[name]), name


def test_wrong_password_on_the_login_form_is_the_same(direct: Peer, through: Peer) -> None:
    answers = []
    for peer in (direct, through):
        browser = login.Browser(peer)
        query = urlencode(
            {"response_type": "code", "client_id": PUBLIC.id, "redirect_uri": REDIRECT, "scope": "openid"}
        )
        page = browser.get(f"{oidc.endpoint('corp', 'auth')}?{query}")
        answers.append(
            browser.post(login.form_action(page), [("username", ALICE.name), ("password", "wrong")])
        )
    assert answers[0].status == 200 and "Invalid username or password" in answers[0].text
    assert_same(*answers)


def test_single_sign_on_by_cookie_is_the_same(direct: Peer, through: Peer) -> None:
    """A second visit with the session's cookies gets a code without a form."""
    answers = []
    for peer in (direct, through):
        browser = login.by_code(peer, FRONT_END, ALICE).browser
        query = urlencode(
            {"response_type": "code", "client_id": FRONT_END.id, "redirect_uri": REDIRECT, "scope": "openid", "state": "state-of-the-login"}
        )  # fmt: skip
        answers.append(browser.get(f"{oidc.endpoint('corp', 'auth')}?{query}"))
        login.code_of(answers[-1])
    assert_same(*answers)


@pytest.mark.parametrize("client", [FRONT_END, PUBLIC], ids=["confidential", "public"])
def test_password_grant_is_the_same(direct: Peer, through: Peer, client: realms.Client) -> None:
    straight, ours = (
        peer.form(oidc.endpoint("corp"), oidc.password_form(client, ALICE)) for peer in (direct, through)
    )
    assert_same(straight, ours)
    one, two = secrecy.note(parsed(straight)), secrecy.note(parsed(ours))
    assert lasting_claims(one["access_token"]) == lasting_claims(two["access_token"])


def test_client_credentials_grant_is_the_same(direct: Peer, through: Peer) -> None:
    form = [("grant_type", "client_credentials"), *oidc.credentials(FRONT_END)]
    straight, ours = (peer.form(oidc.endpoint("corp"), form) for peer in (direct, through))
    assert straight.status == 200
    assert_same(straight, ours)
    secrecy.note(parsed(straight)), secrecy.note(parsed(ours))


def test_refresh_is_the_same(direct: Peer, through: Peer) -> None:
    answers = []
    for peer in (direct, through):
        token = oidc.login(peer, FRONT_END, ALICE)["refresh_token"]
        form = [("grant_type", "refresh_token"), *oidc.credentials(FRONT_END), ("refresh_token", token)]
        answers.append(peer.form(oidc.endpoint("corp"), form))
        secrecy.note(parsed(answers[-1]))
    assert answers[0].status == 200
    assert_same(*answers)


def test_a_token_means_the_same_on_both_ways(direct: Peer, through: Peer) -> None:
    """The issuer follows Host: were Host changed on the way, each token would be foreign to the other way."""
    for issuing, asking in ((direct, through), (through, direct)):
        token = oidc.login(issuing, FRONT_END, ALICE)["access_token"]
        assert oidc.claims_of(token)["iss"] == through.issuer("corp")
        assert asking.get(oidc.endpoint("corp", "userinfo"), oidc.bearer(token)).status == 200


@pytest.mark.parametrize(
    "case", ["good", "garbage", "wrong secret", "unknown client", "public client", "no token"]
)
def test_introspection_is_the_same(direct: Peer, through: Peer, case: str) -> None:
    token = oidc.login(direct, FRONT_END, ALICE)["access_token"]
    form = {
        "good": [*oidc.credentials(BACK_END), ("token", token)],
        "garbage": [*oidc.credentials(BACK_END), ("token", "garbage")],
        "wrong secret": [("client_id", BACK_END.id), ("client_secret", "wrong"), ("token", token)],
        "unknown client": [("client_id", "nobody"), ("client_secret", "wrong"), ("token", token)],
        "public client": [("client_id", PUBLIC.id), ("token", token)],
        "no token": [*oidc.credentials(BACK_END)],
    }[case]
    straight, ours = (
        peer.form(oidc.endpoint("corp", "token/introspect"), form) for peer in (direct, through)
    )
    assert_same(straight, ours)
    expected = {"good": 200, "garbage": 200, "public client": 403, "no token": 400}.get(case, 401)
    assert straight.status == expected
    if straight.status == 200:
        assert parsed(ours)["active"] is (case == "good")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_userinfo_is_the_same(direct: Peer, through: Peer, method: str) -> None:
    token = oidc.login(direct, FRONT_END, ALICE)["access_token"]
    target = oidc.endpoint("corp", "userinfo")
    for headers in (oidc.bearer(token), oidc.bearer("garbage"), []):
        assert_same(direct.send(method, target, headers), through.send(method, target, headers))


def test_logout_ends_the_session_on_both_ways(direct: Peer, through: Peer) -> None:
    answers = []
    for peer in (direct, through):
        tokens = oidc.login(peer, FRONT_END, ALICE)
        form = [*oidc.credentials(FRONT_END), ("refresh_token", tokens["refresh_token"])]
        answers.append(peer.form(oidc.endpoint("corp", "logout"), form))
        refreshed = peer.form(oidc.endpoint("corp"), [("grant_type", "refresh_token"), *form])
        assert (refreshed.status, parsed(refreshed)["error"]) == (400, "invalid_grant")
    assert answers[0].status == 204
    assert_same(*answers)


def test_logout_in_the_browser_is_the_same(direct: Peer, through: Peer) -> None:
    answers = []
    for peer in (direct, through):
        steps = login.by_code(peer, FRONT_END, ALICE)
        query = urlencode({"id_token_hint": steps.tokens["id_token"], "post_logout_redirect_uri": REDIRECT})
        answers.append(steps.browser.get(f"{oidc.endpoint('corp', 'logout')}?{query}"))
    assert answers[0].status == 302
    assert_same(*answers)


def test_revocation_is_the_same(direct: Peer, through: Peer) -> None:
    answers = []
    for peer in (direct, through):
        token = oidc.login(peer, FRONT_END, ALICE)["refresh_token"]
        answers.append(
            peer.form(oidc.endpoint("corp", "revoke"), [*oidc.credentials(FRONT_END), ("token", token)])
        )
    assert answers[0].status == 200
    assert_same(*answers)


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/admin/",
        "/admin/master/console/",
        "/admin/corp/console/",
        "/realms/corp/account/",
        "/realms/corp",
        "/nothing",
        "/robots.txt",
    ],
)
def test_pages_are_the_same(direct: Peer, through: Peer, target: str) -> None:
    assert_same(direct.get(target), through.get(target))


def test_the_admin_console_loads_with_all_that_its_page_names(direct: Peer, through: Peer) -> None:
    page = through.get("/admin/master/console/")
    assert page.status == 200
    resources = sorted(set(re.findall(r'(?:src|href)="(/resources/[^"]+)"', page.text)))
    assert resources, "the page names no script or style sheet"
    for target in resources:
        for headers in ([], [("Accept-Encoding", "gzip")], [("Range", "bytes=0-99")]):
            straight, ours = direct.get(target, headers), through.get(target, headers)
            assert straight.status in (200, 206), target
            assert_same(straight, ours)
        tag = straight.header("ETag")
        if tag:
            again = [("If-None-Match", tag)]
            assert_same(direct.get(target, again), through.get(target, again))
        assert_same(direct.send("HEAD", target), through.send("HEAD", target))


def test_the_admin_api_is_the_same(direct: Peer, through: Peer) -> None:
    """A user is made, read, changed, found and deleted through Cambio; each answer is as it is without."""
    straight, ours = (
        _life_of_a_user(Admin(peer), name) for peer, name in ((direct, "dora"), (through, "dora"))
    )
    assert [answer.status for answer in straight] == [201, 409, 200, 200, 204, 200, 204, 204, 200, 404]
    for one, two in zip(straight, ours, strict=True):
        assert_same(one, two)


def _life_of_a_user(admin: Admin, name: str) -> list[Answer]:
    profile = {
        "username": name,
        "enabled": True,
        "email": f"{name}@example.test",
        "firstName": "É",
        "lastName": "雪",
    }
    password = secrecy.note_value("dora-password-4b1c")
    answers = [admin.call("POST", "/corp/users", profile), admin.call("POST", "/corp/users", profile)]
    answers.append(admin.call("GET", f"/corp/users?exact=true&username={name}"))
    (user,) = json.loads(answers[-1].body)
    path = f"/corp/users/{user['id']}"
    return [
        *answers,
        admin.call("GET", path),
        admin.call("PUT", path, {**user, "lastName": "Schnee"}),
        admin.call("GET", path),
        admin.call("PUT", f"{path}/reset-password", {"type": "password", "value": password}),
        admin.call("DELETE", path),
        admin.call("GET", f"/corp/users?exact=true&username={name}"),
        admin.call("GET", path),
    ]


def test_certs_hold_what_keycloak_publishes(direct: Peer, through: Peer) -> None:
    """Cambio adds its own key, takes nothing away, and changes no member of a key."""
    target = oidc.endpoint("corp", "certs")
    straight, ours = parsed(direct.get(target))["keys"], parsed(through.get(target))["keys"]
    for key in straight:
        assert key in ours
    added = [key for key in ours if key not in straight]
    assert [key["use"] for key in added] == ["sig"], added
    assert len({key["kid"] for key in ours}) == len(ours)
    assert not any(set(key) & {"d", "p", "q", "dp", "dq", "qi", "k"} for key in ours), (
        "a private member is published"
    )


@pytest.mark.parametrize(
    "host", ["", "sso.example.test", "127.0.0.1:1"], ids=["own", "another", "another port"]
)
def test_discovery_says_the_same_and_names_the_configured_origin(
    direct: Peer, through: Peer, host: str
) -> None:
    """The host is the caller's word: Keycloak follows it, Cambio does not."""
    target = "/realms/corp/.well-known/openid-configuration"
    straight = Peer(direct.address, through.authority).get(target)
    ours = Peer(through.address, host or through.authority).get(target)
    assert parsed(ours) == parsed(straight)
    assert parsed(ours)["issuer"] == f"http://{through.authority}/realms/corp"
    caching = {"cache-control", "etag", "age", "vary", "last-modified", "expires"}
    assert comparable(ours, caching).headers == comparable(straight, caching).headers


PUBLISHED = [oidc.endpoint("corp", "certs"), "/realms/corp/.well-known/openid-configuration"]


@pytest.mark.parametrize("origin", ["", realms.WEB_ORIGIN, "https://elsewhere.test:8443", "null"])
@pytest.mark.parametrize("target", PUBLISHED)
def test_published_documents_have_the_headers_that_keycloak_gives_web_pages(
    direct: Peer, through: Peer, target: str, origin: str
) -> None:
    """Twice, for the second comes from the cache; the preflight is Keycloak's own."""
    headers = [("Origin", origin)] if origin else []
    for method in ("GET", "GET", "HEAD"):
        straight, ours = (peer.send(method, target, headers) for peer in (direct, through))
        ignored = {"etag", "vary", "content-length"}
        assert comparable(ours, ignored).headers == comparable(straight, ignored).headers, method
        assert ours.header("Vary") == "Origin"
    preflight = [*headers, ("Access-Control-Request-Method", "GET")]
    assert_same(direct.send("OPTIONS", target, preflight), through.send("OPTIONS", target, preflight))


@pytest.mark.parametrize("origin", [realms.WEB_ORIGIN, "http://elsewhere.test"])
def test_pages_of_the_client_can_read_every_answer(direct: Peer, through: Peer, origin: str) -> None:
    """Keycloak's answers keep their headers, and Cambio's refusals have the same for the same pages."""
    headers = [("Origin", origin)]
    token = oidc.login(direct, FRONT_END, ALICE)["access_token"]
    passed: list[oidc.Form] = [
        oidc.password_form(FRONT_END, ALICE),
        oidc.exchange_form(FRONT_END, token, "back-end-api", client_secret="wrong"),
    ]
    for form in passed:
        straight, ours = (peer.form(oidc.endpoint("corp"), form, headers) for peer in (direct, through))
        assert_same(straight, _without_id(ours))
    form = oidc.exchange_form(FRONT_END, token, "back-end-api")
    straight, ours = (peer.form(oidc.endpoint("corp"), form, headers) for peer in (direct, through))
    # Old versions answer every page, which a browser then keeps from reading.
    answers = origin == realms.WEB_ORIGIN or "OLD_KEYCLOAK" in os.environ
    assert straight.status == ours.status == (200 if answers else 403)
    assert comparable(straight).headers == comparable(_without_id(ours)).headers
    denied = through.form(oidc.endpoint("corp"), oidc.exchange_form(FRONT_END, token, "other-api"), headers)
    assert denied.status == 403
    shared = {"access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers", "vary"}
    assert {name.lower() for name, _ in denied.headers} == {
        "cache-control", "connection", "content-length", "content-type", "date", "pragma", "x-correlation-id",
    } | (shared if origin == realms.WEB_ORIGIN else set())  # fmt: skip
    if origin == realms.WEB_ORIGIN:
        assert denied.header("Access-Control-Allow-Origin") == origin
        assert "x-correlation-id" in denied.header("Access-Control-Expose-Headers")


def _without_id(answer: Answer) -> Answer:
    """The answer without the correlation id, which a refusal of an exchange has beside Keycloak's own headers."""
    kept = [(name, value) for name, value in answer.headers if name.lower() != "x-correlation-id"]
    return replace(answer, headers=[(name, value.replace(", x-correlation-id", "")) for name, value in kept])


ODD_LOGINS: list[tuple[str, list[tuple[str, str]], bytes, str]] = [
    ("a semicolon", [("Content-Type", FORM)], b"&x=a;b", ""),
    ("a broken escape", [("Content-Type", FORM)], b"&x=100%sure", ""),
    ("Latin-1", [("Content-Type", FORM)], b"&x=\xe9", ""),
    ("CRLF at the end", [("Content-Type", FORM)], b"&x=y\r\n", ""),
    ("charset ISO-8859-1", [("Content-Type", FORM + "; charset=ISO-8859-1")], b"", ""),
    ("charset utf8", [("Content-Type", FORM + "; charset=utf8")], b"", ""),
    ("no such charset", [("Content-Type", FORM + "; charset=nonsense")], b"", ""),
    ("two types", [("Content-Type", FORM), ("Content-Type", FORM)], b"", ""),
    ("no type", [], b"", ""),
    ("text", [("Content-Type", "text/plain")], b"", ""),
    ("a parameter twice", [("Content-Type", FORM)], b"&x=1&x=2", ""),
    ("no name", [("Content-Type", FORM)], b"&=x", ""),
    ("many parameters", [("Content-Type", FORM)], b"&a=b" * 1100, ""),
    ("a query string", [("Content-Type", FORM)], b"", "?a=b"),
    ("a method override", [("Content-Type", FORM), ("X-HTTP-Method-Override", "PUT")], b"", ""),
]


@pytest.mark.parametrize(("name", "headers", "more", "query"), ODD_LOGINS, ids=[row[0] for row in ODD_LOGINS])
def test_a_login_in_an_odd_shape_is_keycloaks_to_judge(
    direct: Peer, through: Peer, name: str, headers: list[tuple[str, str]], more: bytes, query: str
) -> None:
    fields = [("grant_type", "client_credentials"), ("client_id", FRONT_END.id), ("client_secret", "wrong")]
    body = urlencode(fields).encode() + more
    target = oidc.endpoint("corp") + query
    assert_same(*(peer.send("POST", target, headers, body) for peer in (direct, through)))


@pytest.mark.parametrize("target", PUBLISHED)
def test_published_documents_have_a_tag_that_is_honoured(through: Peer, target: str) -> None:
    first = through.get(target)
    tag = first.header("ETag")
    assert first.status == 200 and tag
    again = through.get(target, [("If-None-Match", tag)])
    assert (again.status, again.body) == (304, b"")
    assert through.get(target, [("If-None-Match", '"other"')]).status == 200
    head = through.send("HEAD", target)
    assert (head.status, head.body) == (200, b"")


def test_a_realm_that_is_not_governed_passes(direct: Peer, through: Peer) -> None:
    """`master` has no section in the configuration: its logins and its documents are as without Cambio."""
    for target in ("/realms/master/.well-known/openid-configuration", oidc.endpoint("master", "certs")):
        assert_same(direct.get(target), through.get(target))
    Admin(through)


def test_large_and_unusual_bodies_stream(direct: Peer, through: Peer) -> None:
    """Bodies that are no forms are not read for judging, and have no limit of ours."""
    token = Admin(direct).token
    for size in (0, 1, 70_000, 3_000_000):
        body = b"[" + b" " * size + b"]"
        headers = [("Content-Type", "application/json"), *oidc.bearer(token)]
        straight, ours = (
            peer.send("POST", "/admin/realms/corp/users", headers, body) for peer in (direct, through)
        )
        assert_same(straight, ours)


def test_forms_on_other_paths_pass(direct: Peer, through: Peer) -> None:
    for body in (b"a=b", b"", b"grant_type=password", b"\xff\xfe", b"x=" + b"y" * 50_000):
        straight, ours = (
            peer.send("POST", "/realms/corp/nothing", [("Content-Type", FORM)], body)
            for peer in (direct, through)
        )
        assert_same(straight, ours)
