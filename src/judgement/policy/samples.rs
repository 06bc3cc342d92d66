//! The CERN story in small, for the tests of this row and of `issue`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::judgement::dialect::TokenCustoms;
use crate::judgement::policy::contract::{Contract, Issued};
use crate::judgement::policy::model::{Audience, Demands, Issuance, Permission, Policy, RoleRules, TokenRules};
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::request::{ExchangeRequest, WantedScope};
use crate::words::oauth::names::Names;
use crate::words::oauth::urn::TokenType;

/// `iss` of the realm.
pub(crate) const ISSUER: &str = "https://sso.example.org/realms/corp";
/// `now`, and `iat` of issued tokens.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

pub(crate) fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

pub(crate) fn listed(names: &[&str]) -> Names {
    Names::Listed(Arc::new(set(names)))
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("not an object: {value}") };
    members
}

/// front-end-app may exchange corp's access tokens with scope email and profile.
pub(crate) fn permission() -> Permission {
    Permission {
        clients: listed(&["front-end-app"]),
        issuers: listed(&["corp"]),
        subject_tokens: BTreeSet::from([TokenType::AccessToken]),
        subject_clients: Names::default(),
        exchanged: false,
        requested_tokens: BTreeSet::from([TokenType::AccessToken]),
        default_scopes: BTreeSet::new(),
        scopes: listed(&["email", "profile"]),
        issuance: None,
        demands: Demands::default(),
        condition: None,
        delegation: None,
        impersonation_sessions: false,
        impersonation: None,
        lifetime: None,
        expires: None,
    }
}

pub(crate) fn audience(name: &str, permissions: Vec<Permission>) -> Audience {
    Audience {
        name: name.to_owned(),
        owner: "payments-team".to_owned(),
        resources: set(&[&format!("https://{name}.example.org")]),
        permissions: permissions.into(),
        roles: RoleRules { own: true, ..RoleRules::default() },
        token: TokenRules {
            lifetime: SignedDuration::from_mins(5),
            within_subject: false,
            claims: listed(&["department"]),
            ..TokenRules::default()
        },
        issuance: Issuance::Reissue,
        observed_until: None,
    }
}

pub(crate) fn policy(audiences: impl IntoIterator<Item = Audience>) -> Policy {
    Policy { realms: BTreeMap::from([("corp".to_owned(), audiences.into_iter().collect())]), ..Policy::default() }
}

/// What front-end-app asks for.
pub(crate) fn request<'a>(audiences: &'a [String], claims: &'a Map<String, Value>) -> ExchangeRequest<'a> {
    ExchangeRequest {
        held: true,
        client: "front-end-app",
        issuer: "corp",
        provenance: Provenance::Realm,
        subject_token: TokenType::AccessToken,
        requested_token: TokenType::AccessToken,
        audiences,
        resources: &[],
        scope: WantedScope::Any,
        claims,
        subject: "user-1",
        tenant: None,
        subject_expires: Timestamp::from_second(NOW + 120).unwrap(),
        binding: claims.get("cnf"),
        realm_issuer: ISSUER,
        actor: None,
        impersonate: None,
        carried: &[],
        defaults: &[],
        customs: TokenCustoms::default(),
        drop_offline: false,
        pairwise: false,
    }
}

pub(crate) fn contract(audience: Audience) -> Contract {
    let (name, claims) = ([audience.name.clone()], object(json!({})));
    super::decide::decide(&policy([audience]), "corp", &request(&name, &claims), now()).unwrap().contract
}

/// What Keycloak answers for a user with its default realm roles.
pub(crate) fn keycloak_claims() -> Map<String, Value> {
    object(json!({
        "exp": NOW + 300, "iat": NOW, "jti": "onrtte:1", "iss": ISSUER, "aud": "back-end-api", "sub": "user-1",
        "typ": "Bearer", "azp": "front-end-app", "sid": "s", "acr": "1", "allowed-origins": ["https://app.example.org"],
        "realm_access": {"roles": ["default-roles-corp", "offline_access", "uma_authorization"]},
        "resource_access": {"back-end-api": {"roles": ["backend_user"]}},
        "scope": "email profile", "email_verified": true, "email": "u@example.org", "name": "U",
        "preferred_username": "u", "department": "IT", "custom": 1
    }))
}

pub(crate) fn issued(claims: &Map<String, Value>) -> Issued<'_> {
    Issued {
        claims,
        issuer: ISSUER,
        issued_token_type: Some(TokenType::AccessToken.urn()),
        token_type: Some("Bearer"),
        scope: claims.get("scope").and_then(Value::as_str),
        directory: None,
    }
}
