//! `realms`.

use std::collections::{BTreeMap, BTreeSet};

use http::Uri;

use super::dpop::dpop;
use super::format::{CANONICAL, is_canonical};
use super::problem::{At, ProblemList, all, optional};
use super::tokens::{jwks, token_checks};
use super::{clients, introspection, keys, refresh};
use crate::adapters::config::file::{Config, realm as file};
use crate::adapters::config::settings::realm::{Directory, Realm};
use crate::judgement::dialect::{Dialect, RealmPath};
use crate::judgement::exchange::doors::{Doors, GovernedDoor};
use crate::judgement::issue::ring::KeyRing;
use crate::judgement::policy::admin_roles::AdminRoles;
use crate::judgement::route::RouteTable;

pub(super) fn realms(main: &Config, at: &At<'_>, report: &mut ProblemList) -> Option<BTreeMap<String, Realm>> {
    let checked = all(main.realms.iter().map(|(name, realm)| self::realm(name, realm, main, &at.field(name), report)))?;
    let realms: BTreeMap<String, Realm> = checked.into_iter().map(|realm| (realm.name.clone(), realm)).collect();
    for realm in realms.values() {
        let contains = |other: &&Realm| {
            let rest = realm.path.strip_prefix(other.path.as_str());
            other.name != realm.name && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if let Some(other) = realms.values().find(contains) {
            let (at, name) = (at.field(&realm.name).field("path"), &other.name);
            at.problem(report, format!("{:?} is or lies within the path of the realm {name}", realm.path));
        }
    }
    one_realm_per_path(&realms, at, report);
    one_realm_per_key(&realms, main, at, report);
    Some(realms)
}

/// Only one of two realms could judge requests to a path that they share.
fn one_realm_per_path(realms: &BTreeMap<String, Realm>, at: &At<'_>, report: &mut ProblemList) {
    let mut seen: BTreeMap<String, &Realm> = BTreeMap::new();
    for realm in realms.values() {
        let paths = RouteTable::paths(realm.place());
        // Realms with equal paths are reported above.
        let shared =
            paths.iter().find_map(|path| Some((path, seen.get(path).filter(|other| other.path != realm.path)?)));
        if let Some((path, other)) = shared {
            let (field, way) = if realm.dialect.rules().has_realm_parameter() {
                ("pathParameters", "give one of them another name in its paths")
            } else {
                ("dialect", "only one realm can have this dialect")
            };
            at.field(&realm.name)
                .field(field)
                .problem(report, format!("{path} is also a path of the realm {}: {way}", other.name));
        }
        seen.extend(paths.into_iter().map(|path| (path, realm)));
    }
}

/// With a key that signs for two realms, one of them could speak for the other.
fn one_realm_per_key(realms: &BTreeMap<String, Realm>, main: &Config, at: &At<'_>, report: &mut ProblemList) {
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
            at.problem(report, message);
        }
    }
}

fn realm(name: &str, file: &file::Realm, main: &Config, at: &At<'_>, report: &mut ProblemList) -> Option<Realm> {
    let same = |other: &str, issuer: &str| other < name && issuer == file.issuer;
    if let Some((other, _)) = main.realms.iter().find(|(other, realm)| same(other, &realm.issuer)) {
        at.field("issuer").problem(report, format!("is the issuer of the realm {other}"));
    }
    let path = path(file, at, report);
    let realm_parameter = realm_parameter(name, file, &at.field("pathParameters").field("realm"), report);
    let subject_issuers = subject_issuers(file, main, &at.field("subjectIssuers"), report);
    let tokens = token_checks(&file.algorithms, &file.leeway, &file.claim_validation_rules, at, report);
    let signing = keys::signing(file, at, report);
    let introspection = optional(file.introspection.as_ref(), |client| {
        introspection::realm(client, &at.field("introspection"), report)
    });
    let jwks = jwks(&file.jwks, &at.field("jwks"), report);
    let dpop = dpop(&file.dpop, &at.field("dpop"), report);
    let directory =
        optional(file.directory.as_ref(), |directory| self::directory(directory, &at.field("directory"), report));
    let place = RealmPath {
        path: path.as_deref().unwrap_or_default(),
        rules: Dialect::from(file.dialect).rules(),
        realm: realm_parameter.as_deref().unwrap_or_default(),
    };
    let clients = clients::clients(file, &RouteTable::token_paths(place), &main.issuers, at, report);
    let refresh_tokens = optional(file.refresh_tokens.as_ref(), |tokens| {
        refresh::refresh_tokens(tokens, &at.field("refreshTokens"), report)
    });
    let doors = doors(&file.doors, &at.field("doors"), report);
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
        doors,
        dpop: dpop?,
        directory: directory?,
        admin_roles: AdminRoles::parse(file.admin_roles.iter().map(String::as_str)).ok()?,
        clients: clients?,
        refresh_tokens: refresh_tokens?,
        forward_unknown_parameters: file.unknown_parameters == file::UnknownParameters::Forward,
    })
}

/// The realm's path: written, or the issuer's.
fn path(file: &file::Realm, at: &At<'_>, report: &mut ProblemList) -> Option<String> {
    if let Some(path) = &file.path {
        return Some(path.clone());
    }
    let path = file.issuer.parse::<Uri>().ok()?.path().to_owned();
    if !is_canonical(&path) {
        at.field("issuer").problem(report, CANONICAL);
        return None;
    }
    Some(path)
}

/// The path parameter `realm`, for dialects that have one.
fn realm_parameter(name: &str, file: &file::Realm, at: &At<'_>, report: &mut ProblemList) -> Option<String> {
    let dialect = Dialect::from(file.dialect);
    let Some(realm) = &file.path_parameters.realm else { return Some(name.to_owned()) };
    if !dialect.rules().has_realm_parameter() {
        at.problem(report, format!("has no effect: the paths of {} have no parameter", dialect.name()));
        return None;
    }
    Some(realm.clone())
}

fn subject_issuers(file: &file::Realm, main: &Config, at: &At<'_>, report: &mut ProblemList) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    all(file.subject_issuers.iter().enumerate().map(|(index, name)| {
        let at = at.item(index);
        if name == "*" {
            at.problem(report, "\"*\" is not accepted here: name each realm and issuer");
        } else if !main.realms.contains_key(name) && !main.issuers.contains_key(name) {
            at.problem(report, format!("{} is neither a realm nor an issuer of this file", at.shown(name)));
        } else if !seen.insert(name) {
            at.problem(report, format!("{name} is named twice"));
        } else {
            return Some(name.clone());
        }
        None
    }))
}

fn directory(file: &file::Directory, at: &At<'_>, report: &mut ProblemList) -> Option<Directory> {
    let client = introspection::client(&file.client_id, &file.client_secret_file, at, report);
    Some(Directory { client: client?, cache_for: file.cache_for.duration()? })
}

fn doors(file: &file::Doors, at: &At<'_>, report: &mut ProblemList) -> Doors {
    let mut warned = |open: bool, name: &str| {
        if open {
            at.field(name).warning(report, "open: callers can get tokens that no audience's owner has permitted");
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
