//! How far a permission covers a request, conditions and scope aside.

use serde_json::{Map, Value};

use super::context::DecisionContext;
use crate::judgement::policy::claim_names::client_of;
use crate::judgement::policy::delegation::Delegated;
use crate::judgement::policy::model::{ActorRule, Audience, Issuance, Permission};
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::request::ExchangeRequest;
use crate::words::oauth::urn::TokenType;

/// The first part of a request that a permission does not cover, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    Client,
    Issuer,
    /// The subject token was issued to another client.
    Holder,
    /// The permission accepts no token that Cambio signed.
    Exchanged,
    SubjectToken,
    RequestedToken,
    Expired,
    /// The permission does not allow impersonation.
    Impersonation,
    /// The permission accepts no token of a session in which somebody impersonates the user.
    ImpersonationSession,
    /// The dialect needs `may_act`, which the subject token lacks.
    MayAct,
    /// The permission does not allow earlier actors.
    Delegated,
    ActorRequired,
    Actor,
    TooDeep,
    /// The permission covers everything but scope and conditions.
    Covers,
}

/// How far a permission of an audience covers the request.
pub(super) fn reach(context: &DecisionContext<'_>, audience: &Audience, permission: &Permission) -> Reach {
    let request = context.request;
    let issuance = audience.issuance_of(permission);
    // A permission with impersonation allows nothing else.
    let plain = request.impersonate.is_none();
    if !permission.clients.contains(request.client) || plain && permission.impersonation.is_some() {
        Reach::Client
    } else if !permission.issuers.contains(request.issuer) || !context.can_be_exchanged_with(issuance) {
        Reach::Issuer
    } else if !request.held && !is_of_a_subject_client(permission, issuance, request.claims) {
        Reach::Holder
    } else if request.provenance.is_by_cambio() && !permission.exchanged {
        Reach::Exchanged
    } else if !permission.subject_tokens.contains(&request.subject_token) {
        Reach::SubjectToken
    } else if !permission.requested_tokens.contains(&request.requested_token)
        || request.requested_token == TokenType::RefreshToken && !can_refresh(request, audience, issuance)
    {
        Reach::RequestedToken
    } else if permission.expires.is_some_and(|last_day| context.today > last_day) {
        Reach::Expired
    } else if !plain && !allows_impersonation(request, audience, permission) {
        Reach::Impersonation
    } else {
        reach_of_delegation(context, permission, issuance)
    }
}

/// Whether a refresh token can come with an issuance. A forwarded answer has no refresh token of Cambio's. The identity
/// provider gives no refresh token for a token of its JWT authorization grant, which belongs to no session. A token that
/// was minted for a user of the realm would outlive the user's session, unless the directory says whether that goes on.
pub fn refreshable(issuance: Issuance, own: bool, directory: bool) -> bool {
    match issuance {
        Issuance::Forward | Issuance::Translate => false,
        Issuance::Reissue => true,
        Issuance::Mint => !own || directory,
    }
}

/// Whether the exchange can be repeated with a refresh token. An impersonated user has no session, and the token from
/// which a token of Cambio's was made is not at hand.
fn can_refresh(request: &ExchangeRequest<'_>, audience: &Audience, issuance: Issuance) -> bool {
    !request.provenance.is_by_cambio()
        && request.impersonate.is_none()
        && refreshable(issuance, request.provenance.is_of_realm(), audience.roles.directory)
}

/// Whether the permission allows impersonation. The new token is about a user of the realm, is made by Cambio and has the
/// roles from the directory: everything else in the subject token belongs to another user.
fn allows_impersonation(request: &ExchangeRequest<'_>, audience: &Audience, permission: &Permission) -> bool {
    let mints = audience.issuance_of(permission) == Issuance::Mint;
    permission.impersonation.is_some() && request.provenance.is_of_realm() && mints && audience.roles.directory
}

/// How far the permission covers the actor and the earlier actors.
fn reach_of_delegation(context: &DecisionContext<'_>, permission: &Permission, issuance: Issuance) -> Reach {
    let Delegated { act, may_act, depth } = context.delegated;
    let impersonated = is_of_impersonation_session(context.request);
    if impersonated && !permission.impersonation_sessions {
        return Reach::ImpersonationSession;
    }
    let dispenses = permission.delegation.as_ref().is_some_and(|rule| rule.without_may_act);
    if may_act.is_none() && context.request.customs.needs_may_act && !dispenses {
        return Reach::MayAct;
    }
    let Some(rule) = &permission.delegation else {
        return match (context.request.actor, act) {
            (Some(_), _) => Reach::Actor,
            (None, Some(_)) if !impersonated => Reach::Delegated,
            (None, _) => Reach::Covers,
        };
    };
    // The identity provider writes `act` of an impersonation session only.
    if act.is_some() && !issuance.signs() && (!impersonated || context.request.actor.is_some()) {
        return Reach::Delegated;
    }
    match (rule.actor, context.request.actor) {
        (ActorRule::Required, None) => Reach::ActorRequired,
        (ActorRule::Forbidden, Some(_)) => Reach::Actor,
        (_, Some(actor)) if !rule.issuers.contains(actor.issuer) => Reach::Actor,
        (_, Some(actor)) if !actor.held && !is_of_a_subject_client(permission, issuance, actor.claims) => Reach::Actor,
        (_, Some(actor)) if actor.provenance.is_by_cambio() && !permission.exchanged => Reach::Actor,
        (_, Some(_)) if may_act.is_none() && !rule.without_may_act => Reach::Actor,
        _ if *depth > rule.depth => Reach::TooDeep,
        _ => Reach::Covers,
    }
}

/// Whether the identity provider issued the subject token in a session in which somebody impersonates the user: Keycloak
/// 26.8 names the impersonator in `act` of every token of the session. A token of Keycloak's own delegation has `act` and
/// no session.
fn is_of_impersonation_session(request: &ExchangeRequest<'_>) -> bool {
    let has_one_actor = request.claims.get("act").is_some_and(|act| act.get("act").is_none());
    let has_session = request.claims.get("sid").and_then(Value::as_str).is_some_and(|sid| !sid.is_empty());
    has_one_actor && has_session && request.provenance == Provenance::Realm
}

/// Whether a token of the realm was issued to a client that `subjectClients` of the permission lists. The identity
/// provider exchanges no such token.
fn is_of_a_subject_client(permission: &Permission, issuance: Issuance, claims: &Map<String, Value>) -> bool {
    let listed = |client| permission.subject_clients.contains(client);
    issuance == Issuance::Mint && client_of(claims).is_some_and(listed)
}
