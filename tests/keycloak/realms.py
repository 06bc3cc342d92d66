"""The two realms that the suite runs against, as Keycloak's own realm documents.

`corp` holds the story: front-end-app, back-end-api, and what stands around them. `partner` is another realm of the
same server, whose tokens are foreign to `corp`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

EXCHANGE = {
    "standard.token.exchange.enabled": "true",
    "standard.token.exchange.enableRefreshRequestedTokenType": "SAME_SESSION",
}
# The two identity providers of corp whose tokens its clients may bring (several are joined by "##").
JWT_AUTHORIZATION = {
    "oauth2.jwt.authorization.grant.enabled": "true",
    "oauth2.jwt.authorization.grant.idp": "partner##abroad",
}
REDIRECT = "http://app.example.test/callback"
WEB_ORIGIN = "http://app.example.test"


@dataclass(frozen=True)
class Client:
    """A client's id and secret; a public client has none."""

    id: str
    secret: str | None


FRONT_END = Client("front-end-app", "front-end-app-secret-5d1f")
NARROW = Client("narrow-app", "narrow-app-secret-93ab")
STRANGER = Client("stranger-app", "stranger-app-secret-77c0")
NO_EXCHANGE = Client("no-exchange-app", "no-exchange-app-secret-11e2")
# Its tokens expire within a second. They name front-end-app, which may therefore exchange them.
BRIEF = Client("brief-app", "brief-app-secret-e8d1")
BACK_END = Client("back-end-api", "back-end-api-secret-b0a4")
OTHER = Client("other-api", "other-api-secret-62dd")
PUBLIC = Client("public-app", None)
# RFC 6749 section 2.3.1: id and secret are form-encoded before they are joined for Basic. These two need it.
ODD = Client("odd app", "s +%:&=ecret-ü-40f8")
# Clients of the two doors that are really set up: a UMA resource server, and a client of the JWT authorization grant.
UMA_API = Client("uma-api", "uma-api-secret-1d2c")
ASSERTION_APP = Client("assertion-app", "assertion-app-secret-51aa")
PARTNER_APP = Client("partner-app", "partner-app-secret-2c9e")


# An assertion's `aud` must be the realm's issuer and nothing else, so this door has a public name of its own.
CORP_PUBLIC, PARTNER_PUBLIC = "sso.example.test", "login.partner.test"


@dataclass(frozen=True)
class User:
    """A user's name and password."""

    name: str
    password: str


ALICE = User("alice", "alice-password-8e21")  # made through the admin API: carries the default realm roles
BOB = User("bob", "bob-password-30c7")  # made with the realm: carries only the roles that are named
CAROL = User("carol", "carol-password-c41b")  # made through the admin API: has no role in any API
PETRA = User("petra", "petra-password-f7d3")  # of the realm `partner`

_CLIENTS = (
    FRONT_END,
    NARROW,
    STRANGER,
    NO_EXCHANGE,
    BRIEF,
    BACK_END,
    OTHER,
    ODD,
    UMA_API,
    ASSERTION_APP,
    PARTNER_APP,
)
SECRETS = [client.secret for client in _CLIENTS if client.secret]
SECRETS += [user.password for user in (ALICE, BOB, CAROL, PETRA)]


def corp() -> dict:
    """The realm `corp`, without the users that are to be made in the ordinary way (see `ordinary_users`)."""
    return {
        **realm("corp"),
        "roles": {
            "realm": [{"name": "auditor"}],
            "client": {
                "front-end-app": [{"name": "frontend_user"}, {"name": "administrator"}],
                "back-end-api": [{"name": "backend_user"}, {"name": "backend_admin"}],
                "other-api": [{"name": "other_user"}],
            },
        },
        "clients": [
            confidential(FRONT_END, {**EXCHANGE, **JWT_AUTHORIZATION}, serviceAccountsEnabled=True),
            confidential(NARROW, EXCHANGE, fullScopeAllowed=False),
            confidential(STRANGER, EXCHANGE),
            confidential(ODD, EXCHANGE, serviceAccountsEnabled=True),
            confidential(UMA_API, {}, serviceAccountsEnabled=True, **_uma_settings()),
            confidential(ASSERTION_APP, JWT_AUTHORIZATION),
            confidential(NO_EXCHANGE, {}),
            confidential(BRIEF, {"access.token.lifespan": "1"}),
            confidential(BACK_END, {}),
            confidential(OTHER, {}),
            {**confidential(PUBLIC, {}), "publicClient": True},
        ],
        "clientScopeMappings": {"back-end-api": [{"client": "narrow-app", "roles": ["backend_user"]}]},
        "users": [
            {
                **profile(BOB),
                "clientRoles": {
                    "front-end-app": ["frontend_user"],
                    "back-end-api": ["backend_user"],
                    "other-api": ["other_user"],
                },
            }
        ],
    }


def by_key(client: str, jwks: str) -> dict:
    """A client of corp that authenticates by its key (private_key_jwt, ES256)."""
    attributes = {
        "use.jwks.string": "true",
        "jwks.string": jwks,
        "token.endpoint.auth.signing.alg": "ES256",
    }
    settings = confidential(Client(client, None), {**EXCHANGE, **JWT_AUTHORIZATION, **attributes})
    return {**settings, "clientAuthenticatorType": "client-jwt"}


