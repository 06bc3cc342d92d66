//! Delegation (RFC 8693 sections 1.1, 4.1 and 4.4): who acts for the subject (`act`), and who may (`may_act`).
//!
//! The subject token's statements bind, whatever the request looks like: its `act` goes on into the new token, below a new
//! actor, and its `may_act` must authorise every exchange of the token. `may_act` authorises nobody whom it does not name:
//! a `may_act` that is empty, can't be read or has a member that can't be compared authorises nobody.
//!
//! A party without `iss` belongs to the issuer of the token that names it. If the new token has another `iss` than the
//! subject token, Cambio writes the party's `iss`, so that the party stays the same.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::request::{Actor, ExchangeRequest};
use crate::judgement::policy::subject;
use crate::words::refusal::{Reason, Refusal};

/// The longest chain of actors that a permission can allow.
pub const MAX_DEPTH: usize = 8;

/// What the new token says about delegation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delegated {
    /// The `act`, with every actor so far.
    pub act: Option<Value>,
    /// The `may_act`: the subject token's.
    pub may_act: Option<Value>,
    /// The number of actors in `act`.
    pub depth: usize,
}

/// A subject: its issuer and its `sub`.
type Party<'a> = (&'a str, &'a str);

impl Delegated {
    /// What follows from the subject token and the actor token.
    ///
    /// # Errors
    /// [`Reason::MayActViolated`], [`Reason::SubjectTokenDelegated`] where `act` can't be read or another issuer names one of
    /// the realm's own in it,
    /// [`Reason::DelegationTooDeep`] beyond [`MAX_DEPTH`], and [`Reason::DelegationCycle`].
    pub fn of(request: &ExchangeRequest<'_>) -> Result<Self, Refusal> {
        let (earlier, may_act) = (request.claims.get("act"), request.claims.get("may_act"));
        if earlier.is_none() && may_act.is_none() && request.actor.is_none() {
            return Ok(Self::default());
        }
        let home = home(request);
        if let Some(may_act) = may_act {
            authorises(may_act, request, home).map_err(|text| {
                let detail = format!("the subject token's may_act, which its issuer writes: {text}");
                Refusal::new(Reason::MayActViolated, detail)
            })?;
        }
        let mut chain = earlier.map(|act| parties(act, home)).transpose()?.unwrap_or_default();
        // Once Cambio signs the token, the realm vouches for its actors.
        let foreign = request.provenance.is_foreign();
        if foreign && chain.iter().any(|(issuer, _)| *issuer == request.realm_issuer) {
            let detail = "act: another issuer says that one of the realm's own acted, which is not for it to say";
            return Err(Refusal::new(Reason::SubjectTokenDelegated, detail));
        }
        if let Some(actor) = &request.actor {
            chain.insert(0, (actor.iss, actor.subject));
        }
        if chain.len() > MAX_DEPTH {
            let detail = format!("the new token would have {} actors, of {MAX_DEPTH} at most", chain.len());
            return Err(Refusal::new(Reason::DelegationTooDeep, detail));
        }
        acyclic(&chain, request, home)?;
        // The new token has the realm's `iss`.
        let written = home.filter(|home| *home != request.realm_issuer);
        let earlier = earlier.map(|act| qualified(act, written));
        Ok(Self {
            act: match &request.actor {
                Some(actor) => Some(act(actor, earlier, request)),
                None => earlier,
            },
            may_act: may_act.map(|may_act| qualified(may_act, written)),
            depth: chain.len(),
        })
    }
}

/// The issuer of parties in the subject token that have no `iss`.
fn home<'a>(request: &ExchangeRequest<'a>) -> Option<&'a str> {
    if !request.provenance.is_foreign() {
        return Some(request.realm_issuer);
    }
    text(request.claims, "iss").ok().flatten()
}

/// Whether `may_act` lets this client, and this actor if one came, exchange the token (RFC 8693 section 4.4). If not,
/// why; without a value of it.
fn authorises(may_act: &Value, request: &ExchangeRequest<'_>, home: Option<&str>) -> Result<(), String> {
    let may_act = may_act.as_object().ok_or("it is no object, which authorises nobody")?;
    let member = |name: &str| text(may_act, name).map_err(|()| format!("{name} is no text"));
    let (client, subject, issuer) = (member("client_id")?, member("sub")?, member("iss")?);
    if client.is_none() && request.customs.needs_may_act {
        return Err("there is no client_id, which the dialect needs".to_owned());
    }
    if client.is_some_and(|client| client != request.client) {
        return Err("client_id is another client".to_owned());
    }
    let mut others = may_act.iter().filter(|(name, _)| !["client_id", "sub", "iss"].contains(&name.as_str()));
    let Some(actor) = &request.actor else {
        return match (client, others.next()) {
            (None, _) => Err("there is no client_id, so it authorises no exchange without actor".to_owned()),
            (Some(_), Some(_)) => Err("it has a member that only an actor token can meet".to_owned()),
            (Some(_), None) => Ok(()),
        };
    };
    match subject {
        None => return Err("there is no sub, so it authorises no actor".to_owned()),
        Some(subject) if subject != actor.subject => return Err("sub is another actor".to_owned()),
        Some(_) => {}
    }
    // Two issuers may have the same sub.
    if issuer.or(home) != Some(actor.iss) {
        return Err("the actor is of another issuer".to_owned());
    }
    if others.all(|(name, value)| actor.claims.get(name) == Some(value)) {
        Ok(())
    } else {
        Err("it has a member that is not so in the actor token".to_owned())
    }
}

