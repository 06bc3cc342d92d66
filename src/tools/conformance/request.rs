//! Requests as data, so that equal requests are sent once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::inputs::{Inputs, SuiteClient, SuiteToken};
use crate::words::oauth::form::{self, Form};
use crate::words::oauth::urn;
use crate::words::secret::Secret;

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The token endpoint.
    Token,
    /// The introspection endpoint.
    Introspection,
}

/// How the client authenticates.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Not at all.
    None,
    /// With `client_id` alone.
    Public(String),
    /// With the header (RFC 6749 section 2.3.1).
    Basic(String, Secret),
    /// With the header, every byte of id and secret percent-encoded.
    Escaped(String, Secret),
    /// With `client_id` and `client_secret` in the form.
    Post(String, Secret),
    /// With both at once, which a client must not do.
    Both(String, Secret),
}

/// How the form is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// With the necessary escapes.
    Usual,
    /// With every byte of names and values escaped.
    Escaped,
    /// As a JSON object, which the endpoint must not read.
    Json,
    /// As usual, with `charset=UTF-8` in the media type.
    Charset,
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct CaseRequest {
    /// Where to.
    pub endpoint: Destination,
    /// `GET` instead of `POST`, with the fields that are not secret in the query.
    pub get: bool,
    /// Fields in the query.
    pub query: Form,
    /// Fields in the body.
    pub fields: Form,
    /// The client's credentials.
    pub auth: Auth,
    /// How the body is written.
    pub writing: Writing,
}

/// The plain exchange: the subject token for the first audience, or for the first resource, if any is named.
pub fn exchange(with: &Inputs) -> CaseRequest {
    let mut request = untargeted(with);
    if let Some(audience) = with.audiences.first() {
        request.fields.push("audience", audience);
    } else if let Some(resource) = with.resources.first() {
        request.fields.push("resource", resource);
    }
    request
}

/// The plain exchange without any target.
pub fn untargeted(with: &Inputs) -> CaseRequest {
    let mut fields = Form::new();
    fields.push("grant_type", urn::GRANT_TOKEN_EXCHANGE);
    fields.push("subject_token", with.subject.text.expose());
    fields.push("subject_token_type", &with.subject.kind);
    CaseRequest {
        endpoint: Destination::Token,
        get: false,
        query: Form::new(),
        fields,
        auth: Auth::usual(with),
        writing: Writing::Usual,
    }
}

/// The introspection of a token.
pub fn introspection(with: &Inputs, token: &str) -> CaseRequest {
    let mut fields = Form::new();
    fields.push("token", token);
    let auth = Auth::of(&with.introspector);
    CaseRequest { endpoint: Destination::Introspection, fields, auth, ..untargeted(with) }
}

impl CaseRequest {
    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push(name, value);
        self
    }

    /// Without a field.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        let mut fields = Form::new();
        for (field, value) in self.fields.into_fields().filter(|(field, _)| field != name) {
            fields.push(field, value);
        }
        self.fields = fields;
        self
    }

    /// With another value for a field.
    #[must_use]
    pub fn set(self, name: &str, value: &str) -> Self {
        self.without(name).with(name, value)
    }

    /// With another subject token.
    #[must_use]
    pub fn subject(self, token: &SuiteToken) -> Self {
        self.set("subject_token", token.text.expose()).set("subject_token_type", &token.kind)
    }

    /// With an actor token.
    #[must_use]
    pub fn actor(self, token: &SuiteToken) -> Self {
        self.set("actor_token", token.text.expose()).set("actor_token_type", &token.kind)
    }

    /// With other credentials.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// With another way of writing the form.
    #[must_use]
    pub fn written(mut self, writing: Writing) -> Self {
        self.writing = writing;
        self
    }

    /// Whether the requests are equal.
    pub fn same(&self, other: &Self) -> bool {
        self.endpoint == other.endpoint
            && self.get == other.get
            && self.query == other.query
            && self.fields == other.fields
            && self.writing == other.writing
            && self.auth.same(&other.auth)
    }

    /// The query string, without `?`.
    pub fn query(&self) -> String {
        self.query.encode()
    }

    /// The body. Credentials in it come first.
    pub fn body(&self) -> String {
        let mut fields = Form::new();
        let (id, secret) = self.auth.in_the_form();
        for (name, value) in [("client_id", id), ("client_secret", secret)] {
            if let Some(value) = value {
                fields.push(name, value);
            }
        }
        for (name, value) in self.fields.fields() {
            fields.push(name, value);
        }
        match self.writing {
            Writing::Usual | Writing::Charset => fields.encode(),
            Writing::Escaped => escaped(&fields),
            Writing::Json => {
                let members = fields.fields().map(|(name, value)| (name.to_owned(), value.into())).collect();
                serde_json::Value::Object(members).to_string()
            }
        }
    }

    /// `Content-Type` of the body.
    pub fn media_type(&self) -> &'static str {
        match self.writing {
            Writing::Usual | Writing::Escaped => "application/x-www-form-urlencoded",
            Writing::Charset => "application/x-www-form-urlencoded; charset=UTF-8",
            Writing::Json => "application/json",
        }
    }

    /// The value of `Authorization`.
    pub fn authorization(&self) -> Option<Secret> {
        match &self.auth {
            Auth::Basic(id, secret) | Auth::Both(id, secret) => {
                let pair = format!("{}:{}", form::encode(id), form::encode(secret.expose()));
                Some(Secret::new(format!("Basic {}", STANDARD.encode(pair))))
            }
            Auth::Escaped(id, secret) => {
                let pair = format!("{}:{}", escape(id), escape(secret.expose()));
                Some(Secret::new(format!("Basic {}", STANDARD.encode(pair))))
            }
            Auth::None | Auth::Public(_) | Auth::Post(..) => None,
        }
    }
}

impl Auth {
    /// As the client usually does.
    pub fn usual(with: &Inputs) -> Self {
        Self::of(&with.client)
    }

    fn of(client: &SuiteClient) -> Self {
        let id = client.id.clone();
        match &client.secret {
            None => Self::Public(id),
            Some(secret) if client.basic => Self::Basic(id, secret.clone()),
            Some(secret) => Self::Post(id, secret.clone()),
        }
    }

    fn in_the_form(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::None | Self::Basic(..) | Self::Escaped(..) => (None, None),
            Self::Public(id) => (Some(id), None),
            Self::Post(id, secret) | Self::Both(id, secret) => (Some(id), Some(secret.expose())),
        }
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Public(a), Self::Public(b)) => a == b,
            (Self::Basic(a, s), Self::Basic(b, t))
            | (Self::Escaped(a, s), Self::Escaped(b, t))
            | (Self::Post(a, s), Self::Post(b, t))
            | (Self::Both(a, s), Self::Both(b, t)) => a == b && s.ct_eq(t),
            _ => false,
        }
    }
}

/// The form with every byte of names and values as `%HH`.
fn escaped(fields: &Form) -> String {
    let fields: Vec<_> = fields.fields().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    fields.join("&")
}

/// Every byte as `%HH`.
fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len() * 3), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "%{byte:02X}");
        text
    })
}

#[cfg(test)]
mod tests;
