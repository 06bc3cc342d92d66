//! The realm as callers reach it: whether their exchanges arrive at Cambio, and whether resource servers find its keys.

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use serde_json::{Map, Value};

use super::gathered::{Gathered, Severity};
use super::inquiry::Inquiry;
use super::keys;
use super::probe::{self, Arrival};
use crate::adapters::config::Realm;
use crate::adapters::net::url::absolute;
use crate::judgement::dialect::endpoints::DISCOVERY;
use crate::judgement::jose::keys::KeySet;
use crate::words::oauth::json;

/// One origin under which callers reach the realm.
struct PublicFace<'a> {
    realm: &'a Realm,
    /// The key of the configuration that has the origin.
    key: String,
    /// The URL of the discovery document.
    url: String,
}

/// Looks at every origin of the realm. `straight` is the status with which the identity provider answers the probe.
pub(super) async fn look(asked: &Inquiry, realm: &Realm, straight: Option<u16>, found: &mut Gathered) {
    let issuer = realm.issuer.trim_end_matches('/');
    let path = issuer.parse::<Uri>().map(|uri| uri.path().trim_end_matches('/').to_owned()).unwrap_or_default();
    let listed = realm.public_origins.iter().enumerate();
    let others = listed.map(|(index, origin)| {
        let key = format!("realms.{}.publicOrigins[{index}]", realm.name);
        (key, format!("{}{path}{DISCOVERY}", origin.trim_end_matches('/')))
    });
    let first = (format!("realms.{}.issuer", realm.name), format!("{issuer}{DISCOVERY}"));
    for (key, url) in std::iter::once(first).chain(others) {
        PublicFace { realm, key, url }.look(asked, straight, found).await;
    }
}

impl PublicFace<'_> {
    async fn look(&self, asked: &Inquiry, straight: Option<u16>, found: &mut Gathered) {
        let (document, headers) = match self.document(asked).await {
            Ok(read) => read,
            Err(error) => {
                let message = format!(
                    "{} can't be read from here ({error}), so it is not known whether exchanges of callers arrive at Cambio, and \
                     whether resource servers find its keys: run this command where callers are",
                    self.url
                );
                return found.add(Severity::Note, asked.at(&self.key, message));
            }
        };
        let member = |name: &str| document.get(name).and_then(Value::as_str).and_then(|url| absolute(url).ok());
        if let Some(url) = member("token_endpoint") {
            self.exchanges(asked, url, Answers { straight, headers: &headers }, found).await;
        }
        if let Some(url) = member("jwks_uri") {
            self.keys(asked, &url, found).await;
        }
    }

    async fn document(&self, asked: &Inquiry) -> Result<(Map<String, Value>, HeaderMap), String> {
        let url = absolute(&self.url).map_err(|error| error.to_string())?;
        let (headers, body) = get(asked, &url).await?;
        Ok((json::object(&body).map_err(|error| error.to_string())?, headers))
    }

    /// Whether an exchange that is sent to the public token endpoint arrives at Cambio.
    async fn exchanges(&self, asked: &Inquiry, url: Uri, answers: Answers<'_>, found: &mut Gathered) {
        let shown = url.to_string();
        if self.realm.observed_until.is_some_and(|until| until.is_on(asked.clock.now())) {
            let message = format!(
                "while the realm is observed, Cambio passes refusals of the identity provider on: {shown} was not asked whether \
                 exchanges arrive at Cambio"
            );
            return found.add(Severity::Note, asked.at(&self.key, message));
        }
        let (severity, message) = match probe::public(asked, url).await {
            Err(error) => (Severity::Note, format!("{shown} can't be asked from here: {error}")),
            Ok(arrival) => match answers.verdict(arrival) {
                Verdict::Cambio => return,
                Verdict::Past => (
                    Severity::Problem,
                    format!(
                        "an exchange that is sent to {shown}, where the discovery document leads callers, is answered by the \
                         identity provider and not by Cambio: let this host lead to listen.address, and to nothing else"
                    ),
                ),
                Verdict::Marked => (
                    Severity::Note,
                    format!(
                        "a proxy writes x-correlation-id with UUIDs of version 7 into every answer of {shown}: it can't be told \
                         whether exchanges arrive at Cambio"
                    ),
                ),
                Verdict::Neither(status) => (
                    Severity::Note,
                    format!(
                        "{shown} answers an exchange with status {status}, as neither Cambio nor the identity provider does"
                    ),
                ),
            },
        };
        found.add(severity, asked.at(&self.key, message));
    }

    async fn keys(&self, asked: &Inquiry, url: &Uri, found: &mut Gathered) {
        let Some(ring) = &self.realm.signing else { return };
        let read = get(asked, url).await;
        let set = read.and_then(|(_, body)| KeySet::parse(&body).map_err(|error| error.to_string()));
        match set {
            Ok(set) => keys::compare_published(asked, self.realm, &keys::PublishedKeys { ring, set: &set, url }, found),
            Err(error) => {
                let message = format!("the key set {url} (jwks_uri) can't be read from here: {error}");
                found.add(Severity::Note, asked.at(&self.key, message));
            }
        }
    }
}

/// What is known about other answers.
#[derive(Clone, Copy)]
struct Answers<'a> {
    /// The status of the identity provider's answer to the probe.
    straight: Option<u16>,
    /// The header of an answer that Cambio only passes on.
    headers: &'a HeaderMap,
}

/// Who answered the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Cambio,
    /// The identity provider.
    Past,
    /// Every answer has the mark.
    Marked,
    /// This status is nobody's.
    Neither(u16),
}

impl Answers<'_> {
    fn verdict(self, arrival: Arrival) -> Verdict {
        match arrival {
            Arrival { is_marked: true, .. } if probe::is_marked(self.headers) => Verdict::Marked,
            Arrival { is_marked: true, .. } => Verdict::Cambio,
            Arrival { status, .. } if matches!(status, 400 | 401) || self.straight == Some(status) => Verdict::Past,
            Arrival { status, .. } => Verdict::Neither(status),
        }
    }
}

/// The header and the body of an answer with status 200.
async fn get(asked: &Inquiry, url: &Uri) -> Result<(HeaderMap, Bytes), String> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = url.clone();
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    let answer = asked.public.send(request).await.map_err(|error| error.to_string())?;
    let (head, body) = answer.into_parts();
    if head.status == StatusCode::OK {
        Ok((head.headers, body))
    } else {
        Err(format!("status {}", head.status.as_u16()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answered() {
        let mut marked = HeaderMap::new();
        marked.insert("x-correlation-id", uuid::Uuid::now_v7().to_string().parse().unwrap());
        let plain = HeaderMap::new();
        for (name, straight, headers, status, is_marked, expected) in [
            ("Cambio", Some(401), &plain, 400, true, Verdict::Cambio),
            ("Cambio, in the identity provider's status", Some(401), &plain, 401, true, Verdict::Cambio),
            ("the identity provider", Some(401), &plain, 401, false, Verdict::Past),
            ("a dialect", Some(401), &plain, 400, false, Verdict::Past),
            ("an odd identity provider", Some(403), &plain, 403, false, Verdict::Past),
            ("a proxy's page", Some(401), &plain, 403, false, Verdict::Neither(403)),
            ("nothing", None, &plain, 502, false, Verdict::Neither(502)),
            ("a proxy that marks", Some(401), &marked, 401, true, Verdict::Marked),
        ] {
            let arrival = Arrival { status, is_marked };
            assert_eq!(Answers { straight, headers }.verdict(arrival), expected, "{name}");
        }
    }
}
