//! Audience files that are broken: why there is no such audience, in words that lead to a fix.

use crate::words::refusal::similar::did_you_mean;
use crate::words::refusal::{Reason, Refusal};

/// How many broken files a refusal names.
const NAMED: usize = 3;

/// What an audience file says of itself, as far as Cambio can read the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileNames {
    /// The team that owns the file.
    pub owner: Option<String>,
    /// The realm.
    pub realm: Option<String>,
    /// The audience.
    pub audience: Option<String>,
    /// The resources that stand for the audience.
    pub resources: Vec<String>,
}

/// An audience file whose contents are not in force because of a mistake in them. An earlier version of the file may be in
/// force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenFile {
    /// The file.
    pub file: String,
    /// What the file says of itself.
    pub names: FileNames,
    /// The first problem, with its place.
    pub problem: String,
}

/// The broken files of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokenFiles(pub Vec<BrokenFile>);

impl BrokenFile {
    /// Whether the file may be about this realm.
    fn is_about(&self, realm: &str) -> bool {
        self.names.realm.as_ref().is_none_or(|name| name == realm)
    }

    fn refuse(&self) -> Refusal {
        let owner = self.names.owner.as_deref().unwrap_or("unknown");
        Refusal::new(
            Reason::AudienceMisconfigured,
            format!("mend the audience's file (owner {owner}): {}", self.problem),
        )
    }
}

impl BrokenFiles {
    /// The refusal of an audience that no file in force has.
    pub(super) fn no_audience<'k>(&self, realm: &str, name: &str, known: impl Iterator<Item = &'k str>) -> Refusal {
        let of_audience = |file: &&BrokenFile| file.names.audience.as_deref() == Some(name);
        self.about(realm).find(of_audience).map_or_else(
            || {
                let text = format!("add a file with audience: {name} and realm: {realm} to the audiences folder");
                Refusal::new(Reason::AudienceUnknown, text + &self.or_mend(realm) + &did_you_mean(name, known))
            },
            BrokenFile::refuse,
        )
    }

    /// The refusal of a resource that no file in force lists.
    pub(super) fn no_resource(&self, realm: &str, resource: &str) -> Refusal {
        let of_resource = |file: &&BrokenFile| file.names.resources.iter().any(|one| one == resource);
        self.about(realm).find(of_resource).map_or_else(
            || {
                let text = format!("add {resource} to resources in the audiences file that it means");
                Refusal::new(Reason::ResourceUnknown, text + &self.or_mend(realm))
            },
            BrokenFile::refuse,
        )
    }

    fn about<'f>(&'f self, realm: &'f str) -> impl Iterator<Item = &'f BrokenFile> {
        self.0.iter().filter(move |file| file.is_about(realm))
    }

    /// Names the broken files that do not say which audience they are about.
    fn or_mend(&self, realm: &str) -> String {
        let nameless: Vec<_> = self.about(realm).filter(|file| file.names.audience.is_none()).collect();
        if nameless.is_empty() {
            return String::new();
        }
        let named: Vec<_> = nameless.iter().take(NAMED).map(|file| file.file.as_str()).collect();
        let more = nameless.len() - named.len();
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("; or mend {}{rest}: Cambio can't read which audience a broken file is about", named.join(", "))
    }
}

#[cfg(test)]
mod tests;
