"""TLS ends at Cambio: both versions of HTTP by ALPN, and a certificate that is replaced while it runs."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import certificates
import http1
import http2
import oidc
import secrecy
from drafts import Draft
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from peer import parsed
from process import poll
from realms import ALICE, FRONT_END
from server import Keycloak

AUDIENCES = {"back-end-api": audience("back-end-api", permission("front-end-app"))}


@dataclass(frozen=True)
class Secure:
    """A gate with a certificate, and where that lies."""

    gate: Gate
    folder: Path

    def context(self, *protocols: str) -> ssl.SSLContext:
        """Trusts the certificate that lies there now, and offers these protocols."""
        context = ssl.create_default_context(cafile=str(self.folder / "tls.crt"))
        context.set_alpn_protocols(list(protocols))
        return context

    def digest(self) -> str:
        """Of the certificate that is shown."""
        shown = ssl.get_server_certificate(self.gate.address, timeout=5)
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).hexdigest()


@pytest.fixture(scope="module")
def secure(keycloak: Keycloak, gates: Gates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    folder = tmp_path_factory.mktemp("tls")
    listen = {"tls": certificates.self_signed(folder)}
    gate = gates.start("tls", keycloak.address, Setup(AUDIENCES, listen=listen))
    yield Secure(gate, folder)
    gate.stop()


def ask(secure: Secure, version: str, fields: oidc.Form) -> Answer:
    draft = Draft(FRONT_END, secure.gate.authority, oidc.endpoint("corp"), tuple(fields))
    if version == "HTTP/2":
        context = secure.context("h2", "http/1.1")
        with http2.Connection(secure.gate.address, tls=context) as connection:
            assert connection.protocol == "h2"
            headers, body = http2.headers_of(draft)
            return connection.ask([(":scheme", "https"), *headers[:1], *headers[2:]], body)
    with http1.Connection(secure.gate.address, tls=secure.context("http/1.1")) as connection:
        connection.send(draft.render())
        return connection.answer()


def without_client(form: oidc.Form) -> oidc.Form:
    return [(name, value) for name, value in form if not name.startswith("client_")]


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
def test_the_story_over_tls(secure: Secure, version: str) -> None:
    """Login, an exchange that is permitted, and one that is not."""
    login = ask(secure, version, without_client(oidc.password_form(FRONT_END, ALICE)))
    token = secrecy.note(parsed(login))["access_token"]
    allowed = ask(secure, version, without_client(oidc.exchange_form(FRONT_END, token, "back-end-api")))
    issued = secrecy.note(parsed(allowed))["access_token"]
    assert oidc.client_roles(issued) == {"back-end-api": {"backend_user"}}
    assert oidc.realm_roles(issued) == set()
    denied = ask(secure, version, without_client(oidc.exchange_form(FRONT_END, token, "other-api")))
    assert denied.status == 403 and not oidc.is_exchange_success(denied)


def test_http_in_clear_text_gets_no_answer_there(secure: Secure) -> None:
    answers = http1.all_answers(
        secure.gate.address, http1.render("GET", "/realms/corp", [("Host", secure.gate.authority)])
    )
    assert answers == []


def test_a_replaced_certificate_is_shown_and_open_connections_go_on(secure: Secure) -> None:
    before = secure.digest()
    with http1.Connection(secure.gate.address, tls=secure.context("http/1.1")) as connection:
        request = http1.render("GET", "/realms/corp", [("Host", secure.gate.authority)])
        connection.send(request)
        assert connection.answer().status == 200
        certificates.self_signed(secure.folder)
        poll("the new certificate is shown", lambda: secure.digest() != before, deadline=20)
        connection.send(request)
        assert connection.answer().status == 200
    with http1.Connection(secure.gate.address, tls=secure.context("http/1.1")) as connection:
        connection.send(request)
        assert connection.answer().status == 200
