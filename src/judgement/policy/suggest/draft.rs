//! A new permission for one request, line by line.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::judgement::expression::{Expression, Other};
use crate::judgement::policy::claim_names::client_of;
use crate::judgement::policy::delegation::Delegated;
use crate::judgement::policy::model::{ActorRule, Audience, Delegation, Demands, Issuance, Permission, SubjectRule};
use crate::judgement::policy::request::{ExchangeRequest, WantedScope};
use crate::words::oauth::names::Names;
use crate::words::oauth::urn::TokenType;

/// The longest chain of actors of a permission that does not state `delegation.depth`.
const USUAL_DEPTH: usize = 4;

/// What the configuration of a realm makes possible.
#[derive(Clone, Copy, Debug)]
pub struct Possible {
    /// Whether Cambio has a key to sign with.
    pub signing: bool,
    /// Whether Cambio issues refresh tokens.
    pub refresh_tokens: bool,
    /// Whether foreign tokens can be translated.
    pub translate: bool,
}

/// A line of a permission besides `clients`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PermissionLine {
    Issuance(Issuance),
    Issuers,
    SubjectTokens,
    SubjectClients,
    ExchangedTokens,
    RequestedTokens,
    /// A requested scope token, by its place. All of them share one line.
    Scope(usize),
    ImpersonationSessions,
    Delegation,
    ActorIssuers,
    /// Two lines: `condition`, which must say who may act, and `withoutMayAct`.
    WithoutMayAct,
    Depth,
}

impl PermissionLine {
    /// Whether the line belongs to the nested key of `other`.
    pub(super) fn is_below(self, other: Self) -> bool {
        other == Self::Delegation && matches!(self, Self::ActorIssuers | Self::WithoutMayAct | Self::Depth)
    }
}

/// What the lines of a permission for one request say.
pub(super) struct DraftPermission<'a> {
    realm: &'a str,
    request: &'a ExchangeRequest<'a>,
    possible: Possible,
    scopes: Vec<&'a str>,
    /// The client that the subject token was issued to.
    party: Option<&'a str>,
    /// The actor token's issuer.
    actor_issuer: Option<&'a str>,
    /// CEL that is true for the actor, and its source.
    actor: Option<(Expression, String)>,
    /// The number of actors in the new token.
    depth: usize,
}

impl<'a> DraftPermission<'a> {
    /// `None`: no permission can state the request.
    pub(super) fn new(realm: &'a str, request: &'a ExchangeRequest<'a>, possible: Possible) -> Option<Self> {
        let scopes: Vec<_> = match request.scope {
            WantedScope::Exactly(scope) => scope.iter().collect(),
            WantedScope::Any | WantedScope::AtMost(_) => Vec::new(),
        };
        // In a file, this name would mean every client.
        if request.client == "*" || scopes.contains(&"*") {
            return None;
        }
        let source = match &request.actor {
            None => request.customs.needs_may_act.then(|| "false".to_owned()),
            Some(actor) => Some(match actor.claims.get("azp").and_then(Value::as_str) {
                Some(client) => format!("actor.azp == {}", cel(client)),
                None => format!("actor.sub == {}", cel(actor.subject)),
            }),
        };
        let compiled = |source: String| {
            Expression::compile_about(&source, &[Other::Actor]).ok().map(|expression| (expression, source))
        };
        Some(Self {
            realm,
            request,
            possible,
            scopes,
            party: client_of(request.claims).filter(|party| *party != "*"),
            actor_issuer: request.actor.map(|actor| actor.issuer),
            actor: source.and_then(compiled),
            depth: Delegated::of(request).ok()?.depth,
        })
    }

