"""Keycloak's own lists of grants, endpoints, features and extension points: each has a decision in surface.toml."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

import oidc
from admin import Admin
from peer import Peer, parsed

FILE = Path(__file__).parent / "surface.toml"
REALM_FILE = Path(__file__).parents[2] / "src/adapters/config/file/realm.rs"
SURFACE = tomllib.loads(FILE.read_text())
WHAT_TO_DO = (
    "Find out whether it turns one token into another: who calls it, with what, and what comes back. If it does, "
    "judge it or close it with a door (src/judgement/exchange/classify.rs for a grant, src/judgement/route/doors.rs "
    "for an endpoint), with a test. Then write the decision into tests/keycloak/surface.toml."
)


@pytest.fixture(scope="module")
def server_info(direct: Peer) -> dict:
    authorization = [("Authorization", f"Bearer {Admin(direct).token}")]
    answer = direct.send("GET", "/admin/serverinfo", authorization)
    assert answer.status == 200, answer.text
    return json.loads(answer.body)


@pytest.fixture(scope="module")
def discovery(direct: Peer) -> dict:
    return parsed(direct.send("GET", "/realms/corp/.well-known/openid-configuration"))


def assert_known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    unknown = sorted(set(names) - set(known))
    assert not unknown, (
        f"Keycloak has {what} that nobody has decided about: {', '.join(unknown)}. {WHAT_TO_DO}"
    )


def test_every_grant_has_a_decision(discovery: dict, server_info: dict) -> None:
    assert discovery["grant_types_supported"]
    assert_known("grants", discovery["grant_types_supported"], SURFACE["grants"])
    assert_known("grants", server_info["providers"]["oauth2-grant-type"]["providers"], SURFACE["grants"])


def test_every_endpoint_has_a_decision(discovery: dict) -> None:
    documents = [discovery, discovery.get("mtls_endpoint_aliases", {})]
    found = [name for document in documents for name in document if name.endswith("_endpoint")]
    assert "token_endpoint" in found
    assert_known("endpoints", found, SURFACE["endpoints"])


def test_every_endpoint_is_where_cambio_looks_for_it(discovery: dict) -> None:
    """A path that moves would pass ungoverned."""
    paths = {
        name: discovery[name].split("/realms/corp", 1)[1]
        for name in SURFACE["endpoints"]
        if name in discovery
    }
    for name, path in [
        ("token_endpoint", "/protocol/openid-connect/token"),
        ("introspection_endpoint", "/protocol/openid-connect/token/introspect"),
        ("userinfo_endpoint", "/protocol/openid-connect/userinfo"),
        ("revocation_endpoint", "/protocol/openid-connect/revoke"),
    ]:
        assert paths[name] == path
    assert oidc.endpoint("corp").endswith(paths["token_endpoint"])


def test_every_feature_has_a_decision(server_info: dict) -> None:
    assert_known("features", [feature["name"] for feature in server_info["features"]], SURFACE["features"])


@pytest.mark.parametrize("point", sorted(SURFACE["providers"]))
def test_every_provider_that_adds_paths_or_grants_has_a_decision(server_info: dict, point: str) -> None:
    found = server_info["providers"].get(point, {}).get("providers", {})
    assert_known(f"providers of {point}", found, SURFACE["providers"][point])


def test_no_extension_point_for_paths_is_forgotten(server_info: dict) -> None:
    named = [
        point
        for point in server_info["providers"]
        if re.search(r"rest|resource$|-ext$|grant|exchange", point)
    ]
    known = [*SURFACE["providers"], "oauth2-grant-type"]
    assert_known("extension points", named, known)


def test_this_version_was_reviewed(server_info: dict) -> None:
    version = server_info["systemInfo"]["version"]
    assert version in SURFACE["reviewed"], (
        f"Keycloak {version} is new here: read its release notes and upgrading guide for new ways from one token to "
        f"another, paths included. {WHAT_TO_DO} Then add the version to `reviewed`."
    )


def decisions(table: dict) -> Iterable[str]:
    for value in table.values():
        yield from decisions(value) if isinstance(value, dict) else [value]


def test_every_decision_is_one_that_cambio_can_take() -> None:
    tables = [SURFACE[name] for name in ("grants", "endpoints", "providers", "features")]
    keys = REALM_FILE.read_text().split("pub struct Doors {")[1].split("}")[0]
    doors = {
        "".join([first, *map(str.title, rest)])
        for first, *rest in (name.split("_") for name in re.findall(r"pub (\w+):", keys))
    }
    for decision in (decision for table in tables for decision in decisions(table)):
        assert re.match(r"(judged|passes): .|door: \w", decision), decision
        for door in re.findall(r"door: (\w+)", decision):
            assert door in doors, decision
