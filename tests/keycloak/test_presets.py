"""Presets of issuers, with a real Keycloak: as the foreign issuer itself, and as the one that turns the tokens of others
into a user of its own (`translate`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

import forgery
import oidc
import upstreams
from admin import Admin
from differences import told
from foreign import External
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from realms import ALICE, FRONT_END
from server import Keycloak
from upstreams import Scripted

FIXTURES = Path(__file__).parents[1] / "it" / "fixtures" / "issuers"
# Whose tokens Keycloak translates. Their access tokens have an `aud`, which Keycloak demands.
TRANSLATED = ["github-actions", "gitlab-ci", "kubernetes", "auth0", "okta", "keycloak", "forgerock", "zitadel"]
ALIAS = "preset-{}"


@dataclass(frozen=True)
class Documented(External):
    """An issuer that gives tokens as its documentation shows them."""

    preset: str = ""
    claims: dict = field(default_factory=dict)

    def configuration(self, audience: str) -> dict:
        return {
            "preset": self.preset,
            "issuer": {"url": self.url, "audiences": [audience]},
            "jwksURL": self.jwks_url,
        }

    def signed(self, audience: str, **changes: object) -> str:
        """A token with other claims; None leaves one out."""
        now = forgery.now(0)
        times = {"iat": now - 5, "nbf": now - 5, "auth_time": now - 5, "exp": now + 300}
        timed = {name: times.get(name, value) for name, value in self.claims.items()}
        # Keycloak demands an id of the token.
        claims = {"jti": f"{self.preset}-{now}", **timed, "aud": audience, **changes}
        kept = {name: value for name, value in claims.items() if value is not None}
        return forgery.sign(kept, self.key, kid="preset")


@pytest.fixture(scope="module")
def documented(keycloak: Keycloak) -> Iterator[dict[str, Documented]]:
    """Issuers that corp trusts, and at which alice is known."""
    key = rsa.generate_private_key(65537, 2048)
    body = json.dumps({"keys": [forgery.public_jwk(key, "preset")]}).encode()
    admin = Admin(keycloak.peer())
    alice = admin.user("corp", ALICE.name)["id"]
    with upstreams.scripted(keycloak.address) as (address, script):
        script.answers["/preset-keys"] = Scripted(200, "application/json", body)
        made: dict[str, Documented] = {}
        for preset in TRANSLATED:
            claims = json.loads((FIXTURES / f"{preset}.json").read_text())["claims"]
            name = ALIAS.format(preset)
            made[preset] = Documented(
                name=name,
                url=claims["iss"],
                jwks_url=f"http://{address[0]}:{address[1]}/preset-keys",
                subject=claims["sub"],
                key=key,
                token=lambda _: "",
                preset=preset,
                claims=claims,
            )
            admin.trust(name, claims["iss"], made[preset].jwks_url)
            admin.link(alice, name, claims["sub"], preset)
        admin.allow_assertions(FRONT_END.id, [one.name for one in made.values()])
        yield made


@pytest.fixture(scope="module")
def translating(keycloak: Keycloak, gates: Gates, documented: dict[str, Documented]) -> Iterator[Gate]:
    issuers = [one.name for one in documented.values()]
    granted = permission("front-end-app", issuers=issuers, issuance="translate")
    setup = Setup({"back-end-api": audience("back-end-api", granted)}, externals=list(documented.values()))
    gate = gates.start("presets", keycloak.address, setup)
    yield gate
    gate.stop()


def exchange(gate: Gate, token: str, **more: str) -> Answer:
    return oidc.exchange(gate.peer, FRONT_END, token, "back-end-api", **more)


@pytest.mark.parametrize("preset", TRANSLATED)
def test_keycloak_translates_what_the_preset_accepts(
    keycloak: Keycloak, translating: Gate, documented: dict[str, Documented], preset: str
) -> None:
    issuer, corp = documented[preset], translating.peer.issuer("corp")
    answer = exchange(translating, issuer.signed(corp))
    assert answer.status == 200, f"{told(answer)} {translating.audit()[-1]}"
    claims = oidc.claims_of(json.loads(answer.text)["access_token"])
    assert claims["sub"] == Admin(keycloak.peer()).user("corp", ALICE.name)["id"]
    refused = exchange(translating, issuer.signed("https://elsewhere.test"))
    assert translating.reason_of(refused) == "subject_token_audience"
    refused = exchange(translating, issuer.signed(corp, tokenName=None, typ=None, cid=None, scope=None, jti=None,
                                                  repository_id=None, project_id=None, **{"kubernetes.io": None}))  # fmt: skip
    assert translating.reason_of(refused) == "subject_token_kind"


def test_a_real_keycloak_is_a_foreign_issuer_by_its_preset(
    keycloak: Keycloak, gates: Gates, externals: dict[str, External]
) -> None:
    """Real tokens of the realm `partner`: its access token is exchanged, its ID token is none."""
    partner = externals["partner"]
    granted = permission("front-end-app", issuers=["partner"], subjectTokens=["access_token"])
    document = audience("back-end-api", granted, issuance="mint")
    document["token"]["subject"] = "mapped"
    setup = Setup({"back-end-api": document}, externals=[partner], issuers={"partner": {"preset": "keycloak"}})
    gate = gates.start("preset-keycloak", keycloak.address, setup)
    try:
        genuine = partner.genuine(gate.peer.issuer("corp"))
        answer = exchange(gate, genuine.token)
        assert answer.status == 200, f"{told(answer)} {gate.audit()[-1]}"
        claims = oidc.claims_of(json.loads(answer.text)["access_token"])
        assert claims["sub"] == f"{partner.url}#{partner.subject}"
        for wrong in (genuine.resigned(typ="ID"), genuine.resigned(typ="Refresh"), genuine.resigned(typ=None)):
            assert gate.reason_of(exchange(gate, wrong)) == "subject_token_kind"
    finally:
        gate.stop()