    /// The lines that state everything about the request, for a permission with this issuance; `None`: a permission with
    /// this issuance can't allow the request, or `check` refuses it.
    pub(super) fn full(&self, audience: &Audience, issuance: Issuance) -> Option<BTreeSet<PermissionLine>> {
        let (request, mints) = (self.request, issuance == Issuance::Mint);
        let by_upstream = matches!(issuance, Issuance::Forward | Issuance::Reissue);
        let is_refused = issuance.signs() && !self.possible.signing
            || !issuance.takes(request.provenance.is_of_realm())
            || by_upstream && request.subject_token != TokenType::AccessToken
            || issuance == Issuance::Translate && !self.possible.translate
            || issuance == Issuance::Forward && audience.token.claims == Names::Any
            || request.requested_token == TokenType::RefreshToken && !self.possible.refresh_tokens
            || mints && audience.token.subject == SubjectRule::Mapped && request.provenance.is_foreign()
            || request.impersonate.is_some();
        if is_refused {
            return None;
        }
        let mut lines = BTreeSet::from([
            PermissionLine::Issuers,
            PermissionLine::SubjectTokens,
            PermissionLine::RequestedTokens,
            PermissionLine::ImpersonationSessions,
        ]);
        lines.extend((0..self.scopes.len()).map(PermissionLine::Scope));
        if issuance != audience.issuance {
            lines.insert(PermissionLine::Issuance(issuance));
        }
        if mints {
            lines.insert(PermissionLine::ExchangedTokens);
            lines.extend(self.party.map(|_| PermissionLine::SubjectClients));
        }
        if issuance.signs() {
            lines.extend([PermissionLine::Delegation, PermissionLine::Depth]);
            lines.extend(self.actor_issuer.map(|_| PermissionLine::ActorIssuers));
            lines.extend(self.actor.as_ref().map(|_| PermissionLine::WithoutMayAct));
        }
        Some(lines)
    }

    /// The audience with the permission that has these lines, unless `check` refuses the permission.
    pub(super) fn added(&self, audience: &Audience, lines: &BTreeSet<PermissionLine>) -> Audience {
        let new = Some(self.permission(audience, lines)).filter(is_accepted);
        let permissions = audience.permissions.iter().cloned().chain(new);
        Audience { permissions: permissions.collect(), ..audience.clone() }
    }

    /// The permission as `check` reads the lines.
    fn permission(&self, audience: &Audience, lines: &BTreeSet<PermissionLine>) -> Permission {
        let (request, has) = (self.request, |line: PermissionLine| lines.contains(&line));
        let type_of =
            |stated: bool, kind: TokenType| BTreeSet::from([if stated { kind } else { TokenType::AccessToken }]);
        let issuance = issuance(audience, lines);
        let issuers = match (has(PermissionLine::Issuers), issuance) {
            (true, _) => names([request.issuer]),
            // `check` refuses the permission without its issuers.
            (false, Issuance::Translate) => Names::default(),
            (false, _) => names([self.realm]),
        };
        Permission {
            clients: names([request.client]),
            issuers,
            subject_tokens: type_of(has(PermissionLine::SubjectTokens), request.subject_token),
            subject_clients: names(self.party.filter(|_| has(PermissionLine::SubjectClients))),
            exchanged: has(PermissionLine::ExchangedTokens),
            requested_tokens: type_of(has(PermissionLine::RequestedTokens), request.requested_token),
            scopes: names(self.scopes_of(lines)),
            default_scopes: BTreeSet::new(),
            issuance: Some(issuance),
            demands: Demands::default(),
            condition: None,
            delegation: has(PermissionLine::Delegation).then(|| Box::new(self.delegation(lines))),
            impersonation_sessions: has(PermissionLine::ImpersonationSessions),
            impersonation: None,
            lifetime: None,
            expires: None,
        }
    }

    fn delegation(&self, lines: &BTreeSet<PermissionLine>) -> Delegation {
        let has = |line: PermissionLine| lines.contains(&line);
        let actor = self.actor.as_ref().filter(|_| has(PermissionLine::WithoutMayAct));
        Delegation {
            actor: ActorRule::Optional,
            issuers: names([self.actor_issuer.filter(|_| has(PermissionLine::ActorIssuers)).unwrap_or(self.realm)]),
            condition: actor.map(|(expression, _)| expression.clone()),
            without_may_act: actor.is_some(),
            depth: if has(PermissionLine::Depth) { self.depth.max(1) } else { USUAL_DEPTH },
        }
    }

