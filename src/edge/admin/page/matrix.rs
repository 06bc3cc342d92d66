//! Clients and audiences, with the permissions behind each pair. There may be 10,000 audiences: the page shows the first rows
//! that its filter finds.

use std::path::Path;

use serde_json::{Value, json};

use crate::adapters::config::load::permission_lines;
use crate::adapters::config::settings::audience_files::AudienceVersion;
use crate::adapters::metrics::AudienceMetrics;
use crate::edge::gateway::generation::Generation;
use crate::judgement::policy::model::Permission;
use crate::words::oauth::names::Names;

/// Most audiences that are shown.
const AUDIENCES: usize = 50;

/// Most permissions of one audience that are shown.
const PERMISSIONS: usize = 20;

/// Most clients of one permission that are shown.
const CLIENTS: usize = 20;

/// Which audiences and permissions are shown. An empty text finds all. The texts are in lower case.
#[derive(Debug, Default)]
pub(super) struct MatrixFilter {
    /// The realm's name.
    pub(super) realm: String,
    /// A part of the name of the audience, or of its owner.
    pub(super) audience: String,
    /// A part of the name of a client.
    pub(super) client: String,
}

/// An audience that the filter finds.
struct Row<'a> {
    realm: &'a str,
    file: &'a Path,
    version: &'a AudienceVersion,
}

impl MatrixFilter {
    fn finds(&self, row: &Row<'_>) -> bool {
        let audience = &row.version.audience;
        (self.realm.is_empty() || row.realm.to_lowercase() == self.realm)
            && (is_part(&self.audience, &audience.name) || is_part(&self.audience, &audience.owner))
            && (self.client.is_empty() || audience.permissions.iter().any(|one| self.finds_clients(&one.clients)))
    }

    fn finds_clients(&self, clients: &Names) -> bool {
        *clients == Names::Any || clients.written().any(|client| is_part(&self.client, client))
    }
}

/// The audiences that the filter finds, in the order of realms and names, with the permissions for the clients that it finds.
pub(super) fn matrix(generation: &Generation, filter: &MatrixFilter) -> Value {
    let files = &generation.config.audience_files.in_force;
    let rows = files.iter().map(|(file, version)| {
        let realm = version.names.realm.as_deref().unwrap_or_default();
        Row { realm, file, version }
    });
    let mut found: Vec<_> = rows.filter(|row| filter.finds(row)).collect();
    found.sort_unstable_by_key(|row| (row.realm, &row.version.audience.name));
    json!({
        "audiences": files.len(),
        "found": found.len(),
        "rows": found.iter().take(AUDIENCES).map(|row| shown(generation, row, filter)).collect::<Vec<_>>(),
    })
}

fn shown(generation: &Generation, row: &Row<'_>, filter: &MatrixFilter) -> Value {
    let audience = &row.version.audience;
    let metrics = generation.realm(row.realm).and_then(|realm| realm.metrics.audience(&audience.name));
    let lines = permission_lines(&row.version.bytes);
    let all = audience.permissions.iter().enumerate();
    let found: Vec<_> = all.filter(|(_, one)| filter.client.is_empty() || filter.finds_clients(&one.clients)).collect();
    let permissions = found.iter().take(PERMISSIONS).map(|(index, permission)| {
        let mut shown = permission_shown(permission, *index, metrics, filter);
        shown["line"] = lines.get(*index).copied().into();
        shown["issuance"] = audience.issuance_of(permission).as_str().into();
        shown
    });
    json!({
        "realm": row.realm,
        "audience": audience.name,
        "owner": audience.owner,
        "file": row.file.display().to_string(),
        "permissions": permissions.collect::<Vec<_>>(),
        "morePermissions": found.len().saturating_sub(PERMISSIONS),
    })
}

fn permission_shown(
    permission: &Permission,
    index: usize,
    metrics: Option<&AudienceMetrics>,
    filter: &MatrixFilter,
) -> Value {
    let used = metrics.and_then(|metrics| metrics.use_of(index));
    let clients: Vec<_> = permission.clients.written().filter(|client| is_part(&filter.client, client)).collect();
    json!({
        "place": format!("permissions[{index}]"),
        "clients": clients.get(..CLIENTS).unwrap_or(&clients),
        "moreClients": clients.len().saturating_sub(CLIENTS),
        "anyClient": permission.clients == Names::Any,
        "issuers": names(&permission.issuers),
        "scopes": names(&permission.scopes),
        "hasCondition": permission.condition.is_some(),
        "impersonation": permission.impersonation.is_some(),
        "delegation": permission.delegation.is_some(),
        "ends": permission.ends(),
        "lastUsed": used.and_then(|used| used.last),
        "allowed": used.map_or(0, |used| used.allowed),
    })
}

fn names(names: &Names) -> Vec<&str> {
    if *names == Names::Any { vec!["*"] } else { names.written().take(CLIENTS).collect() }
}

/// Whether `part`, in lower case, is in the text.
fn is_part(part: &str, text: &str) -> bool {
    part.is_empty() || text.to_lowercase().contains(part)
}
