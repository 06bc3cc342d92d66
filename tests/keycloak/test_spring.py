"""A Spring Boot application, over plain HTTP, with each of the HTTP clients that Spring takes by itself. Some offer
another protocol beside what they ask for: `Upgrade: h2c` (the JDK's), `Upgrade: TLS/1.2` (Apache HttpClient 5.4.1)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

import login
import names
import oidc
import realms
import secrecy
from admin import Admin
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from login import Browser
from peer import Peer, parsed
from process import Program, free_port
from realms import BACK_END, Client
from server import Keycloak
from tap import Tap

APP = Client("spring-app", secrecy.note_value("spring-app-secret-71c3"))
# The libraries that Spring finds, and what its HTTP client then offers: the JDK's with the first request of each
# connection, Apache's 5.4.1 with each GET.
HTTP_CLIENTS = {
    "jdk": (["lib"], {"h2c"}),
    "httpclient5": (["lib", "httpclient"], set()),
    "httpclient5-5.4.1": (["lib", "httpclient-5.4.1"], {"TLS/1.2"}),
}


@dataclass(frozen=True)
class Story:
    """The application, the user's browser in it, and the gate and what is in front of it."""

    app: Browser
    gate: Gate
    tap: Tap
    offer: set[str]

    def page(self, path: str) -> Answer:
        return self.app.get(path)

    def document(self, path: str) -> dict:
        answer = self.page(path)
        assert answer.status == 200, f"{answer.status} {answer.text}"
        document = parsed(answer)
        secrecy.note(document)
        return document


def arguments(port: int, issuer: str) -> list[str]:
    """Spring Boot's properties."""
    registrations = {
        "corp": {
            "authorization-grant-type": "authorization_code",
            "redirect-uri": "{baseUrl}/login/oauth2/code/corp",
            "scope": "openid,email,profile",
        },
        "exchange": {"authorization-grant-type": oidc.EXCHANGE_GRANT},
        "forbidden": {"authorization-grant-type": oidc.EXCHANGE_GRANT},
        "service": {"authorization-grant-type": "client_credentials"},
    }
    properties = {
        "server.port": str(port),
        "server.address": "127.0.0.1",
        "spring.main.banner-mode": "off",
        "app.issuer": issuer,
        "app.audience": BACK_END.id,
        "app.audience-secret": BACK_END.secret,
        "spring.security.oauth2.client.provider.corp.issuer-uri": issuer,
    }
    for name, registration in registrations.items():
        own = {"provider": "corp", "client-id": APP.id, "client-secret": APP.secret, **registration}
        properties |= {f"spring.security.oauth2.client.registration.{name}.{key}": own[key] for key in own}
    return [f"--{key}={value}" for key, value in properties.items()]


def started(folder: Path, libraries: list[str], port: int, issuer: str) -> Program:
    built = Path(os.environ["SPRING"])
    classes = ":".join([str(built / "classes"), *(f"{built / library}/*" for library in libraries)])
    java = str(Path(os.environ["JAVA_HOME"]) / "bin" / "java")
    argv = [java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx192m", "-cp", classes, "client.App"]
    app = Program([*argv, *arguments(port, issuer)], folder / "spring.log")

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        app.wait_until("listening", listens, deadline=60)
    except AssertionError:
        app.stop()
        raise
    return app


@pytest.fixture(scope="module")
def registered(keycloak: Keycloak) -> int:
    """The application's port, to which Keycloak sends users back."""
    port = free_port()
    more = {"serviceAccountsEnabled": True, "redirectUris": [f"http://127.0.0.1:{port}/*"]}
    Admin(keycloak.peer()).create_client("corp", realms.confidential(APP, realms.EXCHANGE, **more))
    return port


@pytest.fixture(scope="module", params=HTTP_CLIENTS)
def story(
    request: pytest.FixtureRequest,
    keycloak: Keycloak,
    gates: Gates,
    registered: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Story]:
    """Alice is logged in at the application."""
    libraries, offer = HTTP_CLIENTS[request.param]
    with closing(Tap()) as tap:
        audiences = {BACK_END.id: audience(BACK_END.id, permission(APP.id), issuance="mint")}
        gate = gates.start(
            f"spring-{request.param}", keycloak.address, Setup(audiences, public=tap.authority)
        )
        tap.target = gate.address
        issuer = gate.peer.issuer("corp")
        app = started(tmp_path_factory.mktemp("spring"), libraries, registered, issuer)
        try:
            browser = Browser(Peer(("127.0.0.1", registered), f"127.0.0.1:{registered}"))
            sent_to = browser.get("/oauth2/authorization/corp").header("Location")
            assert sent_to
            back = login.consent(gate.peer, sent_to, f"{browser.peer.origin}/login/oauth2/code/corp")
            logged_in = browser.get(login.target_of(back))
            assert (logged_in.status, logged_in.header("Location")) == (302, f"{browser.peer.origin}/"), (
                logged_in.text
            )
            yield Story(browser, gate, tap, offer)
        finally:
            app.stop()
            gate.stop()


def test_the_user_is_logged_in_and_userinfo_was_read(story: Story) -> None:
    document = story.document("/user")
    assert document["userinfo"]["email"] == "alice@example.test"


def test_the_http_client_offers_what_it_is_here_for(story: Story) -> None:
    assert story.document("/userinfo")["email"] == "alice@example.test"
    offers = story.tap.offers()
    assert offers["userinfo"] | offers["token"] == story.offer


def test_the_token_is_refreshed(story: Story) -> None:
    first, second = (story.document("/refreshed")["access_token"] for _ in range(2))
    assert first != second
    assert oidc.claims_of(second)["sid"] == oidc.claims_of(first)["sid"]


def test_the_application_has_a_token_for_itself(story: Story) -> None:
    token = story.document("/service")["access_token"]
    assert oidc.claims_of(token)["preferred_username"] == f"service-account-{APP.id}"


def test_the_token_is_exchanged(story: Story) -> None:
    document = story.document("/exchanged")
    token = document["access_token"]
    assert oidc.client_roles(token) == {"back-end-api": {"backend_user"}}
    assert oidc.claims_of(token)["aud"] in ("back-end-api", ["back-end-api"])
    assert story.gate.audit()[-1][names.AUDIT_CLIENT] == APP.id


def test_a_refusal_is_understood(story: Story) -> None:
    """Spring Security reads OAuth's errors from 400 and 401 alone; from any other status it shows the answer's text."""
    answer = story.page("/exchanged?registration=forbidden")
    assert (answer.status, parsed(answer)["error"]) == (502, "invalid_token_response")
    assert all(part in parsed(answer)["error_description"] for part in names.DENIED[1:])


def test_the_exchanged_token_is_introspected_and_revoked(story: Story) -> None:
    document = story.document("/revoked")
    assert document["aud"] == ["back-end-api"]
    assert document["sub"] == oidc.claims_of(document["access_token"])["sub"]
    assert document["status"] == 200
    assert document["after"] == "Provided token isn't active"


def test_the_user_logs_out(story: Story) -> None:
    """Last: the session at Keycloak is over, so its tokens are not active any more."""
    form = [*oidc.credentials(BACK_END), ("token", story.document("/refreshed")["access_token"])]

    def is_active() -> bool:
        return parsed(story.gate.peer.form(oidc.endpoint("corp", "token/introspect"), form))["active"]

    assert is_active()
    sent_to = story.app.post("/logout", []).header("Location")
    assert sent_to and sent_to.startswith(story.gate.peer.issuer("corp"))
    assert story.gate.peer.get(login.target_of(sent_to)).status == 200
    assert not is_active()
