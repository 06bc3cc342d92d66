//! `permissions` of an audience file.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::civil::Date;

use super::token::MIN_LIFETIME;
use super::{delegation, names};
use crate::adapters::config::file::audience as file;
use crate::adapters::config::file::issuer::{GovernedDoor, Realm};
use crate::adapters::config::load::issuers::expression;
use crate::adapters::config::load::platform::optional;
use crate::adapters::config::load::problem::{At, ProblemList};
use crate::adapters::config::load::value::period;
use crate::judgement::policy::decide::refreshable;
use crate::judgement::policy::model::{Demands, Issuance, MAX_LIFETIME, Permission};
use crate::words::oauth::names::Names;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;

pub(super) fn permission(
    file: &file::Permission,
    (issuance, directory): (Issuance, bool),
    realm: Option<(&str, &Realm)>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Permission> {
    let clients = names(&file.clients, "every client", &at.field("clients"), report);
    let issuers = issuers(file.issuers.as_deref(), issuance, realm, &at.field("issuers"), report);
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
    token_types(file, issuance, at, report);
    if let (Some(realm), Some(issuers)) = (realm, &issuers)
        && requested_tokens.contains(&TokenType::RefreshToken)
    {
        refresh_tokens((issuance, directory), issuers, realm, &at.field("requestedTokens"), report);
    }
    let condition =
        optional(file.condition.as_ref(), |source| expression(source, &at.field("condition"), report));
    let expires = optional(file.expires.as_ref(), |text| date(text, &at.field("expires"), report));
    let delegation = optional(file.delegation.as_ref(), |one| {
        delegation::delegation(one, issuance, realm, &at.field("delegation"), report)
    });
    let impersonation = optional(file.impersonation.as_ref(), |one| {
        let at = at.field("impersonation");
        at.warning(
            report,
            "whoever meets `who` becomes any user who meets `whom`: their tokens name the other user alone, and only the \
             audit line knows of both",
        );
        if let Some((own, _)) =
            realm.filter(|(_, realm)| realm.doors.requested_subject != GovernedDoor::Judged)
        {
            at.problem(report, format!("needs realms.{own}.doors.requestedSubject: judged in cambio.yaml"));
        }
        if let (Some((own, _)), Some(issuers)) = (realm, &issuers) {
            delegation::realm_only(issuers, own, &at, report);
        }
        delegation::impersonation(one, issuance, directory, &at, report)
    });
    let lifetime = optional(file.lifetime.as_ref(), |lifetime| {
        let longest = MAX_LIFETIME.unsigned_abs();
        let lifetime = period(lifetime, MIN_LIFETIME..=longest, &at.field("lifetime"), report)?;
        SignedDuration::try_from(lifetime).ok()
    });
    let subject_clients = optional(file.subject_clients.as_ref(), |list| {
        let at = at.field("subjectClients");
        if issuance != Issuance::Mint {
            at.problem(
                report,
                "needs `issuance: mint`: the upstream exchanges a client's own tokens and those for it only",
            );
        }
        names(list, "tokens of every client", &at, report)
    });
    if file.exchanged_tokens && issuance != Issuance::Mint {
        at.field("exchangedTokens")
            .problem(report, "needs `issuance: mint`: the upstream knows no token that Cambio signed");
    }
    Some(Permission {
        clients: clients?,
        issuers: issuers?,
        subject_clients: subject_clients?.unwrap_or_default(),
        exchanged: file.exchanged_tokens,
        subject_tokens,
        requested_tokens,
        scopes: scopes?,
        issuance: Some(issuance),
        demands: Demands { one_time: file.one_time, still_active: file.still_active },
        condition: condition?,
        delegation: delegation?,
        impersonation: impersonation?,
        lifetime: lifetime?,
        expires: expires?,
    })
}

/// Whether refresh tokens can come with what the permission allows.
fn refresh_tokens(
    (issuance, directory): (Issuance, bool),
    issuers: &Names,
    (own, realm): (&str, &Realm),
    at: &At<'_>,
    report: &mut ProblemList,
) {
    if !refreshable(issuance, issuers.contains(own), directory) {
        let message = match issuance {
            Issuance::Mint => {
                "refresh_token can't be had with minted tokens for the realm's own: a session that has ended would go \
                 on; write `source: directory` under roles, by which Keycloak is asked whether it does, or a permission of \
                 their own for the foreign issuers"
            }
            _ => "refresh_token can't be had with `issuance: forward`",
        };
        at.problem(report, message);
    } else if realm.refresh_tokens.is_none() {
        at.problem(report, format!("refresh_token needs realms.{own}.refreshTokens"));
    }
}

/// The subject issuers of a permission: those of the realm's whose tokens its issuance exchanges.
fn issuers(
    file: Option<&[String]>,
    issuance: Issuance,
    realm: Option<(&str, &Realm)>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Names> {
    let Some((own, realm)) = realm else {
        return file.and_then(|list| names(list, "every issuer", at, report));
    };
    let Some(list) = file else {
        if !issuance.takes(true) {
            at.problem(report, "is missing: translate exchanges foreign tokens, so name their issuers");
            return None;
        }
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
        } else if !issuance.takes(name == own) {
            let message = if name == own {
                format!("{name:?} is the realm itself: translate exchanges foreign tokens only")
            } else {
                let why = "forward and reissue exchange the realm's own tokens only; use translate or mint";
                format!("{name:?} is a foreign issuer for the realm {own}: {why}")
            };
            at.problem(report, message);
        }
    }
    match names(list, "every issuer", at, report)? {
        Names::Any => {
            let all: BTreeSet<String> =
                realm.subject_issuers.iter().filter(|name| issuance.takes(*name == own)).cloned().collect();
            if all.is_empty() {
                let tokens = if issuance.takes(true) { "the realm's own" } else { "foreign" };
                let message = format!(
                    "means nobody: {} exchanges {tokens} tokens, and realms.{own}.subjectIssuers has none such",
                    issuance.as_str()
                );
                at.problem(report, message);
                return None;
            }
            Some(Names::Listed(all))
        }
        listed @ Names::Listed(_) => Some(listed),
    }
}

/// The identity provider's own exchange takes access tokens only.
fn token_types(file: &file::Permission, issuance: Issuance, at: &At<'_>, report: &mut ProblemList) {
    if matches!(issuance, Issuance::Translate | Issuance::Mint) {
        return;
    }
    let at = at.field("subjectTokens");
    for (index, kind) in file.subject_tokens.iter().map(|kind| subject_type(*kind)).enumerate() {
        if kind != TokenType::AccessToken {
            let name = kind.name();
            at.item(index).problem(
                report,
                format!(
                    "{name} needs `issuance: translate` or `mint`: the upstream exchanges access tokens only"
                ),
            );
        }
    }
}

fn date(text: &str, at: &At<'_>, report: &mut ProblemList) -> Option<Date> {
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
        file::SubjectTokenType::IdJag => TokenType::IdJag,
    }
}

fn requested_type(kind: file::RequestedTokenType) -> TokenType {
    match kind {
        file::RequestedTokenType::AccessToken => TokenType::AccessToken,
        file::RequestedTokenType::IdToken => TokenType::IdToken,
        file::RequestedTokenType::RefreshToken => TokenType::RefreshToken,
        file::RequestedTokenType::Jwt => TokenType::Jwt,
    }
}
