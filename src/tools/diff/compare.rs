//! Two configurations side by side: every audience of either, and what `cambio.yaml` says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use jiff::civil::Date;
use serde_json::{Value, json};

use super::changes::{Change, Changes, changes};
use super::facts::{self, Direction, Fact};
use super::right::AudienceGround;
use super::settings::{self, SettingFact};
use super::versions::{Versions, WhichVersion};
use super::{json, words};
use crate::adapters::config::load::review::{Places, Review};
use crate::adapters::config::problem::printable;
use crate::adapters::config::settings::audience_files::AudienceVersion;
use crate::judgement::dialect::Dialect;

/// Everything that differs.
pub(super) struct Differences<'a> {
    audiences: Vec<AudienceDifference<'a>>,
    settings: Vec<SettingFact>,
}

/// What differs about an audience.
struct AudienceDifference<'a> {
    realm: &'a str,
    name: &'a str,
    files: Versions<Option<AudienceSource<'a>>>,
    changes: Changes<'a>,
    facts: Vec<Fact>,
}

/// The file of an audience.
struct AudienceSource<'a> {
    /// The path below the folder of the configuration.
    path: String,
    owner: &'a str,
    places: Places,
}

/// Realm and audience.
type AudienceKey<'a> = (&'a str, &'a str);

/// Path and version of each audience's file.
type Files<'a> = BTreeMap<AudienceKey<'a>, (&'a Path, &'a AudienceVersion)>;

impl<'a> Differences<'a> {
    /// Compares what holds from a day on.
    pub(super) fn of(reviews: Versions<&'a Review>, today: Date) -> Self {
        let files = reviews.map(files);
        let names: BTreeSet<AudienceKey<'a>> = files.old.keys().chain(files.new.keys()).copied().collect();
        let audiences = names.into_iter().filter_map(|key| {
            let found = Versions { old: files.old.get(&key).copied(), new: files.new.get(&key).copied() };
            AudienceDifference::of(key, found, reviews, today)
        });
        Self { audiences: audiences.collect(), settings: settings::facts(reviews.map(|review| &review.settings)) }
    }

    /// Whether nothing differs.
    pub(super) fn is_empty(&self) -> bool {
        self.audiences.is_empty() && self.settings.is_empty()
    }

    /// In words.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for audience in &self.audiences {
            audience.write(&mut text);
        }
        if !self.settings.is_empty() {
            text.push_str("cambio.yaml\n");
        }
        for SettingFact { fact, lines } in &self.settings {
            let (new, old) = (lines.new.filter(|line| *line > 0), lines.old.filter(|line| *line > 0));
            let place = match (new, old) {
                (Some(line), _) => format!(" (line {line})"),
                (None, Some(line)) => format!(" (old line {line})"),
                (None, None) => String::new(),
            };
            write_line(&mut text, fact.direction, &format!("{}{place}", words::fact(fact)));
        }
        if text.is_empty() { "no difference\n".to_owned() } else { text }
    }

    /// As JSON.
    pub(super) fn json(&self) -> Value {
        json!({
            "audiences": self.audiences.iter().map(AudienceDifference::json).collect::<Vec<_>>(),
            "settings": self.settings.iter().map(|one| json::fact(&one.fact, one.lines)).collect::<Vec<_>>(),
        })
    }
}

fn files(review: &Review) -> Files<'_> {
    let mut files = Files::new();
    for (path, version) in &review.audience_files.in_force {
        let realm = version.names.realm.as_deref().unwrap_or_default();
        files.insert((realm, &version.audience.name), (path.as_path(), version));
    }
    files
}

impl<'a> AudienceDifference<'a> {
    /// What differs; `None` if nothing does.
    fn of(
        key: AudienceKey<'a>,
        found: Versions<Option<(&'a Path, &'a AudienceVersion)>>,
        reviews: Versions<&'a Review>,
        today: Date,
    ) -> Option<Self> {
        let (realm, name) = key;
        let audiences = found.map(|found| found.map(|(_, version)| &*version.audience));
        let needs = reviews.map(|review| needs_may_act(review, realm));
        let ground = |audience, needs_may_act| AudienceGround { audience, realm, needs_may_act };
        let grounds = Versions {
            old: audiences.old.map(|audience| ground(audience, needs.old)),
            new: audiences.new.map(|audience| ground(audience, needs.new)),
        };
        let (changes, facts) = (changes(grounds, today), facts::of_audiences(audiences, realm));
        let is_same = audiences.old.is_some() && audiences.new.is_some();
        if is_same && changes.list.is_empty() && changes.undecided.is_empty() && facts.is_empty() {
            return None;
        }
        let source = |found: Option<(&'a Path, &'a AudienceVersion)>, review: &Review| {
            found.map(|(path, version)| AudienceSource {
                path: path.strip_prefix(&review.base).unwrap_or(path).display().to_string(),
                owner: &version.audience.owner,
                places: Places::of(&version.bytes),
            })
        };
        let files = Versions { old: source(found.old, reviews.old), new: source(found.new, reviews.new) };
        Some(Self { realm, name, files, changes, facts })
    }

