//! What a configuration says besides permissions, as facts: the old one, the new one, and whether that is more or less.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use serde_json::{Value, json};

use super::versions::Versions;
use crate::judgement::expression::Expression;
use crate::judgement::policy::model::{Audience, Profile, RoleMapping, RoleRules, RoleSource, SubjectRule, TokenRules};
use crate::judgement::policy::observed_until::ObservedUntil;
use crate::words::oauth::names::Names;

/// Whether a change gives more or less than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    Wider,
    Narrower,
    /// More for some requests, and less for others.
    Mixed,
    /// Nobody can say without the tokens.
    NotComparable,
}

/// Something that changed besides permissions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fact {
    /// The place in the file, such as `roles.realm`.
    pub(super) key: String,
    /// What it is, in words, such as "the realm role auditor".
    pub(super) what: String,
    /// What is said. `None`: nothing.
    pub(super) said: Versions<Option<Value>>,
    pub(super) direction: Direction,
}

impl Direction {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Wider => "wider",
            Self::Narrower => "narrower",
            Self::Mixed => "mixed",
            Self::NotComparable => "not_comparable",
        }
    }

    pub(super) fn opposite(self) -> Self {
        match self {
            Self::Wider => Self::Narrower,
            Self::Narrower => Self::Wider,
            other => other,
        }
    }

    /// The direction of two changes together.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::NotComparable, _) | (_, Self::NotComparable) => Self::NotComparable,
            _ => Self::Mixed,
        }
    }
}

/// What two versions of an audience's file say about it besides permissions. An audience that is not there says nothing.
pub(super) fn of_audiences(audiences: Versions<Option<&Audience>>, realm: &str) -> Vec<Fact> {
    let mut list = FactList::default();
    if let (Some(old), Some(new)) = (audiences.old, audiences.new) {
        list.value("owner", "the owner", Versions { old: &old.owner, new: &new.owner }, |_, _| {
            Direction::NotComparable
        });
    }
    let last_days = audiences.map(|audience| audience?.observed_until.map(ObservedUntil::last));
    if last_days.old != last_days.new {
        // Observing on a later day gives more than on an earlier one, and that gives more than never.
        let direction = if last_days.old < last_days.new { Direction::Wider } else { Direction::Narrower };
        let said = last_days.map(|day| day.map(|day| json!(day.to_string())));
        list.push(
            "observeUntil",
            "the last day on which exchanges are observed, not refused".to_owned(),
            said,
            direction,
        );
    }
    let none = BTreeSet::new();
    let resources = audiences.map(|audience| audience.map_or(&none, |audience| &audience.resources));
    list.names("resources", "the resource", &resources.map(borrowed));
    let (roles, token) = (RoleRules::default(), TokenRules::default());
    list.roles(audiences.map(|audience| audience.map_or(&roles, |audience| &audience.roles)), realm);
    list.token(audiences.map(|audience| audience.map_or(&token, |audience| &audience.token)));
    list.0
}

#[derive(Default)]
pub(super) struct FactList(pub(super) Vec<Fact>);

/// A rule that gives a role: from where, which, and for whose tokens.
type RoleGiving = (String, String, Option<String>);

impl FactList {
    pub(super) fn push(&mut self, key: &str, what: String, said: Versions<Option<Value>>, direction: Direction) {
        self.0.push(Fact { key: key.to_owned(), what, said, direction });
    }

    /// A value that is always said.
    fn value<T: PartialEq + Display>(
        &mut self,
        key: &str,
        what: &str,
        said: Versions<T>,
        direction: impl Fn(&T, &T) -> Direction,
    ) {
        if said.old != said.new {
            let direction = direction(&said.old, &said.new);
            self.push(key, what.to_owned(), said.map(|value| Some(json!(value.to_string()))), direction);
        }
    }

    /// A switch, with what it says when it is on and when it is off.
    fn switch(&mut self, key: &str, says: [&str; 2], said: Versions<bool>, on: Direction) {
        if said.old != said.new {
            let [says_on, says_off] = says;
            let (what, direction) = if said.new { (says_on, on) } else { (says_off, on.opposite()) };
            self.push(key, what.to_owned(), said.map(|value| Some(json!(value))), direction);
        }
    }

