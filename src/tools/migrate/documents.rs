//! The documents of an export: one file, the files of a folder, realms in a list, or objects of an operator.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Options;

use super::error::MigrateError;
use super::export::ExportedRealm;
use super::finding::{FindingKind, MigrationFinding, quoted_names};
use super::operators::OperatorObjects;

/// One document of an export.
#[derive(Clone, Copy)]
pub struct ExportDocument<'a> {
    /// Its name in messages.
    pub name: &'a str,
    /// Its content. Never shown: an export holds secrets.
    pub bytes: &'a [u8],
}

/// The realm that is migrated.
pub(super) struct ChosenRealm {
    pub(super) realm: ExportedRealm,
    /// What is to be told about the documents.
    pub(super) findings: Vec<MigrationFinding>,
}

/// Whether a JSON document is an object of Kubernetes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    api_version: Option<Value>,
    kind: Option<Value>,
}

/// The realms that were read so far: name → the document and the realm.
#[derive(Default)]
struct ReadRealms<'a> {
    realms: BTreeMap<String, (Cow<'a, str>, ExportedRealm)>,
    objects: OperatorObjects,
    findings: Vec<MigrationFinding>,
}

/// Reads the documents, and takes the realm of this name. Without a name, and if the export has one realm only, the only
/// realm, or the only one with permissions of V1. An error tells only its place: the text could be a secret.
pub(super) fn read(documents: &[ExportDocument<'_>], wanted: Option<&str>) -> Result<ChosenRealm, MigrateError> {
    let mut read = ReadRealms::default();
    for document in documents {
        let known = read.document(*document)?;
        if !known && documents.len() == 1 {
            return Err(MigrateError::NoRealm { document: document.name.to_owned() });
        }
        if !known {
            let text = "is no export and no object of an operator: nothing of it was read";
            read.findings.push(MigrationFinding::new(FindingKind::Note, format!("file {:?}", document.name), text));
        }
    }
    for (document, realm) in std::mem::take(&mut read.objects).realms(&mut read.findings) {
        read.realm(Cow::Owned(document), realm)?;
    }
    read.choose(wanted)
}

impl<'a> ReadRealms<'a> {
    /// Reads one document. False if the document is about something else.
    fn document(&mut self, document: ExportDocument<'a>) -> Result<bool, MigrateError> {
        let text = decoded(document.bytes).ok_or_else(|| shape(document, 1, 1))?;
        let json = |error: serde_json::Error| shape(document, error.line(), error.column());
        match text.trim_start().as_bytes().first() {
            Some(b'{') => {
                let probe: Probe = serde_json::from_str(&text).map_err(json)?;
                if probe.is_object() {
                    return Ok(self.objects.add(document.name, serde_json::from_str(&text).map_err(json)?));
                }
                self.export(document, serde_json::from_str(&text).map_err(json)?)
            }
            Some(b'[') => {
                let probes: Vec<Option<Probe>> = serde_json::from_str(&text).map_err(json)?;
                if probes.iter().flatten().any(Probe::is_object) {
                    let values: Vec<Value> = serde_json::from_str(&text).map_err(json)?;
                    return self.values(document, values);
                }
                let realms: Vec<Option<ExportedRealm>> = serde_json::from_str(&text).map_err(json)?;
                let mut known = false;
                for realm in realms.into_iter().flatten() {
                    known |= self.export(document, realm)?;
                }
                Ok(known)
            }
            _ => self.values(document, yaml(document, &text)?),
        }
    }

    /// Documents of YAML, or a list in which there are objects.
    fn values(&mut self, document: ExportDocument<'a>, values: Vec<Value>) -> Result<bool, MigrateError> {
        let mut known = false;
        for value in values {
            known |= match value {
                Value::Array(items) => self.values(document, items)?,
                Value::Object(members) if members.contains_key("apiVersion") && members.contains_key("kind") => {
                    self.objects.add(document.name, Value::Object(members))
                }
                Value::Object(members) => {
                    let realm = ExportedRealm::deserialize(Value::Object(members));
                    self.export(document, realm.map_err(|_| shape(document, 1, 1))?)?
                }
                // A YAML document with nothing but comments.
                Value::Null => false,
                _ => return Err(shape(document, 1, 1)),
            };
        }
        Ok(known)
    }

    fn export(&mut self, document: ExportDocument<'a>, realm: ExportedRealm) -> Result<bool, MigrateError> {
        if realm.name.is_empty() {
            return Ok(false);
        }
        self.realm(Cow::Borrowed(document.name), realm)?;
        Ok(true)
    }

    /// Adds a realm, or the users of one: a folder has them in files of their own.
    fn realm(&mut self, document: Cow<'a, str>, realm: ExportedRealm) -> Result<(), MigrateError> {
        let Some((first, known)) = self.realms.get_mut(&realm.name) else {
            self.realms.insert(realm.name.clone(), (document, realm));
            return Ok(());
        };
        let (users, whole) = match (known.has_users_only(), realm.has_users_only()) {
            (_, true) => (realm, None),
            (true, false) => (std::mem::take(known), Some(realm)),
            (false, false) => {
                let (first, second) = (first.to_string(), document.into_owned());
                return Err(MigrateError::Twice { realm: realm.name, first, second });
            }
        };
        if let Some(whole) = whole {
            *known = whole;
            *first = document;
        }
        known.users.extend(users.users);
        Ok(())
    }

    fn choose(mut self, wanted: Option<&str>) -> Result<ChosenRealm, MigrateError> {
        let chosen = if self.realms.len() == 1 {
            self.realms.keys().next().cloned()
        } else if let Some(named) = wanted.filter(|name| self.realms.contains_key(*name)) {
            Some(named.to_owned())
        } else {
            let mut with_permissions = self.realms.values().filter(|(_, realm)| realm.has_exchange_permissions());
            let first = with_permissions.next().filter(|_| wanted.is_none() && with_permissions.next().is_none());
            first.map(|(_, realm)| realm.name.clone())
        };
        let Some((_, mut realm)) = chosen.and_then(|name| self.realms.remove(&name)) else {
            return Err(match self.realms.len() {
                0 => MigrateError::Empty,
                _ => MigrateError::SeveralRealms { realms: self.realms.into_keys().collect() },
            });
        };
        if realm.clients.is_empty() {
            return Err(MigrateError::NoClients);
        }
        for (name, (_, other)) in &self.realms {
            let has =
                if other.has_exchange_permissions() { "has permissions of V1" } else { "has no permission of V1" };
            let text = format!("is in the export, too, and {has}. Nothing of it was read; --realm {name:?} reads it");
            self.findings.push(MigrationFinding::new(FindingKind::Note, format!("realm {name:?}"), text));
        }
        settle(&mut realm, &mut self.findings);
        Ok(ChosenRealm { realm, findings: self.findings })
    }
}

impl Probe {
    fn is_object(&self) -> bool {
        self.api_version.is_some() && self.kind.is_some()
    }
}

/// Removes clients that can't be told from others: a name that two clients have means neither of them.
fn settle(realm: &mut ExportedRealm, findings: &mut Vec<MigrationFinding>) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for client in &realm.clients {
        *seen.entry(&client.name).or_default() += 1;
    }
    let twice: Vec<String> =
        seen.into_iter().filter(|(_, times)| *times > 1).map(|(name, _)| name.to_owned()).collect();
    let named = twice.iter().map(String::as_str).filter(|name| !name.is_empty());
    if named.clone().next().is_some() {
        let text =
            format!("the export has several clients of one name, and none of them is read: {}", quoted_names(named));
        findings.push(MigrationFinding::new(FindingKind::NotCarriedOver, "clients", text));
    }
    if realm.clients.iter().any(|client| client.name.is_empty()) {
        let text = "the export has clients without `clientId`, and none of them is read";
        findings.push(MigrationFinding::new(FindingKind::NotCarriedOver, "clients", text));
    }
    realm.clients.retain(|client| !client.name.is_empty() && !twice.contains(&client.name));
    if realm.enabled.is_none() {
        let text = "the export does not say whether the realm is enabled; the files are for an enabled one";
        findings.push(MigrationFinding::new(FindingKind::Note, "the realm", text));
    }
}

/// The text of a document: UTF-8, or UTF-16 with a byte order mark, as `>` writes it in PowerShell.
fn decoded(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let (units, odd) = rest.as_chunks::<2>();
        odd.is_empty().then(|| String::from_utf16(&units.iter().map(|pair| unit(*pair)).collect::<Vec<_>>()).ok())?
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes).map(Cow::Owned),
        [0xEF, 0xBB, 0xBF, rest @ ..] => std::str::from_utf8(rest).ok().map(Cow::Borrowed),
        _ => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
    }
}

fn yaml(document: ExportDocument<'_>, text: &str) -> Result<Vec<Value>, MigrateError> {
    let mut options = Options::default();
    options.with_snippet = false;
    options.strict_booleans = true;
    let values: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        let number = |place: u64| usize::try_from(place).unwrap_or(1);
        shape(document, number(line), number(column))
    })?;
    if values.iter().all(Value::is_null) { Err(shape(document, 1, 1)) } else { Ok(values) }
}

fn shape(document: ExportDocument<'_>, line: usize, column: usize) -> MigrateError {
    MigrateError::Shape { document: document.name.to_owned(), line, column }
}
