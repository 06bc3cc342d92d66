//! What the exchanges have in common, as audience files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;

use super::seen::{Exchange, SeenExchange};
use crate::tools::audience_drafts::{ascii, can_be_named, file_name, list, quoted};

/// What was learned so far.
pub(super) struct Lessons<'a> {
    realm: Option<&'a str>,
    owner: &'a str,
    /// Realm and audience → client → what the client exchanged.
    audiences: BTreeMap<(String, String), BTreeMap<String, Uses>>,
    counts: Counts,
}

/// What one client exchanged for one audience.
#[derive(Default)]
struct Uses {
    count: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    scopes: BTreeSet<String>,
    requested: BTreeSet<String>,
}

/// Lines and events, by what became of them.
#[derive(Default)]
struct Counts {
    learned: u64,
    other: u64,
    unreadable: u64,
    of_other_realms: u64,
    without_realm: u64,
    without_audience: u64,
    special: u64,
    unnameable: u64,
}

/// File name → text.
pub(super) type Files = BTreeMap<String, String>;

impl<'a> Lessons<'a> {
    /// Learns from the exchanges of a realm, or of all realms that the lines name.
    pub(super) fn new(realm: Option<&'a str>, owner: &'a str) -> Self {
        Self { realm, owner, audiences: BTreeMap::new(), counts: Counts::default() }
    }

    /// Learns from a line or an event.
    pub(super) fn learn(&mut self, seen: SeenExchange) {
        match seen {
            SeenExchange::Exchange(exchange) => self.learn_exchange(&exchange),
            SeenExchange::Other => self.counts.other += 1,
            SeenExchange::Unreadable => self.counts.unreadable += 1,
        }
    }

    fn learn_exchange(&mut self, exchange: &Exchange) {
        let Some(realm) = exchange.realm.clone().or_else(|| self.realm.map(str::to_owned)) else {
            self.counts.without_realm += 1;
            return;
        };
        let mut names = exchange.audiences.iter().chain(&exchange.scopes).chain([&exchange.client, &realm]);
        let obstacle = if self.realm.is_some_and(|wanted| wanted != realm) {
            Some(&mut self.counts.of_other_realms)
        } else if exchange.special {
            Some(&mut self.counts.special)
        } else if exchange.audiences.is_empty() {
            Some(&mut self.counts.without_audience)
        } else if exchange.cut || !names.all(|name| can_be_named(name)) {
            Some(&mut self.counts.unnameable)
        } else {
            None
        };
        if let Some(counter) = obstacle {
            *counter += 1;
            return;
        }
        self.counts.learned += 1;
        for audience in &exchange.audiences {
            let clients = self.audiences.entry((realm.clone(), audience.clone())).or_default();
            clients.entry(exchange.client.clone()).or_default().add(exchange);
        }
    }

    /// The files, one for each audience.
    pub(super) fn files(&self) -> Files {
        let file = |((realm, audience), clients): (&(String, String), &BTreeMap<String, Uses>)| {
            let others = self.audiences.keys().map(|(_, name)| name.as_str());
            let mut name = file_name(audience, others)?;
            if self.audiences.keys().any(|(other, same)| other != realm && same == audience) {
                // Two realms have an audience of this name.
                name = file_name(&format!("{realm}.{audience}"), std::iter::empty())?;
            }
            Some((name, self.text(realm, audience, clients)))
        };
        self.audiences.iter().filter_map(file).collect()
    }

    fn text(&self, realm: &str, audience: &str, clients: &BTreeMap<String, Uses>) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "# Written by `cambio learn` from exchanges that took place. Take out what should not go on.\n\
             audience: {}\nowner: {}\nrealm: {}\npermissions:",
            quoted(audience),
            quoted(self.owner),
            quoted(realm)
        );
        for (client, uses) in clients {
            uses.write(client, &mut text);
        }
        text
    }

    /// What was learned, and what was not.
    pub(super) fn report(&self, files: &Files, out: &Path) -> String {
        let mut text = String::new();
        for ((realm, audience), clients) in &self.audiences {
            let _ = writeln!(text, "audience {} in {}", ascii(audience), ascii(realm));
            for (client, uses) in clients {
                let _ = writeln!(text, "  {}: {}", ascii(client), uses.said());
            }
        }
        let counts = &self.counts;
        for (count, what) in [
            (counts.without_audience, "named no audience: no file can permit them; have their clients name one"),
            (
                counts.special,
                "had an actor token, an impersonated user, or the token of another issuer or kind: write a permission",
            ),
            (counts.of_other_realms, "were of other realms than --realm"),
            (counts.without_realm, "name no realm, as Keycloak's events do: say which with --realm"),
            (counts.unnameable, "have a name that an audience file can't hold, or that the line holds in part"),
        ] {
            if count > 0 {
                let _ = writeln!(text, "not learned: {} {what}", counted(count, "exchange"));
            }
        }
        if counts.unreadable > 0 {
            let _ = writeln!(text, "skipped: {} of another form, or cut off", counted(counts.unreadable, "line"));
        }
        let _ = writeln!(
            text,
            "{} of {}: {} in {}; compare with `cambio diff`, and check with `cambio check`",
            counted(counts.learned, "exchange"),
            counted(counts.all(), "line"),
            counted(u64::try_from(files.len()).unwrap_or(u64::MAX), "audience file"),
            out.display()
        );
        text
    }
}

impl Uses {
    fn add(&mut self, exchange: &Exchange) {
        self.count += 1;
        self.first = Some(self.first.map_or(exchange.time, |first| first.min(exchange.time)));
        self.last = Some(self.last.map_or(exchange.time, |last| last.max(exchange.time)));
        self.scopes.extend(exchange.scopes.iter().cloned());
        self.requested.extend(exchange.requested_token.clone());
        if exchange.requested_token.is_none() {
            self.requested.insert("access_token".to_owned());
        }
    }

    /// The permission.
    fn write(&self, client: &str, text: &mut String) {
        let _ = writeln!(text, "  # {}\n  - clients: [{}]", self.said(), list(&[client]));
        let listed = |names: &BTreeSet<String>| list(&names.iter().map(String::as_str).collect::<Vec<_>>());
        if !self.scopes.is_empty() {
            let _ = writeln!(text, "    scopes: [{}]", listed(&self.scopes));
        }
        if self.requested.iter().any(|kind| kind != "access_token") {
            let _ = writeln!(text, "    requestedTokens: [{}]", listed(&self.requested));
        }
    }

    fn said(&self) -> String {
        let day = |time: Option<Timestamp>| time.map(|time| time.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
        format!("{}, first {}, last {}", counted(self.count, "exchange"), day(self.first), day(self.last))
    }
}

impl Counts {
    fn all(&self) -> u64 {
        let Self { learned, other, unreadable, of_other_realms, without_realm, without_audience, special, unnameable } =
            self;
        learned + other + unreadable + of_other_realms + without_realm + without_audience + special + unnameable
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
