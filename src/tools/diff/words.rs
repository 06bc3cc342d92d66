//! What changes, in words: one line for each class of requests and for each fact.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::changes::Change;
use super::delta::Delta;
use super::facts::{Direction, Fact};
use super::request::{Class, NameClass, Part, PartValue};
use super::right::{Gift, GiftTerms, ScopeToken};
use super::versions::Versions;
use crate::words::oauth::urn::TokenType;

/// The sign at the beginning of a line.
pub(super) fn sign(direction: Direction) -> char {
    match direction {
        Direction::Wider => '+',
        Direction::Narrower => '-',
        Direction::Mixed => '~',
        Direction::NotComparable => '?',
    }
}

/// A fact.
pub(super) fn fact(fact: &Fact) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let end = if fact.direction == Direction::NotComparable { ": can't be compared" } else { "" };
    match (&fact.said.old, &fact.said.new) {
        // A switch.
        (Some(Value::Bool(_)), Some(Value::Bool(_))) if !fact.what.contains('.') => fact.what.clone(),
        (Some(old), Some(new)) => format!("{}: {} → {}{end}", fact.what, text(old), text(new)),
        // What it is says all.
        (None, Some(value)) | (Some(value), None) if fact.what.contains(&text(value)) => format!("{}{end}", fact.what),
        (None, Some(value)) | (Some(value), None) => format!("{}: {}{end}", fact.what, text(value)),
        (None, None) => format!("{}{end}", fact.what),
    }
}

/// Clients for whom the order of permissions may count.
pub(super) fn undecided(clients: &Class<'_>) -> String {
    format!(
        "{}: conditions look at the granted scope, and the permissions are listed in another way: which scope a request \
         without scope gets can't be compared",
        of_clients(clients)
    )
}

/// A change of what clients may do.
pub(super) fn change(change: &Change<'_>, direction: Direction) -> String {
    let may = match change.delta.get(&Gift::Exchange) {
        Some(pair) if pair.old.is_empty() => " may exchange",
        Some(pair) if pair.new.is_empty() => " may no longer exchange",
        _ => " exchanges",
    };
    let plural = class(change, Part::Client).is_some_and(|clients| clients.names.is_several());
    let may = if may == " exchanges" && plural { " exchange" } else { may };
    let clients = class(change, Part::Client).map(of_clients).unwrap_or_default();
    let mut text = format!("{clients}{may} {}", requests(change));
    let details = delta(&change.delta);
    if !details.is_empty() {
        let _ = write!(text, ": {details}");
    }
    if direction == Direction::NotComparable {
        text.push_str(": can't be compared");
    }
    text
}

fn class<'c, 'a>(change: &'c Change<'a>, part: Part) -> Option<&'c Class<'a>> {
    Part::ALL.iter().position(|one| *one == part).and_then(|place| change.requests.get(place))
}

fn of_clients(clients: &Class<'_>) -> String {
    match &clients.names {
        NameClass::Only(names) if names.len() == 1 => format!("client {}", joined(names)),
        NameClass::Only(names) => format!("clients {}", joined(names)),
        NameClass::Except(names) if names.is_empty() => "every client".to_owned(),
        NameClass::Except(names) => format!("every client but {}", joined(names)),
    }
}

/// Which requests: ordinary values go without saying.
fn requests(change: &Change<'_>) -> String {
    let get = |part| class(change, part);
    let tokens = |part| get(part).map(token_types).unwrap_or_default();
    let issuers = get(Part::Issuer).map(|class| names(&class.names, "every issuer")).unwrap_or_default();
    let mut text = format!("{} of {issuers}", plural(&tokens(Part::SubjectToken)));
    let wanted = tokens(Part::RequestedToken);
    if wanted != ["access token"] {
        let _ = write!(text, " for {}", plural(&wanted));
    }
    let phrases = [
        get(Part::Impersonation).map(|class| yes_or_no(class, "", " to become another user")),
        get(Part::ExchangedToken).map(|class| {
            yes_or_no(
                class,
                ", also those that Cambio signed for other audiences",
                ", if Cambio signed them for other audiences",
            )
        }),
        get(Part::Holder).map(|class| holder(class, "those issued to", "issued to")),
        get(Part::Session)
            .map(|class| yes_or_no(class, ", also in impersonation sessions", ", in impersonation sessions")),
        get(Part::MayAct).map(|class| may_act(class, get(Part::Actor))),
        get(Part::Actor).map(actor),
        get(Part::ExchangedActor).map(|class| {
            yes_or_no(
                class,
                ", also one that Cambio signed for other audiences",
                " that Cambio signed for other audiences",
            )
        }),
        get(Part::ActorHolder).map(|class| holder(class, "one issued to", "issued to")),
        get(Part::EarlierActors).map(|class| earlier(class, get(Part::Session))),
    ];
    phrases.into_iter().flatten().for_each(|phrase| text.push_str(&phrase));
    text
}

