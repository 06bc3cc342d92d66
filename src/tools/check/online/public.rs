//! The realm as callers reach it: whether their exchanges arrive at Cambio, and whether resource servers find its keys.

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Request, StatusCode, Uri};
use serde_json::{Map, Value};

use super::gathered::{Gathered, Severity};
use super::inquiry::Inquiry;
use super::keys;
use super::probe::{self, Arrival, Mark};
use crate::adapters::config::Realm;
use crate::adapters::config::problem::shortened;
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

/// Looks at every origin of the realm. `straight` is the identity provider's answer to the probe.
pub(super) async fn look(asked: &Inquiry, realm: &Realm, straight: Option<&Arrival>, found: &mut Gathered) {
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
    async fn look(&self, asked: &Inquiry, straight: Option<&Arrival>, found: &mut Gathered) {
        let document = match self.document(asked).await {
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
            self.exchanges(asked, url, straight, found).await;
        }
        if let Some(url) = member("jwks_uri") {
            self.keys(asked, &url, found).await;
        }
    }

    async fn document(&self, asked: &Inquiry) -> Result<Map<String, Value>, String> {
        let url = absolute(&self.url).map_err(|error| error.to_string())?;
        let body = get(asked, &url).await?;
        json::object(&body).map_err(|error| error.to_string())
    }

    /// Whether an exchange that is sent to the public token endpoint arrives at Cambio.
    async fn exchanges(&self, asked: &Inquiry, url: Uri, straight: Option<&Arrival>, found: &mut Gathered) {
        let shown = shortened(&url.to_string());
        if self.realm.observed_until.is_some_and(|until| until.is_on(asked.clock.now())) {
            let message = format!(
                "while the realm is observed, Cambio passes refusals of the identity provider on: {shown} was not asked whether \
                 exchanges arrive at Cambio"
            );
            return found.add(Severity::Note, asked.at(&self.key, message));
        }
        let answers = match (probe::public(asked, url.clone()).await, probe::control(asked, url).await) {
            (Ok(probe), Ok(control)) => Answers { probe, control, straight },
            (Err(error), _) | (_, Err(error)) => {
                let message = format!("{shown} can't be asked from here: {error}");
                return found.add(Severity::Note, asked.at(&self.key, message));
            }
        };
        let (severity, message) = match answers.verdict() {
            Verdict::Cambio => return,
            Verdict::Past => (
                Severity::Problem,
                format!(
                    "an exchange that is sent to {shown}, where the discovery document leads callers, is answered by the identity \
                     provider and not by Cambio: let this host lead to listen.address, and to nothing else"
                ),
            ),
            Verdict::Marked => (
                Severity::Note,
                format!(
                    "not only Cambio writes x-correlation-id into answers of {shown}: doctor can't tell whether exchanges arrive at \
                     Cambio"
                ),
            ),
            Verdict::Neither => (
                Severity::Note,
                format!(
                    "{shown} answers an exchange with status {}, as neither Cambio nor the identity provider does: doctor can't \
                     tell whether exchanges arrive at Cambio",
                    answers.probe.status
                ),
            ),
        };
        found.add(severity, asked.at(&self.key, message));
    }

    async fn keys(&self, asked: &Inquiry, url: &Uri, found: &mut Gathered) {
        let Some(ring) = &self.realm.signing else { return };
        let read = get(asked, url).await;
        let set = read.and_then(|body| KeySet::parse(&body).map_err(|error| error.to_string()));
        match set {
            Ok(set) => keys::compare_published(asked, self.realm, &keys::PublishedKeys { ring, set: &set, url }, found),
            Err(error) => {
                let url = shortened(&url.to_string());
                let message = format!("the key set {url} (jwks_uri) can't be read from here: {error}");
                found.add(Severity::Note, asked.at(&self.key, message));
            }
        }
    }
}

/// The answers that tell who answered the probe.
struct Answers<'a> {
    /// The answer to the probe, as callers get it.
    probe: Arrival,
    /// The answer to the control, as callers get it.
    control: Arrival,
    /// The identity provider's answer to the probe.
    straight: Option<&'a Arrival>,
}

/// Who answered the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Cambio,
    /// The identity provider.
    Past,
    /// Something besides Cambio writes the header of the mark.
    Marked,
    /// The answer is nobody's.
    Neither,
}

impl Answers<'_> {
    fn verdict(&self) -> Verdict {
        let others_write =
            self.control.mark != Mark::Absent || self.straight.is_some_and(|straight| straight.mark != Mark::Absent);
        match self.probe.mark {
            _ if others_write => Verdict::Marked,
            Mark::Foreign => Verdict::Marked,
            Mark::Cambio => Verdict::Cambio,
            // A firewall may answer with the status alone.
            Mark::Absent if self.straight.is_some_and(|straight| *straight == self.probe) => Verdict::Past,
            Mark::Absent => Verdict::Neither,
        }
    }
}

/// The body of an answer with status 200.
async fn get(asked: &Inquiry, url: &Uri) -> Result<Bytes, String> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = url.clone();
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    let answer = asked.public.send(request).await.map_err(|error| error.to_string())?;
    let (head, body) = answer.into_parts();
    if head.status == StatusCode::OK { Ok(body) } else { Err(format!("status {}", head.status.as_u16())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answered() {
        let answer = |status: u16, error: &str, mark: Mark| Arrival {
            status,
            error: (!error.is_empty()).then(|| error.to_owned()),
            mark,
        };
        let plain = |status: u16| answer(status, "invalid_client", Mark::Absent);
        let marked = |status: u16| answer(status, "invalid_request", Mark::Cambio);
        let foreign = |status: u16| answer(status, "invalid_request", Mark::Foreign);
        for (name, straight, control, probe, expected) in [
            ("Cambio", Some(plain(401)), plain(401), marked(400), Verdict::Cambio),
            ("Cambio, in the identity provider's status", Some(plain(401)), plain(401), marked(401), Verdict::Cambio),
            ("Cambio, before an identity provider that is away", None, plain(401), marked(400), Verdict::Cambio),
            ("the identity provider", Some(plain(401)), plain(401), plain(401), Verdict::Past),
            ("an odd identity provider", Some(plain(403)), plain(403), plain(403), Verdict::Past),
            ("a proxy's page", Some(plain(401)), plain(401), answer(403, "", Mark::Absent), Verdict::Neither),
            ("a firewall", Some(plain(401)), plain(401), answer(401, "", Mark::Absent), Verdict::Neither),
            ("another status", Some(plain(401)), plain(401), plain(400), Verdict::Neither),
            ("nothing", None, plain(401), plain(401), Verdict::Neither),
            ("a proxy that marks each POST", Some(plain(401)), marked(401), marked(401), Verdict::Marked),
            ("a proxy that overwrites the mark", Some(plain(401)), foreign(401), foreign(400), Verdict::Marked),
            ("a proxy that overwrites refusals alone", Some(plain(401)), plain(401), foreign(400), Verdict::Marked),
            ("an identity provider that marks", Some(marked(401)), plain(401), marked(401), Verdict::Marked),
        ] {
            let answers = Answers { probe, control, straight: straight.as_ref() };
            assert_eq!(answers.verdict(), expected, "{name}");
        }
    }
}
