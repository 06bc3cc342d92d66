//! The smallest permission that would allow a refused request.
//!
//! Adding a permission never takes away what was allowed. The search begins with a permission that states everything about
//! the request, and drops each line without which the request is still allowed. So each line that is left is needed.

mod draft;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use self::draft::Possible;
use self::draft::{DraftPermission, PermissionLine, yaml};
use super::model::{Audience, Issuance, Policy, RoleRules, TokenRules};
use super::request::ExchangeRequest;
use crate::words::refusal::{Reason, Refusal};

/// A permission to add to an audience's file. Together with the suggestions for the other audiences of the request, it
/// allows the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The audience.
    pub audience: String,
    /// The owner of the audience's file; `None`: there is no file yet.
    pub owner: Option<String>,
    /// The lines of a new file above its permissions.
    pub head: Vec<String>,
    /// The lines of the permission in YAML. Lines of a nested key begin with two spaces.
    pub lines: Vec<String>,
}

/// The lines of a new permission for each audience that gets one.
type Chosen = BTreeMap<String, BTreeSet<PermissionLine>>;

impl Suggestion {
    /// The YAML to paste below `permissions:` of the audience's file, or the new file.
    pub fn yaml(&self) -> String {
        let indent = if self.head.is_empty() { "" } else { "  " };
        let mut text = self.head.clone();
        if !self.head.is_empty() {
            text.push("permissions:".to_owned());
        }
        let marks = std::iter::once("-").chain(std::iter::repeat(" "));
        text.extend(self.lines.iter().zip(marks).map(|(line, mark)| format!("{indent}{mark} {line}")));
        text.join("\n") + "\n"
    }
}

/// The permissions that would allow a request, one for each audience that needs one; `None`: the request is allowed, or no
/// permission of this realm can allow it. `decide` decides the request under a policy.
pub fn suggest(
    policy: &Policy,
    realm: &str,
    request: &ExchangeRequest<'_>,
    possible: Possible,
    decide: impl Fn(&Policy) -> Result<(), Refusal>,
) -> Option<Vec<Suggestion>> {
    let refusal = decide(policy).err()?;
    let mut targets = targets(policy, realm, request);
    let mut new = BTreeSet::new();
    if refusal.reason == Reason::AudienceUnknown {
        let is_there = |name: &&String| targets.iter().any(|one| one.name == **name);
        new.extend(request.audiences.iter().filter(|name| !is_there(name)).cloned());
        targets.extend(new.iter().map(|name| Arc::new(empty(name, possible))));
    }
    let draft = DraftPermission::new(realm, request, possible)?;
    let allows = |chosen: &Chosen| {
        let audiences = targets.iter().map(|audience| match chosen.get(&audience.name) {
            Some(lines) => draft.added(audience, lines),
            None => Audience::clone(audience),
        });
        let realms = BTreeMap::from([(realm.to_owned(), audiences.collect())]);
        decide(&Policy { realms, usernames: policy.usernames.clone(), ..Policy::default() }).is_ok()
    };
    let full = candidates(&targets, &draft).into_iter().find(|chosen| allows(chosen))?;
    let chosen = smallest(full, &new, allows);
    let suggestions = targets.iter().filter_map(|audience| {
        let lines = draft.text(chosen.get(&audience.name)?);
        let is_new = new.contains(&audience.name);
        Some(Suggestion {
            audience: audience.name.clone(),
            owner: (!is_new).then(|| audience.owner.clone()),
            head: if is_new { head(audience, realm) } else { Vec::new() },
            lines,
        })
    });
    Some(suggestions.collect())
}

/// The audiences that the request means and that there are, each once.
fn targets(policy: &Policy, realm: &str, request: &ExchangeRequest<'_>) -> Vec<Arc<Audience>> {
    let Some(known) = policy.realms.get(realm) else { return Vec::new() };
    let named = request.audiences.iter().filter_map(|name| known.get(name));
    let meant = request.resources.iter().flat_map(|resource| known.of_resource(resource));
    let mut targets: Vec<Arc<Audience>> = Vec::new();
    for audience in named.chain(meant) {
        if targets.iter().all(|one| one.name != audience.name) {
            targets.push(Arc::clone(audience));
        }
    }
    targets
}

/// An audience as the shortest new file states it.
fn empty(name: &str, possible: Possible) -> Audience {
    Audience {
        name: name.to_owned(),
        owner: String::new(),
        resources: BTreeSet::new(),
        permissions: Vec::new().into(),
        roles: RoleRules { own: true, ..RoleRules::default() },
        token: TokenRules::default(),
        issuance: if possible.signing { Issuance::Reissue } else { Issuance::Forward },
        observed_until: None,
    }
}

fn head(audience: &Audience, realm: &str) -> Vec<String> {
    let mut head = vec![
        format!("audience: {}", yaml(&audience.name)),
        "owner: TEAM".to_owned(),
        format!("realm: {}", yaml(realm)),
    ];
    if audience.issuance == Issuance::Forward {
        head.push("issuance: forward".to_owned());
    }
    head
}

/// The lines that state everything, for each issuance that is possible for all audiences: first the issuance that each file
/// has, then the one that can do least.
fn candidates(targets: &[Arc<Audience>], draft: &DraftPermission<'_>) -> Vec<Chosen> {
    const CHOICES: [Option<Issuance>; 5] =
        [None, Some(Issuance::Forward), Some(Issuance::Reissue), Some(Issuance::Translate), Some(Issuance::Mint)];
    let of_each = |issuance: Option<Issuance>| {
        let lines = |audience: &Arc<Audience>| draft.full(audience, issuance.unwrap_or(audience.issuance));
        targets.iter().map(|audience| Some((audience.name.clone(), lines(audience)?))).collect()
    };
    CHOICES.into_iter().filter_map(of_each).collect()
}

/// Drops permissions and lines as long as the request stays allowed.
fn smallest(mut chosen: Chosen, new: &BTreeSet<String>, allows: impl Fn(&Chosen) -> bool) -> Chosen {
    let without = |chosen: &Chosen, name: &String| {
        let mut fewer = chosen.clone();
        fewer.remove(name);
        // A new audience needs its file, whatever the others permit.
        (!new.contains(name) && allows(&fewer)).then_some(fewer)
    };
    let without_line = |chosen: &Chosen, name: &String, line: PermissionLine| {
        let mut fewer = chosen.clone();
        fewer.get_mut(name)?.retain(|one| *one != line && !one.is_below(line));
        allows(&fewer).then_some(fewer)
    };
    loop {
        let lines = || chosen.iter().flat_map(|(name, lines)| lines.iter().map(move |line| (name, *line)));
        let fewer = chosen.keys().find_map(|name| without(&chosen, name));
        match fewer.or_else(|| lines().find_map(|(name, line)| without_line(&chosen, name, line))) {
            Some(fewer) => chosen = fewer,
            None => return chosen,
        }
    }
}
