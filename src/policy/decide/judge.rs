//! One audience's answer to one request: which of its permissions apply.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::Request;
use crate::oauth::urn::TokenType;
use crate::policy::expression::{Scene, Variables};
use crate::policy::model::{Audience, Demands, Issuance, Names, Permission};
use crate::policy::reason::{Reason, Refusal};
use crate::policy::roles::{RoleTerms, Subject};

/// A permission that applies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applied<'a> {
    /// Position in the audience's file, from 1.
    pub(super) position: usize,
    /// Its scopes.
    pub(super) scopes: &'a Names,
    /// How it has the answer made.
    pub(super) issuance: Issuance,
    /// What it asks of the subject token besides.
    pub(super) demands: Demands,
}

/// How far a permission goes with a request, in the order in which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Client,
    Issuer,
    SubjectToken,
    RequestedToken,
    Expired,
    /// Everything but scope and condition.
    Covers,
}

/// One audience and one request.
pub(super) struct Judge<'a> {
    request: &'a Request<'a>,
    audience: &'a Audience,
    scopes: &'a [String],
    today: Date,
    /// What expressions look at, made when the first one wants it.
    scene: OnceCell<Scene<'a>>,
}

impl<'a> Judge<'a> {
    /// `scopes` are the scope tokens asked for.
    pub(super) fn new(
        request: &'a Request<'a>,
        audience: &'a Audience,
        scopes: &'a [String],
        today: Date,
    ) -> Self {
        Self { request, audience, scopes, today, scene: OnceCell::new() }
    }

