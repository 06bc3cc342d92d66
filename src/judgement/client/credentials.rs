//! Client credentials as a request carries them: exactly one way of RFC 6749 section 2.3 or RFC 7523 section 2.2.
//!
//! Cambio reads them here without verifying or spending them: `client::verify` or the identity provider judges them.
//! Cambio writes the credentials that it sends anew, so that the identity provider authenticates the client that policy
//! judged.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Deserialize;

use crate::judgement::client::registry::Workloads;
use crate::words::oauth::form::{self, Form};
use crate::words::oauth::urn::{CLIENT_ASSERTION_JWT, CLIENT_ASSERTION_SPIFFE};
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// How the client authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialsMethod {
    /// `client_id` alone: a public client, or a client with a TLS certificate.
    None,
    /// `client_secret_basic`
    Basic,
    /// `client_secret_post`
    Post,
    /// A JWT: `client_secret_jwt`, `private_key_jwt`, or the JWT of a workload's platform.
    Assertion,
}

impl CredentialsMethod {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Basic, Self::Post, Self::Assertion];

    /// The name in audit lines, from RFC 7591 section 2.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::Assertion => "client_assertion",
        }
    }
}

/// The client, and the proof that the identity provider may judge. `Debug` shows no proof.
#[derive(Clone, Debug)]
pub struct Credentials {
    client_id: String,
    proof: Proof,
}

#[derive(Clone, Debug)]
enum Proof {
    None,
    Basic {
        /// The header to send. It is marked as sensitive, so `Debug` hides it.
        header: HeaderValue,
        secret: Secret,
        /// The secret had a `+`, which was decoded to a space.
        plus: bool,
    },
    Post(Secret),
    Assertion(Assertion),
}

/// A client assertion (RFC 7521 section 4.2), not verified.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// The JWT.
    pub(super) token: Secret,
    /// `client_assertion_type`, one of the two known values.
    pub(super) kind: &'static str,
    /// `iss`
    pub(super) issuer: String,
    /// `sub`
    pub(super) subject: String,
}

