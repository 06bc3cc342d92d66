//! The demo's HTTP server: accepts, reads, records, misbehaves if asked to, answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::tools::demo::answer::{Answer, AnswerBody, Cut};
use crate::tools::demo::directory::realms;
use crate::tools::demo::faults::{Endpoint, Fault, Faults, Received};
use crate::tools::demo::form::Fields;
use crate::tools::demo::keys::{KeyError, Keys, RealmKey};
use crate::tools::demo::state::{State, View, base_url};
use crate::words::clock::Clock;

/// Larger bodies get 413.
const MAX_BODY: usize = 512 * 1024;

/// How to start the demo's identity provider.
#[derive(Debug)]
pub struct Options {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Where its time comes from.
    pub clock: Clock,
    /// Its keys; none makes new ones.
    pub keys: Option<Keys>,
}

/// The identity provider could not be started.
#[derive(Debug, thiserror::Error)]
pub enum IdpError {
    /// The port is taken.
    #[error("can't listen on 127.0.0.1:{0}: {1}")]
    Listen(u16, std::io::Error),
    /// No keys could be made.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// A running identity provider; dropping it ends it.
#[derive(Debug)]
pub struct Idp {
    address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
}

impl Idp {
    /// Listens and serves until stopped or dropped.
    ///
    /// # Errors
    /// When the port is taken or no keys can be made.
    pub async fn start(options: Options) -> Result<Self, IdpError> {
        let keys = match options.keys {
            Some(keys) => keys,
            None => tokio::task::spawn_blocking(Keys::generate).await.map_err(|_| KeyError)??,
        };
        let state = Arc::new(State::new(options.clock, &keys)?);
        let failed = |error| IdpError::Listen(options.port, error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let server = tokio::spawn(serve(listener, Arc::clone(&state)));
        Ok(Self { address, state, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL that a direct caller uses, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The handle for misbehaviour and for what was received.
    pub fn faults(&self) -> &Faults {
        &self.state.faults
    }

    /// The key that signs in a realm now.
    pub fn signing_key(&self, realm: &str) -> Option<Arc<RealmKey>> {
        self.state.keys(realm).into_iter().next()
    }

    /// Signs with a new key from now on. The old one stays published if `keep`.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn rotate(&self, realm: &'static str, keep: bool) -> Result<(), KeyError> {
        self.state.rotate(realm, Arc::new(RealmKey::generate()?), keep);
        Ok(())
    }

    /// Ends it: the port is free and every connection is closed afterwards.
    pub async fn stop(mut self) {
        self.server.abort();
        // Aborted on purpose.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Idp {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Dropping this future drops the listener and the connections with it.
async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(connection(stream, Arc::clone(&state)));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    // A peer that hangs up is no event here.
    drop(stream.set_nodelay(true));
    let service = service_fn(|request| handle(request, &state));
    let builder = hyper::server::conn::http1::Builder::new();
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

/// An error ends the connection without an answer.
async fn handle(request: Request<Incoming>, state: &State) -> Result<Response<AnswerBody>, Cut> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let received = Received {
        method: head.method,
        target: head.uri.path_and_query().map_or_else(|| head.uri.to_string(), ToString::to_string),
        headers: head.headers,
        body,
    };
    state.faults.record(received.clone());
    let Some((realm, endpoint)) = route(&received.target, state.faults.is_lenient()) else {
        return Ok(other_page(&received.target).into_response(false));
    };
    let fault = state.faults.fault(endpoint);
    match &fault {
        Some(Fault::Answer(status, kind, body)) => {
            let status = StatusCode::from_u16(*status).map_err(|_| Cut)?;
            return Ok(Answer::new(status, kind, body.clone()).into_response(false));
        }
        Some(Fault::CloseAtOnce) => return Err(Cut),
        Some(Fault::Hang) => state.faults.wait_for_release().await,
        Some(Fault::CloseMidBody | Fault::Gzip) | None => {}
    }
    let Some(realm) = realms().iter().find(|known| known.name == realm) else {
        return Ok(Answer::error(404, "Realm does not exist", "").into_response(false));
    };
    let issuer = format!("{}/realms/{}", base_url(&received.headers), realm.name);
    let view = View { state, realm, issuer: &issuer, now: state.clock.now() };
    let mut answer = view.answer(endpoint, &received);
    if matches!(fault, Some(Fault::Gzip)) {
        answer.body = gzip(&answer.body);
        answer = answer.with(CONTENT_ENCODING, "gzip");
    }
    Ok(answer.into_response(matches!(fault, Some(Fault::CloseMidBody))))
}

impl View<'_> {
    fn answer(&self, endpoint: Endpoint, request: &Received) -> Answer {
        let lenient = self.state.faults.is_lenient();
        let post = request.method == Method::POST || lenient;
        if request.body.len() > MAX_BODY {
            return Answer::new(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "");
        }
        let Some(fields) = fields(endpoint, request, lenient) else {
            return Answer::unknown_error();
        };
        match endpoint {
            Endpoint::Admin => self.admin(&request.headers, &request.target),
            Endpoint::Auth => self.auth(&request.method, &fields),
            Endpoint::Certs => self.certs(),
            Endpoint::Discovery => self.discovery(),
            Endpoint::Introspect if post => self.introspect(&request.headers, &fields),
            Endpoint::Logout if post => self.logout(&request.headers, &fields),
            Endpoint::Revoke if post => self.revoke(&request.headers, &fields),
            Endpoint::Token if post => self.token(&request.headers, &fields),
            Endpoint::Userinfo => self.userinfo(&request.headers),
            Endpoint::Introspect | Endpoint::Logout | Endpoint::Revoke | Endpoint::Token => {
                Answer::error(405, "HTTP 405 Method Not Allowed", "")
            }
        }
    }
}

/// The realm and endpoint that a target means. Keycloak takes one trailing slash; it refuses what is not normal.
fn route(target: &str, lenient: bool) -> Option<(String, Endpoint)> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = if lenient { normal_path(path) } else { path.to_owned() };
    if let Some((realm, rest)) = path.strip_prefix("/admin/realms/").and_then(|rest| rest.split_once('/'))
        && (matches!(rest, "clients" | "users") || rest.starts_with("users/"))
    {
        return Some((realm.to_owned(), Endpoint::Admin));
    }
    let (realm, rest) = path.strip_prefix("/realms/")?.split_once('/')?;
    let endpoint = match rest.strip_suffix('/').unwrap_or(rest) {
        ".well-known/openid-configuration" => Endpoint::Discovery,
        "protocol/openid-connect/auth" => Endpoint::Auth,
        "protocol/openid-connect/certs" => Endpoint::Certs,
        "protocol/openid-connect/logout" => Endpoint::Logout,
        "protocol/openid-connect/revoke" => Endpoint::Revoke,
        "protocol/openid-connect/token" => Endpoint::Token,
        "protocol/openid-connect/token/introspect" => Endpoint::Introspect,
        "protocol/openid-connect/userinfo" => Endpoint::Userinfo,
        _ => return None,
    };
    Some((realm.to_owned(), endpoint))
}

/// What the most liberal server makes of a path.
fn normal_path(path: &str) -> String {
    let mut decoded = path.to_owned();
    // Twice: some servers behind a proxy decode what was decoded.
    for _ in 0..2 {
        decoded = percent_encoding::percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split(['/', '\\']) {
        match segment.split(';').next().unwrap_or_default().trim() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/")).to_ascii_lowercase()
}

/// The fields of a request. A JSON body is no form to Keycloak, any other body is.
fn fields(endpoint: Endpoint, request: &Received, lenient: bool) -> Option<Fields> {
    let json = request
        .headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("application/json"));
    if request.headers.contains_key(CONTENT_ENCODING) && !lenient {
        return None;
    }
    let mut fields = if json { Fields::default() } else { Fields::parse(&request.body).ok()? };
    if lenient && let Ok(object) = serde_json::from_slice::<serde_json::Map<_, _>>(&request.body) {
        object.iter().filter_map(|(name, value)| Some((name, value.as_str()?))).for_each(|(name, value)| {
            fields.push(name, value);
        });
    }
    if (lenient || endpoint == Endpoint::Auth)
        && let Some((_, query)) = request.target.split_once('?')
    {
        fields.extend(Fields::parse(query.as_bytes()).ok()?);
    }
    Some(fields)
}

/// Pages beside the realms' endpoints.
fn other_page(target: &str) -> Answer {
    let path = target.split('?').next().unwrap_or_default();
    if path.contains("//") || path.contains("/./") || path.contains("/../") {
        return Answer::error(400, "missingNormalization", "");
    }
    if path.contains(';') {
        return Answer::error(400, "invalidCharacter", "");
    }
    if path.starts_with("/admin/") {
        let page = "<!doctype html><html lang=\"en\"><title>Administration Console</title></html>";
        return Answer::new(StatusCode::OK, "text/html;charset=utf-8", page);
    }
    let text = "For more on this error consult the server log.";
    Answer::error(404, "HTTP 404 Not Found", text)
}

/// A gzip member of stored blocks (RFC 1952, RFC 1951 section 3.2.4): right, if not small.
fn gzip(body: &[u8]) -> Bytes {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut chunks = body.chunks(usize::from(u16::MAX)).peekable();
    while let Some(chunk) = chunks.next() {
        out.push(u8::from(chunks.peek().is_none()));
        let length = u16::try_from(chunk.len()).unwrap_or(u16::MAX);
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(chunk);
    }
    let mut crc = u32::MAX;
    for byte in body {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    out.extend((!crc).to_le_bytes());
    out.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_and_lenient_paths() {
        let token = |realm: &str| Some((realm.to_owned(), Endpoint::Token));
        for (path, strict, lenient) in [
            ("/realms/corp/protocol/openid-connect/token", token("corp"), token("corp")),
            ("/realms/corp/protocol/openid-connect/token/?a=b", token("corp"), token("corp")),
            ("/realms/corp//protocol/openid-connect/token", None, token("corp")),
            ("/x/../realms/corp/protocol/./openid-connect/%74oken", None, token("corp")),
            ("/realms/corp/protocol/openid-connect/Token;x=y", None, token("corp")),
            ("/realms/corp/protocol/openid-connect/tokens", None, None),
        ] {
            assert_eq!(route(path, false), strict, "{path}");
            assert_eq!(route(path, true), lenient, "{path}");
        }
    }

    #[test]
    fn gzip_has_the_known_checksum() {
        // CRC-32 of "123456789" is 0xCBF43926.
        let packed = gzip(b"123456789");
        assert_eq!(packed[packed.len() - 8..], [0x26, 0x39, 0xF4, 0xCB, 9, 0, 0, 0]);
    }
}
