//! The endpoints of realms whose paths the configuration says (`realms.*.endpoints`), and what a path could mean to the
//! most liberal of servers that has such an endpoint.
//!
//! Keycloak's paths have names of their own, which can be looked for anywhere in a path. A configured path can be as short as
//! `/token`, so it is looked for where it stands. A path that some server could read as the token endpoint is refused,
//! and so is every path below the token endpoint that is no endpoint itself. A path that could be read as one of the other
//! endpoints is refused, too; pages below these pass if they are plainly written.

use super::disguise::{decode, has_in_order, is_name, is_plain, segments};
use crate::judgement::dialect::RealmPath;
use crate::judgement::dialect::endpoints::Endpoints;

/// The paths of configured endpoints.
#[derive(Clone, Debug, Default)]
pub(super) struct ConfiguredPaths {
    /// The segments of token endpoints, folded.
    doors: Vec<Vec<String>>,
    /// The segments of the other endpoints that Cambio answers, folded.
    others: Vec<Vec<String>>,
}

/// What a path, which is none of the endpoints as they are written, could mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The token endpoint of a realm.
    Door,
    /// Another endpoint that Cambio answers.
    Other,
}

impl ConfiguredPaths {
    /// Adds the endpoints of a realm.
    pub(super) fn add(&mut self, place: RealmPath<'_>) {
        let documents = place.discovery_paths();
        let configured = place.endpoints.into_iter().flat_map(Endpoints::paths);
        let others = configured.chain(documents.iter().map(String::as_str));
        self.others.extend(others.filter(|path| *path != place.token()).map(segments));
        self.doors.push(segments(&place.token()));
    }

    /// Whether there is any.
    pub(super) fn has_doors(&self) -> bool {
        !self.doors.is_empty()
    }

    /// What some server could read `path` as.
    pub(super) fn meaning(&self, path: &str) -> Option<Meaning> {
        if !self.has_doors() {
            return None;
        }
        // Nearly every path is plain: it is compared as it is, without a copy.
        if is_plain(path) && !path.starts_with("//") {
            let reads = |names: &[String], below| plainly_reads(path, names, below);
            return self.find(|names| reads(names, true), |names| reads(names, false));
        }
        let decoded = decode(path);
        self.find(|names| may_read(&decoded, names), |names| may_read(&decoded, names))
    }

    fn find(&self, door: impl Fn(&[String]) -> bool, other: impl Fn(&[String]) -> bool) -> Option<Meaning> {
        if self.doors.iter().any(|names| door(names)) {
            return Some(Meaning::Door);
        }
        self.others.iter().any(|names| other(names)).then_some(Meaning::Other)
    }
}

/// Whether a plain path has these segments and no more, or begins with them if what is `below` counts. Servers fold case
/// and cut what stands after a dot.
fn plainly_reads(path: &str, names: &[String], below: bool) -> bool {
    let mut found = path.split('/').filter(|segment| !segment.is_empty());
    let all = names.iter().all(|name| found.next().is_some_and(|segment| plainly_is(segment, name)));
    all && (below || found.next().is_none())
}

/// [`is_name`] for a segment of graphic ASCII, in any case, without a copy.
fn plainly_is(segment: &str, name: &str) -> bool {
    let (segment, name) = (segment.as_bytes(), name.as_bytes());
    segment.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name))
        && segment.get(name.len()).is_none_or(|next| !(next.is_ascii_alphanumeric() || b"-_".contains(next)))
}

/// Whether some server could read a decoded path as the path of these names, or as a path below.
///
/// Only segments that mean something else than a name can take other segments away, for instance `..`; and an empty one
/// may be the end of a host. If there is one, the names are looked for anywhere, in their order.
fn may_read(decoded: &str, names: &[String]) -> bool {
    let inner = decoded.strip_prefix('/').unwrap_or(decoded);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if inner.split('/').any(|segment| !begins_as_name(segment)) {
        return has_in_order(decoded, names);
    }
    let mut found = inner.split('/');
    names.iter().all(|name| found.next().is_some_and(|segment| is_name(segment, name)))
}

/// Whether a segment begins like a name: every server keeps it, and what stands before it.
fn begins_as_name(segment: &str) -> bool {
    let mut characters = segment.chars().filter(|character| !is_dropped(*character));
    let is_letter = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    match characters.next() {
        Some('.') => is_letter(characters.next()),
        Some('-' | '_' | '~' | '@' | '$' | '!' | '*' | '+' | '=' | ',') => true,
        first => is_letter(first),
    }
}

/// Characters that some server drops: spaces, control characters, and invisible ones.
fn is_dropped(character: char) -> bool {
    !character.is_ascii_graphic() && !character.is_alphanumeric()
}

#[cfg(test)]
mod tests;