    /// Whose answer it is.
    pub(super) fn audience(&self) -> &'a Audience {
        self.audience
    }

    /// The permissions that apply, which together cover every scope asked for.
    pub(super) fn applied(&self) -> Result<Vec<Applied<'a>>, Refusal> {
        let mut applied = Vec::new();
        let mut possible = nothing();
        let mut unmet: Option<(Reason, String)> = None;
        let mut furthest: Option<(Reach, usize)> = None;
        for (permission, position) in self.audience.permissions.iter().zip(1..) {
            let reach = self.reach(permission);
            if furthest.is_none_or(|(best, _)| best < reach) {
                furthest = Some((reach, position));
            }
            if reach < Reach::Covers {
                continue;
            }
            possible = possible.union(&permission.scopes);
            match self.condition(permission, position) {
                Ok(()) => applied.push(Applied {
                    position,
                    scopes: &permission.scopes,
                    issuance: self.audience.issuance_of(permission),
                    demands: permission.demands,
                }),
                // A condition that gave an answer says more than one that could not.
                Err((reason, text)) => {
                    if unmet.as_ref().is_none_or(|(old, _)| *old == Reason::ConditionFailed && reason != *old)
                    {
                        unmet = Some((reason, text));
                    }
                }
            }
        }
        let uncovered = |covers: &dyn Fn(&str) -> bool| -> Vec<String> {
            self.scopes.iter().filter(|scope| !covers(scope)).cloned().collect()
        };
        let beyond = uncovered(&|scope| applied.iter().any(|one: &Applied<'_>| one.scopes.contains(scope)));
        if !applied.is_empty() && beyond.is_empty() {
            return Ok(applied);
        }
        let (reach, position) = furthest.unwrap_or((Reach::Client, 0));
        if reach < Reach::Covers {
            return Err(self.short_of(reach, position));
        }
        let impossible = uncovered(&|scope| possible.contains(scope));
        match unmet {
            Some((reason, text)) if impossible.is_empty() => Err(self.refuse(reason, &text)),
            _ => {
                let missing = if impossible.is_empty() { beyond } else { impossible }.join(", ");
                let text = format!("add [{missing}] to scopes of permission {position}");
                Err(self.refuse(Reason::ScopeNotPermitted, &text))
            }
        }
    }

    fn reach(&self, permission: &Permission) -> Reach {
        let request = self.request;
        let issuance = self.audience.issuance_of(permission);
        if !permission.clients.contains(request.client) {
            Reach::Client
        } else if !permission.issuers.contains(request.issuer) || !issuance.takes(request.own) {
            Reach::Issuer
        } else if !permission.subject_tokens.contains(&request.subject_token) {
            Reach::SubjectToken
        } else if !permission.requested_tokens.contains(&request.requested_token)
            || request.requested_token == TokenType::RefreshToken && !refreshable(issuance, request.own)
        {
            Reach::RequestedToken
        } else if permission.expires.is_some_and(|last_day| self.today > last_day) {
            Reach::Expired
        } else {
            Reach::Covers
        }
    }

    fn condition(&self, permission: &Permission, position: usize) -> Result<(), (Reason, String)> {
        let Some(condition) = &permission.condition else { return Ok(()) };
        let source = condition.source();
        match condition.holds_in(self.scene()) {
            Ok(true) => Ok(()),
            Ok(false) => Err((
                Reason::ConditionNotMet,
                format!("the condition of permission {position} does not hold: {source}"),
            )),
            Err(error) => Err((
                Reason::ConditionFailed,
                format!("the condition of permission {position} can't be evaluated ({error}): {source}"),
            )),
        }
    }

    /// What the file's expressions look at.
    pub(super) fn scene(&self) -> &Scene<'a> {
        self.scene.get_or_init(|| {
            Variables {
                claims: self.request.claims,
                client: self.request.client,
                audience: &self.audience.name,
                scopes: self.scopes,
            }
            .scene()
        })
    }

    /// The role rules as they apply.
    pub(super) fn roles(&self, realm: &str, issuance: Issuance) -> Result<RoleTerms, Refusal> {
        let Request { issuer, own, claims, .. } = *self.request;
        RoleTerms::resolve(self.audience, issuance, Subject { realm, issuer, own, claims }, || self.scene())
    }

    /// The claims that the file adds.
    pub(super) fn set(&self) -> Result<Map<String, Value>, Refusal> {
        let templates = self.audience.token.set.iter();
        templates
            .map(|(name, template)| match template.value_in(self.scene()) {
                Ok(value) => Ok((name.clone(), value)),
                Err(error) => {
                    let source = template.source();
                    let text = format!("token.set.{name} can't be evaluated ({error}): {source}");
                    Err(self.refuse(Reason::ClaimTemplateFailed, &text))
                }
            })
            .collect()
    }

    fn short_of(&self, reach: Reach, position: usize) -> Refusal {
        let request = self.request;
        match reach {
            Reach::Client => self.refuse(
                Reason::ClientNotPermitted,
                &format!("add a permission with clients: [{}]", request.client),
            ),
            Reach::Issuer => self.refuse(Reason::IssuerNotPermitted, &self.issuer_missing(position)),
            Reach::SubjectToken => self.refuse(
                Reason::SubjectTokenTypeNotPermitted,
                &format!("add {} to subjectTokens of permission {position}", request.subject_token.name()),
            ),
            Reach::RequestedToken => self.refuse(
                Reason::RequestedTokenTypeNotPermitted,
                &format!(
                    "add {} to requestedTokens of permission {position}",
                    request.requested_token.name()
                ),
            ),
            Reach::Expired | Reach::Covers => {
                self.refuse(Reason::PermissionExpired, &format!("renew expires of permission {position}"))
            }
        }
    }

    /// Adding a name is not enough where the permission's issuance does not exchange such tokens.
    fn issuer_missing(&self, position: usize) -> String {
        let issuer = self.request.issuer;
        let permission = self.audience.permissions.get(position.saturating_sub(1));
        let issuance = permission.map_or(self.audience.issuance, |one| self.audience.issuance_of(one));
        if issuance.takes(self.request.own) {
            return format!("add {issuer} to issuers of permission {position}");
        }
        let (tokens, ways) = if self.request.own {
            ("foreign tokens", "forward, reissue or mint")
        } else {
            ("the realm's own tokens", "translate or mint")
        };
        format!(
            "permission {position} has issuance: {}, which exchanges {tokens} only: add a permission with issuers: \
             [{issuer}] and issuance: {ways}",
            issuance.as_str()
        )
    }

    /// A refusal that says in whose file something is missing.
    pub(super) fn refuse(&self, reason: Reason, text: &str) -> Refusal {
        let Audience { name, owner, .. } = self.audience;
        Refusal::new(reason, format!("audiences file of {name} (owner {owner}): {text}"))
    }
}

/// Whether a refresh token can come with it. What the identity provider issues alone has none of ours; a token minted
/// for a user of the realm would outlive his session.
pub fn refreshable(issuance: Issuance, own: bool) -> bool {
    match issuance {
        Issuance::Forward => false,
        Issuance::Reissue | Issuance::Translate => true,
        Issuance::Mint => !own,
    }
}

fn nothing() -> Names {
    Names::Listed(BTreeSet::new())
}
