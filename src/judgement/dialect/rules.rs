//! What a dialect consists of.

use super::refusal::DialectRefusal;
use super::shape::AnswerShape;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::PublicError;

/// What a dialect consists of.
///
/// In paths, `{path}` stands for the realm's path at the identity provider, and `{realm}` for the path parameter of that
/// name.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties of a token endpoint, each with a name")]
pub struct DialectRules {
    /// Paths of the token endpoint, besides the identity provider's own.
    pub token_paths: &'static [&'static str],
    /// Paths of the introspection endpoint (RFC 7662), besides the identity provider's own.
    pub introspection_paths: &'static [&'static str],
    /// Paths where a client gets a token for its own service account, for an audience.
    pub api_access_paths: &'static [&'static str],
    /// Whether a token request may also be a JSON object of texts.
    pub json: bool,
    /// The `subject_token_type` of a request without one; `None`: the parameter is required.
    pub subject_token_type: Option<TokenType>,
    /// The only subject token types; `None`: the audiences' files say.
    pub subject_tokens: Option<&'static [TokenType]>,
    /// The only requested token types; `None`: the audiences' files say.
    pub requested_tokens: Option<&'static [TokenType]>,
    /// Whether `subject_issuer` is required and must be the subject token's `iss`.
    pub subject_issuer: bool,
    /// Whether an exchange without audience and resource is for the requesting client.
    pub audience_of_client: bool,
    /// Whether `offline_access` that is not permitted is left out of the scope. Otherwise the exchange is refused.
    pub drops_offline: bool,
    /// Whether every access token comes with a refresh token, if one is permitted.
    pub refreshes: bool,
    /// Claims that a subject token must have, besides those that every subject token must have.
    pub required_claims: &'static [&'static str],
    /// Whether the subject token's `aud` must have the host that was called.
    pub audience_is_host: bool,
    /// Claims of the subject token that the new token also has.
    pub carried: &'static [&'static str],
    /// Values of some carried claims for subject tokens without them.
    pub defaults: &'static [(&'static str, &'static str)],
    /// The answer to a refusal.
    pub refusal: fn(&DialectRefusal<'_>) -> PublicError,
    /// Whether the identity provider's refusals are passed on unchanged. Otherwise they are answered like Cambio's own.
    pub upstream_refusals: bool,
    /// Whether every 401 has `WWW-Authenticate`. Otherwise only answers to requests with `Authorization` have it.
    pub challenges: bool,
    /// The members of a successful answer.
    pub members: AnswerShape,
    /// The `Cache-Control` of every answer.
    pub cache_control: &'static str,
}

impl DialectRules {
    /// Whether the dialect's paths have the parameter `realm`.
    pub fn has_realm_parameter(&self) -> bool {
        let all = [self.token_paths, self.introspection_paths, self.api_access_paths];
        all.into_iter().flatten().any(|template| template.contains("{realm}"))
    }
}