/// The credentials that a client shows.
#[derive(Clone, Copy, Debug)]
pub enum PresentedCredentials<'a> {
    /// Its name only.
    Nothing,
    /// A secret, decoded.
    Secret(&'a Secret),
    /// A JWT.
    Assertion(&'a Assertion),
}

impl Credentials {
    /// Reads the credentials of a request; more than one way at once is refused (RFC 6749 section 2.3).
    ///
    /// Of all schemes, only `Basic` authenticates a client. What another scheme carries (the token that a library adds to
    /// every request as `Bearer` or `DPoP`, `Negotiate`) is about somebody else: it is ignored and never sent on.
    ///
    /// An assertion names its client in `iss` and `sub` (RFC 7523 section 3). The JWT of a workload's platform does
    /// not: then `client_id` names the client, or the workload is exactly one client.
    pub fn read(headers: &HeaderMap, form: &Form, workloads: &Workloads) -> Result<Self, Refusal> {
        let mut headers = headers.get_all(AUTHORIZATION).iter();
        let header = headers.next();
        if headers.next().is_some() {
            return Err(Refusal::new(Reason::CredentialsAmbiguous, "more than one Authorization header"));
        }
        let header = header.filter(|header| is_basic(header));
        let client_id = form.one("client_id");
        let secret = form.one("client_secret");
        let assertion = (form.one("client_assertion"), form.one("client_assertion_type"));
        let credentials = match (header, secret, assertion) {
            (Some(header), None, (None, None)) => basic(header)?,
            (None, Some(secret), (None, None)) => match client_id {
                Some(id) => Self { client_id: id.to_owned(), proof: Proof::Post(Secret::new(secret)) },
                None => return Err(Refusal::new(Reason::ClientMissing, "client_secret without client_id")),
            },
            (None, None, (Some(assertion), Some(kind))) => {
                let assertion = Assertion::read(assertion, kind)?;
                let client_id = assertion.client(client_id, workloads)?;
                Self { client_id, proof: Proof::Assertion(assertion) }
            }
            (None, None, (Some(_), None)) => {
                return Err(malformed("client_assertion without client_assertion_type"));
            }
            (None, None, (None, Some(_))) => {
                return Err(malformed("client_assertion_type without client_assertion"));
            }
            (None, None, (None, None)) => match client_id {
                Some(id) => Self { client_id: id.to_owned(), proof: Proof::None },
                None => {
                    return Err(Refusal::new(Reason::ClientMissing, "no client_id, and no Authorization: Basic"));
                }
            },
            _ => return Err(Refusal::new(Reason::CredentialsAmbiguous, "client credentials in two places")),
        };
        if client_id.is_some_and(|id| id != credentials.client_id) {
            return Err(Refusal::new(Reason::CredentialsAmbiguous, "client_id names another client"));
        }
        // For some readers a control character ends a name, for others it does not.
        if credentials.client_id.is_empty() || credentials.client_id.chars().any(char::is_control) {
            return Err(malformed("the client id is empty or has control characters"));
        }
        Ok(credentials)
    }

    /// The client that policy judges and that the identity provider is sent.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// How the client authenticates.
    pub fn method(&self) -> CredentialsMethod {
        match self.proof {
            Proof::None => CredentialsMethod::None,
            Proof::Basic { .. } => CredentialsMethod::Basic,
            Proof::Post(_) => CredentialsMethod::Post,
            Proof::Assertion(_) => CredentialsMethod::Assertion,
        }
    }

    /// The `Authorization` header to send, if the client authenticates with one.
    pub fn authorization(&self) -> Option<&HeaderValue> {
        match &self.proof {
            Proof::Basic { header, .. } => Some(header),
            Proof::None | Proof::Post(_) | Proof::Assertion(_) => None,
        }
    }

    /// What the audit log says about a secret that does not fit.
    pub(super) fn wrong_secret(&self) -> &'static str {
        match self.proof {
            Proof::Basic { plus: true, .. } => {
                "the client secret is wrong; it has a `+`, which stands for a space in Authorization: Basic: \
                 percent-encode id and secret before base64 (RFC 6749 section 2.3.1)"
            }
            Proof::Basic { .. } | Proof::None | Proof::Post(_) | Proof::Assertion(_) => "the client secret is wrong",
        }
    }

    /// The credentials without the client's name.
    pub fn presented(&self) -> PresentedCredentials<'_> {
        match &self.proof {
            Proof::None => PresentedCredentials::Nothing,
            Proof::Basic { secret, .. } | Proof::Post(secret) => PresentedCredentials::Secret(secret),
            Proof::Assertion(assertion) => PresentedCredentials::Assertion(assertion),
        }
    }

    /// The client's credentials with another secret, sent in the same way. `None` if the client shows no secret.
    pub fn with_secret(&self, secret: &str) -> Option<Self> {
        let proof = match &self.proof {
            Proof::Basic { .. } => {
                let text = format!("{}:{}", form::encode(&self.client_id), form::encode(secret));
                let mut header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(text))).ok()?;
                header.set_sensitive(true);
                Proof::Basic { header, secret: Secret::new(secret), plus: false }
            }
            Proof::Post(_) => Proof::Post(Secret::new(secret)),
            Proof::None | Proof::Assertion(_) => return None,
        };
        Some(Self { client_id: self.client_id.clone(), proof })
    }

    /// Adds the parameters to send; none with Basic.
    pub(crate) fn write(&self, form: &mut Form) {
        match &self.proof {
            Proof::Basic { .. } => {}
            Proof::None => form.push("client_id", &self.client_id),
            Proof::Post(secret) => {
                form.push("client_id", &self.client_id);
                form.push("client_secret", secret.expose());
            }
            Proof::Assertion(assertion) => {
                if !assertion.is_own() {
                    // The assertion does not name the client that was judged.
                    form.push("client_id", &self.client_id);
                }
                form.push("client_assertion_type", assertion.kind);
                form.push("client_assertion", assertion.token.expose());
            }
        }
    }
}

