//! What changes, as JSON. Its shape is documented in docs/diff.md.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::changes::Change;
use super::facts::{Direction, Fact};
use super::request::{Class, NameClass, Part, PartValue};
use super::right::{Gift, GiftTerms, ScopeToken};
use super::versions::Versions;

/// A change of what clients may do. `from`: the permissions that it comes from.
pub(super) fn change(change: &Change<'_>, direction: Direction, from: &[Value]) -> Value {
    let requests: Map<String, Value> = Part::ALL
        .into_iter()
        .zip(&change.requests)
        .map(|(part, class)| (name(part).to_owned(), values(part, class)))
        .collect();
    let gifts: Vec<Value> = change.delta.iter().map(|(one, pair)| gift(*one, pair)).collect();
    json!({ "direction": direction.as_str(), "requests": requests, "changes": gifts, "from": from })
}

/// Clients, for instance those for whom the order of permissions may count.
pub(super) fn clients(class: &Class<'_>) -> Value {
    values(Part::Client, class)
}

/// A fact with the places where it is said.
pub(super) fn fact(fact: &Fact, lines: Versions<Option<u64>>) -> Value {
    json!({
        "direction": fact.direction.as_str(),
        "key": fact.key,
        "what": fact.what,
        "old": fact.said.old,
        "new": fact.said.new,
        "oldLine": lines.old,
        "newLine": lines.new,
    })
}

fn name(part: Part) -> &'static str {
    match part {
        Part::Client => "clients",
        Part::Impersonation => "impersonation",
        Part::Issuer => "issuers",
        Part::ExchangedToken => "exchangedTokens",
        Part::SubjectToken => "subjectTokens",
        Part::RequestedToken => "requestedTokens",
        Part::Holder => "subjectClients",
        Part::Session => "impersonationSessions",
        Part::MayAct => "mayAct",
        Part::Actor => "actors",
        Part::ExchangedActor => "exchangedActorTokens",
        Part::ActorHolder => "actorClients",
        Part::EarlierActors => "earlierActors",
    }
}

fn values(part: Part, class: &Class<'_>) -> Value {
    let plain: BTreeSet<_> = class.plain.iter().collect();
    match part {
        Part::Client | Part::Issuer => names(&class.names),
        Part::Holder | Part::Actor | Part::ActorHolder => {
            let mut all = names(&class.names);
            let key = if part == Part::Actor { "none" } else { "own" };
            all[key] = json!(class.contains(PartValue::No));
            all
        }
        _ => plain.into_iter().map(|value| plain_value(*value)).collect(),
    }
}

fn plain_value(value: PartValue<'_>) -> Value {
    match value {
        PartValue::No => json!(false),
        PartValue::Yes => json!(true),
        PartValue::Asserted => json!("assertion"),
        PartValue::Token(kind) => json!(kind.name()),
        PartValue::Count(count) => json!(count),
        PartValue::Name(name) => json!(name),
        PartValue::Other => Value::Null,
    }
}

fn names(class: &NameClass<'_>) -> Value {
    match class {
        NameClass::Only(names) => json!({ "only": names }),
        NameClass::Except(names) => json!({ "except": names }),
    }
}

fn gift(gift: Gift<'_>, pair: &Versions<Vec<GiftTerms<'_>>>) -> Value {
    let (what, name) = match gift {
        Gift::Exchange => ("exchange", None),
        Gift::Scope(token) => ("scope", scope(token)),
        Gift::HeldScope(token) => ("scopeOfSubjectToken", scope(token)),
        Gift::DefaultScope(name) => ("defaultScope", Some(name)),
        Gift::Issuance(issuance) => ("issuance", Some(issuance.as_str())),
        Gift::Lifetime => ("lifetime", None),
        Gift::IdTokenBeside => ("idTokenBeside", None),
    };
    let said = pair.as_ref().map(|all| all.iter().map(|terms| self::terms(gift, terms)).collect::<Vec<_>>());
    json!({ "what": what, "name": name, "old": said.old, "new": said.new })
}

/// `null` for every scope token that neither file names.
fn scope(token: ScopeToken<'_>) -> Option<&str> {
    match token {
        ScopeToken::Name(name) => Some(name),
        ScopeToken::Other => None,
    }
}

fn terms(gift: Gift<'_>, terms: &GiftTerms<'_>) -> Value {
    let mut shown = json!({
        "conditions": terms.conditions,
        "until": terms.until.map(|day| day.to_string()),
        "oneTime": terms.one_time,
        "stillActive": terms.still_active,
    });
    if gift == Gift::Lifetime {
        shown["seconds"] = json!(terms.lifetime.as_secs());
    }
    shown
}
