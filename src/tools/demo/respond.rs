//! Requests and their answers.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CONTENT_ENCODING,
    CONTENT_TYPE, HeaderValue, ORIGIN,
};
use http::{Method, Response, StatusCode};

use crate::tools::demo::answer::ProviderAnswer;
use crate::tools::demo::directory::realms;
use crate::tools::demo::form::Fields;
use crate::tools::demo::provider::{Provider, View, base_url};
use crate::tools::demo::received::{Layout, RealmEndpoint, Received};

/// Larger bodies get 413.
const MAX_BODY: usize = 512 * 1024;

impl Provider {
    /// Answers a request.
    pub fn respond(&self, request: &Received) -> Response<Bytes> {
        self.respond_in(Layout::Keycloak, request)
    }

    /// Answers a request to a provider with this layout.
    pub fn respond_in(&self, layout: Layout, request: &Received) -> Response<Bytes> {
        let mut response = self.answer(layout, request).into_response();
        if let Some(origin) = readable_by(layout, request) {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Access-Control-Allow-Methods"));
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        response
    }

    fn answer(&self, layout: Layout, request: &Received) -> ProviderAnswer {
        let Some((realm, endpoint)) = request.route_in(layout) else {
            return other_page(&request.target);
        };
        let Some(realm) = realms().iter().find(|known| known.name == realm) else {
            return ProviderAnswer::error(404, "Realm does not exist", "");
        };
        let issuer = layout.issuer(&base_url(&request.headers), realm.name);
        View { provider: self, layout, realm, issuer: &issuer, now: self.clock.now() }.answer(endpoint, request)
    }
}

/// The web page that may read the token endpoint's answer: a page of one of the realm's clients.
fn readable_by(layout: Layout, request: &Received) -> Option<HeaderValue> {
    let (realm, RealmEndpoint::Token) = request.route_in(layout)? else { return None };
    let realm = realms().iter().find(|known| known.name == realm)?;
    let origin = request.headers.get(ORIGIN)?;
    realm.clients.iter().any(|client| client.web_origin().as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

impl View<'_> {
    fn answer(&self, endpoint: RealmEndpoint, request: &Received) -> ProviderAnswer {
        if request.body.len() > MAX_BODY {
            return ProviderAnswer::new(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "");
        }
        let Some(fields) = fields(endpoint, request) else {
            return ProviderAnswer::unknown_error();
        };
        let post = request.method == Method::POST;
        match endpoint {
            RealmEndpoint::Admin => self.admin(&request.headers, &request.target),
            RealmEndpoint::Auth => self.auth(&request.method, &fields),
            RealmEndpoint::Certs => self.certs(),
            RealmEndpoint::Discovery => self.discovery(),
            RealmEndpoint::Introspect if post => self.introspect(&request.headers, &fields),
            RealmEndpoint::Realm => self.page(),
            RealmEndpoint::Logout if post => self.logout(&request.headers, &fields),
            RealmEndpoint::Revoke if post => self.revoke(&request.headers, &fields),
            RealmEndpoint::Token if post => self.token(&request.headers, &fields),
            RealmEndpoint::Userinfo => self.userinfo(&request.headers),
            RealmEndpoint::Introspect | RealmEndpoint::Logout | RealmEndpoint::Revoke | RealmEndpoint::Token => {
                ProviderAnswer::error(405, "HTTP 405 Method Not Allowed", "")
            }
        }
    }
}

/// The fields of a request. Keycloak reads every body as a form, except JSON. It does not read a coded body.
fn fields(endpoint: RealmEndpoint, request: &Received) -> Option<Fields> {
    if request.headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let json = kind.trim_start().to_ascii_lowercase().starts_with("application/json");
    let mut fields = if json { Fields::default() } else { Fields::parse(&request.body).ok()? };
    if endpoint == RealmEndpoint::Auth
        && let Some((_, query)) = request.target.split_once('?')
    {
        fields.extend(Fields::parse(query.as_bytes()).ok()?);
    }
    Some(fields)
}

/// Pages beside the realms' endpoints.
fn other_page(target: &str) -> ProviderAnswer {
    let path = target.split('?').next().unwrap_or_default();
    if path.contains("//") || path.contains("/./") || path.contains("/../") {
        return ProviderAnswer::error(400, "missingNormalization", "");
    }
    if path.contains(';') {
        return ProviderAnswer::error(400, "invalidCharacter", "");
    }
    if path.starts_with("/admin/") {
        let page = "<!doctype html><html lang=\"en\"><title>Administration Console</title></html>";
        return ProviderAnswer::new(StatusCode::OK, "text/html;charset=utf-8", page);
    }
    let text = "For more on this error consult the server log.";
    ProviderAnswer::error(404, "HTTP 404 Not Found", text)
}
