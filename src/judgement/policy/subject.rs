//! The `sub` of a token that is minted for a foreign subject. Two issuers, or an issuer and the realm, may have the same
//! `sub`. So Cambio puts the issuer's name, which can't contain `#`, before `#` and the `sub`, unless the audience's owner
//! chooses another rule.

use crate::judgement::expression::{Expression, Variables};
use crate::judgement::policy::model::SubjectRule;
use crate::judgement::policy::request::ExchangeRequest;
use crate::words::refusal::{Reason, Refusal};

/// Most characters of a `sub` (OpenID Connect Core 1.0 section 2).
const MAX_LENGTH: usize = 255;

/// Makes the new `sub` with the audience's rule and the issuer's `claimMappings.username`.
///
/// # Errors
/// [`Reason::SubjectMappingFailed`] if the mapping is missing or can't be evaluated, or if the name is empty, longer than
/// 255 characters or has control characters.
pub fn minted(
    rule: SubjectRule,
    request: &ExchangeRequest<'_>,
    username: Option<&Expression>,
) -> Result<String, Refusal> {
    let issuer = request.issuer;
    let failed =
        |text: &str| Err(Refusal::new(Reason::SubjectMappingFailed, format!("subject of the issuer {issuer}: {text}")));
    let name = match (rule, username) {
        (SubjectRule::Keep, _) => request.subject.to_owned(),
        (SubjectRule::Qualified, _) => format!("{issuer}#{}", request.subject),
        (SubjectRule::Mapped, None) => {
            return failed(&format!("set issuers.{issuer}.claimMappings.username in cambio.yaml"));
        }
        (SubjectRule::Mapped, Some(expression)) => {
            // A name depends on the token only, not on the request.
            let variables = Variables { claims: request.claims, client: request.client, audience: "", scopes: &[] };
            match expression.text(variables) {
                Ok(name) => name,
                Err(error) => return failed(&format!("claimMappings.username can't be evaluated: {error}")),
            }
        }
    };
    if name.trim().is_empty() {
        failed("the name is empty")
    } else if name.chars().count() > MAX_LENGTH {
        failed("the name has more than 255 characters")
    } else if name.chars().any(char::is_control) {
        failed("the name has control characters")
    } else {
        Ok(name)
    }
}

#[cfg(test)]
mod tests;