    /// A list whose every name gives more.
    fn names(&mut self, key: &str, what: &str, said: &Versions<BTreeSet<&str>>) {
        for name in &said.new - &said.old {
            let said = Versions { old: None, new: Some(json!(name)) };
            self.push(key, format!("{what} {name}"), said, Direction::Wider);
        }
        for name in &said.old - &said.new {
            let said = Versions { old: Some(json!(name)), new: None };
            self.push(key, format!("{what} {name}"), said, Direction::Narrower);
        }
    }

    /// An expression or another text whose effect depends on the token.
    fn text(&mut self, key: &str, what: &str, said: Versions<Option<&str>>) {
        if said.old != said.new {
            self.push(key, what.to_owned(), said.map(|text| text.map(Value::from)), Direction::NotComparable);
        }
    }

    fn roles(&mut self, roles: Versions<&RoleRules>, realm: &str) {
        let texts = |names: &BTreeSet<String>| names.iter().cloned().collect::<BTreeSet<_>>();
        let realm_roles = roles.map(|roles| texts(&roles.realm));
        self.names("roles.realm", "the realm role", &realm_roles.as_ref().map(borrowed));
        self.renamings(roles);
        self.givings(roles, realm);
        let fixed = roles.map(|roles| texts(&roles.fixed));
        self.names("roles.static", "for every token, the role", &fixed.as_ref().map(borrowed));
        let default = roles.map(|roles| texts(&roles.default));
        self.names("roles.default", "for tokens without other roles, the role", &default.as_ref().map(borrowed));
        let output = roles.map(|roles| match (roles.output.keycloak, &roles.output.claim) {
            (_, None) => "Keycloak's claims".to_owned(),
            (true, Some(claim)) => format!("Keycloak's claims and {claim}"),
            (false, Some(claim)) => format!("the claim {claim}"),
        });
        self.value("roles.output", "the claims with roles", output, |_, _| Direction::NotComparable);
        let source = roles.map(|roles| if roles.directory { "directory" } else { "token" });
        self.value("roles.source", "where roles are read", source, |_, _| Direction::NotComparable);
    }

    /// What becomes of the audience's own roles: a role that a line renames does not stay.
    fn renamings(&mut self, roles: Versions<&RoleRules>) {
        let outcomes = roles.map(renamed);
        let all: BTreeSet<&str> = outcomes.old.keys().chain(outcomes.new.keys()).copied().collect();
        let own = roles.map(|roles| roles.own);
        let says = ["the user's own roles of the audience stay", "the user's own roles of the audience no longer stay"];
        self.switch("roles.own", says, own, Direction::Wider);
        for role in all {
            let kept = |own: bool| own.then_some(role).into_iter().collect::<BTreeSet<_>>();
            let outcome = |of: &BTreeMap<&str, BTreeSet<&str>>, own| {
                let names = of.get(role).cloned().unwrap_or_else(|| kept(own));
                names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>()
            };
            let said = Versions { old: outcome(&outcomes.old, own.old), new: outcome(&outcomes.new, own.new) };
            self.names("roles.map", &format!("from the own role {role}, the role"), &said.as_ref().map(borrowed));
        }
    }

    /// Lines that give roles besides own ones.
    fn givings(&mut self, roles: Versions<&RoleRules>, realm: &str) {
        let given = roles.map(|roles| roles.map.iter().flat_map(|line| givings(line, realm)).collect::<BTreeSet<_>>());
        let mut gained: Vec<_> = (&given.new - &given.old).into_iter().collect();
        for (source, to, issuer) in &given.old - &given.new {
            let is_when = |source: &str| source.starts_with("when ");
            let other = gained
                .iter()
                .position(|(new, role, about)| is_when(new) && is_when(&source) && (role, about) == (&to, &issuer));
            let about = of_tokens(issuer.as_deref());
            if let Some(other) = other {
                let (new, ..) = gained.remove(other);
                let said = Versions { old: Some(json!(source)), new: Some(json!(new)) };
                self.push("roles.map", format!("the role {to}, {about}"), said, Direction::NotComparable);
            } else {
                let said = Versions { old: Some(json!(source)), new: None };
                self.push("roles.map", format!("the role {to} {source}, {about}"), said, Direction::Narrower);
            }
        }
        for (source, to, issuer) in gained {
            let said = Versions { old: None, new: Some(json!(source)) };
            let about = of_tokens(issuer.as_deref());
            self.push("roles.map", format!("the role {to} {source}, {about}"), said, Direction::Wider);
        }
    }

