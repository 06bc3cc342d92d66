//! What changes in `cambio.yaml`, setting by setting: a fact for each, with a direction where one is known.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::facts::{Direction, Fact, FactList};
use super::versions::Versions;
use crate::adapters::config::load::review::{Setting, SettingPath};

/// How the values of a setting compare.
#[derive(Clone, Copy)]
enum Order {
    /// Each further member of the list gives more (`Wider`) or less.
    List(Direction),
    /// The later a value stands here, the more it gives.
    Steps(&'static [&'static str]),
    /// A greater number gives more.
    Number,
    /// A later day gives more than an earlier one, and that gives more than none.
    LastDay,
}

const WIDER: Order = Order::List(Direction::Wider);
const NARROWER: Order = Order::List(Direction::Narrower);
const DOOR: Order = Order::Steps(&["closed", "judged", "open"]);

/// The settings whose values compare. `*` stands for a name.
const ORDERS: [(&[&str], Order); 38] = [
    (&["observeUntil"], Order::LastDay),
    (&["realms", "*", "observeUntil"], Order::LastDay),
    (&["realms", "*", "subjectIssuers"], WIDER),
    (&["realms", "*", "algorithms"], WIDER),
    (&["realms", "*", "leeway"], Order::Number),
    (&["realms", "*", "claimValidationRules"], NARROWER),
    (&["realms", "*", "adminRoles"], NARROWER),
    (&["realms", "*", "identityClaims"], WIDER),
    (&["realms", "*", "publicOrigins"], WIDER),
    (&["realms", "*", "pairwiseSubjects"], Order::Steps(&["refuse", "accept"])),
    (&["realms", "*", "unboundIdTokens"], Order::Steps(&["refuse", "accept"])),
    (&["realms", "*", "unknownParameters"], Order::Steps(&["refuse", "forward"])),
    (&["realms", "*", "clientAuthentication", "unregistered"], Order::Steps(&["refuse", "upstream"])),
    (&["realms", "*", "clientAuthentication", "cacheFor"], Order::Number),
    (&["realms", "*", "webOrigins", "*"], WIDER),
    (&["realms", "*", "dpop", "algorithms"], WIDER),
    (&["realms", "*", "dpop", "window"], Order::Number),
    (&["realms", "*", "dpop", "nonce"], Order::Steps(&["required", "off"])),
    (&["realms", "*", "refreshTokens", "reuse"], Order::Number),
    (&["realms", "*", "refreshTokens", "keepSessions"], Order::Steps(&["false", "true"])),
    (&["realms", "*", "directory", "cacheFor"], Order::Number),
    (&["realms", "*", "directory", "sessionCacheFor"], Order::Number),
    (&["realms", "*", "jwks", "maxStale"], Order::Number),
    (&["realms", "*", "doors", "*"], DOOR),
    (&["issuers", "*", "issuer", "audiences"], WIDER),
    (&["issuers", "*", "issuer", "tenants"], WIDER),
    (&["issuers", "*", "algorithms"], WIDER),
    (&["issuers", "*", "leeway"], Order::Number),
    (&["issuers", "*", "claimValidationRules"], NARROWER),
    (&["issuers", "*", "accessTokens", "mayHave"], WIDER),
    (&["issuers", "*", "introspection", "mayLack"], WIDER),
    (&["issuers", "*", "introspection", "cacheFor"], Order::Number),
    (&["issuers", "*", "jwks", "maxStale"], Order::Number),
    (&["listen", "trustedProxies"], WIDER),
    (&["listen", "identityHeaders"], NARROWER),
    (&["listen", "maxTokenBytes"], Order::Number),
    (&["listen", "maxFormBytes"], Order::Number),
    (&["upstream", "certificateForOwnCallsOnly"], Order::Steps(&["true", "false"])),
];

/// The sections whose entries are facts as a whole when they are new or gone.
const SECTIONS: [&str; 2] = ["realms", "issuers"];

type Settings = BTreeMap<SettingPath, Setting>;

/// A fact of `cambio.yaml` with the lines of the setting.
pub(super) struct SettingFact {
    pub(super) fact: Fact,
    /// The lines; 0 for defaults. `None`: the setting is not there.
    pub(super) lines: Versions<Option<u64>>,
}

/// What changes in `cambio.yaml`.
pub(super) fn facts(settings: Versions<&Settings>) -> Vec<SettingFact> {
    let [realms, issuers] = SECTIONS;
    let mut facts = entries(settings, realms, "the realm", Direction::NotComparable);
    facts.extend(entries(settings, issuers, "the issuer", Direction::Wider));
    let known = SECTIONS.map(|section| settings.map(|settings| names(settings, section)));
    let is_of_entry = |path: &SettingPath| {
        let (Some(section), Some(name)) = (path.first(), path.get(1)) else { return false };
        let names = SECTIONS.iter().zip(&known).find(|(known, _)| *known == section).map(|(_, names)| names);
        names.is_some_and(|names| names.old.contains(name.as_str()) != names.new.contains(name.as_str()))
    };
    let paths: BTreeSet<&SettingPath> = settings.old.keys().chain(settings.new.keys()).collect();
    for path in paths {
        let said = settings.map(|settings| settings.get(path));
        let changed = said.old.map(|one| &one.meaning) != said.new.map(|one| &one.meaning);
        // A realm or an issuer that only one of the files has is one fact.
        if !changed || is_of_entry(path) {
            continue;
        }
        let lines = said.map(|setting| setting.map(|setting| setting.line));
        let of_setting = compare(path, said).into_iter();
        facts.extend(of_setting.map(|fact| SettingFact { fact, lines }));
    }
    facts
}

