//! `realms` and `issuers`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;
use jsonwebtoken::Algorithm;

use super::dpop::dpop;
use super::files::{Holds, named};
use super::platform::{all, optional};
use super::problem::{At, Report};
use super::value::{HOUR, is_label, is_plain_and_remote, period, url};
use super::{clients, introspection, refresh};
use crate::adapters::config::file::issuer as file;
use crate::adapters::config::file::value::Period;
use crate::adapters::config::{Directory, JwksLimits, KeySource, Realm, TrustedIssuer};
use crate::judgement::dialect::{Dialect, RealmPath};
use crate::judgement::exchange::doors::{Doors, GovernedDoor};
use crate::judgement::expression::{Expression, Other};
use crate::judgement::issue::ring::{KeyRing, MAX_LEEWAY};
use crate::judgement::jose::checks::{ClaimRule, TokenChecks};
use crate::judgement::jose::jws;
use crate::judgement::policy::admin_roles::{AdminRoles, NoRole};
use crate::judgement::route::RouteTable;

/// A week.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
/// A day.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// `realms` and `issuers` as written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'a> {
    pub(super) realms: &'a BTreeMap<String, file::Realm>,
    pub(super) issuers: &'a BTreeMap<String, file::TrustedIssuer>,
}

pub(super) fn realms(
    written: Written<'_>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<BTreeMap<String, Realm>> {
    if written.realms.is_empty() {
        at.problem(report, "no realm: nothing would be governed");
        return None;
    }
    let checked = all(written.realms.iter().map(|(name, realm)| {
        let at = at.field(name);
        label(name, &at, report);
        self::realm(name, realm, written, &at, report)
    }))?;
    let realms: BTreeMap<String, Realm> =
        checked.into_iter().map(|realm| (realm.name.clone(), realm)).collect();
    for realm in realms.values() {
        let inside = |other: &&Realm| {
            let rest = realm.path.strip_prefix(other.path.as_str());
            other.name != realm.name && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if let Some(other) = realms.values().find(inside) {
            let (at, name) = (at.field(&realm.name).field("path"), &other.name);
            at.problem(report, format!("{:?} is or lies within the path of the realm {name}", realm.path));
        }
    }
    one_door_per_path(&realms, at, report);
    one_key_per_realm(&realms, written, at, report);
    Some(realms)
}

/// A path that two realms share would be judged by one of them only.
fn one_door_per_path(realms: &BTreeMap<String, Realm>, at: &At<'_>, report: &mut Report) {
    let mut seen: BTreeMap<String, &Realm> = BTreeMap::new();
    for realm in realms.values() {
        let paths = RouteTable::paths(realm.place());
        // Realms at one path are told of above.
        let shared = paths
            .iter()
            .find_map(|path| Some((path, seen.get(path).filter(|other| other.path != realm.path)?)));
        if let Some((path, other)) = shared {
            let (field, way) = if realm.dialect.rules().has_realm_parameter() {
                ("pathParameters", "give one of them another name in its paths")
            } else {
                ("dialect", "one realm alone can have this dialect")
            };
            at.field(&realm.name)
                .field(field)
                .problem(report, format!("{path} is a path of the realm {}, too: {way}", other.name));
        }
        seen.extend(paths.into_iter().map(|path| (path, realm)));
    }
}

/// A key that signs for two realms would let one of them speak for the other.
fn one_key_per_realm(
    realms: &BTreeMap<String, Realm>,
    written: Written<'_>,
    at: &At<'_>,
    report: &mut Report,
) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for realm in realms.values() {
        let shared = realm.signing.iter().flat_map(KeyRing::all).find_map(|key| {
            let first = seen.insert(key.kid, &realm.name)?;
            Some((key.kid, first))
        });
        if let Some((kid, first)) = shared {
            let file = written.realms.get(&realm.name).is_some_and(|realm| realm.signing_key.is_some());
            let at = at.field(&realm.name).field(if file { "signingKey" } else { "signingKeys" });
            at.problem(
                report,
                format!("has the key {kid} of the realm {first}, too: each realm needs its own"),
            );
        }
    }
}

