//! `permissions` of an audience file.

use std::collections::BTreeSet;

use super::issuers::issuers;
use super::names::{Context, Home, names};
use super::{delegation, impersonation};
use crate::adapters::config::file::audience::permission as file;
use crate::adapters::config::file::value::Period;
use crate::adapters::config::load::format::date_of;
use crate::adapters::config::load::problem::{At, ProblemList, optional};
use crate::adapters::config::load::value::expression;
use crate::judgement::policy::decide::refreshable;
use crate::judgement::policy::model::{Demands, Issuance, Permission};
use crate::words::oauth::names::Names;
use crate::words::oauth::urn::TokenType;

pub(super) fn permission(
    file: &file::Permission,
    context: Context<'_>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Permission> {
    let Context { issuance, home, .. } = context;
    let clients = names(&file.clients, "every client", &at.field("clients"), report);
    let issuers = issuers(file.issuers.as_deref(), issuance, home, &at.field("issuers"), report);
    let scopes = match &file.scopes {
        None => Some(Names::Listed(BTreeSet::new())),
        Some(scopes) => names(scopes, "every scope", &at.field("scopes"), report),
    };
    let subject_tokens: BTreeSet<TokenType> = file.subject_tokens.iter().map(|kind| subject_type(*kind)).collect();
    let requested_tokens: BTreeSet<TokenType> =
        file.requested_tokens.iter().map(|kind| requested_type(*kind)).collect();
    token_types(file, issuance, at, report);
    if let (Some(home), Some(issuers)) = (home, &issuers)
        && requested_tokens.contains(&TokenType::RefreshToken)
    {
        refresh_tokens(context, issuers, home, &at.field("requestedTokens"), report);
    }
    let condition = optional(file.condition.as_ref(), |source| expression(source, &at.field("condition"), report));
    let delegation = optional(file.delegation.as_ref(), |one| {
        delegation::delegation(one, issuance, home, &at.field("delegation"), report)
    });
    let impersonation = optional(file.impersonation.as_ref(), |one| {
        impersonation::impersonation(one, context, issuers.as_ref(), &at.field("impersonation"), report)
    });
    minted_only(file, issuance, at, report);
    let subject_clients = optional(file.subject_clients.as_ref(), |list| {
        names(list, "tokens of every client", &at.field("subjectClients"), report)
    });
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
        lifetime: optional(file.lifetime.as_ref(), Period::signed)?,
        expires: optional(file.expires.as_deref(), date_of)?,
    })
}

/// Refuses what the upstream does not do.
fn minted_only(file: &file::Permission, issuance: Issuance, at: &At<'_>, report: &mut ProblemList) {
    if issuance == Issuance::Mint {
        return;
    }
    if file.subject_clients.is_some() {
        let why = "the upstream exchanges only tokens that the client got, or that name the client in `aud`";
        at.field("subjectClients").problem(report, format!("needs `issuance: mint`: {why}"));
    }
    if file.exchanged_tokens {
        let why = "the upstream does not know tokens that Cambio signed";
        at.field("exchangedTokens").problem(report, format!("needs `issuance: mint`: {why}"));
    }
}

/// Refuses refresh tokens that nobody could renew.
fn refresh_tokens(context: Context<'_>, issuers: &Names, home: Home<'_>, at: &At<'_>, report: &mut ProblemList) {
    let own = home.name;
    if !refreshable(context.issuance, issuers.contains(own), context.directory) {
        let message = match context.issuance {
            Issuance::Mint => {
                "refresh_token is not possible with minted tokens for the realm's own subjects, because Cambio would not \
                 notice that a session has ended; write `source: directory` under roles, so that Cambio asks Keycloak, or \
                 give the foreign issuers a permission of their own"
            }
            _ => "refresh_token is not possible with `issuance: forward`",
        };
        at.problem(report, message);
    } else if home.realm.refresh_tokens.is_none() {
        at.problem(report, format!("refresh_token needs realms.{own}.refreshTokens"));
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
            let why = "the upstream exchanges access tokens only";
            let message = format!("{} needs `issuance: translate` or `mint`: {why}", kind.name());
            at.item(index).problem(report, message);
        }
    }
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
