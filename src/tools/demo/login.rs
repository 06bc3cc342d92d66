//! The login page of the demo: the authorization endpoint with PKCE (RFC 6749 section 4.1, RFC 7636).

use http::header::LOCATION;
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::tools::demo::answer::ProviderAnswer;
use crate::tools::demo::form::Fields;
use crate::tools::demo::provider::{Code, View};
use crate::tools::demo::tokens::grant_scope;

/// Parameters of the request that the page's form sends again.
const KEPT: [&str; 7] = ["client_id", "redirect_uri", "state", "scope", "nonce", "code_challenge", "response_type"];

impl View<'_> {
    /// `GET` shows the page; `POST` logs in and goes back to the client with a code.
    pub(super) fn auth(&self, method: &Method, fields: &Fields) -> ProviderAnswer {
        let client = fields.one("client_id").and_then(|id| self.realm.client(id));
        let (Some(client), Some(redirect)) = (client, fields.one("redirect_uri")) else {
            return page(StatusCode::BAD_REQUEST, "<p>Client not found, or no redirect_uri.</p>");
        };
        if !redirect.starts_with("http://127.0.0.1") && !redirect.starts_with("http://localhost") {
            return page(StatusCode::BAD_REQUEST, "<p>Invalid parameter: redirect_uri</p>");
        }
        if fields.one("response_type") != Some("code") {
            return go_back(fields, redirect, &[("error", "unsupported_response_type")]);
        }
        let Ok(scope) = grant_scope(fields.one("scope")) else {
            return go_back(fields, redirect, &[("error", "invalid_scope")]);
        };
        let user = fields.one("username").and_then(|name| self.realm.user(name));
        let user =
            user.filter(|user| user.enabled && user.password.is_some() && user.password == fields.one("password"));
        let Some(user) = user.filter(|_| method == Method::POST) else {
            return page(StatusCode::OK, &login_form(fields));
        };
        let code = self.provider.add_code(Code {
            client,
            user,
            realm: self.realm.name,
            redirect_uri: redirect.to_owned(),
            challenge: fields.one("code_challenge").map(str::to_owned),
            scope,
            nonce: fields.one("nonce").map(str::to_owned),
        });
        go_back(fields, redirect, &[("code", &code), ("iss", self.issuer)])
    }
}

fn login_form(fields: &Fields) -> String {
    let mut kept = String::new();
    for (name, value) in KEPT.iter().filter_map(|name| Some((name, fields.one(name)?))) {
        for part in ["<input type=\"hidden\" name=\"", name, "\" value=\"", &escape(value), "\">"] {
            kept.push_str(part);
        }
    }
    format!(
        "<form method=\"post\">{kept}<label>User <input name=\"username\"></label>\
         <label>Password <input name=\"password\" type=\"password\"></label><button>Sign in</button></form>"
    )
}

fn go_back(fields: &Fields, redirect: &str, parameters: &[(&str, &str)]) -> ProviderAnswer {
    let state = fields.one("state").map(|state| ("state", state));
    let mut separator = if redirect.contains('?') { '&' } else { '?' };
    let mut location = redirect.to_owned();
    for (name, value) in parameters.iter().copied().chain(state) {
        location.push(separator);
        location.push_str(name);
        location.push('=');
        location.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        separator = '&';
    }
    page(StatusCode::FOUND, "").with(LOCATION, location)
}

fn page(status: StatusCode, content: &str) -> ProviderAnswer {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sign in</title><body>{content}</body></html>"
    );
    ProviderAnswer::new(status, "text/html;charset=utf-8", html)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
