//! `realms`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::Uri;

use super::files::{Holds, named, read, read_noted, warn_if_public};
use super::format::CANONICAL;
use super::issuers::{jwks, own_client, token_checks};
use super::problem::At;
use super::value::{algorithms, observed};
use super::{clients, endpoints, keys};
use crate::adapters::config::file::value::RateText;
use crate::adapters::config::file::{Config, realm as file};
use crate::adapters::config::settings::realm::{Directory, Dpop, NonceSource, OTHER_CLIENTS, Realm, RefreshTokens};
use crate::adapters::limits::{LockoutRules, RateLimits};
use crate::adapters::seal::{Seal, SealError};
use crate::judgement::client::web_origins::WebOrigins;
use crate::judgement::dialect::{Dialect, RealmPath};
use crate::judgement::exchange::doors::{Doors, GovernedDoor};
use crate::judgement::issue::ring::KeyRing;
use crate::judgement::jose::checks::{KindRules, TokenChecks};
use crate::judgement::policy::admin_roles::AdminRoles;
use crate::judgement::route::RouteTable;
use crate::judgement::route::canonical::is_canonical;
use crate::judgement::token::dpop::nonce::NonceKey;

pub(super) fn realms(main: &Config, at: &At<'_>) -> Option<BTreeMap<String, Realm>> {
    let realms = at.entries(&main.realms, |name, realm, at| self::realm(name, realm, main, at))?;
    for realm in realms.values() {
        let contains = |other: &&Realm| {
            let rest = realm.path.strip_prefix(other.path.as_str());
            // The endpoints of a realm of Keycloak are all below its path, and the paths of others are compared one by one.
            let below = !realm.is_elsewhere() && !other.is_elsewhere();
            other.name != realm.name && rest.is_some_and(|rest| rest.is_empty() || below && rest.starts_with('/'))
        };
        if let Some(other) = realms.values().find(contains) {
            let (at, name) = (at.field(&realm.name).field("path"), &other.name);
            at.problem(format!("{:?} is or lies within the path of the realm {name}", realm.path));
        }
    }
    one_realm_per_path(&realms, at);
    one_realm_per_key(&realms, main, at);
    Some(realms)
}

/// Only one of two realms could judge requests to a path that they share.
fn one_realm_per_path(realms: &BTreeMap<String, Realm>, at: &At<'_>) {
    let mut seen: BTreeMap<String, &Realm> = BTreeMap::new();
    for realm in realms.values() {
        let paths = RouteTable::paths(realm.place());
        // Realms with equal paths are reported above.
        let shared =
            paths.iter().find_map(|path| Some((path, seen.get(path).filter(|other| other.path != realm.path)?)));
        if let Some((path, other)) = shared {
            let (field, way) = if realm.is_elsewhere() || other.is_elsewhere() {
                ("endpoints", "Cambio tells realms apart by their paths")
            } else if realm.dialect.rules().has_realm_parameter() {
                ("pathParameters", "give one of them another name in its paths")
            } else {
                ("dialect", "only one realm can have this dialect")
            };
            at.field(&realm.name)
                .field(field)
                .problem(format!("{path} is also a path of the realm {}: {way}", other.name));
        }
        seen.extend(paths.into_iter().map(|path| (path, realm)));
    }
}

/// With a key that signs for two realms, one of them could speak for the other.
fn one_realm_per_key(realms: &BTreeMap<String, Realm>, main: &Config, at: &At<'_>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for realm in realms.values() {
        let shared = realm.signing.iter().flat_map(KeyRing::all).find_map(|key| {
            let first = seen.insert(key.kid, &realm.name)?;
            Some((key.kid, first))
        });
        if let Some((kid, first)) = shared {
            let file = main.realms.get(&realm.name).is_some_and(|realm| realm.signing_key.is_some());
            let at = at.field(&realm.name).field(if file { "signingKey" } else { "signingKeys" });
            let message = format!("has the key {kid}, which the realm {first} has, too: each realm needs its own");
            at.problem(message);
        }
    }
}

