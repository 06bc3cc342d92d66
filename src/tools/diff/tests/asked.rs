//! Requests of all kinds, as a comparison sees them and as `decide` does.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use crate::judgement::dialect::TokenCustoms;
use crate::judgement::policy::decide::{Decision, decide};
use crate::judgement::policy::model::{Audience, Permission};
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::request::{Actor, ExchangeRequest, Impersonated, WantedScope};
use crate::judgement::policy::samples::{ISSUER, now, object, policy, request};
use crate::judgement::policy::scopes::OFFLINE;
use crate::tools::diff::changes::Change;
use crate::tools::diff::request::{Part, PartValue};
use crate::tools::diff::right::{Gift, GiftTerms, ScopeToken};
use crate::words::oauth::names::Names;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;

/// What a client asks for, and with which tokens.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of a request")]
pub(super) struct Asked {
    client: &'static str,
    impersonates: bool,
    issuer: &'static str,
    exchanged: bool,
    subject_token: TokenType,
    requested_token: TokenType,
    /// The client that the subject token was issued to, if it is another.
    party: Option<&'static str>,
    session: bool,
    may_act: bool,
    asserted: bool,
    actor: Option<AskedActor>,
    earlier: usize,
    pub(super) scope: BTreeSet<&'static str>,
    held: BTreeSet<&'static str>,
    /// The conditions that hold.
    true_claims: BTreeSet<&'static str>,
}

/// The actor token.
#[derive(Clone, Debug)]
pub(super) struct AskedActor {
    issuer: &'static str,
    exchanged: bool,
    party: Option<&'static str>,
}

pub(super) const CLIENTS: [&str; 3] = ["a", "b", "unnamed"];
pub(super) const ISSUERS: [&str; 3] = ["corp", "partner", "unnamed"];
pub(super) const PARTIES: [&str; 3] = ["x", "y", "unnamed"];
pub(super) const SCOPES: [&str; 4] = ["s", "t", "unnamed", OFFLINE];
pub(super) const CLAIMS: [&str; 2] = ["p", "q"];
pub(super) const KINDS: [TokenType; 4] =
    [TokenType::AccessToken, TokenType::IdToken, TokenType::RefreshToken, TokenType::Jwt];

prop_compose! {
    fn some_actor()(
        issuer in select(&ISSUERS[..]),
        exchanged in any::<bool>(),
        party in select(vec![None, Some("x"), Some("y"), Some("unnamed")]),
    ) -> AskedActor {
        AskedActor { issuer, exchanged, party: party.filter(|_| issuer == "corp") }
    }
}

prop_compose! {
    pub(super) fn some_request()(
        (client, issuer) in (select(&CLIENTS[..]), select(&ISSUERS[..])),
        (impersonates, exchanged, session, may_act, asserted) in
            (prop::bool::weighted(0.2), any::<bool>(), prop::bool::weighted(0.2), any::<bool>(), any::<bool>()),
        (subject_token, requested_token) in (select(&KINDS[..]), select(&KINDS[..3])),
        party in select(vec![None, None, Some("x"), Some("y"), Some("unnamed")]),
        actor in prop_oneof![2 => Just(None), 1 => some_actor().prop_map(Some)],
        earlier in prop_oneof![2 => Just(0), 1 => 1..5_usize],
        (scope, held) in (subsequence(&SCOPES[..], 0..=2), subsequence(&SCOPES[..], 0..=4)),
        true_claims in subsequence(&CLAIMS[..], 0..=2),
    ) -> Asked {
        let own = issuer == "corp";
        let session = session && own && !exchanged;
        Asked {
            client, impersonates, issuer, exchanged, subject_token, requested_token, may_act, asserted, actor,
            party: party.filter(|_| own),
            session,
            earlier: if session { 1 } else { earlier },
            scope: scope.into_iter().collect(),
            held: held.into_iter().collect(),
            true_claims: true_claims.into_iter().collect(),
        }
    }
}

