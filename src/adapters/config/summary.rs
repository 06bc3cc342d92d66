//! The loaded configuration for operators: names, counts and hashes, no keys and no tokens.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::settings::audience_files::BrokenAudienceFile;
use super::settings::issuer::{KeySource, TrustedIssuer};
use super::settings::proxy::Proxies;
use super::settings::realm::Realm;
use super::settings::{AuditOutput, Config, Sources};
use super::store::Store;
use crate::adapters::limits::{Rate, RateLimits};
use crate::judgement::client::registry::{Clients, Method, Unregistered};
use crate::judgement::exchange::doors::GovernedDoor;
use crate::judgement::issue::ring::{KeyRing, PublicHalf};
use crate::judgement::policy::model::Audience;
use crate::judgement::policy::observed_until::ObservedUntil;
use crate::words::oauth::names::Names;

/// The loaded configuration as the admin listener's `/config` shows it.
pub fn summary(config: &Config) -> Value {
    let audit = match &config.audit {
        AuditOutput::Stdout => "stdout".to_owned(),
        AuditOutput::File { path, .. } => shown(path),
    };
    let store = match &config.store {
        Store::Memory => "memory".to_owned(),
        Store::Redis(redis) => redis.to_string(),
    };
    json!({
        "proxies": proxies(&config.proxies),
        "hash": config.hash,
        "policyHash": config.policy.hash,
        "upstream": format!("{}://{}", config.upstream.scheme, config.upstream.authority),
        "listen": { "address": config.listen.address.to_string(), "tls": config.listen.tls.is_some(),
            "clientCertificates": config.listen.client_certificates.is_some(),
            "clientCertificateHeader": config.listen.certificate_header.as_ref().map(|header| header.name.as_str()) },
        "admin": config.admin.address.to_string(),
        "store": store,
        "audit": audit,
        "observeUntil": config.observed_until.map(last_day),
        "realms": config.realms.values().map(|realm| (realm.name.clone(), self::realm(realm))).collect::<Map<_, _>>(),
        "issuers": config.issuers.values().map(|one| (one.name.clone(), issuer(one))).collect::<Map<_, _>>(),
        "audiences": config.policy.realms.iter().flat_map(|(realm, audiences)| {
            audiences.values().map(|one| audience(realm, one))
        }).collect::<Vec<_>>(),
        "brokenAudienceFiles": config.audience_files.broken.iter().map(broken).collect::<Vec<_>>(),
        "warnings": config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "files": config.sources.files.iter().filter(|(path, _)| config.sources.documents.contains(*path))
            .map(|(path, hash)| (shown(path), json!(hash))).collect::<Map<_, _>>(),
        "otherFiles": others(&config.sources),
    })
}

/// The files that may hold a secret, without their digests: the digest of a secret that is no random text would let readers
/// guess the secret.
fn others(sources: &Sources) -> Vec<String> {
    sources.files.keys().filter(|path| !sources.documents.contains(*path)).map(|path| shown(path)).collect()
}

fn rate_limits(limits: RateLimits) -> Value {
    let shown = |rate: Option<Rate>| rate.map(|rate| rate.to_string());
    json!({
        "perClient": shown(limits.per_client),
        "perPeer": shown(limits.per_peer),
        "perRealm": shown(limits.per_realm),
    })
}