/// Realms or issuers that are new or gone, each a fact.
fn entries(settings: Versions<&Settings>, section: &str, what: &str, added: Direction) -> Vec<SettingFact> {
    let all = settings.map(|settings| names(settings, section));
    let fact = |name: &str, settings: &Settings, is_new: bool| {
        let of_entry = settings.iter().filter(|(path, _)| is_below(path, section, name));
        let issuer = of_entry.clone().find(|(path, _)| {
            let rest: Vec<_> = path.iter().skip(2).map(String::as_str).collect();
            rest == ["issuer"] || rest == ["issuer", "url"]
        });
        let said = Some(issuer.map_or_else(|| json!(name), |(_, setting)| setting.shown.clone()));
        let line = of_entry.map(|(_, setting)| setting.line).filter(|line| *line > 0).min();
        let (key, what) = (format!("{section}.{name}"), format!("{what} {name}"));
        let (said, lines, direction) = if is_new {
            (Versions { old: None, new: said }, Versions { old: None, new: line }, added)
        } else {
            (Versions { old: said, new: None }, Versions { old: line, new: None }, added.opposite())
        };
        SettingFact { fact: Fact { key, what, said, direction }, lines }
    };
    let new = (&all.new - &all.old).into_iter().map(|name| fact(name, settings.new, true));
    let old = (&all.old - &all.new).into_iter().map(|name| fact(name, settings.old, false));
    new.chain(old).collect()
}

fn names<'s>(settings: &'s Settings, section: &str) -> BTreeSet<&'s str> {
    let named = settings.keys().filter(|path| path.first().is_some_and(|first| first == section));
    named.filter_map(|path| path.get(1)).map(String::as_str).collect()
}

fn is_below(path: &SettingPath, section: &str, name: &str) -> bool {
    path.first().is_some_and(|first| first == section) && path.get(1).is_some_and(|second| second == name)
}

/// The facts of a setting that changed.
fn compare(path: &SettingPath, said: Versions<Option<&Setting>>) -> Vec<Fact> {
    let key = path.join(".");
    let order = ORDERS.iter().find(|(pattern, _)| fits(pattern, path)).map(|(_, order)| *order);
    // Without a list, another rule holds than with an empty one.
    let is_whole =
        fits(&["realms", "*", "webOrigins", "*"], path) || fits(&["issuers", "*", "issuer", "tenants"], path);
    let are_lists = !is_whole || said.old.is_some() && said.new.is_some();
    if let Some(Order::List(direction)) = order.filter(|_| are_lists) {
        return members(&key, said, direction);
    }
    let meanings = said.map(|setting| setting.map(|setting| &setting.meaning));
    let rank = |value: &Value| match order {
        Some(Order::Steps(steps)) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            steps.iter().position(|step| *step == text).and_then(|place| f64::from(u32::try_from(place).ok()?).into())
        }
        Some(Order::Number) => value.as_f64(),
        _ => None,
    };
    let ordering = if matches!(order, Some(Order::LastDay)) {
        // The text of a day sorts like the day.
        let days = meanings.map(|meaning| meaning.and_then(Value::as_str));
        Some(days.old.cmp(&days.new))
    } else {
        let ranks = meanings.old.zip(meanings.new).and_then(|(old, new)| rank(old).zip(rank(new)));
        ranks.and_then(|(old, new)| old.partial_cmp(&new))
    };
    let direction = match ordering {
        Some(std::cmp::Ordering::Less) => Direction::Wider,
        Some(std::cmp::Ordering::Greater) => Direction::Narrower,
        _ => Direction::NotComparable,
    };
    let shown = said.map(|setting| setting.map(|setting| setting.shown.clone()));
    let mut list = FactList::default();
    list.push(&key, key.clone(), shown, direction);
    list.0
}

/// The members that a list gains and loses.
fn members(key: &str, said: Versions<Option<&Setting>>, added: Direction) -> Vec<Fact> {
    let lists = said.map(|setting| setting.map(Member::all).unwrap_or_default());
    let missing = |from: &[Member], list: &[Member]| -> Vec<Value> {
        let new = list.iter().filter(|one| !from.iter().any(|known| known.meaning == one.meaning));
        new.map(|one| one.shown.clone()).collect()
    };
    let (gained, lost) = (missing(&lists.old, &lists.new), missing(&lists.new, &lists.old));
    let mut facts = FactList::default();
    let are_expressions = lists.old.iter().chain(&lists.new).any(|one| one.is_expression);
    if are_expressions && !gained.is_empty() && !lost.is_empty() {
        // One expression in place of another.
        let said = Versions { old: Some(json!(lost)), new: Some(json!(gained)) };
        facts.push(key, key.to_owned(), said, Direction::NotComparable);
        return facts.0;
    }
    for member in gained {
        facts.push(key, key.to_owned(), Versions { old: None, new: Some(member) }, added);
    }
    for member in lost {
        facts.push(key, key.to_owned(), Versions { old: Some(member), new: None }, added.opposite());
    }
    facts.0
}

/// A member of a list. The message of a rule decides nothing.
struct Member {
    meaning: Value,
    shown: Value,
    is_expression: bool,
}

impl Member {
    fn all(setting: &Setting) -> Vec<Self> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let meant = |value: &Value| value.get("expression").unwrap_or(value).clone();
        let pairs = list(&setting.meaning).into_iter().zip(list(&setting.shown));
        let member = |(meaning, shown): (Value, Value)| {
            let is_expression = meaning.get("expression").is_some();
            Self { meaning: meant(&meaning), shown: meant(&shown), is_expression }
        };
        pairs.map(member).collect()
    }
}

fn fits(pattern: &[&str], path: &SettingPath) -> bool {
    pattern.len() == path.len() && pattern.iter().zip(path).all(|(part, name)| *part == "*" || part == name)
}
