//! A token exchange (RFC 8693 section 2.1) or a JWT authorization grant (RFC 7523 section 2.1), read strictly. Cambio
//! refuses what the identity provider would silently ignore, so that no caller relies on a delegation or a
//! restriction that did not happen.

mod upstream;

use http::request::Parts;

use super::accepts::Accepts;
use super::api_access::ApiAccess;
use super::grant::Grant;
use super::parameters::{exchange_scope, is_unknown, refuse_repeated_parameters, refuse_unknown_parameters};
use super::refresh::Refresh;
use crate::judgement::client::credentials::Credentials;
use crate::judgement::policy::scopes::OFFLINE;
use crate::words::oauth::form::{Form, bounded};
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// Most audiences, and most resources, of one exchange. Nobody needs more, and policy judges each of them.
const MAX_TARGETS: usize = 10;

/// A request with understood parameters only. `Debug` shows no token and no secret.
#[derive(Clone)]
pub struct Parsed {
    grant: Grant,
    subject_token: Secret,
    subject_token_type: TokenType,
    subject_issuer: Option<String>,
    actor: Option<Actor>,
    requested_subject: Option<String>,
    requested: TokenType,
    prefers_refresh: bool,
    audiences: Vec<String>,
    resources: Vec<String>,
    scope: Option<Scope>,
    credentials: Credentials,
    extra: Vec<(String, String)>,
}

/// The actor token, and its type as the caller states it.
#[derive(Clone)]
struct Actor {
    token: Secret,
    kind: TokenType,
}

/// Reads a request. A parameter without a value counts as omitted (RFC 6749 section 3.2).
pub fn parse(grant: Grant, form: Form, head: &Parts, accepts: &Accepts) -> Result<Parsed, Refusal> {
    refuse_repeated_parameters(&form, &["audience", "resource"])?;
    refuse_unknown_parameters(grant, &form, accepts)?;
    let credentials = Credentials::read(&head.headers, &form, &accepts.workloads)?;
    let actor = actor(&form, accepts)?;
    let (subject_token, subject_token_type) = match grant {
        Grant::TokenExchange => (required(&form, "subject_token")?, subject_type(&form, accepts)?),
        Grant::JwtBearer => (required(&form, "assertion")?, TokenType::Jwt),
        Grant::ApiAccess => return Err(Refusal::new(Reason::Internal, "api access has no subject token")),
    };
    let subject_token = Secret::new(subject_token);
    let requested = requested_type(&form, accepts)?;
    let scope = exchange_scope(grant, &form, accepts)?;
    let offline = scope.as_ref().is_some_and(|scope| scope.contains(OFFLINE));
    let prefers_refresh = requested == TokenType::AccessToken
        && accepts.requested_tokens.contains(&TokenType::RefreshToken)
        && (offline || accepts.dialect.rules().refreshes);
    let (mut audiences, resources) = (targets(&form, "audience")?, targets(&form, "resource")?);
    // An ID-JAG may name its resource itself, so a grant without a target is judged later.
    if grant == Grant::TokenExchange && audiences.is_empty() && resources.is_empty() {
        let client = credentials.client_id();
        if !accepts.dialect.rules().audience_of_client {
            let detail = format!("client {} names no audience", bounded(client));
            return Err(Refusal::new(Reason::AudienceMissing, detail));
        }
        audiences.push(client.to_owned());
    }
    let named = |name: &str| form.one(name).map(str::to_owned);
    let (subject_issuer, requested_subject) = (named("subject_issuer"), named("requested_subject"));
    if grant == Grant::TokenExchange && accepts.dialect.rules().subject_issuer {
        let missing = || Refusal::new(Reason::SubjectIssuerMissing, "the dialect needs subject_issuer");
        form.one("subject_issuer").ok_or_else(missing)?;
    }
    let extra = form.into_fields().filter(|(name, value)| is_unknown(grant, name, value, accepts)).collect();
    Ok(Parsed {
        grant,
        subject_token,
        subject_token_type,
        subject_issuer,
        actor,
        requested_subject,
        requested,
        prefers_refresh,
        audiences,
        resources,
        scope,
        credentials,
        extra,
    })
}