fn realm(realm: &Realm) -> Value {
    let doors = realm.doors;
    let mut shown = json!({
        "issuer": realm.issuer,
        "observeUntil": realm.observed_until.map(last_day),
        "path": realm.path,
        "dialect": realm.dialect.name(),
        "subjectIssuers": realm.subject_issuers,
        "identityClaims": realm.identity_claims,
        "algorithms": realm.tokens.algorithms.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>(),
        "claimValidationRules": realm.tokens.rules.len(),
        "refreshTokens": realm.refresh_tokens.as_ref().map(|tokens| {
            json!({ "keys": tokens.seal.len() })
        }),
        "signingKeys": realm.signing.iter().flat_map(KeyRing::all).map(signing_key).collect::<Vec<_>>(),
        "clients": clients(&realm.clients),
        "unregisteredClients": match realm.clients.unregistered {
            Unregistered::Upstream { cache_for } => format!("upstream, remembered for {} s", cache_for.as_secs_f32()),
            Unregistered::Refused => "refused".to_owned(),
        },
        "rateLimits": rate_limits(realm.rate_limits),
        "clientLockout": realm.client_lockout.map(|rules| json!({
            "wrongSecrets": rules.wrong_secrets,
            "wrongSecretsPerPeer": rules.per_peer.to_string(),
            "longest": format!("{} s", rules.longest.as_secs_f32()),
        })),
        "introspection": realm.introspection.as_ref().map(|client| &client.id),
        "doors": {
            "jwtBearer": governed(doors.jwt_bearer),
            "umaTicket": doors.uma_ticket,
            "ciba": doors.ciba,
            "requestedIssuer": doors.requested_issuer,
            "requestedSubject": governed(doors.requested_subject),
            "brokerToken": doors.broker_token,
            "preAuthorizedCode": doors.pre_authorized_code,
            "introspectionJwt": doors.introspection_jwt,
        },
    });
    if let Some(endpoints) = &realm.endpoints {
        let paths = endpoints.named().into_iter().map(|(_, key, path)| (key.to_owned(), json!(path)));
        shown["endpoints"] = paths.collect::<Map<_, _>>().into();
    }
    shown
}

fn governed(door: GovernedDoor) -> &'static str {
    match door {
        GovernedDoor::Closed => "closed",
        GovernedDoor::Open => "open",
        GovernedDoor::Judged => "judged",
    }
}

fn signing_key(key: PublicHalf<'_>) -> Value {
    let mut shown = json!({ "kid": key.kid, "algorithm": key.algorithm, "state": key.state.as_str() });
    if let Some(until) = key.until {
        shown["publishedUntil"] = json!(until.to_string());
    }
    shown
}

/// Client id → the names of its methods.
fn clients(clients: &Clients) -> Map<String, Value> {
    let names = |methods: &[Method]| methods.iter().map(Method::name).collect::<Vec<_>>();
    clients.registered.iter().map(|(id, methods)| (id.clone(), json!(names(methods)))).collect()
}

fn issuer(issuer: &TrustedIssuer) -> Value {
    let claims = &issuer.tokens.claims;
    let keys = match &issuer.keys {
        KeySource::Discovery(url) | KeySource::Url(url) => url.clone(),
        KeySource::File(path) => shown(path),
        KeySource::Shared(_) => "a shared secret".to_owned(),
    };
    json!({
        "issuer": issuer.url,
        "preset": issuer.preset,
        "settings": issuer.in_force,
        "fromPreset": issuer.from_preset,
        "audiences": issuer.audiences,
        "tenants": claims.tenants.iter().map(|tenant| &tenant.id).collect::<Vec<_>>(),
        "keys": keys,
        "proxies": proxies(&issuer.access.proxies),
        "bearerTokenFile": issuer.access.bearer_token_file.as_deref().map(shown),
        "mayLack": issuer.tokens.may_lack.iter().map(|one| one.name()).collect::<Vec<_>>(),
        "introspection": issuer.introspection.as_ref().map(|one| one.url.to_string()),
        "algorithms": issuer.tokens.algorithms.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>(),
        "claimValidationRules": issuer.tokens.rules.len(),
    })
}

/// The scheme of the servers → the proxy on the way to them, without credentials.
fn proxies(proxies: &Proxies) -> Map<String, Value> {
    proxies.all().map(|(scheme, proxy)| (scheme.to_owned(), json!(proxy.to_string()))).collect()
}

fn audience(realm: &str, audience: &Audience) -> Value {
    let any_client = audience.permissions.iter().any(|one| one.clients == Names::Any);
    json!({
        "realm": realm,
        "audience": audience.name,
        "owner": audience.owner,
        "permissions": audience.permissions.len(),
        "anyClient": any_client,
        "issuance": audience.issuance.as_str(),
        "lifetimeSeconds": audience.token.lifetime.as_secs(),
        "observeUntil": audience.observed_until.map(last_day),
    })
}

fn last_day(until: ObservedUntil) -> String {
    until.last().to_string()
}

fn broken(file: &BrokenAudienceFile) -> Value {
    json!({
        "file": shown(&file.path),
        "owner": file.names.owner,
        "realm": file.names.realm,
        "audience": file.names.audience,
        "inForce": file.in_force(),
        "problems": file.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "furtherProblems": file.more,
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
