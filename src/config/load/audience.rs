//! Audience files.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil::Date;

use super::issuers::expression;
use super::platform::{all, optional};
use super::problem::{At, Report};
use super::value::period;
use crate::config::file::audience as file;
use crate::config::file::issuer::Realm;
use crate::oauth::scope::Scope;
use crate::oauth::urn::TokenType;
use crate::policy::model::{
    Audience, Issuance, Names, Permission, RoleMapping, RoleRules, RoleSource, TokenRules,
};

/// The longest life of a token that Cambio lets out; not configurable.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// A shorter life than this is over before the token arrives.
const MIN_LIFETIME: Duration = Duration::from_secs(10);

/// An audience and the realm that it belongs to.
pub(super) struct Placed {
    pub(super) realm: String,
    pub(super) audience: Audience,
}

/// Checks one file. Without `realms` (they could not be read) what refers to them is not checked.
pub(super) fn audience(
    file: &file::Audience,
    realms: Option<&BTreeMap<String, Realm>>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<Placed> {
    name(&file.audience, &at.field("audience"), report);
    if file.owner.trim().is_empty() {
        at.field("owner").problem(report, "is empty: name the team that answers for this file");
    }
    let placed = realm(file, realms, &at.field("realm"), report);
    if let Some((name, realm)) = placed
        && file.issuance == file::Issuance::Reissue
        && realm.signing_key.is_none()
    {
        let way = format!("set realms.{name}.signingKey in cambio.yaml, or `issuance: forward` here");
        at.field("issuance")
            .problem(report, format!("reissue needs a key that the realm does not have: {way}"));
    }
    let resources = resources(&file.resources, &at.field("resources"), report);
    let permissions_at = at.field("permissions");
    if file.permissions.is_empty() {
        permissions_at.warning(report, "no permission: every exchange for this audience is refused");
    }
    let permissions = all(file
        .permissions
        .iter()
        .enumerate()
        .map(|(index, one)| permission(one, placed, &permissions_at.item(index), report)));
    let roles = roles(&file.roles, file.issuance, &at.field("roles"), report);
    let token = token(&file.token, file.issuance, &at.field("token"), report);
    let issuance = match file.issuance {
        file::Issuance::Reissue => Issuance::Reissue,
        file::Issuance::Forward => Issuance::Forward,
    };
    Some(Placed {
        realm: placed?.0.to_owned(),
        audience: Audience {
            name: file.audience.clone(),
            owner: file.owner.trim().to_owned(),
            resources: resources?,
            permissions: permissions?,
            roles: roles?,
            token: token?,
            issuance,
        },
    })
}

fn realm<'a>(
    file: &file::Audience,
    realms: Option<&'a BTreeMap<String, Realm>>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<(&'a str, &'a Realm)> {
    // No realm at all is a problem of cambio.yaml's.
    let realms = realms.filter(|realms| !realms.is_empty())?;
    match (&file.realm, realms.len()) {
        (None, 1) => realms.first_key_value().map(|(name, realm)| (name.as_str(), realm)),
        (None, _) => {
            at.problem(report, "is missing: cambio.yaml has more than one realm");
            None
        }
        (Some(name), _) => {
            let found = realms.get_key_value(name).map(|(name, realm)| (name.as_str(), realm));
            if found.is_none() {
                let known = realms.keys().cloned().collect::<Vec<_>>().join(", ");
                at.problem(report, format!("{name:?} is no realm of cambio.yaml, which has {known}"));
            }
            found
        }
    }
}

fn resources(values: &[String], at: &At<'_>, report: &mut Report) -> Option<BTreeSet<String>> {
    let checked = all(values.iter().enumerate().map(|(index, value)| {
        let at = at.item(index);
        let scheme = value.split_once(':').map_or("", |(scheme, _)| scheme);
        let letters = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        let printable = value.bytes().all(|b| b.is_ascii_graphic());
        if scheme.is_empty() || !letters || !printable || value.contains('#') {
            at.problem(
                report,
                format!("{value:?} is no absolute URI without fragment (RFC 8693 section 2.1)"),
            );
            return None;
        }
        Some(value.clone())
    }))?;
    Some(checked.into_iter().collect())
}