fn malformed(detail: &str) -> Refusal {
    Refusal::new(Reason::CredentialsMalformed, detail)
}

/// Whether the scheme is Basic, however the rest is written.
fn is_basic(header: &HeaderValue) -> bool {
    let text = header.as_bytes().trim_ascii_start();
    let end = text.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-').unwrap_or(text.len());
    text.get(..end).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Basic"))
}

/// RFC 6749 section 2.3.1: id and secret, each encoded like a form's value, as user and password of RFC 7617.
fn basic(header: &HeaderValue) -> Result<Credentials, Refusal> {
    let text = header.to_str().map_err(|_| malformed("Authorization is not ASCII"))?;
    let (scheme, token) = text.split_once(' ').ok_or_else(|| malformed("Authorization has no credentials"))?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return Err(malformed("Authorization: Basic is not followed by a space"));
    }
    let decoded = STANDARD.decode(token.trim_matches(' ')).map_err(|_| malformed("Authorization is not base64"))?;
    let text = std::str::from_utf8(&decoded).map_err(|_| malformed("Authorization is not text"))?;
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(malformed(
            "Authorization has characters that must be percent-encoded before base64 (RFC 6749 section 2.3.1)",
        ));
    }
    let (id, secret) = text.split_once(':').ok_or_else(|| malformed("Authorization has no colon"))?;
    let decode = |text| {
        form::decode(text).map_err(|_| {
            malformed(
                "Authorization has a raw `%`: percent-encode id and secret before base64 (RFC 6749 section 2.3.1)",
            )
        })
    };
    let client_id = decode(id)?;
    let decoded = Secret::new(decode(secret)?);
    // Many clients send id and secret unencoded. An id without encoding stays unencoded, and the secret is always
    // sent on as it came: encoding them now would break servers that do not decode.
    let id = if id == client_id { id.to_owned() } else { form::encode(&client_id) };
    let canonical = format!("{id}:{secret}");
    let mut header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(canonical)))
        .map_err(|_| malformed("Authorization can't be written"))?;
    header.set_sensitive(true);
    Ok(Credentials { client_id, proof: Proof::Basic { header, secret: decoded, plus: secret.contains('+') } })
}

impl Assertion {
    /// Reads `iss` and `sub`. The assertion is not verified here, because verifying spends it.
    fn read(token: &str, kind: &str) -> Result<Self, Refusal> {
        /// Reading into fields refuses a claim that occurs twice.
        #[derive(Deserialize)]
        struct Claims {
            iss: String,
            sub: String,
        }
        let kind = [CLIENT_ASSERTION_JWT, CLIENT_ASSERTION_SPIFFE].into_iter().find(|known| *known == kind);
        let kind = kind.ok_or_else(|| malformed("client_assertion_type is not supported"))?;
        let mut parts = token.split('.');
        let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(malformed("client_assertion"));
        };
        let claims = URL_SAFE_NO_PAD.decode(payload).ok();
        let claims = claims.and_then(|claims| serde_json::from_slice::<Claims>(&claims).ok());
        let Claims { iss, sub } = claims.ok_or_else(|| malformed("client_assertion"))?;
        Ok(Self { token: Secret::new(token), kind, issuer: iss, subject: sub })
    }

    /// Whether the client made it itself (RFC 7523 section 3: `iss` and `sub` are both the client).
    pub(super) fn is_own(&self) -> bool {
        self.issuer == self.subject && self.kind == CLIENT_ASSERTION_JWT
    }

    fn client(&self, client_id: Option<&str>, workloads: &Workloads) -> Result<String, Refusal> {
        if self.is_own() {
            return Ok(self.subject.clone());
        }
        let found = client_id.or_else(|| workloads.client(&self.issuer, &self.subject));
        found.map(str::to_owned).ok_or_else(|| {
            malformed("client_assertion: iss is not sub, no client_id, and not exactly one of realms.*.clients is that workload")
        })
    }
}

#[cfg(test)]
mod tests;