pub(super) fn today() -> Date {
    now().to_zoned_datetime(TimeZone::UTC).date()
}

fn provenance(issuer: &str, exchanged: bool) -> Provenance {
    match (issuer == "corp", exchanged) {
        (true, false) => Provenance::Realm,
        (true, true) => Provenance::CambioForRealm,
        (false, false) => Provenance::Foreign,
        (false, true) => Provenance::CambioForForeign,
    }
}

fn iss(issuer: &str) -> String {
    if issuer == "corp" { ISSUER.to_owned() } else { format!("https://{issuer}.example") }
}

impl Asked {
    fn claims(&self) -> Map<String, Value> {
        let scope = self.held.iter().copied().collect::<Vec<_>>().join(" ");
        // What Cambio signed is the realm's.
        let iss = if self.exchanged { ISSUER.to_owned() } else { iss(self.issuer) };
        let mut claims = object(json!({ "iss": iss, "sub": "user-1", "scope": scope, "azp": self.party }));
        for claim in CLAIMS {
            claims.insert(claim.to_owned(), json!(self.true_claims.contains(claim)));
        }
        if self.session {
            claims.insert("sid".to_owned(), json!("session"));
        }
        if self.may_act {
            let mut may_act = json!({ "client_id": self.client });
            if let Some(actor) = &self.actor {
                may_act["sub"] = json!("actor-1");
                may_act["iss"] = json!(self::iss(actor.issuer));
            }
            claims.insert("may_act".to_owned(), may_act);
        }
        let chain = (0..self.earlier).fold(None, |earlier, count| {
            let mut act = json!({ "sub": format!("earlier-{count}"), "iss": "https://earlier.example" });
            if let Some(earlier) = earlier {
                act["act"] = earlier;
            }
            Some(act)
        });
        claims.extend(chain.map(|act| ("act".to_owned(), act)));
        claims
    }

    /// What is decided, if it is allowed.
    pub(super) fn decided(&self, audience: &Audience, needs_may_act: bool) -> Option<Decision> {
        let (claims, names) = (self.claims(), ["api".to_owned()]);
        let actor_claims = object(json!({ "azp": self.actor.as_ref().and_then(|actor| actor.party) }));
        let person = object(json!({ "sub": "user-2" }));
        let actor_iss = self.actor.as_ref().map(|actor| iss(actor.issuer)).unwrap_or_default();
        let actor = self.actor.as_ref().map(|actor| Actor {
            issuer: actor.issuer,
            iss: &actor_iss,
            claims: &actor_claims,
            subject: "actor-1",
            tenant: None,
            client: None,
            held: actor.party.is_none(),
            provenance: provenance(actor.issuer, actor.exchanged),
            expires: now() + SignedDuration::from_secs(60),
        });
        let scope = Scope::parse(&self.scope.iter().copied().collect::<Vec<_>>().join(" ")).unwrap();
        let customs = TokenCustoms { needs_may_act: needs_may_act && !self.asserted, ..TokenCustoms::default() };
        let request = ExchangeRequest {
            client: self.client,
            issuer: self.issuer,
            provenance: provenance(self.issuer, self.exchanged),
            subject_token: self.subject_token,
            requested_token: self.requested_token,
            held: self.party.is_none(),
            scope: WantedScope::Exactly(&scope),
            actor,
            impersonate: self.impersonates.then_some(Impersonated {
                subject: "user-2",
                claims: &person,
                protected: false,
            }),
            customs,
            ..request(&names, &claims)
        };
        decide(&policy([audience.clone()]), "corp", &request, now()).ok()
    }

