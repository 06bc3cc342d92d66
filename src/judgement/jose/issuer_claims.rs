//! How one issuer writes claims that the standards leave open. The default is strict; each exception is a setting of the
//! issuer.

use serde_json::{Map, Value};

/// What stands for a tenant's id in the `iss` of an issuer with tenants, as Microsoft writes it.
pub const TENANT_PLACE: &str = "{tenantid}";

/// How an issuer writes its claims.
#[derive(Clone, Debug, Default)]
pub struct IssuerClaims {
    /// The tenants that are accepted, if each tenant's tokens have an `iss` of their own. Empty: the issuer has one `iss`.
    pub tenants: Vec<Tenant>,
    /// The claim that says whom a token without `aud` is for. Without it, every token must have `aud`.
    pub audience: Option<&'static str>,
    /// The claim that names the subject, in the place of `sub`.
    pub subject: Option<String>,
    /// The claim that names the client that a token was issued to, in the place of `azp` and `client_id`.
    pub client: Option<&'static str>,
    /// What becomes of a token that leaves out its user's groups. `None`: a realm, whose tokens do not.
    pub groups_overage: Option<GroupsOverage>,
}

/// A tenant of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// The claim `tid`.
    pub id: String,
    /// The `iss` of the tenant's tokens.
    pub iss: String,
}

/// What becomes of a token without the groups of its user, because they are too many for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupsOverage {
    /// The token is refused.
    Refuse,
    /// The token is accepted as one without groups, and the audit line says so.
    Accept,
}

impl IssuerClaims {
    /// The `iss` of the configuration that a token with this `iss` must have: `url`, or that of a tenant.
    pub fn expected_iss<'s>(&'s self, url: &'s str, iss: &str) -> Option<&'s str> {
        if self.tenants.is_empty() {
            return Some(url).filter(|url| *url == iss);
        }
        self.tenant(iss).map(|tenant| tenant.iss.as_str())
    }

    /// The tenant with this `iss`.
    pub fn tenant(&self, iss: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.iss == iss)
    }

    /// Writes the subject into `sub`, if the issuer names the subject in another claim. The token then has no other `sub`.
    pub(in crate::judgement) fn name_subject(&self, claims: &mut Map<String, Value>) {
        let Some(name) = self.subject.as_ref() else { return };
        match claims.get(name).cloned() {
            Some(subject) => claims.insert("sub".to_owned(), subject),
            None => claims.remove("sub"),
        };
    }
}

impl Tenant {
    /// The tenant with this id, of an issuer whose `iss` has [`TENANT_PLACE`] in it.
    pub fn of(pattern: &str, id: &str) -> Self {
        Self { id: id.to_owned(), iss: pattern.replace(TENANT_PLACE, id) }
    }
}
