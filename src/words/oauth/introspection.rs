//! Token introspection (RFC 7662): the form of a request, the strict reader of an answer, and what a status means.

use serde_json::{Map, Value};

use crate::words::oauth::form::Form;
use crate::words::oauth::json;

/// Largest answer in bytes that is read.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The form of a question about a token (RFC 7662 section 2.1), without client credentials.
pub fn request(token: &str) -> Form {
    let mut form = Form::new();
    form.push("token", token);
    form
}

/// What the status of an answer means, whatever its body says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntrospectionStatus {
    /// 200: the body is the answer.
    Answered,
    /// 400: an error response (RFC 6749 section 5.2); [`error_code`] reads its `error`.
    ErrorResponse,
    /// 401: the server does not accept the client's credentials (RFC 7662 section 2.3).
    ClientRefused,
    /// 403: the server does not let this client ask. Keycloak answers public clients with this status.
    ClientForbidden,
    /// 3xx: the endpoint is elsewhere. Cambio does not follow the redirect, because it would send token and secret
    /// there.
    Redirected,
    /// Any other status says nothing about token or client.
    Unexpected,
}

impl IntrospectionStatus {
    /// The meaning of a status code.
    pub fn of(status: u16) -> Self {
        match status {
            200 => Self::Answered,
            300..=399 => Self::Redirected,
            400 => Self::ErrorResponse,
            401 => Self::ClientRefused,
            403 => Self::ClientForbidden,
            _ => Self::Unexpected,
        }
    }
}

/// An answer of status 200 (RFC 7662 section 2.2). `Debug` shows nothing of its contents.
#[derive(Clone)]
pub struct IntrospectionAnswer {
    /// `None`: the token is not active.
    claims: Option<Map<String, Value>>,
    size: usize,
}

/// Why the bytes are not an answer. The text never repeats the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntrospectionAnswerError {
    /// No strict JSON object.
    #[error("the answer: {0}")]
    Json(#[from] json::JsonError),
    /// `active` is missing or no boolean.
    #[error("the answer has no boolean `active`")]
    Active,
}

impl IntrospectionAnswer {
    /// Reads the body of an answer of status 200.
    ///
    /// # Errors
    /// The body is no strict JSON object, or has no boolean `active`.
    pub fn read(body: &[u8]) -> Result<Self, IntrospectionAnswerError> {
        let claims = json::object(body)?;
        match claims.get("active") {
            Some(Value::Bool(active)) => Ok(Self { claims: active.then_some(claims), size: body.len() }),
            _ => Err(IntrospectionAnswerError::Active),
        }
    }

    /// Whether the server says that the token is active.
    pub fn is_active(&self) -> bool {
        self.claims.is_some()
    }

    /// The members of the answer; `None` if the token is not active.
    pub fn claims(&self) -> Option<&Map<String, Value>> {
        self.claims.as_ref()
    }

    /// Bytes of the answer.
    pub fn size(&self) -> usize {
        self.size
    }
}

impl std::fmt::Debug for IntrospectionAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IntrospectionAnswer").field("active", &self.is_active()).finish_non_exhaustive()
    }
}

/// `error` of an error response (RFC 6749 section 5.2), if the body is one.
pub fn error_code(body: &[u8]) -> Option<String> {
    match json::object(body).ok()?.remove("error")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_are_one_strict_object() {
        use json::JsonError::{NotAnObject, Repeated, Syntax};
        for (text, error) in [
            (r#"{"active":true,"active":false}"#, IntrospectionAnswerError::Json(Repeated)),
            (r#"{"active":true,"sub":"a","sub":"b"}"#, IntrospectionAnswerError::Json(Repeated)),
            ("[]", IntrospectionAnswerError::Json(NotAnObject)),
            ("<html>", IntrospectionAnswerError::Json(Syntax)),
            (r#"{"active":null}"#, IntrospectionAnswerError::Active),
        ] {
            assert_eq!(IntrospectionAnswer::read(text.as_bytes()).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn statuses() {
        use IntrospectionStatus as Status;
        for (status, expected) in [
            (200, Status::Answered),
            (201, Status::Unexpected),
            (302, Status::Redirected),
            (400, Status::ErrorResponse),
            (401, Status::ClientRefused),
            (403, Status::ClientForbidden),
            (404, Status::Unexpected),
            (500, Status::Unexpected),
        ] {
            assert_eq!(Status::of(status), expected, "{status}");
        }
        assert_eq!(error_code(br#"{"error":"invalid_client"}"#).as_deref(), Some("invalid_client"));
        assert_eq!(error_code(br#"{"error":1}"#), None);
        assert_eq!(error_code(b"<html>"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = IntrospectionAnswer::read(&bytes);
            let _ = error_code(&bytes);
        }

        /// Nothing but `active: true` is ever active.
        #[test]
        fn only_true_is_active(active in "[ -~]{0,8}") {
            let text = format!("{{\"active\":{active}}}");
            if let Ok(answer) = IntrospectionAnswer::read(text.as_bytes()) {
                prop_assert_eq!(answer.is_active(), active.trim() == "true");
            }
        }
    }
}