fn realm(name: &str, file: &file::Realm, main: &Config, at: &At<'_>) -> Option<Realm> {
    let same = |other: &str, issuer: &str| other < name && issuer == file.issuer;
    if let Some((other, _)) = main.realms.iter().find(|(other, realm)| same(other, &realm.issuer)) {
        at.field("issuer").problem(format!("is the issuer of the realm {other}"));
    }
    let path = path(file, at);
    let realm_parameter = realm_parameter(name, file, &at.field("pathParameters").field("realm"));
    let subject_issuers = subject_issuers(file, main, &at.field("subjectIssuers"));
    let tokens =
        token_checks(algorithms(&file.algorithms), &file.leeway, &file.claim_validation_rules, at).map(|tokens| {
            let unbound_id_tokens = file.unbound_id_tokens == file::UnboundIdTokens::Accept;
            let unnamed = file.endpoints.is_some();
            TokenChecks { kinds: KindRules { unbound_id_tokens, unnamed, ..KindRules::default() }, ..tokens }
        });
    let signing = keys::signing(file, at);
    let introspection = at.optional("introspection", file.introspection.as_ref(), |client, at| {
        own_client(&client.client_id, &client.client_secret_file, at)
    });
    let jwks = jwks(&file.jwks, &at.field("jwks"));
    let dpop = dpop(&file.dpop, &at.field("dpop"));
    let directory = at.optional("directory", file.directory.as_ref(), |directory, at| {
        let client = own_client(&directory.client_id, &directory.client_secret_file, at);
        let (cache_for, session_cache_for) = (directory.cache_for.duration(), directory.session_cache_for.duration());
        Some(Directory { client: client?, cache_for: cache_for?, session_cache_for: session_cache_for? })
    });
    if file.directory.is_none() && file.endpoints.is_none() && file.can_sign() {
        at.field("directory").warning(
            "is not set: tokens that Cambio signed stay active after a logout, until they expire or are revoked",
        );
    }
    let endpoints = endpoints::endpoints(file);
    let place = RealmPath {
        path: path.as_deref().unwrap_or_default(),
        endpoints: endpoints.as_ref(),
        rules: Dialect::from(file.dialect).rules(),
        realm: realm_parameter.as_deref().unwrap_or_default(),
    };
    endpoints::check(file, place, at);
    let clients = clients::clients(file, &RouteTable::token_paths(place), &main.issuers, at);
    let refresh_tokens = at.optional("refreshTokens", file.refresh_tokens.as_ref(), refresh_tokens);
    if file.directory.is_none() && file.refresh_tokens.as_ref().is_some_and(|tokens| tokens.keep_sessions) {
        at.field("refreshTokens").field("keepSessions").problem(if file.endpoints.is_some() {
            "needs `directory`, which a realm with `endpoints` can't have: remove keepSessions"
        } else {
            "needs `directory`: Cambio's own client keeps sessions"
        });
    }
    let doors = doors(&file.doors, &at.field("doors"));
    let observed_until = at.optional("observeUntil", file.observe_until.as_deref(), |day, at| {
        observed(day, "this realm's exchanges and closed grants are", at)
    });
    let measured_clients = measured_clients(file, &at.field("measuredClients"));
    let (rate_limits, client_lockout) = (rate_limits(file), client_lockout(file));
    let listed = |(client, origins): (&String, &Vec<String>)| {
        (client.clone(), WebOrigins::listed(origins.iter().map(String::as_str)))
    };
    Some(Realm {
        name: name.to_owned(),
        issuer: file.issuer.clone(),
        public_origins: file.public_origins.clone(),
        path: path?,
        endpoints,
        dialect: file.dialect.into(),
        realm_parameter: realm_parameter?,
        subject_issuers: subject_issuers?,
        identity_claims: file.identity_claims.iter().cloned().collect(),
        tokens: tokens?,
        jwks: jwks?,
        signing: signing?,
        introspection: introspection?,
        doors,
        dpop: dpop?,
        directory: directory?,
        admin_roles: AdminRoles::parse(file.admin_roles.iter().map(String::as_str)).ok()?,
        clients: clients?,
        rate_limits: rate_limits?,
        client_lockout: client_lockout?,
        web_origins: file.web_origins.iter().map(listed).collect(),
        refresh_tokens: refresh_tokens?,
        forward_unknown_parameters: file.unknown_parameters == file::UnknownParameters::Forward,
        pairwise_subjects: file.pairwise_subjects == file::PairwiseSubjects::Accept,
        observed_until: observed_until?,
        measured_clients: measured_clients?,
    })
}

/// The realm's path: written, or the issuer's. Another identity provider than Keycloak can have its only realm at the root, and
/// may write a slash at the end of its issuer.
fn path(file: &file::Realm, at: &At<'_>) -> Option<String> {
    if let Some(path) = &file.path {
        return Some(path.clone());
    }
    let path = file.issuer.parse::<Uri>().ok()?.path().to_owned();
    let bare = path.strip_suffix('/').unwrap_or(&path);
    if file.endpoints.is_some() && !bare.contains('%') && (bare.is_empty() || is_canonical(bare)) {
        return Some(bare.to_owned());
    }
    if !is_canonical(&path) {
        return at.field("issuer").refuse(CANONICAL);
    }
    Some(path)
}

/// The path parameter `realm`, for dialects that have one.
fn realm_parameter(name: &str, file: &file::Realm, at: &At<'_>) -> Option<String> {
    let dialect = Dialect::from(file.dialect);
    let Some(realm) = &file.path_parameters.realm else { return Some(name.to_owned()) };
    if !dialect.rules().has_realm_parameter() {
        return at.refuse(format!("has no effect: the paths of {} have no parameter", dialect.name()));
    }
    Some(realm.clone())
}

fn subject_issuers(file: &file::Realm, main: &Config, at: &At<'_>) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    at.all(&file.subject_issuers, |name, at| {
        if name == "*" {
            at.refuse("\"*\" is not accepted here: name each realm and issuer")
        } else if !main.realms.contains_key(name) && !main.issuers.contains_key(name) {
            at.refuse(format!("{} is neither a realm nor an issuer of this file", at.shown(name)))
        } else if !seen.insert(name.clone()) {
            at.refuse(format!("{name} is named twice"))
        } else {
            Some(name.clone())
        }
    })
}

