//! Who an issuer is: its `iss` or the `iss` of its tenants, and how it writes its claims.

use crate::adapters::config::file::Config;
use crate::adapters::config::file::issuer::{AudienceClaim, ClientClaim, IssuerIdentity, TrustedIssuer};
use crate::adapters::config::load::problem::At;
use crate::judgement::expression::Expression;
use crate::judgement::jose::issuer_claims::{IssuerClaims, TENANT_PLACE, Tenant};

/// Names that Microsoft's endpoints use in the place of a tenant. No token has them in its `iss`.
const NO_TENANTS: [&str; 3] = ["common", "consumers", "organizations"];

/// The realm, or the issuer before this one, whose tokens have the same `iss`.
pub(super) fn namesake<'c>(name: &str, issuer: &TrustedIssuer, main: &'c Config) -> Option<&'c str> {
    let own = isses(&issuer.issuer);
    let realms = main.realms.iter().map(|(name, realm)| (name, vec![realm.issuer.clone()]));
    let earlier = main.issuers.iter().take_while(|(other, _)| *other != name);
    let mut others = realms.chain(earlier.map(|(name, one)| (name, isses(&one.issuer))));
    let is_same = |isses: &[String]| isses.iter().any(|iss| own.contains(iss));
    others.find(|(_, isses)| is_same(isses)).map(|(name, _)| name.as_str())
}

/// Every `iss` of an issuer's tokens.
fn isses(identity: &IssuerIdentity) -> Vec<String> {
    match tenants(identity) {
        tenants if tenants.is_empty() => vec![identity.url.clone()],
        tenants => tenants.into_iter().map(|tenant| tenant.iss).collect(),
    }
}

fn tenants(identity: &IssuerIdentity) -> Vec<Tenant> {
    let ids = identity.tenants.iter().flatten().filter(|_| has_pattern(identity));
    ids.map(|id| Tenant::of(&identity.url, id)).collect()
}

fn has_pattern(identity: &IssuerIdentity) -> bool {
    identity.url.contains(TENANT_PLACE)
}

/// Checks that the tenants and the keys that go with them fit each other.
pub(super) fn check(file: &TrustedIssuer, at: &At<'_>) {
    let (identity, of_identity) = (&file.issuer, at.field("issuer"));
    match (has_pattern(identity), &identity.tenants) {
        (true, None) => of_identity.field("url").problem(
            "has {tenantid}, which stands for any tenant: list the ids of those whose tokens are accepted in issuer.tenants",
        ),
        (false, Some(_)) => {
            of_identity.field("tenants").problem("has no effect: issuer.url has no {tenantid} in it");
        }
        (true, Some(_)) | (false, None) => {}
    }
    if has_pattern(identity) && file.introspection.is_some() {
        at.field("introspection")
            .problem("can't be used with {tenantid}: an answer does not say of which tenant it is");
    }
    let mut parts = identity.url.split('/').skip(2);
    let is_microsoft = parts.next().is_some_and(|host| host.starts_with("login.microsoftonline."));
    if is_microsoft && parts.next().is_some_and(|tenant| NO_TENANTS.contains(&tenant)) {
        of_identity.field("url").warning(
            "no token has this iss, because Microsoft's tokens name their tenant: write {tenantid} in its place, and issuer.tenants",
        );
    }
}

/// The URL below which the discovery document is, if no key says where the issuer's keys come from.
pub(super) fn fetched<'f>(identity: &'f IssuerIdentity, at: &At<'_>) -> Option<&'f str> {
    const WAY: &str = "set jwksURL, jwksFile or issuer.discoveryURL";
    if has_pattern(identity) {
        return at.refuse(format!(
            "has {{tenantid}}, so Cambio can't fetch a discovery document below it: {WAY}, such as \
             https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration"
        ));
    }
    let lower = identity.url.to_ascii_lowercase();
    if !(lower.starts_with("http://") || lower.starts_with("https://")) {
        return at.refuse(format!("is no URL, so Cambio can't fetch a discovery document below it: {WAY}"));
    }
    Some(identity.url.trim_end_matches('/'))
}

/// Two tenants may give their users the same name, so the local name must depend on the tenant.
pub(super) fn check_username(expression: &Expression, identity: &IssuerIdentity, at: &At<'_>) {
    let names_tenant = ["tid", "iss"].iter().any(|claim| expression.looks_at_claim(claim));
    if identity.tenants.is_some() && !names_tenant {
        at.field("expression")
            .problem("must look at claims.tid or claims.iss: users of two tenants may have the same name");
    }
}

/// How the issuer writes its claims.
pub(super) fn claims(file: &TrustedIssuer) -> IssuerClaims {
    IssuerClaims {
        tenants: tenants(&file.issuer),
        audience: match file.issuer.audience_claim {
            AudienceClaim::Aud => None,
            AudienceClaim::ClientId => Some("client_id"),
            AudienceClaim::Azp => Some("azp"),
            AudienceClaim::Appid => Some("appid"),
            AudienceClaim::Cid => Some("cid"),
        },
        subject: file.subject_claim.clone().filter(|name| name != "sub"),
        client: file.client_claim.map(|claim| match claim {
            ClientClaim::Azp => "azp",
            ClientClaim::ClientId => "client_id",
            ClientClaim::Appid => "appid",
            ClientClaim::Cid => "cid",
        }),
        groups_overage: Some(file.groups_overage.into()),
    }
}
