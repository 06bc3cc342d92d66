//! `cambio check FILE…`: an owner's audience files, with the platform's file or without it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::findings::{Findings, count, ended_permissions, print_problems};
use crate::adapters::config::file::audience::permission::{Issuance, Permission, RequestedTokenType};
use crate::adapters::config::file::audience::roles::RoleOrigin;
use crate::adapters::config::load::Environment;
use crate::adapters::config::load::review::files::{FilesReview, ReviewedFile, review_files};
use crate::adapters::config::problem::printable;
use crate::judgement::policy::model;

/// What is said of some audience files.
pub(super) struct FilesReport {
    pub(super) findings: Findings,
    review: FilesReview,
}

impl FilesReport {
    /// Reads and checks the files as of `today` (UTC).
    pub(super) fn of(files: &[PathBuf], platform: Option<&Path>, env: &dyn Environment, today: Date) -> Self {
        let review = match review_files(files, platform, env) {
            Ok(review) => review,
            Err(problems) => FilesReview { problems, ..FilesReview::default() },
        };
        let ended = review.files.iter().flat_map(|one| {
            let expires = one.file.permissions.iter().map(|one| one.expires.as_ref()?.parse().ok());
            ended_permissions(&one.path, &one.bytes, expires, today)
        });
        let mut warnings: Vec<_> = review.warnings.iter().cloned().chain(ended).collect();
        warnings.sort();
        let notes = notes(&review, platform);
        Self {
            findings: Findings { problems: review.problems.clone(), warnings, notes, ..Findings::default() },
            review,
        }
    }

    /// Prints the problems, or what the files say.
    pub(super) fn write(&self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<()> {
        let Findings { problems, warnings, notes, .. } = &self.findings;
        if !problems.is_empty() {
            print_problems(problems, err)?;
            return notes.iter().try_for_each(|note| writeln!(err, "unknown  {note}"));
        }
        for one in &self.review.files {
            let realm = one.realm.as_ref().map(|realm| format!(" in {}", printable(realm))).unwrap_or_default();
            let (name, owner) = (printable(&one.file.audience), printable(one.file.owner.trim()));
            let permissions = count(one.file.permissions.len(), "permission");
            writeln!(out, "audience {name}{realm}: owner {owner}, {permissions}")?;
        }
        for path in &self.review.tests {
            writeln!(out, "skipped  {}: a file of tests, which cambio test runs", printable(&path.to_string_lossy()))?;
        }
        for warning in warnings {
            writeln!(out, "warning  {warning}")?;
        }
        for note in notes {
            writeln!(out, "unknown  {note}")?;
        }
        writeln!(out, "ok       {}", count(self.review.files.len(), "audience file"))
    }
}

/// What the files depend on and nobody could look at.
fn notes(review: &FilesReview, platform: Option<&Path>) -> Vec<String> {
    let mut notes = Vec::new();
    match platform {
        None => notes.extend(without_platform(&review.files)),
        Some(path) if review.problems_of_platform > 0 => {
            let (problems, path) = (count(review.problems_of_platform, "problem"), path.display());
            notes.push(format!("{path} has {problems} itself: cambio check --config {path} names them"));
        }
        Some(_) => {}
    }
    notes.extend(unregistered(review));
    notes
}

/// What only the platform's file says.
fn without_platform(files: &[ReviewedFile]) -> Option<String> {
    if files.is_empty() {
        return None;
    }
    let mut unknown = Vec::new();
    let realms: BTreeSet<_> = files.iter().filter_map(|one| one.file.realm.as_deref()).collect();
    if realms.is_empty() {
        unknown.push("which realm these files are for".to_owned());
    } else {
        unknown.push(format!("whether these realms exist: {}", listed(realms)));
    }
    let permissions =
        || files.iter().flat_map(|one| one.file.permissions.iter().map(move |permission| (one, permission)));
    let issuers = permissions().flat_map(|(_, one)| one.issuers.iter().flatten());
    let issuers: BTreeSet<_> = issuers.map(String::as_str).filter(|name| *name != "*").collect();
    if !issuers.is_empty() {
        unknown.push(format!("whether the realm trusts these issuers: {}", listed(issuers)));
    }
    let signs = |one: &ReviewedFile, permission: &Permission| {
        let issuance: Issuance = permission.issuance.unwrap_or(one.file.issuance);
        model::Issuance::from(issuance).signs()
    };
    let is_refresh_token = |kind: &RequestedTokenType| matches!(kind, RequestedTokenType::RefreshToken);
    let needs = [
        ("signingKeys", permissions().any(|(one, permission)| signs(one, permission))),
        ("refreshTokens", permissions().any(|(_, one)| one.requested_tokens.iter().any(is_refresh_token))),
        ("introspection", permissions().any(|(_, one)| one.still_active)),
        ("directory", files.iter().any(|one| one.file.roles.source == RoleOrigin::Directory)),
        ("doors.requestedSubject", permissions().any(|(_, one)| one.impersonation.is_some())),
    ];
    let needs: BTreeSet<_> = needs.into_iter().filter_map(|(key, is_needed)| is_needed.then_some(key)).collect();
    if !needs.is_empty() {
        unknown.push(format!("whether the realm has these settings: {}", listed(needs)));
    }
    Some(format!("without the platform's file (--config): {}", unknown.join("; ")))
}

/// Clients that only the identity provider knows, a line for each realm.
fn unregistered(review: &FilesReview) -> Vec<String> {
    let mut clients: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for one in &review.files {
        let Some((realm, known)) = one.realm.as_ref().and_then(|name| review.clients.get_key_value(name)) else {
            continue;
        };
        let names =
            one.file.permissions.iter().flat_map(|one| one.clients.iter().chain(one.subject_clients.iter().flatten()));
        let names = names.filter(|name| *name != "*" && !known.contains(*name));
        clients.entry(realm).or_default().extend(names.map(String::as_str));
    }
    let unknown = clients.into_iter().filter(|(_, names)| !names.is_empty());
    let line = |(realm, names): (&str, _)| {
        format!(
            "whether the identity provider has these clients, which realms.{realm}.clients does not list: {}",
            listed(names)
        )
    };
    unknown.map(line).collect()
}

fn listed(names: BTreeSet<&str>) -> String {
    printable(&names.into_iter().collect::<Vec<_>>().join(", "))
}
