//! A token exchange request (RFC 8693 section 2.1), read strictly. What the identity provider would ignore in silence
//! is refused here, so that no caller believes in a delegation or a restriction that did not happen.

use http::request::Parts;

use super::classify::bounded;
use super::lenient::resembles;
use crate::client::credentials::Credentials;
use crate::oauth::form::Form;
use crate::oauth::scope::Scope;
use crate::oauth::urn::{GRANT_TOKEN_EXCHANGE, TokenType};
use crate::policy::reason::{Reason, Refusal};
use crate::secret::Secret;

/// Most audiences, and most resources, that one exchange may name: nobody needs more, and each costs a judgement.
const MAX_TARGETS: usize = 10;

/// What an exchange may carry; everything else is unknown.
const KNOWN: [&str; 13] = [
    "actor_token",
    "actor_token_type",
    "audience",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "grant_type",
    "requested_token_type",
    "resource",
    "scope",
    "subject_token",
    "subject_token_type",
];

/// Parameters of Keycloak's first token exchange that turn the request into another one. They are never forwarded.
const LEGACY: [&str; 3] = ["requested_issuer", "requested_subject", "subject_issuer"];

/// An exchange of which every parameter is understood. `Debug` shows no token and no secret.
#[derive(Clone)]
pub struct Parsed {
    subject_token: Secret,
    subject_token_type: TokenType,
    requested: TokenType,
    audiences: Vec<String>,
    resources: Vec<String>,
    scope: Option<Scope>,
    credentials: Credentials,
    extra: Vec<(String, String)>,
}

/// Reads an exchange. Parameters that are not known are kept if `forward_unknown`, else refused.
///
/// A parameter without a value counts as omitted (RFC 6749 section 3.2).
pub fn parse(form: Form, head: &Parts, forward_unknown: bool) -> Result<Parsed, Refusal> {
    if let Some(name) = form.repeated(&["audience", "resource"]) {
        return Err(Refusal::new(Reason::ParameterRepeated, bounded(name)));
    }
    refuse_unknown_parameters(&form, forward_unknown)?;
    let credentials = Credentials::read(&head.headers, &form)?;
    if head.headers.contains_key("dpop") {
        // The issued token would be bound to the key of a proof that is bound to this request, not to ours.
        return Err(Refusal::new(Reason::DpopUnsupported, "a DPoP header"));
    }
    if let Some(name) = ["actor_token", "actor_token_type"].into_iter().find(|name| form.one(name).is_some())
    {
        return Err(Refusal::new(Reason::ActorTokenUnsupported, name));
    }
    let subject_token = Secret::new(required(&form, "subject_token")?);
    let subject_token_type = match TokenType::from_urn(required(&form, "subject_token_type")?) {
        Some(TokenType::AccessToken) => TokenType::AccessToken,
        other => return Err(Refusal::new(Reason::SubjectTokenTypeUnsupported, described(other))),
    };
    let requested = match form.one("requested_token_type").map(TokenType::from_urn) {
        None => TokenType::AccessToken,
        Some(Some(kind @ (TokenType::AccessToken | TokenType::IdToken))) => kind,
        Some(Some(TokenType::RefreshToken)) => {
            return Err(Refusal::new(Reason::RefreshTokenRefused, "requested_token_type is refresh_token"));
        }
        Some(other) => return Err(Refusal::new(Reason::RequestedTokenTypeUnsupported, described(other))),
    };
    let scope = form.one("scope").map(Scope::parse).transpose();
    let scope = scope.map_err(|error| Refusal::new(Reason::ScopeMalformed, error.to_string()))?;
    let (audiences, resources) = (targets(&form, "audience")?, targets(&form, "resource")?);
    if audiences.is_empty() && resources.is_empty() {
        let client = bounded(credentials.client_id());
        return Err(Refusal::new(Reason::AudienceMissing, format!("client {client} names no audience")));
    }
    let extra = form.into_fields().filter(|(name, value)| is_unknown(name, value)).collect();
    Ok(Parsed {
        subject_token,
        subject_token_type,
        requested,
        audiences,
        resources,
        scope,
        credentials,
        extra,
    })
}

impl Parsed {
    /// The token that is exchanged; nothing in it is verified yet.
    pub fn subject_token(&self) -> &Secret {
        &self.subject_token
    }

    /// What the caller says that the subject token is.
    pub fn subject_token_type(&self) -> TokenType {
        self.subject_token_type
    }

    /// The token type that is asked for; an access token if the caller says nothing.
    pub fn requested(&self) -> TokenType {
        self.requested
    }

    /// The audiences that are named, each once, in order. Not empty unless `resources` is not.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// The resources that are named, each once, in order.
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// The scope that is asked for; none if the caller leaves it to the identity provider.
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// Who asks.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Parameters that we don't know, in order; empty unless the realm forwards such.
    pub fn extra(&self) -> &[(String, String)] {
        &self.extra
    }

    /// The exchange serialised anew for the identity provider, with `audiences` in the place of audiences and resources.
    /// Goes with `credentials().authorization()` as its `Authorization` header.
    pub fn upstream_form(&self, audiences: &[String]) -> String {
        let mut form = Form::new();
        form.push("grant_type", GRANT_TOKEN_EXCHANGE);
        form.push("subject_token", self.subject_token.expose());
        form.push("subject_token_type", self.subject_token_type.urn());
        form.push("requested_token_type", self.requested.urn());
        for audience in audiences {
            form.push("audience", audience);
        }
        if let Some(scope) = &self.scope {
            form.push("scope", scope.to_string());
        }
        self.credentials.write(&mut form);
        for (name, value) in &self.extra {
            form.push(name, value);
        }
        form.encode()
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

fn refuse_unknown_parameters(form: &Form, forward: bool) -> Result<(), Refusal> {
    match form
        .fields()
        .find(|(name, value)| is_unknown(name, value) && (!forward || resembles_a_known_parameter(name)))
    {
        Some((name, _)) => Err(Refusal::new(Reason::ParameterUnknown, bounded(name))),
        None => Ok(()),
    }
}

fn is_unknown(name: &str, value: &str) -> bool {
    !value.is_empty() && !KNOWN.contains(&name)
}

/// Whether some parser could take `name` for a parameter that we judge, or for one that changes what is asked.
fn resembles_a_known_parameter(name: &str) -> bool {
    KNOWN.iter().chain(&LEGACY).any(|known| resembles(name, known))
}

#[cfg(test)]
mod tests;
