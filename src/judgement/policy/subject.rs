//! The `sub` of a token that is minted for a foreign subject. Two issuers, or an issuer and the realm, may have the same
//! `sub`. So Cambio puts the issuer's name, which can't contain `#`, before `#` and the `sub`, unless the audience's owner
//! chooses another rule. Two tenants of an issuer may have the same `sub`, too: their id, which can't contain `#` either, comes
//! between. With `uuid`, the `sub` is a UUID of version 5 (RFC 9562 section 5.5) over the token's `iss` and `sub`: the same in
//! every replica and after every restart, and different from Keycloak's own ids, which are of version 4.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::Value;
use uuid::{Builder, Uuid};

use crate::judgement::expression::{Expression, Variables};
use crate::judgement::policy::model::SubjectRule;
use crate::judgement::policy::request::ExchangeRequest;
use crate::words::refusal::{Reason, Refusal};

/// Most bytes of a foreign `sub`, and of a name that is made from it. OpenID Connect allows 255 characters, and a SPIFFE ID
/// may have 2,048 bytes.
const MAX_LENGTH: usize = 2048;

/// Makes the new `sub` with the audience's rule and the issuer's `claimMappings.username`.
///
/// # Errors
/// [`Reason::SubjectMappingFailed`] if the mapping is missing or can't be evaluated, or if the name is empty, longer than
/// 2,048 bytes or has control characters.
pub fn minted(
    rule: SubjectRule,
    request: &ExchangeRequest<'_>,
    username: Option<&Expression>,
) -> Result<String, Refusal> {
    let issuer = request.issuer;
    let failed =
        |text: &str| Err(Refusal::new(Reason::SubjectMappingFailed, format!("subject of the issuer {issuer}: {text}")));
    if request.subject.len() > MAX_LENGTH {
        return failed("its sub has more than 2,048 bytes");
    }
    let name = match (rule, username) {
        (SubjectRule::Keep, _) if request.tenant.is_some() => {
            return failed("keep: users of two tenants may have the same sub; use qualified or mapped");
        }
        (SubjectRule::Keep, _) => request.subject.to_owned(),
        (SubjectRule::Qualified, _) => qualified(issuer, request.tenant, request.subject),
        (SubjectRule::Uuid, _) => match request.claims.get("iss").and_then(Value::as_str) {
            Some(iss) => uuid(iss, request.subject).hyphenated().to_string(),
            None => return failed("the token has no iss"),
        },
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
    } else if rule == SubjectRule::Mapped && name.len() > MAX_LENGTH {
        failed("the name has more than 2,048 bytes")
    } else if name.chars().any(char::is_control) {
        failed("the name has control characters")
    } else {
        Ok(name)
    }
}

/// The name of an issuer's subject that no subject of another issuer or tenant has.
pub fn qualified(issuer: &str, tenant: Option<&str>, subject: &str) -> String {
    match tenant {
        Some(tenant) => format!("{issuer}#{tenant}#{subject}"),
        None => format!("{issuer}#{subject}"),
    }
}

/// The id of one issuer's subject. The namespace of its `sub` is the UUID of the `iss` in the namespace of URLs, so no choice
/// of `iss` and `sub` is read as another.
fn uuid(iss: &str, sub: &str) -> Uuid {
    version_5(version_5(Uuid::NAMESPACE_URL, iss), sub)
}

fn version_5(namespace: Uuid, name: &str) -> Uuid {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[namespace.as_bytes(), name.as_bytes()].concat());
    let mut first = [0; 16];
    first.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
    Builder::from_sha1_bytes(first).into_uuid()
}

#[cfg(test)]
mod tests;