fn realm(
    name: &str,
    file: &file::Realm,
    written: Written<'_>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<Realm> {
    let issuer = url(&file.issuer, false, &at.field("issuer"), report);
    let same = |other: &str, issuer: &str| other < name && issuer == file.issuer;
    if let Some((other, _)) = written.realms.iter().find(|(other, realm)| same(other, &realm.issuer)) {
        at.field("issuer").problem(report, format!("is the issuer of the realm {other}"));
    }
    let path = match &file.path {
        Some(path) => canonical_path(path, &at.field("path"), report),
        None => issuer.as_ref().and_then(|uri| canonical_path(uri.path(), &at.field("issuer"), report)),
    };
    let realm_parameter = realm_parameter(name, file, &at.field("pathParameters").field("realm"), report);
    let subject_issuers = subject_issuers(file, written, &at.field("subjectIssuers"), report);
    let tokens = token_checks(&file.algorithms, &file.leeway, &file.claim_validation_rules, at, report);
    let signing = super::keys::signing(file, at, report);
    let introspection = optional(file.introspection.as_ref(), |client| {
        introspection::realm(client, &at.field("introspection"), report)
    });
    let jwks = jwks(&file.jwks, &at.field("jwks"), report);
    let dpop = dpop(&file.dpop, &at.field("dpop"), report);
    let directory = optional(file.directory.as_ref(), |directory| {
        self::directory(directory, &at.field("directory"), report)
    });
    let admin_roles = admin_roles(&file.admin_roles, &at.field("adminRoles"), report);
    let place = RealmPath {
        path: path.as_deref().unwrap_or_default(),
        rules: Dialect::from(file.dialect).rules(),
        realm: realm_parameter.as_deref().unwrap_or_default(),
    };
    let clients = clients::clients(file, &RouteTable::token_paths(place), written, at, report);
    let refresh_tokens = optional(file.refresh_tokens.as_ref(), |tokens| {
        refresh::refresh_tokens(tokens, &at.field("refreshTokens"), report)
    });
    issuer?;
    Some(Realm {
        name: name.to_owned(),
        issuer: file.issuer.clone(),
        path: path?,
        dialect: file.dialect.into(),
        realm_parameter: realm_parameter?,
        subject_issuers: subject_issuers?,
        tokens: tokens?,
        jwks: jwks?,
        signing: signing?,
        introspection: introspection?,
        doors: doors(&file.doors, &at.field("doors"), report),
        dpop: dpop?,
        directory: directory?,
        admin_roles: admin_roles?,
        clients: clients?,
        refresh_tokens: refresh_tokens?,
        forward_unknown_parameters: file.unknown_parameters == file::UnknownParameters::Forward,
    })
}

/// The path parameter `realm`, for dialects that have one.
fn realm_parameter(name: &str, file: &file::Realm, at: &At<'_>, report: &mut Report) -> Option<String> {
    let dialect = Dialect::from(file.dialect);
    let Some(realm) = &file.path_parameters.realm else { return Some(name.to_owned()) };
    if !dialect.rules().has_realm_parameter() {
        at.problem(report, format!("has no meaning: the paths of {} have no parameter", dialect.name()));
        return None;
    }
    if realm.contains('/') || !is_canonical(&format!("/{realm}")) {
        at.problem(report, "must be one segment of a path, such as mySubRealm: no slash, no escapes");
        return None;
    }
    Some(realm.clone())
}

/// Those whom nobody may become. An empty list would leave every administrator open.
fn admin_roles(texts: &[String], at: &At<'_>, report: &mut Report) -> Option<AdminRoles> {
    if texts.is_empty() {
        at.problem(report, "is empty: leave it out for the default, or name the roles that protect a user");
        return None;
    }
    AdminRoles::parse(texts.iter().map(String::as_str))
        .map_err(|wrong| {
            for place in wrong {
                at.item(place).problem(report, NoRole.to_string());
            }
        })
        .ok()
}

fn directory(file: &file::Directory, at: &At<'_>, report: &mut Report) -> Option<Directory> {
    let client = introspection::client(&file.client_id, &file.client_secret_file, at, report);
    let cache_for = period(&file.cache_for, Duration::ZERO..=HOUR, &at.field("cacheFor"), report);
    Some(Directory { client: client?, cache_for: cache_for? })
}

pub(super) fn issuers(
    written: Written<'_>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<BTreeMap<String, TrustedIssuer>> {
    let checked = all(written.issuers.iter().map(|(name, issuer)| {
        let at = at.field(name);
        label(name, &at, report);
        if written.realms.contains_key(name) {
            at.problem(report, "is the name of a realm, too");
        }
        let url = &issuer.issuer.url;
        let earlier =
            written.issuers.iter().filter(|(other, _)| *other < name).map(|(n, i)| (n, &i.issuer.url));
        let mut others = written.realms.iter().map(|(n, r)| (n, &r.issuer)).chain(earlier);
        if let Some((other, _)) = others.find(|(_, other)| *other == url) {
            at.field("issuer").field("url").problem(report, format!("is the issuer of {other}, too"));
        }
        trusted_issuer(name, issuer, &at, report)
    }))?;
    Some(checked.into_iter().map(|issuer| (issuer.name.clone(), issuer)).collect())
}

