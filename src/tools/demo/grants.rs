//! The token endpoint of the demo: client authentication and the ordinary grants.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::tools::demo::answer::ProviderAnswer;
use crate::tools::demo::bound;
use crate::tools::demo::directory::{DemoClient, realms};
use crate::tools::demo::form::Fields;
use crate::tools::demo::provider::View;
use crate::tools::demo::tokens::{ACCESS_LIFETIME, GrantedToken, REFRESH_LIFETIME, grant_scope};
use crate::words::oauth::urn;

impl View<'_> {
    /// Answers a token request.
    pub(super) fn token(&self, headers: &HeaderMap, fields: &Fields) -> ProviderAnswer {
        let Some(grant_type) = fields.one("grant_type") else {
            return ProviderAnswer::error(400, "invalid_request", "Missing form parameter: grant_type");
        };
        if fields.repeated() {
            return ProviderAnswer::error(400, "invalid_request", "duplicated parameter");
        }
        let client = || self.client(headers, fields);
        let answered = match grant_type {
            "authorization_code" => client().map(|client| self.authorization_code(client, fields)),
            "client_credentials" => client().map(|client| self.client_credentials(client, fields)),
            "password" => client().map(|client| self.password(client, fields)),
            "refresh_token" => client().map(|client| self.refresh(client, fields)),
            urn::GRANT_CIBA => client().map(|_| ProviderAnswer::error(400, "invalid_grant", "Invalid Auth Req ID")),
            urn::GRANT_JWT_BEARER => client().map(|client| self.jwt_bearer(client, fields)),
            urn::GRANT_TOKEN_EXCHANGE => client().map(|client| self.exchange(client, fields, bound::key(headers))),
            urn::GRANT_UMA_TICKET => Ok(self.uma_ticket(headers, fields)),
            _ => Err(ProviderAnswer::error(400, "unsupported_grant_type", "Unsupported grant_type")),
        };
        answered.unwrap_or_else(|refused| refused)
    }

    /// The client, authenticated with `client_secret_basic`, `client_secret_post` or, if public, its id alone.
    pub(super) fn client(&self, headers: &HeaderMap, fields: &Fields) -> Result<&'static DemoClient, ProviderAnswer> {
        const TEXT: &str = "Invalid client or Invalid client credentials";
        let basic = headers.get(AUTHORIZATION).and_then(|value| read_basic(value.to_str().ok()?));
        let (id, secret) = match basic {
            Some((id, secret)) => (id, Some(secret)),
            None => {
                (fields.one("client_id").unwrap_or_default().to_owned(), fields.one("client_secret").map(str::to_owned))
            }
        };
        let client = self.realm.client(&id).ok_or_else(|| ProviderAnswer::error(401, "invalid_client", TEXT))?;
        if client.secret.is_some() && client.secret != secret.as_deref() {
            return Err(ProviderAnswer::error(401, "unauthorized_client", TEXT));
        }
        Ok(client)
    }

    /// The usual answer with tokens.
    pub(super) fn tokens(&self, grant: &GrantedToken, refresh: bool) -> ProviderAnswer {
        let Ok(access_token) = self.sign(&self.access_claims(grant)) else {
            return ProviderAnswer::unknown_error();
        };
        let mut body = json!({
            "access_token": access_token,
            "expires_in": ACCESS_LIFETIME,
            "refresh_expires_in": if refresh { REFRESH_LIFETIME } else { 0 },
            "token_type": "Bearer",
            "not-before-policy": 0,
            "scope": grant.scope,
        });
        if refresh {
            body["refresh_token"] = Value::from(self.refresh_token(grant));
            body["session_state"] = Value::from(grant.session.clone());
        }
        if grant.scope.split(' ').any(|scope| scope == "openid") {
            match self.sign(&self.id_claims(grant)) {
                Ok(id_token) => body["id_token"] = Value::from(id_token),
                Err(_) => return ProviderAnswer::unknown_error(),
            }
        }
        ProviderAnswer::ok(&body)
    }

    fn password(&self, client: &'static DemoClient, fields: &Fields) -> ProviderAnswer {
        let user = fields.one("username").and_then(|name| self.realm.user(name));
        let Some(user) = user.filter(|u| u.enabled && u.password.is_some() && u.password == fields.one("password"))
        else {
            return ProviderAnswer::error(401, "invalid_grant", "Invalid user credentials");
        };
        let scope = match grant_scope(fields.one("scope")) {
            Ok(scope) => scope,
            Err(unknown) => return invalid_scopes(&unknown),
        };
        self.tokens(&GrantedToken { scope, ..new_grant(client, user, "onrtro") }, true)
    }

    fn client_credentials(&self, client: &'static DemoClient, fields: &Fields) -> ProviderAnswer {
        let user = self.realm.user(&format!("service-account-{}", client.id));
        let (Some(_), Some(user)) = (client.secret, user) else {
            let text = "Client not enabled to retrieve service account";
            return ProviderAnswer::error(401, "unauthorized_client", text);
        };
        match grant_scope(fields.one("scope")) {
            Ok(scope) => self.tokens(&GrantedToken { scope, ..new_grant(client, user, "trrtcc") }, false),
            Err(unknown) => invalid_scopes(&unknown),
        }
    }

    /// The new token has all roles again, even if the token that came with the refresh token had fewer.
    fn refresh(&self, client: &'static DemoClient, fields: &Fields) -> ProviderAnswer {
        let claims = fields.one("refresh_token").and_then(|token| self.read_refresh_token(token));
        let text = |name: &str| claims.as_ref()?.get(name)?.as_str();
        let Some(user) = text("sub").and_then(|sub| self.realm.subject(sub)) else {
            return ProviderAnswer::error(400, "invalid_grant", "Invalid refresh token");
        };
        if text("azp") != Some(client.id) {
            let description = "Invalid refresh token. Token client and authorized client don't match";
            return ProviderAnswer::error(400, "invalid_grant", description);
        }
        let session = text("sid").unwrap_or_default().to_owned();
        let scope = text("scope").unwrap_or_default().to_owned();
        self.tokens(&GrantedToken { session, scope, ..new_grant(client, user, "onrtrt") }, true)
    }

    fn authorization_code(&self, client: &'static DemoClient, fields: &Fields) -> ProviderAnswer {
        let code = fields.one("code").and_then(|code| self.provider.take_code(code));
        let Some(code) = code.filter(|c| c.realm == self.realm.name && c.client.id == client.id) else {
            return ProviderAnswer::error(400, "invalid_grant", "Code not valid");
        };
        if fields.one("redirect_uri") != Some(&code.redirect_uri) {
            return ProviderAnswer::error(400, "invalid_grant", "Incorrect redirect_uri");
        }
        if code.challenge.is_some() && code.challenge != fields.one("code_verifier").map(challenge) {
            return ProviderAnswer::error(400, "invalid_grant", "PKCE verification failed: Code mismatch");
        }
        let grant = new_grant(client, code.user, "onrtac");
        self.tokens(&GrantedToken { scope: code.scope, nonce: code.nonce, ..grant }, true)
    }

    /// RFC 7523: exchanges a token of another realm for one of this realm. `audience` is ignored.
    fn jwt_bearer(&self, client: &'static DemoClient, fields: &Fields) -> ProviderAnswer {
        if !client.jwt_bearer {
            let text = "JWT Authorization Grant is not supported for the requested client";
            return ProviderAnswer::error(400, "invalid_grant", text);
        }
        let known = fields.one("assertion").is_some_and(|assertion| {
            let others = realms().iter().filter(|realm| realm.name != self.realm.name);
            others.flat_map(|realm| self.provider.keys(realm.name)).any(|key| key.verify(assertion).is_some())
        });
        match self.realm.users.first().filter(|_| known) {
            Some(user) => self.tokens(&new_grant(client, user, "trrtag"), false),
            None => ProviderAnswer::error(400, "invalid_grant", "User not found"),
        }
    }

    /// User-Managed Access: exchanges an access token for one with another client's roles.
    fn uma_ticket(&self, headers: &HeaderMap, fields: &Fields) -> ProviderAnswer {
        let claims = read_bearer(headers).and_then(|token| self.read_token(token));
        let text = |name: &str| claims.as_ref()?.get(name)?.as_str();
        let user = text("sub").and_then(|sub| self.realm.subject(sub));
        let client = text("azp").and_then(|id| self.realm.client(id));
        let (Some(user), Some(client)) = (user, client) else {
            return ProviderAnswer::error(401, "invalid_grant", "Invalid bearer token");
        };
        let audiences = fields.one("audience").map(str::to_owned).into_iter().collect();
        self.tokens(&GrantedToken { audiences, ..new_grant(client, user, "onrtum") }, true)
    }
}

/// A grant with a new session and the default scopes.
pub(super) fn new_grant(
    client: &'static DemoClient,
    user: &'static crate::tools::demo::directory::DemoUser,
    origin: &'static str,
) -> GrantedToken {
    GrantedToken {
        client,
        user,
        session: Uuid::new_v4().to_string(),
        scope: grant_scope(None).unwrap_or_default(),
        origin,
        audiences: Vec::new(),
        nonce: None,
        key: None,
    }
}

pub(super) fn invalid_scopes(unknown: &str) -> ProviderAnswer {
    ProviderAnswer::error(400, "invalid_scope", &format!("Invalid scopes: {unknown}"))
}

/// The token of an `Authorization: Bearer` header.
pub(super) fn read_bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The PKCE challenge of a verifier (RFC 7636 section 4.2).
pub(super) fn challenge(verifier: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.as_ref())
}

fn read_basic(value: &str) -> Option<(String, String)> {
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    Some((decode(id), decode(secret)))
}
