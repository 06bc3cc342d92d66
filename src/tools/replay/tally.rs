//! Groups of equal changes, with how often and when.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::bounds::Replayed;
use super::recorded::FilesDecision;
use crate::adapters::config::problem::printable;
use crate::tools::explain::AuditLine;

/// Most groups of each kind. An attacker's requests must not fill the memory.
const MOST_GROUPS: usize = 100_000;

/// What was counted.
#[derive(Default)]
pub(super) struct Tally {
    changed: BTreeMap<Group, Span>,
    unknown: BTreeMap<Group, Span>,
    same: u64,
    skipped: BTreeMap<String, u64>,
}

/// Requests with one change.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    realm: String,
    client: String,
    audience: String,
    resource: String,
    scope: String,
    before: String,
    /// What is decided now, or what that depends on.
    after: String,
    sign: char,
}

/// How often, and from when to when.
struct Span {
    count: u64,
    first: String,
    last: String,
}

impl Tally {
    /// Counts a line that was not decided again.
    pub(super) fn skip(&mut self, why: &str) {
        let why = if self.skipped.len() < MOST_GROUPS { why } else { "for other causes" };
        *self.skipped.entry(why.to_owned()).or_default() += 1;
    }

    /// Counts a line that was decided again.
    pub(super) fn decided(&mut self, line: &AuditLine, before: &FilesDecision, after: Replayed) {
        match after {
            Replayed::Unknown(why) => {
                let group = Group::of(line, in_words(before), why, '?');
                count(&mut self.unknown, group, &line.time);
            }
            Replayed::Certain(after) => match change(before, &after) {
                None => self.same += 1,
                Some((sign, after)) => {
                    count(&mut self.changed, Group::of(line, in_words(before), after, sign), &line.time);
                }
            },
        }
    }

    /// Whether a decision changes.
    pub(super) fn changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// In words.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (group, span) in self.changed.iter().chain(&self.unknown) {
            let Group { realm, client, audience, resource, scope, before, after, sign } = group;
            let _ = write!(
                text,
                "{sign} {}: client {}, audience {}",
                printable(realm),
                printable(client),
                printable(audience)
            );
            for (name, value) in
                [("resource", resource), ("scope", scope)].iter().filter(|(_, value)| !value.is_empty())
            {
                let _ = write!(text, ", {name} [{}]", printable(value));
            }
            let after = if *sign == '?' { format!("can't tell: depends on {after}") } else { after.clone() };
            let _ = writeln!(text, ": {} → {}: {}", printable(before), printable(&after), span.text());
        }
        for (why, number) in &self.skipped {
            let _ = writeln!(text, "skipped  {number}: {}", printable(why));
        }
        let (changed, unknown) = (total(&self.changed), total(&self.unknown));
        let _ = writeln!(
            text,
            "{} decisions: {changed} changed, {} the same, {unknown} can't be told",
            changed + self.same + unknown,
            self.same
        );
        text
    }

    /// As JSON.
    pub(super) fn json(&self) -> Value {
        let groups =
            |groups: &BTreeMap<Group, Span>| groups.iter().map(|(group, span)| group.json(span)).collect::<Vec<_>>();
        json!({
            "changed": total(&self.changed),
            "same": self.same,
            "unknown": total(&self.unknown),
            "changes": groups(&self.changed),
            "undecided": groups(&self.unknown),
            "skipped": self.skipped.iter().map(|(why, count)| json!({ "why": why, "count": count })).collect::<Vec<_>>(),
        })
    }
}

impl Group {
    fn of(line: &AuditLine, before: String, after: String, sign: char) -> Self {
        Self {
            realm: line.realm.clone().unwrap_or_default(),
            client: line.client.clone().unwrap_or_default(),
            audience: line.audience.join(", "),
            resource: line.resource.join(", "),
            scope: line.scope_requested.clone().unwrap_or_default(),
            before,
            after,
            sign,
        }
    }

    fn json(&self, span: &Span) -> Value {
        let Self { realm, client, audience, resource, scope, before, after, sign } = self;
        let (key, change) = match sign {
            '?' => ("dependsOn", "unknown"),
            '+' => ("after", "wider"),
            '-' => ("after", "narrower"),
            _ => ("after", "other"),
        };
        json!({
            "change": change,
            "realm": realm, "client": client, "audience": audience, "resource": resource, "scope": scope,
            "before": before, key: after,
            "count": span.count, "first": span.first, "last": span.last,
        })
    }
}

impl Span {
    fn text(&self) -> String {
        if self.count == 1 {
            return format!("once, {}", printable(&self.first));
        }
        format!("{} times, {} to {}", self.count, printable(&self.first), printable(&self.last))
    }
}

fn count(groups: &mut BTreeMap<Group, Span>, mut group: Group, time: &str) {
    if groups.len() >= MOST_GROUPS && !groups.contains_key(&group) {
        for text in [&mut group.client, &mut group.audience, &mut group.resource, &mut group.scope] {
            "(others)".clone_into(text);
        }
    }
    let new = || Span { count: 0, first: time.to_owned(), last: time.to_owned() };
    let span = groups.entry(group).or_insert_with(new);
    span.count += 1;
    // The times are RFC 3339 in UTC, so their order is that of their texts, but for the digits of fractions.
    if *time < *span.first {
        time.clone_into(&mut span.first);
    }
    if *time > *span.last {
        time.clone_into(&mut span.last);
    }
}

fn total(groups: &BTreeMap<Group, Span>) -> u64 {
    groups.values().map(|span| span.count).sum()
}

fn in_words(outcome: &FilesDecision) -> String {
    match outcome {
        FilesDecision::Allowed { .. } => "allowed".to_owned(),
        FilesDecision::Denied(reason) => format!("denied ({reason})"),
    }
}

/// What changes, if something does. Another reason of a refusal is no change.
fn change(before: &FilesDecision, after: &FilesDecision) -> Option<(char, String)> {
    match (before, after) {
        (FilesDecision::Denied(_), FilesDecision::Denied(_)) => None,
        (FilesDecision::Denied(_), FilesDecision::Allowed { .. }) => Some(('+', in_words(after))),
        (FilesDecision::Allowed { .. }, FilesDecision::Denied(_)) => Some(('-', in_words(after))),
        (
            FilesDecision::Allowed { issuance: old_issuance, scope: old_scope },
            FilesDecision::Allowed { issuance: new_issuance, scope: new_scope },
        ) => {
            let other = new_issuance.as_ref().filter(|new| old_issuance.as_ref().is_some_and(|old| old != *new));
            if let Some(issuance) = other {
                return Some(('~', format!("allowed, with issuance {issuance}")));
            }
            let permitted = new_scope.as_ref().filter(|all| !all.iter().any(|one| one == "*"))?;
            let lost: Vec<_> = old_scope.iter().flatten().filter(|one| !permitted.contains(*one)).cloned().collect();
            (!lost.is_empty()).then(|| ('-', format!("allowed, without scope [{}]", lost.join(" "))))
        }
    }
}
