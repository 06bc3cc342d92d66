//! The requests to which two versions of an audience's file give different things.
//!
//! The requests are told apart part by part ([`Part`]). Values for which the same permissions are left give the same, and
//! values with the same changes are one class, however the permissions are cut. So the result depends on what the files
//! mean, and not on how they say it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::Date;

use super::delta::Delta;
use super::merge::{ClassChange, merged};
use super::request::{Class, Part, PartValue, Told};
use super::right::{AudienceGround, Gift, GiftTerms, Gifts, Right};
use super::versions::{Versions, WhichVersion};
use crate::judgement::policy::model::Issuance;
use crate::judgement::policy::scopes::OFFLINE;
use crate::words::oauth::names::Names;

/// What changes for a class of requests.
#[derive(Clone, Debug)]
pub(super) struct Change<'a> {
    /// The values of each part, in the order of [`Part::ALL`].
    pub(super) requests: Vec<Class<'a>>,
    pub(super) delta: Delta<'a>,
    /// The permissions that give what is gained, and those that gave what is lost: indexes in the files.
    pub(super) from: BTreeSet<(WhichVersion, usize)>,
}

/// What changes for the permissions of an audience.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes<'a> {
    pub(super) list: Vec<Change<'a>>,
    /// Clients for whom the order of the permissions may count, because their conditions look at the granted scope.
    pub(super) undecided: Vec<Class<'a>>,
}