    /// The lines as the file has them.
    pub(super) fn text(&self, lines: &BTreeSet<PermissionLine>) -> Vec<String> {
        let request = self.request;
        let mut text = vec![format!("clients: [{}]", yaml(request.client))];
        for line in lines {
            let written = match line {
                PermissionLine::Issuance(issuance) => format!("issuance: {}", issuance.as_str()),
                PermissionLine::Issuers => format!("issuers: [{}]", yaml(request.issuer)),
                PermissionLine::SubjectTokens => format!("subjectTokens: [{}]", request.subject_token.name()),
                PermissionLine::SubjectClients => format!("subjectClients: [{}]", yaml(self.party.unwrap_or_default())),
                PermissionLine::ExchangedTokens => "exchangedTokens: true".to_owned(),
                PermissionLine::RequestedTokens => format!("requestedTokens: [{}]", request.requested_token.name()),
                PermissionLine::Scope(first) if Some(first) == first_scope(lines) => {
                    let scopes: Vec<_> = self.scopes_of(lines).map(yaml).collect();
                    format!("scopes: [{}]", scopes.join(", "))
                }
                PermissionLine::Scope(_) => continue,
                PermissionLine::ImpersonationSessions => "impersonationSessions: true".to_owned(),
                PermissionLine::Delegation if !lines.iter().any(|one| one.is_below(PermissionLine::Delegation)) => {
                    "delegation: {}".to_owned()
                }
                PermissionLine::Delegation => "delegation:".to_owned(),
                PermissionLine::ActorIssuers => format!("  issuers: [{}]", yaml(self.actor_issuer.unwrap_or_default())),
                PermissionLine::WithoutMayAct => {
                    let source = self.actor.as_ref().map(|(_, source)| source.as_str()).unwrap_or_default();
                    text.push(format!("  condition: {}", yaml(source)));
                    "  withoutMayAct: true".to_owned()
                }
                PermissionLine::Depth => format!("  depth: {}", self.depth),
            };
            text.push(written);
        }
        text
    }

    fn scopes_of(&self, lines: &BTreeSet<PermissionLine>) -> impl Iterator<Item = &'a str> {
        let places =
            lines.iter().filter_map(|line| if let PermissionLine::Scope(place) = line { Some(*place) } else { None });
        places.filter_map(|place| self.scopes.get(place).copied()).collect::<Vec<_>>().into_iter()
    }
}

/// Whether `check` accepts a permission: some keys need an issuance that can do what they say.
fn is_accepted(permission: &Permission) -> bool {
    let Some(issuance) = permission.issuance else { return false };
    let by_upstream = matches!(issuance, Issuance::Forward | Issuance::Reissue);
    let is_access_token = |kind: &TokenType| *kind == TokenType::AccessToken;
    let minted = permission.exchanged || permission.subject_clients != Names::default();
    (!by_upstream || permission.subject_tokens.iter().all(is_access_token))
        && (issuance == Issuance::Mint || !minted)
        && (issuance.signs() || permission.delegation.is_none())
}

fn first_scope(lines: &BTreeSet<PermissionLine>) -> Option<&usize> {
    lines.iter().find_map(|line| if let PermissionLine::Scope(place) = line { Some(place) } else { None })
}

fn issuance(audience: &Audience, lines: &BTreeSet<PermissionLine>) -> Issuance {
    let stated = lines.iter().find_map(|line| if let PermissionLine::Issuance(one) = line { Some(*one) } else { None });
    stated.unwrap_or(audience.issuance)
}

fn names<'n>(names: impl IntoIterator<Item = &'n str>) -> Names {
    Names::listed(names.into_iter().map(str::to_owned))
}

/// A text in CEL.
fn cel(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// A text in YAML: quoted, unless it can be nothing else than a text.
pub(super) fn yaml(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let means_more = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_text =
        starts && text.bytes().all(is_plain) && !means_more.iter().any(|word| text.eq_ignore_ascii_case(word));
    // `${` has a meaning in the files.
    if is_text { text.to_owned() } else { Value::String(text.replace("${", "$${")).to_string() }
}
