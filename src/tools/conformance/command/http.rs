//! Sends the requests of the cases and reads the answers.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use serde_json::Value;

use super::arguments::ConformanceArguments;
use crate::adapters::net::outgoing::{chain, sign};
use crate::adapters::tls;
use crate::judgement::jose::keys::KeySet;
use crate::tools::conformance::answer::{Observation, claims_of};
use crate::tools::conformance::inputs::Inputs;
use crate::tools::conformance::request::{CaseRequest, Destination, introspection};
use crate::tools::failure::CommandFailure;
use crate::words::clock::Clock;

/// Largest answer that is read.
const MAX_BYTES: usize = 256 * 1024;

/// The connection to the server under test.
pub(super) struct Asker {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    host: Option<HeaderValue>,
    timeout: Duration,
    clock: Clock,
}

impl Asker {
    pub(super) fn new(arguments: &ConformanceArguments) -> Result<Self, CommandFailure> {
        let config = if arguments.insecure {
            tls::anybody()
        } else if let Some(ca) = &arguments.ca {
            tls::client(Some(ca), None)
        } else {
            // For plain HTTP no trusted certificates are needed.
            tls::client(None, None).or_else(|_| tls::nobody())
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config.map_err(CommandFailure::of)?)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let host = arguments.host.clone();
        Ok(Self { client, host, timeout: arguments.timeout(), clock: Clock::System })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Fetches metadata and keys of the server, if the arguments say where they are.
    pub(super) async fn about(
        &self,
        inputs: &mut Inputs,
        arguments: &ConformanceArguments,
    ) -> Result<(), CommandFailure> {
        let mut keys = arguments.jwks_url.clone();
        if let Some(issuer) = &arguments.issuer {
            let document = self.metadata(issuer).await?;
            let named = document.get("jwks_uri").and_then(Value::as_str).map(str::to_owned);
            keys = keys.or(named);
            inputs.metadata = Some(document);
        }
        if let Some(url) = keys {
            let body = self.get(&url).await?;
            let failed = |error: &dyn std::fmt::Display| CommandFailure(format!("keys from {url}: {error}"));
            let set = KeySet::parse(&body).map_err(|error| failed(&error))?;
            inputs.keys = Some(set.usable().map_err(|error| failed(&error))?);
        }
        Ok(())
    }

    /// The server's `OpenID` Connect Discovery document, else its RFC 8414 document.
    async fn metadata(&self, issuer: &str) -> Result<Value, CommandFailure> {
        let bare = issuer.trim_end_matches('/');
        let mut places = vec![format!("{bare}/.well-known/openid-configuration")];
        if let Ok(uri) = bare.parse::<Uri>()
            && let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority())
        {
            let path = uri.path().trim_end_matches('/');
            places.push(format!("{scheme}://{authority}/.well-known/oauth-authorization-server{path}"));
        }
        let mut problem = CommandFailure("--issuer is not a URL".to_owned());
        for place in places {
            match self.get(&place).await {
                Ok(body) => {
                    return serde_json::from_slice(&body)
                        .map_err(|_| CommandFailure(format!("{place}: the document is not JSON")));
                }
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, CommandFailure> {
        let uri: Uri = url.parse().map_err(|_| CommandFailure(format!("{url} is not a URL")))?;
        let request = http::Request::get(uri).body(Full::default()).map_err(CommandFailure::of)?;
        let answer = self.send(request).await.map_err(|error| CommandFailure(format!("{url}: {error}")))?;
        if answer.status == 200 {
            Ok(answer.body)
        } else {
            Err(CommandFailure(format!("{url}: status {}", answer.status)))
        }
    }

    /// Sends one request of a case.
    pub(super) async fn ask(&self, with: &Inputs, request: &CaseRequest) -> Result<Observation, String> {
        let to = match request.endpoint {
            Destination::Token => Some(&with.endpoint),
            Destination::Introspection => with.introspection.as_ref(),
        };
        let to = to.ok_or("no introspection endpoint is named")?;
        let query = request.query();
        let uri = if query.is_empty() { to.to_string() } else { format!("{to}?{query}") };
        let mut builder = http::Request::builder().uri(uri).header(ACCEPT, "application/json");
        if let Some(value) = request.authorization() {
            let mut value = HeaderValue::from_str(value.expose()).map_err(|error| error.to_string())?;
            value.set_sensitive(true);
            builder = builder.header(AUTHORIZATION, value);
        }
        let built = if request.get {
            builder.method(Method::GET).body(Full::default())
        } else {
            builder.method(Method::POST).header(CONTENT_TYPE, request.media_type()).body(Full::from(request.body()))
        };
        self.send(built.map_err(|error| error.to_string())?).await
    }

    /// Introspects an opaque token in an answer. Without a good answer from introspection, the token stays opaque.
    pub(super) async fn introspect(&self, with: &Inputs, answer: &mut Observation) {
        let Some(token) = answer.token().filter(|token| claims_of(token).is_none()) else { return };
        if with.introspection.is_none() {
            return;
        }
        let told = self.ask(with, &introspection(with, &token)).await.ok().and_then(|told| told.json());
        answer.introspected = told.filter(|told| told.get("active") == Some(&Value::Bool(true)));
    }

    async fn send(&self, mut request: http::Request<Full<Bytes>>) -> Result<Observation, String> {
        sign(request.headers_mut());
        if let Some(host) = &self.host {
            request.headers_mut().insert(HOST, host.clone());
        }
        let all = async {
            let response = self.client.request(request).await.map_err(|error| chain(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_BYTES).collect().await.map_err(|error| chain(&*error))?;
            Ok(Observation {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.to_bytes().to_vec(),
                at: self.clock.now(),
                introspected: None,
            })
        };
        tokio::time::timeout(self.timeout, all).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }
}
