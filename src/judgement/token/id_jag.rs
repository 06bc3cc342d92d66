//! The Identity Assertion JWT Authorization Grant (draft-ietf-oauth-identity-assertion-authz-grant): an identity
//! provider lets one of its clients act for a user at another authorization server.

use super::Asked;
use crate::judgement::exchange::parse::Parsed;
use crate::judgement::jose::claims;
use crate::judgement::jose::verify::VerifiedToken;
use crate::words::oauth::scope::Scope;
use crate::words::refusal::{Reason, Refusal};

/// What is asked for with an ID-JAG, which must be this client's: the request may ask for less than the assertion
/// names, never for more. Whom it is for is checked with every other token's `aud`.
pub(super) fn asked(parsed: &Parsed, token: &VerifiedToken) -> Result<Asked, Refusal> {
    let wrong = |detail: String| Refusal::new(Reason::SubjectTokenClaims, detail);
    let text = |name| claims::string(token.claims(), name).map_err(|error| wrong(error.to_string()));
    if text("client_id")? != Some(parsed.credentials().client_id()) {
        return Err(Refusal::new(Reason::SubjectTokenAudience, "client_id of the ID-JAG is another client"));
    }
    for name in ["jti", "iat"] {
        if !token.claims().contains_key(name) {
            return Err(wrong(format!("the ID-JAG has no {name}")));
        }
    }
    let named = claims::texts(token.claims(), "resource").map_err(|error| wrong(error.to_string()))?;
    let resources = match parsed.resources() {
        [] if parsed.audiences().is_empty() => named.iter().map(|one| (*one).to_owned()).collect(),
        asked => {
            if let Some(more) = asked.iter().find(|one| !named.is_empty() && !named.contains(&one.as_str())) {
                return Err(Refusal::new(
                    Reason::ResourceUnknown,
                    format!(
                        "the ID-JAG does not name the resource {}",
                        more.chars().take(64).collect::<String>()
                    ),
                ));
            }
            asked.to_vec()
        }
    };
    let granted = text("scope")?.map(Scope::parse).transpose().map_err(|error| wrong(error.to_string()))?;
    let scope = match (parsed.scope(), granted) {
        (None, granted) => granted,
        (Some(asked), Some(granted)) if !asked.is_subset(&granted) => {
            return Err(Refusal::new(
                Reason::ScopeNotPermitted,
                "the ID-JAG does not grant a requested scope",
            ));
        }
        (Some(asked), _) => Some(asked.clone()),
    };
    Ok(Asked { resources, scope })
}