fn token_types(class: &Class<'_>) -> Vec<&'static str> {
    let name = |value: &PartValue<'_>| match value {
        PartValue::Token(TokenType::AccessToken) => "access token",
        PartValue::Token(TokenType::IdToken) => "ID token",
        PartValue::Token(TokenType::RefreshToken) => "refresh token",
        PartValue::Token(TokenType::Jwt) => "JWT",
        PartValue::Token(TokenType::IdJag) => "ID-JAG",
        PartValue::Token(kind) => kind.name(),
        _ => "",
    };
    class.plain.iter().map(name).collect()
}

fn plural(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name}s")).collect::<Vec<_>>().join(" and ")
}

/// `both` if the class has both values, `yes` if it has the extraordinary one only.
fn yes_or_no(class: &Class<'_>, both: &str, yes: &str) -> String {
    let has = |value| class.contains(value);
    let phrase = match (has(PartValue::No), has(PartValue::Yes)) {
        (true, true) => both,
        (false, true) => yes,
        _ => "",
    };
    phrase.to_owned()
}

/// `also` if the client's own tokens are meant, too.
fn holder(class: &Class<'_>, also: &str, only: &str) -> String {
    if class.names.is_empty() {
        return String::new();
    }
    let clients = names(&class.names, "any other client");
    if class.contains(PartValue::No) { format!(", also {also} {clients}") } else { format!(", {only} {clients}") }
}

/// An actor token needs `may_act`, as a rule; without an actor token, `may_act` is no matter, as a rule.
fn may_act(class: &Class<'_>, actor: Option<&Class<'_>>) -> String {
    let has = |value| class.contains(value);
    let acts = actor.is_some_and(|actor| !actor.contains(PartValue::No));
    let phrase = match (has(PartValue::No), has(PartValue::Asserted), has(PartValue::Yes)) {
        (true, _, true) if acts => ", with or without may_act",
        (true, _, false) => ", without may_act",
        (false, true, true) => ", as assertions or with may_act",
        (false, true, false) => ", as assertions",
        (false, false, true) if !acts => ", with may_act",
        _ => "",
    };
    phrase.to_owned()
}

fn actor(class: &Class<'_>) -> String {
    if class.names.is_empty() {
        return String::new();
    }
    let issuers = names(&class.names, "every issuer");
    if class.contains(PartValue::No) {
        format!(", with or without an actor token of {issuers}")
    } else {
        format!(", with an actor token of {issuers}")
    }
}

fn earlier(class: &Class<'_>, session: Option<&Class<'_>>) -> String {
    // The one actor of such a session is the impersonator.
    if class.is_ordinary() || session.is_some_and(|session| session.contains(PartValue::Yes)) {
        return String::new();
    }
    let count = |value: &PartValue<'_>| match value {
        PartValue::Count(count) => Some(*count),
        _ => None,
    };
    let counts: Vec<_> = class.plain.iter().filter_map(count).collect();
    let (least, most) = (counts.first().copied().unwrap_or_default(), counts.last().copied().unwrap_or_default());
    let actors = |count: usize| if count == 1 { "earlier actor" } else { "earlier actors" };
    match (least, most) {
        (0, most) => format!(", with up to {most} {}", actors(most)),
        (least, most) if least == most => format!(", with {most} {}", actors(most)),
        (least, most) => format!(", with {least} to {most} earlier actors"),
    }
}

fn names(class: &NameClass<'_>, every: &str) -> String {
    match class {
        NameClass::Only(names) => joined(names),
        NameClass::Except(names) if names.is_empty() => every.to_owned(),
        NameClass::Except(names) => format!("{every} but {}", joined(names)),
    }
}

