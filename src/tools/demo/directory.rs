//! Who is known to the demo: realms, clients, users and their roles.

/// A realm of the demo.
#[derive(Debug)]
pub struct Realm {
    /// Its name, the last part of its path.
    pub name: &'static str,
    /// Its clients.
    pub clients: &'static [Client],
    /// Its users.
    pub users: &'static [User],
}

/// A client, as Keycloak's admin console would show it.
#[derive(Debug)]
pub struct Client {
    /// The client id.
    pub id: &'static str,
    /// The secret; none makes the client public.
    pub secret: Option<&'static str>,
    /// "Standard token exchange" is on.
    pub exchange: bool,
    /// It may ask for a refresh token in an exchange.
    pub exchange_refresh: bool,
    /// The RFC 7523 JWT authorization grant is on.
    pub jwt_bearer: bool,
    /// A value that an audience mapper adds to `aud`.
    pub audience: Option<&'static str>,
}

/// A user and what it may do.
#[derive(Debug)]
pub struct User {
    /// `sub`
    pub id: &'static str,
    /// The name to log in with.
    pub name: &'static str,
    /// The password to log in with; service accounts have none.
    pub password: Option<&'static str>,
    /// Whether the user may log in.
    pub enabled: bool,
    /// Given and family name.
    pub full_name: (&'static str, &'static str),
    /// Realm roles, those that Keycloak gives every user included.
    pub realm_roles: &'static [&'static str],
    /// Client roles, by client.
    pub client_roles: &'static [(&'static str, &'static [&'static str])],
    /// The `groups` claim.
    pub groups: &'static [&'static str],
}

/// The realms of the demo.
pub fn realms() -> &'static [Realm] {
    &[CORP, PARTNER]
}

impl Realm {
    /// The client with this id.
    pub fn client(&self, id: &str) -> Option<&'static Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// The user with this name.
    pub fn user(&self, name: &str) -> Option<&'static User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The user with this `sub`.
    pub(super) fn subject(&self, id: &str) -> Option<&'static User> {
        self.users.iter().find(|user| user.id == id)
    }
}

impl User {
    /// The e-mail address.
    pub(super) fn email(&self) -> String {
        format!("{}@example.org", self.name)
    }

    /// Whether the user has a role of this client.
    pub(super) fn has_role_of(&self, client: &str) -> bool {
        self.client_roles.iter().any(|(id, roles)| *id == client && !roles.is_empty())
    }
}

/// Scopes that come with every token, asked for or not.
pub(super) const DEFAULT_SCOPES: [&str; 2] = ["email", "profile"];
/// Scopes that a client may ask for.
pub(super) const OPTIONAL_SCOPES: [&str; 5] = ["openid", "address", "phone", "offline_access", "acr"];

const CLIENT: Client = Client {
    id: "",
    secret: None,
    exchange: false,
    exchange_refresh: false,
    jwt_bearer: false,
    audience: None,
};

const CORP: Realm = Realm {
    name: "corp",
    clients: &[
        Client {
            id: "front-end-app",
            secret: Some("front-end-secret"),
            exchange: true,
            exchange_refresh: true,
            jwt_bearer: true,
            ..CLIENT
        },
        Client { id: "back-end-api", secret: Some("back-end-secret"), exchange: true, ..CLIENT },
        Client { id: "other-api", secret: Some("other-secret"), exchange: true, ..CLIENT },
        Client { id: "reporting-app", secret: Some("reporting-secret"), exchange: true, ..CLIENT },
        Client { id: "legacy-app", secret: Some("legacy-secret"), ..CLIENT },
        Client { id: "single-page-app", ..CLIENT },
        Client { id: "cambio", secret: Some("cambio-secret"), ..CLIENT },
        Client { id: "realm-management", secret: Some("realm-management-secret"), ..CLIENT },
        Client { id: "account", secret: Some("account-secret"), ..CLIENT },
    ],
    users: &[
        User {
            id: "5d6a1b0e-6f3c-4c55-9a3b-1f1d0c6a11ce",
            name: "alice",
            password: Some("alice-password"),
            enabled: true,
            full_name: ("Alice", "Adams"),
            realm_roles: &["default-roles-corp", "offline_access", "uma_authorization", "auditor"],
            client_roles: &[
                ("front-end-app", &["frontend_user", "administrator"]),
                ("back-end-api", &["backend_user"]),
                ("other-api", &["other_user"]),
                ("account", &["manage-account", "manage-account-links", "view-profile"]),
            ],
            groups: &["staff"],
        },
        User {
            id: "0b0b7c52-8a1f-4d0e-8a55-3b7f6d2eb0b0",
            name: "bob",
            password: Some("bob-password"),
            enabled: true,
            full_name: ("Bob", "Brown"),
            realm_roles: &["default-roles-corp", "offline_access", "uma_authorization"],
            client_roles: &[
                ("front-end-app", &["frontend_user"]),
                ("account", &["manage-account", "manage-account-links", "view-profile"]),
            ],
            groups: &[],
        },
        User {
            id: "ada00000-4b1f-4f6e-8f0e-2a4c9d6b7e10",
            name: "ada",
            password: Some("ada-password"),
            enabled: true,
            full_name: ("Ada", "Admin"),
            realm_roles: &["default-roles-corp", "offline_access", "uma_authorization"],
            client_roles: &[("back-end-api", &["backend_user"]), ("realm-management", &["manage-users"])],
            groups: &[],
        },
        User {
            id: "d15ab1ed-93c2-4f0a-b1de-0f6a7c8b9d20",
            name: "dora",
            password: Some("dora-password"),
            enabled: false,
            full_name: ("Dora", "Dean"),
            realm_roles: &["default-roles-corp", "offline_access", "uma_authorization"],
            client_roles: &[("back-end-api", &["backend_user"])],
            groups: &[],
        },
        User {
            id: "7a3e5c11-22aa-4f7e-b8c9-5e2ac0e0f001",
            name: "service-account-front-end-app",
            password: None,
            enabled: true,
            full_name: ("", ""),
            realm_roles: &["default-roles-corp", "offline_access", "uma_authorization"],
            client_roles: &[("back-end-api", &["backend_user"])],
            groups: &[],
        },
        User {
            id: "2f1c9d44-7b6e-4a53-9d10-6c5b4a3f2e1d",
            name: "service-account-cambio",
            password: None,
            enabled: true,
            full_name: ("", ""),
            realm_roles: &["default-roles-corp"],
            client_roles: &[("realm-management", &["view-users", "view-clients"])],
            groups: &[],
        },
    ],
};

const PARTNER: Realm = Realm {
    name: "partner",
    clients: &[Client {
        id: "partner-app",
        secret: Some("partner-secret"),
        exchange: true,
        audience: Some("https://sso.example.org"),
        ..CLIENT
    }],
    users: &[User {
        id: "c0ffee00-1d2e-4f30-8a40-5b6c7d8e9f00",
        name: "carol",
        password: Some("carol-password"),
        enabled: true,
        full_name: ("Carol", "Clark"),
        realm_roles: &["default-roles-partner", "offline_access", "uma_authorization"],
        client_roles: &[("partner-app", &["partner_user"])],
        groups: &[],
    }],
};
