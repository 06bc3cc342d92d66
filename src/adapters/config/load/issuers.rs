//! `issuers`, and what realms and issuers have in common: checks of tokens, keys, and Cambio's own clients.

mod identity;
pub(super) mod names;

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonwebtoken::Algorithm;

use super::access::access;
use super::files::{Holds, contents, line, named};
use super::format::issuer_algorithm;
use super::preset::filled_in;
use super::problem::{At, ProblemList, all};
use super::shared_secret::{is_hmac, shared_secret};
use super::tree::Node;
use super::value::{expression, is_plain_and_remote, warn_of_plain};
use crate::adapters::config::file::Config;
use crate::adapters::config::file::issuer as file;
use crate::adapters::config::file::value::Period;
use crate::adapters::config::presets::Preset;
use crate::adapters::config::settings::issuer::{Introspection, JwksLimits, KeySource, OwnClient, TrustedIssuer};
use crate::adapters::config::settings::proxy::Proxies;
use crate::judgement::jose::checks::{ClaimRule, KindRules, OptionalMember, TokenChecks};
use crate::judgement::jose::issuer_claims::IssuerClaims;
use crate::words::secret::Secret;

pub(super) fn issuers(main: &Config, proxies: &Proxies, at: &At<'_>) -> Option<BTreeMap<String, TrustedIssuer>> {
    at.entries(&main.issuers, |name, issuer, at| {
        if main.realms.contains_key(name) {
            at.problem("is also the name of a realm");
        }
        if let Some(other) = identity::namesake(name, issuer, main) {
            at.field("issuer").field("url").problem(format!("is also the issuer of {other}"));
        }
        identity::check(issuer, at);
        trusted_issuer(name, issuer, proxies, at)
    })
}

fn trusted_issuer(name: &str, file: &file::TrustedIssuer, proxies: &Proxies, at: &At<'_>) -> Option<TrustedIssuer> {
    let keys = key_source(file, at);
    let access = access(file, keys.as_ref(), proxies, at);
    let preset = file.preset.as_deref().and_then(Preset::named);
    let mutable = preset.as_ref().map(Preset::claims).unwrap_or_default();
    let mutable = mutable.with_subject(file.subject_claim.as_deref());
    let tokens = issuer_tokens(file, at);
    let jwks = jwks(&file.jwks, &at.field("jwks"));
    let introspection = at.optional("introspection", file.introspection.as_ref(), introspection);
    let mapping = file.claim_mappings.username.as_ref();
    let username = at
        .field("claimMappings")
        .optional("username", mapping, |mapping, at| expression(&mapping.expression, &at.field("expression")));
    if let Some(Some(expression)) = &username {
        let at = at.field("claimMappings").field("username");
        identity::check_username(expression, &file.issuer, &at);
        names::weak(expression, &mutable, "who the subject is", &at.field("expression"));
    }
    if let (Some(tokens), Some(preset)) = (&tokens, &preset) {
        names::rules(&tokens.rules, preset, &mutable, &at.field("claimValidationRules"));
    }
    Some(TrustedIssuer {
        name: name.to_owned(),
        preset: preset.map(|preset| preset.name),
        mutable,
        in_force: at.node().map(Node::to_shown_json).unwrap_or_default(),
        from_preset: at.node().map(filled_in).unwrap_or_default(),
        url: file.issuer.url.clone(),
        audiences: file.issuer.audiences.clone(),
        keys: keys?,
        access: access?,
        tokens: tokens?,
        jwks: jwks?,
        introspection: introspection?,
        username: username?,
    })
}

fn key_source(file: &file::TrustedIssuer, at: &At<'_>) -> Option<KeySource> {
    let identity = at.field("issuer");
    if let Some(path) = &file.hmac_secret_file {
        let others = [&file.issuer.discovery_url, &file.jwks_url, &file.jwks_file];
        if others.into_iter().any(Option::is_some) {
            return at.refuse("has hmacSecretFile together with discoveryURL, jwksURL or jwksFile");
        }
        return shared_secret(path, &file.algorithms, at).map(|secret| KeySource::Shared(Arc::new(secret)));
    }
    for (at, _) in at.field("algorithms").items(&file.algorithms).filter(|(_, name)| is_hmac(name)) {
        at.problem("is for a secret that the issuer shares with Cambio, which hmacSecretFile names");
    }
    match (&file.issuer.discovery_url, &file.jwks_url, &file.jwks_file) {
        (None, None, None) => {
            let at = identity.field("url");
            let base = identity::fetched(&file.issuer, &at)?;
            warn_of_plain(base, &at);
            Some(KeySource::Discovery(format!("{base}/.well-known/openid-configuration")))
        }
        (Some(url), None, None) => {
            warn_of_plain(url, &identity.field("discoveryURL"));
            Some(KeySource::Discovery(url.clone()))
        }
        (None, Some(url), None) => {
            warn_of_plain(url, &at.field("jwksURL"));
            Some(KeySource::Url(url.clone()))
        }
        (None, None, Some(path)) => named(path, Holds::Anything, &at.field("jwksFile")).map(KeySource::File),
        _ => at.refuse("has more than one of discoveryURL, jwksURL and jwksFile"),
    }
}