/// Compares what the permissions give from a day on. `None`: there is no such audience.
pub(super) fn changes(grounds: Versions<Option<AudienceGround<'_>>>, today: Date) -> Changes<'_> {
    let Some(realm) = grounds.new.or(grounds.old).map(|ground| ground.realm) else { return Changes::default() };
    let all = grounds.map(|ground| ground.map(|ground| ground.rights().collect::<Vec<_>>()).unwrap_or_default());
    let named = all.old.iter().chain(&all.new).flat_map(Right::scopes);
    let agree = grounds.old.zip(grounds.new).is_some_and(|(old, new)| old.agrees(&new));
    let scopes = named.chain([OFFLINE]).collect();
    let mut comparison = Comparison {
        rights: all,
        realm,
        agree,
        scopes,
        today,
        nodes: vec![Node::Nothing],
        known: HashMap::new(),
        met: HashMap::new(),
    };
    comparison.compare(grounds)
}

/// Indexes of permissions that cover what is told of a request.
type Left = Versions<Vec<usize>>;

type NodeId = usize;
const NOTHING: NodeId = 0;

/// What changes for the requests that are left. Equal nodes are one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Node<'a> {
    Nothing,
    Parted(Vec<(Class<'a>, NodeId)>),
    Changed(Delta<'a>),
}

/// A place from which requests are told apart further.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    depth: usize,
    told: Told,
    left: Left,
}

struct Comparison<'a> {
    rights: Versions<Vec<Right<'a>>>,
    realm: &'a str,
    /// Whether equal permissions give the same in both versions.
    agree: bool,
    scopes: BTreeSet<&'a str>,
    today: Date,
    nodes: Vec<Node<'a>>,
    known: HashMap<Node<'a>, NodeId>,
    met: HashMap<Place, NodeId>,
}

impl<'a> Comparison<'a> {
    fn compare(&mut self, grounds: Versions<Option<AudienceGround<'a>>>) -> Changes<'a> {
        let mut changes = Changes::default();
        let mut classes: BTreeMap<NodeId, Vec<PartValue<'a>>> = BTreeMap::new();
        let mut undecided = Vec::new();
        let mentioned = self.rights.old.iter().chain(&self.rights.new).flat_map(|right| right.mentioned(Part::Client));
        let mentioned: BTreeSet<&'a str> = mentioned.collect();
        for (left, clients) in self.clients(grounds, &mentioned) {
            if self.may_depend_on_order(&left) {
                undecided.extend(clients.iter().copied());
            }
            let node = self.node(Place { depth: 1, told: Told::default(), left });
            if node != NOTHING {
                classes.entry(node).or_default().extend(clients);
            }
        }
        if !undecided.is_empty() {
            changes.undecided.push(Class::of(&undecided, &mentioned));
        }
        let mut classes: Vec<_> =
            classes.into_iter().map(|(node, clients)| (Class::of(&clients, &mentioned), node)).collect();
        classes.sort();
        let mut found = Vec::new();
        for (class, node) in classes {
            self.list(node, &mut vec![class], &mut found);
        }
        let change = |(requests, delta): ClassChange<'a>| {
            let from = self.from(&requests, &delta);
            Change { requests, delta, from }
        };
        changes.list = merged(found).into_iter().map(change).collect();
        changes
    }

    /// The clients that the files tell apart, by the permissions that cover them.
    fn clients(
        &self,
        grounds: Versions<Option<AudienceGround<'a>>>,
        mentioned: &BTreeSet<&'a str>,
    ) -> HashMap<Left, Vec<PartValue<'a>>> {
        let of_client = |client: &'a str| {
            grounds.map(|ground| {
                let found = ground.into_iter().flat_map(|ground| ground.audience.permissions.of_client(client));
                found.map(|(position, _)| position - 1).collect::<Vec<_>>()
            })
        };
        let any = self.rights.as_ref().map(|rights| {
            let any = rights.iter().enumerate().filter(|(_, right)| right.permission.clients == Names::Any);
            any.map(|(index, _)| index).collect()
        });
        let mut clients: HashMap<Left, Vec<PartValue<'a>>> = HashMap::from([(any, vec![PartValue::Other])]);
        for client in mentioned {
            clients.entry(of_client(client)).or_default().push(PartValue::Name(client));
        }
        clients
    }

    /// Whether the permissions are listed in another way, and conditions look at the scope. For a request without scope, one
    /// permission is the start and others are added in the order of the file.
    fn may_depend_on_order(&self, left: &Left) -> bool {
        let looks = |rights: &[Right<'_>], indexes: &[usize]| {
            indexes.iter().filter_map(|index| rights.get(*index)).any(Right::looks_at_scopes)
        };
        let both = !left.old.is_empty() && !left.new.is_empty();
        both && (looks(&self.rights.old, &left.old) || looks(&self.rights.new, &left.new)) && !self.is_same(left)
    }

    /// Whether the permissions that are left are the same, in one order.
    fn is_same(&self, left: &Left) -> bool {
        let same = |(old, new): (&usize, &usize)| {
            let pair = self.rights.old.get(*old).zip(self.rights.new.get(*new));
            pair.is_some_and(|(old, new)| old.says_the_same(new))
        };
        self.agree && left.old.len() == left.new.len() && left.old.iter().zip(&left.new).all(same)
    }

    fn node(&mut self, place: Place) -> NodeId {
        if place.left.old.is_empty() && place.left.new.is_empty() || self.is_same(&place.left) {
            return NOTHING;
        }
        if let Some(node) = self.met.get(&place) {
            return *node;
        }
        let node = match Part::ALL.get(place.depth) {
            Some(part) => self.parted(*part, &place),
            None => self.changed(&place),
        };
        self.met.insert(place, node);
        node
    }

    /// Tells the requests apart by a part.
    fn parted(&mut self, part: Part, place: &Place) -> NodeId {
        let mentioned = if part.has_names(place.told) { self.mentioned(part, place) } else { BTreeSet::new() };
        let mut values = part.values(place.told);
        if part.has_names(place.told) {
            values.extend(mentioned.iter().map(|name| PartValue::Name(name)).chain([PartValue::Other]));
        }
        let mut groups: HashMap<Place, Vec<PartValue<'a>>> = HashMap::new();
        for value in values {
            let left = Versions {
                old: covering(&self.rights.old, &place.left.old, part, value, place.told),
                new: covering(&self.rights.new, &place.left.new, part, value, place.told),
            };
            let told = place.told.with(part, value, self.realm);
            groups.entry(Place { depth: place.depth + 1, told, left }).or_default().push(value);
        }
        let mut children: BTreeMap<NodeId, Vec<PartValue<'a>>> = BTreeMap::new();
        for (place, values) in groups {
            children.entry(self.node(place)).or_default().extend(values);
        }
        children.remove(&NOTHING);
        let mut classes: Vec<_> =
            children.into_iter().map(|(node, values)| (Class::of(&values, &mentioned), node)).collect();
        classes.sort();
        if classes.is_empty() { NOTHING } else { self.known(Node::Parted(classes)) }
    }

    fn mentioned(&self, part: Part, place: &Place) -> BTreeSet<&'a str> {
        let old = place.left.old.iter().filter_map(|index| self.rights.old.get(*index));
        let new = place.left.new.iter().filter_map(|index| self.rights.new.get(*index));
        old.chain(new).flat_map(|right| right.mentioned(part)).collect()
    }

    /// Compares what is given to one class of requests.
    fn changed(&mut self, place: &Place) -> NodeId {
        let mut delta: Delta<'a> = BTreeMap::new();
        for (gift, old) in self.gifts(&self.rights.old, &place.left.old, place.told) {
            delta.entry(gift).or_default().old = old;
        }
        for (gift, new) in self.gifts(&self.rights.new, &place.left.new, place.told) {
            delta.entry(gift).or_default().new = new;
        }
        delta.retain(|_, terms| terms.old != terms.new);
        if delta.is_empty() { NOTHING } else { self.known(Node::Changed(delta)) }
    }

    fn gifts(&self, rights: &[Right<'a>], left: &[usize], told: Told) -> Gifts<'a> {
        let mut gifts = Gifts::new();
        let covering = left.iter().filter_map(|index| rights.get(*index));
        for right in covering.filter(|right| right.holds_from(self.today)) {
            for gift in right.gifts(told, &self.scopes) {
                add(gifts.entry(gift).or_default(), right.terms(gift, told));
            }
        }
        // A minted token comes alone.
        let upstream = |gift: &Gift<'_>| matches!(gift, Gift::Issuance(issuance) if *issuance != Issuance::Mint);
        if !gifts.keys().any(upstream) {
            gifts.remove(&Gift::IdTokenBeside);
        }
        for terms in gifts.values_mut() {
            terms.sort();
        }
        gifts
    }

    fn known(&mut self, node: Node<'a>) -> NodeId {
        if let Some(id) = self.known.get(&node) {
            return *id;
        }
        let id = self.nodes.len();
        self.nodes.push(node.clone());
        self.known.insert(node, id);
        id
    }

    /// Adds every change from a node on, where `path` are the classes so far.
    fn list(&self, node: NodeId, path: &mut Vec<Class<'a>>, changes: &mut Vec<ClassChange<'a>>) {
        match self.nodes.get(node) {
            None | Some(Node::Nothing) => {}
            Some(Node::Parted(classes)) => {
                for (class, node) in classes {
                    path.push(class.clone());
                    self.list(*node, path, changes);
                    path.pop();
                }
            }
            Some(Node::Changed(delta)) => {
                changes.push((path.clone(), delta.clone()));
            }
        }
    }

    /// The permissions that make the difference.
    fn from(&self, path: &[Class<'a>], delta: &Delta<'a>) -> BTreeSet<(WhichVersion, usize)> {
        let gained = |gift: &Gift<'a>, terms: &GiftTerms<'a>| {
            delta.get(gift).is_some_and(|pair| pair.gained().any(|gained| gained == terms))
        };
        let lost = |gift: &Gift<'a>, terms: &GiftTerms<'a>| {
            delta.get(gift).is_some_and(|pair| pair.lost().any(|lost| lost == terms))
        };
        let mut from = BTreeSet::new();
        let new = self.rights.new.iter().enumerate().filter(|(_, right)| self.gives(right, path, &gained));
        from.extend(new.map(|(index, _)| (WhichVersion::New, index)));
        let old = self.rights.old.iter().enumerate().filter(|(_, right)| self.gives(right, path, &lost));
        from.extend(old.map(|(index, _)| (WhichVersion::Old, index)));
        from
    }

    /// Whether a permission gives one of these things to some of the requests.
    fn gives(&self, right: &Right<'a>, path: &[Class<'a>], wanted: &dyn Fn(&Gift<'a>, &GiftTerms<'a>) -> bool) -> bool {
        let mut told = BTreeSet::from([Told::default()]);
        for (part, class) in Part::ALL.into_iter().zip(path) {
            let mut next = BTreeSet::new();
            for before in &told {
                let plain = part.values(*before);
                let names = if part.has_names(*before) { Some(right.mentioned(part)) } else { None };
                let names = names.into_iter().flatten().map(PartValue::Name).chain([PartValue::Other]);
                let values = plain.into_iter().chain(names).filter(|value| class.contains(*value));
                let covered = values.filter(|value| right.covers(part, *value, *before));
                next.extend(covered.map(|value| before.with(part, value, self.realm)));
            }
            told = next;
        }
        right.holds_from(self.today)
            && told.iter().any(|told| {
                right.gifts(*told, &self.scopes).into_iter().any(|gift| wanted(&gift, &right.terms(gift, *told)))
            })
    }
}

fn covering(rights: &[Right<'_>], left: &[usize], part: Part, value: PartValue<'_>, told: Told) -> Vec<usize> {
    let covers = |index: &usize| rights.get(*index).is_some_and(|right| right.covers(part, value, told));
    left.iter().copied().filter(covers).collect()
}

/// Adds terms, unless others cover them, and drops what they cover.
fn add<'a>(all: &mut Vec<GiftTerms<'a>>, terms: GiftTerms<'a>) {
    if !all.iter().any(|known| known.cover(&terms)) {
        all.retain(|known| !terms.cover(known));
        all.push(terms);
    }
}
