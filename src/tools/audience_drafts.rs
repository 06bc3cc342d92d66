//! Audience files that a command writes for owners to complete.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::CommandFailure;

/// The owner of a file until somebody is named.
pub(super) const OWNER: &str = "to be named";

/// Where and how a command writes its files.
#[derive(Debug, Args)]
pub(super) struct DraftArguments {
    /// Folder for the audience files
    #[arg(long, value_name = "FOLDER", default_value = "audiences")]
    pub(super) out: PathBuf,
    /// Owner in the files until their teams are named; without it "to be named"
    #[arg(long, value_name = "TEAM", allow_hyphen_values = true, value_parser = owner_name)]
    pub(super) owner: Option<String>,
    /// Replace existing files; without it nothing is written if one of them exists
    #[arg(long, overrides_with = "force")]
    pub(super) force: bool,
}

impl DraftArguments {
    /// Writes all files, or none if one of them exists and may not be replaced. Makes the folder that they are in.
    pub(super) fn write(&self, files: &[(PathBuf, &str)]) -> Result<(), CommandFailure> {
        let (folder, force) = (&self.out, self.force);
        if !force {
            let existing: Vec<_> = files
                .iter()
                .filter(|(path, _)| path.symlink_metadata().is_ok())
                .map(|(path, _)| path.display().to_string())
                .collect();
            if !existing.is_empty() {
                return Err(CommandFailure(format!("not overwritten without --force: {}", existing.join(", "))));
            }
        }
        if files.iter().any(|(path, _)| path.starts_with(folder)) {
            fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        }
        for (path, text) in files {
            let mut options = OpenOptions::new();
            options.write(true);
            if force {
                options.create(true).truncate(true)
            } else {
                options.create_new(true)
            };
            let mut file = options.open(path).map_err(|error| failed(path, &error))?;
            file.write_all(text.as_bytes()).map_err(|error| failed(path, &error))?;
        }
        Ok(())
    }
}

/// The name of a team, for an argument.
fn owner_name(name: &str) -> Result<String, &'static str> {
    if name.trim().is_empty() || name.contains(char::is_control) {
        return Err("the owner is the name of a team");
    }
    Ok(name.to_owned())
}

/// Whether a name can be written into an audience file.
pub(super) fn can_be_named(name: &str) -> bool {
    let odd = |letter: char| {
        letter.is_control() || matches!(letter, '*' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    !name.is_empty() && name.trim() == name && !name.contains(odd)
}

/// The name of an audience's file. Letters, digits, `.`, `-` and `_` of the client id stay as they are, other bytes become
/// `%XX`: no two clients share a file, and no file is outside the folder. If one of the `others` differs in
/// case only, capital letters become `%XX`, too: some file systems take both names for one.
pub(super) fn file_name<'n>(audience: &str, mut others: impl Iterator<Item = &'n str>) -> Option<String> {
    let escape_capitals = others.any(|other| other != audience && other.eq_ignore_ascii_case(audience));
    let mut name = String::new();
    for (at, byte) in audience.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || byte == b'.' && at > 0;
        if plain && !(escape_capitals && byte.is_ascii_uppercase()) {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name.push_str(".yaml");
    (name.len() <= 255).then_some(name)
}

/// The names in a YAML list, without its brackets.
pub(super) fn list(names: &[&str]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// The text as a YAML string: a JSON string in which `${`, which has a meaning in audience files, is escaped.
pub(super) fn quoted(text: &str) -> String {
    json(&text.replace("${", "$${"))
}

/// The text for a comment, in ASCII: some YAML readers end a line, and so the comment, at characters that JSON does not
/// escape.
pub(super) fn ascii(text: &str) -> String {
    format!("\"{}\"", text.escape_default())
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn failed(path: &Path, error: &std::io::Error) -> CommandFailure {
    CommandFailure(format!("{}: {error}", path.display()))
}