impl Parsed {
    /// The exchange for these audiences that a refresh token of Cambio stands for, with the credentials of the refresh.
    pub(crate) fn again(refresh: &Refresh, kind: TokenType, audiences: Vec<String>, scope: Scope) -> Self {
        let credentials = refresh.credentials().clone();
        let again = Self::for_audiences(Grant::TokenExchange, refresh.token(), credentials, audiences, Some(scope));
        Self { subject_token_type: kind, requested: TokenType::RefreshToken, ..again }
    }

    /// The exchange of a service account's token for the audience that its client asks for.
    pub(crate) fn of_service_account(access: ApiAccess, token: &Secret) -> Self {
        let ApiAccess { audience, scope, credentials } = access;
        Self::for_audiences(Grant::ApiAccess, token, credentials, vec![audience], scope)
    }

    /// The exchange of an access token for an access token.
    fn for_audiences(
        grant: Grant,
        token: &Secret,
        credentials: Credentials,
        audiences: Vec<String>,
        scope: Option<Scope>,
    ) -> Self {
        Self {
            grant,
            subject_token: token.clone(),
            subject_token_type: TokenType::AccessToken,
            subject_issuer: None,
            actor: None,
            requested_subject: None,
            requested: TokenType::AccessToken,
            prefers_refresh: false,
            audiences,
            resources: Vec::new(),
            scope,
            credentials,
            extra: Vec::new(),
        }
    }

    /// The request without one of the scope tokens. Without any scope token the request has no scope.
    pub(crate) fn without_scope(&self, token: &str) -> Self {
        let rest = self.scope.as_ref().map(|scope| scope.filtered(|one| one != token));
        Self { scope: rest.filter(|scope| !scope.is_empty()), ..self.clone() }
    }

    /// The grant.
    pub fn grant(&self) -> Grant {
        self.grant
    }

    /// The subject token, or the assertion, not verified yet.
    pub fn subject_token(&self) -> &Secret {
        &self.subject_token
    }

    /// The subject token's type as the caller states it. An assertion is a JWT.
    pub fn subject_token_type(&self) -> TokenType {
        self.subject_token_type
    }

    /// The issuer of an opaque subject token, as the caller states it: a name or a URL.
    pub fn subject_issuer(&self) -> Option<&str> {
        self.subject_issuer.as_deref()
    }

    /// The actor token, not verified yet, and its type as the caller states it (RFC 8693 section 2.1).
    pub fn actor(&self) -> Option<(&Secret, TokenType)> {
        self.actor.as_ref().map(|actor| (&actor.token, actor.kind))
    }

    /// The subject that the new token is to have instead: the id or the name of a user of the realm.
    pub fn requested_subject(&self) -> Option<&str> {
        self.requested_subject.as_deref()
    }

    /// The requested token type; an access token by default.
    pub fn requested(&self) -> TokenType {
        self.requested
    }

    /// Whether the caller wants a refresh token besides the requested access token: the scope has `offline_access`
    /// (OpenID Connect Core section 11), or the dialect always gives one.
    pub fn prefers_refresh(&self) -> bool {
        self.prefers_refresh
    }

    /// The requested audiences, each once, in order. A token exchange has an audience or a resource.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// The requested resources, each once, in order.
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// The requested scope. `None` if the caller leaves the scope to the identity provider.
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// The client's credentials.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Unknown parameters, in order. Empty unless the realm forwards unknown parameters.
    pub fn extra(&self) -> &[(String, String)] {
        &self.extra
    }
}

impl std::fmt::Debug for Parsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parsed")
            .field("requested", &self.requested)
            .field("audiences", &self.audiences)
            .field("resources", &self.resources)
            .field("scope", &self.scope)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

