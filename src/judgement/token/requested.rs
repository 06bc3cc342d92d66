//! The requested resources and scope: of the request, or of an ID-JAG.
//!
//! With an Identity Assertion JWT Authorization Grant (draft-ietf-oauth-identity-assertion-authz-grant) an identity
//! provider lets one of its clients act for a user at another authorization server.

use super::checked::CheckedToken;
use crate::judgement::exchange::parse::Parsed;
use crate::judgement::jose::claims;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// The requested resources and scope.
#[derive(Debug)]
pub(super) struct RequestedAccess {
    pub(super) resources: Vec<String>,
    pub(super) scope: Option<Scope>,
}

impl RequestedAccess {
    /// What the request asks for, or the ID-JAG that it presents.
    pub(super) fn of(parsed: &Parsed, subject: &CheckedToken) -> Result<Self, Refusal> {
        match subject.kind() {
            TokenType::IdJag => id_jag(parsed, subject),
            _ => Ok(Self { resources: parsed.resources().to_vec(), scope: parsed.scope().cloned() }),
        }
    }
}

/// What is asked for with an ID-JAG. The ID-JAG must be for this client. The request may ask for less than the ID-JAG
/// names, never for more. Its `aud` was checked with every other token's.
fn id_jag(parsed: &Parsed, token: &CheckedToken) -> Result<RequestedAccess, Refusal> {
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
                    format!("the ID-JAG does not name the resource {}", more.chars().take(64).collect::<String>()),
                ));
            }
            asked.to_vec()
        }
    };
    let granted = text("scope")?.map(Scope::parse).transpose().map_err(|error| wrong(error.to_string()))?;
    let scope = match (parsed.scope(), granted) {
        (None, granted) => granted,
        (Some(asked), Some(granted)) if !asked.is_subset(&granted) => {
            return Err(Refusal::new(Reason::ScopeNotPermitted, "the ID-JAG does not grant a requested scope"));
        }
        (Some(asked), _) => Some(asked.clone()),
    };
    Ok(RequestedAccess { resources, scope })
}