fn introspection(file: &file::IssuerIntrospection, at: &At<'_>) -> Option<Introspection> {
    let endpoint = file.url.parse().ok();
    if endpoint.as_ref().is_some_and(is_plain_and_remote) {
        at.field("url").warning(
            "Cambio asks over plain http: whoever controls the network sees the tokens and can answer that any token is active",
        );
    }
    let client = own_client(&file.client_id, &file.client_secret_file, at);
    Some(Introspection { url: endpoint?, client: client?, method: file.method, cache_for: file.cache_for.duration()? })
}

/// A client of Cambio's own. Cambio watches the file of its secret, and loads the configuration again with a new secret.
pub(super) fn own_client(id: &str, secret_file: &str, at: &At<'_>) -> Option<OwnClient> {
    let at = at.field("clientSecretFile");
    let bytes = contents(&at.report.resolve(secret_file), secret_file, Holds::Anything, &at)?;
    match line(&bytes) {
        Some(secret) => Some(OwnClient { id: id.to_owned(), secret: Secret::new(secret) }),
        None => at.refuse(format!("the file {} must hold the secret in one line of text", at.shown(secret_file))),
    }
}

/// What an issuer's ID token is bound to is that issuer's affair: the token is made for this realm.
fn issuer_tokens(file: &file::TrustedIssuer, at: &At<'_>) -> Option<TokenChecks> {
    let access_tokens = at.optional("accessTokens", file.access_tokens.as_ref(), |rule, at| {
        if rule.expression.is_none() && rule.may_have.is_empty() {
            return at.refuse("needs expression or mayHave");
        }
        at.optional("expression", rule.expression.as_deref(), expression)
    });
    let may_have = file.access_tokens.as_ref().map(|rule| rule.may_have.clone()).unwrap_or_default();
    let algorithms = all(file.algorithms.iter().map(|name| issuer_algorithm(name)));
    let tokens = token_checks(algorithms, &file.leeway, &file.claim_validation_rules, at)?;
    let access_tokens = access_tokens?.flatten();
    let kinds = KindRules { access_tokens, may_have, unbound_id_tokens: true, unnamed: false };
    let may_lack =
        file.introspection.iter().flat_map(|one| &one.may_lack).map(|one| OptionalMember::from(*one)).collect();
    Some(TokenChecks { claims: identity::claims(file), kinds, may_lack, ..tokens })
}

pub(super) fn token_checks(
    algorithms: Option<Vec<Algorithm>>,
    leeway: &Period,
    rules: &[file::ClaimValidationRule],
    at: &At<'_>,
) -> Option<TokenChecks> {
    let rules = at.field("claimValidationRules").all(rules, |rule, at| {
        let message = rule.message.clone().unwrap_or_else(|| format!("not true: {}", rule.expression));
        Some(ClaimRule { expression: expression(&rule.expression, &at.field("expression"))?, message })
    });
    let (claims, kinds, may_lack) = (IssuerClaims::default(), KindRules::default(), Vec::new());
    Some(TokenChecks { claims, algorithms: algorithms?, leeway: leeway.signed()?, rules: rules?, kinds, may_lack })
}

/// Checks for an issuer's tokens. `None` if its entry has problems, which are reported at the entry.
pub(super) fn issuer_checks(file: &file::TrustedIssuer) -> Option<TokenChecks> {
    let report = ProblemList::default();
    issuer_tokens(file, &At::nowhere(&report))
}

pub(super) fn jwks(file: &file::Jwks, at: &At<'_>) -> Option<JwksLimits> {
    let limits = JwksLimits {
        refresh_interval: file.refresh_interval.duration()?,
        max_stale: file.max_stale.duration()?,
        unknown_kid_cooldown: file.unknown_kid_cooldown.duration()?,
    };
    if limits.max_stale < limits.refresh_interval {
        let message = "is below refreshInterval: keys would expire before Cambio fetches them again";
        return at.field("maxStale").refuse(message);
    }
    Some(limits)
}
