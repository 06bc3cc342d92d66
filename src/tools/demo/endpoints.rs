//! The demo's other endpoints: introspection, userinfo, logout, keys, discovery.

use http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::tools::demo::answer::ProviderAnswer;
use crate::tools::demo::form::Fields;
use crate::tools::demo::grants::read_bearer;
use crate::tools::demo::provider::View;
use crate::tools::demo::received::RealmEndpoint;
use crate::words::oauth::urn;

impl View<'_> {
    /// RFC 7662; a token is active only for clients that its `aud` or `azp` names.
    pub(super) fn introspect(&self, headers: &HeaderMap, fields: &Fields) -> ProviderAnswer {
        let Ok(client) = self.client(headers, fields) else {
            return ProviderAnswer::error(401, "invalid_client", "Client authentication failed.");
        };
        if client.secret.is_none() {
            return ProviderAnswer::error(403, "invalid_request", "Client not allowed.");
        }
        let Some(token) = fields.one("token") else {
            return ProviderAnswer::error(400, "invalid_request", "Token not provided.");
        };
        let claims = self.read_token(token).or_else(|| self.read_refresh_token(token));
        let named = |aud: &Value| match aud {
            Value::Array(many) => many.iter().any(|one| one == client.id),
            one => one == client.id,
        };
        match claims.filter(|claims| claims.get("aud").is_some_and(named)) {
            Some(mut claims) => {
                claims.insert("active".to_owned(), Value::from(true));
                claims.insert("client_id".to_owned(), claims.get("azp").cloned().unwrap_or_default());
                ProviderAnswer::ok(&Value::from(claims))
            }
            None => ProviderAnswer::ok(&json!({"active": false})),
        }
    }

    /// The claims about the access token's user.
    pub(super) fn userinfo(&self, headers: &HeaderMap) -> ProviderAnswer {
        let claims = read_bearer(headers).and_then(|token| self.read_token(token));
        let Some(claims) = claims.filter(|claims| claims.get("typ").is_some_and(|typ| typ == "Bearer")) else {
            let challenge = format!("Bearer realm=\"{}\", error=\"invalid_token\"", self.realm.name);
            return ProviderAnswer::error(401, "invalid_token", "Token verification failed")
                .with(WWW_AUTHENTICATE, challenge);
        };
        let names = ["sub", "email_verified", "name", "preferred_username", "given_name", "family_name", "email"];
        let known = names.iter().filter_map(|name| Some(((*name).to_owned(), claims.get(*name)?.clone())));
        ProviderAnswer::ok(&Value::from(known.collect::<serde_json::Map<_, _>>()))
    }

    /// RFC 7009. An unknown token gets the same 200 as in Keycloak.
    pub(super) fn revoke(&self, headers: &HeaderMap, fields: &Fields) -> ProviderAnswer {
        let client = match self.client(headers, fields) {
            Ok(client) => client,
            Err(refused) => return refused,
        };
        let Some(token) = fields.one("token") else {
            return ProviderAnswer::error(400, "invalid_request", "Token not provided");
        };
        let claims = self.read_refresh_token(token).or_else(|| self.read_token(token));
        let Some(claims) = claims else {
            return ProviderAnswer::error(200, "invalid_token", "Invalid token");
        };
        if claims.get("azp").is_none_or(|azp| azp != client.id) {
            return ProviderAnswer::error(400, "invalid_token", "Unmatching clients");
        }
        if let (Some("Refresh"), Some(session)) =
            (claims.get("typ").and_then(Value::as_str), claims.get("sid").and_then(Value::as_str))
        {
            self.provider.end_session(session);
        }
        ProviderAnswer { status: StatusCode::OK, headers: Vec::new(), body: bytes::Bytes::new() }
    }

    /// Ends the session of a refresh token.
    pub(super) fn logout(&self, headers: &HeaderMap, fields: &Fields) -> ProviderAnswer {
        if let Err(refused) = self.client(headers, fields) {
            return refused;
        }
        let claims = fields.one("refresh_token").and_then(|token| self.read_refresh_token(token));
        let Some(session) = claims.as_ref().and_then(|c| c.get("sid")).and_then(Value::as_str) else {
            return ProviderAnswer::error(400, "invalid_grant", "Invalid refresh token");
        };
        self.provider.end_session(session);
        ProviderAnswer { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: bytes::Bytes::new() }
    }

    /// The realm's own page, which everybody may read.
    pub(super) fn page(&self) -> ProviderAnswer {
        let openid = format!("{}/protocol/openid-connect", self.issuer);
        ProviderAnswer::ok(&json!({"realm": self.realm.name, "token-service": openid, "tokens-not-before": 0}))
    }

    /// The signing keys and the key for encryption.
    pub(super) fn certs(&self) -> ProviderAnswer {
        let mut keys: Vec<_> = self.provider.keys(self.realm.name).iter().map(|key| key.jwk()).collect();
        keys.push(self.provider.encryption.encryption_jwk());
        ProviderAnswer::new(StatusCode::OK, "application/json", json!({"keys": keys}).to_string())
            .with(CACHE_CONTROL, "no-cache")
    }

    /// The discovery document; its URLs follow the Host header.
    pub(super) fn discovery(&self) -> ProviderAnswer {
        let issuer = self.issuer;
        let at = |endpoint| format!("{issuer}/{}", self.layout.name(endpoint));
        let body = json!({
            "issuer": issuer,
            "authorization_endpoint": at(RealmEndpoint::Auth),
            "token_endpoint": at(RealmEndpoint::Token),
            "introspection_endpoint": at(RealmEndpoint::Introspect),
            "userinfo_endpoint": at(RealmEndpoint::Userinfo),
            "revocation_endpoint": at(RealmEndpoint::Revoke),
            "end_session_endpoint": at(RealmEndpoint::Logout),
            "jwks_uri": at(RealmEndpoint::Certs),
            "grant_types_supported": [
                "authorization_code", "client_credentials", "password", "refresh_token",
                urn::GRANT_TOKEN_EXCHANGE, urn::GRANT_JWT_BEARER, urn::GRANT_UMA_TICKET, urn::GRANT_CIBA,
            ],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "email", "profile", "offline_access", "address", "phone", "acr"],
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "name", "email", "preferred_username"],
        });
        ProviderAnswer::new(StatusCode::OK, "application/json", body.to_string())
            .with(CACHE_CONTROL, "no-cache, must-revalidate, no-transform, no-store")
    }
}
