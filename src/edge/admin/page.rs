//! The page for operators: its files, and what it shows. Nothing comes from outside, and nothing can be changed.

mod ends;
mod matrix;

use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY};
use http::{HeaderName, Response};
use http_body_util::Full;
use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use self::ends::ends;
use self::matrix::{MatrixFilter, matrix};
use super::reply::with_type;
use crate::adapters::config::KeySource;
use crate::adapters::config::settings::audience_files::BrokenAudienceFile;
use crate::adapters::jwks::JwksCache;
use crate::edge::gateway::generation::Generation;
use crate::edge::gateway::realm_runtime::RealmRuntime;
use crate::edge::health::Shared;
use crate::judgement::issue::ring::PublicHalf;
use crate::words::oauth::form::Form;

/// Most broken files that are shown.
const BROKEN: usize = 50;

/// What the page may do: load its own script and style, and ask Cambio.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The headers that only files have.
const HEADERS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A file of the page.
#[derive(Clone, Copy)]
pub(super) struct PageFile {
    path: &'static str,
    media_type: &'static str,
    content: &'static str,
}

const FILES: [PageFile; 4] = [
    PageFile { path: "/", media_type: "text/html; charset=utf-8", content: include_str!("page/files/page.html") },
    PageFile { path: "/page.css", media_type: "text/css; charset=utf-8", content: include_str!("page/files/page.css") },
    PageFile {
        path: "/page.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_str!("page/files/page.js"),
    },
    PageFile { path: "/icon.svg", media_type: "image/svg+xml", content: include_str!("page/files/icon.svg") },
];

impl PageFile {
    /// The file at this path.
    pub(super) fn at(path: &str) -> Option<Self> {
        FILES.into_iter().find(|file| file.path == path)
    }

    /// The answer with the file.
    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let mut response = with_type(Bytes::from_static(self.content.as_bytes()), self.media_type);
        for (name, value) in HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// The query of `/page.json` is wrong.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("/page.json takes realm, audience and client, each once")]
pub(super) struct PageQueryError;

/// What the page shows, as JSON. `query` chooses the rows of the matrix.
///
/// # Errors
/// The query has another parameter.
pub(super) fn shown(shared: &Shared, query: &str) -> Result<Vec<u8>, PageQueryError> {
    let filter = filter(query).ok_or(PageQueryError)?;
    let (services, now) = (&shared.services, shared.services.now());
    let generation = services.generation();
    let lines = services.audit.last_lines();
    let decisions: Vec<&RawValue> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let shown = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "now": now,
        "configHash": generation.config.hash,
        "policyHash": generation.config.policy.hash,
        "load": load(shared, &generation),
        "realms": generation.realms.iter().map(|one| realm(one, now)).collect::<Vec<_>>(),
        "issuers": issuers(&generation),
        "matrix": matrix(&generation, &filter),
        "ends": ends(&generation, services.metrics.certificates(), now),
    });
    // The lines are JSON already, and stay as they were written.
    let mut text = shown.to_string().into_bytes();
    text.pop();
    text.extend_from_slice(b",\"decisions\":");
    text.extend_from_slice(&serde_json::to_vec(&decisions).unwrap_or_else(|_| b"[]".to_vec()));
    text.push(b'}');
    Ok(text)
}

fn filter(query: &str) -> Option<MatrixFilter> {
    let form = Form::parse(query.as_bytes()).ok()?;
    let mut filter = MatrixFilter::default();
    for (name, value) in form.fields() {
        let place = match name {
            "realm" => &mut filter.realm,
            "audience" => &mut filter.audience,
            "client" => &mut filter.client,
            _ => return None,
        };
        if !std::mem::replace(place, value.to_lowercase()).is_empty() {
            return None;
        }
    }
    Some(filter)
}

/// How the configuration was last loaded, and which audience files are broken.
fn load(shared: &Shared, generation: &Generation) -> Value {
    let last = shared.last_load();
    let files = &generation.config.audience_files.broken;
    json!({
        "at": last.as_ref().map(|load| load.at),
        "outcome": last.as_ref().map(|load| load.outcome.as_str()),
        "error": last.and_then(|load| load.error),
        "files": files.iter().take(BROKEN).map(broken).collect::<Vec<_>>(),
        "moreFiles": files.len().saturating_sub(BROKEN),
        "warnings": generation.config.warnings.len(),
    })
}

fn broken(file: &BrokenAudienceFile) -> Value {
    json!({
        "file": file.path.display().to_string(),
        "audience": file.names.audience,
        "realm": file.names.realm,
        "owner": file.owner(),
        "inForce": file.in_force(),
        "problems": file.problems.iter().map(|problem| json!({
            "line": problem.line,
            "key": problem.key,
            "message": problem.message,
        })).collect::<Vec<_>>(),
        "moreProblems": file.more,
    })
}

fn realm(realm: &RealmRuntime, now: Timestamp) -> Value {
    json!({
        "name": realm.config.name,
        "issuer": realm.config.issuer,
        "dialect": realm.config.dialect.name(),
        "signingKeys": realm.signing.iter().flat_map(|ring| ring.published(now)).map(signing_key).collect::<Vec<_>>(),
    })
}

fn signing_key(key: PublicHalf<'_>) -> Value {
    let PublicHalf { kid, algorithm, state, since, until, .. } = key;
    json!({ "kid": kid, "algorithm": algorithm, "state": state.as_str(), "since": since, "until": until })
}

fn issuers(generation: &Generation) -> Vec<Value> {
    let config = &generation.config;
    let realms = config.realms.values().map(|one| (&one.name, &one.issuer, "published"));
    let foreign = config.issuers.values().map(|one| {
        let keys = if matches!(one.keys, KeySource::Shared(_)) { "shared" } else { "published" };
        (&one.name, &one.url, keys)
    });
    let all = realms.map(|one| (true, one)).chain(foreign.map(|one| (false, one)));
    let shown = all.map(|(is_realm, (name, url, source))| {
        let jwks = generation.issuers.keys(name);
        let held = jwks.and_then(JwksCache::held);
        let used = held.iter().flat_map(|keys| keys.used()).map(|key| {
            let algorithms: Vec<_> = key.algorithms().map(|one| format!("{one:?}")).collect();
            json!({ "kid": key.kid(), "algorithms": algorithms })
        });
        let left_out = held
            .iter()
            .flat_map(|keys| keys.left_out())
            .map(|key| json!({ "kid": key.kid, "why": key.fault.to_string() }));
        json!({
            "name": name,
            "url": url,
            "isRealm": is_realm,
            "source": source,
            "ageSeconds": jwks.and_then(JwksCache::age).map(|age| age.as_secs()),
            "keys": used.collect::<Vec<_>>(),
            "leftOut": left_out.collect::<Vec<_>>(),
        })
    });
    shown.collect()
}
