//! The `sub` of a token that is minted for a foreign subject. Two issuers may have the same `sub`, and the realm may,
//! too, so unless the audience's owner says otherwise it is qualified by the issuer's name, in which no `#` can be.

use crate::judgement::expression::{Expression, Variables};
use crate::judgement::policy::model::SubjectRule;
use crate::judgement::policy::request::ExchangeRequest;
use crate::words::refusal::{Reason, Refusal};

/// Most characters of a `sub` (OpenID Connect Core 1.0 section 2).
const MAX_LENGTH: usize = 255;

/// The new `sub`, by the audience's rule and the issuer's `claimMappings.username`.
///
/// # Errors
/// [`Reason::SubjectMappingFailed`] when there is no such mapping, when it can't be evaluated, or when the name is empty,
/// longer than 255 characters or has control characters.
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
            // A name is about the token, whatever is asked for with it.
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