fn trusted_issuer(
    name: &str,
    file: &file::TrustedIssuer,
    at: &At<'_>,
    report: &mut Report,
) -> Option<TrustedIssuer> {
    let identity = at.field("issuer");
    let issuer = url(&file.issuer.url, false, &identity.field("url"), report);
    let audiences = &file.issuer.audiences;
    if audiences.is_empty() {
        identity
            .field("audiences")
            .problem(report, "is empty: name the values of which one must be in `aud`");
    }
    for (index, _) in
        audiences.iter().enumerate().filter(|(_, audience)| matches!(audience.as_str(), "" | "*"))
    {
        identity.field("audiences").item(index).problem(report, "must be the value of an `aud` claim");
    }
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
    issuer?;
    Some(TrustedIssuer {
        name: name.to_owned(),
        url: file.issuer.url.clone(),
        audiences: audiences.clone(),
        keys: keys?,
        ca: ca?,
        tokens: tokens?,
        jwks: jwks?,
        introspection: introspection?,
        username: username?,
    })
}

/// How an issuer's tokens are checked; `None` where its own entry has problems, which are reported there.
pub(super) fn issuer_checks(file: &file::TrustedIssuer) -> Option<TokenChecks> {
    let (at, report) = (At::nowhere(), &mut Report::default());
    token_checks(&file.algorithms, &file.leeway, &file.claim_validation_rules, &at, report)
}

/// A CEL expression that compiles.
pub(super) fn expression(source: &str, at: &At<'_>, report: &mut Report) -> Option<Expression> {
    expression_about(source, &[], at, report)
}

/// The same, with further variables.
pub(super) fn expression_about(
    source: &str,
    others: &[Other],
    at: &At<'_>,
    report: &mut Report,
) -> Option<Expression> {
    if source.trim().is_empty() {
        at.problem(report, "is empty");
        return None;
    }
    match Expression::compile_about(source, others) {
        Ok(expression) => Some(expression),
        Err(error) => {
            at.problem(report, format!("does not compile: {}", error.to_string().replace('\n', " ")));
            None
        }
    }
}

fn subject_issuers(
    file: &file::Realm,
    written: Written<'_>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<Vec<String>> {
    if file.subject_issuers.is_empty() {
        at.problem(report, "is empty: name the realms and issuers whose tokens may be exchanged");
        return None;
    }
    let mut seen = BTreeSet::new();
    all(file.subject_issuers.iter().enumerate().map(|(index, name)| {
        let at = at.item(index);
        if name == "*" {
            at.problem(report, "\"*\" is not accepted here: name each realm and issuer");
        } else if !written.realms.contains_key(name) && !written.issuers.contains_key(name) {
            at.problem(report, format!("{} is neither a realm nor an issuer of this file", at.shown(name)));
        } else if !seen.insert(name) {
            at.problem(report, format!("{name} is named twice"));
        } else {
            return Some(name.clone());
        }
        None
    }))
}

fn key_source(file: &file::TrustedIssuer, at: &At<'_>, report: &mut Report) -> Option<KeySource> {
    let discovery = file.issuer.discovery_url.as_ref();
    match (discovery, &file.jwks_url, &file.jwks_file) {
        (None, None, None) => {
            // What is wrong with `issuer.url` its own check says.
            let base = file.issuer.url.trim_end_matches('/');
            warn_of_plain(base, &at.field("issuer").field("url"), report);
            Some(KeySource::Discovery(format!("{base}/.well-known/openid-configuration")))
        }
        (Some(url), None, None) => {
            fetched(url, &at.field("issuer").field("discoveryURL"), report).map(KeySource::Discovery)
        }
        (None, Some(url), None) => fetched(url, &at.field("jwksURL"), report).map(KeySource::Url),
        (None, None, Some(path)) => {
            named(path, Holds::Anything, &at.field("jwksFile"), report).map(KeySource::File)
        }
        _ => {
            at.problem(report, "has more than one of discoveryURL, jwksURL and jwksFile");
            None
        }
    }
}

/// A URL from which keys come.
pub(super) fn fetched(text: &str, at: &At<'_>, report: &mut Report) -> Option<String> {
    warn_of_plain(text, at, report);
    url(text, true, at, report).map(|_| text.to_owned())
}

fn warn_of_plain(text: &str, at: &At<'_>, report: &mut Report) {
    if text.parse().is_ok_and(|uri| is_plain_and_remote(&uri)) {
        at.warning(report, "keys come over plain http: whoever is on the way can make tokens");
    }
}

