"""CERN's own client, the package auth-get-sso-cookie: a user logs in on another device, and the package exchanges the
user's token as CERN's page says, below `/auth` and over TLS.

The package's own login on another device fails at Keycloak 26, asked straight or through Cambio: it pads the code
challenge, which RFC 7636 section 4.2 forbids. So the test sends the package's two requests without the padding.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
from auth_get_sso_cookie import cern_sso

import certificates
import oidc
import pages
import realms
import secrecy
import server
from admin import Admin
from gate import Gate, Gates, Setup, audience, permission
from realms import Client, User
from tap import Tap

FRONT_END = Client("front-end-app", None)
BACK_END = Client("back-end-api", secrecy.note_value("back-end-api-secret-e07ab5c1"))
USER = User("jdoe", secrecy.note_value("jdoe-password-93c4"))


@dataclass(frozen=True)
class Cern:
    gate: Gate
    # Host and port, as the command wants them.
    host: str
    certificate: str

    def url(self, name: str) -> str:
        return f"https://{self.host}/auth{oidc.endpoint('cern', name)}"

    def post(self, name: str, form: dict[str, str]) -> requests.Response:
        return requests.post(self.url(name), form, verify=self.certificate, timeout=20)


def realm() -> dict:
    device = {"oauth2.device.authorization.grant.enabled": "true"}
    roles = {"front-end-app": ["frontend_user"], "back-end-api": ["backend_user"]}
    return {
        **realms.realm("cern"),
        "clients": [
            {**realms.confidential(FRONT_END, device), "publicClient": True},
            realms.confidential(BACK_END, {}),
        ],
        "roles": {"client": {client: [{"name": name} for name in named] for client, named in roles.items()}},
        "users": [{**realms.profile(USER), "clientRoles": roles}],
    }


@pytest.fixture(scope="module")
def cern(run: Path, gates: Gates) -> Iterator[Cern]:
    """A Keycloak below `/auth`, and Cambio before it with a certificate."""
    folder = run / "cern"
    folder.mkdir()
    with closing(Tap()) as tap:
        keycloak = server.below_auth(folder, *server.LENIENT, f"--hostname=https://{tap.authority}/auth")
        try:
            keycloak.start()
            admin = Admin(keycloak.peer(prefix="/auth"))
            pages.create(admin, realm())
            directory = admin.service_account("cern", "cambio-directory", ["view-users", "view-clients"])
            (folder / "directory.secret").write_text(directory.secret or "")
            tls = certificates.self_signed(folder)
            gate = gates.start("cern-client", keycloak.address, setup(gates, folder, tap, tls, directory))
            tap.target = gate.address
            yield Cern(gate, tap.authority, tls["certificate"])
            gate.stop()
        finally:
            keycloak.stop()


def setup(gates: Gates, folder: Path, tap: Tap, tls: dict, directory: Client) -> Setup:
    section = {
        "issuer": f"https://{tap.authority}/auth/realms/cern",
        "dialect": "cern",
        "clients": {FRONT_END.id: [{"method": "none"}]},
        "refreshTokens": gates.seal_key(folder / "seal.key"),
        "directory": {"clientId": directory.id, "clientSecretFile": str(folder / "directory.secret")},
    }
    granted = permission(FRONT_END.id, requestedTokens=["access_token", "refresh_token"], issuance="mint")
    audiences = {
        "back-end-api": audience(
            "back-end-api", granted, realm="cern", roles={"own": True, "source": "directory"}
        )
    }
    return Setup(audiences, realms={"cern": section}, listen={"tls": tls}, public=tap.authority, tls=True)


def log_in_on_another_device(cern: Cern, url: str) -> None:
    """What the user does with the address that the command shows: the login, and the question whether to let it in."""
    with requests.Session() as browser:
        browser.verify, browser.trust_env = cern.certificate, False
        page = browser.get(url, timeout=20)
        page = browser.post(action(page), {"username": USER.name, "password": USER.password}, timeout=20)
        page = browser.post(action(page), {"accept": "Yes"}, timeout=20)
        assert "Device Login Successful" in page.text, page.text


def action(page: requests.Response) -> str:
    found = re.search(r'<form[^>]* action="([^"]+)"', page.text)
    assert found, page.text
    return urljoin(page.url, html.unescape(found.group(1)))


def device_login(cern: Cern, challenge: str, verifier: str) -> requests.Response:
    """What the package's function `device_authorization_login` asks, with a user who is quick."""
    proof = {"code_challenge_method": "S256", "code_challenge": challenge}
    begun = cern.post("auth/device", {"client_id": FRONT_END.id, "state": "state-of-the-login", **proof})
    if not begun.ok:
        return begun
    log_in_on_another_device(cern, begun.json()["verification_uri_complete"])
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    code = {"device_code": begun.json()["device_code"], "code_verifier": verifier}
    return cern.post("token", {"client_id": FRONT_END.id, "grant_type": grant, **code})


def test_the_package_exchanges_the_token_of_a_user_who_logged_in_on_another_device(cern: Cern) -> None:
    verifier = "v" * 64
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode()
    assert (
        device_login(cern, challenge, verifier).json()["error_description"]
        == "Invalid parameter: code_challenge"
    )

    login = secrecy.note(device_login(cern, challenge.rstrip("="), verifier).json())
    assert oidc.client_roles(login["access_token"])["front-end-app"] == {"frontend_user"}
    tokens = cern_sso.public_token_exchange(
        FRONT_END.id, BACK_END.id, login["access_token"], cern.host, "cern", cern.certificate
    )
    secrecy.note(tokens)
    assert oidc.client_roles(tokens["access_token"]) == {"back-end-api": {"backend_user"}}
    assert oidc.claims_of(tokens["access_token"])["iss"] == f"https://{cern.host}/auth/realms/cern"
    refreshed = cern.post(
        "token",
        {"client_id": FRONT_END.id, "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
    ).json()
    secrecy.note(refreshed)
    assert oidc.client_roles(refreshed["access_token"]) == {"back-end-api": {"backend_user"}}


def test_the_package_is_told_of_a_refusal(cern: Cern) -> None:
    """It raises for the status, after it logged the answer."""
    with pytest.raises(requests.HTTPError) as refusal:
        cern_sso.public_token_exchange(
            FRONT_END.id, "nobody-api", "no-token", cern.host, "cern", cern.certificate
        )
    assert refusal.value.response.json()["error"] == "invalid_request"
