//! The claims of a forwarded token: everything that the token says is either of a known kind and shape, or listed by the
//! audience's owner. A protocol mapper of the identity provider can write roles into any claim.

use serde_json::{Map, Value};

use crate::judgement::jose::checks::HASHES;
use crate::judgement::policy::claim_names::ClaimClass;
use crate::judgement::policy::contract::Contract;
use crate::words::oauth::names::Names;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// Where a service account's client called from: what Keycloak's own scope `service_account` writes.
const SERVICE_ACCOUNT: [&str; 2] = ["clientAddress", "clientHost"];

impl Contract {
    /// Checks that the token has no further claims than the contract lists: claims that every token has, claims that the
    /// granted scope asks for, and claims that the audience's file or the dialect names. Other checks are about roles,
    /// delegation and binding.
    pub(super) fn check_forwarded_claims(&self, claims: &Map<String, Value>, granted: &Scope) -> Result<(), Refusal> {
        let mut excess: Vec<_> = Vec::new();
        for (name, value) in claims.iter().filter(|(name, _)| !self.owner_decides(name)) {
            if !self.forwards(name, granted) {
                excess.push(format!("{name:?}"));
            } else if !has_its_shape(name, value) {
                return Err(refuse(&format!(
                    "the claim {name:?} of the issued token is not of its standard type: use issuance: reissue, or \
                     remove the mapper that writes it in Keycloak"
                )));
            }
        }
        if !excess.is_empty() {
            return Err(refuse(&format!(
                "the issued token has the further claim {}: list it under token.claims, or use issuance: reissue, or \
                 remove the mapper that writes it in Keycloak",
                excess.join(", ")
            )));
        }
        Ok(())
    }

    /// Whether the audience's file or the dialect names a claim about which they may decide.
    fn owner_decides(&self, claim: &str) -> bool {
        let of_cambio = matches!(
            ClaimClass::of(claim),
            ClaimClass::Registered
                | ClaimClass::Binding
                | ClaimClass::Delegation
                | ClaimClass::Provenance
                | ClaimClass::KeycloakRoles
        );
        !of_cambio && self.lists_by_name(claim)
    }

    /// Whether the audience's file or the dialect names the claim. `"*"` names none.
    pub(super) fn lists_by_name(&self, claim: &str) -> bool {
        self.carried.contains(claim) || self.owner_names(claim)
    }

    /// Whether the audience's file names the claim.
    pub(super) fn owner_names(&self, claim: &str) -> bool {
        matches!(&self.claims, Names::Listed(names) if names.contains(claim))
    }

    fn forwards(&self, claim: &str, granted: &Scope) -> bool {
        if self.role_output.claim.as_deref() == Some(claim) || SERVICE_ACCOUNT.contains(&claim) {
            return true;
        }
        match ClaimClass::of(claim) {
            ClaimClass::Registered
            | ClaimClass::Binding
            | ClaimClass::Nonce
            | ClaimClass::Login
            | ClaimClass::Session
            | ClaimClass::Origins
            | ClaimClass::Delegation
            | ClaimClass::KeycloakRoles => true,
            ClaimClass::OfScope(scope) => granted.contains(scope),
            ClaimClass::OtherToken => self.requested == TokenType::IdToken && HASHES.contains(&claim),
            ClaimClass::Provenance | ClaimClass::OtherRoles | ClaimClass::RealmUser | ClaimClass::Other => false,
        }
    }
}

/// Whether a claim has the type that its definition gives it, so that no list of roles hides in it.
fn has_its_shape(claim: &str, value: &Value) -> bool {
    let texts = |value: &Value| value.as_array().is_some_and(|many| many.iter().all(Value::is_string));
    match (claim, ClaimClass::of(claim)) {
        ("aud", _) => value.is_string() || texts(value),
        ("exp" | "iat" | "nbf" | "auth_time" | "updated_at", _) => value.is_number(),
        ("email_verified" | "phone_number_verified", _) => value.is_boolean(),
        ("amr", _) => texts(value),
        ("address", _) => value.as_object().is_some_and(|members| members.values().all(Value::is_string)),
        ("realm_access", _) => is_access(value),
        ("resource_access", _) => value.as_object().is_some_and(|clients| clients.values().all(is_access)),
        (_, ClaimClass::Origins) => value.as_array().is_some_and(|many| many.iter().all(is_origin)),
        (_, ClaimClass::Binding | ClaimClass::Delegation) => value.is_object(),
        // The check of the roles reads the flat claim.
        (_, ClaimClass::OtherRoles | ClaimClass::Other | ClaimClass::RealmUser) => {
            !SERVICE_ACCOUNT.contains(&claim) || value.is_string()
        }
        _ => value.is_string(),
    }
}

