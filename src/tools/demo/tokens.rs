//! The demo's tokens, with the claims that Keycloak gives them.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::tools::demo::directory::{DEFAULT_SCOPES, DemoClient, DemoUser, OPTIONAL_SCOPES};
use crate::tools::demo::keys::RealmKeyError;
use crate::tools::demo::provider::View;

/// Seconds that an access token lives.
pub(super) const ACCESS_LIFETIME: i64 = 300;
/// Seconds that a refresh token lives.
pub(super) const REFRESH_LIFETIME: i64 = 1800;

/// What a token grants.
#[derive(Clone, Debug)]
pub(super) struct GrantedToken {
    pub(super) client: &'static DemoClient,
    pub(super) user: &'static DemoUser,
    pub(super) session: String,
    /// Space-separated, default scopes included.
    pub(super) scope: String,
    /// Six letters that say where the token came from.
    pub(super) origin: &'static str,
    /// Audiences whose client roles the token has; none means all.
    pub(super) audiences: Vec<String>,
    pub(super) nonce: Option<String>,
    /// The thumbprint of the key that an access token is bound to.
    pub(super) key: Option<String>,
}

/// The scope that is granted for the requested scope, or the unknown scopes.
pub(super) fn grant_scope(asked: Option<&str>) -> Result<String, String> {
    let asked: Vec<_> = asked.unwrap_or_default().split_whitespace().collect();
    let known = |scope: &&str| DEFAULT_SCOPES.contains(scope) || OPTIONAL_SCOPES.contains(scope);
    let unknown: Vec<_> = asked.iter().copied().filter(|scope| !known(scope)).collect();
    if !unknown.is_empty() {
        return Err(unknown.join(" "));
    }
    let granted: BTreeSet<_> = asked.into_iter().chain(DEFAULT_SCOPES).collect();
    Ok(granted.into_iter().collect::<Vec<_>>().join(" "))
}

impl View<'_> {
    /// The claims of an access token.
    pub(super) fn access_claims(&self, grant: &GrantedToken) -> Map<String, Value> {
        let wanted = |client: &str| grant.audiences.is_empty() || grant.audiences.iter().any(|a| a == client);
        let roles: Map<_, _> = (grant.user.client_roles.iter())
            .filter(|(client, _)| wanted(client))
            .map(|(client, roles)| ((*client).to_owned(), json!({"roles": roles})))
            .collect();
        // Keycloak's audience resolver: every client with roles in the token, without the caller itself unless the
        // request names audiences.
        let resolved = roles.keys().filter(|c| *c != grant.client.id || !grant.audiences.is_empty()).cloned();
        let audience: Vec<String> = resolved.chain(grant.client.audience.map(str::to_owned)).collect();

        let mut claims = self.common_claims(grant, "Bearer", ACCESS_LIFETIME);
        if !audience.is_empty() {
            claims.insert("aud".to_owned(), one_or_many(audience));
        }
        claims.insert("acr".to_owned(), json!("1"));
        claims.insert("realm_access".to_owned(), json!({"roles": grant.user.realm_roles}));
        if !roles.is_empty() {
            claims.insert("resource_access".to_owned(), Value::from(roles));
        }
        claims.insert("scope".to_owned(), json!(grant.scope));
        claims.insert("groups".to_owned(), json!(grant.user.groups));
        claims.insert("department".to_owned(), json!("payments"));
        claims
    }

    /// The claims of an ID token.
    pub(super) fn id_claims(&self, grant: &GrantedToken) -> Map<String, Value> {
        let mut claims = self.common_claims(grant, "ID", ACCESS_LIFETIME);
        claims.insert("aud".to_owned(), json!(grant.client.id));
        claims.insert("acr".to_owned(), json!("1"));
        if let Some(nonce) = &grant.nonce {
            claims.insert("nonce".to_owned(), json!(nonce));
        }
        claims
    }

    /// Signs with the realm's key.
    pub(super) fn sign(&self, claims: &Map<String, Value>) -> Result<String, RealmKeyError> {
        self.provider.keys(self.realm.name).first().ok_or(RealmKeyError)?.sign(claims)
    }

    /// A refresh token, which only this server can read.
    pub(super) fn refresh_token(&self, grant: &GrantedToken) -> String {
        let mut claims = self.common_claims(grant, "Refresh", REFRESH_LIFETIME);
        claims.insert("aud".to_owned(), json!(self.issuer));
        claims.insert("scope".to_owned(), json!(grant.scope));
        let header = json!({"alg": "HS512", "typ": "JWT", "kid": "refresh"}).to_string();
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(Value::from(claims).to_string()));
        let tag = aws_lc_rs::hmac::sign(&self.provider.refresh_key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    /// The claims of a refresh token of this provider that is still valid.
    pub(super) fn read_refresh_token(&self, token: &str) -> Option<Map<String, Value>> {
        let (signed, tag) = token.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        aws_lc_rs::hmac::verify(&self.provider.refresh_key, signed.as_bytes(), &tag).ok()?;
        let payload = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        self.current(serde_json::from_slice(&payload).ok()?)
    }

    /// The claims of an access or ID token of this realm and this issuer that is still valid.
    pub(super) fn read_token(&self, token: &str) -> Option<Map<String, Value>> {
        self.current(self.provider.keys(self.realm.name).iter().find_map(|key| key.verify(token))?)
    }

    fn current(&self, claims: Map<String, Value>) -> Option<Map<String, Value>> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let holds = text("iss") == Some(self.issuer)
            && claims.get("exp").and_then(Value::as_i64).is_some_and(|exp| exp > self.now.as_second())
            && text("sid").is_none_or(|session| !self.provider.is_ended(session));
        holds.then_some(claims)
    }

    fn common_claims(&self, grant: &GrantedToken, kind: &str, lifetime: i64) -> Map<String, Value> {
        let now = self.now.as_second();
        self.provider.note_session(grant.user, &grant.session);
        let prefix = if kind == "Bearer" { format!("{}:", grant.origin) } else { String::new() };
        let (given, family) = grant.user.full_name;
        let claims = json!({
            "exp": now + lifetime,
            "iat": now,
            "jti": format!("{prefix}{}", Uuid::new_v4()),
            "iss": self.issuer,
            "sub": grant.user.id,
            "typ": kind,
            "azp": grant.client.id,
            "sid": grant.session,
            "email_verified": true,
            "name": format!("{given} {family}"),
            "preferred_username": grant.user.name,
            "given_name": given,
            "family_name": family,
            "email": grant.user.email(),
        });
        match claims {
            Value::Object(claims) => claims,
            _ => Map::new(),
        }
    }
}

/// `aud` is a string when there is one value, an array otherwise.
fn one_or_many(mut values: Vec<String>) -> Value {
    match values.len() {
        1 => Value::from(values.swap_remove(0)),
        _ => Value::from(values),
    }
}