    fn token(&mut self, token: Versions<&TokenRules>) {
        let within = token.map(|token| token.within_subject);
        let says = ["no token outlives its subject token any more", "a token may outlive its subject token"];
        self.switch("token.withinSubject", says, within, Direction::Narrower);
        match (&token.old.claims, &token.new.claims) {
            (Names::Listed(_), Names::Any) => self.stars("token.claims", "every claim", Direction::Wider),
            (Names::Any, Names::Listed(_)) => self.stars("token.claims", "every claim", Direction::Narrower),
            _ => {}
        }
        let claims = token.map(|token| token.claims.written().collect());
        self.names("token.claims", "the claim", &claims);
        let set = token.map(|token| token.set.iter().map(|(name, value)| (name.as_str(), value.source())));
        let set = set.map(Iterator::collect::<BTreeMap<_, _>>);
        for name in set.old.keys().chain(set.new.keys()).collect::<BTreeSet<_>>() {
            let said = Versions { old: set.old.get(name).copied(), new: set.new.get(name).copied() };
            self.text(&format!("token.set.{name}"), &format!("the value of the claim {name}"), said);
        }
        let may_act = token.map(|token| token.may_act.as_ref().map(Expression::source));
        self.text("token.mayAct", "who may act with the new token", may_act);
        let profile = token.map(|token| match token.profile {
            Profile::Keycloak => "keycloak",
            Profile::Rfc9068 => "rfc9068",
        });
        self.value("token.profile", "the form of minted tokens", profile, |_, _| Direction::NotComparable);
        let subject = token.map(|token| match token.subject {
            SubjectRule::Qualified => "qualified",
            SubjectRule::Uuid => "uuid",
            SubjectRule::Mapped => "mapped",
            SubjectRule::Keep => "keep",
        });
        self.value("token.subject", "the sub of foreign users", subject, |_, _| Direction::NotComparable);
        let refresh = token.map(|token| token.refresh_lifetime);
        if refresh.old != refresh.new {
            let direction = if refresh.old < refresh.new { Direction::Wider } else { Direction::Narrower };
            let said = refresh.map(|lifetime| Some(json!(format!("{lifetime:#}"))));
            self.push("token.refreshLifetime", "how long refresh tokens are good".to_owned(), said, direction);
        }
    }

    fn stars(&mut self, key: &str, what: &str, direction: Direction) {
        let said = match direction {
            Direction::Wider => Versions { old: None, new: Some(json!("*")) },
            _ => Versions { old: Some(json!("*")), new: None },
        };
        self.push(key, what.to_owned(), said, direction);
    }
}

/// Own role → its new names, for the roles that a line renames.
fn renamed(roles: &RoleRules) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut renamed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in &roles.map {
        if let RoleSource::Own(from) = &line.from {
            renamed.entry(from).or_default().insert(&line.to);
        }
    }
    renamed
}

/// What a line of `roles.map` gives, for each issuer.
fn givings(line: &RoleMapping, realm: &str) -> Vec<RoleGiving> {
    let source = match &line.from {
        RoleSource::Own(_) => return Vec::new(),
        RoleSource::Realm(role) => format!("from the realm role {role}"),
        RoleSource::Client { client, role } => format!("from the role {role} of the client {client}"),
        RoleSource::Group(group) => format!("from the group {group}"),
        RoleSource::Scope(scope) => format!("from the scope {scope}"),
        RoleSource::When(expression) => format!("when {}", expression.source()),
    };
    let issuers: Vec<Option<String>> = match &line.issuers {
        None => vec![Some(realm.to_owned())],
        Some(Names::Any) => vec![None],
        Some(names) => names.written().map(|name| Some(name.to_owned())).collect(),
    };
    issuers.into_iter().map(|issuer| (source.clone(), line.to.clone(), issuer)).collect()
}

fn of_tokens(issuer: Option<&str>) -> String {
    issuer.map_or_else(|| "for tokens of every issuer".to_owned(), |issuer| format!("for tokens of {issuer}"))
}

fn borrowed(names: &BTreeSet<String>) -> BTreeSet<&str> {
    names.iter().map(String::as_str).collect()
}