def by_secret_jwt(client: str, secret: str) -> dict:
    """A client of corp that signs with its secret (client_secret_jwt)."""
    settings = confidential(Client(client, secret), {**EXCHANGE, **JWT_AUTHORIZATION})
    return {**settings, "clientAuthenticatorType": "client-secret-jwt"}


def for_itself(client: Client) -> dict:
    """A client with a service account."""
    return confidential(client, {}, serviceAccountsEnabled=True)


def partner() -> dict:
    """The realm `partner`. Its tokens name corp's issuer, so that corp's JWT authorization grant takes them."""
    app = partner_client(PARTNER_APP, f"http://{CORP_PUBLIC}/realms/corp")
    return {**realm("partner"), "clients": [app], "users": [profile(PETRA)]}


def partner_client(client: Client, audience: str) -> dict:
    """A client of `partner` whose tokens have one `aud`, the audience, and the groups of their user."""
    corp = {
        "name": "corp",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-audience-mapper",
        "config": {"included.custom.audience": audience, "access.token.claim": "true"},
    }
    groups = hardcoded("groups", ["approver"])
    return confidential(client, EXCHANGE, protocolMappers=[corp, groups])


def hardcoded(name: str, value: object, *tokens: str) -> dict:
    """A protocol mapper: every token of the client (of these kinds: `access`, `id`) has this claim."""
    kinds = tokens or ("access", "id")
    return {
        "name": name,
        "protocol": "openid-connect",
        "protocolMapper": "oidc-hardcoded-claim-mapper",
        "config": {
            "claim.name": name,
            "claim.value": value if isinstance(value, str) else json.dumps(value),
            "jsonType.label": {str: "String", int: "int", bool: "boolean"}.get(type(value), "JSON"),
            "access.token.claim": str("access" in kinds).lower(),
            "id.token.claim": str("id" in kinds).lower(),
            "introspection.token.claim": str("access" in kinds).lower(),
        },
    }


def also_for(client_id: str) -> dict:
    """A protocol mapper: another client of the realm is in the `aud` of the client's access tokens."""
    return {
        "name": f"also for {client_id}",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-audience-mapper",
        "config": {"included.client.audience": client_id, "access.token.claim": "true"},
    }


def partner_app_for(audience: str) -> Client:
    """The client of `partner` whose tokens are for this issuer of corp: each gate has an issuer of its own."""
    if audience == f"http://{CORP_PUBLIC}/realms/corp":
        return PARTNER_APP
    host = audience.split("/")[2].replace(":", "-")
    return Client(f"partner-app-{host}", PARTNER_APP.secret)


def identity_provider(alias: str, issuer: str, jwks_url: str) -> dict:
    """A foreign issuer as an identity provider of `corp`, for the JWT authorization grant (RFC 7523)."""
    return {
        "alias": alias,
        "providerId": "oidc",
        "enabled": True,
        "config": {
            "issuer": issuer,
            "authorizationUrl": f"{issuer}/auth",
            "tokenUrl": f"{issuer}/token",
            "clientId": "corp",
            "clientSecret": f"corp-at-{alias}-secret-77f0",
            "validateSignature": "true",
            "useJwksUrl": "true",
            "jwksUrl": jwks_url,
            "jwtAuthorizationGrantEnabled": "true",
            "jwtAuthorizationGrantAssertionReuseAllowed": "true",
            "jwtAuthorizationGrantMaxAllowedAssertionExpiration": "7200",
        },
    }


def ordinary_users() -> list[tuple[dict, dict[str, list[str]], list[str]]]:
    """Users to be made by `POST …/users`, each with its client roles and realm roles."""
    alice_roles = {
        "front-end-app": ["frontend_user", "administrator"],
        "back-end-api": ["backend_user"],
        "other-api": ["other_user"],
    }
    return [(profile(ALICE), alice_roles, ["auditor"]), (profile(CAROL), {}, [])]


def default_realm_roles(realm: str) -> set[str]:
    """The realm roles that Keycloak gives to every user made in the ordinary way."""
    return {f"default-roles-{realm}", "offline_access", "uma_authorization"}


def realm(name: str) -> dict:
    """A realm without anybody in it."""
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


def _uma_settings() -> dict:
    """A resource that every user of the realm may have a ticket for."""
    users = {
        "name": "users",
        "type": "role",
        "config": {"roles": '[{"id":"default-roles-corp","required":false}]'},
    }
    thing = {
        "name": "thing-for-users",
        "type": "resource",
        "config": {"resources": '["thing"]', "applyPolicies": '["users"]'},
    }
    settings = {
        "policyEnforcementMode": "ENFORCING",
        "resources": [{"name": "thing"}],
        "policies": [users, thing],
    }
    return {"authorizationServicesEnabled": True, "authorizationSettings": settings}


def confidential(client: Client, attributes: dict[str, str], **more: object) -> dict:
    """A client with a secret, at which users log in."""
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
        "webOrigins": [WEB_ORIGIN],
        "attributes": {"post.logout.redirect.uris": "+", **attributes},
        **more,
    }


def profile(user: User) -> dict:
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
