//! Which file has an audience or a resource that several files claim.
//!
//! The file that had it before keeps it, and the others are broken. If none had it, all of them are broken, because nobody can
//! say who is right. So no file takes an audience away from a file that has it, and nothing depends on the order of files. What
//! a broken file says of itself counts, too: while an owner's file is broken, nobody else gets the owner's audience. And a
//! version that lost a claim does not get it because the owner's file is away, perhaps for a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::version::{AudienceFile, Version, VersionReader};
use crate::adapters::config::load::problem::At;
use crate::adapters::config::load::tree;
use crate::adapters::config::problem::Problem;
use crate::adapters::config::settings::audience_files::Contested;
use crate::judgement::policy::broken::FileNames;

/// What only one file of a realm may have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    realm: String,
    claimed: Claimed,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claimed {
    Audience(String),
    Resource(String),
}

/// A file that claims what another file has, or what others claim, too.
struct Loser {
    file: usize,
    claim: Claim,
    /// The file that had it.
    owner: Option<PathBuf>,
    message: String,
}

/// Takes versions out of force until no claim is left that two files have. A file whose version on disk is taken out falls
/// back to its last good version; that version may have a claim that another file has now.
pub(super) fn settle(files: &mut [AudienceFile], reader: &VersionReader<'_>) {
    hold_back(files, reader);
    loop {
        let losers = losers(files, reader);
        if losers.is_empty() {
            return;
        }
        let mut fallen = BTreeSet::new();
        for loser in &losers {
            let Some(file) = files.get_mut(loser.file) else { continue };
            if let Some(version) = file.version() {
                let problem = problem(file, version, &loser.claim.claimed, loser.message.clone(), reader);
                file.problems.push(problem);
            }
            if let (Some(version), Some(owner)) = (&file.fresh, &loser.owner) {
                let new = || Contested { hash: version.hash.clone(), owners: BTreeSet::new() };
                file.contested.get_or_insert_with(new).owners.insert(owner.clone());
            }
            fallen.insert(loser.file);
        }
        for file in fallen {
            let Some(file) = files.get_mut(file) else { continue };
            if file.fresh.is_some() {
                reader.fall_back(file);
            } else {
                file.kept = None;
            }
        }
    }
}

/// Takes versions out of force that lost a claim to a file that is away now.
fn hold_back(files: &mut [AudienceFile], reader: &VersionReader<'_>) {
    let present: BTreeSet<_> = files.iter().filter(|file| !file.gone).map(|file| file.path.clone()).collect();
    for file in files {
        let (Some(version), Some(contested)) = (&file.fresh, &file.contested) else { continue };
        let away: Vec<_> = contested.owners.difference(&present).map(|path| path.display().to_string()).collect();
        if away.is_empty() {
            continue;
        }
        let message = format!(
            "{} had what this file claims, and was removed: change this file, in a comment for instance, to take it over",
            away.join(", ")
        );
        let problem = problem(file, version, &Claimed::Audience(String::new()), message, reader);
        file.problems.push(problem);
        reader.fall_back(file);
    }
}

/// The files in force that lose a claim.
fn losers(files: &[AudienceFile], reader: &VersionReader<'_>) -> Vec<Loser> {
    let mut claimants: BTreeMap<Claim, Vec<usize>> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        for claim in claims_of(file, reader) {
            claimants.entry(claim).or_default().push(index);
        }
    }
    let in_force = |index: &usize| files.get(*index).is_some_and(|file| file.version().is_some());
    let shown = |index: &usize| files.get(*index).map(AudienceFile::shown);
    // Whether another claimant lost to the file before, which was away since.
    let is_named = |index: usize, claimants: &[usize]| {
        let lost_to = |other: &AudienceFile| {
            let path = files.get(index).map(|file| &file.path);
            other.contested.as_ref().zip(path).is_some_and(|(contested, path)| contested.owners.contains(path))
        };
        claimants.iter().filter_map(|other| files.get(*other)).any(lost_to)
    };
    let mut losers = Vec::new();
    for (claim, claimants) in claimants.into_iter().filter(|(_, claimants)| claimants.len() > 1) {
        let had_it = |index: &&usize| files.get(**index).is_some_and(|file| had(file, &claim, reader));
        let owner =
            claimants.iter().find(had_it).or_else(|| claimants.iter().find(|index| is_named(**index, &claimants)));
        for file in claimants.iter().filter(|file| Some(*file) != owner && in_force(file)) {
            let others = claimants.iter().filter(|other| *other != file && owner.is_none_or(|owner| *other == owner));
            let others: Vec<_> = others.filter_map(shown).collect();
            let message = claim.message(owner.is_some(), &others.join(", "));
            let owner = owner.and_then(|index| Some(files.get(*index)?.path.clone()));
            losers.push(Loser { file: *file, claim: claim.clone(), owner, message });
        }
    }
    losers
}