    /// The value of a part.
    fn value(&self, part: Part) -> PartValue<'static> {
        let flag = |yes| if yes { PartValue::Yes } else { PartValue::No };
        let name = |name: Option<&'static str>| name.map_or(PartValue::No, PartValue::Name);
        let actor = self.actor.as_ref();
        match part {
            Part::Client => PartValue::Name(self.client),
            Part::Impersonation => flag(self.impersonates),
            Part::Issuer => PartValue::Name(self.issuer),
            Part::ExchangedToken => flag(self.exchanged),
            Part::SubjectToken => PartValue::Token(self.subject_token),
            Part::RequestedToken => PartValue::Token(self.requested_token),
            Part::Holder => name(self.party),
            Part::Session => flag(self.session),
            Part::MayAct if self.may_act => PartValue::Yes,
            Part::MayAct if self.asserted => PartValue::Asserted,
            Part::MayAct => PartValue::No,
            Part::Actor => name(actor.map(|actor| actor.issuer)),
            Part::ExchangedActor => flag(actor.is_some_and(|actor| actor.exchanged)),
            Part::ActorHolder => name(actor.and_then(|actor| actor.party)),
            Part::EarlierActors => PartValue::Count(self.earlier),
        }
    }

    /// Whether a change is about the request.
    pub(super) fn is_of(&self, change: &Change<'_>) -> bool {
        Part::ALL.into_iter().zip(&change.requests).all(|(part, class)| class.contains(self.value(part)))
    }

    /// What the request needs.
    pub(super) fn needs(&self, named: &BTreeSet<&str>) -> Vec<Gift<'static>> {
        let has_scope = self.issuer == "corp" || self.exchanged;
        let scope = |name: &&'static str| {
            let token = if named.contains(name) { ScopeToken::Name(name) } else { ScopeToken::Other };
            let held = has_scope && self.subject_token != TokenType::IdToken && self.held.contains(name);
            if held { Gift::HeldScope(token) } else { Gift::Scope(token) }
        };
        std::iter::once(Gift::Exchange).chain(self.scope.iter().map(scope)).collect()
    }

    /// Whether something is given to this request now.
    pub(super) fn is_given(&self, terms: &[GiftTerms<'_>]) -> bool {
        let holds = |source: &&str| self.true_claims.iter().any(|claim| *source == format!("claims.{claim}"));
        terms
            .iter()
            .any(|terms| terms.conditions.iter().all(holds) && terms.until.is_none_or(|last_day| today() <= last_day))
    }
}

/// A request that some permission is likely to cover.
pub(super) fn close_to(asked: &Asked, permission: &Permission, keep: u16) -> Asked {
    let keeps = |bit: u16| keep & (1 << bit) != 0;
    let first = |names: &Names, known: &[&'static str], other: &'static str| {
        known.iter().find(|name| names.contains(name)).copied().unwrap_or(other)
    };
    let mut close = asked.clone();
    if !keeps(0) {
        close.client = first(&permission.clients, &CLIENTS, asked.client);
    }
    if !keeps(1) {
        let takes = |issuer: &&&'static str| {
            permission.issuers.contains(issuer) && permission.issuance.unwrap().takes(**issuer == "corp")
        };
        close.issuer = ISSUERS.iter().find(takes).copied().unwrap_or(asked.issuer);
    }
    if !keeps(2) {
        close.subject_token = *permission.subject_tokens.first().unwrap();
    }
    if !keeps(3) {
        close.requested_token = *permission.requested_tokens.first().unwrap();
    }
    if !keeps(4) {
        close.impersonates = permission.impersonation.is_some();
    }
    if !keeps(5) {
        (close.exchanged, close.session) = (false, false);
    }
    let own = close.issuer == "corp";
    close.party = close.party.filter(|_| own && keeps(6));
    close.session &= own && !close.exchanged;
    if !keeps(7) && !close.session {
        close.earlier = 0;
    }
    if !keeps(8) {
        close.actor = close.actor.filter(|_| permission.delegation.is_some());
        close.may_act = true;
    }
    if !keeps(9) {
        close.scope = permission
            .scopes
            .written()
            .filter_map(|name| SCOPES.iter().find(|one| **one == name))
            .take(1)
            .copied()
            .collect();
    }
    if close.session {
        close.earlier = 1;
    }
    close
}
