//! What a decision depends on besides the request.

use crate::judgement::dialect::{DefaultClaim, TokenCustoms};
use crate::judgement::policy::request::Impersonated;

/// The realm of a request, and what is known besides its tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'a> {
    /// The realm's name in the configuration.
    pub realm: &'a str,
    /// The realm's `iss`.
    pub realm_issuer: &'a str,
    /// The user that the request wants to become, as the directory describes them.
    pub impersonate: Option<Impersonated<'a>>,
    /// Claims that the dialect copies into a token that Cambio signs.
    pub carried: &'a [&'a str],
    /// Claims that the dialect gives a minted token in any case.
    pub defaults: &'a [DefaultClaim],
    /// What is particular about the dialect's tokens.
    pub customs: TokenCustoms,
    /// Whether the dialect leaves out `offline_access` where it is not permitted.
    pub drop_offline: bool,
    /// Whether every access token of the dialect comes with a refresh token, if one is permitted.
    pub refreshes: bool,
    /// Whether the identity provider's answer may name the subject token's user by another `sub` (`pairwiseSubjects`).
    pub pairwise: bool,
}
