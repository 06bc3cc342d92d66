//! Findings while they are gathered: one finding with several places is one line.

use std::collections::BTreeMap;

use crate::adapters::config::problem::Problem;

/// Places that a finding names beside its first.
const OTHER_PLACES: usize = 3;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Something to know.
    Note,
    /// Something to look at: no exchange that the files promise fails because of it.
    Warning,
    /// An exchange that a file permits fails, or callers get past Cambio.
    Problem,
}

/// What the identity provider and the issuers say about a configuration.
#[derive(Clone, Debug, Default)]
pub struct OnlineFindings {
    /// Exchanges that a file permits fail, or callers get past Cambio. In the order of files and lines, as all lists here.
    pub problems: Vec<Problem>,
    /// What to look at.
    pub warnings: Vec<Problem>,
    /// What to know, and what could not be found out.
    pub notes: Vec<Problem>,
    /// What was seen and is in order: the keys of realms and issuers, one line each.
    pub seen: Vec<String>,
}

/// Findings by their message.
#[derive(Default)]
pub(super) struct Gathered {
    found: BTreeMap<String, Vec<(Severity, Problem)>>,
    seen: Vec<String>,
}

impl Gathered {
    /// Adds a finding. If the message is known, the finding has one place more.
    pub(super) fn add(&mut self, severity: Severity, place: Problem) {
        self.found.entry(place.message.clone()).or_default().push((severity, place));
    }

    /// Adds what was seen.
    pub(super) fn see(&mut self, line: String) {
        self.seen.push(line);
    }

    /// Adds everything that another question found.
    pub(super) fn absorb(&mut self, other: Self) {
        for (message, places) in other.found {
            self.found.entry(message).or_default().extend(places);
        }
        self.seen.extend(other.seen);
    }

    /// The findings in their order.
    pub(super) fn findings(self) -> OnlineFindings {
        let mut all = OnlineFindings { seen: self.seen, ..OnlineFindings::default() };
        for (severity, finding) in self.found.into_values().filter_map(joined) {
            match severity {
                Severity::Problem => all.problems.push(finding),
                Severity::Warning => all.warnings.push(finding),
                Severity::Note => all.notes.push(finding),
            }
        }
        for list in [&mut all.problems, &mut all.warnings, &mut all.notes] {
            list.sort();
        }
        all.seen.sort();
        all
    }
}

/// One finding at the first of the places where it matters most. It names the other places.
fn joined(mut places: Vec<(Severity, Problem)>) -> Option<(Severity, Problem)> {
    places.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    places.dedup_by(|one, other| one.1 == other.1);
    let mut places = places.into_iter();
    let (severity, mut first) = places.next()?;
    let places = places.map(|(_, place)| place);
    let others: Vec<_> = places.map(|one| format!("{}:{} {}", one.file.display(), one.line, one.key)).collect();
    if !others.is_empty() {
        let named = others.iter().take(OTHER_PLACES).cloned().collect::<Vec<_>>().join(", ");
        let more = others.len().saturating_sub(OTHER_PLACES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        first.message = format!("{} (also {named}{more})", first.message);
    }
    Some((severity, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_is_one_finding() {
        let mut found = Gathered::default();
        let at = |line: u64, message: &str| Problem {
            file: "a.yaml".into(),
            line,
            column: 1,
            key: format!("k[{line}]"),
            message: message.to_owned(),
        };
        for line in [7, 2, 3, 4, 5, 2] {
            found.add(if line == 3 { Severity::Problem } else { Severity::Note }, at(line, "gone"));
        }
        found.add(Severity::Warning, at(1, "odd"));
        let all = found.findings();
        let said = |list: &[Problem]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let expected = "a.yaml:3:1: k[3]: gone (also a.yaml:2 k[2], a.yaml:4 k[4], a.yaml:5 k[5] and 1 more)";
        assert_eq!(said(&all.problems), [expected]);
        assert_eq!(said(&all.warnings), ["a.yaml:1:1: k[1]: odd"]);
        assert!(all.notes.is_empty());
    }
}
