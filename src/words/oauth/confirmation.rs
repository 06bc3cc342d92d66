//! The sender to whom a token is bound: `cnf` (RFC 7800) with the key of a `DPoP` proof (RFC 9449 section 6) or with
//! a TLS client certificate (RFC 8705 section 3), and the evidence that the caller is this sender.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::words::refusal::{Reason, Refusal};

/// `cnf.jkt`
const KEY: &str = "jkt";
/// `cnf["x5t#S256"]`
const CERTIFICATE: &str = "x5t#S256";
/// Keycloak's note beside `jkt` on how the key came to Keycloak. The note confirms nothing.
const KEYCLOAKS_NOTE: (&str, &str) = ("kc-jkt-type", "DPoP");

/// What the caller of a request has shown to be the sender to whom a token is bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// The SHA-256 thumbprint (RFC 7638) of the key of the caller's checked `DPoP` proof, as in `cnf.jkt`.
    pub jkt: Option<&'a str>,
    /// The SHA-256 thumbprint of the caller's TLS client certificate, in base64url.
    pub certificate_thumbprint: Option<&'a str>,
}

/// What a token is bound to; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    key: Option<String>,
    certificate: Option<String>,
}

impl Binding {
    /// Reads `cnf`. An unknown or unreadable confirmation is [`Reason::SubjectTokenBound`]: Cambio never treats a
    /// binding that it does not understand as no binding.
    pub fn read(claims: &Map<String, Value>) -> Result<Self, Refusal> {
        claims.get("cnf").map_or_else(|| Ok(Self::default()), Self::of)
    }

    /// Reads the value of `cnf`.
    pub fn of(cnf: &Value) -> Result<Self, Refusal> {
        let Value::Object(members) = cnf else { return Err(bound("the token's cnf is no object")) };
        let mut binding = Self::default();
        for (name, value) in members {
            let place = match name.as_str() {
                KEY => &mut binding.key,
                CERTIFICATE => &mut binding.certificate,
                name if name == KEYCLOAKS_NOTE.0 && value == KEYCLOAKS_NOTE.1 => continue,
                _ => return Err(bound("the token's cnf has another member than jkt and x5t#S256")),
            };
            let thumbprint = value.as_str().filter(|text| is_thumbprint(text));
            let thumbprint = thumbprint.ok_or_else(|| bound("a member of the token's cnf is no SHA-256 thumbprint"))?;
            *place = Some(thumbprint.to_owned());
        }
        if binding.is_none() {
            return Err(bound("the token's cnf is empty"));
        }
        Ok(binding)
    }

    /// The evidence of a caller that is the sender to whom the token is bound.
    pub fn as_evidence(&self) -> Evidence<'_> {
        Evidence { jkt: self.key.as_deref(), certificate_thumbprint: self.certificate.as_deref() }
    }

    /// Whether the token is bound to nothing.
    pub fn is_none(&self) -> bool {
        self.key.is_none() && self.certificate.is_none()
    }

    /// Whether the caller is the sender to whom the token is bound: to its key, its certificate, or both.
    pub fn proved_by(&self, evidence: Evidence<'_>) -> Result<(), Refusal> {
        match (&self.key, evidence.jkt) {
            (Some(key), Some(jkt)) if key != jkt => {
                return Err(bound("the token is bound to another key than that of the DPoP proof"));
            }
            (Some(_), None) => return Err(bound("the token is bound to a key (cnf.jkt), and there is no DPoP proof")),
            _ => {}
        }
        match (&self.certificate, evidence.certificate_thumbprint) {
            (Some(bound_to), Some(shown)) if bound_to != shown => {
                Err(bound("the token is bound to another client certificate"))
            }
            (Some(_), None) => {
                Err(bound("the token is bound to a client certificate (cnf.x5t#S256), and the caller came without one"))
            }
            _ => Ok(()),
        }
    }

    /// The binding of a token that is made from the token with this binding. A token without a key is bound to the
    /// key of the caller's proof (RFC 9449 section 5). No binding is ever removed.
    #[must_use]
    pub fn strengthened(&self, evidence: Evidence<'_>) -> Self {
        let key = self.key.clone().or_else(|| evidence.jkt.map(str::to_owned));
        Self { key, certificate: self.certificate.clone() }
    }

    /// The value of `cnf`.
    pub fn claim(&self) -> Option<Value> {
        let members = [(KEY, &self.key), (CERTIFICATE, &self.certificate)];
        let members: Map<_, _> = members
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), Value::String(value.clone()?))))
            .collect();
        (!members.is_empty()).then_some(Value::Object(members))
    }
}

/// 32 bytes in base64url.
fn is_thumbprint(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

fn bound(detail: &str) -> Refusal {
    Refusal::new(Reason::SubjectTokenBound, detail)
}

#[cfg(test)]
mod tests;