/// What a file claims: with the version that is in force, or, if there is none, with what the broken file says.
fn claims_of(file: &AudienceFile, reader: &VersionReader<'_>) -> BTreeSet<Claim> {
    if let Some(version) = file.version() {
        return claims(&version.names, &version.placed.realm).collect();
    }
    if file.gone {
        return BTreeSet::new();
    }
    match &file.names.realm {
        Some(realm) => claims(&file.names, realm).collect(),
        // It may be any.
        None => reader.realms().flat_map(|realm| claims(&file.names, realm)).collect(),
    }
}

/// Whether a file had it before.
fn had(file: &AudienceFile, claim: &Claim, reader: &VersionReader<'_>) -> bool {
    let Some(before) = reader.last.in_force.get(&file.path) else { return false };
    // If its realm is gone, the realm has another name now.
    let realm = before.names.realm.as_ref().filter(|realm| reader.realms().any(|name| name == *realm));
    let realm = realm.unwrap_or(&claim.realm);
    *realm == claim.realm && claim.claimed.is_in(&before.names)
}

fn claims<'n>(names: &'n FileNames, realm: &'n str) -> impl Iterator<Item = Claim> + 'n {
    let audience = names.audience.iter().cloned().map(Claimed::Audience);
    let resources = names.resources.iter().cloned().map(Claimed::Resource);
    audience.chain(resources).map(|claimed| Claim { realm: realm.to_owned(), claimed })
}

impl Claimed {
    fn is_in(&self, names: &FileNames) -> bool {
        match self {
            Self::Audience(audience) => names.audience.as_ref() == Some(audience),
            Self::Resource(uri) => names.resources.contains(uri),
        }
    }
}

impl Claim {
    fn message(&self, had: bool, others: &str) -> String {
        let realm = &self.realm;
        let nobody = "; nobody gets it, because Cambio can't know which file is right";
        match (&self.claimed, had) {
            (Claimed::Audience(_), true) => format!("the realm {realm} already has it in {others}"),
            (Claimed::Audience(_), false) => format!("the realm {realm} has it in {others}, too{nobody}"),
            (Claimed::Resource(uri), true) => format!("{uri:?} already stands for the audience in {others}"),
            (Claimed::Resource(uri), false) => format!("{uri:?} stands for the audience in {others}, too{nobody}"),
        }
    }
}

/// The problem, at the place of the claim.
fn problem(
    file: &AudienceFile,
    version: &Version,
    claimed: &Claimed,
    message: String,
    reader: &VersionReader<'_>,
) -> Problem {
    let report = reader.report;
    report.open(&file.path);
    let Ok(tree) = tree::parse(&version.bytes) else { return Problem::of_file(&file.path, message) };
    let root = At::root(&tree, report);
    let at = match claimed {
        Claimed::Audience(_) => root.field("audience"),
        Claimed::Resource(uri) => {
            let index = version.names.resources.iter().position(|one| one == uri);
            root.field("resources").item(index.unwrap_or_default())
        }
    };
    let mut noted = report.apart(|| at.problem(message.clone())).problems;
    noted.pop().unwrap_or_else(|| Problem::of_file(&file.path, message))
}
