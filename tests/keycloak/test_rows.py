"""Every measured answer of Keycloak is the same through Cambio, or stricter in the way that docs/differences.md says."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

import differences
import http1
import oidc
from differences import EXCHANGE, INTROSPECTION, WIRE, Row, Tokens, told
from drafts import Draft
from http1 import Answer
from peer import Peer, parsed
from process import poll
from realms import ALICE, BOB, BRIEF, CAROL, FRONT_END, NO_EXCHANGE, PARTNER_APP, PETRA, PUBLIC, STRANGER

DOCUMENT = Path(__file__).parents[2] / "docs" / "differences.md"


@pytest.fixture(scope="module")
def tokens(direct: Peer) -> Tokens:
    clients = (FRONT_END, STRANGER, NO_EXCHANGE, PUBLIC)
    logins = {client.id: oidc.login(direct, client, ALICE) for client in clients}
    front = logins[FRONT_END.id]
    brief = oidc.login(direct, BRIEF, ALICE)["access_token"]
    expiry = oidc.claims_of(brief)["exp"]
    poll("the brief token has expired", lambda: time.time() > expiry + 1, deadline=10)
    return Tokens(
        access={client: tokens["access_token"] for client, tokens in logins.items()},
        bob=oidc.login(direct, FRONT_END, BOB)["access_token"],
        carol=oidc.login(direct, FRONT_END, CAROL)["access_token"],
        expired=brief,
        refresh=front["refresh_token"],
        identity=front["id_token"],
        foreign=oidc.login(direct, PARTNER_APP, PETRA, realm="partner")["access_token"],
    )


def ask(peer: Peer, draft: Draft) -> Answer:
    with http1.Connection(peer.address) as connection:
        connection.send(draft.render())
        return connection.answer()


def check(
    row: Row, base: Callable[[str, Tokens], Draft], direct: Peer, through: Peer, tokens: Tokens
) -> None:
    # Made anew for each: some of it can be used once only.
    straight, ours = (
        ask(peer, row.make(base(through.authority, tokens), tokens)) for peer in (direct, through)
    )
    assert told(straight) == row.straight, "Keycloak itself answers otherwise than was measured"
    assert told(ours) == (row.through or row.straight)
    if row.through is None and straight.status != 200:
        # Cambio's own words in Keycloak's place, or Keycloak's passed on: a client can't tell.
        assert ours.body == straight.body
        for name in ("Content-Type", "Cache-Control"):
            assert ours.header(name) == straight.header(name)
    if row.through is None and straight.status == 200:
        # A caller that relies on a member of Keycloak's answer finds it.
        assert set(parsed(ours)) == set(parsed(straight))
    if ours.status >= 400 and row.through:
        assert ours.header("Content-Type") == "application/json"
        assert ours.header("Cache-Control") == "no-store"


@pytest.mark.parametrize("row", EXCHANGE, ids=[row.name for row in EXCHANGE])
def test_exchange(direct: Peer, through: Peer, tokens: Tokens, row: Row) -> None:
    check(row, differences.exchange, direct, through, tokens)


@pytest.mark.parametrize("row", WIRE, ids=[row.name for row in WIRE])
def test_what_the_http_layer_accepts(direct: Peer, through: Peer, tokens: Tokens, row: Row) -> None:
    check(row, differences.exchange, direct, through, tokens)


@pytest.mark.parametrize("row", INTROSPECTION, ids=[row.name for row in INTROSPECTION])
def test_introspection(direct: Peer, through: Peer, tokens: Tokens, row: Row) -> None:
    check(row, differences.introspection, direct, through, tokens)


def test_the_document_is_current() -> None:
    assert DOCUMENT.read_text() == differences.markdown(), (
        "run: .keycloak/venv/bin/python tests/keycloak/differences.py > docs/differences.md"
    )


def test_standing_differences_name_tests_that_exist() -> None:
    here = Path(__file__)
    files = [*here.parent.glob("test_*.py"), *(here.parents[1] / "it").glob("*.rs")]
    sources = "".join(path.read_text() for path in files)
    for _, rows in differences.STANDING:
        for row in rows:
            assert f"def {row.test}(" in sources or f"fn {row.test}(" in sources, row.test
