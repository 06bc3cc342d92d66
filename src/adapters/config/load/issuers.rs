//! `issuers`.

use std::collections::BTreeMap;

use super::files::{Holds, named};
use super::introspection;
use super::problem::{At, ProblemList, all, optional};
use super::tokens::{jwks, token_checks};
use super::value::{expression, warn_of_plain};
use crate::adapters::config::file::Config;
use crate::adapters::config::file::issuer as file;
use crate::adapters::config::settings::issuer::{KeySource, TrustedIssuer};

pub(super) fn issuers(main: &Config, at: &At<'_>, report: &mut ProblemList) -> Option<BTreeMap<String, TrustedIssuer>> {
    let checked = all(main.issuers.iter().map(|(name, issuer)| {
        let at = at.field(name);
        if main.realms.contains_key(name) {
            at.problem(report, "is also the name of a realm");
        }
        let url = &issuer.issuer.url;
        let earlier = main.issuers.iter().take_while(|(other, _)| *other != name);
        let mut others = main.realms.iter().map(|(name, realm)| (name, &realm.issuer));
        let other = others
            .find(|(_, other)| *other == url)
            .or_else(|| earlier.map(|(name, one)| (name, &one.issuer.url)).find(|(_, other)| *other == url));
        if let Some((other, _)) = other {
            at.field("issuer").field("url").problem(report, format!("is also the issuer of {other}"));
        }
        trusted_issuer(name, issuer, &at, report)
    }))?;
    Some(checked.into_iter().map(|issuer| (issuer.name.clone(), issuer)).collect())
}

fn trusted_issuer(
    name: &str,
    file: &file::TrustedIssuer,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<TrustedIssuer> {
    let identity = at.field("issuer");
    let keys = key_source(file, at, report);
    let ca = optional(file.issuer.certificate_authority_file.as_ref(), |path| {
        named(path, Holds::Certificates, &identity.field("certificateAuthorityFile"), report)
    });
    let tokens = token_checks(&file.algorithms, &file.leeway, &file.claim_validation_rules, at, report);
    let jwks = jwks(&file.jwks, &at.field("jwks"), report);
    let introspection = optional(file.introspection.as_ref(), |endpoint| {
        introspection::issuer(endpoint, &at.field("introspection"), report)
    });
    let username = optional(file.claim_mappings.username.as_ref(), |mapping| {
        let at = at.field("claimMappings").field("username").field("expression");
        expression(&mapping.expression, &at, report)
    });
    Some(TrustedIssuer {
        name: name.to_owned(),
        url: file.issuer.url.clone(),
        audiences: file.issuer.audiences.clone(),
        keys: keys?,
        ca: ca?,
        tokens: tokens?,
        jwks: jwks?,
        introspection: introspection?,
        username: username?,
    })
}

fn key_source(file: &file::TrustedIssuer, at: &At<'_>, report: &mut ProblemList) -> Option<KeySource> {
    let identity = at.field("issuer");
    match (&file.issuer.discovery_url, &file.jwks_url, &file.jwks_file) {
        (None, None, None) => {
            let base = file.issuer.url.trim_end_matches('/');
            warn_of_plain(base, &identity.field("url"), report);
            Some(KeySource::Discovery(format!("{base}/.well-known/openid-configuration")))
        }
        (Some(url), None, None) => {
            warn_of_plain(url, &identity.field("discoveryURL"), report);
            Some(KeySource::Discovery(url.clone()))
        }
        (None, Some(url), None) => {
            warn_of_plain(url, &at.field("jwksURL"), report);
            Some(KeySource::Url(url.clone()))
        }
        (None, None, Some(path)) => named(path, Holds::Anything, &at.field("jwksFile"), report).map(KeySource::File),
        _ => {
            at.problem(report, "has more than one of discoveryURL, jwksURL and jwksFile");
            None
        }
    }
}