    fn write(&self, text: &mut String) {
        let (Some(source), name, realm) = (self.files.new.as_ref().or(self.files.old.as_ref()), self.name, self.realm)
        else {
            return;
        };
        let (path, owner) = (printable(&source.path), printable(source.owner));
        let _ = writeln!(text, "audience {} in {realm} (owner {owner}, {path})", printable(name));
        match (&self.files.old, &self.files.new) {
            (None, _) => write_line(text, Direction::Wider, "the audience is new"),
            (_, None) => write_line(text, Direction::Narrower, "the audience is gone"),
            _ => {}
        }
        for change in &self.changes.list {
            let direction = direction(change);
            let from: Vec<_> = change.from.iter().map(|origin| self.place(*origin)).collect();
            let place = if from.is_empty() { String::new() } else { format!(" ({})", from.join("; ")) };
            write_line(text, direction, &format!("{}{place}", words::change(change, direction)));
        }
        for clients in &self.changes.undecided {
            write_line(text, Direction::NotComparable, &words::undecided(clients));
        }
        for fact in &self.facts {
            let (side, line) = self.line(fact);
            let place = line.map(|line| format!(" ({side}{}, line {line})", fact.key)).unwrap_or_default();
            write_line(text, fact.direction, &format!("{}{place}", words::fact(fact)));
        }
    }

    fn json(&self) -> Value {
        let file = |source: &Option<AudienceSource<'_>>| {
            source.as_ref().map(|source| json!({ "file": source.path, "owner": source.owner }))
        };
        let changes = self.changes.list.iter().map(|change| {
            let from = change.from.iter().map(|(version, index)| {
                let key = format!("permissions[{index}]");
                let source = self.source(*version);
                let line = source.and_then(|source| source.places.line(&key));
                json!({ "version": if *version == WhichVersion::Old { "old" } else { "new" }, "key": key, "line": line })
            });
            json::change(change, direction(change), &from.collect::<Vec<_>>())
        });
        let facts = self.facts.iter().map(|fact| {
            let line = |source: &Option<AudienceSource<'_>>, said: &Option<Value>| {
                source.as_ref().filter(|_| said.is_some()).and_then(|source| source.places.line(&fact.key))
            };
            let lines =
                Versions { old: line(&self.files.old, &fact.said.old), new: line(&self.files.new, &fact.said.new) };
            json::fact(fact, lines)
        });
        json!({
            "realm": self.realm,
            "audience": self.name,
            "old": file(&self.files.old),
            "new": file(&self.files.new),
            "permissions": changes.collect::<Vec<_>>(),
            "undecided": self.changes.undecided.iter().map(json::clients).collect::<Vec<_>>(),
            "facts": facts.collect::<Vec<_>>(),
        })
    }

    fn source(&self, version: WhichVersion) -> Option<&AudienceSource<'a>> {
        match version {
            WhichVersion::Old => self.files.old.as_ref(),
            WhichVersion::New => self.files.new.as_ref(),
        }
    }

    /// The place of a permission. That of the old file is marked.
    fn place(&self, origin: (WhichVersion, usize)) -> String {
        let (version, index) = origin;
        let key = format!("permissions[{index}]");
        let line = self.source(version).and_then(|source| source.places.line(&key));
        let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
        let old = if version == WhichVersion::Old { "old " } else { "" };
        format!("{old}{key}{line}")
    }

    /// The line of a fact: in the new file, or in the old one if only that has it.
    fn line(&self, fact: &Fact) -> (&'static str, Option<u64>) {
        let of = |source: &Option<AudienceSource<'_>>| source.as_ref().and_then(|source| source.places.line(&fact.key));
        match (&fact.said.new, &fact.said.old) {
            (None, Some(_)) => ("old ", of(&self.files.old)),
            _ => ("", of(&self.files.new)),
        }
    }
}

/// Whether a realm's dialect needs `may_act` in subject tokens.
fn needs_may_act(review: &Review, realm: &str) -> bool {
    let dialect = review.file.realms.get(realm).map(|realm| Dialect::from(realm.dialect));
    dialect.is_some_and(|dialect| dialect.rules().tokens.needs_may_act)
}

/// Whether more or less is given than before. Terms with different conditions don't compare.
pub(super) fn direction(change: &Change<'_>) -> Direction {
    let directions = change.delta.values().map(|pair| {
        let (gained, lost): (Vec<_>, Vec<_>) = (pair.gained().collect(), pair.lost().collect());
        match (gained.is_empty(), lost.is_empty()) {
            (false, true) => Direction::Wider,
            (true, false) => Direction::Narrower,
            _ if gained.iter().chain(&lost).any(|terms| !terms.conditions.is_empty()) => Direction::NotComparable,
            _ => Direction::Mixed,
        }
    });
    directions.reduce(Direction::and).unwrap_or(Direction::Mixed)
}

fn write_line(text: &mut String, direction: Direction, line: &str) {
    let _ = writeln!(text, "  {} {}", words::sign(direction), printable(line));
}
