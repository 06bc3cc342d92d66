//! Standard token exchange (V2) as Keycloak 26.7 performs it, with everything that it ignores.

use serde_json::{Map, Value, json};

use crate::tools::demo::answer::ProviderAnswer;
use crate::tools::demo::bound;
use crate::tools::demo::directory::{DemoClient, DemoUser};
use crate::tools::demo::form::Fields;
use crate::tools::demo::grants::{invalid_scopes, new_grant};
use crate::tools::demo::keys::RealmKeyError;
use crate::tools::demo::provider::View;
use crate::tools::demo::tokens::{ACCESS_LIFETIME, GrantedToken, REFRESH_LIFETIME, grant_scope};
use crate::words::oauth::urn::TokenType;

impl View<'_> {
    /// Exchanges a subject token. `actor_token` and `resource` are ignored, and realm roles stay. `key` is the thumbprint
    /// of the key in the caller's `DPoP` proof.
    pub(super) fn exchange(&self, client: &'static DemoClient, fields: &Fields, key: Option<String>) -> ProviderAnswer {
        match self.check(client, fields, key) {
            Ok((grant, requested)) => {
                self.issue(&grant, requested, fields).unwrap_or_else(|_| ProviderAnswer::unknown_error())
            }
            Err(refused) => refused,
        }
    }

    /// What the exchange grants, or why it is refused.
    fn check(
        &self,
        client: &'static DemoClient,
        fields: &Fields,
        key: Option<String>,
    ) -> Result<(GrantedToken, TokenType), ProviderAnswer> {
        if fields.one("requested_subject").is_some() || fields.one("requested_issuer").is_some() {
            return Err(ProviderAnswer::error(403, "access_denied", "Client not allowed to exchange"));
        }
        if fields.one("subject_issuer").is_some() {
            return Err(ProviderAnswer::error(400, "invalid_issuer", "Invalid subject_issuer parameter"));
        }
        let token = fields.one("subject_token").ok_or_else(ProviderAnswer::unknown_error)?;
        let subject_type = fields.one("subject_token_type");
        if subject_type.is_some_and(|kind| kind != TokenType::AccessToken.urn()) {
            let text = "Invalid token type, must be access token";
            return Err(ProviderAnswer::error(400, "invalid_request", text));
        }
        let requested = requested_type(client, fields)?;
        let audiences: Vec<_> = fields.all("audience").map(str::to_owned).collect();
        if audiences.iter().any(|audience| self.realm.client(audience).is_none()) {
            return Err(ProviderAnswer::error(400, "invalid_client", "Audience not found"));
        }
        let claims = self.read_token(token);
        let claims = claims.filter(|claims| matches!(text(claims, "typ"), Some("Bearer" | "DPoP")));
        let (user, claims) = claims
            .and_then(|claims| Some((self.realm.subject(text(&claims, "sub")?)?, claims)))
            .ok_or_else(|| ProviderAnswer::error(400, "invalid_request", "Invalid token"))?;
        check_holder(client, &claims, !audiences.is_empty())?;
        bound::check(&claims, key.as_deref())?;
        check_roles(user, &audiences)?;
        if fields.one("scope").is_some_and(|s| s.split(' ').any(|s| s == "offline_access")) {
            let description = "Offline tokens not allowed for the user or client";
            return Err(ProviderAnswer::error(400, "not_allowed", description));
        }
        let scope = grant_scope(fields.one("scope")).map_err(|unknown| invalid_scopes(&unknown))?;
        let session = text(&claims, "sid").unwrap_or_default().to_owned();
        // Without a subject_token_type, the request falls to the legacy exchange.
        let origin = if subject_type.is_some() { "onrtte" } else { "onrtna" };
        Ok((GrantedToken { session, scope, audiences, key, ..new_grant(client, user, origin) }, requested))
    }

    fn issue(
        &self,
        grant: &GrantedToken,
        requested: TokenType,
        fields: &Fields,
    ) -> Result<ProviderAnswer, RealmKeyError> {
        let mut claims = match requested {
            TokenType::IdToken => self.id_claims(grant),
            _ => self.access_claims(grant),
        };
        if let (Some(key), TokenType::AccessToken) = (&grant.key, requested) {
            bound::bind(&mut claims, key);
        }
        let refresh = requested == TokenType::RefreshToken || fields.one("subject_token_type").is_none();
        let mut body = json!({
            "access_token": self.sign(&claims)?,
            "expires_in": ACCESS_LIFETIME,
            "refresh_expires_in": if refresh { REFRESH_LIFETIME } else { 0 },
            "token_type": if requested == TokenType::IdToken { "N_A" } else { bound::token_type(&claims) },
            "not-before-policy": 0,
            "session_state": grant.session,
            "scope": grant.scope,
            "issued_token_type": requested.urn(),
        });
        if refresh {
            body["refresh_token"] = Value::from(self.refresh_token(grant));
        }
        Ok(ProviderAnswer::ok(&body))
    }
}

fn requested_type(client: &DemoClient, fields: &Fields) -> Result<TokenType, ProviderAnswer> {
    let urn = fields.one("requested_token_type").unwrap_or(TokenType::AccessToken.urn());
    match TokenType::from_urn(urn) {
        Some(kind @ (TokenType::AccessToken | TokenType::IdToken)) => Ok(kind),
        Some(kind @ TokenType::RefreshToken) if client.exchange_refresh => Ok(kind),
        _ => Err(ProviderAnswer::error(400, "invalid_request", "requested_token_type unsupported")),
    }
}

/// Whether this client may exchange this token at all: Keycloak's only permission.
fn check_holder(client: &DemoClient, claims: &Map<String, Value>, audience: bool) -> Result<(), ProviderAnswer> {
    let holder = text(claims, "azp") == Some(client.id);
    let named = match claims.get("aud") {
        Some(Value::String(one)) => one == client.id,
        Some(Value::Array(many)) => many.iter().any(|one| one == client.id),
        _ => false,
    };
    let denied = |text| Err(ProviderAnswer::error(403, "access_denied", text));
    match (client.secret.is_none(), client.exchange) {
        (true, _) if !holder => denied("Client is not the holder of the token"),
        (true, _) if audience => denied("Client not allowed to exchange"),
        (false, _) if !holder && !named => denied("Client is not within the token audience"),
        (false, false) => denied("Client not allowed to exchange"),
        _ => Ok(()),
    }
}

fn check_roles(user: &DemoUser, audiences: &[String]) -> Result<(), ProviderAnswer> {
    let missing: Vec<_> = audiences.iter().filter(|a| !user.has_role_of(a)).map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let text = format!("Requested audience not available: {}", missing.join(" "));
    Err(ProviderAnswer::error(400, "invalid_request", &text))
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}