fn joined(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

/// A gift with its terms.
type GiftChange<'d, 'a> = (&'d Gift<'a>, &'d Versions<Vec<GiftTerms<'a>>>);

/// The gifts that change: those with equal terms together.
fn delta(delta: &Delta<'_>) -> String {
    let mut groups: Vec<(Versions<Vec<String>>, Vec<GiftChange<'_, '_>>)> = Vec::new();
    for (gift, pair) in delta {
        let terms = pair.as_ref().map(|terms| phrases(terms));
        match groups.iter_mut().find(|(known, _)| *known == terms) {
            Some((_, gifts)) => gifts.push((gift, pair)),
            None => groups.push((terms, vec![(gift, pair)])),
        }
    }
    let texts: Vec<_> =
        groups.iter().map(|(terms, gifts)| group(terms, gifts)).filter(|text| !text.is_empty()).collect();
    texts.join("; ")
}

/// The terms of a gift in words, each once.
fn phrases(terms: &[GiftTerms<'_>]) -> Vec<String> {
    let all: BTreeSet<String> = terms.iter().map(phrase).collect();
    all.into_iter().collect()
}

fn phrase(terms: &GiftTerms<'_>) -> String {
    let conditions: Vec<_> = terms.conditions.iter().copied().collect();
    let condition = (!conditions.is_empty()).then(|| format!("if {}", conditions.join(" and ")));
    let until = terms.until.map(|day| format!("until {day}"));
    let (once, active) =
        (terms.one_time.then(|| "with oneTime".to_owned()), terms.still_active.then(|| "with stillActive".to_owned()));
    [once, active, until, condition].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn group(terms: &Versions<Vec<String>>, gifts: &[GiftChange<'_, '_>]) -> String {
    let is_new = terms.old.is_empty();
    let what = gifts_in_words(gifts);
    let list = |phrases: &[String]| {
        let shown = |phrase: &String| if phrase.is_empty() { "always".to_owned() } else { phrase.clone() };
        phrases.iter().map(shown).collect::<Vec<_>>().join(" or ")
    };
    if terms.old == terms.new {
        // Only lifetimes.
        return what;
    }
    if !is_new && !terms.new.is_empty() {
        let what = if what.is_empty() { String::new() } else { format!("{what}: ") };
        return format!("{what}{} → {}", list(&terms.old), list(&terms.new));
    }
    let (side, not) = if is_new { (&terms.new, "") } else { (&terms.old, "no longer ") };
    let whole = gifts.iter().any(|(gift, _)| **gift == Gift::Exchange);
    let terms = if side.as_slice() == [String::new()] { String::new() } else { list(side) };
    let separator = if what.is_empty() || terms.is_empty() { "" } else { ", " };
    format!("{}{what}{separator}{terms}", if whole { "" } else { not })
}

fn gifts_in_words(gifts: &[GiftChange<'_, '_>]) -> String {
    let has = |gift: &Gift<'_>| gifts.iter().any(|(one, _)| *one == gift);
    let (mut scopes, mut held, mut defaults, mut issuances) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut parts, mut last) = (Vec::new(), Vec::new());
    for (gift, pair) in gifts {
        match gift {
            Gift::Exchange => {}
            Gift::Scope(token) => scopes.push(scope(*token)),
            Gift::HeldScope(token) if has(&Gift::Scope(*token)) => {}
            Gift::HeldScope(token) => held.push(scope(*token)),
            Gift::DefaultScope(name) => defaults.push((*name).to_owned()),
            Gift::Issuance(issuance) => issuances.push(issuance.as_str().to_owned()),
            Gift::Lifetime => last.push(lifetime(pair)),
            Gift::IdTokenBeside => last.push("an ID token beside".to_owned()),
        }
    }
    let mut listed = |what: &str, names: &[String]| {
        if !names.is_empty() {
            parts.push(format!("{what} [{}]", names.join(", ")));
        }
    };
    // What is wholly new, or gone, has every scope token that is not left out.
    let whole = has(&Gift::Exchange);
    if whole && has(&Gift::Scope(ScopeToken::Other)) {
        scopes = vec!["every".to_owned()];
    }
    if whole && has(&Gift::HeldScope(ScopeToken::Other)) {
        held.clear();
        last.insert(0, "every scope of the subject token".to_owned());
    }
    listed("scopes", &scopes);
    listed("of the subject token's scopes", &held);
    listed("default scopes", &defaults);
    listed("issuance", &issuances);
    parts.extend(last);
    parts.join(", ")
}

fn scope(token: ScopeToken<'_>) -> String {
    match token {
        ScopeToken::Name(name) => name.to_owned(),
        ScopeToken::Other => "every other".to_owned(),
    }
}

fn lifetime(pair: &Versions<Vec<GiftTerms<'_>>>) -> String {
    let times = pair.as_ref().map(|terms| {
        let longest = terms.iter().map(|terms| terms.lifetime).max();
        longest.map(|lifetime| format!("{lifetime:#}"))
    });
    match (times.old, times.new) {
        (Some(old), Some(new)) if old != new => format!("lifetime {old} → {new}"),
        (_, Some(time)) | (Some(time), None) => format!("lifetime {time}"),
        (None, None) => String::new(),
    }
}
