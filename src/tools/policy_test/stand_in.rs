//! A stand-in for the platform's file, for an owner who does not have that file.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::adapters::config::load::review::files::{ReviewedFile, review_files};
use crate::adapters::config::load::{Environment, audience_files};
use crate::tools::explain::Gate;
use crate::tools::failure::CommandFailure;

/// The name of the realm if no audience file names one.
const REALM: &str = "realm";

/// A gate with the audience files of a folder alone. Each realm that a file names, or else one realm, is there, signs, and
/// trusts each issuer that a permission names.
///
/// # Errors
/// The folder can't be read, or a file needs more of the platform's file than a stand-in has.
pub(super) fn gate(folder: &Path, environment: &dyn Environment) -> Result<Gate, CommandFailure> {
    let failed = |error: &dyn std::fmt::Display| CommandFailure(format!("{}: {error}", folder.display()));
    let folder = std::path::absolute(folder).map_err(|error| failed(&error))?;
    let paths = audience_files(&folder).map_err(|error| failed(&error))?;
    // Only a platform's file makes this an error.
    let files = review_files(&paths, None, environment).unwrap_or_default().files;
    let base = Base::new(&platform(&files, &folder))?;
    Gate::load(&base.0.join("cambio.yaml"), environment).map_err(|error| {
        let error = error.0.replace(&*base.0.to_string_lossy(), "stand-in");
        failed(&format!(
            "no stand-in for cambio.yaml fits the audience files here, name the file with --config FILE: {error}"
        ))
    })
}

/// The text of `cambio.yaml`. JSON is YAML, too, and quotes every name.
fn platform(files: &[ReviewedFile], folder: &Path) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut realms: BTreeSet<&str> = files.iter().filter_map(|one| one.file.realm.as_deref()).collect();
    if realms.is_empty() {
        realms.insert(REALM);
    }
    let permissions = files.iter().flat_map(|one| &one.file.permissions);
    let named = permissions.flat_map(|one| one.issuers.iter().flatten()).map(String::as_str);
    let issuers: BTreeSet<&str> = named.filter(|name| *name != "*" && !realms.contains(name)).collect();
    let mut text =
        String::from("upstream: { url: 'http://127.0.0.1:1' }\nlisten: { address: '127.0.0.1:0' }\nrealms:\n");
    for realm in &realms {
        let trusted: Vec<_> = std::iter::once(realm).chain(&issuers).map(|name| quoted(name)).collect();
        let issuer = quoted(&format!("https://idp.invalid/realms/{realm}"));
        let _ = writeln!(
            text,
            "  {}: {{ issuer: {issuer}, subjectIssuers: [{}], signingKey: absent.pem }}",
            quoted(realm),
            trusted.join(", ")
        );
    }
    if !issuers.is_empty() {
        text.push_str("issuers:\n");
    }
    for issuer in issuers {
        let url = quoted(&format!("https://{issuer}.invalid"));
        let _ = writeln!(
            text,
            "  {}: {{ issuer: {{ url: {url}, audiences: ['https://idp.invalid'] }}, jwksURL: 'http://127.0.0.1:1/keys' }}",
            quoted(issuer)
        );
    }
    let _ = writeln!(text, "audiences: {}", quoted(&folder.to_string_lossy()));
    text
}

/// A folder for the stand-in, which is removed after it was read.
struct Base(PathBuf);

impl Base {
    fn new(text: &str) -> Result<Self, CommandFailure> {
        let base = Self(std::env::temp_dir().join(format!("cambio-test-{}", uuid::Uuid::new_v4())));
        fs::create_dir(&base.0).map_err(CommandFailure::of)?;
        fs::write(base.0.join("cambio.yaml"), text).map_err(CommandFailure::of)?;
        Ok(base)
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        // What is left in the folder for temporary files harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}
