//! The demo's realms, clients, users and their roles.

/// A realm of the demo.
#[derive(Debug)]
pub(super) struct DemoRealm {
    /// Its name, the last part of its path.
    pub(super) name: &'static str,
    /// Its clients.
    pub(super) clients: &'static [DemoClient],
    /// Its users.
    pub(super) users: &'static [DemoUser],
}

/// A client, as Keycloak's admin console would show it.
#[derive(Debug)]
pub(super) struct DemoClient {
    /// The client id.
    pub(super) id: &'static str,
    /// The secret; none makes the client public.
    pub(super) secret: Option<&'static str>,
    /// "Standard token exchange" is on.
    pub(super) exchange: bool,
    /// The client may request a refresh token in an exchange.
    pub(super) exchange_refresh: bool,
    /// The RFC 7523 JWT authorization grant is on.
    pub(super) jwt_bearer: bool,
    /// A value that an audience mapper adds to `aud`.
    pub(super) audience: Option<&'static str>,
}

/// A user and their roles.
#[derive(Debug)]
pub(super) struct DemoUser {
    /// `sub`
    pub(super) id: &'static str,
    /// The name to log in with.
    pub(super) name: &'static str,
    /// The password to log in with; service accounts have none.
    pub(super) password: Option<&'static str>,
    /// Whether the user may log in.
    pub(super) enabled: bool,
    /// Given and family name.
    pub(super) full_name: (&'static str, &'static str),
    /// Realm roles, those that Keycloak gives every user included.
    pub(super) realm_roles: &'static [&'static str],
    /// Client roles, by client.
    pub(super) client_roles: &'static [(&'static str, &'static [&'static str])],
    /// The `groups` claim.
    pub(super) groups: &'static [&'static str],
}

/// The realms of the demo.
pub(super) fn realms() -> &'static [DemoRealm] {
    &[CORP, PARTNER]
}

impl DemoRealm {
    /// The client with this id.
    pub(super) fn client(&self, id: &str) -> Option<&'static DemoClient> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// The user with this name.
    pub(super) fn user(&self, name: &str) -> Option<&'static DemoUser> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The user with this `sub`.
    pub(super) fn subject(&self, id: &str) -> Option<&'static DemoUser> {
        self.users.iter().find(|user| user.id == id)
    }
}

impl DemoClient {
    /// The origin of the client's web pages.
    pub(super) fn web_origin(&self) -> String {
        format!("https://{}.example.org", self.id)
    }
}

impl DemoUser {
    /// The e-mail address.
    pub(super) fn email(&self) -> String {
        format!("{}@example.org", self.name)
    }

    /// Whether the user has a role of this client.
    pub(super) fn has_role_of(&self, client: &str) -> bool {
        self.client_roles.iter().any(|(id, roles)| *id == client && !roles.is_empty())
    }
}

/// Scopes of every token, requested or not.
pub(super) const DEFAULT_SCOPES: [&str; 2] = ["email", "profile"];
/// Scopes that a client may request.
pub(super) const OPTIONAL_SCOPES: [&str; 5] = ["openid", "address", "phone", "offline_access", "acr"];

const CLIENT: DemoClient =
    DemoClient { id: "", secret: None, exchange: false, exchange_refresh: false, jwt_bearer: false, audience: None };

const USER: DemoUser = DemoUser {
    id: "",
    name: "",
    password: None,
    enabled: true,
    full_name: ("", ""),
    realm_roles: &["default-roles-corp", "offline_access", "uma_authorization"],
    client_roles: &[],
    groups: &[],
};

const CORP: DemoRealm = DemoRealm {
    name: "corp",
    clients: &[
        DemoClient {
            id: "front-end-app",
            secret: Some("front-end-secret"),
            exchange: true,
            exchange_refresh: true,
            jwt_bearer: true,
            ..CLIENT
        },
        DemoClient { id: "back-end-api", secret: Some("back-end-secret"), exchange: true, ..CLIENT },
        DemoClient { id: "other-api", secret: Some("other-secret"), exchange: true, ..CLIENT },
        DemoClient { id: "reporting-app", secret: Some("reporting-secret"), exchange: true, ..CLIENT },
        DemoClient { id: "legacy-app", secret: Some("legacy-secret"), ..CLIENT },
        DemoClient { id: "single-page-app", ..CLIENT },
        DemoClient { id: "cambio", secret: Some("cambio-secret"), exchange: true, exchange_refresh: true, ..CLIENT },
        DemoClient { id: "realm-management", secret: Some("realm-management-secret"), ..CLIENT },
        DemoClient { id: "account", secret: Some("account-secret"), ..CLIENT },
    ],
    users: &[
        DemoUser {
            id: "5d6a1b0e-6f3c-4c55-9a3b-1f1d0c6a11ce",
            name: "alice",
            password: Some("alice-password"),
            full_name: ("Alice", "Adams"),
            realm_roles: &["default-roles-corp", "offline_access", "uma_authorization", "auditor"],
            client_roles: &[
                ("front-end-app", &["frontend_user", "administrator"]),
                ("back-end-api", &["backend_user"]),
                ("other-api", &["other_user"]),
                ("account", &["manage-account", "manage-account-links", "view-profile"]),
            ],
            groups: &["staff"],
            ..USER
        },
        DemoUser {
            id: "0b0b7c52-8a1f-4d0e-8a55-3b7f6d2eb0b0",
            name: "bob",
            password: Some("bob-password"),
            full_name: ("Bob", "Brown"),
            client_roles: &[
                ("front-end-app", &["frontend_user"]),
                ("account", &["manage-account", "manage-account-links", "view-profile"]),
            ],
            ..USER
        },
        DemoUser {
            id: "ada00000-4b1f-4f6e-8f0e-2a4c9d6b7e10",
            name: "ada",
            password: Some("ada-password"),
            full_name: ("Ada", "Admin"),
            client_roles: &[("back-end-api", &["backend_user"]), ("realm-management", &["manage-users"])],
            ..USER
        },
        DemoUser {
            id: "d15ab1ed-93c2-4f0a-b1de-0f6a7c8b9d20",
            name: "dora",
            password: Some("dora-password"),
            enabled: false,
            full_name: ("Dora", "Dean"),
            client_roles: &[("back-end-api", &["backend_user"])],
            ..USER
        },
        DemoUser {
            id: "7a3e5c11-22aa-4f7e-b8c9-5e2ac0e0f001",
            name: "service-account-front-end-app",
            client_roles: &[("back-end-api", &["backend_user"])],
            ..USER
        },
        DemoUser {
            id: "2f1c9d44-7b6e-4a53-9d10-6c5b4a3f2e1d",
            name: "service-account-cambio",
            realm_roles: &["default-roles-corp"],
            client_roles: &[("realm-management", &["view-users", "view-clients"])],
            ..USER
        },
    ],
};

const PARTNER: DemoRealm = DemoRealm {
    name: "partner",
    clients: &[DemoClient {
        id: "partner-app",
        secret: Some("partner-secret"),
        exchange: true,
        audience: Some("https://sso.example.org"),
        ..CLIENT
    }],
    users: &[DemoUser {
        id: "c0ffee00-1d2e-4f30-8a40-5b6c7d8e9f00",
        name: "carol",
        password: Some("carol-password"),
        full_name: ("Carol", "Clark"),
        realm_roles: &["default-roles-partner", "offline_access", "uma_authorization"],
        client_roles: &[("partner-app", &["partner_user"])],
        ..USER
    }],
};