fn dpop(file: &file::Dpop, at: &At<'_>) -> Option<Dpop> {
    let key = at.optional("nonceKeyFile", file.nonce_key_file.as_deref(), |path, at| {
        let path = named(path, Holds::Anything, at)?;
        if read(&path).is_ok_and(|bytes| NonceKey::new(&bytes).is_some()) {
            return Some(path);
        }
        at.refuse("has fewer than 32 bytes")
    });
    let nonce = match (file.nonce, key?) {
        (file::Nonce::Off, None) => None,
        (file::Nonce::Off, Some(_)) => {
            let message = "has no effect: Cambio demands no nonce (set `nonce: required`)";
            return at.field("nonceKeyFile").refuse(message);
        }
        (file::Nonce::Required, None) => Some(NonceSource::Random),
        (file::Nonce::Required, Some(path)) => Some(NonceSource::File(path)),
    };
    Some(Dpop { algorithms: algorithms(&file.algorithms)?, window: file.window.signed()?, nonce })
}

fn rate_limits(file: &file::Realm) -> Option<RateLimits> {
    let rate = |text: &Option<RateText>| text.as_ref().map_or(Some(None), |text| text.rate().map(Some));
    let limits = &file.rate_limits;
    Some(RateLimits {
        per_client: rate(&limits.per_client)?,
        per_peer: rate(&limits.per_peer)?,
        per_realm: rate(&limits.per_realm)?,
    })
}

/// Two series must not have the same labels.
fn measured_clients(file: &file::Realm, at: &At<'_>) -> Option<BTreeSet<String>> {
    let mut seen = BTreeSet::new();
    at.all(&file.measured_clients, |client, at| {
        if client == OTHER_CLIENTS {
            return at.refuse(format!(
                "is what all clients count as that are not listed: metrics can't tell a client {client} apart"
            ));
        }
        if !seen.insert(client.clone()) {
            return at.refuse(format!("{client} is named twice"));
        }
        Some(client.clone())
    })
    .map(|clients: Vec<String>| clients.into_iter().collect())
}

#[expect(clippy::option_option, reason = "none is wanted, or what is wanted is wrong")]
fn client_lockout(file: &file::Realm) -> Option<Option<LockoutRules>> {
    let lockout = &file.client_lockout;
    let rules = LockoutRules {
        wrong_secrets: u32::try_from(lockout.wrong_secrets).ok()?,
        per_peer: lockout.wrong_secrets_per_peer.rate()?,
        longest: lockout.longest.duration()?,
    };
    Some(Some(rules).filter(|rules| rules.wrong_secrets > 0))
}

fn refresh_tokens(file: &file::RefreshTokens, at: &At<'_>) -> Option<RefreshTokens> {
    let (reuse, at) = (file.reuse.signed(), at.field("keyFiles"));
    let keys = at.all(&file.key_files, |path, at| {
        let resolved = at.report.resolve(path);
        match read_noted(&resolved, at.report) {
            Ok(bytes) => {
                if Seal::from_texts([bytes.as_slice()]).is_err() {
                    let message = "does not have 32 random bytes in base64: `cambio seal-key` makes such a file";
                    at.problem(format!("the file {} {message}", at.shown(path)));
                }
                warn_if_public(&resolved, &format!("the key {}", at.shown(path)), at);
                Some(bytes)
            }
            Err(error) => at.unread(&resolved, format!("the file {} {error}", at.shown(path))),
        }
    })?;
    match Seal::from_texts(keys.iter().map(|key| key.as_slice())) {
        Ok(seal) => Some(RefreshTokens { seal: Arc::new(seal), reuse: reuse?, keep_sessions: file.keep_sessions }),
        Err(SealError::Keys) => at.refuse("has the same key twice"),
        Err(_) => None,
    }
}

fn doors(file: &file::Doors, at: &At<'_>) -> Doors {
    let warned = |open: bool, name: &str| {
        if open {
            at.field(name).warning("open: callers can get tokens that no audience's owner has permitted");
        }
        open
    };
    let governed = |door: file::GovernedDoor, name: &str| {
        warned(door == file::GovernedDoor::Open, name);
        GovernedDoor::from(door)
    };
    let open = |door: file::Door, name: &str| warned(door == file::Door::Open, name);
    Doors {
        jwt_bearer: governed(file.jwt_bearer, "jwtBearer"),
        uma_ticket: open(file.uma_ticket, "umaTicket"),
        ciba: open(file.ciba, "ciba"),
        requested_issuer: open(file.requested_issuer, "requestedIssuer"),
        requested_subject: governed(file.requested_subject, "requestedSubject"),
        broker_token: open(file.broker_token, "brokerToken"),
        pre_authorized_code: open(file.pre_authorized_code, "preAuthorizedCode"),
        introspection_jwt: open(file.introspection_jwt, "introspectionJwt"),
    }
}
