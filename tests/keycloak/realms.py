"""The two realms that the suite runs against, as Keycloak's own realm documents.

`corp` holds the story: front-end-app, back-end-api, and what stands around them. `partner` is another realm of the
same server, whose tokens are foreign to `corp`.
"""

from __future__ import annotations

from dataclasses import dataclass

EXCHANGE = {
    "standard.token.exchange.enabled": "true",
    "standard.token.exchange.enableRefreshRequestedTokenType": "SAME_SESSION",
}
REDIRECT = "http://app.example.test/callback"


@dataclass(frozen=True)
class Client:
    """A client's id and secret; a public client has none."""

    id: str
    secret: str | None


FRONT_END = Client("front-end-app", "front-end-app-secret-5d1f")
NARROW = Client("narrow-app", "narrow-app-secret-93ab")
STRANGER = Client("stranger-app", "stranger-app-secret-77c0")
NO_EXCHANGE = Client("no-exchange-app", "no-exchange-app-secret-11e2")
BACK_END = Client("back-end-api", "back-end-api-secret-b0a4")
OTHER = Client("other-api", "other-api-secret-62dd")
PUBLIC = Client("public-app", None)
# RFC 6749 section 2.3.1: id and secret are form-encoded before they are joined for Basic. These two need it.
ODD = Client("odd app", "s +%:&=ecret-ü-40f8")
PARTNER_APP = Client("partner-app", "partner-app-secret-2c9e")


@dataclass(frozen=True)
class User:
    """A user's name and password."""

    name: str
    password: str


ALICE = User("alice", "alice-password-8e21")  # made through the admin API: carries the default realm roles
BOB = User("bob", "bob-password-30c7")  # made with the realm: carries only the roles that are named
CAROL = User("carol", "carol-password-c41b")  # made through the admin API: has no role in any API
PETRA = User("petra", "petra-password-f7d3")  # of the realm `partner`

SECRETS = [
    value.secret
    for value in (FRONT_END, NARROW, STRANGER, NO_EXCHANGE, BACK_END, OTHER, ODD, PARTNER_APP)
    if value.secret
] + [user.password for user in (ALICE, BOB, CAROL, PETRA)]


def corp() -> dict:
    """The realm `corp`, without the users that are to be made in the ordinary way (see `ordinary_users`)."""
    return {
        **_realm("corp"),
        "roles": {
            "realm": [{"name": "auditor"}],
            "client": {
                "front-end-app": [{"name": "frontend_user"}, {"name": "administrator"}],
                "back-end-api": [{"name": "backend_user"}, {"name": "backend_admin"}],
                "other-api": [{"name": "other_user"}],
            },
        },
        "clients": [
            _confidential(FRONT_END, EXCHANGE, serviceAccountsEnabled=True),
            _confidential(NARROW, EXCHANGE, fullScopeAllowed=False),
            _confidential(STRANGER, EXCHANGE),
            _confidential(ODD, EXCHANGE, serviceAccountsEnabled=True),
            _confidential(NO_EXCHANGE, {}),
            _confidential(BACK_END, {}),
            _confidential(OTHER, {}),
            {**_confidential(PUBLIC, {}), "publicClient": True},
        ],
        "clientScopeMappings": {"back-end-api": [{"client": "narrow-app", "roles": ["backend_user"]}]},
        "users": [
            {
                **_profile(BOB),
                "clientRoles": {
                    "front-end-app": ["frontend_user"],
                    "back-end-api": ["backend_user"],
                    "other-api": ["other_user"],
                },
            }
        ],
    }


def partner() -> dict:
    """The realm `partner`."""
    return {
        **_realm("partner"),
        "clients": [_confidential(PARTNER_APP, EXCHANGE)],
        "users": [_profile(PETRA)],
    }


def ordinary_users() -> list[tuple[dict, dict[str, list[str]], list[str]]]:
    """Users to be made by `POST …/users`, each with its client roles and realm roles."""
    alice_roles = {
        "front-end-app": ["frontend_user", "administrator"],
        "back-end-api": ["backend_user"],
        "other-api": ["other_user"],
    }
    return [(_profile(ALICE), alice_roles, ["auditor"]), (_profile(CAROL), {}, [])]


def default_realm_roles(realm: str) -> set[str]:
    """The realm roles that Keycloak gives to every user made in the ordinary way."""
    return {f"default-roles-{realm}", "offline_access", "uma_authorization"}


def _realm(name: str) -> dict:
    # Longer than any run of the suite, so that no token expires in the middle of a comparison.
    hour = 3600
    return {
        "realm": name,
        "enabled": True,
        "sslRequired": "none",
        "accessTokenLifespan": hour,
        "ssoSessionIdleTimeout": hour,
        "ssoSessionMaxLifespan": hour * 2,
        # Keycloak's own record of exchanges: a check that no answer can hide anything from.
        "eventsEnabled": True,
        "enabledEventTypes": ["TOKEN_EXCHANGE"],
    }


def _confidential(client: Client, attributes: dict[str, str], **more: object) -> dict:
    return {
        "clientId": client.id,
        "secret": client.secret,
        "enabled": True,
        "protocol": "openid-connect",
        "publicClient": False,
        "standardFlowEnabled": True,
        "directAccessGrantsEnabled": True,
        "fullScopeAllowed": True,
        "redirectUris": [REDIRECT],
        "attributes": {"post.logout.redirect.uris": "+", **attributes},
        **more,
    }


def _profile(user: User) -> dict:
    """A user whose profile is whole, so that Keycloak asks for nothing more at the first login."""
    return {
        "username": user.name,
        "enabled": True,
        "firstName": user.name.capitalize(),
        "lastName": "Example",
        "email": f"{user.name}@example.test",
        "emailVerified": True,
        "credentials": [{"type": "password", "value": user.password, "temporary": False}],
    }