/// Whether a value that an audience's file gives can be `may_act`: an object that names a client or a subject, and whose
/// `client_id`, `sub` and `iss` are texts, or an empty object, which authorises nobody. If not, why.
pub(super) fn check_may_act(value: &Value) -> Result<(), &'static str> {
    let members = value.as_object().ok_or("gives no map")?;
    let is_text = |name: &&str| text(members, name).is_ok_and(|text| text != Some(""));
    if !["client_id", "sub", "iss"].iter().all(is_text) {
        Err("client_id, sub or iss is no text or empty")
    } else if !members.is_empty() && !members.contains_key("client_id") && !members.contains_key("sub") {
        Err("gives neither client_id nor sub")
    } else {
        Ok(())
    }
}

/// The actors of an `act`, the latest first.
fn parties<'a>(act: &'a Value, home: Option<&'a str>) -> Result<Vec<Party<'a>>, Refusal> {
    let unreadable = |text: &str| Refusal::new(Reason::SubjectTokenDelegated, format!("act: {text}"));
    let mut parties = Vec::new();
    let mut next = Some(act);
    while let Some(act) = next {
        let act = act.as_object().ok_or_else(|| unreadable("an actor is no object"))?;
        let member = |name: &str| match text(act, name) {
            Ok(Some("")) | Err(()) => Err(unreadable("iss or sub of an actor is no text or empty")),
            Ok(member) => Ok(member),
        };
        let subject = member("sub")?.ok_or_else(|| unreadable("an actor has no sub"))?;
        let issuer = member("iss")?.or(home).ok_or_else(|| unreadable("an actor is of no issuer"))?;
        parties.push((issuer, subject));
        next = act.get("act");
    }
    Ok(parties)
}

/// Whether `subject` of `issuer` is among the actors of an `act` that Cambio wrote. An actor without `iss` counts as one of
/// that issuer.
pub(super) fn acts(act: &Value, issuer: &str, subject: &str) -> bool {
    std::iter::successors(Some(act), |act| act.get("act")).any(|act| {
        let member = |name: &str| act.get(name).and_then(Value::as_str);
        member("sub") == Some(subject) && member("iss").is_none_or(|iss| iss == issuer)
    })
}

/// Nobody acts twice, and no subject acts for itself: neither the subject token's subject nor an impersonated user.
fn acyclic(chain: &[Party<'_>], request: &ExchangeRequest<'_>, home: Option<&str>) -> Result<(), Refusal> {
    let refused = |text: &str| Err(Refusal::new(Reason::DelegationCycle, text));
    if chain.iter().collect::<BTreeSet<_>>().len() < chain.len() {
        return refused("an actor is in the chain twice");
    }
    let subject = home.map(|home| (home, request.subject));
    let becomes = request.impersonate.map(|one| (request.realm_issuer, one.subject));
    if subject.into_iter().chain(becomes).any(|subject| chain.contains(&subject)) || is_itself(request) {
        return refused("an actor is the subject");
    }
    Ok(())
}

/// Whether the actor is the foreign subject for whom Cambio minted the subject token, as far as the new `sub` tells.
fn is_itself(request: &ExchangeRequest<'_>) -> bool {
    let minted = request.provenance == Provenance::CambioForForeign;
    let Some(actor) = request.actor.filter(|actor| minted && actor.issuer == request.issuer) else {
        return false;
    };
    request.subject == actor.subject || request.subject == subject::qualified(actor.issuer, actor.tenant, actor.subject)
}

/// The new actor, with the earlier actors below (RFC 8693 section 4.1). An actor of the realm needs no `iss`: a party without
/// `iss` belongs to the issuer of the new token, which is the realm.
fn act(actor: &Actor<'_>, earlier: Option<Value>, request: &ExchangeRequest<'_>) -> Value {
    let is_plain = request.customs.plain_actors && actor.iss == request.realm_issuer;
    let mut act = Map::new();
    act.insert("sub".to_owned(), Value::from(actor.subject));
    if !is_plain {
        act.insert("iss".to_owned(), Value::from(actor.iss));
        act.extend(actor.client.map(|client| ("client_id".to_owned(), Value::from(client))));
    }
    if let Some(earlier) = earlier {
        act.insert("act".to_owned(), earlier);
    }
    Value::Object(act)
}

/// The party, with `iss` written into every party that has a `sub` and no `iss`.
fn qualified(party: &Value, issuer: Option<&str>) -> Value {
    let (Some(issuer), Some(members)) = (issuer, party.as_object()) else { return party.clone() };
    let mut members = members.clone();
    if members.contains_key("sub") && !members.contains_key("iss") {
        members.insert("iss".to_owned(), Value::from(issuer));
    }
    if let Some(earlier) = members.get_mut("act") {
        *earlier = qualified(earlier, Some(issuer));
    }
    Value::Object(members)
}

/// A member that is a text, if it is there.
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, ()> {
    members.get(name).map(|value| value.as_str().ok_or(())).transpose()
}

#[cfg(test)]
mod tests;