fn token_checks(
    algorithms: &[String],
    leeway: &Period,
    rules: &[file::ClaimValidationRule],
    at: &At<'_>,
    report: &mut Report,
) -> Option<TokenChecks> {
    let names = at.field("algorithms");
    if algorithms.is_empty() {
        names.problem(report, "is empty: no token would ever be accepted");
    }
    let algorithms =
        all(algorithms.iter().enumerate().map(|(i, name)| algorithm(name, &names.item(i), report)));
    let leeway = period(leeway, Duration::ZERO..=MAX_LEEWAY.unsigned_abs(), &at.field("leeway"), report);
    let rules_at = at.field("claimValidationRules");
    let rules = all(rules.iter().enumerate().map(|(index, rule)| {
        let at = rules_at.item(index);
        let message = rule.message.clone().unwrap_or_else(|| format!("not true: {}", rule.expression));
        Some(ClaimRule {
            expression: expression(&rule.expression, &at.field("expression"), report)?,
            message,
        })
    }));
    let leeway = SignedDuration::try_from(leeway?).ok()?;
    Some(TokenChecks { algorithms: algorithms?, leeway, rules: rules? })
}

pub(super) fn algorithm(name: &str, at: &At<'_>, report: &mut Report) -> Option<Algorithm> {
    let algorithm = jws::algorithm(name);
    if algorithm.is_none() {
        let why = match name {
            "HS256" | "HS384" | "HS512" => "is a shared-secret algorithm and never accepted",
            "none" => "is no signature and never accepted",
            _ => "is not RS256/384/512, PS256/384/512, ES256/384 or EdDSA",
        };
        at.problem(report, format!("{} {why}", at.shown(name)));
    }
    algorithm
}

fn jwks(file: &file::Jwks, at: &At<'_>, report: &mut Report) -> Option<JwksLimits> {
    let second = Duration::from_secs(1);
    let refresh = period(&file.refresh_interval, 5 * second..=DAY, &at.field("refreshInterval"), report);
    let stale = period(&file.max_stale, 5 * second..=WEEK, &at.field("maxStale"), report);
    let cooldown = period(&file.unknown_kid_cooldown, second..=HOUR, &at.field("unknownKidCooldown"), report);
    let (refresh_interval, max_stale) = (refresh?, stale?);
    if max_stale < refresh_interval {
        at.field("maxStale")
            .problem(report, "is below refreshInterval: keys would expire before they are fetched again");
        return None;
    }
    Some(JwksLimits { refresh_interval, max_stale, unknown_kid_cooldown: cooldown? })
}

fn doors(file: &file::Doors, at: &At<'_>, report: &mut Report) -> Doors {
    let mut warned = |open: bool, name: &str| {
        if open {
            at.field(name)
                .warning(report, "open: tokens can be had through it that no audience's owner has permitted");
        }
        open
    };
    let mut governed = |door: file::GovernedDoor, name: &str| {
        warned(door == file::GovernedDoor::Open, name);
        match door {
            file::GovernedDoor::Closed => GovernedDoor::Closed,
            file::GovernedDoor::Open => GovernedDoor::Open,
            file::GovernedDoor::Judged => GovernedDoor::Judged,
        }
    };
    let jwt_bearer = governed(file.jwt_bearer, "jwtBearer");
    let requested_subject = governed(file.requested_subject, "requestedSubject");
    let mut open = |door: file::Door, name: &str| warned(door == file::Door::Open, name);
    Doors {
        jwt_bearer,
        uma_ticket: open(file.uma_ticket, "umaTicket"),
        ciba: open(file.ciba, "ciba"),
        requested_issuer: open(file.requested_issuer, "requestedIssuer"),
        requested_subject,
    }
}

fn label(name: &str, at: &At<'_>, report: &mut Report) {
    if !is_label(name) {
        at.problem(report, "the name must be 1 to 64 letters, digits, '.', '_' or '-'");
    }
}

/// A path that has one spelling only: the route compares it byte by byte.
fn canonical_path(path: &str, at: &At<'_>, report: &mut Report) -> Option<String> {
    if !is_canonical(path) {
        let wants = "such as /realms/corp: no trailing slash, no empty segment, no escapes";
        at.problem(
            report,
            format!("the realm's path must be {wants}; set `path` where the issuer has another"),
        );
        return None;
    }
    Some(path.to_owned())
}

fn is_canonical(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|segment| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'~');
            !matches!(segment, "" | "." | "..") && segment.bytes().all(plain)
        })
    })
}
