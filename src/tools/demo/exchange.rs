//! Standard token exchange (V2) as Keycloak 26.7 performs it, its silences included.

use serde_json::{Map, Value, json};

use crate::tools::demo::answer::Answer;
use crate::tools::demo::bound;
use crate::tools::demo::directory::{Client, User};
use crate::tools::demo::faults::Tamper;
use crate::tools::demo::form::Fields;
use crate::tools::demo::grants::{invalid_scopes, new_grant};
use crate::tools::demo::keys::KeyError;
use crate::tools::demo::state::View;
use crate::tools::demo::tokens::{ACCESS_LIFETIME, Grant, REFRESH_LIFETIME, grant_scope};
use crate::words::oauth::urn::TokenType;

impl View<'_> {
    /// Exchanges a subject token. `actor_token` and `resource` are not looked at, and realm roles stay.
    /// `key` is that of the caller's `DPoP` proof.
    pub(super) fn exchange(&self, client: &'static Client, fields: &Fields, key: Option<String>) -> Answer {
        match self.judge(client, fields, key) {
            Ok((grant, requested)) => {
                self.state.faults.count_exchange();
                self.issue(&grant, requested, fields).unwrap_or_else(|_| Answer::unknown_error())
            }
            Err(refused) => refused,
        }
    }

    fn judge(
        &self,
        client: &'static Client,
        fields: &Fields,
        key: Option<String>,
    ) -> Result<(Grant, TokenType), Answer> {
        if fields.one("requested_subject").is_some() || fields.one("requested_issuer").is_some() {
            return Err(Answer::error(403, "access_denied", "Client not allowed to exchange"));
        }
        if fields.one("subject_issuer").is_some() {
            return Err(Answer::error(400, "invalid_issuer", "Invalid subject_issuer parameter"));
        }
        let token = fields.one("subject_token").ok_or_else(Answer::unknown_error)?;
        let subject_type = fields.one("subject_token_type");
        if subject_type.is_some_and(|kind| kind != TokenType::AccessToken.urn()) {
            let text = "Invalid token type, must be access token";
            return Err(Answer::error(400, "invalid_request", text));
        }
        let requested = requested_type(client, fields)?;
        let audiences: Vec<_> = fields.all("audience").map(str::to_owned).collect();
        if audiences.iter().any(|audience| self.realm.client(audience).is_none()) {
            return Err(Answer::error(400, "invalid_client", "Audience not found"));
        }
        let claims = self.read_token(token);
        let claims = claims.filter(|claims| matches!(text(claims, "typ"), Some("Bearer" | "DPoP")));
        let (claims, user) = claims
            .and_then(|claims| Some((self.realm.subject(text(&claims, "sub")?)?, claims)))
            .map(|(user, claims)| (claims, user))
            .ok_or_else(|| Answer::error(400, "invalid_request", "Invalid token"))?;
        check_holder(client, &claims, !audiences.is_empty())?;
        bound::check(&claims, key.as_deref())?;
        check_roles(user, &audiences)?;
        if fields.one("scope").is_some_and(|s| s.split(' ').any(|s| s == "offline_access")) {
            let description = "Offline tokens not allowed for the user or client";
            return Err(Answer::error(400, "not_allowed", description));
        }
        let scope = grant_scope(fields.one("scope")).map_err(|unknown| invalid_scopes(&unknown))?;
        let session = text(&claims, "sid").unwrap_or_default().to_owned();
        // Without a subject_token_type, the request falls to the legacy exchange.
        let origin = if subject_type.is_some() { "onrtte" } else { "onrtna" };
        Ok((Grant { session, scope, audiences, key, ..new_grant(client, user, origin) }, requested))
    }

    fn issue(&self, grant: &Grant, requested: TokenType, fields: &Fields) -> Result<Answer, KeyError> {
        let tampers = self.state.faults.tampers();
        let mut claims = match requested {
            TokenType::IdToken => self.id_claims(grant),
            _ => self.access_claims(grant),
        };
        if let (Some(key), TokenType::AccessToken) = (&grant.key, requested) {
            bound::bind(&mut claims, key);
        }
        for tamper in &tampers {
            tamper_claims(tamper, &mut claims, self.now.as_second());
        }
        let token = if tampers.contains(&Tamper::ForeignKey) {
            let kid = self.state.keys(self.realm.name).first().map_or(String::new(), |k| k.kid().to_owned());
            self.state.encryption.sign_as(&kid, &claims)?
        } else {
            self.sign(&claims)?
        };
        let lifetime = claims.get("exp").and_then(Value::as_i64).map_or(0, |exp| exp - self.now.as_second());
        let refresh = requested == TokenType::RefreshToken
            || fields.one("subject_token_type").is_none()
            || tampers.contains(&Tamper::RefreshToken);
        let mut body = json!({
            "access_token": token,
            "expires_in": if lifetime > 0 { lifetime } else { ACCESS_LIFETIME },
            "refresh_expires_in": if refresh { REFRESH_LIFETIME } else { 0 },
            "token_type": if requested == TokenType::IdToken { "N_A" } else { bound::token_type(&claims) },
            "not-before-policy": 0,
            "session_state": grant.session,
            "scope": text(&claims, "scope").unwrap_or(&grant.scope),
            "issued_token_type": requested.urn(),
        });
        if refresh {
            body["refresh_token"] = Value::from(self.refresh_token(grant));
        }
        for tamper in &tampers {
            match tamper {
                Tamper::TokenType(kind) => body["token_type"] = Value::from(*kind),
                Tamper::DropIssuedTokenType => {
                    body.as_object_mut().map(|body| body.remove("issued_token_type"));
                }
                _ => {}
            }
        }
        Ok(Answer::ok(&body))
    }
}