/// Keycloak's member with the roles, and nothing beside the roles but an old mark.
fn is_access(value: &Value) -> bool {
    value.as_object().is_some_and(|members| {
        members.iter().all(|(name, value)| name == "roles" || name == "verify_caller" && value.is_boolean())
    })
}

fn is_origin(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text == "*" || text == "+" || text.contains("://"))
}

fn refuse(detail: &str) -> Refusal {
    Refusal::new(Reason::AnswerClaims, detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::judgement::policy::model::{Audience, Issuance, Profile};
    use crate::judgement::policy::samples::{audience, contract, issued, keycloak_claims, listed, permission, set};

    fn forwarding(claims: Names) -> Audience {
        let mut target = audience("back-end-api", vec![permission()]);
        target.issuance = Issuance::Forward;
        target.roles.realm = set(&["default-roles-corp", "offline_access", "uma_authorization"]);
        target.token.claims = claims;
        target.token.profile = Profile::Keycloak;
        target
    }

    fn check(contract: &Contract, change: &Value) -> Result<(), Refusal> {
        let mut claims = keycloak_claims();
        claims.extend(change.as_object().unwrap().clone());
        contract.check(&issued(&claims))
    }

    #[test]
    #[rustfmt::skip]
    fn every_claim_is_known_or_listed() {
        let refused = Some(Reason::AnswerClaims);
        for (name, change, listed_too, expected) in [
            ("nothing more", json!({}), true, None),
            ("groups", json!({"groups": ["/admins"]}), true, refused),
            ("roles", json!({"roles": ["admin"]}), true, refused),
            ("entitlements", json!({"entitlements": ["admin"]}), true, refused),
            ("a claim of any name", json!({"cognito:groups": ["admin"]}), true, refused),
            ("authorities", json!({"authorities": ["ROLE_ADMIN"]}), true, refused),
            ("permissions", json!({"permissions": {"a": "rw"}}), true, refused),
            ("a flag", json!({"is_admin": true}), true, refused),
            ("a name with a dot", json!({"https://example.org/roles": ["admin"]}), true, refused),
            ("a nested claim", json!({"app": {"roles": ["admin"]}}), true, refused),
            ("permissions of UMA", json!({"authorization": {"permissions": []}}), true, refused),
            ("the mark of an impersonation", json!({"impersonated": true}), false, refused),
            ("the issuer of a minted token", json!({"subject_issuer": "https://x"}), false, refused),
            ("organization", json!({"organization": ["acme"]}), true, refused),
            ("a claim of a scope that is not granted", json!({"phone_number": "1"}), true, refused),
            ("a claim of a granted scope", json!({"name": "Alice", "locale": "en", "email": "a@x", "email_verified": true}), false, None),
            ("a service account's", json!({"clientHost": "10.0.0.1", "clientAddress": "10.0.0.1", "client_id": "x"}), false, None),
            ("logins", json!({"acr": "1", "amr": ["pwd"], "auth_time": 1, "sid": "s", "nonce": "n"}), false, None),
            ("origins", json!({"allowed-origins": ["https://app.example.org", "*"]}), false, None),
            ("roles in a name", json!({"name": ["admin"]}), true, refused),
            ("roles in an address", json!({"email": {"roles": ["admin"]}}), true, refused),
            ("roles in acr", json!({"acr": ["admin"]}), true, refused),
            ("roles in jti", json!({"jti": ["admin"]}), false, refused),
            ("roles in the origins", json!({"allowed-origins": ["admin"]}), true, refused),
            ("roles in clientHost", json!({"clientHost": ["admin"]}), true, refused),
            ("roles in may_act", json!({"may_act": ["admin"]}), false, refused),
            ("groups beside the realm's roles", json!({"realm_access": {"roles": [], "groups": ["admin"]}}), false, refused),
            ("groups beside a client's roles", json!({"resource_access": {"back-end-api": {"roles": [], "groups": ["admin"]}}}), false, refused),
            ("a hash in an access token", json!({"at_hash": "x"}), true, refused),
        ] {
            let found = check(&contract(forwarding(listed(&["custom", "department"]))), &change);
            assert_eq!(found.clone().err().map(|refusal| refusal.reason), expected, "{name}");
            let claim = change.as_object().unwrap().keys().next();
            if let (Err(refusal), Some(claim)) = (found, claim) {
                assert!(refusal.detail.contains(&format!("{claim:?}")), "{name}: {}", refusal.detail);
                assert!(refusal.detail.contains("issuance: reissue"), "{name}: {}", refusal.detail);
                let named = check(&contract(forwarding(listed(&["custom", "department", claim]))), &change);
                assert_eq!(named.is_ok(), listed_too, "{name}, listed: {named:?}");
                // The loader refuses "*" with `forward`. It would name no claim.
                assert!(check(&contract(forwarding(Names::Any)), &change).is_err(), "{name}");
            }
        }
    }
}