fn permission(
    file: &file::Permission,
    realm: Option<(&str, &Realm)>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<Permission> {
    let clients = names(&file.clients, "every client", &at.field("clients"), report);
    let issuers = issuers(file.issuers.as_deref(), realm, &at.field("issuers"), report);
    let scopes = match &file.scopes {
        None => Some(Names::Listed(BTreeSet::new())),
        Some(scopes) if scopes.is_empty() => {
            at.field("scopes")
                .problem(report, "is empty: leave it out to permit no scope, write [\"*\"] to permit all");
            None
        }
        Some(scopes) => {
            let at = at.field("scopes");
            for (index, scope) in scopes.iter().enumerate() {
                if scope.contains(' ') || scope.is_empty() || Scope::parse(scope).is_err() {
                    at.item(index)
                        .problem(report, format!("{scope:?} is no scope token (RFC 6749 section 3.3)"));
                }
            }
            names(scopes, "every scope", &at, report)
        }
    };
    let subject_tokens: BTreeSet<TokenType> =
        file.subject_tokens.iter().map(|kind| subject_type(*kind)).collect();
    let requested_tokens: BTreeSet<TokenType> =
        file.requested_tokens.iter().map(|kind| requested_type(*kind)).collect();
    for (key, empty) in
        [("subjectTokens", subject_tokens.is_empty()), ("requestedTokens", requested_tokens.is_empty())]
    {
        if empty {
            at.field(key).problem(report, "is empty: the permission would never hold");
        }
    }
    let condition =
        optional(file.condition.as_ref(), |source| expression(source, &at.field("condition"), report));
    let expires = optional(file.expires.as_ref(), |text| date(text, &at.field("expires"), report));
    Some(Permission {
        clients: clients?,
        issuers: issuers?,
        subject_tokens,
        requested_tokens,
        scopes: scopes?,
        condition: condition?,
        expires: expires?,
    })
}

/// The subject issuers of a permission: the realm itself, as its own tokens are all that it can exchange.
fn issuers(
    file: Option<&[String]>,
    realm: Option<(&str, &Realm)>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<Names> {
    let Some((own, realm)) = realm else {
        return file.and_then(|list| names(list, "every issuer", at, report));
    };
    let Some(list) = file else {
        if !realm.subject_issuers.iter().any(|name| name == own) {
            let missing = format!(
                "the default is the realm itself, but realms.{own}.subjectIssuers does not name {own}"
            );
            at.problem(report, missing);
            return None;
        }
        return Some(Names::Listed(BTreeSet::from([own.to_owned()])));
    };
    for (index, name) in list.iter().enumerate().filter(|(_, name)| *name != "*") {
        let at = at.item(index);
        if !realm.subject_issuers.contains(name) {
            at.problem(report, format!("{name:?} is not among realms.{own}.subjectIssuers"));
        } else if name != own {
            let why = "forward and reissue exchange the realm's own tokens only";
            at.problem(report, format!("{name:?} is a foreign issuer for the realm {own}: {why}"));
        }
    }
    match names(list, "every issuer", at, report)? {
        // Whatever else the realm trusts, the upstream could only turn a foreign token away.
        Names::Any => Some(Names::Listed(BTreeSet::from([own.to_owned()]))),
        listed @ Names::Listed(_) => Some(listed),
    }
}

/// Names, or `"*"` alone.
fn names(list: &[String], everything: &str, at: &At<'_>, report: &mut Report) -> Option<Names> {
    if list.is_empty() {
        at.problem(report, format!("is empty: write [\"*\"] if you mean {everything}"));
        return None;
    }
    if let Some(star) = list.iter().position(|name| name == "*") {
        if list.len() > 1 {
            at.item(star).problem(report, format!("\"*\" means {everything}: it can't stand beside names"));
            return None;
        }
        at.warning(report, format!("\"*\": {everything}"));
        return Some(Names::Any);
    }
    for (index, one) in list.iter().enumerate() {
        name(one, &at.item(index), report);
    }
    Some(Names::Listed(list.iter().cloned().collect()))
}

fn name(value: &str, at: &At<'_>, report: &mut Report) {
    let spaced = value.chars().any(char::is_control) || value.trim() != value;
    if value.is_empty() || spaced {
        at.problem(report, "must be a name: not empty, no control characters, no spaces around it");
    } else if value.contains('*') {
        at.problem(report, "patterns are not known here: only a list of \"*\" alone means all");
    }
}

fn roles(
    file: &file::Roles,
    issuance: file::Issuance,
    at: &At<'_>,
    report: &mut Report,
) -> Option<RoleRules> {
    for (index, role) in file.realm.iter().enumerate() {
        name(role, &at.field("realm").item(index), report);
    }
    let map_at = at.field("map");
    if issuance == file::Issuance::Forward && !file.map.is_empty() {
        map_at.problem(report, "needs `issuance: reissue`: a forwarded token can't be changed");
    }
    let map = all(file.map.iter().enumerate().map(|(index, mapping)| {
        let at = map_at.item(index);
        name(&mapping.to, &at.field("to"), report);
        let from = match (&mapping.from, &mapping.when) {
            (Some(from), None) => role_source(from, &at.field("from"), report),
            (None, Some(when)) => expression(when, &at.field("when"), report).map(RoleSource::When),
            _ => {
                at.problem(report, "must have exactly one of `from` and `when`");
                None
            }
        };
        Some(RoleMapping { from: from?, to: mapping.to.clone() })
    }));
    Some(RoleRules { own: file.own, realm: file.realm.iter().cloned().collect(), map: map? })
}

fn role_source(from: &str, at: &At<'_>, report: &mut Report) -> Option<RoleSource> {
    let source = match from.strip_prefix("realm:") {
        Some(role) => RoleSource::Realm(role.to_owned()),
        None => RoleSource::Own(from.to_owned()),
    };
    let (RoleSource::Realm(role) | RoleSource::Own(role)) = &source else { return None };
    name(role, at, report);
    Some(source)
}

fn token(
    file: &file::Token,
    issuance: file::Issuance,
    at: &At<'_>,
    report: &mut Report,
) -> Option<TokenRules> {
    let lifetime = period(&file.lifetime, MIN_LIFETIME..=MAX_LIFETIME, &at.field("lifetime"), report);
    let claims_at = at.field("claims");
    if issuance == file::Issuance::Forward && !file.claims.is_empty() {
        claims_at.problem(report, "needs `issuance: reissue`: a forwarded token can't be changed");
    }
    let claims = if file.claims.is_empty() {
        Some(Names::Listed(BTreeSet::new()))
    } else {
        names(&file.claims, "every claim", &claims_at, report)
    };
    let lifetime = SignedDuration::try_from(lifetime?).ok()?;
    Some(TokenRules { lifetime, within_subject: file.within_subject, claims: claims? })
}

fn date(text: &str, at: &At<'_>, report: &mut Report) -> Option<Date> {
    let date = Date::strptime("%Y-%m-%d", text).ok().filter(|_| text.len() == "2027-06-30".len());
    if date.is_none() {
        at.problem(report, format!("{text:?} is no date, such as 2027-06-30"));
    }
    date
}

fn subject_type(kind: file::SubjectTokenType) -> TokenType {
    match kind {
        file::SubjectTokenType::AccessToken => TokenType::AccessToken,
        file::SubjectTokenType::IdToken => TokenType::IdToken,
        file::SubjectTokenType::Jwt => TokenType::Jwt,
    }
}

fn requested_type(kind: file::RequestedTokenType) -> TokenType {
    match kind {
        file::RequestedTokenType::AccessToken => TokenType::AccessToken,
        file::RequestedTokenType::IdToken => TokenType::IdToken,
    }
}