fn requested_type(client: &Client, fields: &Fields) -> Result<TokenType, Answer> {
    let urn = fields.one("requested_token_type").unwrap_or(TokenType::AccessToken.urn());
    match TokenType::from_urn(urn) {
        Some(kind @ (TokenType::AccessToken | TokenType::IdToken)) => Ok(kind),
        Some(kind @ TokenType::RefreshToken) if client.exchange_refresh => Ok(kind),
        _ => Err(Answer::error(400, "invalid_request", "requested_token_type unsupported")),
    }
}

/// Whether this client may exchange this token at all: Keycloak's only permission.
fn check_holder(client: &Client, claims: &Map<String, Value>, audience: bool) -> Result<(), Answer> {
    let holder = text(claims, "azp") == Some(client.id);
    let named = match claims.get("aud") {
        Some(Value::String(one)) => one == client.id,
        Some(Value::Array(many)) => many.iter().any(|one| one == client.id),
        _ => false,
    };
    let denied = |text| Err(Answer::error(403, "access_denied", text));
    match (client.secret.is_none(), client.exchange) {
        (true, _) if !holder => denied("Client is not the holder of the token"),
        (true, _) if audience => denied("Client not allowed to exchange"),
        (false, _) if !holder && !named => denied("Client is not within the token audience"),
        (false, false) => denied("Client not allowed to exchange"),
        _ => Ok(()),
    }
}

fn check_roles(user: &User, audiences: &[String]) -> Result<(), Answer> {
    let missing: Vec<_> = audiences.iter().filter(|a| !user.has_role_of(a)).map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let text = format!("Requested audience not available: {}", missing.join(" "));
    Err(Answer::error(400, "invalid_request", &text))
}

fn tamper_claims(tamper: &Tamper, claims: &mut Map<String, Value>, now: i64) {
    match tamper {
        Tamper::Audience(audience) => drop(claims.insert("aud".to_owned(), Value::from(*audience))),
        Tamper::Lifetime(seconds) => drop(claims.insert("exp".to_owned(), Value::from(now + seconds))),
        Tamper::RealmRole(role) => {
            add_role(claims.entry("realm_access").or_insert_with(|| json!({})), role);
        }
        Tamper::ClientRole(client, role) => {
            let clients = claims.entry("resource_access").or_insert_with(|| json!({}));
            if clients.get(client).is_none() {
                clients[*client] = json!({});
            }
            add_role(&mut clients[*client], role);
        }
        Tamper::Scope(scope) => {
            let scopes = format!("{} {scope}", text(claims, "scope").unwrap_or_default());
            claims.insert("scope".to_owned(), Value::from(scopes));
        }
        Tamper::Key(None) => bound::unbind(claims),
        Tamper::Key(Some(key)) => bound::bind(claims, key),
        Tamper::Subject(subject) => drop(claims.insert("sub".to_owned(), Value::from(*subject))),
        Tamper::DropIssuedTokenType | Tamper::ForeignKey | Tamper::RefreshToken | Tamper::TokenType(_) => {}
    }
}

fn add_role(holder: &mut Value, role: &str) {
    let mut roles = holder.get("roles").and_then(Value::as_array).cloned().unwrap_or_default();
    roles.push(Value::from(role));
    holder["roles"] = Value::from(roles);
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}
