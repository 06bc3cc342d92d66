//! `permissions` of an audience file.

use std::collections::BTreeSet;

use super::context::{Context, Home, issuers, names};
use super::delegation;
use crate::adapters::config::file::audience::permission as file;
use crate::adapters::config::file::value::Period;
use crate::adapters::config::load::format::date_of;
use crate::adapters::config::load::problem::{At, optional};
use crate::adapters::config::load::value::expression;
use crate::judgement::policy::decide::refreshable;
use crate::judgement::policy::model::{Demands, Issuance, Permission};
use crate::judgement::policy::scopes::OFFLINE;
use crate::words::oauth::names::Names;
use crate::words::oauth::urn::TokenType;

pub(super) fn permission(file: &file::Permission, context: Context<'_>, at: &At<'_>) -> Option<Permission> {
    let Context { issuance, home, .. } = context;
    let clients = names(&file.clients, "every client", &at.field("clients"));
    let issuers = issuers(file.issuers.as_deref(), issuance, home, &at.field("issuers"));
    let scopes = match &file.scopes {
        None => Some(Names::default()),
        Some(scopes) => names(scopes, "every scope", &at.field("scopes")),
    };
    if let Some(scopes) = &scopes {
        default_scopes(file, scopes, issuance, &at.field("defaultScopes"));
    }
    let subject_tokens: BTreeSet<_> = file.subject_tokens.iter().copied().map(TokenType::from).collect();
    let requested_tokens: BTreeSet<_> = file.requested_tokens.iter().copied().map(TokenType::from).collect();
    token_types(file, issuance, at);
    if let (Some(home), Some(issuers)) = (home, &issuers)
        && requested_tokens.contains(&TokenType::RefreshToken)
    {
        refresh_tokens(context, issuers, home, &at.field("requestedTokens"));
    }
    offline_refresh_tokens(file, issuance, &requested_tokens, at);
    let condition = at.optional("condition", file.condition.as_deref(), expression);
    let delegation =
        at.optional("delegation", file.delegation.as_ref(), |one, at| delegation::delegation(one, issuance, home, at));
    let impersonation = at.optional("impersonation", file.impersonation.as_ref(), |one, at| {
        delegation::impersonation(one, context, issuers.as_ref(), at)
    });
    minted_only(file, issuance, at);
    let subject_clients = at.optional("subjectClients", file.subject_clients.as_deref(), |list, at| {
        names(list, "tokens of every client", at)
    });
    Some(Permission {
        clients: clients?,
        issuers: issuers?,
        subject_clients: subject_clients?.unwrap_or_default(),
        exchanged: file.exchanged_tokens,
        subject_tokens,
        requested_tokens,
        scopes: scopes?,
        default_scopes: file.default_scopes.iter().cloned().collect(),
        issuance: Some(issuance),
        demands: Demands { one_time: file.one_time, still_active: file.still_active },
        condition: condition?,
        delegation: delegation?,
        impersonation_sessions: file.impersonation_sessions,
        impersonation: impersonation?,
        lifetime: optional(file.lifetime.as_ref(), Period::signed)?,
        expires: optional(file.expires.as_deref(), date_of)?,
    })
}

/// Refuses default scopes that the permission does not permit, or that only the upstream could grant.
fn default_scopes(file: &file::Permission, scopes: &Names, issuance: Issuance, at: &At<'_>) {
    if !file.default_scopes.is_empty() && issuance != Issuance::Mint {
        let why = "the upstream has default scopes of its own for requests without scope";
        at.problem(format!("needs `issuance: mint`: {why}"));
    }
    for (at, scope) in at.items(&file.default_scopes) {
        if scope == OFFLINE {
            at.problem(format!("{OFFLINE} must be requested by name"));
        } else if !matches!(scopes, Names::Listed(names) if names.contains(scope)) {
            at.problem(format!("{scope:?} is not among scopes: add it there by name"));
        }
    }
}

/// Refuses what the upstream does not do.
fn minted_only(file: &file::Permission, issuance: Issuance, at: &At<'_>) {
    if issuance == Issuance::Mint {
        return;
    }
    if file.subject_clients.is_some() {
        let why = "the upstream exchanges only tokens that the client got, or that name the client in `aud`";
        at.field("subjectClients").problem(format!("needs `issuance: mint`: {why}"));
    }
    if file.exchanged_tokens {
        let why = "the upstream does not know tokens that Cambio signed";
        at.field("exchangedTokens").problem(format!("needs `issuance: mint`: {why}"));
    }
}

/// Refuses refresh tokens that nobody could renew.
fn refresh_tokens(context: Context<'_>, issuers: &Names, home: Home<'_>, at: &At<'_>) {
    let own = home.name;
    if !refreshable(context.issuance, issuers.contains(own), context.directory) {
        let message = match context.issuance {
            Issuance::Mint if home.realm.endpoints.is_some() => {
                "refresh_token is not possible with minted tokens for the realm's own subjects, because Cambio would not \
                 notice that a session has ended; give the foreign issuers a permission of their own"
            }
            Issuance::Mint => {
                "refresh_token is not possible with minted tokens for the realm's own subjects, because Cambio would not \
                 notice that a session has ended; write `source: directory` under roles, so that Cambio asks Keycloak, or \
                 give the foreign issuers a permission of their own"
            }
            Issuance::Translate => {
                "refresh_token is not possible with `issuance: translate`: the upstream's JWT authorization grant begins no \
                 session, so the upstream gives no refresh token; use `issuance: mint`"
            }
            Issuance::Forward | Issuance::Reissue => "refresh_token is not possible with `issuance: forward`",
        };
        at.problem(message);
    } else if home.realm.refresh_tokens.is_none() {
        at.problem(format!("refresh_token needs realms.{own}.refreshTokens"));
    }
}

/// Warns of a scope that Keycloak refuses in an exchange for a refresh token.
fn offline_refresh_tokens(file: &file::Permission, issuance: Issuance, requested: &BTreeSet<TokenType>, at: &At<'_>) {
    let offline = file.scopes.iter().flatten().any(|scope| scope == OFFLINE);
    if offline && issuance == Issuance::Reissue && requested.contains(&TokenType::RefreshToken) {
        at.field("scopes").warning(
            "offline_access: Keycloak refuses it in an exchange for a refresh token; use `issuance: mint` with `source: directory` \
             under roles",
        );
    }
}

/// The identity provider's own exchange takes access tokens only.
fn token_types(file: &file::Permission, issuance: Issuance, at: &At<'_>) {
    if matches!(issuance, Issuance::Translate | Issuance::Mint) {
        return;
    }
    for (at, kind) in at.field("subjectTokens").items(&file.subject_tokens) {
        let kind = TokenType::from(*kind);
        if kind != TokenType::AccessToken {
            let why = "the upstream exchanges access tokens only";
            at.problem(format!("{} needs `issuance: translate` or `mint`: {why}", kind.name()));
        }
    }
}