fn required<'a>(form: &'a Form, name: &str) -> Result<&'a str, Refusal> {
    form.one(name).ok_or_else(|| Refusal::new(Reason::ParameterMissing, name))
}

fn described(kind: Option<TokenType>) -> &'static str {
    kind.map_or("not a token type of RFC 8693", TokenType::name)
}

fn targets(form: &Form, name: &str) -> Result<Vec<String>, Refusal> {
    let mut targets: Vec<String> = Vec::new();
    for value in form.all(name) {
        if !targets.iter().any(|known| known == value) {
            targets.push(value.to_owned());
        }
        if targets.len() > MAX_TARGETS {
            return Err(Refusal::new(Reason::AudiencesTooMany, name));
        }
    }
    Ok(targets)
}

/// The subject token's type as the caller states it, if the realm exchanges such tokens.
fn subject_type(form: &Form, accepts: &Accepts) -> Result<TokenType, Refusal> {
    let rules = accepts.dialect.rules();
    if let (None, Some(meant)) = (form.one("subject_token_type"), rules.subject_token_type) {
        return Ok(meant);
    }
    let takes = |kind: &TokenType| {
        (*kind == TokenType::AccessToken || accepts.subject_tokens.contains(kind))
            && rules.subject_tokens.is_none_or(|only| only.contains(kind))
    };
    match TokenType::from_urn(required(form, "subject_token_type")?) {
        Some(kind) if takes(&kind) => Ok(kind),
        other => Err(Refusal::new(Reason::SubjectTokenTypeUnsupported, described(other))),
    }
}

/// The actor token with its type (RFC 8693 section 2.1). Neither may come without the other.
fn actor(form: &Form, accepts: &Accepts) -> Result<Option<Actor>, Refusal> {
    let (token, kind) = match (form.one("actor_token"), form.one("actor_token_type")) {
        (None, None) => return Ok(None),
        (_, _) if !accepts.actors => {
            return Err(Refusal::new(Reason::ActorTokenUnsupported, "no permission of the realm has delegation"));
        }
        (Some(_), None) => return Err(Refusal::new(Reason::ActorTokenIncomplete, "actor_token_type")),
        (None, Some(_)) => return Err(Refusal::new(Reason::ActorTokenIncomplete, "actor_token")),
        (Some(token), Some(kind)) => (token, TokenType::from_urn(kind)),
    };
    match kind {
        Some(kind @ (TokenType::AccessToken | TokenType::IdToken | TokenType::Jwt)) => {
            Ok(Some(Actor { token: Secret::new(token), kind }))
        }
        other => Err(Refusal::new(Reason::ActorTokenInvalid, format!("actor_token_type is {}", described(other)))),
    }
}

fn requested_type(form: &Form, accepts: &Accepts) -> Result<TokenType, Refusal> {
    let only = accepts.dialect.rules().requested_tokens;
    match form.one("requested_token_type").map(TokenType::from_urn) {
        None => Ok(TokenType::AccessToken),
        Some(Some(kind)) if only.is_some_and(|only| !only.contains(&kind)) => {
            Err(Refusal::new(Reason::RequestedTokenTypeUnsupported, described(Some(kind))))
        }
        Some(Some(kind @ (TokenType::AccessToken | TokenType::IdToken))) => Ok(kind),
        Some(Some(kind @ (TokenType::Jwt | TokenType::RefreshToken))) if accepts.requested_tokens.contains(&kind) => {
            Ok(kind)
        }
        Some(Some(TokenType::RefreshToken)) => {
            Err(Refusal::new(Reason::RefreshTokenRefused, "requested_token_type is refresh_token"))
        }
        Some(other) => Err(Refusal::new(Reason::RequestedTokenTypeUnsupported, described(other))),
    }
}

#[cfg(test)]
mod tests;
