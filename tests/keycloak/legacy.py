"""A realm whose exchanges are governed by Keycloak's legacy permissions: V1 token exchange, fine-grained admin permissions V1."""

from __future__ import annotations

import realms
import secrecy
from admin import Admin
from peer import parsed
from realms import Client, User

REALM = "legacy"
DAVE = User("dave", "dave-password-5e0b")

# Those who ask. Each has a service account but `public`.
CALLERS = ["alpha", "beta", "gamma", "robot", "disabled", "public"]

# Audience → the policies of its permission and how they decide together. None: no permission; []: one without policies.
AUDIENCES: dict[str, tuple[list[str] | None, str]] = {
    "api-one": (["only-alpha"], "UNANIMOUS"),
    "api-two": (["alpha-beta"], "UNANIMOUS"),
    "api-not-beta": (["not-beta"], "UNANIMOUS"),
    "api-both": (["alpha-beta", "not-beta"], "UNANIMOUS"),
    "api-either": (["only-alpha", "robot-role"], "AFFIRMATIVE"),
    "api-aggregate": (["aggregate"], "UNANIMOUS"),
    "api-not-aggregate": (["not-aggregate"], "UNANIMOUS"),
    "api-role": (["robot-role"], "UNANIMOUS"),
    "api-user-role": (["auditor-role"], "UNANIMOUS"),
    "api-and-role": (["alpha-beta", "robot-role"], "UNANIMOUS"),
    "api-consensus": (["only-alpha", "alpha-beta", "not-beta"], "CONSENSUS"),
    "api-time": (["alpha-beta", "this-century"], "UNANIMOUS"),
    "api-user": (["not-dave"], "UNANIMOUS"),
    "api-closed": ([], "UNANIMOUS"),
    "api-without": (None, ""),
    "api-disabled": (["alpha-beta"], "UNANIMOUS"),
}


def client(name: str) -> Client:
    """One of the realm's clients."""
    return Client(name, None if name == "public" else f"{name}-legacy-secret-6a1c")


def create(admin: Admin) -> None:
    """Make the realm with its permissions; `disabled` and `api-disabled` are still enabled."""
    secrecy.note_value(DAVE.password)
    for name in [*CALLERS, *AUDIENCES]:
        secrecy.note_value(client(name).secret or "")
    admin.must("POST", "", _realm())
    account = admin.read(f"/{REALM}/clients/{_id(admin, 'robot')}/service-account-user")["id"]
    admin.must(
        "POST", f"/{REALM}/users/{account}/role-mappings/realm", [admin.read(f"/{REALM}/roles/robot-role")]
    )
    # The first permission makes the place where policies are kept.
    permissions = {
        name: _enable(admin, f"clients/{_id(admin, name)}")
        for name, (policies, _) in AUDIENCES.items()
        if policies is not None
    }
    ids = _policies(admin)
    for name, permission in permissions.items():
        policies, strategy = AUDIENCES[name]
        _apply(admin, permission, [ids[policy] for policy in policies or []], strategy)
    provider = _enable(admin, "identity-provider/instances/abroad")
    _apply(admin, provider, [ids["only-alpha"]], "UNANIMOUS")
    users = parsed(admin.must("PUT", f"/{REALM}/users-management-permissions", {"enabled": True}))
    _apply(admin, users["scopePermissions"]["impersonate"], [ids["only-alpha"]], "UNANIMOUS")


def disable(admin: Admin, name: str) -> None:
    _change(admin, name, {"enabled": False})


def switch_on_standard_exchange(admin: Admin, name: str) -> None:
    _change(admin, name, {"attributes": {"standard.token.exchange.enabled": "true"}})


def export(admin: Admin) -> str:
    """The realm as Keycloak exports it."""
    return admin.must(
        "POST", f"/{REALM}/partial-export?exportClients=true&exportGroupsAndRoles=true"
    ).text


def _realm() -> dict:
    confidential = [
        {**realms.for_itself(client(name))} for name in [*CALLERS, *AUDIENCES] if name != "public"
    ]
    public = {**realms.confidential(client("public"), {}), "publicClient": True}
    return {
        **realms.realm(REALM),
        "roles": {
            "realm": [{"name": "auditor"}, {"name": "robot-role"}],
            "client": {name: [{"name": "user"}] for name in [*AUDIENCES, "alpha"]},
        },
        "clients": [*confidential, public],
        "users": [
            {
                **realms.profile(DAVE),
                "realmRoles": ["auditor"],
                "clientRoles": {name: ["user"] for name in [*AUDIENCES, "alpha"]},
            }
        ],
        "identityProviders": [realms.identity_provider("abroad", "http://abroad.test", "http://abroad.test/jwks")],
    }


def _policies(admin: Admin) -> dict[str, str]:
    """The realm's policies, name → id."""
    clients = {name: _id(admin, name) for name in CALLERS}
    listed = [clients[name] for name in ("alpha", "beta", "disabled", "public")]
    role = {name: admin.read(f"/{REALM}/roles/{name}")["id"] for name in ("auditor", "robot-role")}
    dave = admin.user(REALM, DAVE.name)["id"]
    ids: dict[str, str] = {}

    def make(kind: str, name: str, **more: object) -> None:
        document = {"name": name, "type": kind, **more}
        ids[name] = parsed(admin.must("POST", f"{_settings(admin)}/policy/{kind}", document))["id"]

    make("client", "only-alpha", clients=[clients["alpha"]])
    make("client", "alpha-beta", clients=listed)
    make("client", "not-beta", clients=[clients["beta"]], logic="NEGATIVE")
    make("role", "robot-role", roles=[{"id": role["robot-role"], "required": True}])
    make("role", "auditor-role", roles=[{"id": role["auditor"], "required": True}])
    make("user", "not-dave", users=[dave], logic="NEGATIVE")
    make("time", "this-century", notOnOrAfter="2099-01-01 00:00:00")
    both = [ids["alpha-beta"], ids["not-beta"]]
    make("aggregate", "aggregate", policies=both)
    make("aggregate", "not-aggregate", policies=both, logic="NEGATIVE")
    return ids


def _enable(admin: Admin, path: str) -> str:
    """Switch "Permissions" on; gives the id of the permission for token exchange."""
    answer = admin.must("PUT", f"/{REALM}/{path}/management/permissions", {"enabled": True})
    return parsed(answer)["scopePermissions"]["token-exchange"]


def _apply(admin: Admin, permission: str, policies: list[str], strategy: str) -> None:
    at = f"{_settings(admin)}/permission"
    if policies:
        document = {
            **admin.read(f"{at}/scope/{permission}"),
            "resources": [one["_id"] for one in admin.read(f"{at}/{permission}/resources")],
            "scopes": [one["id"] for one in admin.read(f"{at}/{permission}/scopes")],
            "policies": policies,
            "decisionStrategy": strategy,
        }
        admin.must("PUT", f"{at}/scope/{permission}", document)


def _settings(admin: Admin) -> str:
    return f"/{REALM}/clients/{_id(admin, 'realm-management')}/authz/resource-server"


def _change(admin: Admin, name: str, change: dict) -> None:
    document = admin.client(REALM, name)
    attributes = {**document["attributes"], **change.get("attributes", {})}
    admin.must("PUT", f"/{REALM}/clients/{document['id']}", {**document, **change, "attributes": attributes})


def _id(admin: Admin, name: str) -> str:
    return admin.client(REALM, name)["id"]
