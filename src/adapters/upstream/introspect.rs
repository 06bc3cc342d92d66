//! Asking the identity provider whether a token of a realm is active (RFC 7662), as a client of Cambio's own.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri};

use super::{Upstream, UpstreamError};
use crate::adapters::config::{OwnClient, Realm};
use crate::adapters::jwks::source::PublicAddress;
use crate::adapters::net::body::{Body, ReadError, read_bounded};
use crate::judgement::token::introspected::{
    IntrospectionAnswer, IntrospectionAnswerError, MAX_ANSWER_BYTES,
};
use crate::words::oauth::form::Form;
use crate::words::secret::Secret;

/// Limit for the body of an answer.
const BODY_LIMIT: Duration = Duration::from_secs(5);

/// A realm's introspection endpoint, asked under the realm's public address: Keycloak takes the issuer from it, and a
/// token of another issuer is never active.
#[derive(Clone, Debug)]
pub struct Endpoint {
    uri: Uri,
    public: PublicAddress,
}

/// The realm's path or issuer makes no URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("introspection: {0}")]
pub struct EndpointError(String);

/// Why there is no answer. The text repeats neither the token nor what was received.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectError {
    /// The identity provider did not answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The client is not accepted (RFC 7662 section 2.3).
    #[error("status {0}: the client is not accepted; look at introspection.clientId and clientSecretFile")]
    Client(StatusCode),
    /// Another status than 200.
    #[error("status {0}")]
    Status(StatusCode),
    /// The body broke off, came too slowly or is too large.
    #[error("the answer: {0}")]
    Body(#[from] ReadError),
    /// No answer of an introspection endpoint.
    #[error(transparent)]
    IntrospectionAnswer(#[from] IntrospectionAnswerError),
}

impl Endpoint {
    /// The realm's endpoint.
    ///
    /// # Errors
    /// When the realm's path or issuer makes no URL.
    pub fn of(realm: &Realm) -> Result<Self, EndpointError> {
        let path = format!("{}/protocol/openid-connect/token/introspect", realm.path);
        let uri = path.parse().map_err(|_| EndpointError(path))?;
        let public = PublicAddress::of(&realm.issuer).map_err(|error| EndpointError(error.to_string()))?;
        Ok(Self { uri, public })
    }

    /// What the identity provider says about a token, asked anew each time.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(
        &self,
        upstream: &Upstream,
        client: &OwnClient,
        token: &Secret,
    ) -> Result<IntrospectionAnswer, IntrospectError> {
        let mut form = Form::new();
        form.push("token", token.expose());
        form.push("token_type_hint", "access_token");
        let response = upstream.send(self.request(client, form.encode())).await?;
        match response.status() {
            StatusCode::OK => {}
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(IntrospectError::Client(status));
            }
            status => return Err(IntrospectError::Status(status)),
        }
        let (body, _) = read_bounded(response.into_body(), MAX_ANSWER_BYTES, BODY_LIMIT).await?;
        Ok(IntrospectionAnswer::read(&body)?)
    }

    fn request(&self, client: &OwnClient, form: String) -> Request<Body> {
        let form = Bytes::from(form);
        let length = HeaderValue::from(form.len());
        let mut request = Request::new(Body::full(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.public.host.clone());
        headers.insert(HeaderName::from_static("x-forwarded-host"), self.public.host.clone());
        headers.insert(HeaderName::from_static("x-forwarded-proto"), self.public.proto.clone());
        headers.insert(AUTHORIZATION, client.basic());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(CONTENT_LENGTH, length);
        request
    }
}
